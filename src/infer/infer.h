#ifndef GPTQ_DOCTOR_INFER_INFER_H_
#define GPTQ_DOCTOR_INFER_INFER_H_

// What the quantization really is, from header shapes first and then as little tensor data as settles the question. One
// file a quantity (infer_bits.cc, infer_group_size.cc, ...); this header holds what they exchange. Knows no loader.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq/format_table.h"
#include "gptq/inventory.h"
#include "gptq/packing.h"
#include "gptq/quant_config_file.h"
#include "gptq_doctor/diagnosis.h"
#include "gptq_doctor/doctor.h"
#include "model/tensor_index.h"

namespace gptq_doctor {

// Header facts of one module class (index = class id). `gptq` false: the rest is empty.
struct ClassFacts {
  bool gptq = false;
  int pack_bits = 32;  // bits of a storage word
  std::optional<int> bits;
  std::vector<int> bits_candidates;  // where `bits` is not certain
  int64_t in_features = 0;           // 0: unknown
  int64_t out_features = 0;
  int64_t groups = 0;
  int64_t group_min = 0, group_max = 0;  // every group_size with ceil(K/g) == groups; max 0: one group, no upper bound
  std::optional<int64_t> group_size;     // resolved over the whole checkpoint; -1 for one group
  bool floor_truncated = false;          // rows or columns cut by floor division: channels are lost
  bool float_zeros = false;              // the dialect of March 2023 with F32 `zeros`
  std::string contradiction;             // shapes that contradict each other, in words; empty if none
};

enum class GIdxKind : uint8_t { kNotRead, kAbsent, kSequential, kConstantOneGroup, kActOrder, kAllZero, kInvalid };
const char* ToString(GIdxKind kind);
enum class ZeroKind : uint8_t { kNotRead, kSymV1, kSymV2, kSymBroken3Bit, kSymShiftedBase, kConstantOther, kVaried };

// What a module's data said; only for modules that were read.
struct ModuleData {
  uint32_t module = 0;
  GIdxKind g_idx = GIdxKind::kNotRead;
  ZeroKind zeros = ZeroKind::kNotRead;
  std::optional<int64_t> group_size;      // exact, from g_idx
  std::optional<uint32_t> zero_constant;  // the one stored value where constant
  int base_bits = 0;                      // kSymShiftedBase: the bits whose constant was subtracted
};

// A defect of tensor values (gptq-format C), by its catalogue number; rules/ turns them into findings of family 4.
struct ValueDefect {
  int catalogue = 0;    // 1 for C-1, ...
  std::string variant;  // "or", "borrow", ...; empty where there is one
  uint32_t module = 0;
  std::string detail;    // numbers, one sentence
  int64_t affected = 0;  // fields, groups or rows
};

enum class ZeroFormat : uint8_t { kUnknown, kV1, kV2, kPlanar };  // the meaning of stored zeros, whole checkpoint

struct InferredQuant {
  bool is_gptq = false;
  Quantization base;               // of the group with most weights; empty optional: unknown
  std::vector<Evidence> evidence;  // one a key of Quantization, in the contract's order
  std::vector<ClassFacts> classes;
  std::vector<ModuleData> data;  // sorted by module
  std::vector<ValueDefect> value_defects;
  std::vector<std::string> contradictions;  // tensors against tensors: `config` refuses, each names modules
  std::vector<ModuleGroup> groups;          // settings with counts, base first; counts add up to the quantized modules
  Coverage coverage;
  CodeLayout layout = CodeLayout::kContinuous;
  ZeroFormat zero_format = ZeroFormat::kUnknown;
  bool broken_3bit_zeros = false;  // C-2 recognised
  int shifted_base_bits = 0;       // C-27 recognised: the base bits, else 0
  const ModuleData* DataOf(uint32_t module) const;
};

struct InferInput {
  Source& source;
  const ModelDir& dir;
  const TensorIndex& tensors;
  const Inventory& inventory;
  const ConfigSet& configs;
};
InferredQuant Infer(const InferInput& input, const ExamineOptions& options, const ExamineContext& context,
                    std::vector<Error>& errors);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_INFER_H_

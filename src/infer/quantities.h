#ifndef GPTQ_DOCTOR_INFER_QUANTITIES_H_
#define GPTQ_DOCTOR_INFER_QUANTITIES_H_

// What the files of this room exchange: one function a quantity, pure where they look at bytes. Nothing here is for
// other rooms; they read InferredQuant.

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "infer/infer.h"

namespace gptq_doctor {

// --- infer_bits.cc: header facts -------------------------------------------------------------------------------------

// The component tensors of one module; null where it has none.
struct ModuleTensors {
  const TensorRecord* qweight = nullptr;
  const TensorRecord* qzeros = nullptr;
  const TensorRecord* scales = nullptr;
  const TensorRecord* g_idx = nullptr;
  const TensorRecord* zeros = nullptr;  // floats, the dialect of March 2023
};
ModuleTensors TensorsOf(const TensorIndex& tensors, const Inventory& inventory, uint32_t module);

// One entry a class; group_size is left to ResolveGroupSizes.
std::vector<ClassFacts> ReadClassFacts(const TensorIndex& tensors, const Inventory& inventory,
                                       const ModelConfig& config);
// in_features * out_features * modules, saturating; 0 where the shape is unknown.
int64_t WeightsOf(const ClassFacts& facts, const ModuleClass& c);
// Sets groups' interval: every g with ceil(in_features / g) == groups.
void SetGroupInterval(ClassFacts& facts);

// --- infer_group_size.cc ---------------------------------------------------------------------------------------------

struct GroupSizeInput {
  std::span<const ClassFacts> classes;
  std::span<const int64_t> weights;               // by class
  std::span<const std::optional<int64_t>> exact;  // by class, from g_idx
  std::vector<int64_t> declared;                  // by metadata and configs, most trusted first
};
struct GroupSizeAnswer {
  std::vector<std::optional<int64_t>> by_class;
  std::vector<Confidence> confidence;  // by class
  std::vector<bool> by_declaration;    // by class: a declared value decided among several that fit
};
GroupSizeAnswer ResolveGroupSizes(const GroupSizeInput& input);

// --- infer_act_order.cc ----------------------------------------------------------------------------------------------

struct GIdxReport {
  GIdxKind kind = GIdxKind::kNotRead;
  std::optional<int64_t> group_size;  // exact; empty for one group and for invalid data
  int64_t out_of_range = 0;           // entries below 0 or at least `groups`
  int64_t empty_groups = 0;           // never referenced
  int64_t uneven_groups = 0;          // of another size than group_size, the last group's remainder aside
  bool padded = false;                // explained by padding of in_features before quantization
  bool even = false;                  // entry k is k / group_size, and every group is full
};
// `bytes` are in_features entries of `entry_bytes` (4 or 8) bytes.
GIdxReport ReadGIdx(std::span<const char> bytes, int entry_bytes, int64_t groups);

// --- infer_sym.cc ----------------------------------------------------------------------------------------------------

struct ZeroReport {
  ZeroKind kind = ZeroKind::kNotRead;
  std::optional<uint32_t> constant;
  int base_bits = 0;
  bool planar = false;      // the constant words are those of bit planes where the layouts differ
  bool all_zero = false;    // every word is 0
  int64_t fields = 0;       // looked at
  int64_t top_fields = 0;   // equal to 2^b - 1 in the highest field of a word
  int64_t run_fields = 0;   // equal to 2^b - 1 with every higher bit of the word set
  int64_t lone_fields = 0;  // equal to 2^b - 1 with something else above
  double run_bits = 0;      // fields above the lowest one of each run: what chance would have to explain
  // 3 bits: sum and number of stored values at n mod 32 in 1-9, 11-20, 21-31.
  std::array<double, 3> position_sum = {0, 0, 0}, position_count = {0, 0, 0};
};
struct ZeroWords {
  std::span<const char> bytes;  // a prefix of qzeros, whole rows where there is one
  int64_t row_bytes = 0;
  int64_t out_features = 0;
  int bits = 4;
  int pack_bits = 32;
};
ZeroReport ReadZeros(const ZeroWords& zeros);
// Whether every byte is 0; true of none.
inline bool AllZero(std::span<const char> bytes) {
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}
// The stored words of `codes` codes of one constant, little-endian, 4 * bits bytes for 32 codes.
std::vector<char> ConstantWords(int bits, uint32_t value, CodeLayout layout);
// Whether stored values of asymmetric 3-bit zeros depend on their position, as the constants of GPTQModel < 7.0.0 make
// them (C-2). All modules together; kUnclear for too few fields.
enum class PositionVerdict { kUnclear, kFlat, kBroken3Bit };
PositionVerdict JudgePositions(std::span<const ZeroReport* const> reports);

// --- infer_checkpoint_format.cc --------------------------------------------------------------------------------------

// Some channels of some columns of one module, unpacked.
struct CodeWindow {
  int bits = 4;
  int64_t columns = 0;
  std::vector<int64_t> channels;  // input channel of each row of `codes`
  std::vector<int32_t> group;     // of each row; -1: not known
  std::vector<uint8_t> codes;     // [channels, columns]
  std::vector<uint8_t> stored;    // [rows, columns] stored zeros of groups 0..rows-1
  std::vector<float> scales;      // [scale_rows, columns], may be empty
  int64_t zero_rows = 0, scale_rows = 0;
  std::vector<bool> group_whole;  // by group: every channel of it is in the window
  int scale_bits = 16;            // 16: F16, 17: BF16, 32: F32
};
struct WitnessReport {
  int64_t dead_v1 = 0, dead_v2 = 0;    // input channels whose codes are the zero point in every column
  int64_t group_v1 = 0, group_v2 = 0;  // all-zero groups of a column
  double sum = 0;                      // of q - stored, fields of 2^b - 1 left out
  int64_t count = 0;
  double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};
WitnessReport FindWitnesses(const CodeWindow& window);
// Shannon entropy of codes in bits.
double Entropy(std::span<const uint8_t> codes);

struct FormatVote {  // of one module with varied zeros; above 4 bits the mean says nothing and `count` is 0
  uint32_t module = 0;
  WitnessReport report;
};
struct FormatAnswer {
  ZeroFormat format = ZeroFormat::kUnknown;
  Confidence confidence = Confidence::kUnknown;
  bool strong = false;  // good enough to contradict a label
  std::vector<Fact> facts, dissent;
};
FormatAnswer JudgeAsymmetric(std::span<const FormatVote> votes, std::span<const ZeroReport* const> zeros);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_QUANTITIES_H_

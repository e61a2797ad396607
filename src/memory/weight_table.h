#ifndef GPTQ_DOCTOR_MEMORY_WEIGHT_TABLE_H_
#define GPTQ_DOCTOR_MEMORY_WEIGHT_TABLE_H_

// The weights of a model as memory sees them: one row a module class, with what it takes as stored and what it would
// take at other precisions. Knows no runtime. Filled from the inventory, or by hand for a model that is only described.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/infer.h"
#include "model/model_config.h"

namespace gptq_doctor {

enum class WeightRole { kEmbedding, kHead, kLinear, kExpert, kRouter, kNorm, kTower, kOther };
const char* ToString(WeightRole role);

struct WeightClass {
  std::string pattern;  // folded stem
  WeightRole role = WeightRole::kOther;
  int64_t count = 1;   // modules
  int64_t stored = 0;  // bytes of one module in the files
  // The matrix of one module; 0 where there is none or its orientation is not known. `matrices` of them lie in one
  // tensor (packed experts).
  int64_t in_features = 0, out_features = 0, matrices = 1;
  std::optional<int64_t> elements = 0;  // of all matrices of one module; unset: the dense form cannot be told
  int64_t vector_elements = 0;          // biases and other one-dimensional parameters that the architecture has
  int64_t other_bytes = 0;              // integers and the like: the same at every precision
  int64_t artefact_bytes = 0;           // zero-filled biases that the architecture lacks: in `stored`, in no dense form
  int float_bytes = 2;                  // of the stored floating-point type
  bool quantized = false;
  int bits = 16;
  std::string format;   // variant of the fingerprint
  bool linear = false;  // a matrix inside the layers, which quantization can shrink
};

struct WeightTable {
  std::vector<WeightClass> classes;
  int64_t read_bytes = 0;     // of the files
  int64_t largest_file = 0;   // of one weight file
  int64_t missing_files = 0;  // that the index promises and that are not there, or that cannot be read
  std::vector<std::string> assumptions, left_out;
};

struct WeightSource {
  const ModelConfig& config;
  const TensorIndex& tensors;
  const Inventory& inventory;
  const InferredQuant& quant;
};
// Linear in classes.
WeightTable ReadWeights(const WeightSource& source);

WeightRole WeightRoleOf(std::string_view pattern);

enum class Precision { kAsIs, kNone, kFp16, kInt8, kInt4, kFallback16, kFallback32 };
// Bytes of all modules of the class; empty where the dense form is not known.
std::optional<int64_t> BytesAt(const WeightClass& c, Precision precision);
// Stored although the tied embedding serves as the head.
bool IsTiedCopy(const WeightClass& c, bool tied);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_WEIGHT_TABLE_H_

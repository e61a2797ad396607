#ifndef GPTQ_DOCTOR_DEQUANT_BASE_MATRICES_H_
#define GPTQ_DOCTOR_DEQUANT_BASE_MATRICES_H_

// The matrices of a dense model, as a quantized one sees them: found by the module's name, whatever prefix the wrapper
// class of either gives it, and read as rows of [out_features, in_features].

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "dequant/producers.h"

namespace gptq_doctor {

class BaseMatrices {
 public:
  explicit BaseMatrices(const Examination& base) : base_(base) {}
  // A tensor by the name that the quantized model gives it; null where there is none. Not thread-safe.
  const TensorRecord* Find(std::string_view name) const;
  // X.weight of a quantized module X; a head that is tied stands for the embedding.
  const TensorRecord* WeightOf(std::string_view stem) const;
  // How the base stores linear layers: by the shapes that are not square, else by its config.json.
  void Orient(const std::vector<const TensorRecord*>& weights, const std::vector<std::pair<int64_t, int64_t>>& shapes);
  Orientation orientation() const { return orientation_; }
  bool HasShape(const TensorRecord& tensor, int64_t outputs, int64_t inputs) const;
  // Rows [first, first + count) of [outputs, inputs] as floats.
  Result<std::vector<float>> Rows(const TensorRecord& tensor, int64_t first, int64_t count) const;
  // Rows of the tensor as it is stored.
  Result<std::vector<float>> StoredRow(const TensorRecord& tensor, int64_t row) const;
  const Examination& exam() const { return base_; }

 private:
  const Examination& base_;
  Orientation orientation_ = Orientation::kOutIn;
};

// F16, BF16 or F32 of rank 2 whose bytes are all there.
bool IsBaseMatrix(const TensorRecord& tensor);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_BASE_MATRICES_H_

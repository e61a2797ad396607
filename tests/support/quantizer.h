#ifndef GPTQ_DOCTOR_TESTS_SUPPORT_QUANTIZER_H_
#define GPTQ_DOCTOR_TESTS_SUPPORT_QUANTIZER_H_

// A dense model and the quantized one made from it: rounding to nearest, packed by the tests' own packer.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/model_builder.h"

namespace gptq_doctor::testing {

struct Matrix {
  int64_t outputs = 0, inputs = 0;
  std::vector<double> values;  // [outputs, inputs]
  double at(int64_t n, int64_t k) const { return values[static_cast<size_t>(n * inputs + k)]; }
};
// Bell-shaped, of deviation 0.02, deterministic by name.
Matrix RandomMatrix(const std::string& name, int64_t outputs, int64_t inputs);
Matrix Transposed(const Matrix& matrix);
TestTensor DenseWeight(const std::string& stem, const Matrix& matrix, const std::string& dtype = "F16");
// The four tensors of one module; scale and zero point of each group by its extremes.
std::vector<TestTensor> QuantizeMatrix(const std::string& stem, const Matrix& matrix, const GptqOptions& options = {});

// Two layers with square q, k, v and o and a gated MLP, dense and quantized.
struct ModelPair {
  GptqOptions options;
  std::map<std::string, Matrix> weights;  // by stem
  ModelBuilder base, quantized;
  explicit ModelPair(const GptqOptions& options);
  // Gives a module the weights of `matrix`, quantized with `options`.
  void Replace(const std::string& stem, const Matrix& matrix, const GptqOptions& options);
  void Replace(const std::string& stem, const Matrix& matrix) { Replace(stem, matrix, options); }
};

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_SUPPORT_QUANTIZER_H_

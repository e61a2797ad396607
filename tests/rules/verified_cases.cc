// What only the whole data, a recorded hash or the base model can show.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/sha256.h"
#include "rules/rule_cases.h"
#include "support/quantizer.h"

namespace gptq_doctor::testing {
namespace {

constexpr Severity kError = Severity::kError, kWarning = Severity::kWarning, kNote = Severity::kNote;
const std::string kUp = "model.layers.0.mlp.up_proj", kQ0 = "model.layers.0.self_attn.q_proj",
                  kQ1 = "model.layers.1.self_attn.q_proj";
const GptqOptions kFour = {.bits = 4, .group_size = 32};

const ModelPair& Pair() {
  static const ModelPair pair(kFour);
  return pair;
}
Directory Healthy() { return Pair().quantized; }
Directory Base() { return Pair().base; }

// The model with one module holding other weights.
std::function<Directory()> Holding(const std::string& stem, const std::function<Matrix(const Matrix&)>& change) {
  return [=] {
    ModelPair pair = Pair();
    pair.Replace(stem, change(pair.weights[stem]));
    return Directory(pair.quantized);
  };
}

// The model with the bytes of one component changed.
std::function<Directory()> With(const std::string& suffix, const std::function<void(std::string&)>& edit) {
  return [=] {
    ModelPair pair = Pair();
    for (TestTensor tensor : QuantizeMatrix(kUp, pair.weights[kUp], kFour)) {
      if (tensor.name == kUp + suffix) edit(tensor.data);
      pair.quantized.Tensor(tensor);
    }
    return Directory(pair.quantized);
  };
}

// All words of output 9 of up_proj, [16, 256] words of 8 codes.
std::function<Directory()> Column(uint32_t word) {
  return With(".qweight", [word](std::string& data) {
    for (size_t row = 0; row < 16; ++row) std::memcpy(data.data() + (row * 256 + 9) * 4, &word, 4);
  });
}

std::function<Directory()> ZeroBytes(size_t count) {
  return With(".qweight", [count](std::string& data) { std::memset(data.data() + 2048, 0, count); });
}

// Rounds to so many steps on either side of 0 in groups of 32.
Matrix Coarse(const Matrix& matrix, int steps) {
  Matrix out = matrix;
  for (size_t begin = 0; begin < out.values.size(); begin += 32) {
    double most = 0;
    for (size_t i = begin; i < begin + 32; ++i) most = std::max(most, std::abs(out.values[i]));
    for (size_t i = begin; i < begin + 32; ++i) out.values[i] = std::round(out.values[i] / most * steps) * most / steps;
  }
  return out;
}

Matrix WithoutOutputs(Matrix matrix, int64_t outputs) {
  std::fill_n(matrix.values.begin(), outputs * matrix.inputs, 0);
  return matrix;
}

Directory Layout(bool other) {
  ModelPair pair({.bits = 3, .group_size = 32});
  for (const TestTensor& tensor :
       QuantizeMatrix(kUp, pair.weights[kUp], {.bits = 3, .group_size = 32, .planar = true})) {
    if (other && tensor.name == kUp + ".qweight") pair.quantized.Tensor(tensor);
  }
  return Directory(pair.quantized);
}

Directory Norm(size_t byte, char value) {
  ModelPair pair = Pair();
  TestTensor norm = DenseTensor("model.norm.weight", {128});
  norm.data[byte] = value;
  return Directory(pair.quantized.Tensor(norm));
}

// As `hf download --local-dir` leaves it.
Directory Fetched(bool as_recorded) {
  Files files = Pair().quantized.Build();
  const std::string hash = Sha256(files.at("model.safetensors"));
  if (!as_recorded) files.at("model.safetensors").back() ^= 1;
  files[".cache/huggingface/download/model.safetensors.metadata"] =
      "0123456789abcdef0123456789abcdef01234567\n" + hash + "\n1700000000.0\n";
  return files;
}

}  // namespace

std::vector<RuleCase> VerifiedCases() {
  const auto noise = [](const Matrix& own) { return RandomMatrix("noise", own.outputs, own.inputs); };
  const auto half_noise = [](const Matrix& own) {
    Matrix out = RandomMatrix("noise", own.outputs, own.inputs);
    std::copy_n(own.values.begin(), own.values.size() / 2, out.values.begin());
    return out;
  };
  return {
      {"GD420", "2 KiB of zeros", kError, ZeroBytes(2048), ZeroBytes(300)},
      {"GD421", "6 of 16 codes", kWarning, Holding(kUp, [](const Matrix& own) { return Coarse(own, 2); }),
       Holding(kUp, [](const Matrix& own) { return Coarse(own, 7); })},
      {"GD422", "bit planes", kError, [] { return Layout(true); }, [] { return Layout(false); }},
      {"GD423", "0 and 15", kWarning, Column(0xF0F00FF0u), Column(0x76F09A58u)},
      {"GD424", "3 everywhere", kWarning, Column(0x33333333u), Column(0x88888888u)},
      {"GD425", "half", kNote, Holding(kUp, [](const Matrix& own) { return WithoutOutputs(own, 128); }),
       Holding(kUp, [](const Matrix& own) { return WithoutOutputs(own, 30); })},
      {"GD426", "NaN", kError, [] { return Norm(11, '\x7E'); }, [] { return Norm(11, '\x3E'); }},
      {"GD430", "last byte", kError, [] { return Fetched(false); }, [] { return Fetched(true); }, "model.safetensors"},
      {"GD440", "noise", kError, Holding(kUp, noise), Healthy, kUp, Base},
      {"GD441", "another layer", kError, Holding(kQ0, [](const Matrix&) { return Pair().weights.at(kQ1); }), Healthy,
       kQ0, Base},
      {"GD442", "square", kError, Holding(kQ0, Transposed), Healthy, kQ0, Base},
      {"GD443", "half of it noise", kError, Holding(kUp, half_noise), Healthy, kUp, Base},
      {"GD444", "twice the outputs", kError,
       Holding(kQ0, [](const Matrix& own) { return RandomMatrix("wide", own.outputs * 2, own.inputs); }), Healthy, kQ0,
       Base},
      {"GD445", "one value", kWarning, [] { return Norm(11, '\x3E'); }, Healthy, "model.norm", Base},
  };
}

}  // namespace gptq_doctor::testing

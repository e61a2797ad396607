#include "support/quantizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "support/packer.h"

namespace gptq_doctor::testing {
namespace {

uint64_t SeedOf(const std::string& name) {
  uint64_t seed = 1469598103934665603u;
  for (char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return seed;
}

std::vector<int64_t> GroupsOf(const std::string& stem, int64_t inputs, int64_t group, bool desc_act) {
  std::vector<int64_t> rank(static_cast<size_t>(inputs));
  std::iota(rank.begin(), rank.end(), 0);
  TestRandom random(SeedOf(stem));
  for (size_t i = rank.size(); desc_act && i > 1; --i) std::swap(rank[i - 1], rank[random.Next() % i]);
  for (int64_t& value : rank) value /= group;
  return rank;
}

struct Scale {
  double step = 1;
  int64_t zero = 0;
};

// As find_params of the GPTQ family: an all-zero group gets the range [-1, 1].
Scale ScaleOf(double low, double high, bool sym, int64_t top) {
  if (sym) low = -(high = std::max(-low, high));
  if (low == 0 && high == 0) low = -1, high = 1;
  const double step = (high - low) / static_cast<double>(top);
  return {step, sym ? (top + 1) / 2 : std::clamp<int64_t>(std::lround(-low / step), 1, top)};
}

}  // namespace

Matrix RandomMatrix(const std::string& name, int64_t outputs, int64_t inputs) {
  TestRandom random(SeedOf(name));
  Matrix out{outputs, inputs, {}};
  for (int64_t i = 0; i < outputs * inputs; ++i) out.values.push_back(0.02 * random.Gauss());
  return out;
}

Matrix Transposed(const Matrix& matrix) {
  Matrix out{matrix.inputs, matrix.outputs, {}};
  for (int64_t k = 0; k < matrix.inputs; ++k) {
    for (int64_t n = 0; n < matrix.outputs; ++n) out.values.push_back(matrix.at(n, k));
  }
  return out;
}

TestTensor DenseWeight(const std::string& stem, const Matrix& matrix, const std::string& dtype) {
  TestTensor out{
      stem + ".weight", dtype, {static_cast<uint64_t>(matrix.outputs), static_cast<uint64_t>(matrix.inputs)}, ""};
  for (double value : matrix.values) out.data += FloatBytes(value, dtype);
  return out;
}

std::vector<TestTensor> QuantizeMatrix(const std::string& stem, const Matrix& matrix, const GptqOptions& o) {
  const int64_t group = o.group_size > 0 ? o.group_size : matrix.inputs, top = (1 << o.bits) - 1;
  const std::vector<int64_t> group_of = GroupsOf(stem, matrix.inputs, group, o.desc_act);
  const auto K = static_cast<size_t>(matrix.inputs), N = static_cast<size_t>(matrix.outputs);
  const auto G = static_cast<size_t>((matrix.inputs + group - 1) / group);
  std::vector<std::vector<Scale>> scale(G, std::vector<Scale>(N));
  std::vector<std::vector<uint32_t>> codes(K, std::vector<uint32_t>(N)), zeros(G, std::vector<uint32_t>(N));
  for (int64_t n = 0; n < matrix.outputs; ++n) {
    std::vector<double> low(G, 0), high(G, 0);
    for (int64_t k = 0; k < matrix.inputs; ++k) {
      const auto g = static_cast<size_t>(group_of[static_cast<size_t>(k)]);
      low[g] = std::min(low[g], matrix.at(n, k));
      high[g] = std::max(high[g], matrix.at(n, k));
    }
    for (size_t g = 0; g < G; ++g) {
      const Scale s = scale[g][static_cast<size_t>(n)] = ScaleOf(low[g], high[g], o.sym, top);
      zeros[g][static_cast<size_t>(n)] = static_cast<uint32_t>(o.v2 || o.planar ? s.zero : s.zero - 1);
    }
    for (int64_t k = 0; k < matrix.inputs; ++k) {
      const Scale s = scale[static_cast<size_t>(group_of[static_cast<size_t>(k)])][static_cast<size_t>(n)];
      const int64_t code = std::lround(matrix.at(n, k) / s.step) + s.zero;
      codes[static_cast<size_t>(k)][static_cast<size_t>(n)] = static_cast<uint32_t>(std::clamp<int64_t>(code, 0, top));
    }
  }
  std::string scales, g_idx;
  for (const auto& row : scale) {
    for (const Scale& s : row) scales += FloatBytes(s.step, o.scales_dtype);
  }
  for (const int64_t g : group_of) {
    const auto word = static_cast<int32_t>(g);
    g_idx.append(reinterpret_cast<const char*>(&word), 4);
  }
  const auto bits = static_cast<uint64_t>(o.bits);
  return {{stem + ".qweight", "I32", {(K * bits + 31) / 32, N}, PackQweight(codes, o.bits, 32, o.planar)},
          {stem + ".qzeros", "I32", {G, (N * bits + 31) / 32}, PackQzeros(zeros, o.bits, 32, o.planar)},
          {stem + ".scales", o.scales_dtype, {G, N}, scales},
          {stem + ".g_idx", "I32", {K}, g_idx}};
}

ModelPair::ModelPair(const GptqOptions& with)
    : options(with), base(ModelBuilder().Dense()), quantized(ModelBuilder().Quant(with).WithConfigs()) {
  for (const char* layer : {"0", "1"}) {
    for (const char* part : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                             "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      const std::string stem = std::string("model.layers.") + layer + "." + part, kind = part;
      const int64_t outputs = kind == "mlp.gate_proj" || kind == "mlp.up_proj" ? 256 : 128;
      weights[stem] = RandomMatrix(stem, outputs, kind == "mlp.down_proj" ? 256 : 128);
      base.Tensor(DenseWeight(stem, weights[stem]));
      Replace(stem, weights[stem]);
    }
  }
}

void ModelPair::Replace(const std::string& stem, const Matrix& matrix, const GptqOptions& with) {
  for (const TestTensor& tensor : QuantizeMatrix(stem, matrix, with)) quantized.Tensor(tensor);
}

}  // namespace gptq_doctor::testing

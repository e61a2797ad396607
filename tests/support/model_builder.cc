#include "support/model_builder.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "support/packer.h"

namespace gptq_doctor::testing {
namespace {

using Json = nlohmann::ordered_json;

uint64_t BitsOfDtype(const std::string& dtype) {
  static const std::map<std::string, uint64_t> kBits = {
      {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"BOOL", 8},        {"U8", 8},          {"I8", 8},
      {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
      {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
      {"F64", 64},    {"I64", 64},    {"U64", 64},    {"C64", 64}};
  return kBits.at(dtype);
}

uint64_t BytesOf(const TestTensor& tensor) {
  uint64_t elements = 1;
  for (uint64_t dim : tensor.shape) elements *= dim;
  return elements * BitsOfDtype(tensor.dtype) / 8;
}

uint64_t SeedOf(const std::string& name, uint64_t seed) {
  for (char c : name) seed = seed * 1099511628211u + static_cast<unsigned char>(c);
  return seed;
}

std::string IntBytes(const std::vector<int32_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * 4};
}

std::vector<int32_t> GroupIndex(int64_t in_features, int64_t group, bool desc_act, TestRandom& random) {
  std::vector<int32_t> rank(static_cast<size_t>(in_features));
  std::iota(rank.begin(), rank.end(), 0);
  if (desc_act) {
    for (size_t i = rank.size(); i > 1; --i) std::swap(rank[i - 1], rank[random.Next() % i]);
  }
  for (int32_t& value : rank) value /= static_cast<int32_t>(group);
  return rank;
}

}  // namespace

std::string MakeSafetensors(const std::vector<TestTensor>& tensors,
                            const std::vector<std::pair<std::string, std::string>>& metadata) {
  Json header = Json::object();
  for (const auto& [key, value] : metadata) header["__metadata__"][key] = value;
  std::string data;
  for (const TestTensor& tensor : tensors) {
    const uint64_t bytes = BytesOf(tensor);
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {data.size(), data.size() + bytes}}};
    data += tensor.data.empty() ? std::string(bytes, '\0') : tensor.data;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out;
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>((text.size() >> shift) & 0xFF));
  return out + text + data;
}

std::vector<TestTensor> GptqModule(const std::string& stem, int64_t in_features, int64_t out_features,
                                   const GptqOptions& o) {
  TestRandom random(SeedOf(stem, o.seed));
  const auto K = static_cast<size_t>(in_features), N = static_cast<size_t>(out_features);
  const int64_t group = o.group_size > 0 ? o.group_size : in_features;
  const auto G = static_cast<size_t>((in_features + group - 1) / group);
  const uint32_t top = (1u << o.bits) - 1, middle = 1u << (o.bits - 1);

  std::vector<std::vector<uint32_t>> zeros(G, std::vector<uint32_t>(N, middle));
  std::string scales;
  for (size_t g = 0; g < G; ++g) {
    for (size_t n = 0; n < N; ++n) {
      if (!o.sym) {
        const double z = middle + random.Gauss() * (top / 12.0);
        zeros[g][n] = static_cast<uint32_t>(std::clamp(std::lround(z), 1L, static_cast<long>(top)));
      }
      scales += FloatBytes((0.08 + 0.02 * random.Uniform()) / (top + 1), o.scales_dtype);
    }
  }
  const std::vector<int32_t> g_idx = GroupIndex(in_features, group, o.desc_act, random);
  std::vector<std::vector<uint32_t>> codes(K, std::vector<uint32_t>(N));
  for (size_t k = 0; k < K; ++k) {
    for (size_t n = 0; n < N; ++n) {
      const double code = zeros[static_cast<size_t>(g_idx[k])][n] + random.Gauss() * (top / 6.5);
      codes[k][n] = static_cast<uint32_t>(std::clamp(std::lround(code), 0L, static_cast<long>(top)));
    }
  }
  if (!o.v2 && !o.planar) {
    for (auto& row : zeros) {
      for (uint32_t& z : row) z = (z - 1) & top;
    }
  }
  const std::string word = "I" + std::to_string(o.pack_bits);
  const auto bits = static_cast<uint64_t>(o.bits), pack = static_cast<uint64_t>(o.pack_bits);
  std::vector<TestTensor> out = {
      {stem + ".qweight", word, {(K * bits + pack - 1) / pack, N}, PackQweight(codes, o.bits, o.pack_bits, o.planar)},
      {stem + ".qzeros", word, {G, (N * bits + pack - 1) / pack}, PackQzeros(zeros, o.bits, o.pack_bits, o.planar)},
      {stem + ".scales", o.scales_dtype, {G, N}, scales}};
  if (o.g_idx) out.push_back({stem + ".g_idx", "I32", {K}, IntBytes(g_idx)});
  if (o.bias) out.push_back(DenseTensor(stem + ".bias", {N}, o.scales_dtype));
  return out;
}

TestTensor DenseTensor(const std::string& name, std::vector<uint64_t> shape, const std::string& dtype) {
  TestRandom random(SeedOf(name, 7));
  TestTensor tensor{name, dtype, std::move(shape), ""};
  uint64_t elements = 1;
  for (uint64_t dim : tensor.shape) elements *= dim;
  for (uint64_t i = 0; i < elements; ++i) tensor.data += FloatBytes(random.Gauss() * 0.02, dtype);
  return tensor;
}

}  // namespace gptq_doctor::testing

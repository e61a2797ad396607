// Resident weights at one precision, in the parts that the ledger prints.

#include <algorithm>

#include "base/text.h"
#include "memory/arith.h"
#include "memory/ledger.h"

namespace gptq_doctor {
namespace {

struct PartInfo {
  std::string_view id, title;
};
constexpr PartInfo kParts[] = {
    {"weights_quantized", "quantized matrices"},  {"weights_linear", "matrices of the layers"},
    {"weights_embedding", "token embedding"},     {"weights_head", "output head"},
    {"weights_other", "norms, biases, the rest"},
};

bool IsGptqFormat(const WeightClass& c) { return c.format.starts_with("gptq"); }

// Whether the class is stored as codes at this precision, and with how many bits.
int CodeBits(const WeightClass& c, Precision precision) {
  if (precision == Precision::kInt8 && c.linear) return 8;
  if (precision == Precision::kInt4 && c.linear) return 4;
  return precision == Precision::kAsIs && c.quantized ? std::max(c.bits, 1) : 0;
}

size_t PartOf(const WeightClass& c, bool codes) {
  if (codes) return 0;
  if (c.role == WeightRole::kLinear || c.role == WeightRole::kExpert) return 1;
  if (c.role == WeightRole::kEmbedding) return 2;
  return c.role == WeightRole::kHead ? 3 : 4;
}

std::string FormulaOf(size_t part, Precision precision, int64_t modules) {
  const std::string count = FormatCount(static_cast<uint64_t>(modules)) + (modules == 1 ? " module" : " modules");
  if (precision == Precision::kAsIs) return "the tensors of " + count + " as stored";
  if (part == 0) {
    return count + ": codes, zero points and scales by groups of 128, and g_idx, at " +
           (precision == Precision::kInt8 ? "8" : "4") + " bits";
  }
  if (precision == Precision::kNone) return count + ", elements in the stored floating-point type";
  return count + (precision == Precision::kFallback32 ? ", elements x 4 bytes" : ", elements x 2 bytes");
}

}  // namespace

PricedWeights PriceWeights(const WeightTable& weights, const ArchFacts& arch, Precision precision) {
  PricedWeights out;
  out.complete = weights.missing_files == 0 && !weights.classes.empty();
  int64_t bytes[std::size(kParts)] = {}, modules[std::size(kParts)] = {};
  // FP8 files of tied models keep their stored head resident: the published Qwen3 rows hold exactly one extra head.
  const bool keeps_copy =
      precision == Precision::kAsIs && std::any_of(weights.classes.begin(), weights.classes.end(),
                                                   [](const WeightClass& c) { return c.format.starts_with("fp8"); });
  for (const WeightClass& c : weights.classes) {
    const std::optional<int64_t> size = BytesAt(c, precision);
    if (!size) {
      out.complete = false;
      continue;
    }
    if (IsTiedCopy(c, arch.tied) && !keeps_copy) {
      out.load_extra = SaturatingAdd(out.load_extra, *size);
      continue;
    }
    const int code_bits = CodeBits(c, precision);
    const size_t part = PartOf(c, code_bits > 0);
    bytes[part] = SaturatingAdd(bytes[part], *size);
    modules[part] += c.count;
    out.total = SaturatingAdd(out.total, *size);
    if (c.pattern.find(".*") != std::string::npos) out.in_layers = SaturatingAdd(out.in_layers, *size);
    if (c.elements == 0) out.replicated = SaturatingAdd(out.replicated, *size);
    const bool gptq = precision != Precision::kAsIs || IsGptqFormat(c);
    if (code_bits == 4 && gptq) {
      out.gptq4 = true;
      out.largest_matrix = std::max(out.largest_matrix, Times({c.in_features, c.out_features}));
      out.widest_output = std::max(out.widest_output, c.out_features);
    }
  }
  for (size_t i = 0; i < std::size(kParts); ++i) {
    if (modules[i] == 0) continue;
    out.parts.push_back({.id = std::string(kParts[i].id),
                         .title = std::string(kParts[i].title),
                         .formula = FormulaOf(i, precision, modules[i]),
                         .bytes = bytes[i]});
  }
  return out;
}

}  // namespace gptq_doctor

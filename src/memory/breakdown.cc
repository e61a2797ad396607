// Where the bytes go, and what would save some.

#include <algorithm>
#include <map>

#include "base/text.h"
#include "memory/arith.h"
#include "memory/estimate.h"
#include "model/sizes.h"

namespace gptq_doctor {
namespace {

std::string WhyDense(const WeightClass& c, bool model_quantized) {
  switch (c.role) {
    case WeightRole::kEmbedding:
      return "looked up by token, never multiplied: stays 16-bit";
    case WeightRole::kHead:
      return "output head: stays 16-bit unless lm_head is quantized";
    case WeightRole::kRouter:
      return "router: too small and too sensitive to quantize";
    case WeightRole::kNorm:
      return "norms: vectors";
    case WeightRole::kTower:
      return "vision or audio tower: quantizers leave it alone";
    case WeightRole::kLinear:
    case WeightRole::kExpert:
      return model_quantized ? "left dense by the quantizer" : "could be quantized";
    case WeightRole::kOther:
      break;
  }
  return "not a matrix of the layers";
}

const WeightClass* HeadOf(const MemoryModel& model) {
  for (const WeightClass& c : model.weights.classes) {
    if (c.role == WeightRole::kHead) return &c;
  }
  return nullptr;
}

// The number of the layer a stem belongs to: its first part that is all digits; -1: none.
int64_t LayerOf(std::string_view stem) {
  size_t at = 0;
  while (at < stem.size()) {
    const size_t dot = std::min(stem.find('.', at), stem.size());
    const std::string_view part = stem.substr(at, dot - at);
    const bool digits = !part.empty() && part.size() < 10 &&
                        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits) {
      int64_t number = 0;
      for (const char c : part) number = number * 10 + (c - '0');
      return number;
    }
    at = dot + 1;
  }
  return -1;
}

void SortByBytes(std::vector<MemoryShare>& shares) {
  std::stable_sort(shares.begin(), shares.end(),
                   [](const MemoryShare& a, const MemoryShare& b) { return a.bytes > b.bytes; });
}

}  // namespace

std::vector<MemoryShare> SharesByKind(const MemoryModel& model) {
  std::vector<MemoryShare> shares;
  for (const WeightClass& c : model.weights.classes) {
    const std::string name = c.quantized ? std::string("quantized ") + ToString(c.role) : std::string(ToString(c.role));
    auto share = std::find_if(shares.begin(), shares.end(), [&](const MemoryShare& s) { return s.name == name; });
    if (share == shares.end()) {
      const std::string note = c.quantized ? c.format : WhyDense(c, model.quantized);
      share = shares.insert(shares.end(), {.name = name, .note = note});
    }
    share->count += c.count;
    share->bytes = SaturatingAdd(share->bytes, Times({c.count, c.stored}));
    share->largest = std::max(share->largest, c.stored);
  }
  SortByBytes(shares);
  return shares;
}

std::vector<MemoryShare> SharesByTensor(const Examination& exam, const MemoryModel& model, size_t most) {
  std::vector<MemoryShare> shares;
  for (size_t id = 0; id < exam.inventory.classes.size(); ++id) {
    const ModuleClass& from = exam.inventory.classes[id];
    const Module& module = exam.inventory.modules[from.representative];
    for (const Component& component : exam.inventory.components(module)) {
      const TensorRecord& tensor = exam.tensors.at(component.tensor);
      const std::string suffix(exam.inventory.SuffixName(component.suffix));
      const int64_t bytes = ClampToInt64(tensor.bytes());
      std::string name = from.count == 1 ? std::string(tensor.name()) : from.pattern + "." + suffix;
      const WeightClass& c = model.weights.classes[id];
      shares.push_back({.name = std::move(name),
                        .count = from.count,
                        .bytes = Times({bytes, int64_t{from.count}}),
                        .largest = bytes,
                        .note = c.quantized ? c.format : WhyDense(c, model.quantized)});
    }
  }
  SortByBytes(shares);
  if (shares.size() > most) shares.resize(most);
  return shares;
}

std::vector<MemoryShare> SharesByLayer(const Examination& exam) {
  std::map<std::pair<std::string, int64_t>, MemoryShare> layers;
  for (const ModuleClass& c : exam.inventory.classes) {
    const int64_t bytes = c.count > 0 ? c.bytes / c.count : 0;
    const size_t star = c.pattern.find(".*");
    const std::string group = star == std::string::npos ? "outside the layers" : c.pattern.substr(0, star);
    for (const uint32_t number : exam.inventory.members(c)) {
      const int64_t layer = star == std::string::npos ? -1 : LayerOf(exam.inventory.modules[number].stem);
      MemoryShare& share = layers[{group, layer}];
      share.count += exam.inventory.modules[number].count;
      share.bytes = SaturatingAdd(share.bytes, bytes);
      share.largest = std::max(share.largest, bytes);
    }
  }
  std::vector<MemoryShare> shares;
  for (auto& [key, share] : layers) {
    share.name = key.second < 0 ? key.first : key.first + "." + std::to_string(key.second);
    shares.push_back(std::move(share));
  }
  return shares;
}

std::vector<MemorySaving> Savings(const MemoryModel& model) {
  std::vector<MemorySaving> savings;
  const ArchFacts& arch = model.arch;
  if (!arch.hidden || !arch.vocab) return savings;
  const WeightClass* head = HeadOf(model);
  const bool own_head = head != nullptr && !arch.tied;
  const int64_t row = Times({*arch.hidden, 2});
  savings.push_back({"every 1,000 tokens less in the vocabulary", Times({1000, row, own_head ? 2 : 1})});
  const int64_t packed = QuantizedBytes({.in_features = *arch.hidden, .out_features = *arch.vocab});
  if (own_head && !head->quantized) {
    savings.push_back({"output head quantized to 4 bits, groups of 128", std::max<int64_t>(head->stored - packed, 0)});
  } else if (arch.tied) {
    savings.push_back(
        {"output head quantized to 4 bits: it is tied to the embedding, so a second copy is added", -packed});
  }
  int64_t artefacts = 0;
  for (const WeightClass& c : model.weights.classes)
    artefacts = SaturatingAdd(artefacts, Times({c.count, c.artefact_bytes}));
  if (artefacts > 0) savings.push_back({"zero-filled biases that the architecture lacks, dropped", artefacts});
  return savings;
}

}  // namespace gptq_doctor

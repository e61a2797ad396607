// What model this is: from config.json, and where that is silent from the tensors' names and shapes.

#include <algorithm>
#include <charconv>

#include "diagnose.h"

namespace gptq_doctor {
namespace {

// The largest number behind "layers." (or "h.", "blocks.") in a name, plus one.
std::optional<int64_t> LayerOf(std::string_view stem) {
  for (const std::string_view part : {"layers.", "h.", "blocks.", "layer."}) {
    size_t at = stem.find(part);
    while (at != std::string_view::npos && at > 0 && stem[at - 1] != '.') at = stem.find(part, at + 1);
    if (at == std::string_view::npos) continue;
    int64_t number = 0;
    const char* begin = stem.data() + at + part.size();
    const auto [end, error] = std::from_chars(begin, stem.data() + stem.size(), number);
    if (error == std::errc() && end != begin && number >= 0 && number < 1'000'000) return number;
  }
  return std::nullopt;
}

bool EndsWith(std::string_view name, std::string_view end) { return name.ends_with(end); }

void FromTensors(const Examination& exam, Architecture& out) {
  std::optional<int64_t> layers;
  for (const ModuleClass& c : exam.inventory.classes) {
    // Members are in natural order, so the last one has the largest layer number.
    const std::span<const uint32_t> members = exam.inventory.members(c);
    if (members.empty()) continue;
    const std::optional<int64_t> layer = LayerOf(exam.inventory.modules[members.back()].stem);
    if (layer) layers = std::max(layers.value_or(0), *layer + 1);
    const Module& module = exam.inventory.modules[c.representative];
    if (!EndsWith(module.stem, "embed_tokens") && !EndsWith(module.stem, "wte") && !EndsWith(module.stem, "embed_in")) {
      continue;
    }
    const TensorRecord* weight = exam.inventory.Find(exam.tensors, module, kWeight);
    if (weight == nullptr || weight->rank != 2) continue;
    if (!out.vocab_size) out.vocab_size = static_cast<int64_t>(weight->dims()[0]);
    if (!out.hidden_size) out.hidden_size = static_cast<int64_t>(weight->dims()[1]);
  }
  if (!out.num_hidden_layers) out.num_hidden_layers = layers;
}

}  // namespace

Architecture DescribeArchitecture(const Examination& exam) {
  const ModelConfig& config = exam.configs.model;
  Architecture out;
  out.model_type = config.model_type;
  out.architectures = config.architectures;
  out.torch_dtype = config.dtype;
  out.hidden_size = config.hidden_size;
  out.intermediate_size = config.intermediate_size;
  out.num_hidden_layers = config.num_hidden_layers;
  out.num_attention_heads = config.num_attention_heads;
  out.num_key_value_heads = config.num_key_value_heads;
  out.vocab_size = config.vocab_size;
  out.tie_word_embeddings = config.tie_word_embeddings;
  const bool declared = config.readable && (!config.model_type.empty() || config.hidden_size.has_value());
  out.source = declared ? "config.json" : "tensors";
  if (!declared) FromTensors(exam, out);
  return out;
}

}  // namespace gptq_doctor

// Which layers attend to everything, which to a window, which keep a constant state. An explicit list in config.json
// wins; older configurations say it by keys that each family reads in its own way.

#include <algorithm>
#include <span>

#include "memory/arch_facts.h"

namespace gptq_doctor {
namespace {

enum class WindowRule : uint8_t {
  kAll,        // every layer, where sliding_window is a number
  kQwen,       // from max_window_layers on, where use_sliding_window is true
  kOneFullIn,  // one full layer in `period`, the last of each
  kNever,      // the key is not read
};
struct WindowRow {
  std::string_view model_type;
  WindowRule rule;
  int64_t period = 0;
  int64_t window = 0;  // where the key is absent
};
// huggingface/transformers src/transformers/models/<family>/configuration_*.py and modeling_*.py.
constexpr WindowRow kWindowTable[] = {
    {"mistral", WindowRule::kAll},
    {"mixtral", WindowRule::kAll},
    {"starcoder2", WindowRule::kAll},
    {"phi3", WindowRule::kAll},
    {"phimoe", WindowRule::kAll},
    {"qwen2", WindowRule::kQwen},
    {"qwen2_moe", WindowRule::kQwen},
    {"qwen2_vl", WindowRule::kQwen},
    {"qwen2_5_vl", WindowRule::kQwen},
    {"qwen3", WindowRule::kQwen},
    {"qwen3_moe", WindowRule::kQwen},
    {"gemma2", WindowRule::kOneFullIn, 2, 4096},
    {"gpt_oss", WindowRule::kOneFullIn, 2, 128},
    {"gemma3", WindowRule::kOneFullIn, 6, 4096},
    {"gemma3_text", WindowRule::kOneFullIn, 6, 4096},
    {"cohere2", WindowRule::kOneFullIn, 4, 4096},
    {"exaone4", WindowRule::kOneFullIn, 4},
    {"llama", WindowRule::kNever},
    {"cohere", WindowRule::kNever},
};

// Words of layer_types and layers_block_type.
std::optional<LayerKind> KindOf(std::string_view word) {
  if (word == "full_attention" || word == "attention" || word == "global" || word == "hybrid") return LayerKind::kFull;
  if (word == "sliding_attention" || word == "chunked_attention" || word == "local") return LayerKind::kWindow;
  if (word == "linear_attention" || word == "mamba" || word == "mamba2" || word == "conv" || word == "recurrent") {
    return LayerKind::kLinear;
  }
  if (word == "mlp" || word == "moe") return LayerKind::kNone;
  return std::nullopt;
}

bool FromList(const JsonValue& list, AttentionLayout& layout) {
  for (const JsonValue& item : list.items) {
    std::optional<LayerKind> kind;
    if (const std::string* word = item.AsString()) kind = KindOf(*word);
    if (const std::optional<int64_t> number = item.AsInt()) {  // attn_type_list of MiniMax: 1 full, 0 linear
      kind = *number == 1 ? LayerKind::kFull : LayerKind::kLinear;
    }
    if (!kind) return false;
    layout.layers.push_back(*kind);
  }
  return true;
}

// nemotron_h: "M" Mamba, "*" attention, "-" MLP.
bool FromLetters(std::string_view letters, AttentionLayout& layout) {
  for (const char letter : letters) {
    if (letter != 'M' && letter != '*' && letter != '-' && letter != 'E') return false;
    layout.layers.push_back(letter == '*' ? LayerKind::kFull : letter == 'M' ? LayerKind::kLinear : LayerKind::kNone);
  }
  return true;
}

// Lists of the layers that attend, the rest being linear; `base` is the number of the first layer.
bool FromNumbers(const JsonValue& list, int64_t layers, int64_t base, AttentionLayout& layout) {
  layout.layers.assign(static_cast<size_t>(layers), LayerKind::kLinear);
  for (const JsonValue& item : list.items) {
    const std::optional<int64_t> number = item.AsInt();
    if (!number || *number < base || *number >= layers + base) return false;
    layout.layers[static_cast<size_t>(*number - base)] = LayerKind::kFull;
  }
  return true;
}

void EveryNth(int64_t layers, int64_t period, int64_t offset, LayerKind rest, AttentionLayout& layout) {
  for (int64_t i = 0; i < layers; ++i) layout.layers.push_back(i % period == offset ? LayerKind::kFull : rest);
}

// Explicit descriptions. Returns whether there was one; `layout.known` says whether it could be read.
bool Explicit(const ModelConfig& config, int64_t layers, AttentionLayout& layout) {
  for (const std::string_view key : {"layer_types", "layers_block_type", "attn_type_list"}) {
    const JsonValue* list = config.Find(key);
    if (list == nullptr || list->kind != JsonKind::kArray || list->items.empty()) continue;
    layout.known = FromList(*list, layout) && static_cast<int64_t>(layout.layers.size()) >= layers;
    return true;
  }
  if (const JsonValue* letters = config.Find("hybrid_override_pattern"); letters && letters->AsString()) {
    layout.known = FromLetters(*letters->AsString(), layout);
    return true;
  }
  for (const std::string_view key : {"attn_layer_indices", "full_attn_idxs"}) {
    const JsonValue* list = config.Find(key);
    if (list == nullptr || list->kind != JsonKind::kArray) continue;
    layout.known = FromNumbers(*list, layers, 0, layout);
    return true;
  }
  if (const JsonValue* section = config.Find("linear_attn_config"); section && section->IsObject()) {
    const JsonValue* list = section->Find("full_attn_layers");  // kimi_linear counts from 1
    layout.known = list != nullptr && FromNumbers(*list, layers, 1, layout);
    return true;
  }
  if (const auto interval = PositiveInt(config, {"full_attention_interval"})) {
    EveryNth(layers, *interval, *interval - 1, LayerKind::kLinear, layout);
    return layout.known = true;
  }
  if (const auto period = PositiveInt(config, {"attn_layer_period"})) {
    const JsonValue* offset = config.Find("attn_layer_offset");
    const int64_t first = offset == nullptr ? 0 : offset->AsInt().value_or(0);
    EveryNth(layers, *period, first >= 0 ? first % *period : 0, LayerKind::kLinear, layout);
    return layout.known = true;
  }
  return false;
}

void ApplyRule(const WindowRow& row, const ModelConfig& config, int64_t layers, AttentionLayout& layout) {
  layout.window = PositiveInt(config, {"sliding_window"}).value_or(row.window);
  const JsonValue* key = config.Find("sliding_window");
  if (key != nullptr && key->kind == JsonKind::kNull) layout.window = 0;
  const size_t count = static_cast<size_t>(layers);
  layout.layers.assign(count, LayerKind::kFull);
  layout.known = true;
  if (layout.window == 0) return;
  switch (row.rule) {
    case WindowRule::kNever:
      return;
    case WindowRule::kAll:
      layout.layers.assign(count, LayerKind::kWindow);
      return;
    case WindowRule::kQwen: {
      const JsonValue* use = config.Find("use_sliding_window");
      if (use == nullptr || use->AsBool() != true) return;
      const JsonValue* full = config.Find("max_window_layers");
      const int64_t first = full == nullptr ? layers : full->AsInt().value_or(layers);
      for (int64_t i = std::max<int64_t>(first, 0); i < layers; ++i) {
        layout.layers[static_cast<size_t>(i)] = LayerKind::kWindow;
      }
      return;
    }
    case WindowRule::kOneFullIn: {
      const int64_t period =
          PositiveInt(config, {"sliding_window_pattern", "_sliding_window_pattern"}).value_or(row.period);
      for (size_t i = 0; i < count; ++i) {
        if (static_cast<int64_t>(i + 1) % period != 0) layout.layers[i] = LayerKind::kWindow;
      }
      return;
    }
  }
}

constexpr std::string_view kRecurrent[] = {"mamba", "mamba2", "falcon_mamba", "rwkv",
                                           "rwkv5", "rwkv6",  "rwkv7",        "xlstm"};
// Keys of hybrids that no reader here understands.
constexpr std::string_view kHybridKeys[] = {"ssm_cfg",        "mamba_d_state",  "block_types", "attention_layers",
                                            "ssm_state_size", "lightning_attn", "rwkv",        "hybrid_layer_ids",
                                            "block_configs"};

}  // namespace

AttentionLayout ReadAttentionLayout(const ModelConfig& config, int64_t layers) {
  AttentionLayout layout;
  const std::string& type = config.model_type;
  if (std::find(std::begin(kRecurrent), std::end(kRecurrent), type) != std::end(kRecurrent)) {
    layout.layers.assign(static_cast<size_t>(layers), LayerKind::kLinear);
    layout.known = true;
    return layout;
  }
  if (Explicit(config, layers, layout)) {
    layout.window = PositiveInt(config, {"sliding_window", "attention_chunk_size"}).value_or(0);
    if (layout.known) layout.layers.resize(static_cast<size_t>(layers), LayerKind::kFull);
    return layout;
  }
  const auto row = std::find_if(std::begin(kWindowTable), std::end(kWindowTable),
                                [&](const WindowRow& candidate) { return candidate.model_type == type; });
  if (row != std::end(kWindowTable)) {
    ApplyRule(*row, config, layers, layout);
    return layout;
  }
  for (const std::string_view key : kHybridKeys) {
    if (config.Find(key) != nullptr) return layout;
  }
  layout.layers.assign(static_cast<size_t>(layers), LayerKind::kFull);
  layout.known = layout.uniform_by_default = true;
  if (PositiveInt(config, {"sliding_window", "attention_chunk_size"})) {
    layout.assumptions.push_back("config.json names an attention window that " + (type.empty() ? "this model" : type) +
                                 " may use: every layer is taken to keep all tokens, which is the most it can be");
  }
  return layout;
}

}  // namespace gptq_doctor

#include "memory/arch_facts.h"

#include <algorithm>

#include "base/text.h"
#include "memory/arith.h"

namespace gptq_doctor {
namespace {

constexpr int64_t kMostLayers = 10'000;  // of a model that can be real

std::optional<int64_t> Plausible(std::optional<int64_t> value) {
  const int64_t number = value.value_or(0);
  return number > 0 && number < (int64_t{1} << 40) ? value : std::nullopt;
}

// What the family's configuration class takes where config.json does not say (huggingface/transformers 4.46
// src/transformers/models/<family>/configuration_*.py): a loader allocates rope tables by it all the same.
struct PositionDefault {
  std::string_view model_type;
  int64_t max_position;
};
constexpr PositionDefault kPositionDefaults[] = {
    {"llama", 2048},     {"mistral", 131072},   {"mixtral", 131072},   {"qwen2", 32768},    {"qwen2_moe", 32768},
    {"qwen2_vl", 32768}, {"qwen3", 32768},      {"qwen3_moe", 32768},  {"gemma", 8192},     {"gemma2", 8192},
    {"phi", 2048},       {"phi3", 4096},        {"gpt_neox", 2048},    {"gptj", 2048},      {"opt", 2048},
    {"falcon", 2048},    {"starcoder2", 4096},  {"stablelm", 4096},    {"cohere", 8192},    {"olmo", 2048},
    {"granite", 2048},   {"deepseek_v3", 4096}, {"deepseek_v2", 2048}, {"internlm2", 2048},
};

bool IsFalse(const ModelConfig& config, std::string_view key) {
  const JsonValue* value = config.Find(key);
  return value != nullptr && value->AsBool() == false;
}
bool IsTrue(const ModelConfig& config, std::string_view key) {
  const JsonValue* value = config.Find(key);
  return value != nullptr && value->AsBool() == true;
}

// Falcon and GPTBigCode share one key and value head unless told otherwise; ChatGLM names groups that it may not use.
std::optional<int64_t> KvHeads(const ModelConfig& config, std::optional<int64_t> heads) {
  const std::string& type = config.model_type;
  if (const JsonValue* attention = config.Find("attn_config")) {  // MPT, DBRX
    if (const auto count = PositiveInt(attention, "kv_n_heads")) return count;
  }
  if (type == "gpt_bigcode") return IsFalse(config, "multi_query") ? heads : 1;
  if (type == "falcon" || type == "RefinedWeb" || type == "RefinedWebModel") {
    if (const auto count = PositiveInt(config, {"num_kv_heads", "n_head_kv"});
        count && (IsTrue(config, "new_decoder_architecture") || type == "RefinedWeb")) {
      return count;
    }
    return IsFalse(config, "multi_query") ? heads : 1;
  }
  if (type == "chatglm") {
    return IsTrue(config, "multi_query_attention") ? PositiveInt(config, {"multi_query_group_num"}) : heads;
  }
  const JsonValue* list = config.Find("num_key_value_heads");
  if (list != nullptr && list->kind == JsonKind::kArray) return std::nullopt;  // differs from layer to layer
  return Plausible(config.num_key_value_heads) ? config.num_key_value_heads : heads;
}

class Builder {
 public:
  Builder(const ModelConfig& config, const WeightTable& weights)
      : config_(config), weights_(weights), shapes_(ReadShapeFacts(weights)) {}

  ArchFacts Run() {
    facts_.model_type = config_.model_type;
    facts_.from_tensors = !config_.readable;
    ReadSizes();
    ReadTied();
    const JsonValue* encoder = config_.Find("is_encoder_decoder");
    if (encoder != nullptr && encoder->AsBool() == true) {
      facts_.left_out.push_back("KV cache: an encoder and a decoder, whose caches depend on both inputs");
    } else if (!config_.readable || !facts_.layers) {
      KvFromShapes("there is no config.json with the layers");
    } else if (const auto rank = PositiveInt(config_, {"kv_lora_rank"})) {
      ReadLatent(*rank);
    } else {
      ReadKv();
    }
    return std::move(facts_);
  }

 private:
  void ReadSizes() {
    facts_.layers = Plausible(config_.num_hidden_layers);
    if (facts_.layers && *facts_.layers > kMostLayers) facts_.layers.reset();
    facts_.hidden = Plausible(config_.hidden_size) ? config_.hidden_size : shapes_.hidden;
    facts_.heads = Plausible(config_.num_attention_heads);
    facts_.vocab = Plausible(config_.vocab_size);
    // What is allocated is what is stored: padded vocabularies and matrices count in full.
    if (shapes_.vocab && shapes_.vocab.value() > facts_.vocab.value_or(0)) facts_.vocab = shapes_.vocab;
    facts_.max_position = PositiveInt(config_, {"max_position_embeddings", "n_positions", "max_sequence_length",
                                                "seq_length", "max_seq_len", "model_max_length"});
    if (Plausible(config_.max_position_embeddings)) facts_.max_position = config_.max_position_embeddings;
    for (const PositionDefault& row : kPositionDefaults) {
      if (facts_.max_position || !config_.readable || row.model_type != config_.model_type) continue;
      facts_.max_position = row.max_position;
      facts_.max_position_assumed = true;
      facts_.assumptions.push_back("config.json gives no max_position_embeddings: " + std::to_string(row.max_position) +
                                   ", as transformers takes for " + config_.model_type);
    }
    facts_.head_dim = Plausible(config_.head_dim) ? config_.head_dim : PositiveInt(config_, {"kv_channels"});
    if (!facts_.head_dim && facts_.hidden && facts_.heads) facts_.head_dim = *facts_.hidden / *facts_.heads;
    facts_.kv_heads = KvHeads(config_, facts_.heads);
    facts_.intermediate = shapes_.intermediate ? shapes_.intermediate : Plausible(config_.intermediate_size);
    // Mixtures of experts: what one token passes through.
    const auto experts = Plausible(config_.moe_intermediate_size);
    const auto chosen = PositiveInt(config_, {"num_experts_per_tok", "moe_topk", "num_experts_per_token"});
    if (experts && chosen) {
      const int64_t shared = PositiveInt(config_, {"shared_expert_intermediate_size"}).value_or(0);
      facts_.intermediate =
          std::max(facts_.intermediate.value_or(0), SaturatingAdd(Times({*experts, *chosen}), shared));
    } else if (chosen && Plausible(config_.num_experts) && config_.intermediate_size) {
      facts_.intermediate = Times({*config_.intermediate_size, *chosen});
    }
    if (!config_.readable) {
      std::string unknown = "there is no readable config.json: the longest context";
      facts_.assumptions.push_back(unknown +
                                   ", attention windows and whether the head is tied are unknown; sizes come "
                                   "from the shapes of the tensors");
      facts_.layers = shapes_.layers          ? shapes_.layers
                      : shapes_.kv_layers > 0 ? std::optional(shapes_.kv_layers)
                                              : std::nullopt;
    }
  }

  void ReadTied() {
    const bool head = std::any_of(weights_.classes.begin(), weights_.classes.end(),
                                  [](const WeightClass& c) { return c.role == WeightRole::kHead; });
    facts_.tied = config_.tie_word_embeddings.value_or(!head);
    const bool says = config_.readable && config_.tie_word_embeddings.has_value();
    if (!says && head) facts_.assumptions.push_back("a stored output head is taken to be one of its own, not tied");
  }

  void KvFromShapes(const std::string& why) {
    if (shapes_.kv.empty()) {
      facts_.left_out.push_back("KV cache: " + why +
                                ", and no key and value projections of their own are among the tensors");
      return;
    }
    facts_.kv = shapes_.kv;
    facts_.kv_known = true;
    facts_.assumptions.push_back("the KV cache follows from the shapes of k_proj and v_proj in " +
                                 std::to_string(shapes_.kv_layers) + " layers (" + why +
                                 "); windows are unknown, so every layer is taken to keep all tokens");
  }

  // The latent layer and the expanded one, by config.json or by the shapes of the projections that make them.
  void ReadLatent(int64_t rank) {
    const int64_t nope = PositiveInt(config_, {"qk_nope_head_dim"}).value_or(0);
    const int64_t value = PositiveInt(config_, {"v_head_dim"}).value_or(0);
    int64_t rope = PositiveInt(config_, {"qk_rope_head_dim"}).value_or(0);
    if (rope == 0 && shapes_.latent_width > rank) rope = shapes_.latent_width - rank;
    int64_t both = nope > 0 && value > 0 && facts_.heads ? Times({*facts_.heads, nope + value}) : 0;
    if (both == 0) both = shapes_.latent_expanded;
    if (rope == 0 || both == 0 || !facts_.heads) {
      facts_.left_out.push_back("KV cache: a latent cache whose head sizes neither config.json nor the tensors give");
      return;
    }
    facts_.latent.push_back({.layers = *facts_.layers, .width = SaturatingAdd(rank, rope), .heads = 1, .window = 0});
    facts_.kv.push_back({.layers = *facts_.layers,
                         .width = SaturatingAdd(both, Times({*facts_.heads, rope})),
                         .heads = *facts_.heads,
                         .window = 0});
    facts_.kv_known = true;
    facts_.assumptions.push_back(
        "multi-head latent attention: engines cache kv_lora_rank + qk_rope_head_dim a token and layer, transformers "
        "the "
        "expanded heads");
  }

  void ReadKv() {
    const AttentionLayout layout = ReadAttentionLayout(config_, *facts_.layers);
    facts_.assumptions.insert(facts_.assumptions.end(), layout.assumptions.begin(), layout.assumptions.end());
    if (!layout.known) return KvFromShapes("its pattern of attention layers is not one that is known here");
    if (!facts_.kv_heads || !facts_.head_dim) return KvFromShapes("config.json does not give one number of key heads");
    int64_t full = 0, windowed = 0, linear = 0;
    for (const LayerKind kind : layout.layers) {
      full += kind == LayerKind::kFull;
      windowed += kind == LayerKind::kWindow;
      linear += kind == LayerKind::kLinear;
    }
    if (UnknownHybrid(layout, full)) {
      return KvFromShapes("only " + std::to_string(shapes_.kv_layers) + " of " + std::to_string(*facts_.layers) +
                          " layers attend");
    }
    if (const auto shared = PositiveInt(config_, {"num_kv_shared_layers"})) full -= std::min(full, *shared);
    const int64_t width = Times({2, *facts_.kv_heads, *facts_.head_dim});
    if (full > 0) facts_.kv.push_back({full, width, *facts_.kv_heads, 0});
    if (windowed > 0) facts_.kv.push_back({windowed, width, *facts_.kv_heads, layout.window});
    facts_.kv_known = true;
    CheckAgainstShapes(width);
    if (linear > 0) ReadState(linear);
  }

  // A family that is not known here may mix in layers that do not attend; the tensors show it.
  bool UnknownHybrid(const AttentionLayout& layout, int64_t full) const {
    return layout.uniform_by_default && weights_.missing_files == 0 && shapes_.kv_layers > 0 &&
           shapes_.kv_layers < full;
  }

  void CheckAgainstShapes(int64_t width) {
    if (shapes_.kv.size() != 1 || facts_.kv.size() != 1 || weights_.missing_files > 0) return;
    if (shapes_.kv.front().width == width) return;
    facts_.kv.front().width = shapes_.kv.front().width;
    facts_.assumptions.push_back("the key and value projections are " + std::to_string(shapes_.kv.front().width / 2) +
                                 " wide where config.json gives " + std::to_string(width / 2) +
                                 ": the cache follows the tensors");
  }

  // Gated delta nets (Qwen3-Next: modeling_qwen3_next.py keeps a float32 state and a 16-bit convolution window) and
  // Mamba (modeling_jamba.py: state and window in the model's type, taken as float32 for the state).
  void ReadState(int64_t layers) {
    const auto v_heads = PositiveInt(config_, {"linear_num_value_heads"});
    const auto k_dim = PositiveInt(config_, {"linear_key_head_dim"}),
               v_dim = PositiveInt(config_, {"linear_value_head_dim"});
    const auto k_heads = PositiveInt(config_, {"linear_num_key_heads"});
    const auto kernel = PositiveInt(config_, {"linear_conv_kernel_dim"});
    if (v_heads && k_dim && v_dim && k_heads && kernel) {
      const int64_t state = Times({*v_heads, *k_dim, *v_dim, 4});
      const int64_t window =
          Times({SaturatingAdd(Times({2, *k_heads, *k_dim}), Times({*v_heads, *v_dim})), *kernel, 2});
      facts_.state_bytes = Times({layers, SaturatingAdd(state, window)});
      return;
    }
    const auto expand = PositiveInt(config_, {"mamba_expand"}), depth = PositiveInt(config_, {"mamba_d_state"});
    const auto width = PositiveInt(config_, {"mamba_d_conv"});
    if (expand && depth && width && facts_.hidden) {
      const int64_t inner = Times({*expand, *facts_.hidden});
      facts_.state_bytes = Times({layers, SaturatingAdd(Times({inner, *depth, 4}), Times({inner, *width, 2}))});
      return;
    }
    facts_.left_out.push_back("the state of " + std::to_string(layers) +
                              " layers that do not attend: constant, and its size is not known for this family");
  }

  const ModelConfig& config_;
  const WeightTable& weights_;
  const ShapeFacts shapes_;
  ArchFacts facts_;
};

}  // namespace

std::optional<int64_t> PositiveInt(const JsonValue* object, std::string_view key) {
  const JsonValue* value = object == nullptr ? nullptr : object->Find(key);
  return value == nullptr ? std::nullopt : Plausible(value->AsIntegral());
}

std::optional<int64_t> PositiveInt(const ModelConfig& config, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const JsonValue* value = config.Find(key);
    if (value == nullptr) continue;
    if (const auto number = Plausible(value->AsIntegral())) return number;
  }
  return std::nullopt;
}

int64_t ArchFacts::KvBytes(int64_t tokens, int64_t bits, bool use_latent) const {
  int64_t total = 0;
  for (const KvGroup& group : Groups(use_latent)) {
    const int64_t kept = group.window > 0 ? std::min(tokens, group.window) : tokens;
    total = SaturatingAdd(total, BitsToBytes(Times({group.layers, group.width, kept}), bits));
  }
  return total;
}

int64_t ArchFacts::KvOfOneLayer(int64_t tokens, int64_t bits, bool use_latent) const {
  int64_t largest = 0;
  for (const KvGroup& group : Groups(use_latent)) {
    const int64_t kept = group.window > 0 ? std::min(tokens, group.window) : tokens;
    largest = std::max(largest, BitsToBytes(Times({group.width, kept}), bits));
  }
  return largest;
}

ArchFacts ReadArchFacts(const ModelConfig& config, const WeightTable& weights) {
  return Builder(config, weights).Run();
}

}  // namespace gptq_doctor

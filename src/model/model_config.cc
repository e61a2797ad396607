#include "model/model_config.h"

#include <span>

namespace gptq_doctor {
namespace {

// Where multimodal models keep the language model's sizes.
constexpr std::string_view kNests[] = {
    "text_config",    "llm_config", "language_config", "language_model", "thinker_config.text_config",
    "thinker_config", "decoder"};

// Spellings of one quantity, the common one first: Llama and its kin; GPT-2, GPT-J, CodeGen (n_*); MPT (d_model,
// expansion by ratio is left out); Falcon; BLOOM; ChatGLM (num_layers, ffn_hidden_size, multi_query_group_num,
// padded_vocab_size, seq_length); OPT (ffn_dim); T5 (d_ff); DBRX.
constexpr std::string_view kHidden[] = {"hidden_size", "n_embd", "d_model", "n_embed", "dim", "model_dim"};
constexpr std::string_view kIntermediate[] = {"intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "d_ff",
                                              "ffn_size",          "hidden_dim"};
constexpr std::string_view kLayers[] = {"num_hidden_layers", "n_layer", "n_layers", "num_layers"};
constexpr std::string_view kHeads[] = {"num_attention_heads", "n_head", "n_heads", "num_heads"};
constexpr std::string_view kKvHeads[] = {"num_key_value_heads", "num_kv_heads", "multi_query_group_num", "n_head_kv",
                                         "n_kv_heads",          "kv_n_heads",   "num_attention_groups"};
constexpr std::string_view kHeadDim[] = {"head_dim", "kv_channels", "attention_head_dim", "d_kv"};
constexpr std::string_view kVocab[] = {"vocab_size", "padded_vocab_size", "n_vocab"};
constexpr std::string_view kContext[] = {
    "max_position_embeddings", "n_positions",     "seq_length", "max_seq_len", "n_ctx",
    "max_sequence_length",     "model_max_length"};
constexpr std::string_view kMoeIntermediate[] = {"moe_intermediate_size", "expert_intermediate_size"};
constexpr std::string_view kExperts[] = {"num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts",
                                         "num_routed_experts"};

const JsonValue* Descend(const JsonValue& root, std::string_view path) {
  const JsonValue* at = &root;
  while (at != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    at = at->Find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return at != nullptr && at->IsObject() ? at : nullptr;
}

class SizeReader {
 public:
  explicit SizeReader(const JsonValue& root) : root_(root) {
    for (const std::string_view path : kNests) {
      const JsonValue* const nest = Descend(root, path);
      if (nest == nullptr || (nest->Find("hidden_size") == nullptr && nest->Find("model_type") == nullptr)) continue;
      nest_ = nest;
      nest_name_ = path;
      break;
    }
  }
  const JsonValue* Find(std::string_view key) {
    if (const JsonValue* const value = root_.Find(key)) return value;
    const JsonValue* const value = nest_ == nullptr ? nullptr : nest_->Find(key);
    if (value != nullptr) used_nest_ = true;
    return value;
  }
  std::optional<int64_t> Size(std::span<const std::string_view> spellings) {
    for (const std::string_view key : spellings) {
      const JsonValue* const value = Find(key);
      if (value == nullptr) continue;
      if (const auto number = value->AsInt(); number && *number >= 0) return number;
    }
    return std::nullopt;
  }
  std::string nest() const { return used_nest_ ? std::string(nest_name_) : std::string(); }

 private:
  const JsonValue& root_;
  const JsonValue* nest_ = nullptr;
  std::string_view nest_name_;
  bool used_nest_ = false;
};

std::string StringOf(const JsonValue* value) {
  const std::string* const text = value == nullptr ? nullptr : value->AsString();
  return text == nullptr ? std::string() : *text;
}

// "torch.float16" occurs where the value was printed instead of named.
std::string DtypeOf(const JsonValue* value) {
  std::string name = StringOf(value);
  if (name.starts_with("torch.")) name.erase(0, 6);
  return name;
}

// Falcon says `multi_query` instead of a count; with its new decoder architecture the count is num_kv_heads and read as
// such. GPTBigCode likewise.
std::optional<int64_t> KeyValueHeads(SizeReader& sizes) {
  const JsonValue* const multi_query = sizes.Find("multi_query");
  const JsonValue* const new_decoder = sizes.Find("new_decoder_architecture");
  const bool counts = new_decoder != nullptr && new_decoder->AsBool().value_or(false);
  if (multi_query != nullptr && multi_query->AsBool().value_or(false) && !counts) return 1;
  if (const JsonValue* const nested = sizes.Find("attn_config"); nested != nullptr) {  // MPT, DBRX
    if (const JsonValue* const heads = nested->Find("kv_n_heads"); heads != nullptr && heads->AsInt())
      return heads->AsInt();
  }
  return sizes.Size(kKvHeads);
}

// The members of config.json with the certain repairs of malformed text applied.
JsonDocument ParseRepaired(const std::string& text) {
  JsonDocument document = ParseJson(text);
  if (document.valid || !document.repairable || (document.root && document.root->IsObject())) return document;
  JsonDocument repaired = ParseJson(ApplyRepairs(text, document));
  document.root = std::move(repaired.root);
  return document;
}

}  // namespace

const JsonValue* ModelConfig::Find(std::string_view key) const {
  if (!json.root || !json.root->IsObject()) return nullptr;
  return SizeReader(*json.root).Find(key);
}

ModelConfig ReadModelConfig(std::string text) {
  ModelConfig out;
  out.present = true;
  out.text = std::move(text);
  out.json = ParseRepaired(out.text);
  if (!out.json.root || !out.json.root->IsObject()) return out;
  out.readable = out.json.valid || out.json.repairable;
  const JsonValue& root = *out.json.root;
  SizeReader sizes(root);
  out.hidden_size = sizes.Size(kHidden);
  out.intermediate_size = sizes.Size(kIntermediate);
  out.num_hidden_layers = sizes.Size(kLayers);
  out.num_attention_heads = sizes.Size(kHeads);
  out.num_key_value_heads = KeyValueHeads(sizes);
  out.head_dim = sizes.Size(kHeadDim);
  out.vocab_size = sizes.Size(kVocab);
  out.max_position_embeddings = sizes.Size(kContext);
  out.moe_intermediate_size = sizes.Size(kMoeIntermediate);
  out.num_experts = sizes.Size(kExperts);
  out.nested_in = sizes.nest();
  if (const JsonValue* const tied = sizes.Find("tie_word_embeddings")) out.tie_word_embeddings = tied->AsBool();
  out.model_type = StringOf(sizes.Find("model_type"));
  out.dtype = DtypeOf(sizes.Find("torch_dtype"));
  if (out.dtype.empty()) out.dtype = DtypeOf(sizes.Find("dtype"));
  if (const JsonValue* const names = root.Find("architectures")) {
    for (const JsonValue& name : names->items) {
      if (const std::string* const value = name.AsString()) out.architectures.push_back(*value);
    }
  }
  return out;
}

}  // namespace gptq_doctor

#include "loaders/exllama_keys.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "loaders/stages.h"
#include "loaders/words.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kConfig = "turboderp-org/exllamav2 v0.3.2 exllamav2/config.py:210-420";
constexpr std::string_view kKeys = "turboderp-org/exllamav2 v0.3.2 exllamav2/architecture.py, config.py:446-490";

// Names below "model.layers.N." in the order of the check; "a|b": either. Architectures whose tensors it renames, or
// that carry a prefix or a vision tower, are known by name alone.
struct ArchitectureKeys {
  std::string_view architectures;
  std::string_view norms, attention, mlp;
  bool head = true;  // lm_head is asked for, unless the embeddings are tied
  std::string_view eps = "rms_norm_eps";
};
constexpr std::string_view kNorms = "input_layernorm post_attention_layernorm";
constexpr std::string_view kAttention = "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj";
constexpr std::string_view kMlp = "mlp.down_proj mlp.gate_proj mlp.up_proj";
constexpr std::string_view kMixtral =
    "block_sparse_moe.experts.*.w1 block_sparse_moe.experts.*.w2 block_sparse_moe.experts.*.w3 block_sparse_moe.gate";
constexpr std::string_view kOnlyNames =
    "Qwen2VLForConditionalGeneration Qwen2_5_VLForConditionalGeneration LlavaForConditionalGeneration "
    "Mistral3ForConditionalGeneration Gemma3ForConditionalGeneration DbrxForCausalLM GPTBigCodeForCausalLM "
    "GPT2LMHeadModel InternLM2ForCausalLM";
constexpr ArchitectureKeys kTable[] = {
    {"LlamaForCausalLM MistralForCausalLM OrionForCausalLM Qwen2ForCausalLM Qwen3ForCausalLM MiniCPMForCausalLM "
     "IndexForCausalLM GraniteForCausalLM",
     kNorms, kAttention, kMlp},
    {"YiForCausalLM", "ln1|input_layernorm ln2|post_attention_layernorm", kAttention, kMlp},
    {"MixtralForCausalLM", kNorms, kAttention, kMixtral},
    {"Qwen3MoeForCausalLM", kNorms, kAttention,
     "mlp.experts.*.gate_proj mlp.experts.*.up_proj mlp.experts.*.down_proj mlp.gate"},
    {"GemmaForCausalLM", kNorms, kAttention, kMlp, false},
    {"Gemma2ForCausalLM",
     "input_layernorm post_attention_layernorm pre_feedforward_layernorm post_feedforward_layernorm", kAttention, kMlp,
     false},
    {"Starcoder2ForCausalLM", kNorms, kAttention, "mlp.c_fc mlp.c_proj", false, "layer_norm_epsilon"},
    {"GemmoeForCausalLM", kNorms, kAttention, kMixtral, false},
    {"CohereForCausalLM Cohere2ForCausalLM", "input_layernorm", kAttention, kMlp, false, "layer_norm_eps"},
    {"Phi3ForCausalLM", kNorms,
     "self_attn.qkv_proj|self_attn.q_proj self_attn.qkv_proj|self_attn.k_proj self_attn.qkv_proj|self_attn.v_proj "
     "self_attn.o_proj",
     "mlp.down_proj mlp.gate_up_proj|mlp.gate_proj mlp.gate_up_proj|mlp.up_proj"},
    {"Glm4ForCausalLM", "input_layernorm post_self_attn_layernorm post_attention_layernorm post_mlp_layernorm",
     kAttention, "mlp.down_proj mlp.gate_up_proj|mlp.gate_proj mlp.gate_up_proj|mlp.up_proj"}};

const ArchitectureKeys* FindKeys(std::string_view architecture) {
  for (const ArchitectureKeys& row : kTable) {
    if (HasWord(row.architectures, architecture)) return &row;
  }
  return nullptr;
}

// A value that counts, at the top or in text_config.
const JsonValue* FindSize(const ModelConfig& config, std::string_view key) {
  const JsonValue* text = config.Find("text_config");
  for (const JsonValue* value : {config.Find(key), text == nullptr ? nullptr : text->Find(key)}) {
    if (value != nullptr && value->kind != JsonKind::kNull) return value;
  }
  return nullptr;
}

// A value that the reader asks for: `keys` are tried in this order, then below text_config.
struct SizeKey {
  std::string_view keys;  // space-separated
  bool whole = true;      // an integer, else any number
  bool required = true;
  bool in_excerpts = true;  // how many layers and words there are says every config.json; the rest a whole one
};

// transformers writes its version into every config.json that it saves; a list of sizes put together by hand has none.
bool IsExcerpt(const ModelConfig& config) { return config.Find("transformers_version") == nullptr; }

// What its read() raises for the first value that is there.
std::string SizeError(const SizeKey& size, std::string_view key, const JsonValue& value) {
  const std::optional<double> number = PythonNumber(value);
  const bool whole = PythonType(value) != "float";
  if (number && (whole || !size.whole)) return {};
  if (number && std::isnan(*number)) return "ValueError: cannot convert float NaN to integer";
  if (number && std::isinf(*number)) return "OverflowError: cannot convert float infinity to integer";
  if (number && *number == std::floor(*number)) return {};
  return "TypeError: Value for " + std::string(key) + " is not of expected type <class '" +
         (size.whole ? "int" : "float") + "'>";
}

bool CheckSize(Walk& walk, const SizeKey& size) {
  const ModelConfig& config = walk.configs.model;
  std::string found, names, nested;
  const JsonValue* value = nullptr;
  bool named = false;  // if only with null
  AnyWord(size.keys, [&](std::string_view key) {
    names += (names.empty() ? "'" : ", '") + std::string(key) + "'";
    nested += ", 'text_config->" + std::string(key) + "'";
    value = FindSize(config, key);
    named = named || config.Find(key) != nullptr;
    found = key;
    return value != nullptr;
  });
  if (value == nullptr) {
    if (size.required && !size.in_excerpts && !named && IsExcerpt(config)) {
      walk.Assume("config.json, which is not as transformers writes it, is an excerpt: this loader stops where " +
                  names + " is missing from the whole one");
      return true;
    }
    return !size.required || walk.Rejects("config", "stops: config.json has none of " + names, kConfig,
                                          "ValueError: Missing any of the following keys: [" + names + nested + "]");
  }
  std::string error = SizeError(size, found, *value);
  return error.empty() || walk.Rejects("config", "stops: " + found + " is " + PythonRepr(*value), kConfig, error);
}

// In the order of ExLlamaV2Config.prepare.
bool CheckSizes(Walk& walk, std::string_view eps) {
  const SizeKey kBefore[] = {{"vocab_size"}, {"num_hidden_layers n_layers n_layer"}, {eps, false, true, false}};
  static constexpr SizeKey kAfter[] = {{"hidden_size d_model n_embd", true, true, false},
                                       {"num_attention_heads n_heads n_head", true, false},
                                       {"head_dim", true, false},
                                       {"num_key_value_heads attn_config->kv_n_heads", true, false},
                                       {"intermediate_size ffn_config->ffn_hidden_size n_inner", true, true, false},
                                       {"rope_theta attn_config->rope_theta", false, false},
                                       {"max_sequence_length model_max_length max_position_embeddings max_seq_len "
                                        "n_positions",
                                        true, false}};
  const auto fits = [&](const SizeKey& size) { return CheckSize(walk, size); };
  if (!std::ranges::all_of(kBefore, fits) || !std::ranges::all_of(kAfter, fits)) return false;
  const JsonValue* heads = FindSize(walk.configs.model, "num_key_value_heads");
  if (heads == nullptr || PythonNumber(*heads) != 0.0) return true;
  return walk.Rejects("config", "stops: num_key_value_heads is 0", kConfig,
                      "ZeroDivisionError: integer division or modulo by zero");
}

// Some tensor carries the layer.
bool HasLayer(const ModelFacts& facts, const std::string& stem) {
  const Inventory& inventory = facts.exam->inventory;
  const int64_t found = inventory.FindModule(stem);
  if (found < 0) return false;
  const ClassDigest& digest = facts.classes[inventory.modules[static_cast<size_t>(found)].class_id];
  if (digest.qweight != nullptr || digest.weight != nullptr) return true;
  const auto parts = inventory.components(inventory.modules[static_cast<size_t>(found)]);
  return std::ranges::any_of(parts,
                             [&](const Component& part) { return inventory.SuffixName(part.suffix) == "q_weight"; });
}

bool Missing(Walk& walk, const std::string& stem) {
  return walk.Rejects("tensors", "stops: no file holds " + stem, kKeys,
                      "ValueError:  ## Could not find " + stem + ".* in model");
}

// One name of a layer; "a|b" is reported by its last.
bool CheckName(Walk& walk, const std::string& layer, std::string_view name) {
  std::string last;
  while (!name.empty()) {
    last = layer + std::string(name.substr(0, name.find('|')));
    if (HasLayer(walk.facts, last)) return true;
    name.remove_prefix(
        std::min(name.size(), name.find('|') == std::string_view::npos ? name.size() : name.find('|') + 1));
  }
  return Missing(walk, last);
}

// Modules of that name in all layers; "a|b": of either.
int64_t CountOf(const ModelFacts& facts, std::string_view name) {
  int64_t count = 0;
  for (const ClassDigest& digest : facts.classes) {
    std::string_view pattern = digest.pattern;
    constexpr std::string_view kLayers = "model.layers.*.";
    if (!pattern.starts_with(kLayers)) continue;
    pattern.remove_prefix(kLayers.size());
    const std::string_view first = name.substr(0, name.find('|')), last = name.substr(name.rfind('|') + 1);
    if (pattern == first || pattern == last) count += digest.count;
  }
  return count;
}

// Names that some layer has and another lacks. What no layer has says that the file is an excerpt, about which nothing
// is said; so does a mixture without a number of experts.
std::vector<std::string_view> NamesToCheck(const ModelFacts& facts, const ArchitectureKeys& keys, int64_t layers,
                                           int64_t experts) {
  std::vector<std::string_view> names;
  for (const std::string_view group : {keys.norms, keys.attention, keys.mlp}) {
    AnyWord(group, [&](std::string_view name) {
      const bool mixture = name.find('*') != std::string_view::npos;
      const int64_t count = CountOf(facts, name);
      const int64_t wanted = SaturatingMul(layers, mixture ? experts : 1);
      if (count > 0 && count < wanted && (!mixture || experts > 1)) names.push_back(name);
      return false;
    });
  }
  return names;
}

bool CheckLayer(Walk& walk, const std::vector<std::string_view>& names, int64_t layer, int64_t experts) {
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  for (const std::string_view name : names) {
    const size_t star = name.find('*');
    if (star == std::string_view::npos) {
      if (!CheckName(walk, prefix, name)) return false;
      continue;
    }
    for (int64_t expert = 0; expert < experts; ++expert) {
      const std::string one = Fill("{a}{n}{b}", {{"a", std::string(name.substr(0, star))},
                                                 {"n", std::to_string(expert)},
                                                 {"b", std::string(name.substr(star + 1))}});
      if (!CheckName(walk, prefix, one)) return false;
    }
  }
  return true;
}

}  // namespace

bool CheckExllamaConfig(Walk& walk) {
  const ModelConfig& config = walk.configs.model;
  const JsonValue& root = *config.json.root;
  if (!root.IsObject()) {
    const bool list = root.kind == JsonKind::kArray;
    return walk.Rejects("config", "stops: config.json is no JSON object", kConfig,
                        list ? std::string("TypeError: list indices must be integers or slices, not str")
                        : root.kind == JsonKind::kString
                            ? std::string("TypeError: string indices must be integers, not 'str'")
                            : "TypeError: '" + std::string(PythonType(root)) + "' object is not subscriptable");
  }
  if (root.Find("architectures") == nullptr)
    return walk.Rejects("config", "stops: config.json names no architectures", kConfig, "KeyError: 'architectures'");
  const JsonValue& architectures = *root.Find("architectures");
  if (architectures.kind == JsonKind::kNull || PythonNumber(architectures)) {
    return walk.Rejects("config", "stops: architectures is no list", kConfig,
                        "TypeError: object of type '" + std::string(PythonType(architectures)) + "' has no len()");
  }
  if (config.architectures.size() != 1) {
    return walk.Rejects("config", "stops: config.json must name exactly one architecture", kConfig,
                        "AssertionError: Multiple architectures defined in config.json");
  }
  const std::string& name = config.architectures.front();
  const bool by_name = HasWord(kOnlyNames, name);
  if (!by_name && FindKeys(name) == nullptr)
    walk.Step("config", "does not know the architecture " + name + " and reads it as Llama", kConfig);
  const ArchitectureKeys* keys = FindKeys(name);
  return by_name || CheckSizes(walk, keys == nullptr ? "rms_norm_eps" : keys->eps);
}

bool CheckExllamaKeys(Walk& walk) {
  const ModelConfig& config = walk.configs.model;
  const std::string& name = config.architectures.front();
  if (HasWord(kOnlyNames, name)) return true;
  const ArchitectureKeys* keys = FindKeys(name);
  if (keys == nullptr) keys = FindKeys("LlamaForCausalLM");
  std::vector<std::string> outside = {"model.norm", "model.embed_tokens"};
  if (keys->head && !walk.facts.tied) outside.insert(outside.begin(), "lm_head");
  const auto has = [&](const std::string& stem) { return HasLayer(walk.facts, stem); };
  if (std::any_of(outside.begin(), outside.end(), has)) {
    const auto missing = std::find_if_not(outside.begin(), outside.end(), has);
    if (missing != outside.end()) return Missing(walk, *missing);
  }
  int64_t experts = 0;
  for (const char* key : {"num_local_experts", "num_experts"}) {
    const JsonValue* value = config.Find(key);
    if (value != nullptr && experts == 0) experts = value->AsInt().value_or(0);
  }
  const int64_t layers = config.num_hidden_layers.value_or(0);
  const std::vector<std::string_view> names = NamesToCheck(walk.facts, *keys, layers, experts);
  for (int64_t layer = 0; layer < layers && !names.empty(); ++layer) {
    if (!CheckLayer(walk, names, layer, experts)) return false;
  }
  return true;
}

}  // namespace gptq_doctor

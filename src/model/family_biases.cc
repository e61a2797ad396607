#include "model/family_biases.h"

#include <algorithm>
#include <iterator>

namespace gptq_doctor {
namespace {

// What decides for a group of projections: fixed, or a key of config.json with the default of the configuration class.
struct Rule {
  bool fixed = true;
  bool value = false;
  std::string_view key = {};  // where not fixed; `value` is its default
};
constexpr Rule kNone{};
constexpr Rule kAlways{.value = true};
constexpr Rule Key(std::string_view key, bool by_default) { return {.fixed = false, .value = by_default, .key = key}; }

struct Family {
  std::string_view model_type;
  Rule qkv, o, mlp;
  std::string_view source;  // file under huggingface/transformers src/transformers/models
};

// Sorted by model_type. Attention: q_proj, k_proj, v_proj and their fused forms; o: the output projection; mlp: gate,
// up, down, experts.
constexpr Family kFamilies[] = {
    {"bloom", kAlways, kAlways, kAlways, "bloom/modeling_bloom.py"},
    {"cohere", Key("attention_bias", false), Key("attention_bias", false), kNone, "cohere/modeling_cohere.py"},
    {"deepseek_v2", kNone, Key("attention_bias", false), kNone, "deepseek_v2/modeling_deepseek_v2.py"},
    {"gemma", Key("attention_bias", false), Key("attention_bias", false), kNone, "gemma/modeling_gemma.py"},
    {"gemma2", Key("attention_bias", false), Key("attention_bias", false), kNone, "gemma2/modeling_gemma2.py"},
    {"gemma3_text", Key("attention_bias", false), Key("attention_bias", false), kNone, "gemma3/modeling_gemma3.py"},
    {"gpt2", kAlways, kAlways, kAlways, "gpt2/modeling_gpt2.py"},
    {"gpt_bigcode", kAlways, kAlways, kAlways, "gpt_bigcode/modeling_gpt_bigcode.py"},
    {"gpt_neox", Key("attention_bias", true), Key("attention_bias", true), kAlways, "gpt_neox/modeling_gpt_neox.py"},
    {"gptj", kNone, kNone, kAlways, "gptj/modeling_gptj.py"},
    {"llama", Key("attention_bias", false), Key("attention_bias", false), Key("mlp_bias", false),
     "llama/modeling_llama.py"},
    {"mistral", kNone, kNone, kNone, "mistral/modeling_mistral.py"},
    {"mixtral", kNone, kNone, kNone, "mixtral/modeling_mixtral.py"},
    {"opt", Key("enable_bias", true), Key("enable_bias", true), Key("enable_bias", true), "opt/modeling_opt.py"},
    {"phi", kAlways, kAlways, kAlways, "phi/modeling_phi.py"},
    {"phi3", kNone, kNone, kNone, "phi3/modeling_phi3.py"},
    {"qwen2", kAlways, kNone, kNone, "qwen2/modeling_qwen2.py"},
    {"qwen2_moe", kAlways, kNone, kNone, "qwen2_moe/modeling_qwen2_moe.py"},
    {"qwen3", Key("attention_bias", false), Key("attention_bias", false), kNone, "qwen3/modeling_qwen3.py"},
    {"qwen3_moe", Key("attention_bias", false), Key("attention_bias", false), kNone, "qwen3_moe/modeling_qwen3_moe.py"},
    {"starcoder2", Key("use_bias", true), Key("use_bias", true), Key("use_bias", true),
     "starcoder2/modeling_starcoder2.py"},
};

std::string_view LastPart(std::string_view stem) {
  const size_t dot = stem.rfind('.');
  return dot == std::string_view::npos ? stem : stem.substr(dot + 1);
}

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Rule* RuleFor(const Family& family, std::string_view stem) {
  const std::string_view last = LastPart(stem);
  const bool attention =
      stem.find("attn") != std::string_view::npos || stem.find("attention") != std::string_view::npos;
  if (IsOneOf(last, {"q_proj", "k_proj", "v_proj", "qkv_proj", "query_key_value", "c_attn", "W_pack"})) {
    return &family.qkv;
  }
  if (attention && IsOneOf(last, {"o_proj", "out_proj", "dense", "c_proj"})) return &family.o;
  if (!attention && IsOneOf(last, {"gate_proj", "up_proj", "down_proj", "gate_up_proj", "fc1", "fc2", "c_fc", "c_proj",
                                   "w1", "w2", "w3", "dense_h_to_4h", "dense_4h_to_h", "fc_in", "fc_out"})) {
    return &family.mlp;
  }
  return nullptr;
}

}  // namespace

BiasFact FamilyBias(const ModelConfig& config, std::string_view stem) {
  const auto family = std::find_if(std::begin(kFamilies), std::end(kFamilies),
                                   [&](const Family& f) { return f.model_type == config.model_type; });
  if (family == std::end(kFamilies)) return BiasFact::kUnknown;
  const Rule* rule = RuleFor(*family, stem);
  if (rule == nullptr) return BiasFact::kUnknown;
  bool value = rule->value;
  if (!rule->fixed) {
    const JsonValue* said = config.Find(rule->key);
    if (said != nullptr) {
      const std::optional<bool> flag = said->AsBool();
      if (!flag) return BiasFact::kUnknown;
      value = *flag;
    }
  }
  return value ? BiasFact::kHas : BiasFact::kHasNot;
}

}  // namespace gptq_doctor

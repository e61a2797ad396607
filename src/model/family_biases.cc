#include "model/family_biases.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "base/dotted_name.h"

namespace gptq_doctor {
namespace {

// What decides for a group of layers: a key of config.json with the value that the family's configuration class takes
// where it is absent; an empty key stands for the value itself.
struct Rule {
  std::string_view key;
  bool value = false;
  bool negated = false;  // "no_bias"
};
constexpr Rule kNo{}, kYes{"", true};
constexpr Rule kAttention{"attention_bias"}, kMlp{"mlp_bias"};
constexpr Rule kNotNoBias{"no_bias", true, true};

struct Family {
  std::string_view model_type;
  Rule qkv, out, mlp;
  // A file under huggingface/transformers src/transformers/models, or OWNER/NAME of a model whose repository has the
  // code; empty for TYPE/modeling_TYPE.py.
  std::string_view source = {};
};

constexpr Family kFamilies[] = {
    {"baichuan", kNo, kNo, kNo, "baichuan-inc/Baichuan2-7B-Chat"},
    {"bloom", kYes, kYes, kYes},
    {"chatglm", {"add_qkv_bias"}, {"add_bias_linear"}, {"add_bias_linear"}, "THUDM/chatglm3-6b"},
    {"codegen", kNo, kNo, kYes},
    {"cohere", kAttention, kAttention, kNo},
    {"cohere2", kAttention, kAttention, kNo},
    {"deepseek", kAttention, kAttention, kNo, "deepseek-ai/deepseek-moe-16b-base"},
    {"deepseek_v2", kNo, kAttention, kNo},
    {"deepseek_v3", kNo, kAttention, kNo},
    {"falcon", {"bias"}, {"bias"}, {"bias"}},
    {"gemma", kAttention, kAttention, kNo},
    {"gemma2", kAttention, kAttention, kNo},
    {"gemma3", kAttention, kAttention, kNo},
    {"gemma3_text", kAttention, kAttention, kNo, "gemma3/modeling_gemma3.py"},
    {"glm", kAttention, kNo, kNo},
    {"glm4", kAttention, kNo, kNo},
    {"glm4_moe", kAttention, kNo, kNo},
    {"gpt2", kYes, kYes, kYes},
    {"gpt_bigcode", kYes, kYes, kYes},
    {"gpt_neox", {"attention_bias", true}, {"attention_bias", true}, kYes},
    {"gptj", kNo, kNo, kYes},
    {"granite", kAttention, kAttention, kMlp},
    {"internlm", {"bias", true}, {"bias", true}, kNo, "internlm/internlm-7b"},
    {"internlm2", {"bias", true}, {"bias", true}, kNo, "internlm/internlm2-7b"},
    {"llama", kAttention, kAttention, kMlp},
    {"minicpm", kAttention, kAttention, kNo, "openbmb/MiniCPM-2B-sft-bf16"},
    {"mistral", kNo, kNo, kNo},
    {"mixtral", kNo, kNo, kNo},
    {"mpt", kNotNoBias, kNotNoBias, kNotNoBias, "mosaicml/mpt-7b"},
    {"olmo", kAttention, kAttention, kNo},
    {"olmo2", kAttention, kAttention, kNo},
    {"opt", {"enable_bias", true}, {"enable_bias", true}, {"enable_bias", true}},
    {"phi", kYes, kYes, kYes},
    {"phi-msft", kYes, kYes, kYes, "phi/modeling_phi.py"},
    {"phi3", kNo, kNo, kNo},
    {"qwen", kYes, kNotNoBias, kNotNoBias, "Qwen/Qwen-7B"},
    {"qwen2", kYes, kNo, kNo},
    {"qwen2_5_omni", kYes, kNo, kNo},
    {"qwen2_5_vl", kYes, kNo, kNo},
    {"qwen2_moe", {"qkv_bias", true}, kNo, kNo},
    {"qwen2_vl", kYes, kNo, kNo},
    {"qwen3", kAttention, kAttention, kNo},
    {"qwen3_moe", kAttention, kAttention, kNo},
    {"qwen3_next", kAttention, kAttention, kNo},
    {"RefinedWeb", {"bias"}, {"bias"}, {"bias"}, "tiiuae/falcon-40b"},
    {"RefinedWebModel", {"bias"}, {"bias"}, {"bias"}, "tiiuae/falcon-7b"},
    {"smollm3", kAttention, kAttention, kMlp},
    {"stablelm", {"use_qkv_bias"}, kNo, kNo},
    {"starcoder2", {"use_bias", true}, {"use_bias", true}, {"use_bias", true}},
};

constexpr std::string_view kQkvNames[] = {
    "q_proj", "k_proj", "v_proj", "qkv_proj", "query_key_value", "c_attn", "Wqkv", "W_pack", "wqkv", "q", "k", "v"};
constexpr std::string_view kOutNames[] = {"o_proj", "out_proj", "dense", "c_proj", "wo"};
// DeepSeek's low-rank projections, which follow the same key as the output's.
constexpr std::string_view kLowRankNames[] = {"q_a_proj", "kv_a_proj_with_mqa"};
constexpr std::string_view kGatedNames[] = {"gate_proj", "up_proj", "down_proj", "gate_up_proj", "w1", "w2", "w3"};
constexpr std::string_view kPlainNames[] = {"fc1",           "fc2",   "c_fc",   "c_proj", "dense_h_to_4h",
                                            "dense_4h_to_h", "fc_in", "fc_out", "dense"};

bool IsOneOf(std::string_view word, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool InAttention(std::string_view name) {
  return name.find("attn") != std::string_view::npos || name.find("attention") != std::string_view::npos;
}

const Rule* RuleFor(const Family& family, std::string_view name) {
  const std::string_view last = LastPart(name);
  if (IsOneOf(last, kQkvNames)) return &family.qkv;
  if (last == "o_proj" || IsOneOf(last, kLowRankNames)) return &family.out;
  if (InAttention(name)) return IsOneOf(last, kOutNames) ? &family.out : nullptr;
  return IsOneOf(last, kGatedNames) || IsOneOf(last, kPlainNames) ? &family.mlp : nullptr;
}

std::optional<bool> Apply(const Rule& rule, const ModelConfig& config) {
  const JsonValue* found = rule.key.empty() ? nullptr : config.Find(rule.key);
  const std::optional<bool> value = found == nullptr ? rule.value : found->AsBool();
  return value ? std::optional(*value != rule.negated) : std::nullopt;
}

}  // namespace

std::optional<bool> FamilyBias(const ModelConfig& config, std::string_view name) {
  const auto family = std::find_if(std::begin(kFamilies), std::end(kFamilies),
                                   [&](const Family& f) { return f.model_type == config.model_type; });
  const Rule* rule = family == std::end(kFamilies) ? nullptr : RuleFor(*family, name);
  return rule == nullptr ? std::nullopt : Apply(*rule, config);
}

std::optional<bool> LikelyBias(const ModelConfig& config, std::string_view name) {
  const std::optional<bool> known = FamilyBias(config, name);
  if (known) return known;
  if (IsOneOf(LastPart(name), kGatedNames)) return Apply(kMlp, config);
  if (LastPart(name) == "o_proj") return Apply(kAttention, config);
  return std::nullopt;
}

}  // namespace gptq_doctor

// Which linear layers of which family have a bias. AutoGPTQ 0.2.0 to 0.7.1 store a zero-filled one for every quantized
// layer (AutoGPTQ/AutoGPTQ auto_gptq/modeling/_utils.py, make_quant), so the stored ones prove nothing.

#include <algorithm>
#include <span>

#include "memory/weight_table.h"

namespace gptq_doctor {
namespace {

// A key of config.json with the value that the family's configuration class takes where it is absent; an empty key
// stands for the value itself.
struct BiasRule {
  std::string_view key;
  bool value = false;
  bool negated = false;  // "no_bias"
};
constexpr BiasRule kNo = {}, kYes = {"", true};
constexpr BiasRule kAttention = {"attention_bias", false}, kMlp = {"mlp_bias", false};

// huggingface/transformers, src/transformers/models/<family>/modeling_*.py and configuration_*.py; Qwen, Baichuan,
// InternLM, ChatGLM and MPT from the code in their repositories.
struct BiasRow {
  std::string_view model_type;
  BiasRule qkv, out, mlp;
};
constexpr BiasRow kBiasTable[] = {
    {"llama", kAttention, kAttention, kMlp},
    {"mistral", kNo, kNo, kNo},
    {"mixtral", kNo, kNo, kNo},
    {"qwen", kYes, {"no_bias", true, true}, {"no_bias", true, true}},
    {"qwen2", kYes, kNo, kNo},
    {"qwen2_moe", {"qkv_bias", true}, kNo, kNo},
    {"qwen2_vl", kYes, kNo, kNo},
    {"qwen2_5_vl", kYes, kNo, kNo},
    {"qwen2_5_omni", kYes, kNo, kNo},
    {"qwen3", kAttention, kAttention, kNo},
    {"qwen3_moe", kAttention, kAttention, kNo},
    {"qwen3_next", kAttention, kAttention, kNo},
    {"gemma", kAttention, kAttention, kNo},
    {"gemma2", kAttention, kAttention, kNo},
    {"gemma3", kAttention, kAttention, kNo},
    {"gemma3_text", kAttention, kAttention, kNo},
    {"phi3", kNo, kNo, kNo},
    {"phi", kYes, kYes, kYes},
    {"phi-msft", kYes, kYes, kYes},
    {"deepseek_v2", kAttention, kAttention, kNo},
    {"deepseek_v3", kAttention, kAttention, kNo},
    {"deepseek", kAttention, kAttention, kNo},
    {"cohere", kAttention, kAttention, kNo},
    {"cohere2", kAttention, kAttention, kNo},
    {"granite", kAttention, kAttention, kMlp},
    {"olmo", kAttention, kAttention, kNo},
    {"olmo2", kAttention, kAttention, kNo},
    {"smollm3", kAttention, kAttention, kMlp},
    {"glm", {"attention_bias", false}, kNo, kNo},
    {"glm4", {"attention_bias", false}, kNo, kNo},
    {"glm4_moe", {"attention_bias", false}, kNo, kNo},
    {"chatglm", {"add_qkv_bias", false}, {"add_bias_linear", false}, {"add_bias_linear", false}},
    {"internlm2", {"bias", true}, {"bias", true}, kNo},
    {"internlm", {"bias", true}, {"bias", true}, kNo},
    {"baichuan", kNo, kNo, kNo},
    {"minicpm", kAttention, kAttention, kNo},
    {"stablelm", {"use_qkv_bias", false}, kNo, kNo},
    {"starcoder2", {"use_bias", true}, {"use_bias", true}, {"use_bias", true}},
    {"falcon", {"bias", false}, {"bias", false}, {"bias", false}},
    {"RefinedWeb", {"bias", false}, {"bias", false}, {"bias", false}},
    {"RefinedWebModel", {"bias", false}, {"bias", false}, {"bias", false}},
    {"mpt", {"no_bias", true, true}, {"no_bias", true, true}, {"no_bias", true, true}},
    {"gptj", kNo, kNo, kYes},
    {"codegen", kNo, kNo, kYes},
    {"gpt_neox", {"attention_bias", true}, {"attention_bias", true}, kYes},
    {"gpt2", kYes, kYes, kYes},
    {"gpt_bigcode", kYes, kYes, kYes},
    {"bloom", kYes, kYes, kYes},
    {"opt", {"enable_bias", true}, {"enable_bias", true}, {"enable_bias", true}},
};

bool Apply(const BiasRule& rule, const ModelConfig& config) {
  const JsonValue* found = rule.key.empty() ? nullptr : config.Find(rule.key);
  const std::optional<bool> value = found == nullptr ? std::nullopt : found->AsBool();
  return value.value_or(rule.value) != rule.negated;
}

bool IsOneOf(std::string_view word, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::string_view kQkvNames[] = {
    "q_proj", "k_proj", "v_proj", "qkv_proj", "query_key_value", "c_attn", "Wqkv", "W_pack", "wqkv", "q", "k", "v"};
constexpr std::string_view kOutNames[] = {"o_proj", "out_proj", "dense", "wo"};
constexpr std::string_view kGatedNames[] = {"gate_proj", "up_proj", "down_proj", "gate_up_proj", "w1", "w2", "w3"};

}  // namespace

std::optional<bool> HasBias(const ModelConfig& config, std::string_view pattern) {
  const size_t dot = pattern.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? pattern : pattern.substr(dot + 1);
  const bool attention =
      pattern.find("attn") != std::string_view::npos || pattern.find("attention") != std::string_view::npos;
  const bool qkv = IsOneOf(last, kQkvNames);
  const bool out = !qkv && (last == "o_proj" || (attention && (IsOneOf(last, kOutNames) || last == "c_proj")));
  for (const BiasRow& row : kBiasTable) {
    if (row.model_type != config.model_type) continue;
    return Apply(qkv ? row.qkv : out ? row.out : row.mlp, config);
  }
  // No family that names its layers like Llama has one on these unless its configuration says so.
  if (IsOneOf(last, kGatedNames)) return Apply(kMlp, config);
  if (last == "o_proj") return Apply(kAttention, config);
  return std::nullopt;
}

}  // namespace gptq_doctor

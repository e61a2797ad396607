// Sizes of an architecture from the shapes of its matrices.

#include <algorithm>
#include <map>

#include "base/dotted_name.h"
#include "memory/arch_facts.h"
#include "memory/arith.h"

namespace gptq_doctor {
namespace {

bool IsAnyOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Layers of the decoder; encoders, cross attention and draft layers have caches of their own.
bool InDecoder(const WeightClass& c) {
  if (c.role == WeightRole::kTower) return false;
  for (const std::string_view word : {"encoder.", "cross_attn", "crossattention", "encoder_attn", "mtp."}) {
    if (c.pattern.find(word) != std::string::npos) return false;
  }
  return c.pattern.find(".*") != std::string::npos;
}

}  // namespace

ShapeFacts ReadShapeFacts(const WeightTable& weights) {
  ShapeFacts facts;
  std::map<int64_t, int64_t> keys, values;  // width -> layers
  int64_t output_in = 0, fused_out = 0, fused_layers = 0;
  for (const WeightClass& c : weights.classes) {
    if (c.role == WeightRole::kEmbedding && c.in_features > 0) {
      facts.vocab = std::max(facts.vocab.value_or(0), c.out_features);
      facts.hidden = c.in_features;
    }
    if (!InDecoder(c)) continue;
    const std::string_view last = LastPart(c.pattern);
    if (c.role == WeightRole::kNorm && IsAnyOf(last, {"input_layernorm", "ln_1", "attention_norm", "norm_1"})) {
      facts.layers = facts.layers.value_or(0) + c.count;
    }
    if (c.out_features <= 0) continue;
    if (last == "k_proj") keys[c.out_features] += c.count;
    if (last == "v_proj") values[c.out_features] += c.count;
    if (last == "kv_a_proj_with_mqa") {
      facts.latent_width = std::max(facts.latent_width, c.out_features);
      facts.latent_layers += c.count;
    }
    if (last == "kv_b_proj") facts.latent_expanded = std::max(facts.latent_expanded, c.out_features);
    if (last == "q_proj") facts.q_width = std::max(facts.q_width.value_or(0), c.out_features);
    if (IsAnyOf(last, {"o_proj", "out_proj", "wo", "dense"})) output_in = std::max(output_in, c.in_features);
    if (IsAnyOf(last, {"qkv_proj", "query_key_value", "Wqkv", "W_pack", "wqkv"})) {
      fused_out = std::max(fused_out, c.out_features);
      fused_layers += c.count;
    }
    const bool up = IsAnyOf(last, {"gate_proj", "up_proj", "w1", "w3", "fc1", "c_fc", "fc_in", "dense_h_to_4h"});
    if (up && c.role != WeightRole::kExpert) {
      facts.intermediate = std::max(facts.intermediate.value_or(0), c.out_features);
    }
  }
  for (const auto& [width, layers] : keys) {
    const auto value = values.find(width);
    if (value == values.end() || value->second != layers) return facts;  // no plain pair: left unknown
    facts.kv.push_back({.layers = layers, .width = Times({2, width}), .heads = 1, .window = 0});
    facts.kv_layers += layers;
  }
  if (facts.kv.empty() && fused_layers > 0 && output_in > 0 && fused_out > output_in) {
    facts.q_width = output_in;
    facts.kv.push_back({.layers = fused_layers, .width = fused_out - output_in, .heads = 1, .window = 0});
    facts.kv_layers = fused_layers;
  }
  return facts;
}

}  // namespace gptq_doctor

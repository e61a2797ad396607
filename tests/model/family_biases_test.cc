#include "model/family_biases.h"

#include <optional>

#include "gtest/gtest.h"

namespace gptq_doctor {
namespace {

struct BiasVector {
  const char* config;
  const char* pattern;
  std::optional<bool> has;
};

TEST(BiasTest, FamiliesAndTheirKeys) {
  const BiasVector vectors[] = {
      {R"({"model_type":"qwen2"})", "model.layers.*.self_attn.q_proj", true},
      {R"({"model_type":"qwen2"})", "model.layers.*.self_attn.o_proj", false},
      {R"({"model_type":"qwen2"})", "model.layers.*.mlp.down_proj", false},
      {R"({"model_type":"llama"})", "model.layers.*.self_attn.k_proj", false},
      {R"({"model_type":"llama","attention_bias":true})", "model.layers.*.self_attn.k_proj", true},
      {R"({"model_type":"llama","mlp_bias":true})", "model.layers.*.mlp.up_proj", true},
      {R"({"model_type":"gpt2"})", "transformer.h.*.mlp.c_proj", true},
      {R"({"model_type":"qwen"})", "transformer.h.*.attn.c_attn", true},
      {R"({"model_type":"qwen","no_bias":true})", "transformer.h.*.mlp.w1", false},
      {R"({"model_type":"unheard-of"})", "model.layers.*.mlp.gate_proj", false},
      {R"({"model_type":"unheard-of"})", "model.layers.*.self_attn.q_proj", std::nullopt},
      {"", "model.layers.*.self_attn.o_proj", false},
  };
  for (const BiasVector& vector : vectors) {
    EXPECT_EQ(LikelyBias(ReadModelConfig(vector.config), vector.pattern), vector.has)
        << vector.config << vector.pattern;
  }
}

// What only the names suggest is no fact: an all-zero bias of such a layer stays.
TEST(BiasTest, NothingIsGuessed) {
  const BiasVector vectors[] = {
      {R"({"model_type":"unheard-of"})", "model.layers.0.mlp.gate_proj", std::nullopt},
      {R"({"model_type":"llama"})", "model.layers.0.mlp.gate_proj", false},
      {R"({"model_type":"llama"})", "model.layers.0.mlp.adapter", std::nullopt},
      {R"({"model_type":"llama","mlp_bias":"yes"})", "model.layers.0.mlp.gate_proj", std::nullopt},
      {R"({"model_type":"qwen2_moe","qkv_bias":false})", "model.layers.0.self_attn.q_proj", false},
      {R"({"model_type":"deepseek_v3","attention_bias":true})", "model.layers.0.self_attn.q_a_proj", true},
      {R"({"model_type":"deepseek_v3","attention_bias":true})", "model.layers.0.self_attn.q_b_proj", std::nullopt},
      {R"({"model_type":"gpt2"})", "transformer.h.0.attn.c_proj", true},
  };
  for (const BiasVector& vector : vectors) {
    EXPECT_EQ(FamilyBias(ReadModelConfig(vector.config), vector.pattern), vector.has)
        << vector.config << vector.pattern;
  }
}

}  // namespace
}  // namespace gptq_doctor

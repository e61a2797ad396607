#include "model/model_config.h"

#include "gtest/gtest.h"
#include "model/sizes.h"

namespace gptq_doctor {
namespace {

TEST(ModelConfig, ReadsTheCommonSpelling) {
  const ModelConfig config = ReadModelConfig(
      R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","hidden_size":2048,"intermediate_size":11008,"num_hidden_layers":36,
          "num_attention_heads":16,"num_key_value_heads":2,"vocab_size":151936,"tie_word_embeddings":true,"torch_dtype":"float16"})");
  EXPECT_TRUE(config.readable);
  EXPECT_EQ(config.model_type, "qwen2");
  EXPECT_EQ(config.architectures, std::vector<std::string>{"Qwen2ForCausalLM"});
  EXPECT_EQ(config.hidden_size, 2048);
  EXPECT_EQ(config.num_key_value_heads, 2);
  EXPECT_EQ(config.tie_word_embeddings, true);
  EXPECT_EQ(config.dtype, "float16");
  EXPECT_EQ(config.nested_in, "");
  EXPECT_FALSE(config.head_dim.has_value());
}

TEST(ModelConfig, LooksIntoTheTextConfig) {
  const ModelConfig config = ReadModelConfig(
      R"({"model_type":"qwen2_5_vl","text_config":{"model_type":"x","hidden_size":7,"num_experts":4,"moe_intermediate_size":3},"dtype":"bfloat16"})");
  EXPECT_EQ(config.model_type, "qwen2_5_vl");
  EXPECT_EQ(config.hidden_size, 7);
  EXPECT_EQ(config.num_experts, 4);
  EXPECT_EQ(config.nested_in, "text_config");
  EXPECT_EQ(config.dtype, "bfloat16");
  ASSERT_NE(config.Find("moe_intermediate_size"), nullptr);
  const ModelConfig deep = ReadModelConfig(R"({"thinker_config":{"text_config":{"hidden_size":9}}})");
  EXPECT_EQ(deep.hidden_size, 9);
  EXPECT_EQ(deep.nested_in, "thinker_config.text_config");
}

TEST(ModelConfig, KnowsTheOlderFamilies) {
  const ModelConfig gpt2 = ReadModelConfig(
      R"({"model_type":"gpt2","n_embd":768,"n_layer":12,"n_head":12,"n_inner":null,"n_positions":1024})");
  EXPECT_EQ(gpt2.hidden_size, 768);
  EXPECT_EQ(gpt2.num_hidden_layers, 12);
  EXPECT_FALSE(gpt2.intermediate_size.has_value());
  EXPECT_EQ(gpt2.max_position_embeddings, 1024);
  const ModelConfig glm = ReadModelConfig(
      R"({"num_layers":28,"ffn_hidden_size":13696,"multi_query_attention":true,"multi_query_group_num":2,"padded_vocab_size":65024})");
  EXPECT_EQ(glm.num_hidden_layers, 28);
  EXPECT_EQ(glm.intermediate_size, 13696);
  EXPECT_EQ(glm.num_key_value_heads, 2);
  EXPECT_EQ(glm.vocab_size, 65024);
  EXPECT_EQ(ReadModelConfig(R"({"multi_query":true,"n_head":48})").num_key_value_heads, 1);
  EXPECT_EQ(
      ReadModelConfig(R"({"multi_query":true,"new_decoder_architecture":true,"num_kv_heads":8})").num_key_value_heads,
      8);
}

TEST(ModelConfig, SurvivesWhatIsNoConfig) {
  EXPECT_FALSE(ReadModelConfig("").readable);
  EXPECT_FALSE(ReadModelConfig("[]").readable);
  EXPECT_FALSE(ReadModelConfig("version https://git-lfs.github.com/spec/v1").readable);
  EXPECT_EQ(ReadModelConfig("[]").Find("x"), nullptr);
  const ModelConfig odd =
      ReadModelConfig(R"({"hidden_size":"2048","model_type":7,"architectures":"X","num_hidden_layers":-3})");
  EXPECT_TRUE(odd.readable);
  EXPECT_FALSE(odd.hidden_size.has_value());
  EXPECT_FALSE(odd.num_hidden_layers.has_value());
  EXPECT_EQ(odd.model_type, "");
}

TEST(Sizes, OfAGptqModule) {
  // 4096 x 4096, 4 bits, groups of 128: words of qweight and qzeros, halves of scales, one g_idx.
  EXPECT_EQ(QuantizedBytes({.in_features = 4096, .out_features = 4096}),
            4096 * 4096 / 2 + 32 * 4096 / 2 + 32 * 4096 * 2 + 4096 * 4);
  EXPECT_EQ(QuantizedBytes(
                {.in_features = 96, .out_features = 32, .bits = 3, .group_size = -1, .g_idx = false, .bias = true}),
            96 * 3 / 32 * 32 * 4 + 32 * 3 / 32 * 4 + 32 * 2 + 32 * 2);
  EXPECT_EQ(GroupsOf(100, 64), 2);
  EXPECT_EQ(GroupsOf(100, -1), 1);
  EXPECT_EQ(DenseBytes(3, 5, 2), 30);
  EXPECT_EQ(DenseBytes(INT64_MAX, 2, 2), INT64_MAX);
}

}  // namespace
}  // namespace gptq_doctor

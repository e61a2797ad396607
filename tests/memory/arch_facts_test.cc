#include "memory/arch_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/arith.h"

namespace gptq_doctor {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

ArchFacts Facts(const std::string& config, const WeightTable& weights = {}) {
  return ReadArchFacts(ReadModelConfig(config), weights);
}

WeightClass Matrix(const std::string& pattern, int64_t count, int64_t in, int64_t out) {
  WeightClass c{.pattern = pattern, .role = WeightRoleOf(pattern), .count = count};
  c.in_features = in;
  c.out_features = out;
  c.elements = in * out;
  return c;
}

struct KvVector {
  const char* name;
  const char* config;
  int64_t bytes;
};

// Bytes a token that engines log, as "available KV cache" over "KV tokens".
TEST(KvTest, EngineLogs) {
  const KvVector vectors[] = {
      {"Qwen3-14B", R"({"model_type":"qwen3","num_hidden_layers":40,"num_attention_heads":40,"num_key_value_heads":8,
                        "head_dim":128,"hidden_size":5120})",
       163'840},
      {"Qwen2.5-7B", R"({"model_type":"qwen2","num_hidden_layers":28,"num_attention_heads":28,"num_key_value_heads":4,
                         "hidden_size":3584,"use_sliding_window":false,"sliding_window":131072})",
       57'344},
      {"Llama-3.1-8B", R"({"model_type":"llama","num_hidden_layers":32,"num_attention_heads":32,
                           "num_key_value_heads":8,"hidden_size":4096})",
       131'072},
      {"Qwen2.5-1.5B", R"({"model_type":"qwen2","num_hidden_layers":28,"num_attention_heads":12,
                           "num_key_value_heads":2,"hidden_size":1536})",
       28'672},
      {"Qwen2.5-3B", R"({"model_type":"qwen2","num_hidden_layers":36,"num_attention_heads":16,
                         "num_key_value_heads":2,"hidden_size":2048})",
       36'864},
      {"Qwen3-0.6B", R"({"model_type":"qwen3","num_hidden_layers":28,"num_attention_heads":16,
                         "num_key_value_heads":8,"head_dim":128,"hidden_size":1024})",
       114'688},
      {"no key heads: all heads", R"({"model_type":"llama","num_hidden_layers":32,"num_attention_heads":32,
                                      "hidden_size":4096})",
       524'288},
      {"Falcon-7B: one key head", R"({"model_type":"falcon","num_hidden_layers":32,"num_attention_heads":71,
                                      "hidden_size":4544,"multi_query":true})",
       8'192},
      {"StarCoder: one key head", R"({"model_type":"gpt_bigcode","n_layer":40,"n_head":48,"n_embd":6144})", 20'480},
      {"ChatGLM2: groups", R"({"model_type":"chatglm","num_layers":28,"num_attention_heads":32,"hidden_size":4096,
                               "kv_channels":128,"multi_query_attention":true,"multi_query_group_num":2})",
       28'672},
      {"nested", R"({"model_type":"gemma3","text_config":{"num_hidden_layers":2,"num_attention_heads":8,
                     "num_key_value_heads":4,"head_dim":256,"hidden_size":2560}})",
       8'192},
  };
  for (const KvVector& vector : vectors) {
    const ArchFacts facts = Facts(vector.config);
    ASSERT_TRUE(facts.kv_known) << vector.name;
    EXPECT_EQ(facts.KvPerToken(16, true), vector.bytes) << vector.name;
    EXPECT_EQ(facts.KvPerToken(8, true), vector.bytes / 2) << vector.name;
  }
}

TEST(KvTest, LatentCacheOfDeepSeek) {
  const ArchFacts facts = Facts(R"({"model_type":"deepseek_v2","num_hidden_layers":27,"num_attention_heads":16,
      "num_key_value_heads":16,"hidden_size":2048,"kv_lora_rank":512,"qk_rope_head_dim":64,"qk_nope_head_dim":128,
      "v_head_dim":128})");
  ASSERT_TRUE(facts.kv_known);
  EXPECT_EQ(facts.KvPerToken(16, true), 27 * (512 + 64) * 2);
  EXPECT_EQ(facts.KvPerToken(16, false), 27 * 16 * (128 + 64 + 128) * 2);
}

TEST(KvTest, LatentCacheFromShapesWhereTheConfigIsSilent) {
  WeightTable weights;
  weights.classes = {Matrix("model.layers.*.self_attn.kv_a_proj_with_mqa", 4, 1024, 576),
                     Matrix("model.layers.*.self_attn.kv_b_proj", 4, 512, 16 * 256)};
  const std::string config =
      R"({"model_type":"deepseek_v3","num_hidden_layers":4,"num_attention_heads":16,"kv_lora_rank":512})";
  const ArchFacts facts = Facts(config, weights);
  ASSERT_TRUE(facts.kv_known);
  EXPECT_EQ(facts.KvPerToken(16, true), 4 * 576 * 2);
  EXPECT_EQ(facts.KvPerToken(16, false), 4 * (16 * 256 + 16 * 64) * 2);
  EXPECT_FALSE(Facts(config).kv_known);
  EXPECT_THAT(Facts(config).left_out, Contains(HasSubstr("KV cache")));
}

struct WindowVector {
  const char* name;
  const char* keys;        // beside 12 layers of one key head of 64
  int64_t full, windowed;  // layers
};

TEST(KvTest, SlidingWindowsLayerByLayer) {
  const WindowVector vectors[] = {
      {"layer_types", R"("model_type":"x","sliding_window":100,"layer_types":["full_attention","sliding_attention",
        "full_attention","sliding_attention","full_attention","sliding_attention","full_attention","sliding_attention",
        "full_attention","sliding_attention","full_attention","sliding_attention"])",
       6, 6},
      {"Mistral", R"("model_type":"mistral","sliding_window":100)", 0, 12},
      {"Mistral without", R"("model_type":"mistral","sliding_window":null)", 12, 0},
      {"Qwen2 switched off", R"("model_type":"qwen2","sliding_window":100,"use_sliding_window":false,
        "max_window_layers":4)",
       12, 0},
      {"Qwen2 switched on", R"("model_type":"qwen2","sliding_window":100,"use_sliding_window":true,
        "max_window_layers":4)",
       4, 8},
      {"Gemma 2", R"("model_type":"gemma2","sliding_window":100)", 6, 6},
      {"Gemma 3", R"("model_type":"gemma3_text","sliding_window":100)", 2, 10},
      {"pattern key", R"("model_type":"gemma3_text","sliding_window":100,"sliding_window_pattern":3)", 4, 8},
      {"a family not known keeps everything", R"("model_type":"new","sliding_window":100)", 12, 0},
  };
  for (const WindowVector& vector : vectors) {
    const ArchFacts facts = Facts(std::string("{") + vector.keys +
                                  R"(,"num_hidden_layers":12,"num_attention_heads":4,"num_key_value_heads":1,
                                      "head_dim":64,"hidden_size":256})");
    ASSERT_TRUE(facts.kv_known) << vector.name;
    const int64_t layer = 2 * 64 * 2;
    EXPECT_EQ(facts.KvBytes(1000, 16, false), layer * (vector.full * 1000 + vector.windowed * 100)) << vector.name;
    EXPECT_EQ(facts.KvBytes(50, 16, false), layer * 12 * 50) << vector.name;
  }
}

TEST(KvTest, HybridsCountTheLayersThatAttend) {
  const ArchFacts next = Facts(R"({"model_type":"qwen3_next","num_hidden_layers":48,"num_attention_heads":16,
      "num_key_value_heads":2,"head_dim":256,"hidden_size":2048,"full_attention_interval":4,
      "linear_num_value_heads":32,"linear_num_key_heads":16,"linear_key_head_dim":128,"linear_value_head_dim":128,
      "linear_conv_kernel_dim":4})");
  ASSERT_TRUE(next.kv_known);
  EXPECT_EQ(next.KvPerToken(16, false), 12 * 2 * 2 * 256 * 2);
  EXPECT_EQ(next.state_bytes, 36 * (32 * 128 * 128 * 4 + (2 * 16 * 128 + 32 * 128) * 4 * 2));
  const ArchFacts jamba = Facts(R"({"model_type":"jamba","num_hidden_layers":32,"num_attention_heads":32,
      "num_key_value_heads":8,"hidden_size":4096,"attn_layer_period":8,"attn_layer_offset":4,"mamba_d_state":16,
      "mamba_d_conv":4,"mamba_expand":2})");
  EXPECT_EQ(jamba.KvPerToken(16, false), 4 * 2 * 8 * 128 * 2);
  EXPECT_GT(jamba.state_bytes, 0);
  const ArchFacts mamba = Facts(R"({"model_type":"mamba","num_hidden_layers":24,"num_attention_heads":1,
      "hidden_size":768})");
  EXPECT_EQ(mamba.KvPerToken(16, false), 0);
  EXPECT_THAT(mamba.left_out, Contains(HasSubstr("24 layers that do not attend")));
}

TEST(KvTest, PatternsThatAreNotUnderstoodAreLeftOut) {
  for (const char* keys : {R"("layer_types":["full_attention","something_else"])", R"("ssm_cfg":{})",
                           R"("block_configs":[])", R"("num_key_value_heads":[1,2])", R"("is_encoder_decoder":true)"}) {
    const ArchFacts facts = Facts(std::string(R"({"model_type":"new","num_hidden_layers":2,"num_attention_heads":4,
                                               "hidden_size":256,)") +
                                  keys + "}");
    EXPECT_FALSE(facts.kv_known) << keys;
    EXPECT_THAT(facts.left_out, Contains(HasSubstr("KV cache"))) << keys;
  }
}

TEST(KvTest, AnUnknownFamilyWhoseTensorsShowFewerAttendingLayers) {
  WeightTable weights;
  weights.classes = {Matrix("model.layers.*.self_attn.k_proj", 3, 256, 128),
                     Matrix("model.layers.*.self_attn.v_proj", 3, 256, 128)};
  const ArchFacts facts = Facts(R"({"model_type":"new","num_hidden_layers":12,"num_attention_heads":4,
      "num_key_value_heads":2,"head_dim":64,"hidden_size":256})",
                                weights);
  ASSERT_TRUE(facts.kv_known);
  EXPECT_EQ(facts.KvPerToken(16, false), 3 * 2 * 128 * 2);
  EXPECT_THAT(facts.assumptions, Contains(HasSubstr("only 3 of 12 layers attend")));
}

TEST(KvTest, WithoutConfigTheShapesTell) {
  WeightTable weights;
  weights.classes = {Matrix("model.embed_tokens", 1, 2048, 151936),
                     Matrix("model.layers.*.self_attn.q_proj", 36, 2048, 2048),
                     Matrix("model.layers.*.self_attn.k_proj", 36, 2048, 256),
                     Matrix("model.layers.*.self_attn.v_proj", 36, 2048, 256),
                     Matrix("model.layers.*.mlp.gate_proj", 36, 2048, 11008),
                     Matrix("visual.blocks.*.attn.k_proj", 32, 1024, 1024)};
  const ArchFacts facts = Facts("", weights);
  ASSERT_TRUE(facts.kv_known);
  EXPECT_TRUE(facts.from_tensors);
  EXPECT_EQ(facts.KvPerToken(16, false), 36'864);
  EXPECT_EQ(facts.hidden, 2048);
  EXPECT_EQ(facts.vocab, 151936);
  EXPECT_EQ(facts.intermediate, 11008);
  EXPECT_FALSE(facts.max_position);
  EXPECT_TRUE(facts.tied);
  EXPECT_THAT(facts.assumptions, Contains(HasSubstr("no readable config.json")));
  EXPECT_FALSE(Facts("").kv_known);
}

TEST(ArchFactsTest, PaddedMatricesCountAsStored) {
  WeightTable weights;
  weights.classes = {Matrix("model.layers.*.mlp.gate_proj", 80, 8192, 29696)};
  const ArchFacts facts = Facts(R"({"model_type":"qwen2","num_hidden_layers":80,"num_attention_heads":64,
      "num_key_value_heads":8,"hidden_size":8192,"intermediate_size":29568})",
                                weights);
  EXPECT_EQ(facts.intermediate, 29696);
}

TEST(ArchFactsTest, ImpossibleNumbersAreUnknown) {
  const ArchFacts facts = Facts(R"({"model_type":"llama","num_hidden_layers":9223372036854775807,
      "num_attention_heads":-4,"hidden_size":0,"vocab_size":1e300,"max_position_embeddings":-1})");
  EXPECT_FALSE(facts.kv_known);
  EXPECT_FALSE(facts.layers || facts.heads || facts.hidden || facts.vocab);
  EXPECT_EQ(facts.max_position, 2048);  // the family's default
}

}  // namespace
}  // namespace gptq_doctor

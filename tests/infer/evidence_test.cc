#include "infer/evidence.h"

#include <gtest/gtest.h>

namespace gptq_doctor {
namespace {

TEST(SettingsInName, UsualNames) {
  struct Case {
    const char* name;
    std::optional<int> bits;
    std::optional<int64_t> group_size;
  };
  const Case cases[] = {
      {"gptq_model-4bit-128g.safetensors", 4, 128},
      {"gptq_model-8bit--1g.safetensors", 8, -1},
      {"gptq_model-4bit.safetensors", 4, std::nullopt},
      {"wizard-mega-13B-GPTQ-4bit-128g.no-act.order.safetensors", 4, 128},
      {"Qwen2.5-3B-Instruct-GPTQ-Int4", 4, std::nullopt},
      {"model-00001-of-00003.safetensors", std::nullopt, std::nullopt},
      {"llama-13b-24bit", std::nullopt, std::nullopt},
      {"phi-2", std::nullopt, std::nullopt},
      {"gpt-oss-120b", std::nullopt, std::nullopt},
  };
  for (const Case& c : cases) {
    const Quantization settings = SettingsInName(c.name);
    EXPECT_EQ(settings.bits, c.bits) << c.name;
    EXPECT_EQ(settings.group_size, c.group_size) << c.name;
  }
}

TEST(QuantizerBelow, ComparesVersionsOfGptqModelOnly) {
  EXPECT_TRUE(QuantizerBelow("gptqmodel:2.2.0", "7.0.0"));
  EXPECT_TRUE(QuantizerBelow("gptqmodel:6.10.0-dev", "7.0.0"));
  EXPECT_TRUE(QuantizerBelow("gptqmodel:7.3.1", "7.3.2"));
  EXPECT_FALSE(QuantizerBelow("gptqmodel:7.3.10", "7.3.2"));
  EXPECT_FALSE(QuantizerBelow("gptqmodel:7.0.0", "7.0.0"));
  EXPECT_FALSE(QuantizerBelow("autogptq:0.4.2", "7.0.0"));
  EXPECT_FALSE(QuantizerBelow("gptqmodel", "7.0.0"));
  EXPECT_FALSE(QuantizerBelow("gptqmodel:", "7.0.0"));
}

}  // namespace
}  // namespace gptq_doctor

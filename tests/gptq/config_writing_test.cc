#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gptq/quant_config_file.h"

namespace gptq_doctor {
namespace {

using KeyList = std::vector<std::pair<std::string, std::string>>;

Quantization Settings() {
  Quantization s;
  s.bits = 4;
  s.group_size = 128;
  s.desc_act = false;
  s.sym = true;
  return s;
}

TEST(WriteQuantConfig, CanonicalOrder) {
  Quantization s = Settings();
  s.lm_head = false;
  s.checkpoint_format = "gptq";
  s.pack_dtype = "int32";
  s.dynamic = {{"^lm_head$", false, 8, 32, true, std::nullopt}, {".*\\.o_proj", true, {}, {}, {}, {}}};
  EXPECT_EQ(WriteQuantConfig(s, ConfigTarget::kQuantizeConfigJson,
                             {{"damp_percent", "0.01"}, {"model_name_or_path", "null"}}),
            R"({
  "bits": 4,
  "dynamic": {
    "+:^lm_head$": {
      "bits": 8,
      "group_size": 32,
      "sym": true
    },
    "-:.*\\.o_proj": {}
  },
  "group_size": 128,
  "desc_act": false,
  "sym": true,
  "lm_head": false,
  "quant_method": "gptq",
  "checkpoint_format": "gptq",
  "pack_dtype": "int32",
  "damp_percent": 0.01,
  "model_name_or_path": null
})");
}

TEST(WriteQuantConfig, SectionIsSorted) {
  const std::string text = WriteQuantConfig(Settings(), ConfigTarget::kConfigJsonSection, {{"damp_percent", "0.1"}});
  EXPECT_EQ(text, R"({
  "bits": 4,
  "damp_percent": 0.1,
  "desc_act": false,
  "group_size": 128,
  "quant_method": "gptq",
  "sym": true
})");
}

TEST(WriteQuantConfig, AlwaysSaysDescActAndNeverMarlin) {
  Quantization s;
  s.bits = 4;
  s.group_size = -1;
  const std::string text =
      WriteQuantConfig(s, ConfigTarget::kQuantizeConfigJson,
                       {{"is_marlin_format", "false"}, {"bits", "8"}, {"w_bit", "8"}, {"format", "\"gptq\""}});
  const QuantConfigFile file = ReadQuantConfig("quantize_config.json", text, "");
  EXPECT_EQ(file.keys,
            (KeyList{{"bits", "4"}, {"group_size", "-1"}, {"desc_act", "false"}, {"quant_method", "\"gptq\""}}));
}

TEST(WriteQuantConfig, ActGroupAwareGivesWayToActOrder) {
  Quantization s = Settings();
  s.desc_act = true;
  EXPECT_EQ(
      WriteQuantConfig(s, ConfigTarget::kQuantizeConfigJson, {{"act_group_aware", "true"}}).find("act_group_aware"),
      std::string::npos);
}

TEST(WriteQuantConfig, ReadsBackTheSame) {
  Quantization s = Settings();
  s.desc_act = true;
  s.checkpoint_format = "gptq_v2";
  s.pack_dtype = "int16";
  s.lm_head = true;
  s.static_groups = true;
  s.dynamic = {{"a\"b\\.c$", true, {}, {}, {}, {}}, {"^x", false, 3, -1, false, true}};
  for (const ConfigTarget target : {ConfigTarget::kQuantizeConfigJson, ConfigTarget::kConfigJsonSection}) {
    const QuantConfigFile file = ReadQuantConfig("quantize_config.json", WriteQuantConfig(s, target, {}), "");
    EXPECT_EQ(file.reading, ConfigReading::kValid) << file.detail;
    EXPECT_TRUE(file.problems.empty());
    const Quantization& r = file.settings;
    EXPECT_EQ(r.bits, s.bits);
    EXPECT_EQ(r.group_size, s.group_size);
    EXPECT_EQ(r.desc_act, s.desc_act);
    EXPECT_EQ(r.sym, s.sym);
    EXPECT_EQ(r.checkpoint_format, s.checkpoint_format);
    EXPECT_EQ(r.pack_dtype, s.pack_dtype);
    EXPECT_EQ(r.lm_head, s.lm_head);
    EXPECT_EQ(r.static_groups, s.static_groups);
    ASSERT_EQ(r.dynamic.size(), 2u);
    EXPECT_EQ(r.dynamic[0].pattern, s.dynamic[0].pattern);
    EXPECT_TRUE(r.dynamic[0].exclude);
    EXPECT_EQ(r.dynamic[1].group_size, -1);
    EXPECT_EQ(r.dynamic[1].desc_act, true);
  }
}

TEST(KeysToKeep, TakesWhatTensorsCannotContradict) {
  const QuantConfigFile file = ReadQuantConfig("config.json", R"({
    "quantization_config": {
        "bits": 4, "format": "gptq", "damp_percent": 0.05, "sym": true, "true_sequential": true, "static_groups": false,
        "model_file_base_name": "model", "dataset": ["a long text", "another"], "is_marlin_format": false,
        "packing_format": "auto_round", "own_note": "kept",
        "meta": {
            "quantizer": ["gptqmodel:2.2.0"]
        }
    }
})",
                                               "/quantization_config");
  const KeyList keep = KeysToKeep(file);
  std::vector<std::string> keys;
  for (const auto& [key, value] : keep) keys.push_back(key);
  EXPECT_THAT(keys, ::testing::ElementsAre("damp_percent", "true_sequential", "static_groups", "model_file_base_name",
                                           "own_note", "meta"));
  EXPECT_EQ(keep[0].second, "0.05");
  const std::string text = WriteQuantConfig(Settings(), ConfigTarget::kQuantizeConfigJson, keep);
  EXPECT_THAT(text, ::testing::HasSubstr("  \"meta\": {\n      \"quantizer\": [\"gptqmodel:2.2.0\"]\n  }\n}"));
  EXPECT_EQ(ReadQuantConfig("quantize_config.json", text, "").quantizer, "gptqmodel:2.2.0");
}

TEST(KeysToKeep, DatasetsThatTransformersRefusesAreLeftOut) {
  const std::pair<const char*, bool> cases[] = {{"\"c4\"", true},   {"null", true},     {"[]", true},
                                                {"\"ptb\"", false}, {"[\"x\"]", false}, {"\"/data/my.json\"", false}};
  for (const auto& [value, kept] : cases) {
    const QuantConfigFile file =
        ReadQuantConfig("quantize_config.json", std::string("{\"dataset\": ") + value + ", \"bits\": 4}", "");
    EXPECT_EQ(!KeysToKeep(file).empty(), kept) << value;
  }
}

}  // namespace
}  // namespace gptq_doctor

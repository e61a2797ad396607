// The judgement of every configuration file found in the wild, and of made-up near misses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "gptq/key_table.h"
#include "gptq/quant_config_file.h"

namespace gptq_doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Load(const std::string& name) {
  std::ifstream file(std::filesystem::path(GPTQ_DOCTOR_TEST_DATA) / "configs" / name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A fragment is the value of quantization_config; it is read as transformers would.
QuantConfigFile ReadData(const std::string& name) {
  const std::string text = Load(name);
  if (name.ends_with(".quantization_config.json")) {
    return ReadQuantConfig("config.json", "{\"quantization_config\": " + text + "}", "/quantization_config");
  }
  if (name.ends_with(".config.json")) return ReadQuantConfig("config.json", text, "/quantization_config");
  return ReadQuantConfig("quantize_config.json", text, "");
}

struct Expected {
  const char* name;
  ConfigReading reading;
  int bits = 0;  // 0: not declared
  int64_t group_size = 0;
  const char* desc_act = "";
  const char* sym = "";
  const char* format = "";
};

constexpr auto kValid = ConfigReading::kValid;
constexpr auto kAbsent = ConfigReading::kAbsent;
constexpr auto kIncomplete = ConfigReading::kIncomplete;

const Expected kExpected[] = {
    {"001_mythomax-l2-13b_4b128g.config.json", kValid, 4, 128, "false", "true"},
    {"001_mythomax-l2-13b_4b128g.quantize_config.json", kValid, 4, 128, "false", "true"},
    {"002_mythomax-l2-13b_4b32g-act.config.json", kValid, 4, 32, "true", "true"},
    {"002_mythomax-l2-13b_4b32g-act.quantize_config.json", kValid, 4, 32, "true", "true"},
    {"003_mythomax-l2-13b_8b-1g-act.config.json", kValid, 8, -1, "true", "true"},
    {"003_mythomax-l2-13b_8b-1g-act.quantize_config.json", kValid, 8, -1, "true", "true"},
    {"004_mythomax-l2-13b_8b128g-act.config.json", kValid, 8, 128, "true", "true"},
    {"004_mythomax-l2-13b_8b128g-act.quantize_config.json", kValid, 8, 128, "true", "true"},
    {"005_genz-70b_3b-1g-act.config.json", kValid, 3, -1, "true", "true"},
    {"005_genz-70b_3b-1g-act.quantize_config.json", kValid, 3, -1, "true", "true"},
    {"006_genz-70b_3b128g-act.config.json", kValid, 3, 128, "true", "true"},
    {"006_genz-70b_3b128g-act.quantize_config.json", kValid, 3, 128, "true", "true"},
    {"007_genz-70b_4b128g-act.config.json", kValid, 4, 128, "true", "true"},
    {"007_genz-70b_4b128g-act.quantize_config.json", kValid, 4, 128, "true", "true"},
    {"008_wizard-vicuna-30b_3b128g-noact.config.json", kValid, 3, 128, "false", "true"},
    {"008_wizard-vicuna-30b_3b128g-noact.quantize_config.json", kValid, 3, 128, "false", "true"},
    {"009_wizard-vicuna-30b_4b-1g-act.config.json", kValid, 4, -1, "true", "true"},
    {"009_wizard-vicuna-30b_4b-1g-act.quantize_config.json", kValid, 4, -1, "true", "true"},
    {"010_mythomax-l2-13b_pre-transformers.config.json", kAbsent},
    {"010_mythomax-l2-13b_pre-transformers.quantize_config.json", kValid, 4, 128, "false", "true"},
    {"011_wizard-mega-13b_oldname.config.json", kAbsent},
    {"011_wizard-mega-13b_oldname.quantize_config.json", kValid, 4, 128, "false", "true"},
    {"012_wizard-vicuna-30b_fp32cfg.config.json", kAbsent},
    {"012_wizard-vicuna-30b_fp32cfg.quantize_config.json", kValid, 4, -1, "true", "true"},
    {"013_wizardcoder-15b_gptbigcode.config.json", kAbsent},
    {"013_wizardcoder-15b_gptbigcode.quantize_config.json", kValid, 4, 128, "false", "true"},
    {"014_llama-2-13b-chat_4b128g.config.json", kValid, 4, 128, "false", "true"},
    {"014_llama-2-13b-chat_4b128g.quantize_config.json", kValid, 4, 128, "false", "true"},
    {"015_nous-hermes-13b_resaved.config.json", kValid, 4, 128, "false", "true"},
    {"015_nous-hermes-13b_resaved.quantize_config.json", kValid, 4, 128, "false", "true"},
    {"016_qwen-vl-chat-int4.config.json", kValid, 4, 128, "false", "true"},
    {"016_qwen-vl-chat-int4.quantize_config.json", kValid, 4, 128, "false", "true"},
    {"017_phi-2_optimum-exllama-conflict.config.json", kValid, 4, 128, "false", "true"},
    {"017_phi-2_optimum-exllama-conflict.quantize_config.json", kValid, 4, 128, "false", "true"},
    {"018_kullm_8b128g-act.quantize_config.json", kValid, 8, 128, "true", "true"},
    {"019_wizard-vicuna-30b_malformed-python-True.quantize_config.json", ConfigReading::kMalformed, 4, -1, "true",
     "true"},
    {"020_wizard-vicuna-30b_corrected.quantize_config.json", kValid, 4, -1, "true", "true"},
    {"021_qwen2-vl-2b-gptq-int4.quantization_config.json", kValid, 4, 128, "false", "true"},
    {"022_optimum-full-asym.quantization_config.json", kValid, 4, 128, "false", "false"},
    {"023_qwen3-30b-a3b-gptq-int4.config.json", kValid, 4, 128, "false", "true", "gptq"},
    {"023_qwen3-30b-a3b-gptq-int4.quantize_config.json", kValid, 4, 128, "false", "true", "gptq"},
    {"024_llama3-8b_optimum-gptq_v2_8bit.config.json", kValid, 8, 128, "false", "true", "gptq_v2"},
    {"025_minicpm-sala_gptqmodel-5.7.0.quantization_config.json", kValid, 4, 128, "false", "true", "gptq"},
    {"025_minicpm-sala_gptqmodel-5.7.0.quantize_config.json", kValid, 4, 128, "false", "true", "gptq"},
    {"026_minimal-2023.quantize_config.json", kIncomplete, 4, 128, "true"},
    {"027_qwen-14b-int8_own-wrong-paste.quantization_config.json", kIncomplete, 8, 128, "false", "true"},
    {"027_qwen-14b-int8_own.quantize_config.json", kValid, 8, 128, "false", "true"},
    {"028_qwen2.5-32b-gptq-int4.config.json", kValid, 4, 128, "false", "true"},
    {"029_onnx-phowhisper-tiny_NOT-GPTQ.quantize_config.json", ConfigReading::kNamesake},
    {"030_3rd-party_gptq_v2-mixed.quantization_config.json", kIncomplete, 4, 128, "", "", "gptq_v2"},
};

std::string Show(const std::optional<bool>& value) { return !value ? "" : *value ? "true" : "false"; }

TEST(ConfigsInTheWild, AreJudgedAsTheyAre) {
  for (const Expected& expected : kExpected) {
    SCOPED_TRACE(expected.name);
    const QuantConfigFile file = ReadData(expected.name);
    EXPECT_EQ(file.reading, expected.reading) << file.detail;
    EXPECT_EQ(file.settings.bits.value_or(0), expected.bits);
    EXPECT_EQ(file.settings.group_size.value_or(0), expected.group_size);
    EXPECT_EQ(Show(file.settings.desc_act), expected.desc_act);
    EXPECT_EQ(Show(file.settings.sym), expected.sym);
    EXPECT_EQ(file.settings.checkpoint_format.value_or(""), expected.format);
    EXPECT_FALSE(file.detail.empty());
  }
}

TEST(ConfigsInTheWild, EveryFileOfTheDirectoryIsTested) {
  std::set<std::string> tested;
  for (const Expected& expected : kExpected) tested.insert(expected.name);
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(GPTQ_DOCTOR_TEST_DATA) / "configs")) {
    const std::string name = entry.path().filename().string();
    const bool config = name.ends_with(".json") && !name.ends_with(".index.json");
    EXPECT_EQ(tested.contains(name), config) << name;
  }
}

TEST(ConfigsInTheWild, NoKeyIsLost) {
  for (const Expected& expected : kExpected) {
    const QuantConfigFile file = ReadData(expected.name);
    if (!file.section) continue;
    const JsonValue* object = FindPointer(*file.json.root, file.pointer);
    ASSERT_EQ(file.keys.size(), object->members.size()) << expected.name;
    for (size_t i = 0; i < file.keys.size(); ++i) {
      EXPECT_EQ(file.keys[i].first, object->members[i].key);
      EXPECT_THAT(file.text, HasSubstr(file.keys[i].second));
    }
    EXPECT_EQ(file.text.substr(file.section->begin, 1), "{");
    EXPECT_EQ(file.text.substr(file.section->end - 1, 1), "}");
  }
}

TEST(ConfigsInTheWild, PythonLiteralIsPlaced) {
  const QuantConfigFile file = ReadData("019_wizard-vicuna-30b_malformed-python-True.quantize_config.json");
  EXPECT_THAT(file.detail, HasSubstr("line 5, column 15"));
  EXPECT_TRUE(file.json.repairable);
}

TEST(ConfigsInTheWild, PurposeOfTheNamesake) {
  EXPECT_THAT(ReadData("029_onnx-phowhisper-tiny_NOT-GPTQ.quantize_config.json").detail, HasSubstr("ONNX"));
}

TEST(ConfigsInTheWild, GapsAreNamed) {
  EXPECT_EQ(ReadData("026_minimal-2023.quantize_config.json").detail, "sym is missing");
  EXPECT_EQ(ReadData("027_qwen-14b-int8_own-wrong-paste.quantization_config.json").detail, "quant_method is missing");
  const QuantConfigFile third = ReadData("030_3rd-party_gptq_v2-mixed.quantization_config.json");
  EXPECT_EQ(third.detail, "desc_act and sym are missing");
  EXPECT_THAT(third.unknown, ElementsAre("mixed_precision", "modules_not_quantized"));
  EXPECT_TRUE(ReadData("024_llama3-8b_optimum-gptq_v2_8bit.config.json").unknown.empty());
}

TEST(ConfigsInTheWild, MetaAndDynamicOfGptqModel) {
  const QuantConfigFile file = ReadData("025_minicpm-sala_gptqmodel-5.7.0.quantize_config.json");
  EXPECT_EQ(file.quantizer, "gptqmodel:5.7.0");
  EXPECT_EQ(file.settings.pack_dtype, "int32");
  EXPECT_EQ(file.settings.lm_head, false);
  EXPECT_EQ(file.settings.static_groups, false);
  ASSERT_EQ(file.settings.dynamic.size(), 2u);
  EXPECT_TRUE(file.settings.dynamic[0].exclude);
  EXPECT_EQ(file.settings.dynamic[0].pattern, ".*self_attn\\.o_gate.*");
  const QuantConfigFile optimum = ReadData("024_llama3-8b_optimum-gptq_v2_8bit.config.json");
  EXPECT_EQ(optimum.quantizer, "optimum:2.1.0");
  EXPECT_THAT(optimum.quantizers, ElementsAre("optimum:2.1.0", "gptqmodel:6.0.3"));
}

QuantConfigFile File(const std::string& text) { return ReadQuantConfig("quantize_config.json", text, ""); }
QuantConfigFile With(const std::string& more) {
  return File(R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true, )" + more + "}");
}

struct Made {
  const char* text;
  ConfigReading reading;
  const char* in_detail = "";
};

TEST(ReadQuantConfig, JudgesMadeUpFiles) {
  constexpr auto kConflicting = ConfigReading::kConflicting;
  constexpr auto kMalformed = ConfigReading::kMalformed;
  constexpr auto kForeign = ConfigReading::kForeign;
  constexpr auto kNamesake = ConfigReading::kNamesake;
  const Made cases[] = {
      {R"({"w_bit": 4, "q_group_size": 64, "desc_act": false, "sym": true})", kValid, "4 bits, groups of 64"},
      {R"({"wbits": 4, "group_size": -1, "desc_act": true, "sym": true})", kValid, "one group a column, act-order"},
      {R"({"Bits": 4, "GROUP_SIZE": 128, "desc_act": false, "sym": true})", kValid},
      {R"({"bits": "4", "group_size": 128, "desc_act": false, "sym": true})", kValid},
      {R"({"bits": 4.0, "group_size": 128, "desc_act": 0, "sym": "true"})", kValid},
      {R"({"bits": 4, "group_size": 128, "desc_act": null, "sym": true})", kIncomplete, "desc_act is missing"},
      {R"({"bits": 4, "w_bit": 4, "group_size": 128, "desc_act": false, "sym": true})", kValid},
      {R"({"bits": 4, "w_bit": 8, "group_size": 128, "desc_act": false, "sym": true})", kConflicting,
       "w_bit says 8 and bits 4"},
      {R"({"bits": 4, "bits": 4, "group_size": 128, "desc_act": false, "sym": true})", kValid},
      {R"({"bits": 4, "bits": 8, "group_size": 128, "desc_act": false, "sym": true})", kConflicting, "stands twice"},
      {R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true, "zero_point": true})", kConflicting,
       "zero_point"},
      {R"({"bits": 4, "group_size": 128, "desc_act": false, "zero_point": true})", kValid},
      {R"({"bits": [4], "group_size": 128, "desc_act": false, "sym": true})", kMalformed,
       "bits is [4], not an integer"},
      {R"({"bits": 16, "group_size": 128, "desc_act": false, "sym": true})", kMalformed, "2 to 8 bits"},
      {R"({"bits": 4, "group_size": 0, "desc_act": false, "sym": true})", kMalformed, "must be -1 or greater than 0"},
      {R"({"bits": 4, "group_size": 128, "desc_act": {}, "sym": true})", kMalformed, "desc_act is {}"},
      {R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true, "dynamic": []})", kMalformed, "dynamic"},
      {R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true,})", kMalformed, "not valid JSON"},
      {R"({"bits": 4, "group_size": 128, "desc_act": true, "sym": true, "act_group_aware": true})", kConflicting,
       "refuses"},
      {R"({"bits": 4, "group_size": 128, "desc_act": true, "sym": true, "meta": {"act_group_aware": true}})",
       kConflicting},
      {R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true, "meta": {"act_group_aware": true}})", kValid},
      {"[4]", kMalformed, "not an object"},
      {"", kMalformed, "not valid JSON"},
      {"<html>", kMalformed, "not valid JSON"},
      {"{}", kIncomplete, "bits, group_size, desc_act and sym are missing"},
      {R"({"format": "wav", "version": "1", "rate": 3})", kNamesake, "none of its keys"},
      {R"({"zero_point": true, "q_group_size": 128, "w_bit": 4, "version": "GEMM"})", kForeign, "awq"},
      {R"({"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"})", kForeign, "bitsandbytes"},
      {R"({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": true, "version": "gemm"})", kForeign,
       "awq"},
      {R"({"quant_method": "compressed-tensors", "config_groups": {}})", kForeign},
      {R"({"quant_method": "fp8", "bits": 16})", kForeign},
      {R"({"quant_method": "brand-new", "bits": 4})", kForeign, "brand-new"},
      {R"({"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}})", kForeign, "modelopt"},
      {R"({"quant_method": "GPTQ", "bits": 4, "group_size": 128, "desc_act": false, "sym": true})", kValid},
      {R"({"quant_method": "auto-round", "packing_format": "auto_round:auto_gptq", "bits": 4, "group_size": 128, "sym": true})",
       kValid},
      {R"({"quant_method": "auto-round", "packing_format": "auto_round:auto_awq", "bits": 4, "group_size": 128, "sym": true})",
       kForeign},
      {R"({"quant_method": "gptq", "version": "GEMM", "bits": 4, "group_size": 128, "desc_act": false, "sym": true})",
       kConflicting},
      {R"({"quant_method": "gptq", "method": "awq", "bits": 4, "group_size": 128, "desc_act": false, "sym": true})",
       kConflicting},
      {R"({"quant_method": "marlin", "checkpoint_format": "gptq", "bits": 4, "group_size": 128, "desc_act": false, "sym": true})",
       kConflicting},
  };
  for (const Made& c : cases) {
    const QuantConfigFile file = File(c.text);
    EXPECT_EQ(file.reading, c.reading) << c.text << "\n" << file.detail;
    EXPECT_THAT(file.detail, HasSubstr(c.in_detail)) << c.text;
  }
}

TEST(ReadQuantConfig, FormatSpellings) {
  struct Case {
    const char *text, *format;
    bool conflict;
  };
  const Case cases[] = {
      {R"("checkpoint_format": "gptq_v2")", "gptq_v2", false},
      {R"("format": "gptq_v2")", "gptq_v2", false},
      {R"("format": "gptq", "checkpoint_format": "gptq")", "gptq", false},
      {R"("format": "gptq_v2", "checkpoint_format": "gptq")", "gptq", true},
      {R"("checkpoint_format": "gptq", "format": "gptq_v2")", "gptq", true},
      {R"("is_marlin_format": true)", "marlin", false},
      {R"("is_marlin_format": false)", "", false},
      {R"("is_marlin_format": true, "checkpoint_format": "gptq")", "gptq", true},
      {R"("quant_method": "marlin")", "marlin", false},
      {R"("quant_method": "auto-round", "packing_format": "auto_round")", "gptq_v2", false},
      {R"("quant_method": "auto-round", "packing_format": "auto_round:gptqmodel")", "gptq_v2", false},
      {R"("quant_method": "auto-round", "packing_format": "auto_round:auto_gptq")", "gptq", false},
      {R"("checkpoint_format": null)", "", false},
      {R"("checkpoint_format": "GPTQ_V2")", "gptq_v2", false},
  };
  for (const Case& c : cases) {
    const QuantConfigFile file = With(c.text);
    EXPECT_EQ(file.settings.checkpoint_format.value_or(""), c.format) << c.text;
    EXPECT_EQ(file.reading == ConfigReading::kConflicting, c.conflict) << c.text << file.detail;
  }
}

TEST(ReadQuantConfig, ProblemsHavePlaces) {
  const QuantConfigFile file = ReadQuantConfig("config.json",
                                               "{\"x\": 1,\n \"quantization_config\": {\"bits\": \"4\",\n  "
                                               "\"group_size\": 128, \"desc_act\": false, \"sym\": true,\n"
                                               "  \"damp_percent\": 1, \"quant_method\": \"gptq\"}}",
                                               "/quantization_config");
  ASSERT_EQ(file.problems.size(), 2u);
  EXPECT_EQ(file.problems[0].key, "bits");
  EXPECT_EQ(file.problems[0].pointer, "/quantization_config/bits");
  EXPECT_EQ(file.problems[0].place.line, 2);
  EXPECT_EQ(file.problems[0].place.column, 34);
  EXPECT_EQ(file.problems[1].key, "damp_percent");
  EXPECT_EQ(file.problems[1].place.line, 4);
}

TEST(ReadQuantConfig, DynamicRulesKeepTheirOrder) {
  const QuantConfigFile file = With(
      R"("dynamic": {"-:.*\\.o_proj": {}, "+:.*\\.v_proj": {"bits": 2, "group_size": 32}, "lm_head": {"bits": 8, "sym": true,
              "desc_act": false, "mse": 2.4}, "bad": 3, "worse": {"bits": 99}})");
  ASSERT_EQ(file.settings.dynamic.size(), 5u);
  EXPECT_TRUE(file.settings.dynamic[0].exclude);
  EXPECT_EQ(file.settings.dynamic[0].pattern, ".*\\.o_proj");
  EXPECT_EQ(file.settings.dynamic[1].pattern, ".*\\.v_proj");
  EXPECT_EQ(file.settings.dynamic[1].bits, 2);
  EXPECT_EQ(file.settings.dynamic[1].group_size, 32);
  EXPECT_EQ(file.settings.dynamic[2].sym, true);
  EXPECT_EQ(file.settings.dynamic[2].desc_act, false);
  EXPECT_FALSE(file.settings.dynamic[4].bits);
  EXPECT_EQ(file.problems.size(), 2u);
}

TEST(ReadQuantConfig, AutoRoundExtraConfigNamesModules) {
  const QuantConfigFile file = With(
      R"("quant_method": "auto-round", "extra_config": {"model.layers.0.mlp.gate": {"bits": 16}, "lm_head": {"bits": 8}})");
  ASSERT_EQ(file.settings.dynamic.size(), 2u);
  EXPECT_TRUE(file.settings.dynamic[0].exclude);
  EXPECT_EQ(file.settings.dynamic[0].pattern, "model\\.layers\\.0\\.mlp\\.gate$");
  EXPECT_EQ(file.settings.dynamic[1].bits, 8);
}

TEST(ReadQuantConfig, ProblemsAreCapped) {
  std::string dynamic;
  for (int i = 0; i < 5000; ++i) dynamic += (i == 0 ? "\"" : ", \"") + std::to_string(i) + "\": 1";
  EXPECT_EQ(With("\"dynamic\": {" + dynamic + "}").problems.size(), 100u);
}

TEST(ReadQuantConfig, NullAndOddSections) {
  EXPECT_EQ(ReadQuantConfig("config.json", "{}", "/quantization_config").reading, ConfigReading::kAbsent);
  const QuantConfigFile null =
      ReadQuantConfig("config.json", R"({"quantization_config": null})", "/quantization_config");
  EXPECT_EQ(null.reading, ConfigReading::kMalformed);
  EXPECT_EQ(null.detail, "quantization_config is null, not an object");
}

TEST(KeyTable, CanonicalKeysHaveRows) {
  std::set<std::string_view> seen;
  for (const KeyRow& row : KeyTable()) {
    EXPECT_TRUE(seen.insert(row.key).second) << row.key;
    EXPECT_FALSE(row.source.empty()) << row.key;
    const std::string_view canonical = CanonicalKey(row.field);
    if (canonical.empty()) continue;
    EXPECT_EQ(FindKeyRow(canonical)->field, row.field) << row.key;
  }
  EXPECT_EQ(FindKeyRow("DESC_act")->key, "desc_act");
  EXPECT_EQ(FindKeyRow("desc_acts"), nullptr);
}

}  // namespace
}  // namespace gptq_doctor

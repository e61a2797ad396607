#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repair/generate.h"
#include "repair/repairs.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using testing::GptqOptions;
using ::testing::HasSubstr;
using testing::ModelBuilder;

// The settings of every model here unless a test says otherwise: 4 bits, groups of 32, symmetric, v1.
ModelBuilder Model(GptqOptions options = {.bits = 4, .group_size = 32}) {
  ModelBuilder builder;
  builder.Layers(1).Sizes(64, 128, 0, 64).Quant(options);
  return builder;
}

struct Planned {
  std::unique_ptr<MemorySource> source;
  std::unique_ptr<Examination> exam;
  std::optional<Plan> plan;
  std::string refusal;
  const Edit* Of(std::string_view file) const {
    if (!plan) return nullptr;
    for (const Edit& edit : plan->edits) {
      if (edit.file == file) return &edit;
    }
    return nullptr;
  }
  std::string After(std::string_view file) const { return Of(file) == nullptr ? "" : Of(file)->after; }
};

std::vector<Assumption> Parsed(const std::vector<std::string>& texts) {
  std::vector<Assumption> out;
  for (const std::string& text : texts) out.push_back(ParseAssumption(text).value());
  return out;
}

Planned PlanFor(const ModelBuilder& model, const std::vector<std::string>& assume = {},
                const std::vector<std::string>& select = {}) {
  Planned out{.source = model.Memory()};
  auto exam = ReadExamination(*out.source, {}, {});
  EXPECT_TRUE(exam) << exam.error().message;
  out.exam = std::move(*exam);
  Result<Plan> plan = MakePlan(*out.exam, {.assumptions = Parsed(assume), .select = select});
  if (plan) {
    out.plan = std::move(*plan);
  } else {
    EXPECT_EQ(plan.error().kind, ErrorKind::kRefused) << plan.error().message;
    out.refusal = plan.error().message;
  }
  return out;
}

const char kRight[] =
    "{\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n  \"sym\": true,\n  \"quant_method\": "
    "\"gptq\"\n}";
const char kConfig[] = "{\n  \"architectures\": [\n    \"LlamaForCausalLM\"\n  ],\n  \"model_type\": \"llama\"\n}\n";
std::string RightSection() {
  return "{\n  \"architectures\": [\n    \"LlamaForCausalLM\"\n  ],\n  \"model_type\": \"llama\",\n"
         "  \"quantization_config\": {\n    \"bits\": 4,\n    \"desc_act\": false,\n    \"group_size\": 32,\n"
         "    \"quant_method\": \"gptq\",\n    \"sym\": true\n  }\n}\n";
}

TEST(ConfigPlan, WritesBothFilesWhereNeitherSaysAnything) {
  const Planned planned = PlanFor(Model().File("config.json", kConfig));
  ASSERT_TRUE(planned.plan) << planned.refusal;
  ASSERT_EQ(planned.plan->edits.size(), 2u);
  EXPECT_EQ(planned.plan->edits[0].kind, EditKind::kCreate);
  EXPECT_EQ(
      planned.After("quantize_config.json"),
      "{\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n  \"sym\": true,\n  \"lm_head\": false,\n"
      "  \"quant_method\": \"gptq\",\n  \"checkpoint_format\": \"gptq\",\n  \"pack_dtype\": \"int32\"\n}\n");
  EXPECT_EQ(
      planned.After("config.json"),
      "{\n  \"architectures\": [\n    \"LlamaForCausalLM\"\n  ],\n  \"model_type\": \"llama\",\n"
      "  \"quantization_config\": {\n    \"bits\": 4,\n    \"checkpoint_format\": \"gptq\",\n    \"desc_act\": false,\n"
      "    \"group_size\": 32,\n    \"lm_head\": false,\n    \"pack_dtype\": \"int32\",\n"
      "    \"quant_method\": \"gptq\",\n    \"sym\": true\n  }\n}\n");
  EXPECT_EQ(planned.plan->edits[0].codes, std::vector<std::string>{"GD101"});
  EXPECT_EQ(planned.plan->edits[0].applicability, Applicability::kCertain);
}

TEST(ConfigPlan, LeavesRightFilesAlone) {
  EXPECT_TRUE(PlanFor(Model().WithConfigs()).plan->empty());
  EXPECT_TRUE(PlanFor(Model().File("quantize_config.json", kRight).File("config.json", RightSection())).plan->empty());
  // An official directory of 2023 with other keys, no method and no format.
  EXPECT_TRUE(
      PlanFor(Model()
                  .File("quantize_config.json",
                        "{\"bits\": 4, \"group_size\": 32, \"damp_percent\": 0.1, \"desc_act\": false, \"sym\": true, "
                        "\"true_sequential\": true, \"model_name_or_path\": null, \"model_file_base_name\": \"model\"}")
                  .File("config.json", RightSection()))
          .plan->empty());
}

// One wrong or missing thing in a quantize_config.json, and the whole text after the repair.
struct Mended {
  const char* name;
  std::string before, after;
  const char* code;
};

const Mended kMended[] = {
    {"wrong_bits_tabs_no_final_newline",
     "{\n\t\"bits\": 8,\n\t\"group_size\":  32,\n\t\"desc_act\": false, \"sym\": true\n}",
     "{\n\t\"bits\": 4,\n\t\"group_size\":  32,\n\t\"desc_act\": false, \"sym\": true\n}", "GD106"},
    {"wrong_group_size_crlf",
     "{\r\n    \"group_size\": 128,\r\n    \"bits\": 4,\r\n    \"desc_act\": false,\r\n    \"sym\": true\r\n}\r\n",
     "{\r\n    \"group_size\": 32,\r\n    \"bits\": 4,\r\n    \"desc_act\": false,\r\n    \"sym\": true\r\n}\r\n",
     "GD107"},
    {"missing_group_size_one_line", "{\"sym\":true,\"bits\":4,\"desc_act\":false}",
     "{\"sym\":true,\"bits\":4,\"desc_act\":false,\"group_size\":32}", "GD104"},
    {"missing_desc_act_crlf", "{\r\n  \"sym\": true,\r\n  \"bits\": 4,\r\n  \"group_size\": 32\r\n}",
     "{\r\n  \"sym\": true,\r\n  \"bits\": 4,\r\n  \"group_size\": 32,\r\n  \"desc_act\": false\r\n}", "GD104"},
    {"string_bits", "{\"sym\": true, \"bits\": \"4\", \"group_size\": 32, \"desc_act\": false}",
     "{\"sym\": true, \"bits\": 4, \"group_size\": 32, \"desc_act\": false}", "GD106"},
    {"wrong_sym_keeps_unknown_keys",
     "{\n  \"z_unknown\": [1,  2],\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n  \"sym\": "
     "false\n}\n\n",
     "{\n  \"z_unknown\": [1,  2],\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n  \"sym\": "
     "true\n}\n\n",
     "GD108"},
    {"wrong_checkpoint_format",
     "{\"bits\": 4, \"sym\": true, \"group_size\": 32, \"desc_act\": false, \"checkpoint_format\": \"gptq_v2\"}",
     "{\"bits\": 4, \"sym\": true, \"group_size\": 32, \"desc_act\": false, \"checkpoint_format\": \"gptq\"}", "GD109"},
    {"both_format_spellings",
     "{\"bits\": 4, \"sym\": true, \"group_size\": 32, \"desc_act\": false, \"format\": \"gptq_v2\", "
     "\"checkpoint_format\": "
     "\"gptq\"}",
     "{\"bits\": 4, \"sym\": true, \"group_size\": 32, \"desc_act\": false, \"format\": \"gptq\", "
     "\"checkpoint_format\": "
     "\"gptq\"}",
     "GD109"},
    {"marlin_flag",
     "{\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n  \"sym\": true,\n  \"is_marlin_format\": "
     "false\n}",
     "{\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n  \"sym\": true\n}", "GD113"},
    {"old_spellings", "{\"wbits\": 4, \"groupsize\": 32, \"sym\": true, \"desc_act\": false}",
     "{\"bits\": 4, \"group_size\": 32, \"sym\": true, \"desc_act\": false}", "GD113"},
    {"calibration_data",
     "{\n  \"bits\": 4,\n  \"dataset\": [\n    \"a text\"\n  ],\n  \"group_size\": 32,\n  \"desc_act\": false,\n  "
     "\"sym\": true\n}",
     "{\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n  \"sym\": true\n}", "GD114"},
    {"another_method",
     "{\"sym\": true, \"bits\": 4, \"group_size\": 32, \"desc_act\": false, \"quant_method\": \"GPTQ\"}",
     "{\"sym\": true, \"bits\": 4, \"group_size\": 32, \"desc_act\": false, \"quant_method\": \"gptq\"}", "GD118"},
    {"python_literal", "{\n  \"sym\": True,\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": False\n}",
     "{\n  \"sym\": true,\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false\n}", "GD105"},
    {"python_literal_and_wrong_value", "{\"sym\": True, \"bits\": 3, \"group_size\": 32, \"desc_act\": False}",
     "{\"sym\": true, \"bits\": 4, \"group_size\": 32, \"desc_act\": false}", "GD106"},
    {"trailing_comma", "{\n  \"sym\": true,\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n}",
     "{\n  \"sym\": true,\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false\n}", "GD105"},
    {"needless_dynamic",
     "{\n  \"bits\": 4,\n  \"dynamic\": {\n    \".*down_proj\": {\n      \"bits\": 8\n    }\n  },\n  \"group_size\": "
     "32,\n"
     "  \"desc_act\": false,\n  \"sym\": true\n}",
     "{\n  \"bits\": 4,\n  \"group_size\": 32,\n  \"desc_act\": false,\n  \"sym\": true\n}", "GD116"},
};

class ConfigMend : public ::testing::TestWithParam<Mended> {};

TEST_P(ConfigMend, ChangesWhatIsWrongAndNothingElse) {
  const Mended& c = GetParam();
  const ModelBuilder model = Model().File("config.json", RightSection()).File("quantize_config.json", c.before);
  const Planned planned = PlanFor(model);
  ASSERT_TRUE(planned.plan) << planned.refusal;
  ASSERT_EQ(planned.plan->edits.size(), 1u);
  EXPECT_EQ(planned.After("quantize_config.json"), c.after);
  EXPECT_THAT(planned.plan->edits[0].codes, ::testing::Contains(c.code));
  EXPECT_FALSE(planned.plan->edits[0].reasons.empty());
  // The repaired directory needs no repair.
  EXPECT_TRUE(PlanFor(Model().File("config.json", RightSection()).File("quantize_config.json", c.after)).plan->empty());
  // Another rule's selection leaves it alone, or says that nothing else can be done first.
  const Planned other = PlanFor(model, {}, {"GD140"});
  EXPECT_TRUE(!other.plan || other.plan->empty());
}

INSTANTIATE_TEST_SUITE_P(Table, ConfigMend, ::testing::ValuesIn(kMended),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(ConfigPlan, MendsASectionInPlace) {
  std::string config = RightSection();
  config.replace(config.find("\"bits\": 4"), 9, "\"bits\": 8");
  const Planned planned = PlanFor(Model().File("config.json", config).File("quantize_config.json", kRight));
  ASSERT_TRUE(planned.plan);
  EXPECT_EQ(planned.After("config.json"), RightSection());
}

TEST(ConfigPlan, PutsASectionWhereNullStood) {
  const Planned planned = PlanFor(Model()
                                      .File("config.json", "{\"model_type\": \"llama\", \"quantization_config\": null}")
                                      .File("quantize_config.json", kRight));
  ASSERT_TRUE(planned.plan);
  EXPECT_EQ(planned.After("config.json"),
            "{\"model_type\": \"llama\", \"quantization_config\": {\"bits\": 4, \"checkpoint_format\": \"gptq\", "
            "\"desc_act\": false, \"group_size\": 32, \"lm_head\": false, \"pack_dtype\": \"int32\", \"quant_method\": "
            "\"gptq\", \"sym\": true}}");
}

TEST(ConfigPlan, KeepsKeysThatNoTensorContradicts) {
  const Planned planned = PlanFor(Model()
                                      .File("config.json", kConfig)
                                      .File("quantize_config.json",
                                            "{\"bits\": 4, \"group_size\": 32, \"desc_act\": true, \"sym\": true, "
                                            "\"damp_percent\": 0.0125, \"true_sequential\": "
                                            "true, \"is_marlin_format\": false}"));
  ASSERT_TRUE(planned.plan);
  const std::string config = planned.After("config.json");
  EXPECT_THAT(config, HasSubstr("\"damp_percent\": 0.0125"));
  EXPECT_THAT(config, HasSubstr("\"true_sequential\": true"));
  EXPECT_THAT(config, ::testing::Not(HasSubstr("is_marlin_format")));
}

TEST(ConfigPlan, AnUnknownFormatIsLeftOpenUntilItIsAssumed) {
  // One group of eight channels: too little data to tell z from z - 1.
  ModelBuilder tiny;
  tiny.Layers(1).Sizes(32, 32, 0, 8).Quant({.bits = 4, .group_size = 32, .sym = false}).File("config.json", kConfig);
  const Planned open = PlanFor(tiny);
  ASSERT_TRUE(open.plan) << open.refusal;
  EXPECT_EQ(open.plan->open, std::vector<std::string>{"checkpoint_format"});
  EXPECT_THAT(open.After("quantize_config.json"), ::testing::Not(HasSubstr("checkpoint_format")));
  const Planned assumed = PlanFor(tiny, {"checkpoint_format=gptq_v2"});
  ASSERT_TRUE(assumed.plan) << assumed.refusal;
  EXPECT_TRUE(assumed.plan->open.empty());
  EXPECT_EQ(assumed.plan->edits[0].applicability, Applicability::kAssumed);
  EXPECT_THAT(assumed.After("quantize_config.json"), HasSubstr("\"checkpoint_format\": \"gptq_v2\""));
}

TEST(ConfigPlan, DeclaredActOrderStaysWhereGIdxCannotTell) {
  const std::string declared = "{\"bits\": 4, \"group_size\": 32, \"desc_act\": true, \"sym\": true}";
  const Planned kept = PlanFor(Model().File("config.json", kConfig).File("quantize_config.json", declared));
  ASSERT_TRUE(kept.plan) << kept.refusal;
  EXPECT_EQ(kept.Of("quantize_config.json"), nullptr);
  EXPECT_THAT(kept.After("config.json"), HasSubstr("\"desc_act\": true"));
  const Planned denied = PlanFor(Model({.bits = 4, .group_size = 32, .desc_act = true})
                                     .File("config.json", kConfig)
                                     .File("quantize_config.json",
                                           "{\"bits\": 4, \"group_size\": 32, \"desc_act\": false, "
                                           "\"sym\": true}"));
  ASSERT_TRUE(denied.plan) << denied.refusal;
  EXPECT_EQ(denied.After("quantize_config.json"), declared);
  const Planned absent =
      PlanFor(Model({.bits = 4, .group_size = 32, .g_idx = false}).File("quantize_config.json", declared));
  ASSERT_TRUE(absent.plan) << absent.refusal;
  EXPECT_THAT(absent.After("quantize_config.json"), HasSubstr("\"desc_act\": false"));
}

TEST(ConfigPlan, TakesDampPercentFromTheHeader) {
  const Planned planned =
      PlanFor(Model().Metadata({{"format", "pt"}, {"gptq_damp_percent", "0.01"}}).File("config.json", kConfig));
  EXPECT_THAT(planned.After("quantize_config.json"), HasSubstr("\"damp_percent\": 0.01"));
  const Planned hostile = PlanFor(
      Model().Metadata({{"format", "pt"}, {"gptq_damp_percent", "0.01, \"bits\": 8"}}).File("config.json", kConfig));
  EXPECT_THAT(hostile.After("quantize_config.json"), ::testing::Not(HasSubstr("damp_percent")));
}

TEST(ConfigPlan, WithoutConfigJsonTheArchitectureIsLeftToPeople) {
  const Planned planned = PlanFor(Model().Remove("config.json"));
  ASSERT_TRUE(planned.plan) << planned.refusal;
  EXPECT_NE(planned.Of("quantize_config.json"), nullptr);
  EXPECT_EQ(planned.Of("config.json"), nullptr);
  ASSERT_EQ(planned.plan->manual.size(), 1u);
  EXPECT_EQ(planned.plan->manual[0].file, "config.json");
}

TEST(ConfigPlan, ANamesakeIsNotTouched) {
  const std::string onnx =
      "{\"per_model_config\": {\"decoder_model\": {\"op_types\": [\"Add\"], \"weight_type\": \"QUInt8\"}}, "
      "\"per_channel\": false, \"reduce_range\": false}";
  const Planned planned = PlanFor(Model().File("config.json", kConfig).File("quantize_config.json", onnx));
  ASSERT_TRUE(planned.plan) << planned.refusal;
  EXPECT_EQ(planned.Of("quantize_config.json"), nullptr);
  EXPECT_NE(planned.Of("config.json"), nullptr);
  EXPECT_EQ(planned.plan->manual.size(), 1u);
}

TEST(ConfigPlan, DynamicCoversModulesWithOtherSettings) {
  const Planned planned =
      PlanFor(Model().Layers(2).Override("down_proj", {.bits = 8, .group_size = 64}).File("config.json", kConfig));
  ASSERT_TRUE(planned.plan) << planned.refusal;
  EXPECT_THAT(planned.After("quantize_config.json"), HasSubstr("down_proj"));
  EXPECT_THAT(planned.After("quantize_config.json"), HasSubstr("\"bits\": 8"));
}

TEST(ConfigPlan, ADeclaredDynamicThatFitsIsKept) {
  const std::string declared =
      "{\"bits\": 8, \"dynamic\": {\"+:.*(q|k|v|o|gate|up)_proj\": {\"bits\": 4}, \"-:.*never\": {}}, \"group_size\": "
      "32, "
      "\"desc_act\": false, \"sym\": true}";
  const Planned planned = PlanFor(Model()
                                      .Override("down_proj", {.bits = 8, .group_size = 32})
                                      .File("config.json", kConfig)
                                      .File("quantize_config.json", declared));
  ASSERT_TRUE(planned.plan) << planned.refusal;
  EXPECT_EQ(planned.Of("quantize_config.json"), nullptr);
  EXPECT_THAT(planned.After("config.json"), HasSubstr("\"bits\": 8,"));
}

TEST(ConfigPlan, ARepairedDynamicIsNotHeldAgainstAnotherFault) {
  const Planned planned =
      PlanFor(Model()
                  .Override("down_proj", {.bits = 8, .group_size = 32})
                  .File("config.json", kConfig)
                  .File("quantize_config.json", "{\"bits\": 4, \"dynamic\": {}, \"method\": 5, \"sym\": true}"));
  ASSERT_TRUE(planned.plan) << planned.refusal;
  EXPECT_THAT(planned.After("quantize_config.json"), HasSubstr("\"bits\": 8"));
}

struct Refused {
  const char* name;
  std::function<ModelBuilder()> model;
  std::vector<std::string> assume;
  const char* says;
};

const Refused kRefused[] = {
    {"malformed", [] { return Model().File("config.json", "{\"model_type\": }"); }, {}, "line 1, column 16"},
    {"not_an_object", [] { return Model().File("config.json", "[1]"); }, {}, "no JSON object"},
    {"malformed_quantize_config",
     [] { return Model().File("quantize_config.json", "{\"bits\" 4}"); },
     {},
     "not valid JSON"},
    {"dense", [] { return Model().Dense(); }, {}, "not quantized"},
    {"disproved_format", [] { return Model(); }, {"checkpoint_format=gptq_v2"}, "prove checkpoint_format gptq"},
    {"disproved_group_size", [] { return Model(); }, {"group_size=64"}, "contradict --assume group_size=64"},
    {"disproved_bits", [] { return Model(); }, {"bits=8"}, "contradict --assume bits=8"},
    {"disproved_act_order",
     [] { return Model({.bits = 4, .group_size = 32, .desc_act = true}); },
     {"desc_act=false"},
     "prove desc_act true"},
    {"contradicting_tensors",
     [] {
       return Model().Tensor({"model.layers.0.mlp.down_proj.scales", "F16", {5, 64}, std::string(5 * 64 * 2, '\0')});
     },
     {},
     "contradict each other"},
};

class ConfigRefusal : public ::testing::TestWithParam<Refused> {};

TEST_P(ConfigRefusal, SaysWhy) {
  const Planned planned = PlanFor(GetParam().model(), GetParam().assume);
  EXPECT_FALSE(planned.plan);
  EXPECT_THAT(planned.refusal, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(Table, ConfigRefusal, ::testing::ValuesIn(kRefused),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Settled, AnAssumptionSettlesWhatIsOpenAndIsSaid) {
  const Planned planned = PlanFor(Model().File("config.json", kConfig), {"damp_percent=0.05", "true_sequential=true"});
  ASSERT_TRUE(planned.plan);
  EXPECT_THAT(planned.After("quantize_config.json"), HasSubstr("\"damp_percent\": 0.05"));
  EXPECT_EQ(planned.plan->assumed, (std::vector<std::string>{"damp_percent=0.05", "true_sequential=true"}));
}

}  // namespace
}  // namespace gptq_doctor

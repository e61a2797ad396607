// What the configuration classes of AutoGPTQ, GPTQModel, vLLM and ExLlamaV2 make of odd spellings: each row was put to
// the classes themselves (AutoGPTQ v0.7.1 and main, GPTQModel v1.4.0 to v7.3.4, vLLM v0.9.2 and main of August 2026,
// ExLlamaV2 v0.3.2).

#include "gtest/gtest.h"
#include "loaders/models.h"
#include "loaders/support.h"

namespace gptq_doctor::testing {
namespace {

struct Row {
  const char* keys;  // merged into both configurations, in this order
  const char* selector;
  const char* told;  // a part of the message, else of a step
};

ModelBuilder Spelled(const char* keys) {
  ModelBuilder builder = Healthy();
  const Json json = Json::parse(keys);
  for (const auto& [key, value] : json.items()) {
    // A null means "drop" to Both; the text of the file says it instead.
    Both(builder, {{key, value.is_null() ? Json("@null@") : value}});
  }
  for (const char* name : {"config.json", "quantize_config.json"}) {
    std::string text = builder.Build().at(name);
    for (size_t at; (at = text.find("\"@null@\"")) != std::string::npos;) text.replace(at, 8, "null");
    builder.File(name, text);
  }
  return builder;
}

class OwnChecks : public ::testing::TestWithParam<Row> {};

TEST_P(OwnChecks, AreFollowed) {
  const Row& row = GetParam();
  const LoaderOutcome outcome = Ask(Spelled(row.keys), row.selector);
  bool told = outcome.message.find(row.told) != std::string::npos;
  for (const LoaderStep& step : outcome.steps) told = told || step.detail.find(row.told) != std::string::npos;
  EXPECT_TRUE(told) << row.keys << " " << row.selector << "\n" << Describe(outcome);
}

constexpr const char* kNoOrder = "TypeError: '<=' not supported between instances of 'str' and 'int'";
constexpr const char* kNoLower = "AttributeError: 'NoneType' object has no attribute 'lower'";

INSTANTIATE_TEST_SUITE_P(
    Spellings, OwnChecks,
    ::testing::Values(Row{R"({"w_bit": 8})", "autogptq@0.7.1", "bits 8"},
                      Row{R"({"q_group_size": 64})", "autogptq@main", "group_size 64"},
                      Row{R"({"w_bit": 8})", "gptqmodel@2.0", "bits 8"},
                      Row{R"({"wbits": 8})", "gptqmodel@7.3.4", "bits 8"},
                      Row{R"({"zero_point": true})", "gptqmodel@5.7", "sym false"},
                      Row{R"({"group_size": "128"})", "autogptq@0.7.1", kNoOrder},
                      Row{R"({"group_size": "128"})", "gptqmodel@7.3.4", kNoOrder},
                      Row{R"({"bits": 4.0})", "autogptq@0.7.1", "accepts bits 4.0 and group_size 128"},
                      Row{R"({"bits": 4.0})", "gptqmodel@7.3.4", "bits 4,"},
                      Row{R"({"group_size": 128.0})", "gptqmodel@2.0", "accepts bits 4 and group_size 128.0"},
                      Row{R"({"quant_method": null})", "autogptq@main", kNoLower},
                      Row{R"({"quant_method": null})", "gptqmodel@2.0", kNoLower},
                      Row{R"({"quant_method": null})", "gptqmodel@7.3.4",
                          "ValueError: QuantizeConfig: Unsupported `method`: None"},
                      Row{R"({"quant_method": null})", "vllm@0.15", kNoLower}));

INSTANTIATE_TEST_SUITE_P(
    OtherKeys, OwnChecks,
    ::testing::Values(
        Row{R"({"damp_percent": 0})", "autogptq@0.7.1", "ValueError: damp_percent must between 0 and 1."},
        Row{R"({"damp_percent": null})", "gptqmodel@2.0", "not supported between instances of 'int' and 'NoneType'"},
        Row{R"({"damp_percent": 1})", "gptqmodel@7.3.4", "`damp_percent` must between 0 and 1."},
        Row{R"({"damp_auto_increment": -1})", "gptqmodel@5.7", "`damp_auto_increment` must greater than 0."},
        Row{R"({"meta": "x"})", "gptqmodel@1.4", "ValueError: meta must be a dictionary"},
        Row{R"({"pack_dtype": "INT32"})", "gptqmodel@2.0", "takes the kernel"},
        Row{R"({"pack_dtype": 32})", "gptqmodel@2.0", "Unsupported `pack_dtype`: 32"},
        Row{R"({"dynamic": {"+:.*": {"bits": 5}}})", "gptqmodel@2.0", "Layer `+:.*` only support quantization of"},
        Row{R"({"dynamic": ["x"]})", "gptqmodel@2.0", "AttributeError: 'list' object has no attribute 'items'"},
        Row{R"({"sym": false, "meta": {"quantizer": ["x:1", "GPTQModel:2.0.0-dev"]}})", "gptqmodel@2.0",
            "takes the kernel"}));

INSTANTIATE_TEST_SUITE_P(
    Formats, OwnChecks,
    ::testing::Values(
        Row{R"({"checkpoint_format": "pt"})", "gptqmodel@5.7", "checkpoint `format` used is pt, and the quantization"},
        Row{R"({"checkpoint_format": null})", "gptqmodel@5.7", "checkpoint `format` used is None"},
        Row{R"({"version": "GEMM"})", "gptqmodel@5.7", "format gemm takes a path"},
        Row{R"({"version": "1.0"})", "gptqmodel@7.3.4", "Unknown quantization format: `1.0`"},
        Row{R"({"quant_method": "qqq"})", "gptqmodel@1.4", "ValueError: Unknown quantization method: qqq."},
        Row{R"({"is_marlin_format": true})", "gptqmodel@1.4", "format marlin"},
        Row{R"({"quant_method": "awq"})", "autogptq@main",
            "The checkpoint format used is gptq, and the quantization method is awq"},
        Row{R"({"version": null})", "autogptq@main", kNoLower},
        Row{R"({"checkpoint_format": 2})", "exllamav2",
            "TypeError: Value for checkpoint_format is not of expected type"}));

INSTANTIATE_TEST_SUITE_P(
    Engines, OwnChecks,
    ::testing::Values(
        Row{R"({"bits": 0})", "vllm@0.9", "ZeroDivisionError: Fraction(32, 0)"},
        Row{R"({"bits": null})", "vllm@0.9", "is supported for GPTQ, but got None bits."},
        Row{R"({"bits": "4"})", "vllm@main", "TypeError: unsupported operand type(s) for //: 'int' and 'str'"},
        Row{R"({"sym": "true"})", "vllm@0.9", "takes the gptq kernel"},
        Row{R"({"quant_method": "gptq_marlin", "bits": 3})", "vllm@0.9",
            "Unsupported quantization config: bits=3, sym=True"},
        Row{R"({"model_file_base_name": 3})", "autogptq@0.7.1", "unsupported operand type(s) for +: 'int' and 'str'"},
        Row{R"({"quant_method": "bitsandbytes"})", "gptqmodel@7.3.4", "takes a path that is not examined"},
        Row{R"({"adapter": {"name": "lora"}})", "gptqmodel@2.0", "an adapter is declared"},
        Row{R"({"bits": 5})", "gptqmodel@7.3.4", "takes the format for gptq_p"},
        Row{R"({"bits": 7})", "gptqmodel@6.0", "`bits` must resolve to one of `[2, 3, 4, 5, 6, 8]`."},
        Row{R"({"bits": 1})", "gptqmodel@7.3.4", "`bits` must be in the set of `[2, 3, 4, 5, 6, 7, 8]`."},
        Row{R"({"bits": null})", "gptqmodel@7.0", "unsupported bits specification `None`."},
        Row{R"({"bits": "x"})", "gptqmodel@7.3.4", "Unsupported GGUF bits `x`."},
        Row{R"({"checkpoint_format": "gptq_p"})", "gptqmodel@6.0", "Unknown quantization format: `gptq_p`."},
        Row{R"({"dynamic": {".*": 3}})", "gptqmodel@2.0", "AttributeError: 'int' object has no attribute 'items'"},
        Row{R"({"damp_auto_increment": "x"})", "gptqmodel@5.7",
            "'<' not supported between instances of 'str' and 'int'"},
        Row{R"({"quant_method": ["gptq"]})", "gptqmodel@7.3.4", "Unsupported `method`: ['gptq']"},
        Row{R"({"group_size": 0})", "gptqmodel@1.4", "group_size must greater than 0."},
        Row{R"({"model_file_base_name": ["m"]})", "autogptq@0.7.1", "can only concatenate list (not \"str\") to list"},
        Row{R"({"sym": "true"})", "vllm@main", "Unsupported quantization config: bits=4, sym=true"}));

// Python's own words and places for a quantize_config.json that is no JSON.
TEST(OwnFiles, JsonErrorsAreThoseOfPython) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"},
      {"{", "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"},
      {"// c\n{}", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"},
      {"{\"a\" 1}", "JSONDecodeError: Expecting ':' delimiter: line 1 column 6 (char 5)"},
      {"{\"a\":1\n\"b\":2}", "JSONDecodeError: Expecting ',' delimiter: line 2 column 1 (char 7)"},
      {"{\"a\":\"\\q\"}", "JSONDecodeError: Invalid \\escape: line 1 column 7 (char 6)"},
      {"{\"a\":\"x", "JSONDecodeError: Unterminated string starting at: line 1 column 6 (char 5)"},
      {"{\"a\":01}", "JSONDecodeError: Expecting ',' delimiter: line 1 column 7 (char 6)"},
      {"{} x", "JSONDecodeError: Extra data: line 1 column 4 (char 3)"},
      {"null", "AttributeError: 'NoneType' object has no attribute 'items'"}};
  for (const auto& [text, message] : rows) {
    const LoaderOutcome outcome = Ask(Healthy().File("quantize_config.json", text), "autogptq@0.7.1");
    EXPECT_NE(outcome.message.find(message), std::string::npos) << text << "\n" << Describe(outcome);
  }
}

TEST(OwnFiles, PicklesAreNotTried) {
  ModelBuilder builder = Healthy();
  builder.WeightName("other.safetensors").File("model.bin", "x");
  const LoaderOutcome outcome = Ask(builder, "autogptq@0.7.1");
  EXPECT_EQ(outcome.outcome, Outcome::kRejects) << Describe(outcome);
}

TEST(OwnFiles, TgiSkipsTrainingFiles) {
  ModelBuilder builder = Healthy();
  builder.WeightName("model-training.safetensors");
  EXPECT_NE(Ask(builder, "tgi@3.3").message.find("No local weights found"), std::string::npos);
}

TEST(OwnFiles, ExllamaReadsUnknownArchitecturesAsLlama) {
  ModelBuilder builder = Healthy();
  Type(builder, "opt", "OPTForCausalLM");
  Config(builder, {{"rms_norm_eps", nullptr}, {"transformers_version", "4.45.2"}});
  EXPECT_NE(Ask(builder, "exllamav2").message.find("Missing any of the following keys: ['rms_norm_eps'"),
            std::string::npos);
}

}  // namespace
}  // namespace gptq_doctor::testing

// Small inputs that would cost much: nesting, numbers, repetitions, aliases and patterns. Each run has 20 seconds of
// processor time and 600 MB of address space, and answers as to any other broken or odd input.

#include <gtest/gtest.h>

#include "cli/running.h"

namespace gptq_doctor::testing {
namespace {

std::string Times(size_t count, const std::string& text) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

// A model whose modules no pattern folds, and settings with this `dynamic`.
ModelBuilder WithDynamic(const std::string& rules) {
  ModelBuilder model = SickModel().Layers(1);
  for (int i = 0; i < 300; ++i) {
    model.Tensor({"model.layers." + std::to_string(i) + ".m" + std::to_string(i * 7919) + ".weight", "F16", {1}, {}});
  }
  return model.File("quantize_config.json",
                    "{\"bits\": 4, \"group_size\": 128, \"quant_method\": \"gptq\", \"dynamic\": {" + rules + "}}");
}

ModelBuilder WithConfig(const std::string& name, const std::string& text) {
  return SickModel().Layers(1).File(name, text);
}

std::string Rules(const std::string& pattern) {
  std::string out;
  for (int i = 0; i < 50; ++i) out += (i == 0 ? "\"" : ", \"") + pattern + std::to_string(i) + "\": {\"bits\": 8}";
  return out;
}

std::string Laughs() {
  std::string out = "a0: &a0 [lol, lol, lol]\n";
  for (int i = 1; i < 60; ++i) {
    const std::string back = "*a" + std::to_string(i - 1);
    out += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + back + ", " + back + ", " + back + "]\n";
  }
  return out;
}

const std::string kMapping =
    "model:\n  mixed_precision:\n    int4_path: m\n    weight_mapping:\n      \"" + Times(60, "*e") + "z\": int4\n";

struct Amplifier {
  const char* name;
  ModelBuilder (*model)();
  std::string more = {};  // beside config.json and the like: a file of the working directory
  std::string script;
};

const Amplifier kAmplifiers[] = {
    {"patterns that repeat", [] { return WithDynamic(Rules("(.?.?.?){900}x")); }, "",
     "check m || \"$BIN\" why m || \"$BIN\" fix m"},
    {"patterns that look ahead", [] { return WithDynamic(Rules("((?=(?!y)).){900}q")); }, "", "check m"},
    {"patterns by the thousand", [] { return WithDynamic(Times(9'999, "\"a{900}\": {}, ") + "\"b\": {}"); }, "",
     "inspect m"},
    {"an open bracket a million times", [] { return WithConfig("config.json", Times(1'000'000, "[")); }, "", "check m"},
    {"objects in objects", [] { return WithConfig("config.json", Times(200'000, "{\"a\":")); }, "", "check m"},
    {"a million digits", [] { return WithConfig("quantize_config.json", "{\"bits\": " + Times(1'000'000, "9") + "}"); },
     "", "check m"},
    {"an exponent of nine digits",
     [] { return WithConfig("quantize_config.json", "{\"bits\": 1e999999999, \"group_size\": -1e-999999999}"); }, "",
     "check m"},
    {"a million equal keys", [] { return WithConfig("config.json", "{" + Times(1'000'000, "\"a\":1,") + "\"b\":1}"); },
     "", "check m"},
    {"a list of two million", [] { return WithConfig("config.json", "[" + Times(2'000'000, "0,") + "0]"); }, "",
     "check m"},
    {"an index of one name",
     [] {
       return WithConfig(
           "model.safetensors.index.json",
           "{\"weight_map\": {" + Times(200'000, "\"a\": \"b.safetensors\",") + "\"c\": \"b.safetensors\"}}");
     },
     "", "check m"},
    {"TOML tables in tables", [] { return SickModel().Layers(1); }, "[" + Times(50'000, "a.") + "b]\n",
     "check m --config more"},
    {"TOML lists in lists", [] { return SickModel().Layers(1); }, "a = " + Times(200'000, "["),
     "check m --config more"},
    {"TOML's long number", [] { return SickModel().Layers(1); }, "a = " + Times(1'000'000, "9"),
     "check m --config more"},
    {"YAML aliases", [] { return HealthyModel().Layers(1); }, Laughs() + kMapping,
     "dequantize m -o out --mapping more"},
    {"YAML lists in lists", [] { return HealthyModel().Layers(1); }, Times(200'000, "["),
     "dequantize m -o out --mapping more"},
    {"a baseline of brackets", [] { return SickModel().Layers(1); }, Times(500'000, "["), "check m --baseline more"},
    {"a plan of brackets", [] { return SickModel().Layers(1); }, Times(500'000, "{\"a\":["), "apply more"},
    {"a glob of stars", [] { return HealthyModel().Layers(1); }, "",
     "verify m --modules '" + Times(2'000, "*e") + "z'"},
};

TEST(Amplification, SmallInputsCostLittle) {
  const std::string limits = kSanitized ? "" : "ulimit -t 20; ulimit -v 600000; ";
  for (const Amplifier& row : kAmplifiers) {
    TempDir place;
    row.model().WriteTo(place.path() / "m");
    WriteFile(place.path() / "more", row.more);
    const RunResult run = RunScript(place.path(), limits + "\"$BIN\" " + row.script);
    EXPECT_LT(run.exit_code, 4) << row.name << ": " << run.err.substr(0, 500);
    EXPECT_EQ(run.err.find("bad_alloc"), std::string::npos) << row.name;
  }
}

}  // namespace
}  // namespace gptq_doctor::testing

// Every command's JSON follows the published schema, on healthy and on broken models. Needs python3-jsonschema: without
// a validator the contract is unproved, so its absence is a failure.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/cli_support.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;

class SchemaTest : public ::testing::Test {
 protected:
  // Runs the tool, keeps its output for Validate().
  void Keep(std::vector<std::string> arguments) {
    const JsonRun run = RunJson(std::move(arguments));
    ASSERT_TRUE(run.json.is_object()) << run.run.out.substr(0, 400) << run.run.err;
    ASSERT_EQ(run.json["exit_code"], run.run.exit_code);
    const fs::path file = outputs_.path() / ("output-" + std::to_string(count_++) + ".json");
    WriteFile(file, run.run.out);
    files_ += " '" + file.string() + "'";
  }

  void Validate() {
    const std::string log = (outputs_.path() / "log").string();
    const std::string source = GPTQ_DOCTOR_SOURCE_DIR;
    const std::string command = "python3 '" + source + "/tests/cli/validate_json.py' '" + source +
                                "/docs/schema/gptq-doctor-1.schema.json'" + files_ + " >'" + log + "' 2>&1";
    const int status = std::system(command.c_str());
    std::ifstream in(log);
    EXPECT_EQ(status, 0) << std::string(std::istreambuf_iterator<char>(in), {});
  }

  std::string Make(const std::string& name, const ModelBuilder& model) {
    model.WriteTo(models_.path() / name);
    return (models_.path() / name).string();
  }

  TempDir models_, outputs_;
  int count_ = 0;
  std::string files_;
};

TEST_F(SchemaTest, EveryOutputFollowsIt) {
  const std::string healthy = Make("healthy", HealthyModel().Shards(2));
  const std::string sick = Make("sick", SickModel());
  const std::string dense = Make("dense", ModelBuilder().Layers(1).Dense());
  const std::string mixed = Make("mixed", SickModel().Override("mlp", GptqOptions{.bits = 8, .group_size = -1}));
  const std::string v2 = Make("v2", SickModel().Quant(GptqOptions{.sym = false, .desc_act = true, .v2 = true}));
  const std::string broken = Make("broken", SickModel()
                                                .File("quantize_config.json", "{'bits': 4,}")
                                                .File("config.json", "\xff{")
                                                .WeightName("x.safetensors"));
  const std::string pointer = Make("pointer", HealthyModel().File("model.safetensors", kLfsPointer));
  const std::string gap = Make("gap", HealthyModel().Shards(3));
  fs::remove(fs::path(gap) / "model-00002-of-00003.safetensors");
  const std::string hostile =
      Make("hostile", SickModel().Tensor(DenseTensor("evil\x1b[2J\xe2\x80\xae\x01.weight", {2, 2})));

  for (const std::string& model : {healthy, sick, dense, mixed, v2, broken, pointer, gap, hostile}) {
    Keep({"inspect", model});
    Keep({"inspect", model, "--modules", "--deep", "--all"});
    Keep({"tensors", model});
    Keep({"verify", model, "--hashes", "--against", dense});
    Keep({"why", model, "--loader", "all", "--tp", "2"});
    Keep({"why", model, "--symptom", "KeyError: 'layers.0.mlp.down_proj.g_idx'"});
    Keep({"memory", model});
    Keep({"memory", model, "--gpu", "8GiB", "--runtime", "vllm", "--by", "tensor", "--observed", "1MiB"});
  }
  Keep({"inspect", healthy, sick, dense, (models_.path() / "absent").string()});
  const std::string out = (outputs_.path() / "dense").string(), mapping = (outputs_.path() / "mapping.yaml").string();
  WriteFile(mapping, "model: {mixed_precision: {a_path: " + sick + ", weight_mapping: {'*.mlp.*': a, 'x.y': a}}}\n");
  Keep({"dequantize", sick, "-o", out});
  Keep({"dequantize", sick, "-o", out});
  Keep({"dequantize", "--mapping", mapping, "-o", out + "1"});
  Keep({"dequantize", dense, "--mapping", mapping, "-o", out + "1"});
  Keep({"dequantize", healthy, "--mapping", mapping, "-o", out + "1", "--allow-missing"});
  const std::string zero = Make("zero", SickModel().Quant(GptqOptions{.bits = 2, .sym = false, .v2 = true}));
  Keep({"convert", sick, "-o", out + "2", "--checkpoint-format", "gptq_v2", "--add-g-idx", "--reshard"});
  Keep({"convert", zero, "-o", out + "3", "--checkpoint-format", "gptq"});
  Keep({"convert", healthy, "-o", out + "3"});
  Keep({"verify", healthy, sick, (models_.path() / "absent").string()});
  Keep({"why", sick, (models_.path() / "absent").string(), "--loader", "vllm>=0.9"});
  Keep({"why", "--symptom", "garbage"});
  Keep({"why", sick, "--loader", "vlm"});
  Keep({"loaders"});
  Keep({"inspect"});
  Keep({"inspect", "--no-such-option"});
  Keep({"tensors", sick, "no.such.tensor"});
  Keep({});
  Validate();
}

TEST_F(SchemaTest, TheSchemaRefusesWhatBreaksTheContract) {
  const std::string sick = Make("sick", SickModel());
  const JsonRun run = RunJson({"inspect", sick});
  ASSERT_TRUE(run.json.is_object());
  const auto refused = [&](nlohmann::json changed) {
    const fs::path file = outputs_.path() / "changed.json";
    WriteFile(file, changed.dump());
    const std::string source = GPTQ_DOCTOR_SOURCE_DIR;
    return std::system(("python3 '" + source + "/tests/cli/validate_json.py' '" + source +
                        "/docs/schema/gptq-doctor-1.schema.json' '" + file.string() + "' >/dev/null 2>&1")
                           .c_str()) != 0;
  };
  EXPECT_FALSE(refused(run.json));
  nlohmann::json changed = run.json;
  changed["models"][0]["quantization"]["bits"] = "4";
  EXPECT_TRUE(refused(changed));
  changed = run.json;
  changed["models"][0].erase("evidence");
  EXPECT_TRUE(refused(changed));
  changed = run.json;
  changed["exit_code"] = 4;
  EXPECT_TRUE(refused(changed));
}

}  // namespace
}  // namespace gptq_doctor::testing

// dequantize --mapping as a user runs it: a mixed-precision model from several directories, or a list of what is amiss.

#include <gmock/gmock.h>

#include "cli/cli_support.h"
#include "dequant/dense_support.h"
#include "support/fast_dir.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Sizes {
  int64_t hidden = 256, expert = 128;
};
const std::string kExperts = "model.layers.0.mlp.experts.0.";

// The mapping of the experts of a mixture-of-experts model, with the GPTQ model beside the file.
std::string ExpertMapping(const std::string& more = "") {
  return "model:\n  mixed_precision:\n    int4_path: \"gptq\"\n" + more +
         "    weight_mapping:\n"
         "      \"model.layers.0.mlp.experts.0.down_proj.weight\": \"int4\"\n"
         "      \"model.layers.0.mlp.experts.0.gate_proj.weight\": \"int4\"\n";
}

ModelBuilder Experts(Sizes sizes = {}) {
  ModelBuilder model = ModelBuilder().Layers(0).Sizes(64, 128);
  for (const TestTensor& tensor : GptqModule(kExperts + "gate_proj", sizes.hidden, sizes.expert, {.group_size = 128})) {
    model.Tensor(tensor);
  }
  for (const TestTensor& tensor : GptqModule(kExperts + "down_proj", sizes.expert, sizes.hidden, {.group_size = 128})) {
    model.Tensor(tensor);
  }
  return model;
}

ModelBuilder DenseExperts(Sizes sizes = {}) {
  ModelBuilder model = ModelBuilder().Layers(0).Sizes(64, 128).Dense();
  const auto hidden = static_cast<uint64_t>(sizes.hidden), expert = static_cast<uint64_t>(sizes.expert);
  model.Tensor(DenseTensor(kExperts + "gate_proj.weight", {expert, hidden}));
  model.Tensor(DenseTensor(kExperts + "down_proj.weight", {hidden, expert}));
  return model.Tensor(DenseTensor(kExperts + "up_proj.weight", {expert, hidden}));
}

class MappingCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    Experts().WriteTo(temp_.path() / "gptq");
    DenseExperts().WriteTo(temp_.path() / "dense");
    WriteFile(mapping_, ExpertMapping());
  }
  std::string Path(const std::string& name) const { return (temp_.path() / name).string(); }
  // With MODEL where `model` is not empty.
  std::vector<std::string> Arguments(const std::string& model, std::vector<std::string> more = {}) const {
    std::vector<std::string> out = {"dequantize", "--mapping", mapping_.string(), "-o", Path("out")};
    if (!model.empty()) out.push_back(Path(model));
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  void ExpectNothingWritten() const {
    EXPECT_FALSE(fs::exists(Path("out")));
    EXPECT_FALSE(fs::exists(Path("out.gptq-doctor-partial")));
    EXPECT_FALSE(fs::exists(Path("out.gptq-doctor-state")));
  }

  FastDir temp_;
  fs::path mapping_ = temp_.path() / "mapping.yaml";
};

TEST_F(MappingCommand, ExpertsComeFromTheirSourceAndTheRestFromModel) {
  constexpr Sizes kReal{.hidden = 2048, .expert = 768};
  Experts(kReal).WriteTo(temp_.path() / "gptq");
  DenseExperts(kReal).WriteTo(temp_.path() / "dense");
  const JsonRun run = RunJson(Arguments("dense"));
  ASSERT_EQ(run.run.exit_code, 0) << run.run.err;
  const nlohmann::json& done = run.json["dequantize"];
  EXPECT_EQ(done["modules"], 2);
  EXPECT_EQ(done["sources"][0]["name"], "int4");
  EXPECT_EQ(done["sources"][0]["tensors"], 2);
  EXPECT_EQ(done["sources"][0]["dequantized"], 2);
  EXPECT_EQ(done["sources"][1]["name"], "MODEL");
  EXPECT_EQ(done["sources"][1]["tensors"], done["copied_tensors"]);
  EXPECT_EQ(done["missing"].size() + done["mismatched"].size() + done["unmapped"].size(), 0u);

  const auto mixed = ReadBack(Path("out")).tensors;
  const auto dense = BuiltTensors(DenseExperts(kReal));
  EXPECT_EQ(mixed.size(), dense.size());
  EXPECT_EQ(mixed.at(kExperts + "gate_proj.weight").shape, (std::vector<uint64_t>{768, 2048}));
  EXPECT_EQ(mixed.at(kExperts + "down_proj.weight").shape, (std::vector<uint64_t>{2048, 768}));
  for (const auto& [name, tensor] : dense) {
    const bool quantized = name.find("gate_proj") != std::string::npos || name.find("down_proj") != std::string::npos;
    EXPECT_EQ(mixed.at(name).data != tensor.data, quantized) << name;
  }
  const JsonRun inspect = RunJson({"inspect", Path("out")});
  EXPECT_EQ(inspect.json["models"][0]["kind"], "dense");
}

TEST_F(MappingCommand, TheWeightsAreThoseOfTheSourceDequantizedAlone) {
  ASSERT_EQ(RunTool(Arguments("dense", {"--dtype", "f32"})).exit_code, 0);
  ASSERT_EQ(RunTool({"dequantize", Path("gptq"), "-o", Path("alone"), "--dtype", "f32"}).exit_code, 0);
  const auto mixed = ReadBack(Path("out")).tensors, alone = ReadBack(Path("alone")).tensors;
  for (const std::string name : {"gate_proj.weight", "down_proj.weight"}) {
    EXPECT_TRUE(mixed.at(kExperts + name).data == alone.at(kExperts + name).data);
  }
}

TEST_F(MappingCommand, ADefaultStandsForModel) {
  WriteFile(mapping_, ExpertMapping("    fp16_path: dense\n    default: fp16\n"));
  const RunResult run = RunTool(Arguments(""));
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("from int4 ("));
  EXPECT_THAT(run.out, HasSubstr("from fp16 ("));
  EXPECT_TRUE(ReadBack(Path("out")).tensors.contains(kExperts + "up_proj.weight"));
}

TEST_F(MappingCommand, WithoutModelOrDefaultTheUnmappedNamesAreListed) {
  Experts().Tensor(DenseTensor(kExperts + "up_proj.weight", {128, 256})).WriteTo(temp_.path() / "gptq");
  const RunResult run = RunTool(Arguments(""));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr(kExperts + "up_proj.weight"));
  EXPECT_THAT(run.err, HasSubstr("lm_head.weight"));
  EXPECT_THAT(run.err, HasSubstr("give MODEL, or a default"));
  EXPECT_THAT(run.err, Not(HasSubstr("gate_proj")));
  EXPECT_EQ(RunJson(Arguments("")).json["dequantize"]["unmapped"].size(), 4u);
  ExpectNothingWritten();
}

TEST_F(MappingCommand, WhatIsMissingOrDoesNotFitStopsUnlessAllowed) {
  Experts()
      .RemoveTensor(kExperts + "gate_proj.scales")
      .RemoveTensor(kExperts + "down_proj.g_idx")
      .WriteTo(temp_.path() / "gptq");
  DenseExperts().Tensor(DenseTensor(kExperts + "down_proj.weight", {256, 64})).WriteTo(temp_.path() / "dense");
  const RunResult run = RunTool(Arguments("dense"));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, HasSubstr("missing components: 1"));
  EXPECT_THAT(run.out, HasSubstr("scales is missing"));
  EXPECT_THAT(run.out, HasSubstr("mismatches: 1"));
  EXPECT_THAT(run.err, HasSubstr("--allow-missing"));
  ExpectNothingWritten();
  const JsonRun json = RunJson(Arguments("dense"));
  EXPECT_EQ(json.json["errors"][0]["kind"], "refused");
  EXPECT_EQ(json.json["dequantize"]["mismatched"][0]["detail"], "[256, 128], in MODEL [256, 64]");

  const RunResult allowed = RunTool(Arguments("dense", {"--allow-missing"}));
  EXPECT_EQ(allowed.exit_code, 0) << allowed.err;
  EXPECT_THAT(allowed.out, HasSubstr("missing components: 1"));
  const auto out = ReadBack(Path("out")).tensors;
  const auto dense = BuiltTensors(DenseExperts());
  EXPECT_TRUE(out.at(kExperts + "gate_proj.weight").data == dense.at(kExperts + "gate_proj.weight").data);
}

// A module whose data turn out bad while they are read: no directory, no zeros, whatever is allowed.
TEST_F(MappingCommand, AModuleThatFailsIsNeverAllowed) {
  TestTensor g_idx{kExperts + "gate_proj.g_idx", "I32", {256}, std::string(4 * 256, '\0')};
  g_idx.data[4 * 100 + 3] = 0x40;
  Experts().Tensor(g_idx).WriteTo(temp_.path() / "gptq");
  const RunResult run = RunTool(Arguments("dense", {"--allow-missing"}));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("gate_proj"));
  ExpectNothingWritten();
}

TEST_F(MappingCommand, TheFileItself) {
  WriteFile(mapping_, "model:\n  mixed_precision:\n    int4_path: [\n");
  const RunResult malformed = RunTool(Arguments("dense"));
  EXPECT_EQ(malformed.exit_code, 2);
  EXPECT_THAT(malformed.err, HasSubstr("mapping.yaml: line 3, column "));
  WriteFile(mapping_, ExpertMapping("    fp16_path: nowhere\n    default: fp16\n"));
  const RunResult nowhere = RunTool(Arguments(""));
  EXPECT_EQ(nowhere.exit_code, 2);
  EXPECT_THAT(nowhere.err, HasSubstr(Path("nowhere")));
  fs::remove(mapping_);
  EXPECT_EQ(RunTool(Arguments("dense")).exit_code, 2);
  EXPECT_EQ(RunTool({"dequantize", "-o", Path("out")}).exit_code, 2);
  EXPECT_EQ(RunTool({"dequantize", Path("gptq"), "-o", Path("out"), "--allow-missing"}).exit_code, 2);
  ExpectNothingWritten();
}

TEST_F(MappingCommand, SourcesOfOtherFormatsAreRefused) {
  ModelBuilder awq = Experts();  // AWQ packs along the outputs
  for (const std::string name : {"gate_proj", "down_proj"}) {
    const bool gate = name == "gate_proj";
    awq.RemoveTensor(kExperts + name + ".g_idx");
    awq.Tensor({kExperts + name + ".qweight", "I32", {gate ? 256u : 128u, gate ? 16u : 32u}, ""});
  }
  awq.WriteTo(temp_.path() / "gptq");
  const RunResult run = RunTool(Arguments("dense"));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("awq"));
  ExpectNothingWritten();
}

TEST_F(MappingCommand, AnInterruptedRunIsContinuedOnlyWithTheSameMapping) {
  fs::create_directories(Path("out.gptq-doctor-partial"));
  WriteFile(Path("out.gptq-doctor-state"), "other work\n");
  EXPECT_EQ(RunTool(Arguments("dense")).exit_code, 1);
  const RunResult run = RunTool(Arguments("dense", {"--resume"}));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("other sources or options"));
}

}  // namespace
}  // namespace gptq_doctor::testing

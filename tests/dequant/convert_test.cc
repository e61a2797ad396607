// The plan of a converted directory: what changes, what stays, what is refused.

#include "dequant/convert.h"

#include <gmock/gmock.h>

#include "dequant/convert_support.h"
#include "support/packer.h"

namespace gptq_doctor {
namespace {

using testing::BuiltTensors;
using testing::Convert;
using testing::Converted;
using testing::DenseTensor;
using ::testing::ElementsAre;
using testing::ExamineModel;
using testing::FromFiles;
using testing::GptqOptions;
using ::testing::HasSubstr;
using testing::Model;
using testing::ModelBuilder;
using testing::TestTensor;

const std::string kLayer = "model.layers.0.";

ModelBuilder Small(const GptqOptions& quant = {.group_size = 32}) {
  return ModelBuilder().Layers(2).Sizes(64, 128).Quant(quant).WithConfigs();
}

std::string Refusal(const ModelBuilder& builder, const ConvertOptions& options) {
  const Model model = ExamineModel(builder, true);
  const Result<ConvertPlan> plan = PlanConvert(*model.exam, options, {});
  if (plan.ok()) return "";
  EXPECT_EQ(plan.error().kind, ErrorKind::kRefused);
  return plan.error().message;
}

void ExpectHealthy(const Converted& converted, const std::string& format) {
  EXPECT_EQ(converted.diagnosis.kind, "gptq");
  ASSERT_TRUE(converted.diagnosis.quantization);
  EXPECT_EQ(converted.diagnosis.quantization->checkpoint_format, format);
  for (const Finding& finding : converted.diagnosis.findings) {
    EXPECT_EQ(finding.severity, Severity::kNote) << finding.code << " " << finding.message;
  }
}

TEST(Convert, ThereAndBackIsTheSameDirectory) {
  for (const bool sym : {true, false}) {
    for (const int bits : {2, 3, 4, 8}) {
      const ModelBuilder builder = Small({.bits = bits, .group_size = 32, .sym = sym, .v2 = false}).Shards(2);
      const Converted two = Convert(builder, {.checkpoint_format = "gptq_v2"});
      EXPECT_EQ(two.plan.zeros, 14);
      EXPECT_THAT(two.plan.changed_files, ElementsAre("config.json", "quantize_config.json"));
      if (sym) ExpectHealthy(two, "gptq_v2");
      const Converted one = Convert(FromFiles(two.bytes), {.checkpoint_format = "gptq"});
      EXPECT_EQ(one.bytes, builder.Build()) << bits << " bits, sym " << sym;
    }
  }
}

TEST(Convert, SettingsFollowTheTensorsInEveryFile) {
  ModelBuilder builder = Small();
  builder.Metadata({{"format", "pt"}, {"gptq_checkpoint_format", "gptq"}});
  const Converted out = Convert(builder, {.checkpoint_format = "gptq_v2"});
  EXPECT_THAT(out.out.files.at("config.json"), HasSubstr("\"checkpoint_format\": \"gptq_v2\""));
  EXPECT_THAT(out.out.files.at("quantize_config.json"), HasSubstr("\"checkpoint_format\": \"gptq_v2\""));
  EXPECT_EQ(out.out.metadata.at("model.safetensors")["gptq_checkpoint_format"], "gptq_v2");
}

TEST(Convert, AMissingConfigurationWouldMeanV1) {
  const ModelBuilder bare = ModelBuilder().Layers(2).Sizes(64, 128).Quant({.group_size = 32});
  ExpectHealthy(Convert(bare, {.checkpoint_format = "gptq_v2"}), "gptq_v2");
}

TEST(Convert, WhatNothingAsksToChangeIsCopied) {
  const ModelBuilder builder = Small().File("notes/readme.txt", "words").File("quant_log.csv", "a,b\n").Shards(3);
  const Converted out = Convert(builder, {.checkpoint_format = "gptq_v2"});
  const auto built = BuiltTensors(builder);
  ASSERT_EQ(out.out.tensors.size(), built.size());
  for (const auto& [name, tensor] : built) {
    EXPECT_EQ(out.out.tensors.at(name).file, tensor.file);
    if (name.ends_with(".qzeros")) continue;
    EXPECT_EQ(out.out.tensors.at(name).data, tensor.data) << name;
  }
  const auto files = builder.Build();
  for (const std::string name : {"notes/readme.txt", "quant_log.csv", "tokenizer.json", "model.safetensors.index.json"})
    EXPECT_EQ(out.out.files.at(name), files.at(name)) << name;
}

TEST(Convert, WeightsInOtherFormsAreLeftOut) {
  const Converted out = Convert(Small().File("pytorch_model.bin", "old").File(".gitignore", "x"), {.rename = true});
  EXPECT_FALSE(out.out.files.contains("pytorch_model.bin"));
  EXPECT_FALSE(out.out.files.contains(".gitignore"));
  EXPECT_THAT(out.plan.warnings, ElementsAre(HasSubstr("pytorch_model.bin is left out")));
}

TEST(Convert, ZeroPointsOf0HaveNoPlaceInV1) {
  ModelBuilder builder = Small({.bits = 4, .group_size = 32, .sym = false, .v2 = true});
  // One zero point of 0 among 64: a dead input channel tells that the file is v2 with certainty elsewhere.
  TestTensor zeros;
  for (const auto& [name, tensor] : BuiltTensors(builder)) {
    if (name == kLayer + "mlp.down_proj.qzeros") zeros = {name, tensor.dtype, tensor.shape, tensor.data};
  }
  zeros.data[0] = static_cast<char>(zeros.data[0] & 0xF0);
  builder.Tensor(zeros);
  const Model model = ExamineModel(builder, true);
  const Result<ConvertPlan> plan = PlanConvert(*model.exam, {.checkpoint_format = "gptq"}, {});
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  std::vector<std::string> named;
  for (const ZeroLoss& loss : plan->losses) named.push_back(loss.module);
  EXPECT_THAT(named, ::testing::Contains(kLayer + "mlp.down_proj"));
  const Status lossless = CheckLossless(*plan);
  ASSERT_FALSE(lossless.ok());
  EXPECT_THAT(lossless.error().message, HasSubstr("--allow-loss"));
}

TEST(Convert, GIdxForModulesWithoutOne) {
  const GptqOptions without{.group_size = 32, .g_idx = false};
  const Converted out = Convert(Small(without).Shards(2), {.add_g_idx = true});
  EXPECT_EQ(out.plan.g_idx, 14);
  const auto wanted = BuiltTensors(Small({.group_size = 32}));
  ASSERT_EQ(out.out.tensors.size(), wanted.size());
  for (const auto& [name, tensor] : wanted) EXPECT_EQ(out.out.tensors.at(name).data, tensor.data) << name;
  testing::CheckIndex(out.out);
  ExpectHealthy(out, "gptq");
  EXPECT_EQ(Convert(Small(), {.add_g_idx = true}).plan.g_idx, 0);
}

TEST(Convert, AnAllZeroGIdxIsWrittenOutAsItIsRead) {
  ModelBuilder builder = Small();
  builder.Tensor({kLayer + "mlp.down_proj.g_idx", "I32", {128}, std::string(512, '\0')});
  const Converted out = Convert(builder, {.add_g_idx = true});
  EXPECT_EQ(out.plan.g_idx, 1);
  EXPECT_EQ(out.out.tensors.at(kLayer + "mlp.down_proj.g_idx").data,
            BuiltTensors(Small()).at(kLayer + "mlp.down_proj.g_idx").data);
}

TEST(Convert, RealBiasesStay) {
  ModelBuilder builder = Small();
  TestTensor zero = DenseTensor(kLayer + "mlp.down_proj.bias", {64}),
             real = DenseTensor(kLayer + "mlp.up_proj.bias", {128});
  zero.data.assign(zero.data.size(), '\0');
  builder.Tensor(zero).Tensor(real);
  const Converted out = Convert(builder, {.drop_zero_bias = true});
  EXPECT_THAT(out.plan.dropped_biases, ElementsAre(zero.name));
  EXPECT_FALSE(out.out.tensors.contains(zero.name));
  EXPECT_TRUE(out.out.tensors.contains(real.name));
}

TestTensor Scales(const std::string& name, uint64_t columns, double odd, const std::string& dtype) {
  TestTensor out{name, dtype, {2, columns}, ""};
  for (uint64_t i = 0; i < 2 * columns; ++i) out.data += testing::FloatBytes(i == 7 ? odd : 0.5, dtype);
  return out;
}

TEST(Convert, ScalesThatF16CannotHoldAreRefused) {
  const ConvertOptions halves{.half_scales = true};
  const std::string name = kLayer + "self_attn.q_proj.scales";
  for (const std::string dtype : {"F32", "BF16"}) {
    const GptqOptions quant{.group_size = 32, .scales_dtype = dtype};
    for (const double odd : {70000.0, -1e6, 1e-9, 1.00390625e-6}) {
      const std::string refusal = Refusal(Small(quant).Tensor(Scales(name, 64, odd, dtype)), halves);
      EXPECT_THAT(refusal, HasSubstr(odd > 1 || odd < -1 ? "1 overflow" : "1 underflow")) << odd;
      EXPECT_THAT(refusal, HasSubstr("self_attn.q_proj"));
    }
    const Converted out = Convert(Small(quant).Tensor(Scales(name, 64, 0x1p-24, dtype)), halves);
    EXPECT_EQ(out.plan.scales, 14);
    EXPECT_EQ(out.out.tensors.at(name).data, Scales(name, 64, 0x1p-24, "F16").data);
  }
}

TEST(Convert, FilesGetTheNamesThatLoadersLookFor) {
  const std::string base = "gptq_model-4bit-32g";
  ModelBuilder builder = Small().WeightName(base + ".safetensors");
  const std::string config = R"({"bits": 4, "group_size": 32, "model_file_base_name": ")" + base + "\"}";
  const Converted out = Convert(builder.File("quantize_config.json", config), {.rename = true});
  EXPECT_TRUE(out.bytes.contains("model.safetensors"));
  EXPECT_EQ(out.bytes.at("model.safetensors"), builder.Build().at(base + ".safetensors"));
  EXPECT_EQ(out.out.files.at("quantize_config.json"),
            R"({"bits": 4, "group_size": 32, "model_file_base_name": "model"})");
}

TEST(Convert, ReshardedFilesHaveACorrectIndex) {
  const Converted out = Convert(Small().Shards(2), {.reshard = true, .max_shard_bytes = 20'000});
  EXPECT_GT(out.out.metadata.size(), 3u);
  testing::CheckIndex(out.out);
  ExpectHealthy(out, "gptq");
  const Converted one = Convert(Small().Shards(2), {.reshard = true});
  EXPECT_TRUE(one.bytes.contains("model.safetensors"));
  EXPECT_FALSE(one.bytes.contains("model.safetensors.index.json"));
}

TEST(Convert, RefusesByName) {
  EXPECT_THAT(Refusal(Small(), {}), HasSubstr("nothing would change"));
  EXPECT_THAT(Refusal(ModelBuilder().Layers(1).Dense(), {.rename = true}), HasSubstr("dense, not GPTQ"));
  EXPECT_THAT(Refusal(Small({.bits = 6, .group_size = 32, .planar = true}), {.checkpoint_format = "gptq_v2"}),
              HasSubstr("6 bits, which exist in the planar layout (gptq_p) alone"));
  ModelBuilder damaged = Small();
  damaged.RemoveTensor(kLayer + "mlp.down_proj.scales");
  EXPECT_THAT(Refusal(damaged, {.checkpoint_format = "gptq_v2"}), HasSubstr("mlp.down_proj"));
}

TEST(Convert, AFormatThatNothingTellsIsNotGuessed) {
  // 8 bits, asymmetric: neither words nor the mean of the codes tell v1 from v2.
  const GptqOptions quant{.bits = 8, .group_size = 32, .sym = false};
  const ModelBuilder bare = ModelBuilder().Layers(1).Sizes(64, 128).Quant(quant);
  for (const std::string format : {"gptq", "gptq_v2"}) {
    EXPECT_THAT(Refusal(bare, {.checkpoint_format = format}), HasSubstr("--assume checkpoint_format=gptq"));
  }
  const Converted declared = Convert(Small(quant), {.checkpoint_format = "gptq_v2"});
  EXPECT_THAT(declared.plan.warnings, ::testing::Contains(HasSubstr("read as gptq, as the config says")));
  EXPECT_EQ(declared.plan.zeros, 14);
}

// Asymmetric 3-bit zero points around 3 as GPTQModel 2.2.0 shifts them by its swapped words.
std::string ShiftedZeros(size_t rows, size_t columns) {
  constexpr uint32_t kSwapped[] = {0x24924924, 0x92492492, 0x49249249}, kLikely[] = {2, 3, 3, 3, 4, 2};
  testing::TestRandom random(5);
  std::vector<std::vector<uint32_t>> zeros(rows, std::vector<uint32_t>(columns));
  for (auto& row : zeros) {
    for (uint32_t& zero : row) zero = kLikely[random.Next() % std::size(kLikely)];
  }
  std::string out = testing::PackQzeros(zeros, 3, 32, false);
  for (size_t i = 0; i * 4 < out.size(); ++i) {
    uint32_t word = 0;
    std::memcpy(&word, &out[i * 4], 4);
    word -= kSwapped[i % 3];
    std::memcpy(&out[i * 4], &word, 4);
  }
  return out;
}

TEST(Convert, AsymmetricZerosOfAnOldWriterProveNothing) {
  ModelBuilder builder = Small({.bits = 3, .group_size = 32, .sym = false});
  for (const auto& [name, tensor] : BuiltTensors(builder)) {
    if (!name.ends_with(".qzeros")) continue;
    builder.Tensor({name, "I32", tensor.shape, ShiftedZeros(tensor.shape[0], tensor.shape[1] * 32 / 3)});
  }
  EXPECT_THAT(Refusal(builder, {.checkpoint_format = "gptq_v2"}), HasSubstr("do not prove it"));
  EXPECT_THAT(Refusal(builder, {}), HasSubstr("nothing would change"));
  const Converted out = Convert(builder, {.reshard = true});
  EXPECT_THAT(out.plan.warnings, ::testing::Contains(HasSubstr("they are left as they are")));
  const std::string name = kLayer + "mlp.down_proj.qzeros";
  EXPECT_EQ(out.out.tensors.at(name).data, BuiltTensors(builder).at(name).data);
}

TEST(Convert, AutoRoundsWordForTheFormatFollows) {
  const std::string section = R"({"bits": 4, "group_size": 32, "sym": true, "quant_method": "auto-round",
  "packing_format": "auto_round"})";
  ModelBuilder builder = ModelBuilder().Layers(1).Sizes(64, 128).Quant({.group_size = 32, .v2 = true, .g_idx = false});
  builder.File("quantization_config.json", section);
  const Converted one = Convert(builder, {.checkpoint_format = "gptq"});
  EXPECT_THAT(one.out.files.at("quantization_config.json"), HasSubstr("\"packing_format\": \"auto_round:auto_gptq\""));
  const Converted two = Convert(FromFiles(one.bytes), {.checkpoint_format = "gptq_v2"});
  EXPECT_THAT(two.out.files.at("quantization_config.json"), HasSubstr("\"packing_format\": \"auto_round:gptqmodel\""));
}

TEST(Convert, WeightsInFoldersStayThere) {
  const auto files = Small().Shards(2).Build();
  std::map<std::string, std::string> moved;
  for (const auto& [name, bytes] : files) {
    if (name.ends_with(".safetensors"))
      moved["layers/" + name] = bytes;
    else
      moved[name] = bytes;
  }
  std::string& index = moved["model.safetensors.index.json"];
  for (size_t at = 0; (at = index.find("\"model-0", at)) != std::string::npos; at += 15)
    index.insert(at + 1, "layers/");
  const Converted out = Convert(FromFiles(moved), {.checkpoint_format = "gptq_v2"});
  EXPECT_TRUE(out.bytes.contains("layers/model-00001-of-00002.safetensors"));
  EXPECT_EQ(out.bytes.at("model.safetensors.index.json"), index);
  const Converted flat = Convert(FromFiles(moved), {.rename = true});
  EXPECT_TRUE(flat.bytes.contains("model-00001-of-00002.safetensors"));
  testing::CheckIndex(flat.out);
}

}  // namespace
}  // namespace gptq_doctor

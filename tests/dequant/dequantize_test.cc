// The plan of a dense directory: what becomes of every tensor and file of a GPTQ one.

#include "dequant/dequantize.h"

#include <gmock/gmock.h>

#include "dequant/dense_support.h"
#include "dequant/kernel.h"
#include "dequant/module_slab.h"
#include "gptq_doctor/doctor.h"
#include "support/fast_dir.h"

namespace gptq_doctor {
namespace {

using testing::BuiltTensors;
using testing::CheckIndex;
using testing::DenseTensor;
using ::testing::ElementsAre;
using testing::ExamineModel;
using testing::FastDir;
using testing::GptqModule;
using testing::GptqOptions;
using ::testing::HasSubstr;
using testing::Model;
using testing::ModelBuilder;
using testing::ReadBack;
using testing::ReadDirectory;
using testing::TestTensor;

struct Written {
  DequantizePlan plan;
  ReadDirectory out;
};

Written Dequantize(const ModelBuilder& builder, const DequantizeOptions& options = {}) {
  const Model model = ExamineModel(builder);
  Result<DequantizePlan> plan = PlanDequantize(*model.exam, options);
  EXPECT_TRUE(plan.ok()) << plan.error().message;
  if (!plan) return {};
  const FastDir temp;
  const Result<WrittenModel> written = WriteModel(plan->model, temp.str() + "/out", {});
  EXPECT_TRUE(written.ok()) << written.error().message;
  if (!written) return {};
  return {std::move(*plan), ReadBack(temp.path() / "out")};
}

std::string Refusal(const ModelBuilder& builder) {
  const Model model = ExamineModel(builder);
  const Result<DequantizePlan> plan = PlanDequantize(*model.exam, {});
  if (plan.ok()) return "";
  EXPECT_EQ(plan.error().kind, ErrorKind::kRefused);
  return plan.error().message;
}

ModelBuilder Small() { return ModelBuilder().Layers(2).Sizes(64, 128).Quant({.group_size = 32}).WithConfigs(); }

TEST(Dequantize, EveryModuleBecomesItsWeightAndTheRestStays) {
  const ModelBuilder builder = Small();
  const auto [plan, out] = Dequantize(builder);
  EXPECT_EQ(plan.modules, 14);
  EXPECT_EQ(plan.dtype, Dtype::kF16);
  const auto built = BuiltTensors(builder);
  EXPECT_EQ(out.tensors.at("model.layers.0.mlp.up_proj.weight").shape, (std::vector<uint64_t>{128, 64}));
  EXPECT_EQ(out.tensors.at("model.layers.1.mlp.down_proj.weight").shape, (std::vector<uint64_t>{64, 128}));
  size_t kept = 0;
  for (const auto& [name, tensor] : out.tensors) {
    EXPECT_EQ(tensor.dtype, "F16") << name;
    const auto same = built.find(name);
    if (same == built.end()) continue;
    ++kept;
    EXPECT_EQ(tensor.data, same->second.data) << name;
  }
  EXPECT_EQ(kept, 7u);
  EXPECT_EQ(out.tensors.size(), 21u);
  EXPECT_FALSE(out.files.contains("quantize_config.json"));
  EXPECT_TRUE(out.files.contains("tokenizer.json"));
  EXPECT_TRUE(out.files.contains("generation_config.json"));
  EXPECT_THAT(out.files.at("config.json"), ::testing::Not(HasSubstr("quantization_config")));
}

TEST(Dequantize, TheNewDirectoryIsDenseAndHealthy) {
  for (const uint64_t shard : {uint64_t{5'000'000'000}, uint64_t{40'000}}) {
    const Model model = ExamineModel(Small());
    DequantizeOptions options;
    options.max_shard_bytes = shard;
    const Result<DequantizePlan> plan = PlanDequantize(*model.exam, options);
    ASSERT_TRUE(plan.ok());
    const FastDir temp;
    ASSERT_TRUE(WriteModel(plan->model, temp.str() + "/out", {}).ok());
    const auto source = OpenLocalDirectory(temp.str() + "/out");
    ASSERT_TRUE(source.ok());
    const Result<Diagnosis> diagnosis = Examine(**source, {}, {});
    ASSERT_TRUE(diagnosis.ok());
    EXPECT_EQ(diagnosis->kind, "dense");
    for (const Finding& finding : diagnosis->findings) {
      EXPECT_EQ(finding.severity, Severity::kNote) << finding.code << " " << finding.message;
    }
  }
}

TEST(Dequantize, ShardsHaveACorrectIndex) {
  DequantizeOptions options;
  options.max_shard_bytes = 40'000;
  const auto [plan, out] = Dequantize(Small(), options);
  EXPECT_GT(out.metadata.size(), 3u);
  CheckIndex(out);
}

TEST(Dequantize, DtypeOfTheWeightsAlone) {
  DequantizeOptions options;
  options.dtype = Dtype::kBF16;
  const auto [plan, out] = Dequantize(Small(), options);
  EXPECT_EQ(out.tensors.at("model.layers.0.mlp.up_proj.weight").dtype, "BF16");
  EXPECT_EQ(out.tensors.at("model.norm.weight").dtype, "F16");
  EXPECT_THAT(out.files.at("config.json"), HasSubstr("\"torch_dtype\": \"bfloat16\""));
}

TEST(Dequantize, TheDefaultDtypeIsThatOfTheDenseTensors) {
  ModelBuilder builder = Small();
  for (const std::string name : {"model.embed_tokens.weight", "lm_head.weight"}) {
    builder.Tensor(DenseTensor(name, {256, 64}, "BF16"));
  }
  EXPECT_EQ(Dequantize(builder).plan.dtype, Dtype::kBF16);
}

TestTensor Bias(const std::string& stem, uint64_t size, bool zero) {
  TestTensor bias = DenseTensor(stem + ".bias", {size});
  if (zero) bias.data.assign(bias.data.size(), '\0');
  return bias;
}

TEST(Dequantize, DropsZeroBiasesThatTheArchitectureDoesNotHave) {
  const std::string layer = "model.layers.0.";
  ModelBuilder builder = Small();
  builder.Tensor(Bias(layer + "mlp.down_proj", 64, true)).Tensor(Bias(layer + "mlp.up_proj", 128, false));
  const auto [plan, out] = Dequantize(builder);
  EXPECT_THAT(plan.dropped_biases, ElementsAre(layer + "mlp.down_proj.bias"));
  EXPECT_FALSE(out.tensors.contains(layer + "mlp.down_proj.bias"));
  EXPECT_TRUE(out.tensors.contains(layer + "mlp.up_proj.bias"));

  DequantizeOptions keep;
  keep.keep_zero_bias = true;
  EXPECT_TRUE(Dequantize(builder, keep).out.tensors.contains(layer + "mlp.down_proj.bias"));
  // Of an architecture that nobody knows a zero bias may be a parameter.
  builder.File("config.json", "{\"model_type\": \"never_seen\"}");
  EXPECT_TRUE(Dequantize(builder).out.tensors.contains(layer + "mlp.down_proj.bias"));
  // Qwen2's projections of attention have biases.
  builder.Tensor(Bias(layer + "self_attn.q_proj", 64, true)).File("config.json", "{\"model_type\": \"qwen2\"}");
  const auto qwen = Dequantize(builder);
  EXPECT_TRUE(qwen.out.tensors.contains(layer + "self_attn.q_proj.bias"));
  EXPECT_FALSE(qwen.out.tensors.contains(layer + "mlp.down_proj.bias"));
}

TEST(Dequantize, TheQuantizedModuleWinsOverADenseLeftover) {
  ModelBuilder builder = Small();
  const std::string name = "model.layers.1.mlp.gate_proj.weight";
  const TestTensor left = DenseTensor(name, {128, 64});
  builder.Tensor(left);
  const auto [plan, out] = Dequantize(builder);
  EXPECT_EQ(plan.warnings.size(), 1u);
  EXPECT_NE(out.tensors.at(name).data, left.data);
  EXPECT_EQ(out.tensors.at(name).data, Dequantize(Small()).out.tensors.at(name).data);
}

TEST(Dequantize, AQuantizedHeadAndMixedSettings) {
  ModelBuilder builder = Small();
  builder.LmHead({.bits = 8, .group_size = 64});
  builder.Override("down_proj", {.bits = 8, .group_size = -1}).Override("k_proj", {.group_size = 32, .desc_act = true});
  const auto [plan, out] = Dequantize(builder);
  EXPECT_EQ(plan.modules, 15);
  EXPECT_EQ(out.tensors.at("lm_head.weight").shape, (std::vector<uint64_t>{256, 64}));
}

// Against the kernel on the bytes that the builder made; the kernel has its own tests.
TEST(Dequantize, ActOrderAndItsAbsenceSideBySide) {
  ModelBuilder builder = Small();
  const GptqOptions act{.group_size = 32, .desc_act = true};
  builder.Override("layers.1.", act);
  const auto [plan, out] = Dequantize(builder, {.dtype = Dtype::kF32});
  const auto built = BuiltTensors(builder);
  for (const std::string stem : {"model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"}) {
    PackedModule module;
    module.in_features = 128;
    module.out_features = 64;
    module.groups = 4;
    module.qweight = built.at(stem + ".qweight").data;
    module.qzeros = built.at(stem + ".qzeros").data;
    module.scales = built.at(stem + ".scales").data;
    module.g_idx = built.at(stem + ".g_idx").data;
    ASSERT_TRUE(CheckModule(module).ok());
    std::string expected(128 * 64 * 4, '\0');
    DequantPlan(module, CpuPath::kScalar).Rows(0, 64, Dtype::kF32, expected);
    EXPECT_TRUE(out.tensors.at(stem + ".weight").data == expected) << stem;
  }
}

TEST(Dequantize, Conv1DOfTheGpt2FamilyLiesInOut) {
  ModelBuilder builder = ModelBuilder().Layers(0).Sizes(64, 128);
  const std::string stem = "transformer.h.0.attn.c_attn";
  for (const TestTensor& tensor : GptqModule(stem, 64, 192, {.group_size = 32})) builder.Tensor(tensor);
  builder.File("config.json", "{\"model_type\": \"llama\"}");
  const auto linear = Dequantize(builder).out.tensors.at(stem + ".weight");
  builder.File("config.json", "{\"model_type\": \"gpt2\"}");
  const auto conv = Dequantize(builder).out.tensors.at(stem + ".weight");
  EXPECT_EQ(linear.shape, (std::vector<uint64_t>{192, 64}));
  EXPECT_EQ(conv.shape, (std::vector<uint64_t>{64, 192}));
  for (size_t n = 0; n < 192; n += 17) {
    for (size_t k = 0; k < 64; ++k) {
      EXPECT_EQ(linear.data.substr(2 * (n * 64 + k), 2), conv.data.substr(2 * (k * 192 + n), 2));
    }
  }
}

TEST(Dequantize, ConfigEditsTouchNothingElse) {
  struct Case {
    const char *before, *after;
  };
  const Case cases[] = {
      {R"({"model_type": "llama", "quantization_config": {"bits": 4}, "torch_dtype": "bfloat16"})",
       R"({"model_type": "llama", "torch_dtype": "float16"})"},
      {"{\n\t\"torch_dtype\" : \"float16\",\n\t\"quantization_config\": {\n\t\t\"bits\": 4\n\t}\n}\n",
       "{\n\t\"torch_dtype\" : \"float16\"\n}\n"},
      {R"({"quantization_config": {}, "a": 1.0e-5, "a": 2, "dtype": "auto"})",
       R"({"a": 1.0e-5, "a": 2, "dtype": "float16"})"},
      {R"({"text_config": {"quantization_config": {"bits": 4}, "torch_dtype": "float32"}, "torch_dtype": "float32"})",
       R"({"text_config": {"torch_dtype": "float16"}, "torch_dtype": "float16"})"},
      {"{\n  \"model_type\": \"llama\"\n}", "{\n  \"torch_dtype\": \"float16\",\n  \"model_type\": \"llama\"\n}"},
      {"{\"quantization_config\": {\"bits\": 4}}", "{\n  \"torch_dtype\": \"float16\"\n}"},
      {"{\"torch_dtype\": \"float16\", \"use_cache\": True}", "{\"torch_dtype\": \"float16\", \"use_cache\": true}"},
  };
  for (const Case& c : cases) {
    const std::optional<std::string> text = DenseConfig(ReadModelConfig(c.before), Dtype::kF16);
    ASSERT_TRUE(text.has_value()) << c.before;
    EXPECT_EQ(*text, c.after);
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    ASSERT_FALSE(json.is_discarded()) << *text;
    EXPECT_FALSE(json.contains("quantization_config"));
  }
}

TEST(Dequantize, WithoutAReadableConfigItSaysSo) {
  const Written none = Dequantize(Small().Remove("config.json"));
  EXPECT_FALSE(none.out.files.contains("config.json"));
  ASSERT_FALSE(none.plan.warnings.empty());
  EXPECT_THAT(none.plan.warnings.back(), HasSubstr("no config.json"));
  const Written broken = Dequantize(Small().File("config.json", "{\"model_type\": "));
  EXPECT_FALSE(broken.out.files.contains("config.json"));
  EXPECT_THAT(broken.plan.warnings.back(), HasSubstr("cannot be read"));
}

TEST(Dequantize, RefusesWhatItCannotReadWhole) {
  EXPECT_THAT(Refusal(ModelBuilder().Layers(1).Dense()), HasSubstr("dense, not GPTQ"));
  EXPECT_THAT(Refusal(ModelBuilder().WithConfigs().Remove("model.safetensors")), HasSubstr("no weights here"));

  ModelBuilder missing = Small();
  missing.RemoveTensor("model.layers.0.mlp.up_proj.scales");
  EXPECT_THAT(Refusal(missing), HasSubstr("up_proj"));

  ModelBuilder contradicting = Small();
  contradicting.Tensor({"model.layers.0.mlp.up_proj.qzeros", "I32", {2, 15}, ""});
  EXPECT_THAT(Refusal(contradicting), HasSubstr("up_proj"));

  ModelBuilder mixed = Small();  // AWQ's layout packs along the outputs
  mixed.RemoveTensor("model.layers.1.mlp.up_proj.g_idx");
  mixed.Tensor({"model.layers.1.mlp.up_proj.qweight", "I32", {64, 16}, ""});
  EXPECT_THAT(Refusal(mixed), HasSubstr("model.layers.1.mlp.up_proj"));

  const std::map<std::string, std::string> files = Small().Shards(3).Build();
  for (const bool truncated : {true, false}) {
    auto source = std::make_unique<MemorySource>();
    for (const auto& [name, content] : files) {
      const bool second = name == "model-00002-of-00003.safetensors";
      if (!second) source->Add(name, content);
      if (second && truncated) source->Add(name, content.substr(0, content.size() - 8));
    }
    const Model model = testing::ExamineSource(std::move(source));
    const Result<DequantizePlan> plan = PlanDequantize(*model.exam, {});
    ASSERT_FALSE(plan.ok());
    EXPECT_THAT(plan.error().message, HasSubstr("model-00002-of-00003.safetensors"));
  }
}

TEST(Dequantize, AModuleThatFailsWhileItIsReadEndsTheRun) {
  ModelBuilder builder = Small();
  TestTensor g_idx{"model.layers.0.mlp.up_proj.g_idx", "I32", {64}, std::string(256, '\0')};
  g_idx.data[7] = 0x40;
  builder.Tensor(g_idx);
  const Model model = ExamineModel(builder);
  const Result<DequantizePlan> plan = PlanDequantize(*model.exam, {});
  const FastDir temp;
  if (plan.ok()) {
    const Result<WrittenModel> written = WriteModel(plan->model, temp.str() + "/out", {});
    ASSERT_FALSE(written.ok());
    EXPECT_THAT(written.error().message, HasSubstr("up_proj"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(temp.path()));
}

TEST(Dequantize, AModelThatChangesMeanwhileIsNoticed) {
  auto source = std::make_unique<MemorySource>();
  for (const auto& [name, content] : Small().Build()) source->Add(name, content);
  MemorySource* files = source.get();
  const Model model = testing::ExamineSource(std::move(source));
  const Result<DequantizePlan> plan = PlanDequantize(*model.exam, {});
  ASSERT_TRUE(plan.ok());
  files->Add("model.safetensors", Small().Build().at("model.safetensors"));
  const FastDir temp;
  const Result<WrittenModel> written = WriteModel(plan->model, temp.str() + "/out", {});
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind, ErrorKind::kChanged);
  EXPECT_TRUE(std::filesystem::is_empty(temp.path()));
}

// A range of columns is read as those columns of the whole, whatever the packing.
TEST(ModuleSlab, ColumnsEqualThoseOfTheWhole) {
  const GptqOptions settings[] = {{.bits = 4, .group_size = 32},
                                  {.bits = 4, .group_size = 32, .desc_act = true},
                                  {.bits = 3, .group_size = 32},
                                  {.bits = 8, .group_size = -1, .g_idx = false},
                                  {.bits = 2, .group_size = 16, .sym = false, .scales_dtype = "F32"},
                                  {.bits = 6, .group_size = 32, .v2 = true, .planar = true},
                                  {.bits = 4, .group_size = 32, .pack_bits = 16}};
  for (const GptqOptions& options : settings) {
    ModelBuilder builder = ModelBuilder().Layers(1).Sizes(96, 160).Quant(options).WithConfigs();
    const Model model = ExamineModel(builder);
    const auto number = static_cast<uint32_t>(model.exam->inventory.FindModule("model.layers.0.mlp.up_proj"));
    const Result<ModuleLayout> layout = LayoutOf(*model.exam, number);
    ASSERT_TRUE(layout.ok()) << layout.error().message;
    const Result<ModuleSlab> whole = ReadSlab(*model.exam, *layout, 0, 160);
    ASSERT_TRUE(whole.ok());
    std::string expected(96 * 160 * 4, '\0'), parts(expected.size(), '\0');
    DequantPlan(whole->packed).Rows(0, 160, Dtype::kF32, expected);
    for (int64_t first = 0; first < 160; first += 64) {
      const int64_t count = std::min<int64_t>(64, 160 - first);
      const Result<ModuleSlab> slab = ReadSlab(*model.exam, *layout, first, count);
      ASSERT_TRUE(slab.ok()) << slab.error().message;
      DequantPlan(slab->packed)
          .Rows(0, count, Dtype::kF32, std::span(parts).subspan(static_cast<size_t>(first) * 96 * 4));
    }
    EXPECT_TRUE(parts == expected) << options.bits << " bits, planar " << options.planar;
  }
}

}  // namespace
}  // namespace gptq_doctor

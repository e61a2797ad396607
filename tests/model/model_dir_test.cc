#include "model/model_dir.h"

#include "gtest/gtest.h"

namespace gptq_doctor {
namespace {

Result<ModelDir> List(const std::vector<std::string>& names, const std::string& only = "") {
  MemorySource source("/m");
  for (const std::string& name : names) source.Add(name, "x");
  return ListModel(source, only);
}
std::vector<std::string> Names(const ModelDir& dir, const std::vector<size_t>& positions) {
  std::vector<std::string> out;
  for (const size_t position : positions) out.push_back(dir.files[position].entry.name);
  return out;
}

TEST(FileRole, ByName) {
  const std::vector<std::pair<const char*, FileRole>> cases = {
      {"model.safetensors", FileRole::kWeights},
      {"sub/model-00001-of-00002.safetensors", FileRole::kWeights},
      {"model.safetensors.index.json", FileRole::kIndex},
      {"gptq_model-4bit-128g.safetensors.index.json", FileRole::kIndex},
      {"pytorch_model.bin", FileRole::kPickleWeights},
      {"gptq_model-4bit-128g.bin", FileRole::kPickleWeights},
      {"llama-7b-4bit.pt", FileRole::kPickleWeights},
      {"training_args.bin", FileRole::kOther},
      {"optimizer.pt", FileRole::kOther},
      {"pytorch_model.bin.index.json", FileRole::kPickleIndex},
      {"model-Q4_K_M.gguf", FileRole::kGguf},
      {"onnx/model.onnx", FileRole::kOnnx},
      {"config.json", FileRole::kConfig},
      {"quantize_config.json", FileRole::kQuantizeConfig},
      {"quant_config.json", FileRole::kQuantConfig},
      {"generation_config.json", FileRole::kGenerationConfig},
      {"tokenizer.json", FileRole::kTokenizer},
      {"preprocessor_config.json", FileRole::kPreprocessor},
      {"adapter_model.safetensors", FileRole::kAdapter},
      {"modeling_qwen.py", FileRole::kCode},
      {"model.safetensors.incomplete", FileRole::kPartial},
      {"model.safetensors.aria2", FileRole::kPartial},
      {".cache/huggingface/download/abc.incomplete", FileRole::kPartial},
      {".cache/huggingface/download/model.safetensors.metadata", FileRole::kDownloadMetadata},
      {"README.md", FileRole::kOther},
  };
  for (const auto& [name, role] : cases) EXPECT_EQ(RoleOf(name), role) << name;
}

TEST(ModelDir, PicksTheModelsOwnWeights) {
  const auto dir = List({"a.safetensors", "adapter_model.safetensors", "model.layers.0/layer.safetensors",
                         "onnx/model.safetensors", "z.safetensors.index.json", "model.safetensors.index.json"});
  ASSERT_TRUE(dir.ok());
  EXPECT_EQ(Names(*dir, dir->weights), (std::vector<std::string>{"a.safetensors", "model.layers.0/layer.safetensors"}));
  EXPECT_EQ(Names(*dir, dir->indexes),
            (std::vector<std::string>{"model.safetensors.index.json", "z.safetensors.index.json"}));
  EXPECT_TRUE(dir->Has("a.safetensors"));
  EXPECT_FALSE(dir->Has("a"));
}

TEST(ModelDir, SaysWhatIsThereInstead) {
  const auto message = [](const std::vector<std::string>& names) {
    const auto dir = List(names);
    EXPECT_FALSE(dir.ok());
    if (dir.ok()) return std::string();
    EXPECT_EQ(dir.error().kind, ErrorKind::kNotAModel);
    return dir.error().message;
  };
  EXPECT_NE(message({}).find("empty"), std::string::npos);
  EXPECT_NE(message({"README.md", "photo.jpg"}).find("among 2 files"), std::string::npos);
  std::vector<std::string> many;
  for (int i = 10; i < 30; ++i) many.push_back("model-" + std::to_string(i) + "/model.safetensors");
  const std::string listed = message(many);
  EXPECT_NE(listed.find("20 directories"), std::string::npos) << listed;
  EXPECT_NE(listed.find("model-10, model-11"), std::string::npos) << listed;
  EXPECT_NE(message({"snapshots/abc/config.json"}).find("snapshots/abc"), std::string::npos);
  EXPECT_NE(message({".cache/huggingface/download/x.incomplete"}).find("unfinished"), std::string::npos);
}

TEST(ModelDir, OtherWeightsAndConfigsAreTheSubjectOfLaterJudgement) {
  for (const char* name : {"pytorch_model.bin", "model.gguf", "model.onnx", "config.json", "quantize_config.json",
                           "model.safetensors.index.json"}) {
    EXPECT_TRUE(List({name}).ok()) << name;
  }
}

TEST(ModelDir, OneFile) {
  const auto weights = List({"a.safetensors", "b.safetensors", "config.json"}, "b.safetensors");
  ASSERT_TRUE(weights.ok());
  EXPECT_EQ(Names(*weights, weights->weights), std::vector<std::string>{"b.safetensors"});
  EXPECT_TRUE(weights->single_file);
  EXPECT_EQ(weights->files.size(), 3u);
  EXPECT_EQ(List({"config.json"}, "config.json").error().kind, ErrorKind::kNotAModel);
  EXPECT_EQ(List({"config.json"}, "gone.safetensors").error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace gptq_doctor

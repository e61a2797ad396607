#include "model/tensor_index.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "model/model_dir.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using testing::MakeSafetensors;
using Files = std::map<std::string, std::string>;

constexpr char kIndexName[] = "model.safetensors.index.json";
constexpr char kFirst[] = "model-00001-of-00002.safetensors";
constexpr char kSecond[] = "model-00002-of-00002.safetensors";

std::string One(const std::string& name) { return MakeSafetensors({{name, "F16", {2}, ""}}); }
std::string Index(const std::vector<std::pair<std::string, std::string>>& entries, const std::string& metadata = "{}") {
  std::string out = "{\n  \"metadata\": " + metadata + ",\n  \"weight_map\": {";
  for (size_t i = 0; i < entries.size(); ++i) {
    out += (i == 0 ? "\n    \"" : ",\n    \"") + entries[i].first + "\": \"" + entries[i].second + "\"";
  }
  return out + "\n  }\n}\n";
}
TensorIndex Build(const Files& files, const std::string& only = "") {
  MemorySource source;
  for (const auto& [name, content] : files) source.Add(name, content);
  const auto dir = ListModel(source, only);
  EXPECT_TRUE(dir.ok());
  ThreadPool pool(2);
  return BuildTensorIndex(source, *dir, {}, &pool);
}
std::vector<DefectKind> Kinds(const TensorIndex& tensors) {
  std::vector<DefectKind> out;
  for (const Defect& defect : tensors.index.defects) out.push_back(defect.kind);
  for (const Defect& defect : tensors.defects) out.push_back(defect.kind);
  return out;
}
using List = std::vector<DefectKind>;
Files Healthy() {
  return {{kFirst, One("a")},
          {kSecond, One("b")},
          {kIndexName, Index({{"a", kFirst}, {"b", kSecond}}, "{\"total_size\": 8}")}};
}

TEST(TensorIndex, AHealthyModelHasNoDefects) {
  const TensorIndex tensors = Build(Healthy());
  EXPECT_EQ(Kinds(tensors), List{});
  EXPECT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors.at(0).name(), "a");
  EXPECT_EQ(tensors.at(1).name(), "b");
  EXPECT_EQ(tensors.Find("b"), &tensors.at(1));
  EXPECT_EQ(tensors.shard_of(*tensors.Find("b")).file, kSecond);
  EXPECT_EQ(tensors.Find("c"), nullptr);
  EXPECT_EQ(tensors.shard_base, (std::vector<uint32_t>{0, 1, 2}));
}

TEST(TensorIndex, TotalSizeMayCountFilesToo) {
  Files files = Healthy();
  const auto total = std::to_string(files[kFirst].size() + files[kSecond].size());
  files[kIndexName] = Index({{"a", kFirst}, {"b", kSecond}}, "{\"total_size\": " + total + "}");
  EXPECT_EQ(Kinds(Build(files)), List{});
  files[kIndexName] = Index({{"a", kFirst}, {"b", kSecond}}, "{\"total_size\": 9}");
  EXPECT_EQ(Kinds(Build(files)), List{DefectKind::kTotalSizeMismatch});
}

TEST(TensorIndex, ComparesBothWays) {
  Files files = Healthy();
  files[kIndexName] = Index({{"a", kFirst}, {"b", kSecond}, {"c", kSecond}});
  TensorIndex tensors = Build(files);
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kTensorNotInShard});
  EXPECT_EQ(tensors.defects[0].tensor, "c");
  EXPECT_EQ(tensors.defects[0].file, kSecond);

  files = Healthy();
  files[kSecond] = MakeSafetensors({{"b", "F16", {2}, ""}, {"extra", "F16", {2}, ""}});
  tensors = Build(files);
  ASSERT_FALSE(tensors.defects.empty());
  EXPECT_EQ(tensors.defects[0].kind, DefectKind::kTensorNotInIndex);
  EXPECT_EQ(tensors.defects[0].tensor, "extra");

  files = Healthy();
  files[kIndexName] = Index({{"a", kSecond}, {"b", kFirst}});
  List kinds = Kinds(Build(files));
  std::sort(kinds.begin(), kinds.end());
  EXPECT_EQ(kinds, (List{DefectKind::kTensorNotInShard, DefectKind::kTensorNotInShard, DefectKind::kTensorNotInIndex,
                         DefectKind::kTensorNotInIndex}));
}

TEST(TensorIndex, DuplicateKeysOfTheIndexAreFoundEvenWhenTheSumsAgree) {
  Files files = Healthy();
  files[kSecond] = MakeSafetensors({{"b", "F16", {2}, ""}, {"a", "F16", {2}, ""}});
  files[kIndexName] = Index({{"a", kFirst}, {"a", kSecond}, {"b", kSecond}});
  const TensorIndex tensors = Build(files);
  const List kinds = Kinds(tensors);
  EXPECT_TRUE(std::count(kinds.begin(), kinds.end(), DefectKind::kIndexDuplicateKey) == 1);
  EXPECT_TRUE(std::count(kinds.begin(), kinds.end(), DefectKind::kTensorInTwoShards) == 1);
  EXPECT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors.shard_of(*tensors.Find("a")).file, kFirst);
  EXPECT_EQ(tensors.shards[1].stray_bytes, 4u);
}

TEST(TensorIndex, MissingShardsAndTheirNamesAreListed) {
  Files files = Healthy();
  files.erase(kSecond);
  const TensorIndex tensors = Build(files);
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kShardMissing});
  EXPECT_EQ(tensors.defects[0].file, kSecond);
  EXPECT_EQ(tensors.missing_names, std::vector<std::string_view>{"b"});
  const TensorIndex index_alone = Build({{kIndexName, Index({{"a", kFirst}, {"b", kSecond}})}});
  EXPECT_EQ(Kinds(index_alone), (List{DefectKind::kShardMissing, DefectKind::kShardMissing}));
  EXPECT_EQ(index_alone.missing_names.size(), 2u);
  EXPECT_EQ(index_alone.size(), 0u);
}

TEST(TensorIndex, StraysStayOutOfTheInventory) {
  Files files = Healthy();
  files["other.safetensors"] = One("stray");
  TensorIndex tensors = Build(files);
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kStrayWeights});
  EXPECT_EQ(tensors.Find("stray"), nullptr);

  files = Healthy();
  files["model.safetensors"] = One("stray");
  tensors = Build(files);
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kStaleIndex});
  EXPECT_EQ(tensors.size(), 2u);

  files.erase(kFirst);
  files.erase(kSecond);
  tensors = Build(files);
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kStaleIndex});
  EXPECT_NE(tensors.Find("stray"), nullptr);
  EXPECT_TRUE(tensors.missing_names.empty());
}

TEST(TensorIndex, UnsafeShardsAreNeverOpened) {
  const TensorIndex tensors = Build(
      {{"a.safetensors", One("a")}, {kIndexName, Index({{"a", "a.safetensors"}, {"b", "../secret.safetensors"}})}});
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kIndexUnsafePath});
  EXPECT_EQ(tensors.shards.size(), 1u);
  EXPECT_EQ(tensors.missing_names, std::vector<std::string_view>{"b"});
}

TEST(TensorIndex, ShardsInFoldersOfTheirOwn) {
  const TensorIndex tensors = Build({{"model.layers.0/layer.safetensors", One("a")},
                                     {"lm_head.safetensors", One("b")},
                                     {"onnx/model.safetensors", One("c")},
                                     {"weights/x.safetensors", One("d")},
                                     {kIndexName, Index({{"a", "model.layers.0/layer.safetensors"},
                                                         {"b", "lm_head.safetensors"},
                                                         {"d", "weights/x.safetensors"}})}});
  EXPECT_EQ(Kinds(tensors), List{});
  EXPECT_EQ(tensors.size(), 3u);
}

TEST(TensorIndex, WithoutAnIndexAllFilesAreTheModel) {
  TensorIndex tensors = Build({{kFirst, One("a")}, {kSecond, One("b")}});
  EXPECT_EQ(Kinds(tensors), List{});
  EXPECT_EQ(tensors.size(), 2u);
  tensors = Build({{kSecond, One("b")}});
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kShardCountMismatch});
  EXPECT_NE(tensors.defects[0].detail.find("absent: 1"), std::string::npos);
  tensors = Build({{"gptq_model-4bit-128g.safetensors", One("a")}, {"model.safetensors", One("a")}});
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kTensorInTwoShards});
  EXPECT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors.shard_of(tensors.at(0)).file, "model.safetensors");
  tensors = Build({{"model.safetensors", One("a")}, {"consolidated.safetensors", One("b")}});
  EXPECT_EQ(Kinds(tensors), List{DefectKind::kStrayWeights});
  EXPECT_EQ(Kinds(Build({{"wizard-4bit-128g.no-act.order.safetensors", One("a")}})), List{DefectKind::kUnusualName});
  EXPECT_EQ(Kinds(Build({{"gptq_model-4bit-128g.safetensors", One("a")}})), List{});
}

TEST(TensorIndex, OneFileAlone) {
  Files files = Healthy();
  EXPECT_EQ(Build(files, kSecond).size(), 1u);
  EXPECT_EQ(Build(files, kIndexName).size(), 2u);
  EXPECT_EQ(Kinds(Build(files, kSecond)), List{});
}

TEST(TensorIndex, UnfinishedDownloadsAreReported) {
  Files files = Healthy();
  files[".cache/huggingface/download/x.incomplete"] = "12345";
  files["model-00003.safetensors.part"] = "1";
  EXPECT_EQ(Kinds(Build(files)), (List{DefectKind::kPartialDownload, DefectKind::kPartialDownload}));
}

}  // namespace
}  // namespace gptq_doctor

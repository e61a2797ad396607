#include "model/shard_index.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace gptq_doctor {
namespace {

ShardIndex ReadText(const std::string& text) {
  MemorySource source;
  source.Add("model.safetensors.index.json", text);
  const auto entry = source.Stat("model.safetensors.index.json");
  return ReadIndex(source, *entry);
}
bool Has(const std::vector<Defect>& defects, DefectKind kind) {
  return std::any_of(defects.begin(), defects.end(), [kind](const Defect& d) { return d.kind == kind; });
}

TEST(ShardName, OnlyPlainPathsInsideTheDirectoryAreSafe) {
  for (const char* good :
       {"model-00001-of-00005.safetensors", "model.layers.0/layer.safetensors", "lm_head.safetensors",
        "a..b.safetensors", "100%.safetensors", "\xC3\xA9.safetensors", ".safetensors"}) {
    EXPECT_TRUE(IsSafeShardName(good, nullptr)) << good;
  }
  for (const std::string& bad : {std::string(),
                                 std::string("../../etc/passwd"),
                                 std::string("/etc/x.safetensors"),
                                 std::string("..\\x.safetensors"),
                                 std::string("C:x.safetensors"),
                                 std::string("\\\\host\\x.safetensors"),
                                 std::string("//host/x.safetensors"),
                                 std::string("a/../../b.safetensors"),
                                 std::string("./x.safetensors"),
                                 std::string("a//x.safetensors"),
                                 std::string("."),
                                 std::string("x\0.safetensors", 14),
                                 std::string(4097, 'a') + ".safetensors",
                                 std::string("pytorch_model.bin"),
                                 std::string("model.safetensors.index.json"),
                                 std::string("model.SAFETENSORS"),
                                 std::string("model.safetensors/"),
                                 std::string("%2e%2e/x.safetensors"),
                                 std::string("..%2Fx.safetensors"),
                                 std::string("a%5Cx.safetensors"),
                                 std::string("\xFF.safetensors"),
                                 std::string("a\nb.safetensors"),
                                 std::string("../x.safetensors"),
                                 std::string("a/..")}) {
    std::string why;
    EXPECT_FALSE(IsSafeShardName(bad, &why)) << bad;
    EXPECT_FALSE(why.empty());
  }
}

TEST(ShardIndex, ReadsAnyLayoutTheSame) {
  const std::string pretty =
      "{\n  \"metadata\": {\n    \"format\": \"pt\",\n    \"total_size\": 12\n  },\n  \"weight_map\": {\n    \"a\": "
      "\"m-00001-of-00002.safetensors\",\n"
      "    \"b\": \"m-00002-of-00002.safetensors\",\n    \"c\": \"m-00002-of-00002.safetensors\"\n  }\n}\n";
  const std::string dense =
      "{\"weight_map\":{\"c\":\"m-00002-of-00002.safetensors\",\"\\u0062\":\"m-00002-of-0000\\u0032.safetensors\","
      "\"a\":\"m-00001-of-00002.safetensors\"},"
      "\"metadata\":{\"total_size\":12,\"format\":\"pt\"}}";
  for (const std::string& text : {pretty, dense}) {
    const ShardIndex index = ReadText(text);
    ASSERT_TRUE(index.valid);
    EXPECT_TRUE(index.defects.empty());
    EXPECT_EQ(index.entries, 3u);
    EXPECT_EQ(index.total_size, 12u);
    ASSERT_EQ(index.metadata.size(), 1u);
    EXPECT_EQ(index.metadata[0].second, "\"pt\"");
    ASSERT_EQ(index.shards.size(), 2u);
    EXPECT_EQ(index.shards[1].entries, 2u);
    EXPECT_EQ(index.shards[1].name_sum[0], HashName("b") + HashName("c"));
    const auto entries = IndexEntries(index);
    ASSERT_EQ(entries.size(), 3u);
    EXPECT_TRUE(std::count(entries.begin(), entries.end(), std::make_pair(std::string("b"), 1u)) == 1);
  }
}

TEST(ShardIndex, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, DefectKind>> cases = {
      {"", DefectKind::kIndexMalformed},
      {"[]", DefectKind::kIndexMalformed},
      {"{\"weight_map\":{\"a\":\"x.safetensors\",}}", DefectKind::kIndexMalformed},
      {"{\"weight_map\":{\"a\":\"x.safetensors\"}} x", DefectKind::kIndexMalformed},
      {"{\"weight_map\":{\"a\":\"x.safetensors\"", DefectKind::kIndexMalformed},
      {"version https://git-lfs.github.com/spec/v1\nsize 5\n", DefectKind::kIndexMalformed},
      {"{}", DefectKind::kIndexWrongType},
      {"{\"weight_map\":[]}", DefectKind::kIndexWrongType},
      {"{\"weight_map\":{\"a\":1}}", DefectKind::kIndexWrongType},
      {"{\"weight_map\":{},\"metadata\":1}", DefectKind::kIndexWrongType},
      {"{\"weight_map\":{},\"weight_map\":{}}", DefectKind::kIndexDuplicateKey},
      {"{\"weight_map\":{\"a\":\"../x.safetensors\"}}", DefectKind::kIndexUnsafePath},
      {"{\"x\":" + std::string(5'000'000, '['), DefectKind::kIndexMalformed},
  };
  for (const auto& [text, kind] : cases) EXPECT_TRUE(Has(ReadText(text).defects, kind)) << text.substr(0, 60);
  EXPECT_TRUE(ReadText("{\"weight_map\":{},\"metadata\":null}").defects.empty());
}

TEST(ShardIndex, LongIndexesReadThroughAWindowAreTheSame) {
  std::string text = "{\n  \"weight_map\": {";
  uint64_t sum = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string name =
        "model.layers." + std::to_string(i) + ".weight" + std::string(static_cast<size_t>(i % 40), 'x');
    text += (i == 0 ? "\n    \"" : ",\n    \"") + name + "\": \"m-" + std::to_string(i % 3) + ".safetensors\"";
    if (i % 3 == 1) sum += HashName(name);
  }
  text += "\n  },\n  \"metadata\": {\"total_size\": 7}\n}" + std::string(100'000, ' ') + "\n";
  ShardIndex index = ReadText(text);
  ASSERT_TRUE(index.valid);
  EXPECT_EQ(index.text, nullptr);
  EXPECT_EQ(index.entries, 20'000u);
  EXPECT_EQ(index.total_size, 7u);
  ASSERT_EQ(index.shards.size(), 3u);
  EXPECT_EQ(index.shards[1].name_sum[0], sum);
  MemorySource source;
  source.Add(index.file, text);
  index.identity = source.Stat(index.file)->identity;
  ASSERT_TRUE(LoadIndexText(source, index));
  EXPECT_EQ(IndexEntries(index).size(), 20'000u);

  // A name longer than the window's margin, and a flaw near the end, are the whole text's to judge.
  const std::string long_name(300'000, 'n');
  const ShardIndex long_index = ReadText("{\"weight_map\":{\"" + long_name + "\":\"m.safetensors\"}}");
  EXPECT_TRUE(long_index.valid);
  EXPECT_EQ(long_index.shards.at(0).name_sum[0], HashName(long_name));
  const ShardIndex flawed = ReadText(text + "x");
  EXPECT_FALSE(flawed.valid);
  ASSERT_EQ(flawed.defects.size(), 1u);
  EXPECT_EQ(flawed.defects[0].offset, text.size());
}

TEST(ShardIndex, ManyShardsAreBounded) {
  std::string text = "{\"weight_map\":{";
  for (int i = 0; i < 70'000; ++i)
    text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"" + std::to_string(i) + ".safetensors\"";
  const ShardIndex index = ReadText(text + "}}");
  EXPECT_FALSE(index.valid);
  EXPECT_TRUE(Has(index.defects, DefectKind::kIndexMalformed));
}

}  // namespace
}  // namespace gptq_doctor

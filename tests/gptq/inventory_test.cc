#include "gptq/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "gptq/format_table.h"
#include "gptq/name_fold.h"
#include "gptq/suffix_table.h"
#include "tensor_list.h"

namespace gptq_doctor {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::ListedTensor;
using testing::TensorList;

std::vector<std::string> Stems(const Inventory& inventory, const ModuleClass& c) {
  std::vector<std::string> out;
  for (const uint32_t module : inventory.members(c)) out.emplace_back(inventory.modules[module].stem);
  return out;
}

std::vector<ListedTensor> Module4Bit(const std::string& stem, uint64_t k, uint64_t n) {
  return {{stem + ".g_idx", Dtype::kI32, {k}},
          {stem + ".qweight", Dtype::kI32, {k / 8, n}},
          {stem + ".qzeros", Dtype::kI32, {k / 32, n / 8}},
          {stem + ".scales", Dtype::kF16, {k / 32, n}}};
}

TEST(SplitTensorName, KeepsCompoundSuffixesWhole) {
  struct Case {
    const char *name, *stem, *suffix;
  };
  const Case cases[] = {
      {"model.layers.0.mlp.down_proj.qweight", "model.layers.0.mlp.down_proj", "qweight"},
      {"a.q.weight", "a.q", "weight"},
      {"a.q.weight.absmax", "a.q", "weight.absmax"},
      {"a.q.weight.quant_state.bitsandbytes__nf4", "a.q", "weight.quant_state.bitsandbytes__nf4"},
      {"a.q.weight.nested_quant_map", "a.q", "weight.nested_quant_map"},
      {"a.q.weight._data", "a.q", "weight._data"},
      {"a.q.centroids.weight", "a.q", "centroids.weight"},
      {"a.q._weight_qdata", "a.q", "_weight_qdata"},
      {"m.experts.gate_up_proj_blocks", "m.experts", "gate_up_proj_blocks"},
      {"m.experts.w13_qweight", "m.experts", "w13_qweight"},
      {"a.q.absmax", "a.q", "absmax"},
      {"visual.pos_embed", "visual", "pos_embed"},
      {"qweight", "", "qweight"},
      {"nodots", "", "nodots"},
      {"", "", ""},
      {".weight", "", "weight"},
      {"a..weight", "a.", "weight"},
      {"weight.weight", "weight", "weight"},
  };
  for (const Case& c : cases) {
    const SplitName split = SplitTensorName(c.name);
    EXPECT_EQ(split.stem, c.stem) << c.name;
    EXPECT_EQ(split.suffix, c.suffix) << c.name;
  }
}

TEST(SuffixTable, FirstNamesFollowTheEnum) {
  EXPECT_EQ(SuffixTable()[kQweight], "qweight");
  EXPECT_EQ(SuffixTable()[kGIdx], "g_idx");
  EXPECT_EQ(SuffixTable()[kZeros], "zeros");
  for (const std::string_view suffix : SuffixTable()) {
    const auto match = MatchSuffix(suffix);
    ASSERT_TRUE(match) << suffix;
    EXPECT_EQ(SuffixTable()[match->id], suffix);
    EXPECT_EQ(match->begin, 0u) << suffix;
  }
}

TEST(Inventory, GroupsByStemAndFoldsNumbers) {
  std::vector<ListedTensor> tensors;
  for (const int layer : {10, 2, 0, 1}) {
    for (auto& t : Module4Bit("model.layers." + std::to_string(layer) + ".mlp.down_proj", 128, 64))
      tensors.push_back(t);
  }
  for (auto& t : Module4Bit("model.layers.3.mlp.down_proj", 256, 64)) tensors.push_back(t);  // another shape
  tensors.push_back({"model.norm.weight", Dtype::kF16, {64}});
  const TensorList list(tensors);
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.classes.size(), 3u);
  const ModuleClass& first = inventory.classes[0];
  EXPECT_EQ(first.pattern, "model.layers.*.mlp.down_proj");
  EXPECT_EQ(first.count, 4u);
  EXPECT_THAT(Stems(inventory, first), ElementsAre("model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj",
                                                   "model.layers.2.mlp.down_proj", "model.layers.10.mlp.down_proj"));
  EXPECT_EQ(first.bytes, 4 * (128 * 4 + 16 * 64 * 4 + 4 * 8 * 4 + 4 * 64 * 2));
  EXPECT_TRUE(IsGptq(first.format));
  EXPECT_EQ(inventory.classes[1].count, 1u);
  EXPECT_EQ(inventory.classes[2].pattern, "model.norm");
  EXPECT_EQ(inventory.classes[2].format, -1);
  EXPECT_EQ(inventory.modules.size(), 6u);
}

TEST(Inventory, JoinsMembersAcrossShardsAndKinds) {
  // Shards sorted by dtype first, as the reference writer does, and one member in another shard.
  std::vector<ListedTensor> first, second;
  for (int i = 0; i < 12; ++i) {
    const auto module = Module4Bit("h." + std::to_string(i) + ".fc", 64, 64);
    for (size_t j = 0; j < 3; ++j) first.push_back(module[j]);
  }
  for (int i = 11; i >= 0; --i) second.push_back(Module4Bit("h." + std::to_string(i) + ".fc", 64, 64)[3]);
  const TensorList list(std::vector<std::vector<ListedTensor>>{first, second});
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.classes.size(), 1u);
  EXPECT_EQ(inventory.classes[0].count, 12u);
  for (const Module& module : inventory.modules) {
    ASSERT_EQ(module.count, 4);
    for (const Component& component : inventory.components(module)) {
      EXPECT_TRUE(list.index().at(component.tensor).name().starts_with(module.stem));
    }
    EXPECT_EQ(inventory.Find(list.index(), module, kScales)->shard, 1);
  }
  EXPECT_EQ(inventory.modules[0].stem, "h.0.fc");
  EXPECT_EQ(inventory.modules[11].stem, "h.11.fc");
}

TEST(Inventory, SortsExpertsByEveryNumber) {
  std::vector<ListedTensor> tensors;
  for (const char* stem : {"l.10.e.0.w", "l.2.e.11.w", "l.2.e.2.w", "l.1.e.300.w", "l.10.e.2.w"}) {
    tensors.push_back({std::string(stem) + ".weight", Dtype::kF16, {8, 8}});
  }
  const TensorList list(tensors);
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.classes.size(), 1u);
  EXPECT_THAT(Stems(inventory, inventory.classes[0]),
              ElementsAre("l.1.e.300.w", "l.2.e.2.w", "l.2.e.11.w", "l.10.e.0.w", "l.10.e.2.w"));
}

TEST(Inventory, SortsNumbersThatDoNotFitOrHaveLeadingZeros) {
  std::vector<ListedTensor> tensors;
  for (const char* number : {"99999999999999999999", "007", "3", "12"}) {
    tensors.push_back({"l." + std::string(number) + ".weight", Dtype::kF16, {8}});
  }
  const TensorList list(tensors);
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.classes.size(), 1u);
  EXPECT_THAT(Stems(inventory, inventory.classes[0]), ElementsAre("l.3", "l.007", "l.12", "l.99999999999999999999"));
}

TEST(Inventory, LiteralStarsAreNotNumbers) {
  std::vector<ListedTensor> tensors;
  for (const char* part : {"10", "*", "9", "a*", "1*"}) {
    tensors.push_back({"l." + std::string(part) + ".x.weight", Dtype::kF16, {8}});
  }
  const TensorList list(tensors);
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.classes.size(), 3u);
  EXPECT_THAT(Stems(inventory, inventory.classes[0]), ::testing::UnorderedElementsAre("l.9.x", "l.10.x", "l.*.x"));
  EXPECT_EQ(inventory.classes[1].pattern, "l.a*.x");
}

TEST(FoldedName, AgreesWithItsMatcherAndWithFoldNumbers) {
  const char* names[] = {"model.layers.12.mlp",
                         "0",
                         "",
                         ".",
                         "1.2.3",
                         "a.007.b",
                         "a.*.b",
                         "12a.4b.5",
                         "a..1",
                         "a.1.",
                         "a.b1c",
                         "4294967296.1",
                         "x.999999999",
                         "x.1000000000"};
  for (const char* name : names) {
    FoldedName folded;
    folded.Fold(name);
    EXPECT_EQ(folded.text, FoldNumbers(name));
    std::vector<uint32_t> numbers = {77}, stars;
    AppendStars(folded.text, stars);
    EXPECT_EQ(MatchesFolded(name, folded.text, stars, numbers), !folded.irregular) << name;
    EXPECT_EQ(numbers.size(), folded.irregular ? 1 : 1 + folded.numbers.size()) << name;
    EXPECT_FALSE(MatchesFolded(name, folded.text + "x", stars, numbers));
    EXPECT_FALSE(MatchesFolded(std::string(name) + "x", folded.text, stars, numbers));
  }
  std::vector<uint32_t> numbers;
  EXPECT_TRUE(MatchesFolded("l.12.e.7", "l.*.e.*", std::vector<uint32_t>{2, 6}, numbers));
  EXPECT_THAT(numbers, ElementsAre(12u, 7u));
}

TEST(Inventory, UnknownSuffixesStandAlone) {
  const TensorList list({{"visual.pos_embed", Dtype::kF16, {4, 4}},
                         {"visual.cls_token", Dtype::kF16, {4}},
                         {"visual.weight", Dtype::kF16, {4}},
                         {"adapters.0", Dtype::kF16, {4}},
                         {"adapters.1", Dtype::kF16, {4}},
                         {"lonely", Dtype::kF16, {4}},
                         {"visual.pos_embed.weight", Dtype::kF16, {4}}});
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.modules.size(), 7u);
  ASSERT_EQ(inventory.classes.size(), 6u);
  EXPECT_EQ(inventory.classes[0].pattern, "visual.pos_embed");
  EXPECT_EQ(inventory.SuffixName(inventory.components(inventory.modules[0])[0].suffix), "pos_embed");
  EXPECT_EQ(inventory.classes[3].pattern, "adapters.*");
  EXPECT_EQ(inventory.classes[3].count, 2u);
  EXPECT_EQ(inventory.classes[4].pattern, "lonely");
  // By stem, the module of known suffixes comes first.
  const int64_t visual = inventory.FindModule("visual");
  ASSERT_GE(visual, 0);
  EXPECT_EQ(inventory.components(inventory.modules[static_cast<size_t>(visual)])[0].suffix, kWeight);
  EXPECT_EQ(inventory.FindModule("nothing"), -1);
}

TEST(Inventory, FirstOfEqualNamesCounts) {
  const TensorList list(std::vector<std::vector<ListedTensor>>{
      {{"a.weight", Dtype::kF16, {4}}, {"a.bias", Dtype::kF16, {4}}, {"odd", Dtype::kF16, {2}}},
      {{"a.weight", Dtype::kF32, {4}}, {"odd", Dtype::kF32, {2}}}});
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.modules.size(), 2u);
  EXPECT_EQ(inventory.modules[0].count, 2);
  EXPECT_EQ(inventory.Find(list.index(), inventory.modules[0], kWeight)->dtype, Dtype::kF16);
  EXPECT_EQ(inventory.modules[1].count, 1);
}

TEST(Inventory, RankThreeQweightIsUnknown) {
  const TensorList list({{"m.experts.w13_qweight", Dtype::kI32, {8, 16, 64}},
                         {"x.qweight", Dtype::kI32, {8, 16, 64}},
                         {"x.qzeros", Dtype::kI32, {8, 2, 8}},
                         {"x.scales", Dtype::kF16, {8, 2, 64}}});
  for (const ModuleClass& c : BuildInventory(list.index()).classes) EXPECT_EQ(c.format, -1) << c.pattern;
}

TEST(Inventory, EmptyModel) {
  const TensorList list(std::vector<ListedTensor>{});
  const Inventory inventory = BuildInventory(list.index());
  EXPECT_TRUE(inventory.classes.empty());
  EXPECT_EQ(inventory.FindModule(""), -1);
}

TEST(Inventory, ManyClassesAndManyModulesKeepTheirTables) {
  std::vector<ListedTensor> tensors;
  for (int i = 0; i < 3000; ++i) tensors.push_back({"odd" + std::to_string(i) + ".weight", Dtype::kF16, {4}});
  for (int i = 2999; i >= 0; --i) tensors.push_back({"odd" + std::to_string(i) + ".bias", Dtype::kF16, {4}});
  const TensorList list(tensors);
  const Inventory inventory = BuildInventory(list.index());
  EXPECT_EQ(inventory.classes.size(), 3000u);
  EXPECT_EQ(inventory.modules.size(), 3000u);
  EXPECT_EQ(inventory.FindModule("odd1234"), 1234);
}

TEST(Inventory, JoinsComponentsThatLieFarApart) {
  // More modules than are remembered, each kind of component in another order; one name is a module of its own as well.
  constexpr int kModules = 40'000;
  std::vector<ListedTensor> tensors;
  for (int i = 0; i < kModules; ++i) tensors.push_back({"m." + std::to_string(i) + ".w.weight", Dtype::kF16, {4}});
  for (int i = kModules; i-- > 0;) tensors.push_back({"m." + std::to_string(i) + ".w.bias", Dtype::kF16, {2}});
  for (int i = 0; i < kModules; ++i) tensors.push_back({"m." + std::to_string(i) + ".w", Dtype::kF16, {2}});
  const TensorList list(tensors);
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.classes.size(), 2u);
  EXPECT_EQ(inventory.classes[0].count, uint32_t{kModules});
  EXPECT_EQ(inventory.classes[0].bytes, kModules * 12);
  EXPECT_EQ(inventory.classes[1].count, uint32_t{kModules});
  for (const int i : {0, 1, 12'345, kModules - 1}) {
    const Module& module = inventory.modules[static_cast<size_t>(i)];
    EXPECT_EQ(module.stem, "m." + std::to_string(i) + ".w");
    ASSERT_EQ(module.count, 2);
    EXPECT_EQ(inventory.Find(list.index(), module, kBias)->name(), "m." + std::to_string(i) + ".w.bias");
    EXPECT_EQ(inventory.FindModule(module.stem), i);
  }
}

// Everything that the inventory says of a tensor, in the order in which it says it.
std::vector<std::string> Listing(const Inventory& inventory, const TensorIndex& tensors) {
  std::vector<std::string> out;
  for (const ModuleClass& c : inventory.classes) {
    out.push_back(c.pattern + " " + std::to_string(c.bytes));
    for (const uint32_t number : inventory.members(c)) {
      for (const Component& component : inventory.components(inventory.modules[number])) {
        out.push_back(std::string(inventory.modules[number].stem) + " " +
                      std::string(inventory.SuffixName(component.suffix)) + " " +
                      std::string(tensors.at(component.tensor).name()));
      }
    }
  }
  return out;
}

TEST(Inventory, IsTheSameWithThreads) {
  // Modules and suffixes of no table that lie on both sides of where threads part.
  std::vector<std::vector<ListedTensor>> shards(3);
  for (int i = 0; i < 25'001; ++i) {
    std::vector<ListedTensor>& shard = shards[static_cast<size_t>(i) / 9'000];
    const std::string stem = "model.layers." + std::to_string(i % 61) + ".experts." + std::to_string(i / 61) + ".up";
    for (ListedTensor& tensor : Module4Bit(stem, i % 1000 == 7 ? 128 : 64, 64)) shard.push_back(std::move(tensor));
    if (i % 500 == 0) shard.push_back({stem + ".odd" + std::to_string(i / 1000), Dtype::kF32, {2, 2, 2}});
  }
  const TensorList list(shards);
  ThreadPool pool(4);
  const std::vector<std::string> alone = Listing(BuildInventory(list.index()), list.index());
  EXPECT_EQ(alone, Listing(BuildInventory(list.index(), &pool), list.index()));
  EXPECT_THAT(alone, Contains("model.layers.0.experts.0.up odd0 model.layers.0.experts.0.up.odd0"));
}

}  // namespace
}  // namespace gptq_doctor

// Every name of a mixed-precision model to the tensor that it is.

#include "dequant/mapping.h"

#include <gmock/gmock.h>

#include "dequant/dense_support.h"
#include "support/fast_dir.h"

namespace gptq_doctor {
namespace {

using testing::BuiltTensors;
using testing::DenseTensor;
using ::testing::ElementsAre;
using testing::ExamineModel;
using testing::GptqModule;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Model;
using testing::ModelBuilder;
using testing::TestTensor;

const std::string kUp = "model.layers.0.mlp.up_proj.weight", kDown = "model.layers.0.mlp.down_proj.weight";

ModelBuilder Quantized() { return ModelBuilder().Layers(1).Sizes(64, 128).Quant({.group_size = 32}).WithConfigs(); }
ModelBuilder Dense() { return ModelBuilder().Layers(1).Sizes(64, 128).Dense(); }

// Models by name, and the rules between them.
struct Mixture {
  std::vector<std::pair<std::string, ModelBuilder>> sources;
  std::vector<std::pair<std::string, std::string>> rules;  // pattern, source
  std::vector<size_t> defaults;                            // positions in `sources`
  bool keep_zero_bias = false;
};

struct Resolved {
  std::vector<Model> models;
  ResolvedMapping mapping;
  // "source name" of every choice.
  std::map<std::string, std::string> From(const Mixture& mixture) const {
    std::map<std::string, std::string> out;
    for (const Choice& choice : mapping.choices) {
      for (size_t m = 0; m < models.size(); ++m) {
        if (choice.exam == models[m].exam.get()) {
          EXPECT_TRUE(out.emplace(choice.offer->name, mixture.sources[m].first).second) << choice.offer->name;
        }
      }
    }
    return out;
  }
};

Resolved Resolve(const Mixture& mixture) {
  Resolved out;
  std::vector<MappingModel> models;
  MappingFile file;
  for (const auto& [name, builder] : mixture.sources) {
    out.models.push_back(ExamineModel(builder));
    models.push_back({name, "/" + name, out.models.back().exam.get()});
  }
  for (const auto& [pattern, source] : mixture.rules) file.rules.push_back({pattern, source, {1, 1}});
  Result<ResolvedMapping> mapping = ResolveMapping(file, models, mixture.defaults, mixture.keep_zero_bias);
  EXPECT_TRUE(mapping.ok()) << mapping.error().message;
  if (mapping) out.mapping = *std::move(mapping);
  EXPECT_THAT(out.mapping.offers.size(), models.size());
  return out;
}

TEST(Mapping, RulesTakeTheirNamesAndTheDefaultTheRest) {
  const Mixture mixture{.sources = {{"int4", Quantized()}, {"MODEL", Dense()}},
                        .rules = {{kUp, "int4"}, {kDown, "int4"}},
                        .defaults = {1}};
  const Resolved resolved = Resolve(mixture);
  const auto from = resolved.From(mixture);
  EXPECT_EQ(from.size(), BuiltTensors(Dense()).size());
  for (const auto& [name, source] : from) EXPECT_EQ(source, name == kUp || name == kDown ? "int4" : "MODEL") << name;
  EXPECT_EQ(resolved.mapping.tallies[0].modules, 2);
  EXPECT_EQ(resolved.mapping.tallies[1].modules, 0);
  EXPECT_THAT(resolved.mapping.missing, IsEmpty());
  EXPECT_THAT(resolved.mapping.mismatched, IsEmpty());
  EXPECT_EQ(resolved.mapping.companion, resolved.models[1].exam.get());
}

TEST(Mapping, ExactNamesBeforeGlobsAndOfGlobsTheFirst) {
  const Mixture mixture{.sources = {{"a", Quantized()}, {"b", Quantized()}, {"c", Dense()}},
                        .rules = {{"*.mlp.*", "a"}, {"model.layers.*", "b"}, {"*", "c"}, {kUp, "c"}},
                        .defaults = {}};
  const Resolved resolved = Resolve(mixture);
  const auto from = resolved.From(mixture);
  EXPECT_EQ(from.at(kUp), "c");
  EXPECT_EQ(from.at(kDown), "a");
  EXPECT_EQ(from.at("model.layers.0.self_attn.q_proj.weight"), "b");
  EXPECT_EQ(from.at("lm_head.weight"), "c");
  EXPECT_THAT(resolved.mapping.unmapped, IsEmpty());
}

TEST(Mapping, WithoutADefaultUnmappedNamesAreListed) {
  const Resolved resolved =
      Resolve({.sources = {{"a", Quantized()}}, .rules = {{"model.layers.*", "a"}}, .defaults = {}});
  EXPECT_THAT(resolved.mapping.unmapped,
              ::testing::UnorderedElementsAre("lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"));
}

TEST(Mapping, TheDefaultSourceComesBeforeModel) {
  const Mixture mixture{
      .sources = {{"d", Dense().RemoveTensor("lm_head.weight")}, {"MODEL", Dense()}}, .rules = {}, .defaults = {0, 1}};
  const Resolved resolved = Resolve(mixture);
  const auto from = resolved.From(mixture);
  EXPECT_EQ(from.at("lm_head.weight"), "MODEL");
  EXPECT_EQ(from.at(kUp), "d");
  EXPECT_EQ(resolved.mapping.companion, resolved.models[1].exam.get());
}

TEST(Mapping, NamesThatOnlyASourceHasAreTakenWhereARuleAsks) {
  ModelBuilder source = Quantized();
  const std::string extra = "model.layers.0.mlp.experts.7.up_proj.weight";
  for (const TestTensor& tensor : GptqModule("model.layers.0.mlp.experts.7.up_proj", 64, 128, {.group_size = 32})) {
    source.Tensor(tensor);
  }
  Mixture mixture{.sources = {{"a", source}, {"MODEL", Dense()}}, .rules = {{"*.experts.*", "a"}}, .defaults = {1}};
  EXPECT_EQ(Resolve(mixture).From(mixture).at(extra), "a");
  mixture.rules = {{kUp, "a"}};
  EXPECT_FALSE(Resolve(mixture).From(mixture).contains(extra));
}

TEST(Mapping, WhatASourceLacksIsMissing) {
  const Mixture mixture{.sources = {{"a", Quantized().RemoveTensor("model.layers.0.mlp.up_proj.qzeros")},
                                    {"b", Dense().RemoveTensor("lm_head.weight")},
                                    {"MODEL", Dense()}},
                        .rules = {{kUp, "a"},
                                  {"lm_head.weight", "b"},
                                  {"no.such.weight", "b"},
                                  {"x.*", "a"},
                                  {"model.layers.0.mlp.gat_proj.weight", "a"}},
                        .defaults = {2}};
  const Resolved resolved = Resolve(mixture);
  std::map<std::string, std::string> missing;
  for (const MappingProblem& problem : resolved.mapping.missing) missing[problem.name] = problem.detail;
  EXPECT_EQ(missing.size(), 5u);
  EXPECT_THAT(missing[kUp], HasSubstr("qzeros"));
  EXPECT_THAT(missing["lm_head.weight"], HasSubstr("MODEL has"));
  EXPECT_THAT(missing["no.such.weight"], HasSubstr("no source has it"));
  EXPECT_THAT(missing["x.*"], HasSubstr("matches no tensor"));
  EXPECT_THAT(missing["model.layers.0.mlp.gat_proj.weight"],
              HasSubstr("did you mean 'model.layers.0.mlp.gate_proj.weight'?"));
  // What stands for them where that is allowed: the default's, never zeros.
  const auto from = resolved.From(mixture);
  EXPECT_EQ(from.at(kUp), "MODEL");
  EXPECT_EQ(from.at("lm_head.weight"), "MODEL");
}

TEST(Mapping, ContradictingComponentsAreMissing) {
  ModelBuilder source = Quantized();
  source.Tensor({"model.layers.0.mlp.up_proj.qzeros", "I32", {2, 15}, ""});
  const Resolved resolved =
      Resolve({.sources = {{"a", source}, {"MODEL", Dense()}}, .rules = {{kUp, "a"}}, .defaults = {1}});
  ASSERT_EQ(resolved.mapping.missing.size(), 1u);
  EXPECT_THAT(resolved.mapping.missing[0].detail, HasSubstr("up_proj"));
}

TEST(Mapping, ShapesAndDtypesAreComparedWithTheOthers) {
  ModelBuilder wide = ModelBuilder().Layers(1).Sizes(64, 256).Quant({.group_size = 32}).WithConfigs();
  ModelBuilder bytes = Dense();
  bytes.Tensor({"lm_head.weight", "I8", {256, 64}, ""});
  const Mixture mixture{.sources = {{"a", wide}, {"b", bytes}, {"MODEL", Dense()}},
                        .rules = {{kUp, "a"}, {"*.q_proj.weight", "a"}, {"lm_head.weight", "b"}},
                        .defaults = {2}};
  const Resolved resolved = Resolve(mixture);
  ASSERT_EQ(resolved.mapping.mismatched.size(), 2u);
  std::map<std::string, std::string> mismatched;
  for (const MappingProblem& problem : resolved.mapping.mismatched) mismatched[problem.name] = problem.detail;
  EXPECT_EQ(mismatched[kUp], "[256, 64], in b [128, 64]");
  EXPECT_EQ(mismatched["lm_head.weight"], "I8, in a F16");
  EXPECT_EQ(resolved.From(mixture).at("model.layers.0.self_attn.q_proj.weight"), "a");
}

TestTensor Bias(const std::string& stem, uint64_t size, bool zero) {
  TestTensor bias = DenseTensor(stem + ".bias", {size});
  if (zero) bias.data.assign(bias.data.size(), '\0');
  return bias;
}

// Packers give every module a zero-filled bias: no mapping needs to name it, on either side.
TEST(Mapping, ArtefactBiasesAskForNothing) {
  const std::string up = "model.layers.0.mlp.up_proj", down = "model.layers.0.mlp.down_proj";
  ModelBuilder biased = Quantized();
  biased.Tensor(Bias(up, 128, true)).Tensor(Bias(down, 64, false));
  biased.File("config.json", "{\"model_type\": \"never_seen\"}");
  const Mixture onto_dense{.sources = {{"a", biased}, {"MODEL", Dense().File("config.json", "{}")}},
                           .rules = {{"*.mlp.*", "a"}},
                           .defaults = {1}};
  const Resolved resolved = Resolve(onto_dense);
  const auto from = resolved.From(onto_dense);
  EXPECT_FALSE(from.contains(up + ".bias"));
  EXPECT_EQ(from.at(down + ".bias"), "a");
  EXPECT_THAT(resolved.mapping.dropped_biases, ElementsAre(up + ".bias"));

  const Mixture from_dense{
      .sources = {{"MODEL", biased}, {"fp16", Dense()}}, .rules = {{"*.mlp.up_proj.*", "fp16"}}, .defaults = {0}};
  EXPECT_THAT(Resolve(from_dense).mapping.missing, IsEmpty());
  Mixture kept = from_dense;
  kept.keep_zero_bias = true;
  EXPECT_EQ(Resolve(kept).mapping.missing.size(), 1u);

  const Mixture alone{
      .sources = {{"a", Quantized().Tensor(Bias(up, 128, true))}}, .rules = {{"*.weight", "a"}}, .defaults = {}};
  EXPECT_THAT(Resolve(alone).mapping.unmapped, IsEmpty());
}

TEST(Mapping, ANameThatPromisesAnotherPrecisionIsTold) {
  const auto warnings = [](const std::string& name, const ModelBuilder& builder) {
    const Resolved resolved =
        Resolve({.sources = {{name, builder}, {"MODEL", Dense()}}, .rules = {{kUp, name}}, .defaults = {1}});
    return resolved.mapping.warnings;
  };
  EXPECT_THAT(warnings("int4", Quantized()), IsEmpty());
  EXPECT_THAT(warnings("experts", Dense()), IsEmpty());
  EXPECT_THAT(warnings("fp16", Dense()), IsEmpty());
  EXPECT_THAT(warnings("int8", Quantized()), ElementsAre("1 of 1 tensors taken from int8 are not int8"));
  EXPECT_THAT(warnings("bf16", Dense()), ElementsAre("1 of 1 tensors taken from bf16 are not bf16"));
  EXPECT_THAT(warnings("int4", Dense()), ElementsAre("no tensor taken from int4 is quantized"));
}

// The layout of a whole mixture: bytes are those of the sources dequantized or copied alone.
TEST(Mapping, TheMixtureHoldsTheBytesOfItsSources) {
  const Mixture mixture{
      .sources = {{"int4", Quantized()}, {"MODEL", Dense()}}, .rules = {{"*.mlp.*", "int4"}}, .defaults = {1}};
  const Resolved resolved = Resolve(mixture);
  const testing::FastDir temp;
  const Result<DequantizePlan> plan = PlanChoices(resolved.mapping.choices, *resolved.mapping.companion, {});
  ASSERT_TRUE(plan.ok());
  ASSERT_TRUE(WriteModel(plan->model, temp.str() + "/mixed", {}).ok());
  const Result<DequantizePlan> whole = PlanDequantize(*resolved.models[0].exam, {});
  ASSERT_TRUE(whole.ok() && WriteModel(whole->model, temp.str() + "/whole", {}).ok());
  const auto mixed = testing::ReadBack(temp.path() / "mixed").tensors, dense = BuiltTensors(Dense()),
             dequantized = testing::ReadBack(temp.path() / "whole").tensors;
  EXPECT_EQ(mixed.size(), dense.size());
  for (const auto& [name, tensor] : mixed) {
    const auto& from = name.find(".mlp.") != std::string::npos ? dequantized : dense;
    EXPECT_TRUE(tensor.data == from.at(name).data) << name;
    EXPECT_EQ(tensor.shape, from.at(name).shape);
  }
}

}  // namespace
}  // namespace gptq_doctor

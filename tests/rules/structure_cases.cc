#include "rules/rule_cases.h"

namespace gptq_doctor::testing {
namespace {

constexpr Severity kError = Severity::kError, kWarning = Severity::kWarning, kNote = Severity::kNote;
const GptqOptions kG32 = {.group_size = 32};

Directory Healthy() { return GoodFiles(); }

// One quantized module beside the healthy ones.
std::function<Directory()> WithModule(const std::string& stem, int64_t in, int64_t out,
                                      const GptqOptions& options = kG32) {
  return [=] {
    ModelBuilder builder = Good();
    for (const TestTensor& tensor : GptqModule(stem, in, out, options)) builder.Tensor(tensor);
    return Directory(builder);
  };
}
std::function<Directory()> Without(const std::string& tensor) {
  return [tensor] { return Directory(Good().RemoveTensor(tensor)); };
}
std::function<Directory()> Replaced(const TestTensor& tensor) {
  return [tensor] { return Directory(Good().Tensor(tensor)); };
}

const std::string kUp = "model.layers.0.mlp.up_proj";

// The module's layer with its projection left dense.
ModelBuilder DenseInstead(ModelBuilder builder, const std::string& stem, uint64_t in, uint64_t out) {
  for (const char* suffix : {".qweight", ".qzeros", ".scales", ".g_idx"}) builder.RemoveTensor(stem + suffix);
  return builder.Tensor(DenseTensor(stem + ".weight", {out, in}));
}

ModelBuilder Experts(bool all_quantized) {
  ModelBuilder builder = Good();
  for (int expert = 0; expert < 4; ++expert) {
    const std::string stem = "model.layers.0.mlp.experts." + std::to_string(expert) + ".down_proj";
    if (expert == 2 && !all_quantized) {
      builder.Tensor(DenseTensor(stem + ".weight", {128, 64}));
      continue;
    }
    for (const TestTensor& tensor : GptqModule(stem, 64, 128, kG32)) builder.Tensor(tensor);
  }
  return builder;
}

ModelBuilder WithoutLayer(int layer) {
  ModelBuilder builder = Good().Layers(4);
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  for (const char* part : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
    for (const char* suffix : {".qweight", ".qzeros", ".scales", ".g_idx"})
      builder.RemoveTensor(prefix + part + suffix);
  }
  return builder.RemoveTensor(prefix + "input_layernorm.weight")
      .RemoveTensor(prefix + "post_attention_layernorm.weight");
}

ModelBuilder WithoutModule(const std::string& stem) {
  ModelBuilder builder = Good();
  for (const char* suffix : {".qweight", ".qzeros", ".scales", ".g_idx"}) builder.RemoveTensor(stem + suffix);
  return builder;
}

// GPTQ-for-LLaMa of March 2023: zeros in floating point, scales as [out, 1].
Directory FloatZeros() {
  ModelBuilder builder = ModelBuilder().Dense();
  for (int layer = 0; layer < 2; ++layer) {
    const std::string stem = "model.layers." + std::to_string(layer) + ".self_attn.q_proj";
    builder.RemoveTensor(stem + ".weight");
    builder.Tensor({stem + ".qweight", "I32", {16, 128}, std::string(16 * 128 * 4, '\x37')});
    builder.Tensor(DenseTensor(stem + ".zeros", {128, 1}, "F32"));
    builder.Tensor(DenseTensor(stem + ".scales", {128, 1}, "F32"));
  }
  return builder;
}

ModelBuilder Mixed() {
  ModelBuilder builder = Good();
  const std::string stem = "model.layers.0.mlp.other_proj";
  builder.Tensor({stem + ".weight", "I8", {128, 128}, std::string(128 * 128, '\x05')});
  builder.Tensor(DenseTensor(stem + ".SCB", {128}, "F32"));
  return builder;
}

std::vector<RuleCase> Components() {
  const TestTensor wrong_groups = DenseTensor(kUp + ".scales", {3, 256});
  const TestTensor integer_scales = {kUp + ".scales", "I32", {4, 256}, ""};
  const TestTensor float_zeros = DenseTensor(kUp + ".qzeros", {4, 32});
  const TestTensor long_g_idx = {kUp + ".g_idx", "I64", {128}, ""};
  const TestTensor transposed = {kUp + ".qweight", "I32", {256, 16}, std::string(256 * 16 * 4, '\x37')};
  return {
      {"GD301", "no scales", kError, Without(kUp + ".scales"), Healthy, "scales is missing"},
      {"GD301", "no qweight", kError, Without(kUp + ".qweight"), Without(kUp + ".g_idx"), "qweight is missing"},
      {"GD302", "groups", kError, Replaced(wrong_groups), Healthy},
      {"GD303", "integer scales", kError, Replaced(integer_scales), Healthy, "scales is I32"},
      {"GD303", "floating qzeros", kError, Replaced(float_zeros), Healthy, "qzeros is F16"},
      {"GD303", "I64 g_idx", kError, Replaced(long_g_idx), Healthy, "g_idx is I64"},
      {"GD304", "transposed", kError, Replaced(transposed), Healthy, "transposed"},
      {"GD305", "in_features", kError, Replaced({kUp + ".g_idx", "I32", {132}, ""}), Healthy},
      {"GD310", "both", kWarning, Replaced(DenseTensor(kUp + ".weight", {256, 128})),
       Replaced(DenseTensor("model.layers.0.mlp.norm.weight", {256}))},
      {"GD314", "int8 beside", kWarning, [] { return Directory(Mixed()); }, Healthy},
      {"GD315", "zeros", kNote, FloatZeros, Healthy},
      {"GD316", "none", kNote, [] { return Directory(GoodWith({.group_size = 32, .g_idx = false})); }, Healthy},
  };
}

std::vector<RuleCase> Sets() {
  const GptqOptions eight = {.bits = 8, .group_size = 32};
  return {
      {"GD306", "undeclared", kWarning, [eight] { return Directory(Good().Override("v_proj", eight)); },
       [eight] { return Directory(Good().Override("self_attn", eight)); }, "qkv_proj"},
      {"GD306", "declared", kNote,
       [eight] {
         return Directory(EditSettings(Good().Override("v_proj", eight).Build(), [](Json& json) {
           json["dynamic"][".*v_proj"] = {{"bits", 8}};
         }));
       },
       Healthy},
      {"GD306", "dense part", kWarning, [] { return Directory(DenseInstead(Good(), kUp, 128, 256)); },
       [] { return Directory(DenseInstead(Good(), "model.layers.0.mlp.down_proj", 256, 128)); }, "gate_up_proj"},
      {"GD307", "mlp.gate", kWarning, WithModule("model.layers.0.mlp.gate", 128, 64),
       WithModule("model.layers.0.mlp.gating_proj", 128, 64)},
      {"GD308", "tower", kWarning, WithModule("visual.blocks.0.attn.qkv", 128, 128),
       Replaced(DenseTensor("visual.blocks.0.attn.qkv.weight", {128, 128}))},
      {"GD309", "dense copy", kWarning,
       [] {
         return Directory(Good().Tied(true).Tensor(DenseTensor("lm_head.weight", {256, 128})));
       },
       [] { return Directory(Good().Tied(true)); }},
      {"GD311", "one of four", kWarning, [] { return Directory(Experts(false)); },
       [] { return Directory(Experts(true)); }},
      {"GD312", "two labels", kWarning, WithModule("score", 128, 2), WithModule("score", 128, 8)},
      {"GD313", "groups", kNote, [] { return Directory(GoodWith({.group_size = 32}).Sizes(128, 288)); },
       [] { return Directory(GoodWith({.group_size = 32}).Sizes(256, 512)); }},
      {"GD317", "layer 1 of 4", kError, [] { return Directory(WithoutLayer(1)); },
       [] { return Directory(WithoutLayer(3)); }, "N = 1"},
      {"GD318", "no down_proj", kError, [] { return Directory(WithoutModule("model.layers.0.mlp.down_proj")); },
       [] { return Directory(WithoutModule("model.layers.0.self_attn.v_proj")); }},
  };
}

}  // namespace

std::vector<RuleCase> StructureCases() {
  std::vector<RuleCase> out = Components();
  for (const RuleCase& c : Sets()) out.push_back(c);
  return out;
}

}  // namespace gptq_doctor::testing

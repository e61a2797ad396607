#include "support/problem_models.h"

#include "loaders/models.h"

namespace gptq_doctor::testing {

ModelBuilder SectionOnly() {
  ModelBuilder builder = Healthy();
  NoSideFile(builder);
  return builder;
}
ModelBuilder Bare() {
  ModelBuilder builder = Healthy();
  NoSection(builder);
  NoSideFile(builder);
  return builder;
}
ModelBuilder Without(const char* key) {
  ModelBuilder builder = Healthy();
  Both(builder, {{key, nullptr}});
  return builder;
}
ModelBuilder PastedWithoutMethod() {
  ModelBuilder builder = Healthy({.bits = 8});
  Section(builder, {{"quant_method", nullptr}});
  builder.WeightName("gptq_model-8bit-128g.safetensors");
  return builder;
}
ModelBuilder WrongArchitecture() {
  ModelBuilder builder = Healthy();
  Type(builder, "qwen3", "Qwen3ForCausalLM");
  Config(builder, {{"hidden_size", 512}});
  return builder;
}
ModelBuilder WrongGroup() {
  ModelBuilder builder;
  builder.Layers(1).Sizes(256, 2048, 128, 128).Quant({.group_size = -1}).WithConfigs();
  Both(builder, {{"group_size", 1024}});
  return builder;
}
ModelBuilder AutoGptqOutput() {
  ModelBuilder builder = Healthy();
  NoSection(builder);
  builder.WeightName("gptq_model-4bit-128g.safetensors");
  return builder;
}
ModelBuilder Sharded() {
  ModelBuilder builder = Healthy();
  builder.Shards(3);
  return builder;
}
ModelBuilder ShardMissing() {
  ModelBuilder builder = Sharded();
  builder.Remove("model-00002-of-00003.safetensors");
  return builder;
}
ModelBuilder StaleIndex() {
  ModelBuilder builder = Healthy();
  builder.Shards(2);
  Json index = Read(builder, "model.safetensors.index.json");
  for (auto& [name, file] : index["weight_map"].items()) {
    if (file == "model-00002-of-00002.safetensors") file = "model-00002-of-00004.safetensors";
  }
  builder.File("model.safetensors.index.json", index.dump());
  return builder;
}
ModelBuilder NoQweight() {
  ModelBuilder builder = Healthy();
  builder.RemoveTensor("model.layers.1.mlp.up_proj.qweight");
  return builder;
}
ModelBuilder NoWeights() {
  ModelBuilder builder = Healthy();
  builder.Remove("model.safetensors");
  return builder;
}
ModelBuilder LfsPointer() {
  ModelBuilder builder = Healthy();
  builder.File("model.safetensors",
               "version https://git-lfs.github.com/spec/v1\noid "
               "sha256:4cac6ae4b1a2c3b4f9d3c44f4b3c0ee4ab7a8b9ba8c5d2ff6a0c1c9c6a1d9ac2\nsize 4067319744\n");
  return builder;
}
ModelBuilder Truncated() {
  ModelBuilder builder = Healthy();
  std::string file = builder.Build().at("model.safetensors");
  file.resize(file.size() - 1000);
  builder.File("model.safetensors", file);
  return builder;
}
ModelBuilder NoMetadata() {
  ModelBuilder builder = Healthy();
  builder.Metadata({});
  return builder;
}
ModelBuilder PickleInside() {
  ModelBuilder builder = Healthy();
  builder.File("model.safetensors", std::string("PK\x03\x04\x14\0\0\0\b\0", 10) + std::string(5000, 'x'));
  return builder;
}
ModelBuilder WithKey(const char* key, const char* value) {
  ModelBuilder builder = Healthy();
  Both(builder, {{key, value}});
  return builder;
}

ModelBuilder Dtype(const char* dtype, const GptqOptions& quant) {
  ModelBuilder builder = Healthy(quant);
  Config(builder, {{"torch_dtype", dtype}});
  return builder;
}
ModelBuilder Mixture(bool quantized_router, bool quantized_experts) {
  ModelBuilder builder = Healthy();
  Type(builder, "qwen3_moe", "Qwen3MoeForCausalLM");
  for (int layer = 0; layer < 2; ++layer) {
    const std::string mlp = "model.layers." + std::to_string(layer) + ".mlp.";
    for (const char* leaf : {"gate_proj", "up_proj", "down_proj"}) {
      for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"}) builder.RemoveTensor(mlp + leaf + part);
    }
    for (int expert = 0; expert < 2; ++expert) {
      const std::string stem = mlp + "experts." + std::to_string(expert) + ".";
      const bool quantized = quantized_experts || expert == 0;
      const auto add = [&](const std::string& name, int64_t in, int64_t out) {
        if (quantized) {
          Quantized(builder, name, in, out);
        } else {
          builder.Tensor(DenseTensor(name + ".weight", {static_cast<uint64_t>(out), static_cast<uint64_t>(in)}));
        }
      };
      add(stem + "gate_proj", 256, 128);
      add(stem + "up_proj", 256, 128);
      add(stem + "down_proj", 128, 256);
    }
    if (quantized_router) {
      Quantized(builder, mlp + "gate", 256, 64);
    } else {
      builder.Tensor(DenseTensor(mlp + "gate.weight", {8, 256}));
    }
  }
  return builder;
}
ModelBuilder Mixtral() {
  ModelBuilder builder = Mixture(false);
  Type(builder, "mixtral", "MixtralForCausalLM");
  return builder;
}
ModelBuilder Vision(const char* model_type) {
  GptqOptions quant;
  quant.bias = true;
  ModelBuilder builder = Healthy(quant);
  Type(builder, model_type, "Qwen2VLForConditionalGeneration");
  builder.Tensor(DenseTensor("visual.blocks.0.attn.proj.weight", {160, 160}));
  builder.Tensor(DenseTensor("visual.blocks.1.attn.proj.weight", {160, 160}));
  return builder;
}
ModelBuilder MixedInsideFused() {
  ModelBuilder builder = Healthy();
  builder.Override("q_proj", {.bits = 8});
  return builder;
}
ModelBuilder PlainPart() {
  ModelBuilder builder = Healthy();
  Plain(builder, "model.layers.1.self_attn.k_proj", 256, 128);
  return builder;
}
ModelBuilder PlainDown() {
  ModelBuilder builder = Healthy();
  Plain(builder, "model.layers.1.mlp.down_proj", 512, 256);
  return builder;
}
ModelBuilder WrongKeepList() {
  ModelBuilder builder = Healthy();
  Section(builder, {{"modules_in_block_to_quantize", {{"mlp.gate_proj", "mlp.up_proj"}, {"mlp.down_proj"}}}});
  return builder;
}
ModelBuilder ScoreHead() {
  ModelBuilder builder = Healthy();
  Type(builder, "qwen2", "Qwen2ForSequenceClassification");
  builder.Tensor(DenseTensor("score.weight", {2, 256}));
  return builder;
}
ModelBuilder TiedHeadStored(const char* model_type) {
  ModelBuilder builder = Healthy();
  Config(builder, {{"tie_word_embeddings", true}, {"model_type", model_type}});
  return builder;
}
ModelBuilder Biases(const char* model_type) {
  GptqOptions quant;
  quant.bias = true;
  ModelBuilder builder = Healthy(quant);
  Config(builder, {{"model_type", model_type}});
  return builder;
}
ModelBuilder LabelOnly(const char* label, const GptqOptions& quant) {
  ModelBuilder builder = Healthy(quant);
  Both(builder, {{"checkpoint_format", label}});
  return builder;
}
ModelBuilder ZeroWords() {
  ModelBuilder builder = Healthy({.group_size = -1});
  for (int layer = 0; layer < 2; ++layer) {
    builder.Tensor({"model.layers." + std::to_string(layer) + ".mlp.up_proj.qweight", "I32", {32, 512}, ""});
  }
  return builder;
}
ModelBuilder Width(int64_t intermediate) {
  ModelBuilder builder;
  builder.Layers(2).Sizes(512, intermediate, 128, 128).Quant({.group_size = 64}).WithConfigs();
  return builder;
}

ModelBuilder MarlinTensors(const char* checkpoint_format) {
  ModelBuilder builder = Healthy();
  Both(builder, {{"checkpoint_format", checkpoint_format}});
  for (int layer = 0; layer < 2; ++layer) {
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                             "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      const std::string stem = "model.layers." + std::to_string(layer) + "." + name;
      const uint64_t in = std::string(name) == "mlp.down_proj" ? 512 : 256;
      const std::string leaf(name);
      const uint64_t out = leaf.starts_with("mlp.") && leaf != "mlp.down_proj"        ? 512
                           : leaf == "self_attn.k_proj" || leaf == "self_attn.v_proj" ? 128
                                                                                      : 256;
      for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"}) builder.RemoveTensor(stem + part);
      builder.Tensor({stem + ".B", "I32", {in / 16, out * 2}, ""});
      builder.Tensor({stem + ".s", "F16", {in / 128, out}, ""});
    }
  }
  return builder;
}
ModelBuilder NoGIdx() {
  GptqOptions quant;
  quant.g_idx = false;
  return Healthy(quant);
}
ModelBuilder FewerLayersInConfig() {
  ModelBuilder builder = Healthy();
  Config(builder, {{"num_hidden_layers", 1}});
  return builder;
}
ModelBuilder FloatZerosOfMarch() {
  ModelBuilder builder = Healthy({.group_size = -1});
  for (int layer = 0; layer < 2; ++layer) {
    for (const auto& [name, out] : {std::pair{"self_attn.q_proj", 256},
                                    {"self_attn.k_proj", 128},
                                    {"self_attn.v_proj", 128},
                                    {"self_attn.o_proj", 256},
                                    {"mlp.gate_proj", 512},
                                    {"mlp.up_proj", 512},
                                    {"mlp.down_proj", 256}}) {
      const std::string stem = "model.layers." + std::to_string(layer) + "." + name;
      builder.RemoveTensor(stem + ".qzeros").RemoveTensor(stem + ".g_idx");
      builder.Tensor(DenseTensor(stem + ".scales", {static_cast<uint64_t>(out), 1}, "F32"));
      builder.Tensor(DenseTensor(stem + ".zeros", {static_cast<uint64_t>(out), 1}, "F32"));
    }
  }
  return builder;
}
ModelBuilder OtherToolUndeclared() {
  ModelBuilder builder;
  builder.Layers(2).Sizes(128, 256).Dense();
  for (int layer = 0; layer < 2; ++layer) {
    for (const char* name : {"self_attn.q_proj", "mlp.down_proj"}) {
      const std::string stem = "model.layers." + std::to_string(layer) + "." + name;
      const uint64_t in = std::string(name) == "mlp.down_proj" ? 256 : 128;
      builder.Tensor({stem + ".weight", "I8", {128, in}, ""});
      builder.Tensor(DenseTensor(stem + ".weight_scale", {128, 1}));
    }
  }
  return builder;
}
ModelBuilder AwqTensors(const std::string& method) {
  ModelBuilder builder;
  builder.Dense();
  for (int layer = 0; layer < 2; ++layer) {
    for (const char* part : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"}) {
      const std::string stem = "model.layers." + std::to_string(layer) + "." + part;
      builder.RemoveTensor(stem + ".weight");
      builder.Tensor({stem + ".qweight", "I32", {128, 16}, std::string(128 * 16 * 4, '\x37')});
      builder.Tensor({stem + ".qzeros", "I32", {4, 16}, std::string(4 * 16 * 4, '\x77')});
      builder.Tensor(DenseTensor(stem + ".scales", {4, 128}));
    }
  }
  builder.File(
      "quantize_config.json",
      Json({{"bits", 4}, {"group_size", 32}, {"desc_act", false}, {"sym", true}, {"quant_method", method}}).dump());
  return builder;
}

}  // namespace gptq_doctor::testing

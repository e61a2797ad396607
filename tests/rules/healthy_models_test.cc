// Directories as official publishers of each family lay them out, with nothing wrong: no rule may give them an error or
// a warning. A false alarm is a defect as bad as a miss.

#include <gtest/gtest.h>

#include <cstdio>
#include <ostream>

#include "rules/rule_cases.h"

namespace gptq_doctor::testing {
namespace {

struct Linear {
  std::string name;  // under the layer
  int64_t in, out;
  bool quantized = true;
  bool bias = false;
};

// A family in small: what its layers hold, what lies outside of them, what config.json says.
struct Family {
  std::string name;
  std::string layers;  // prefix of a layer, before its number
  std::vector<Linear> linears;
  std::vector<std::string> norms;                                      // under the layer
  std::vector<std::pair<std::string, std::vector<uint64_t>>> outside;  // dense tensors and their shapes
  Json config;
  bool norm_bias = false;
  std::string modules;  // JSON of modules_in_block_to_quantize; empty: absent
};

void PrintTo(const Family& family, std::ostream* out) { *out << family.name; }

constexpr uint64_t kHidden = 256, kInner = 512, kVocab = 384;

std::vector<Linear> GatedMlp(const std::string& mlp) {
  return {{mlp + "gate_proj", 256, 512}, {mlp + "up_proj", 256, 512}, {mlp + "down_proj", 512, 256}};
}
std::vector<Linear> Attention(bool bias) {
  return {{"self_attn.q_proj", 256, 256, true, bias},
          {"self_attn.k_proj", 256, 128, true, bias},
          {"self_attn.v_proj", 256, 128, true, bias},
          {"self_attn.o_proj", 256, 256}};
}
std::vector<Linear> Join(std::vector<Linear> a, const std::vector<Linear>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
std::vector<Linear> Experts(const std::string& prefix, const std::vector<Linear>& parts) {
  std::vector<Linear> out;
  for (int expert = 0; expert < 4; ++expert) {
    for (Linear part : parts) {
      part.name = prefix + std::to_string(expert) + "." + part.name;
      out.push_back(part);
    }
  }
  return out;
}

Json CommonConfig(const std::string& type, const std::string& architecture) {
  return {{"architectures", {architecture}},
          {"model_type", type},
          {"hidden_size", kHidden},
          {"intermediate_size", kInner},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"head_dim", 64},
          {"vocab_size", kVocab},
          {"max_position_embeddings", 2048},
          {"rms_norm_eps", 1e-6},
          {"tie_word_embeddings", false},
          {"torch_dtype", "float16"},
          {"transformers_version", "4.45.2"}};
}

const std::vector<std::string> kLlamaNorms = {"input_layernorm", "post_attention_layernorm"};
const std::vector<std::pair<std::string, std::vector<uint64_t>>> kLlamaOutside = {
    {"model.embed_tokens.weight", {kVocab, kHidden}},
    {"model.norm.weight", {kHidden}},
    {"lm_head.weight", {kVocab, kHidden}}};

Family Llama() {
  return {"Llama",     "model.layers.", Join(Attention(false), GatedMlp("mlp.")),
          kLlamaNorms, kLlamaOutside,   CommonConfig("llama", "LlamaForCausalLM")};
}
Family Qwen2() {
  Family family = {"Qwen2",     "model.layers.", Join(Attention(true), GatedMlp("mlp.")),
                   kLlamaNorms, kLlamaOutside,   CommonConfig("qwen2", "Qwen2ForCausalLM")};
  // Official files of this family carry zero-filled biases of every quantized layer.
  for (Linear& linear : family.linears) linear.bias = true;
  return family;
}
Family Qwen2Tied() {
  Family family = Qwen2();
  family.name = "Qwen2 tied";
  family.outside.pop_back();
  family.config["tie_word_embeddings"] = true;
  return family;
}
Family Qwen3() {
  Family family = {"Qwen3",     "model.layers.", Join(Attention(false), GatedMlp("mlp.")),
                   kLlamaNorms, kLlamaOutside,   CommonConfig("qwen3", "Qwen3ForCausalLM")};
  return family;
}
Family Qwen2Moe() {
  Family family = {"Qwen2-MoE", "model.layers.", Attention(true),
                   kLlamaNorms, kLlamaOutside,   CommonConfig("qwen2_moe", "Qwen2MoeForCausalLM")};
  family.linears = Join(family.linears, Experts("mlp.experts.", GatedMlp("")));
  family.linears = Join(family.linears, GatedMlp("mlp.shared_expert."));
  family.linears.push_back({"mlp.gate", 256, 4, false});
  family.linears.push_back({"mlp.shared_expert_gate", 256, 1, false});
  family.config["moe_intermediate_size"] = 512;
  family.config["shared_expert_intermediate_size"] = 512;
  family.config["num_experts"] = 4;
  family.config["num_experts_per_tok"] = 2;
  return family;
}
Family Mixtral() {
  Family family = {"Mixtral",   "model.layers.", Attention(false),
                   kLlamaNorms, kLlamaOutside,   CommonConfig("mixtral", "MixtralForCausalLM")};
  const std::vector<Linear> parts = {{"w1", 256, 512}, {"w2", 512, 256}, {"w3", 256, 512}};
  family.linears = Join(family.linears, Experts("block_sparse_moe.experts.", parts));
  family.linears.push_back({"block_sparse_moe.gate", 256, 4, false});
  family.config["num_local_experts"] = 4;
  family.config["num_experts_per_tok"] = 2;
  family.modules = R"([["self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj"], ["self_attn.o_proj"],
    ["block_sparse_moe.experts.0.w1", "block_sparse_moe.experts.1.w1", "block_sparse_moe.experts.2.w1",
     "block_sparse_moe.experts.3.w1", "block_sparse_moe.experts.0.w3", "block_sparse_moe.experts.1.w3",
     "block_sparse_moe.experts.2.w3", "block_sparse_moe.experts.3.w3"],
    ["block_sparse_moe.experts.0.w2", "block_sparse_moe.experts.1.w2", "block_sparse_moe.experts.2.w2",
     "block_sparse_moe.experts.3.w2"]])";
  return family;
}
Family Opt() {
  Family family;
  family.name = "OPT";
  family.layers = "model.decoder.layers.";
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"})
    family.linears.push_back({name, 256, 256, true, true});
  family.linears.push_back({"fc1", 256, 1024, true, true});
  family.linears.push_back({"fc2", 1024, 256, true, true});
  family.norms = {"self_attn_layer_norm", "final_layer_norm"};
  family.norm_bias = true;
  family.outside = {{"model.decoder.embed_tokens.weight", {kVocab, kHidden}},
                    {"model.decoder.embed_positions.weight", {2050, kHidden}},
                    {"model.decoder.final_layer_norm.weight", {kHidden}},
                    {"model.decoder.final_layer_norm.bias", {kHidden}},
                    {"lm_head.weight", {kVocab, kHidden}}};
  family.config = {{"architectures", {"OPTForCausalLM"}},
                   {"model_type", "opt"},
                   {"hidden_size", kHidden},
                   {"word_embed_proj_dim", kHidden},
                   {"ffn_dim", 1024},
                   {"num_hidden_layers", 2},
                   {"num_attention_heads", 4},
                   {"vocab_size", kVocab},
                   {"max_position_embeddings", 2048},
                   {"do_layer_norm_before", true},
                   {"tie_word_embeddings", false},
                   {"torch_dtype", "float16"}};
  return family;
}
Family Gpt2() {
  Family family;
  family.name = "GPT-2";
  family.layers = "transformer.h.";
  family.linears = {{"attn.c_attn", 256, 768, true, true},
                    {"attn.c_proj", 256, 256, true, true},
                    {"mlp.c_fc", 256, 1024, true, true},
                    {"mlp.c_proj", 1024, 256, true, true}};
  family.norms = {"ln_1", "ln_2"};
  family.norm_bias = true;
  family.outside = {{"transformer.wte.weight", {kVocab, kHidden}},
                    {"transformer.wpe.weight", {1024, kHidden}},
                    {"transformer.ln_f.weight", {kHidden}},
                    {"transformer.ln_f.bias", {kHidden}}};
  family.config = {{"architectures", {"GPT2LMHeadModel"}},
                   {"model_type", "gpt2"},
                   {"n_embd", kHidden},
                   {"n_layer", 2},
                   {"n_head", 4},
                   {"n_positions", 1024},
                   {"vocab_size", kVocab},
                   {"torch_dtype", "float16"}};
  return family;
}
Family Gemma() {
  Family family = {"Gemma",     "model.layers.", Join(Attention(false), GatedMlp("mlp.")),
                   kLlamaNorms, kLlamaOutside,   CommonConfig("gemma", "GemmaForCausalLM")};
  family.outside.pop_back();
  family.config.erase("tie_word_embeddings");  // its class ties by default
  return family;
}
Family Gemma2() {
  Family family = Gemma();
  family.name = "Gemma 2";
  family.norms = {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                  "post_feedforward_layernorm"};
  family.config["model_type"] = "gemma2";
  family.config["architectures"] = {"Gemma2ForCausalLM"};
  return family;
}

Json Settings(const Family& family) {
  Json settings = {{"bits", 4},
                   {"group_size", 128},
                   {"damp_percent", 0.01},
                   {"desc_act", false},
                   {"sym", true},
                   {"static_groups", false},
                   {"true_sequential", true},
                   {"quant_method", "gptq"},
                   {"checkpoint_format", "gptq"}};
  if (!family.modules.empty()) settings["modules_in_block_to_quantize"] = Json::parse(family.modules);
  return settings;
}

Files Build(const Family& family, int shards) {
  std::vector<TestTensor> tensors;
  for (const auto& [name, shape] : family.outside) tensors.push_back(DenseTensor(name, shape));
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = family.layers + std::to_string(layer) + ".";
    for (const Linear& linear : family.linears) {
      if (!linear.quantized) {
        tensors.push_back(DenseTensor(prefix + linear.name + ".weight",
                                      {static_cast<uint64_t>(linear.out), static_cast<uint64_t>(linear.in)}));
        continue;
      }
      for (const TestTensor& tensor : GptqModule(prefix + linear.name, linear.in, linear.out, {.bias = linear.bias}))
        tensors.push_back(tensor);
    }
    for (const std::string& norm : family.norms) {
      tensors.push_back(DenseTensor(prefix + norm + ".weight", {kHidden}));
      if (family.norm_bias) tensors.push_back(DenseTensor(prefix + norm + ".bias", {kHidden}));
    }
  }
  Files files = ModelBuilder().Build();
  files.erase("model.safetensors");
  Json index;
  uint64_t total = 0;
  for (int shard = 0; shard < shards; ++shard) {
    const auto at = [&](int s) { return tensors.begin() + static_cast<std::ptrdiff_t>(tensors.size()) * s / shards; };
    const std::vector<TestTensor> part(at(shard), at(shard + 1));
    char name[64];
    std::snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", shard + 1, shards);
    const std::string file = shards == 1 ? "model.safetensors" : name;
    files[file] = MakeSafetensors(part);
    for (const TestTensor& tensor : part) {
      index["weight_map"][tensor.name] = file;
      total += tensor.data.size();
    }
  }
  index["metadata"]["total_size"] = total;
  if (shards > 1) files["model.safetensors.index.json"] = index.dump(2);
  Json config = family.config;
  config["quantization_config"] = Settings(family);
  files["config.json"] = config.dump(2);
  files["quantize_config.json"] = Settings(family).dump(2);
  return files;
}

class HealthyFamilies : public ::testing::TestWithParam<Family> {};

TEST_P(HealthyFamilies, GetNoErrorAndNoWarning) {
  for (const int shards : {1, 3}) {
    const Diagnosis diagnosis = DiagnoseFiles(Directory(Build(GetParam(), shards)));
    EXPECT_EQ(diagnosis.kind, "gptq");
    for (const Finding& finding : diagnosis.findings)
      EXPECT_EQ(finding.severity, Severity::kNote) << shards << " shards: " << finding.code << " " << finding.message;
  }
}

INSTANTIATE_TEST_SUITE_P(All, HealthyFamilies,
                         ::testing::Values(Llama(), Qwen2(), Qwen2Tied(), Qwen3(), Qwen2Moe(), Mixtral(), Opt(), Gpt2(),
                                           Gemma(), Gemma2()));

}  // namespace
}  // namespace gptq_doctor::testing

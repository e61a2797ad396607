// ModelBuilder: a whole directory from the pieces of model_builder.cc.

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "support/model_builder.h"

namespace gptq_doctor::testing {

using Json = nlohmann::ordered_json;

struct ModelBuilder::State {
  int layers = 2, shards = 1;
  int64_t hidden = 128, intermediate = 256, kv = 0, vocab = 256;
  bool quantized = true, tied = false, configs = false;
  GptqOptions quant;
  std::vector<std::pair<std::string, GptqOptions>> overrides;
  std::optional<GptqOptions> head;
  std::vector<std::pair<std::string, std::string>> metadata = {{"format", "pt"}};
  std::string weight_name = "model.safetensors";
  std::map<std::string, std::string> files;
  std::vector<std::string> removed_files, removed_tensors;
  std::vector<TestTensor> tensors;  // added or replacing

  void AddLinear(std::vector<TestTensor>& out, const std::string& stem, int64_t in, int64_t out_features) const;
  std::vector<TestTensor> AllTensors() const;
  Json ConfigJson() const;
  Json QuantJson() const;
  void AddWeights(std::map<std::string, std::string>& out) const;
};

void ModelBuilder::State::AddLinear(std::vector<TestTensor>& out, const std::string& stem, int64_t in,
                                    int64_t out_features) const {
  if (!quantized) {
    out.push_back(DenseTensor(stem + ".weight", {static_cast<uint64_t>(out_features), static_cast<uint64_t>(in)}));
    return;
  }
  const GptqOptions* options = &quant;
  for (const auto& [part, other] : overrides) {
    if (stem.find(part) != std::string::npos) options = &other;
  }
  for (TestTensor& tensor : GptqModule(stem, in, out_features, *options)) out.push_back(std::move(tensor));
}

std::vector<TestTensor> ModelBuilder::State::AllTensors() const {
  const auto h = static_cast<uint64_t>(hidden), v = static_cast<uint64_t>(vocab);
  const int64_t kv_features = kv > 0 ? kv : hidden;
  std::vector<TestTensor> out = {DenseTensor("model.embed_tokens.weight", {v, h})};
  for (int layer = 0; layer < layers; ++layer) {
    const std::string p = "model.layers." + std::to_string(layer) + ".";
    out.push_back(DenseTensor(p + "input_layernorm.weight", {h}));
    AddLinear(out, p + "self_attn.q_proj", hidden, hidden);
    AddLinear(out, p + "self_attn.k_proj", hidden, kv_features);
    AddLinear(out, p + "self_attn.v_proj", hidden, kv_features);
    AddLinear(out, p + "self_attn.o_proj", hidden, hidden);
    out.push_back(DenseTensor(p + "post_attention_layernorm.weight", {h}));
    AddLinear(out, p + "mlp.gate_proj", hidden, intermediate);
    AddLinear(out, p + "mlp.up_proj", hidden, intermediate);
    AddLinear(out, p + "mlp.down_proj", intermediate, hidden);
  }
  out.push_back(DenseTensor("model.norm.weight", {h}));
  if (head) {
    for (TestTensor& tensor : GptqModule("lm_head", hidden, vocab, *head)) out.push_back(std::move(tensor));
  } else if (!tied) {
    out.push_back(DenseTensor("lm_head.weight", {v, h}));
  }
  for (const TestTensor& tensor : tensors) {
    auto same = std::find_if(out.begin(), out.end(), [&](const TestTensor& t) { return t.name == tensor.name; });
    if (same != out.end())
      *same = tensor;
    else
      out.push_back(tensor);
  }
  std::erase_if(out, [&](const TestTensor& tensor) {
    return std::find(removed_tensors.begin(), removed_tensors.end(), tensor.name) != removed_tensors.end();
  });
  return out;
}

Json ModelBuilder::State::QuantJson() const {
  return {{"bits", quant.bits},
          {"group_size", quant.group_size},
          {"desc_act", quant.desc_act},
          {"sym", quant.sym},
          {"lm_head", head.has_value()},
          {"quant_method", "gptq"},
          {"checkpoint_format", quant.planar ? "gptq_p"
                                : quant.v2   ? "gptq_v2"
                                             : "gptq"},
          {"pack_dtype", "int" + std::to_string(quant.pack_bits)}};
}

Json ModelBuilder::State::ConfigJson() const {
  const int64_t heads = std::max<int64_t>(1, hidden / 32);
  Json config = {{"architectures", {"LlamaForCausalLM"}},
                 {"model_type", "llama"},
                 {"rms_norm_eps", 1e-6},
                 {"hidden_size", hidden},
                 {"intermediate_size", intermediate},
                 {"num_hidden_layers", layers},
                 {"num_attention_heads", heads},
                 {"num_key_value_heads", kv > 0 ? std::max<int64_t>(1, kv / 32) : heads},
                 {"vocab_size", vocab},
                 {"max_position_embeddings", 2048},
                 {"tie_word_embeddings", tied},
                 {"torch_dtype", "float16"}};
  if (configs) config["quantization_config"] = QuantJson();
  return config;
}

void ModelBuilder::State::AddWeights(std::map<std::string, std::string>& out) const {
  const std::vector<TestTensor> all = AllTensors();
  if (shards <= 1) {
    out[weight_name] = MakeSafetensors(all, metadata);
    return;
  }
  Json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
  uint64_t total = 0;
  const auto count = static_cast<size_t>(shards);
  for (size_t s = 0; s < count; ++s) {
    char name[64];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", s + 1, count);
    const std::vector<TestTensor> part(all.begin() + static_cast<std::ptrdiff_t>(all.size() * s / count),
                                       all.begin() + static_cast<std::ptrdiff_t>(all.size() * (s + 1) / count));
    for (const TestTensor& tensor : part) {
      index["weight_map"][tensor.name] = name;
      total += tensor.data.size();
    }
    out[name] = MakeSafetensors(part, metadata);
  }
  index["metadata"]["total_size"] = total;
  out["model.safetensors.index.json"] = index.dump(2) + "\n";
}

ModelBuilder::ModelBuilder() : state_(std::make_unique<State>()) {}
ModelBuilder::~ModelBuilder() = default;
ModelBuilder::ModelBuilder(const ModelBuilder& other) : state_(std::make_unique<State>(*other.state_)) {}

ModelBuilder& ModelBuilder::Layers(int layers) {
  state_->layers = layers;
  return *this;
}
ModelBuilder& ModelBuilder::Sizes(int64_t hidden, int64_t intermediate, int64_t kv, int64_t vocab) {
  state_->hidden = hidden;
  state_->intermediate = intermediate;
  state_->kv = kv;
  state_->vocab = vocab;
  return *this;
}
ModelBuilder& ModelBuilder::Quant(const GptqOptions& options) {
  state_->quant = options;
  state_->quantized = true;
  return *this;
}
ModelBuilder& ModelBuilder::Dense() {
  state_->quantized = false;
  return *this;
}
ModelBuilder& ModelBuilder::Override(const std::string& part, const GptqOptions& options) {
  state_->overrides.emplace_back(part, options);
  return *this;
}
ModelBuilder& ModelBuilder::LmHead(const GptqOptions& options) {
  state_->head = options;
  return *this;
}
ModelBuilder& ModelBuilder::Tied(bool tied) {
  state_->tied = tied;
  return *this;
}
ModelBuilder& ModelBuilder::Shards(int count) {
  state_->shards = count;
  return *this;
}
ModelBuilder& ModelBuilder::Metadata(std::vector<std::pair<std::string, std::string>> metadata) {
  state_->metadata = std::move(metadata);
  return *this;
}
ModelBuilder& ModelBuilder::WeightName(const std::string& name) {
  state_->weight_name = name;
  return *this;
}
ModelBuilder& ModelBuilder::File(const std::string& name, const std::string& content) {
  state_->files[name] = content;
  return *this;
}
ModelBuilder& ModelBuilder::Remove(const std::string& name) {
  state_->removed_files.push_back(name);
  return *this;
}
ModelBuilder& ModelBuilder::Tensor(const TestTensor& tensor) {
  state_->tensors.push_back(tensor);
  return *this;
}
ModelBuilder& ModelBuilder::RemoveTensor(const std::string& name) {
  state_->removed_tensors.push_back(name);
  return *this;
}
ModelBuilder& ModelBuilder::WithConfigs() {
  state_->configs = true;
  return *this;
}

std::map<std::string, std::string> ModelBuilder::Build() const {
  std::map<std::string, std::string> out;
  state_->AddWeights(out);
  out["config.json"] = state_->ConfigJson().dump(2) + "\n";
  out["generation_config.json"] = "{\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2\n}\n";
  out["tokenizer.json"] =
      "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}\n";
  out["tokenizer_config.json"] = "{\"tokenizer_class\": \"LlamaTokenizer\", \"model_max_length\": 2048}\n";
  if (state_->configs) out["quantize_config.json"] = state_->QuantJson().dump(2) + "\n";
  for (const auto& [name, content] : state_->files) out[name] = content;
  for (const std::string& name : state_->removed_files) out.erase(name);
  return out;
}

std::unique_ptr<MemorySource> ModelBuilder::Memory() const {
  auto source = std::make_unique<MemorySource>("model");
  for (auto& [name, content] : Build()) source->Add(name, content);
  return source;
}

void ModelBuilder::WriteTo(const std::filesystem::path& directory) const {
  for (const auto& [name, content] : Build()) {
    std::filesystem::create_directories((directory / name).parent_path());
    std::ofstream(directory / name, std::ios::binary) << content;
  }
}

}  // namespace gptq_doctor::testing

#include "model_maker.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>

namespace gptq_doctor::bench {
namespace {

constexpr uint64_t kBits = 4, kGroup = 128;

uint64_t WidthOf(std::string_view dtype) { return dtype == "I32" || dtype == "F32" ? 4 : 2; }
int RankOf(std::string_view dtype) { return dtype == "F32" ? 0 : dtype == "I32" ? 1 : dtype == "BF16" ? 2 : 3; }

class Maker {
 public:
  explicit Maker(bool bias, uint64_t shrink = 1) : bias_(bias), shrink_(shrink) {}
  void Plain(std::string name, std::vector<uint64_t> shape, const char* dtype = "F16") {
    for (uint64_t& dim : shape) dim = Shrunk(dim);
    Add(std::move(name), std::move(shape), dtype);
  }
  void Linear(const std::string& stem, uint64_t full_in, uint64_t full_out) {
    const uint64_t in = Shrunk(full_in), out = Shrunk(full_out), groups = (in + kGroup - 1) / kGroup;
    Add(stem + ".qweight", {in * kBits / 32, out}, "I32");
    Add(stem + ".qzeros", {groups, out * kBits / 32}, "I32");
    Add(stem + ".scales", {groups, out}, "F16");
    Add(stem + ".g_idx", {in}, "I32");
    if (bias_) Add(stem + ".bias", {out}, "F16");
  }
  void GatedMlp(const std::string& stem, uint64_t hidden, uint64_t width) {
    Linear(stem + "gate_proj", hidden, width);
    Linear(stem + "up_proj", hidden, width);
    Linear(stem + "down_proj", width, hidden);
  }
  MadeModel& model() { return model_; }

 private:
  // Whole words of codes along both dimensions.
  uint64_t Shrunk(uint64_t dim) const { return shrink_ == 1 ? dim : (dim / shrink_ + 7) / 8 * 8; }
  void Add(std::string name, std::vector<uint64_t> shape, const char* dtype) {
    model_.tensors.push_back({std::move(name), dtype, std::move(shape)});
  }

  bool bias_;
  uint64_t shrink_;
  MadeModel model_;
};

MadeModel Qwen2(uint64_t layers, uint64_t hidden, uint64_t inter, uint64_t kv, uint64_t vocab, bool tied,
                uint64_t shards) {
  Maker maker(true);
  maker.Plain("model.embed_tokens.weight", {vocab, hidden});
  for (uint64_t i = 0; i < layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    maker.Plain(layer + "input_layernorm.weight", {hidden});
    maker.Linear(layer + "self_attn.q_proj", hidden, hidden);
    maker.Linear(layer + "self_attn.k_proj", hidden, kv);
    maker.Linear(layer + "self_attn.v_proj", hidden, kv);
    maker.Linear(layer + "self_attn.o_proj", hidden, hidden);
    maker.Plain(layer + "post_attention_layernorm.weight", {hidden});
    maker.GatedMlp(layer + "mlp.", hidden, inter);
  }
  maker.Plain("model.norm.weight", {hidden});
  if (!tied) maker.Plain("lm_head.weight", {vocab, hidden});
  maker.model().shards = shards;
  const auto number = [](uint64_t value) { return std::to_string(value); };
  maker.model().config =
      "{\n  \"architectures\": [\n    \"Qwen2ForCausalLM\"\n  ],\n  \"model_type\": \"qwen2\",\n  \"hidden_size\": " +
      number(hidden) + ",\n  \"intermediate_size\": " + number(inter) +
      ",\n  \"num_hidden_layers\": " + number(layers) + ",\n  \"num_attention_heads\": " + number(hidden / 128) +
      ",\n  \"num_key_value_heads\": " + number(kv / 128) + ",\n  \"vocab_size\": " + number(vocab) +
      ",\n  \"tie_word_embeddings\": " + (tied ? "true" : "false") + ",\n  \"torch_dtype\": \"float16\"\n}\n";
  return maker.model();
}

constexpr uint64_t kHidden = 7168, kHeads = 128, kMoe = 2048;

// One layer of a DeepSeek-V3; `experts` 0: a dense one.
void DeepSeekLayer(Maker& maker, uint64_t number, uint64_t experts) {
  const std::string layer = "model.layers." + std::to_string(number) + ".";
  maker.Plain(layer + "input_layernorm.weight", {kHidden}, "BF16");
  maker.Linear(layer + "self_attn.q_a_proj", kHidden, 1536);
  maker.Plain(layer + "self_attn.q_a_layernorm.weight", {1536}, "BF16");
  maker.Linear(layer + "self_attn.q_b_proj", 1536, kHeads * 192);
  maker.Linear(layer + "self_attn.kv_a_proj_with_mqa", kHidden, 576);
  maker.Plain(layer + "self_attn.kv_a_layernorm.weight", {512}, "BF16");
  maker.Linear(layer + "self_attn.kv_b_proj", 512, kHeads * 256);
  maker.Linear(layer + "self_attn.o_proj", kHeads * 128, kHidden);
  maker.Plain(layer + "post_attention_layernorm.weight", {kHidden}, "BF16");
  if (experts == 0) {
    maker.GatedMlp(layer + "mlp.", kHidden, 18432);
    return;
  }
  maker.Plain(layer + "mlp.gate.weight", {experts, kHidden}, "BF16");
  maker.Plain(layer + "mlp.gate.e_score_correction_bias", {experts}, "F32");
  for (uint64_t e = 0; e < experts; ++e)
    maker.GatedMlp(layer + "mlp.experts." + std::to_string(e) + ".", kHidden, kMoe);
  maker.GatedMlp(layer + "mlp.shared_experts.", kHidden, kMoe);
}

std::string DeepSeekConfig(uint64_t layers) {
  return "{\n  \"architectures\": [\n    \"DeepseekV3ForCausalLM\"\n  ],\n  \"model_type\": \"deepseek_v3\",\n  "
         "\"hidden_size\": 7168,\n"
         "  \"intermediate_size\": 18432,\n  \"moe_intermediate_size\": 2048,\n  \"num_hidden_layers\": " +
         std::to_string(layers) +
         ",\n  \"n_routed_experts\": 256,\n  \"n_shared_experts\": 1,\n  \"first_k_dense_replace\": 3,\n  "
         "\"num_attention_heads\": 128,\n"
         "  \"vocab_size\": 129280,\n  \"q_lora_rank\": 1536,\n  \"kv_lora_rank\": 512,\n  \"torch_dtype\": "
         "\"bfloat16\"\n}\n";
}

MadeModel DeepSeek(uint64_t layers, uint64_t shards, uint64_t at_most, uint64_t shrink = 1) {
  Maker maker(false, shrink);
  maker.Plain("model.embed_tokens.weight", {129280, kHidden}, "BF16");
  for (uint64_t i = 0; i < layers && maker.model().tensors.size() < at_most; ++i)
    DeepSeekLayer(maker, i, i < 3 ? 0 : 256);
  maker.Plain("model.norm.weight", {kHidden}, "BF16");
  maker.Plain("lm_head.weight", {129280, kHidden}, "BF16");
  if (maker.model().tensors.size() > at_most) maker.model().tensors.resize(at_most);
  maker.model().shards = shards;
  maker.model().config = DeepSeekConfig(layers);
  return maker.model();
}

uint64_t WriteShard(std::vector<const MadeTensor*> tensors, const std::filesystem::path& path) {
  std::sort(tensors.begin(), tensors.end(), [](const MadeTensor* a, const MadeTensor* b) {
    const int left = RankOf(a->dtype), right = RankOf(b->dtype);
    return left != right ? left < right : a->name < b->name;
  });
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}";
  uint64_t offset = 0;
  for (const MadeTensor* tensor : tensors) {
    header.append(",\"").append(tensor->name).append("\":{\"dtype\":\"").append(tensor->dtype).append("\",\"shape\":[");
    for (size_t i = 0; i < tensor->shape.size(); ++i)
      header.append(i == 0 ? "" : ",").append(std::to_string(tensor->shape[i]));
    header.append("],\"data_offsets\":[").append(std::to_string(offset)).append(",");
    offset += tensor->bytes();
    header.append(std::to_string(offset)).append("]}");
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  std::ofstream out(path, std::ios::binary);
  const uint64_t length = header.size();
  out.write(reinterpret_cast<const char*>(&length), 8);
  out << header;
  out.close();
  std::filesystem::resize_file(path, 8 + length + offset);
  return length;
}

std::string ShardName(uint64_t number, uint64_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof name, "model-%05llu-of-%05llu.safetensors", static_cast<unsigned long long>(number + 1),
                static_cast<unsigned long long>(count));
  return name;
}

uint64_t WriteIndex(std::vector<std::pair<std::string_view, std::string_view>> entries, uint64_t total,
                    const std::filesystem::path& path) {
  std::sort(entries.begin(), entries.end());
  std::string text =
      "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(total) + "\n  },\n  \"weight_map\": {";
  for (size_t i = 0; i < entries.size(); ++i) {
    text.append(i == 0 ? "\n    \"" : ",\n    \"")
        .append(entries[i].first)
        .append("\": \"")
        .append(entries[i].second)
        .append("\"");
  }
  text += "\n  }\n}\n";
  std::ofstream(path, std::ios::binary) << text;
  return text.size();
}

}  // namespace

uint64_t MadeTensor::bytes() const {
  uint64_t out = WidthOf(dtype);
  for (const uint64_t dim : shape) out *= dim;
  return out;
}

MadeModel Qwen3B() { return Qwen2(36, 2048, 11008, 256, 151936, true, 1); }
// The MLP is padded to 29696, as the Qwen documentation advises for group size 128 and tensor parallelism.
MadeModel Qwen72B() { return Qwen2(80, 8192, 29696, 1024, 152064, false, 11); }
MadeModel DeepSeekR1(uint64_t shrink) { return DeepSeek(61, 80, ~uint64_t{0}, shrink); }

MadeModel Llama(uint64_t layers, uint64_t shrink) {
  Maker maker(false, shrink);
  maker.Plain("model.embed_tokens.weight", {32000, 4096});
  for (uint64_t i = 0; i < layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    maker.Plain(layer + "input_layernorm.weight", {4096});
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      maker.Linear(layer + "self_attn." + name, 4096, 4096);
    }
    maker.Plain(layer + "post_attention_layernorm.weight", {4096});
    maker.GatedMlp(layer + "mlp.", 4096, 11008);
  }
  maker.Plain("model.norm.weight", {4096});
  maker.Plain("lm_head.weight", {32000, 4096});
  maker.model().config = "{\n  \"model_type\": \"llama\",\n  \"torch_dtype\": \"float16\"\n}\n";
  return maker.model();
}

MadeModel OneLinear(uint64_t in, uint64_t out, uint64_t vocab) {
  Maker maker(false);
  maker.Plain("model.embed_tokens.weight", {vocab, 16384});
  maker.Linear("model.layers.0.mlp.up_proj", in, out);
  maker.model().config = "{\n  \"model_type\": \"llama\"\n}\n";
  return maker.model();
}

MadeModel OfSize(uint64_t tensors, bool one_file) {
  constexpr uint64_t kPerLayer = 257 * 12 + 28, kPerShard = 2'250;
  return DeepSeek(tensors / kPerLayer + 4, one_file ? 1 : std::max<uint64_t>(tensors / kPerShard, 1), tensors);
}

Written WriteModel(const MadeModel& model, const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  uint64_t total = 0;
  for (const MadeTensor& tensor : model.tensors) total += tensor.bytes();
  // Equal shares by bytes, in model order.
  std::vector<std::vector<const MadeTensor*>> parts(model.shards);
  uint64_t at = 0;
  const uint64_t share = total / model.shards + 1;
  for (const MadeTensor& tensor : model.tensors) {
    parts[at / share].push_back(&tensor);
    at += tensor.bytes();
  }
  Written out;
  out.tensors = model.tensors.size();
  for (uint64_t i = 0; i < model.shards; ++i) {
    out.files.push_back(ShardName(i, model.shards));
    out.header_bytes += WriteShard(parts[i], directory / out.files.back());
  }
  if (model.shards > 1) {
    std::vector<std::pair<std::string_view, std::string_view>> entries;
    for (uint64_t i = 0; i < model.shards; ++i) {
      for (const MadeTensor* tensor : parts[i]) entries.emplace_back(tensor->name, out.files[i]);
    }
    out.index_bytes = WriteIndex(std::move(entries), total, directory / "model.safetensors.index.json");
  }
  std::ofstream(directory / "config.json", std::ios::binary) << model.config;
  return out;
}

}  // namespace gptq_doctor::bench

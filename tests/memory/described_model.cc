#include "memory/described_model.h"

#include "model/sizes.h"

namespace gptq_doctor::testing {
namespace {

int64_t Groups(int64_t in, int64_t group) { return group <= 0 ? 1 : (in + group - 1) / group; }

class Describer {
 public:
  explicit Describer(const ModelSpec& spec) : spec_(spec) {}

  MemoryModel Run() {
    const int64_t q = spec_.heads * spec_.head_dim, kv = spec_.kv_heads * spec_.head_dim;
    Vector("model.embed_tokens", WeightRole::kEmbedding, 1, 0, spec_.vocab, spec_.hidden);
    if (!spec_.tied || spec_.stored_copy) {
      Vector("lm_head", WeightRole::kHead, 1, 0, spec_.vocab, spec_.hidden);
    }
    Vector("model.norm", WeightRole::kNorm, 1, spec_.hidden);
    Vector("model.layers.*.input_layernorm", WeightRole::kNorm, spec_.layers, spec_.hidden);
    Vector("model.layers.*.post_attention_layernorm", WeightRole::kNorm, spec_.layers, spec_.hidden);
    if (spec_.qk_norm) Vector("model.layers.*.self_attn.q_norm", WeightRole::kNorm, 2 * spec_.layers, spec_.head_dim);
    if (spec_.extra_params > 0) Vector("visual", WeightRole::kTower, 1, spec_.extra_params);
    Linear("self_attn.q_proj", spec_.layers, spec_.hidden, q, spec_.qkv_bias);
    Linear("self_attn.k_proj", spec_.layers, spec_.hidden, kv, spec_.qkv_bias);
    Linear("self_attn.v_proj", spec_.layers, spec_.hidden, kv, spec_.qkv_bias);
    Linear("self_attn.o_proj", spec_.layers, q, spec_.hidden, false);
    const int64_t mlps = spec_.layers * (spec_.experts > 0 ? spec_.experts : 1);
    const int64_t width = spec_.experts > 0 ? spec_.expert_intermediate : spec_.intermediate;
    if (spec_.mlp_matrices == 3) Linear("mlp.gate_proj", mlps, spec_.hidden, width, false);
    Linear("mlp.up_proj", mlps, spec_.hidden, width, false);
    Linear("mlp.down_proj", mlps, width, spec_.hidden, false);
    FillArch();
    return model_;
  }

 private:
  void Vector(const std::string& pattern, WeightRole role, int64_t count, int64_t elements, int64_t out = 0,
              int64_t in = 0) {
    WeightClass c{.pattern = pattern, .role = role, .count = count};
    c.in_features = in;
    c.out_features = out;
    c.elements = in * out;
    c.vector_elements = elements;
    c.stored = 2 * (in * out + elements);
    model_.weights.classes.push_back(c);
  }

  void Linear(const std::string& name, int64_t count, int64_t in, int64_t out, bool bias) {
    WeightClass c{.pattern = "model.layers.*." + name, .role = WeightRole::kLinear, .count = count};
    c.in_features = in;
    c.out_features = out;
    c.elements = in * out;
    c.vector_elements = bias ? out : 0;
    c.linear = true;
    const std::string& precision = spec_.precision;
    if (precision.starts_with("gptq-int")) {
      c.bits = precision.back() - '0';
      c.format = "gptq";
      c.stored = QuantizedBytes({.in_features = in, .out_features = out, .bits = c.bits, .group_size = spec_.group});
    } else if (precision == "awq-int4") {
      c.bits = 4;
      c.format = "awq-gemm";
      c.stored = in * out / 2 + Groups(in, spec_.group) * out / 2 + 2 * Groups(in, spec_.group) * out;
    } else if (precision == "fp8") {
      c.bits = 8;
      c.format = "fp8-block";
      c.stored = in * out + 4 * Groups(in, 128) * Groups(out, 128);
    } else {
      c.stored = 2 * in * out;
    }
    c.quantized = !c.format.empty();
    c.stored += 2 * c.vector_elements;
    model_.quantized = model_.quantized || c.quantized;
    model_.weights.classes.push_back(c);
  }

  void FillArch() {
    ArchFacts& arch = model_.arch;
    arch.layers = spec_.layers;
    arch.hidden = spec_.hidden;
    arch.heads = spec_.heads;
    arch.head_dim = spec_.head_dim;
    arch.kv_heads = spec_.kv_heads;
    arch.intermediate = spec_.intermediate;
    arch.vocab = spec_.vocab;
    arch.max_position = spec_.max_position;
    arch.tied = spec_.tied;
    arch.kv_known = true;
    arch.kv.push_back({spec_.layers, 2 * spec_.kv_heads * spec_.head_dim, spec_.kv_heads, 0});
  }

  const ModelSpec& spec_;
  MemoryModel model_;
};

}  // namespace

MemoryModel Describe(const ModelSpec& spec) { return Describer(spec).Run(); }

ModelSpec Qwen25_3B(const std::string& precision) {
  return {.precision = precision,
          .hidden = 2048,
          .layers = 36,
          .heads = 16,
          .kv_heads = 2,
          .head_dim = 128,
          .intermediate = 11008,
          .vocab = 151936,
          .max_position = 32768,
          .tied = true,
          .qkv_bias = true};
}
ModelSpec Qwen25_7B(const std::string& precision) {
  return {.precision = precision,
          .hidden = 3584,
          .layers = 28,
          .heads = 28,
          .kv_heads = 4,
          .head_dim = 128,
          .intermediate = 18944,
          .vocab = 152064,
          .max_position = 32768,
          .qkv_bias = true};
}
ModelSpec Qwen25_72B(const std::string& precision) {
  return {.precision = precision,
          .hidden = 8192,
          .layers = 80,
          .heads = 64,
          .kv_heads = 8,
          .head_dim = 128,
          .intermediate = 29696,
          .vocab = 152064,
          .max_position = 32768,
          .qkv_bias = true};
}
ModelSpec Qwen3_8B(const std::string& precision) {
  return {.precision = precision,
          .hidden = 4096,
          .layers = 36,
          .heads = 32,
          .kv_heads = 8,
          .head_dim = 128,
          .intermediate = 12288,
          .vocab = 151936,
          .max_position = 40960,
          .qk_norm = true};
}
ModelSpec Llama7B(const std::string& precision) {
  return {.precision = precision,
          .hidden = 4096,
          .layers = 32,
          .heads = 32,
          .kv_heads = 32,
          .head_dim = 128,
          .intermediate = 11008,
          .vocab = 32000,
          .max_position = 2048};
}

}  // namespace gptq_doctor::testing

#ifndef GPTQ_DOCTOR_MEMORY_ARCH_FACTS_H_
#define GPTQ_DOCTOR_MEMORY_ARCH_FACTS_H_

// What the run-time terms of the ledger need to know of an architecture: from config.json, checked against the shapes
// of the tensors, and from these alone where there is no config.json. What neither tells stays unknown and is named.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "memory/weight_table.h"
#include "model/model_config.h"

namespace gptq_doctor {

// Attention layers with equal caches. Widths are elements a token, layer and sequence.
struct KvGroup {
  int64_t layers = 0;
  int64_t width = 0;   // keys and values together
  int64_t heads = 1;   // that a cut over several cards can share out
  int64_t window = 0;  // tokens kept at most; 0: all
};

struct ArchFacts {
  std::string model_type;
  std::optional<int64_t> layers, hidden, heads, head_dim, intermediate, vocab, max_position;
  std::optional<int64_t> kv_heads;
  bool max_position_assumed = false;  // the family's default: sizes tables, limits no context
  bool tied = false;
  bool kv_known = false;
  std::vector<KvGroup> kv;
  // DeepSeek's latent cache, what engines keep; `kv` then holds the expanded heads of eager code. Empty for others.
  std::vector<KvGroup> latent;
  int64_t state_bytes = 0;  // of linear-attention and Mamba layers, constant a sequence
  bool from_tensors = false;
  std::vector<std::string> assumptions, left_out;

  // Bytes of the cache of one sequence of `tokens`, at `bits` bits an element.
  int64_t KvBytes(int64_t tokens, int64_t bits, bool use_latent) const;
  // Of one further token while no window is full.
  int64_t KvPerToken(int64_t bits, bool use_latent) const { return KvBytes(1, bits, use_latent); }
  // The largest share of one layer.
  int64_t KvOfOneLayer(int64_t tokens, int64_t bits, bool use_latent) const;
  const std::vector<KvGroup>& Groups(bool use_latent) const { return use_latent && !latent.empty() ? latent : kv; }
};

ArchFacts ReadArchFacts(const ModelConfig& config, const WeightTable& weights);

// What each of the model's layers keeps of the past (attention_layout.cc). `known` false: the pattern cannot be told.
enum class LayerKind : uint8_t { kFull, kWindow, kLinear, kNone };
struct AttentionLayout {
  bool known = false;
  std::vector<LayerKind> layers;
  int64_t window = 0;
  bool uniform_by_default = false;  // nothing said otherwise: every layer attends to everything
  std::vector<std::string> assumptions;
};
AttentionLayout ReadAttentionLayout(const ModelConfig& config, int64_t layers);

// A positive integer below 2^40, by the first of these keys that has one.
std::optional<int64_t> PositiveInt(const ModelConfig& config, std::initializer_list<std::string_view> keys);
std::optional<int64_t> PositiveInt(const JsonValue* object, std::string_view key);

// Facts that shapes alone tell (arch_tensors.cc).
struct ShapeFacts {
  std::optional<int64_t> layers, hidden, vocab, intermediate;
  int64_t kv_layers = 0;           // layers with key and value projections of their own
  std::vector<KvGroup> kv;         // one group a shape; heads unknown
  std::optional<int64_t> q_width;  // of the widest query projection
  // Latent attention: outputs of kv_a_proj_with_mqa (latent and rotary part) and of kv_b_proj (keys and values).
  int64_t latent_width = 0, latent_layers = 0, latent_expanded = 0;
};
ShapeFacts ReadShapeFacts(const WeightTable& weights);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_ARCH_FACTS_H_

#ifndef GPTQ_DOCTOR_LOADERS_FACTS_H_
#define GPTQ_DOCTOR_LOADERS_FACTS_H_

// One digest of an Examination for all loaders: per module class what its tensors are, where the module sits and how an
// engine would split it. Work is per class, never per module. Knows no loader.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/examination.h"
#include "loaders/profile.h"

namespace gptq_doctor {

enum class Part : uint8_t { kLinear, kExpert, kSharedExpert, kRouter, kLmHead, kVision, kEmbedding, kOther };

struct ClassDigest {
  uint32_t id = 0;
  int64_t count = 0;
  std::string_view pattern;  // folded name
  std::string_view stem;     // of the first member in natural order
  std::string_view leaf;     // last part of the name
  Part part = Part::kOther;
  bool gptq = false;          // owns packed GPTQ tensors, complete or not
  bool foreign = false;       // owns tensors of another quantization format
  bool dense_linear = false;  // a matrix `.weight` that stands for a linear layer
  bool in_blocks = false;     // inside a numbered layer
  bool row_parallel = false;  // tensor parallelism splits its inputs
  std::string_view fused;     // "qkv_proj", "gate_up_proj" where engines merge it with its siblings
  std::string block_prefix;   // "model.layers"
  std::optional<int> bits;
  int64_t in_features = 0, out_features = 0, groups = 0;
  std::optional<int64_t> group_size;  // -1: one group
  const TensorRecord *qweight = nullptr, *qzeros = nullptr, *scales = nullptr, *g_idx = nullptr, *bias = nullptr,
                     *weight = nullptr;
  GIdxKind order = GIdxKind::kNotRead;  // the worst of the members that were read
  ZeroKind zeros = ZeroKind::kNotRead;
  bool no_width = false;              // the rows of qweight are those of no bits
  std::optional<bool> bias_expected;  // by the architecture
  bool bias_zero_known = false;
};

// What one `dynamic` object does to a class.
struct DynamicEffect {
  int64_t excluded = 0;                     // members that a "-:" rule takes out
  int64_t ruled = 0;                        // members that another rule hits
  int64_t changed = 0;                      // of these, members whose bits or group_size it sets
  bool uniform = true;                      // every member not taken out gets the same bits and group_size
  bool unknown = false;                     // a pattern that cannot be judged stands before the deciding one
  std::optional<int64_t> bits, group_size;  // of the first member a rule changes
  std::vector<const JsonMember*> rules;     // that hit members and take none out, in order of first use
  const JsonMember* fault = nullptr;        // a rule that some member reaches and that is no regular expression
  std::string_view first_excluded;          // name of the first member taken out
};

// "model.layers.0.self_attn.qkv_proj" for "model.layers.0.self_attn.q_proj", "...mlp.experts" for an expert.
std::string EngineName(const ClassDigest& digest, std::string_view stem);

struct ModelFacts {
  const Examination* exam = nullptr;
  std::vector<ClassDigest> classes;
  int64_t quantized_modules = 0, foreign_modules = 0;
  int64_t quantized_tensors = 0;  // tensors of GPTQ modules
  std::optional<bool> act_order;  // some g_idx really permutes; empty: cannot be told
  bool any_g_idx = false, all_g_idx = false;
  bool experts = false;                       // quantized or dense experts exist
  bool pickles_only = false;                  // weights only in .bin or .pt
  std::string model_type, class_name, dtype;  // from config.json; dtype without "torch."
  bool tied = false;
  std::string first_tensor;  // of the GPTQ tensors, in bytewise name order
  const ClassDigest* first_class = nullptr;
  // The model as plain layers: elements of every quantized matrix, model biases and dense tensors.
  int64_t dense_elements = 0;
  int64_t stored_bytes = 0;    // all tensors as they lie on disk
  int64_t resident_bytes = 0;  // the same without zero biases that the architecture lacks

  int64_t layers = 0;  // highest layer number of the main stack + 1, from the files
  // Plain layers that the files hold nothing of: of the norms in every layer, the final norm, the embeddings and an
  // output head that is not tied, where the files hold others of them.
  std::vector<std::string> absent;
  std::string config_clash;  // sizes of config.json that the tensors contradict, one sentence; "" if none

  const ClassDigest* Find(std::string_view pattern) const;
  // Computed on first use, kept by section and style; not thread-safe.
  const std::vector<DynamicEffect>& EffectsOf(const JsonValue& dynamic, NameStyle style) const;

 private:
  struct KeptEffects {
    const JsonValue* dynamic;
    NameStyle style;
    std::vector<DynamicEffect> effects;
  };
  mutable std::deque<KeptEffects> effects_;
};

ModelFacts DigestModel(const Examination& exam);

// Number of the layer that a stem lies in: the first all-digit part behind `prefix`; -1 if none.
int64_t LayerNumber(std::string_view stem, std::string_view prefix);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_FACTS_H_

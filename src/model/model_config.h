#ifndef GPTQ_DOCTOR_MODEL_MODEL_CONFIG_H_
#define GPTQ_DOCTOR_MODEL_MODEL_CONFIG_H_

// config.json: architecture and sizes, also from nested text_config (multimodal models). The quantization section is
// left to gptq/.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace gptq_doctor {

struct ModelConfig {
  bool present = false;   // the file exists
  bool readable = false;  // its text could be parsed, strictly or with certain repairs
  std::string text;       // the file's bytes
  JsonDocument json;
  std::string model_type;
  std::vector<std::string> architectures;
  std::string dtype;  // torch_dtype, or `dtype` as transformers 5 writes it: "float16", ...
  // Sizes, looked up at the top level, then in text_config, llm_config, language_config, thinker_config.text_config;
  // with the older families' names (n_embd, n_layer, n_head, n_inner, ffn_hidden_size, num_layers,
  // multi_query_group_num, ...).
  std::optional<int64_t> hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads,
      head_dim, vocab_size, max_position_embeddings, moe_intermediate_size, num_experts;
  std::optional<bool> tie_word_embeddings;
  std::string nested_in;  // "text_config" where sizes came from there

  // The member at the top level or in the nested text config; null if absent.
  const JsonValue* Find(std::string_view key) const;
};

// `text` is config.json's bytes.
ModelConfig ReadModelConfig(std::string text);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_MODEL_CONFIG_H_

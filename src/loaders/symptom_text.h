#ifndef GPTQ_DOCTOR_LOADERS_SYMPTOM_TEXT_H_
#define GPTQ_DOCTOR_LOADERS_SYMPTOM_TEXT_H_

// What a pasted message says, read as text alone: wordings, tensor names, numbers.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gptq_doctor {

// Lower case, runs of white space as one space, typographic quotes as plain ones: messages come through chats and
// terminals. At most the first 20,000 bytes.
std::string NormalizeMessage(std::string_view text);

// Length of the longest of the alternatives ("a|b") that `text` holds; 0 where it holds none.
size_t FindAlternative(std::string_view alternatives, std::string_view text);

// How many bytes of a message template ("bits {b} is not supported") stand in the normalized `plain` text, in order,
// whatever the fields hold; 0 where one of its pieces is missing or they are too short to tell one message from
// another. The first line alone counts, and not the exception's name before it.
size_t CoverOfTemplate(std::string_view text, std::string_view plain);

// Tensor names in a normalized text: "model.layers.0.mlp.down_proj.qweight", "lm_head.weight".
std::vector<std::string_view> TensorNamesIn(std::string_view plain);

// Non-negative integers of the text, at most sixteen.
std::vector<int64_t> NumbersIn(std::string_view text);
// The number behind `label` ("prob_m = "); -1 where there is none.
int64_t NumberAfter(std::string_view text, std::string_view label);

// The text looks like a model's output that went wrong: one character over and over, replacement characters, many
// changes between scripts.
bool LooksGarbled(std::string_view text);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_SYMPTOM_TEXT_H_

#ifndef GPTQ_DOCTOR_LOADERS_WORDS_H_
#define GPTQ_DOCTOR_LOADERS_WORDS_H_

// Lists of space-separated words, as the rows hold them.

#include <string_view>

namespace gptq_doctor {

// Whether `accepts` takes one of the words.
template <typename Accepts>
bool AnyWord(std::string_view words, Accepts accepts) {
  while (!words.empty()) {
    const size_t space = words.find(' ');
    const std::string_view word = words.substr(0, space);
    if (!word.empty() && accepts(word)) return true;
    if (space == std::string_view::npos) return false;
    words.remove_prefix(space + 1);
  }
  return false;
}

inline bool HasWord(std::string_view words, std::string_view wanted) {
  return AnyWord(words, [&](std::string_view word) { return word == wanted; });
}

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_WORDS_H_

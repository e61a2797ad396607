#ifndef GPTQ_DOCTOR_GPTQ_NAME_FOLD_H_
#define GPTQ_DOCTOR_GPTQ_NAME_FOLD_H_

// Folds the all-digit parts of module names to '*' and keeps the numbers, so that modules can be grouped by what is
// left and put into natural order by the numbers alone. The folded text is that of FoldNumbers in base/text.h.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gptq_doctor {

struct FoldedName {
  std::string text;
  std::vector<uint32_t> numbers;
  // The numbers do not stand for the name: one has a leading zero or more than nine digits, or a part is a literal '*'.
  bool irregular = false;

  void Fold(std::string_view name);
};

// Where the folded parts of a pattern stand, ascending.
void AppendStars(std::string_view pattern, std::vector<uint32_t>& stars);
// True where folding `name` gives `pattern`, whose stars those are, with regular numbers; appends them to `numbers`,
// which is left alone otherwise.
bool MatchesFolded(std::string_view name, std::string_view pattern, std::span<const uint32_t> stars,
                   std::vector<uint32_t>& numbers);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_NAME_FOLD_H_

#ifndef GPTQ_DOCTOR_GPTQ_MODULE_PATTERN_H_
#define GPTQ_DOCTOR_GPTQ_MODULE_PATTERN_H_

// The regular expressions that `dynamic` uses as keys, and what a set of settings gives to a module by its name.
// Matching is Python's re.match: from the start of the name, not necessarily to its end. Patterns come from untrusted
// files: time is linear in the name, whatever the pattern, and a list of patterns has a budget of steps. Back
// references, look-behind, inline flags and named groups are not supported: such a pattern does not compile and its
// effect is unknown.

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/quant_config.h"

namespace gptq_doctor {

class ModulePattern {
 public:
  static std::optional<ModulePattern> Compile(std::string_view pattern);
  // Takes its steps off `budget`; false, whatever is true, where that falls below 0.
  bool Matches(std::string_view name, int64_t& budget) const;
  size_t size() const { return program_.size(); }  // instructions

  enum class Op : uint8_t { kSet, kSplit, kJump, kStart, kEnd, kBoundary, kLook, kAccept };
  struct Instruction {
    Op op = Op::kAccept;
    bool negate = false;  // kLook, kBoundary
    uint32_t x = 0;  // kSet: number of the set; kSplit, kJump: target; kLook: first instruction after the assertion
    uint32_t y = 0;  // kSplit: second target
  };

 private:
  friend class PatternCompiler;
  bool Run(uint32_t start, std::string_view name, size_t at, int depth, int64_t& budget) const;

  std::string prefix_;  // what every match begins with
  std::vector<Instruction> program_;
  std::vector<std::bitset<256>> sets_;
};

// The patterns of one `dynamic`, in file order. All share a budget of steps: a few lines can stand for patterns that
// take minutes over the names of a large model.
class PatternList {
 public:
  void Add(std::string_view pattern);
  size_t size() const { return patterns_.size(); }
  // Whether pattern `i` matches. Empty where that cannot be judged: it is not supported, or the budget is used up.
  std::optional<bool> Matches(size_t i, std::string_view name) const;

 private:
  std::vector<std::optional<ModulePattern>> patterns_;
  mutable int64_t budget_ = 60'000'000;  // steps, a quarter of a second
};

// Settings by module name: `dynamic` over the base, in file order, the first match decides (GPTQModel
// quantization/config.py, dynamic_get).
class SettingsByName {
 public:
  explicit SettingsByName(const Quantization& settings);
  struct Setting {
    bool excluded = false;              // a "-:" pattern matches: the module is not quantized
    const DynamicRule* rule = nullptr;  // the one that decided; null: the base
    std::optional<int> bits;
    std::optional<int64_t> group_size;
    std::optional<bool> sym;
  };
  // Empty where a pattern that cannot be judged stands before the deciding one.
  std::optional<Setting> Of(std::string_view module) const;

 private:
  const Quantization& settings_;
  PatternList patterns_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_MODULE_PATTERN_H_

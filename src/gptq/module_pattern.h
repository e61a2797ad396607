#ifndef GPTQ_DOCTOR_GPTQ_MODULE_PATTERN_H_
#define GPTQ_DOCTOR_GPTQ_MODULE_PATTERN_H_

// The regular expressions that `dynamic` uses as keys, and what a set of settings gives to a module by its name.
// Matching is Python's re.match: from the start of the name, not necessarily to its end. Time is linear in the name,
// whatever the pattern: patterns come from untrusted files. Back references, look-behind, inline flags and named groups
// are not supported: such a pattern does not compile and its effect is unknown.

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "gptq_doctor/quant_config.h"

namespace gptq_doctor {

class ModulePattern {
 public:
  static std::optional<ModulePattern> Compile(std::string_view pattern);
  bool Matches(std::string_view name) const;

  enum class Op : uint8_t { kSet, kSplit, kJump, kStart, kEnd, kBoundary, kLook, kAccept };
  struct Instruction {
    Op op = Op::kAccept;
    bool negate = false;  // kLook, kBoundary
    uint32_t x = 0;  // kSet: number of the set; kSplit, kJump: target; kLook: first instruction after the assertion
    uint32_t y = 0;  // kSplit: second target
  };

 private:
  friend class PatternCompiler;
  bool Run(uint32_t start, std::string_view name, size_t at, int depth) const;

  std::vector<Instruction> program_;
  std::vector<std::bitset<256>> sets_;
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
  // Every pattern could be compiled.
  bool complete() const { return complete_; }

 private:
  const Quantization& settings_;
  std::vector<std::optional<ModulePattern>> patterns_;
  bool complete_ = true;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_MODULE_PATTERN_H_

// Declared settings against the shapes of every quantized module.

#include "base/text.h"
#include "gptq/module_pattern.h"
#include "model/sizes.h"
#include "repair/settled_settings.h"

namespace gptq_doctor {
namespace {

// Bits and groups of one class against what is declared for one of its modules; empty where they agree.
std::string Disagreement(const ClassFacts& facts, const SettingsByName::Setting& given) {
  if (given.excluded) return "is quantized, the declared `dynamic` excludes it";
  if (facts.bits && given.bits != facts.bits) {
    return "has " + std::to_string(*facts.bits) + " bits, declared are " +
           (given.bits ? std::to_string(*given.bits) : "none");
  }
  if (!given.group_size) return "has no declared group_size";
  const int64_t size = *given.group_size;
  if (size == 0 || size < -1) return "is given the impossible group_size " + std::to_string(size);
  if (facts.in_features <= 0 || facts.groups <= 0) return "";
  const int64_t groups = GroupsOf(facts.in_features, size);
  if (groups != facts.groups) {
    return "has " + std::to_string(facts.groups) + " groups over " + std::to_string(facts.in_features) +
           " inputs, group_size " + std::to_string(size) + " makes " + std::to_string(groups);
  }
  if (facts.groups > 1 && facts.group_size && *facts.group_size != size) {
    return "has group_size " + std::to_string(*facts.group_size) + ", declared is " + std::to_string(size);
  }
  return "";
}

}  // namespace

DeclaredVerdict JudgeDeclared(const Quantization& declared, const Examination& exam) {
  DeclaredVerdict verdict;
  const SettingsByName by_name(declared);
  const Inventory& inventory = exam.inventory;
  for (size_t c = 0; c < inventory.classes.size() && c < exam.quant.classes.size(); ++c) {
    const ClassFacts& facts = exam.quant.classes[c];
    if (!facts.gptq) continue;
    for (uint32_t number : inventory.members(inventory.classes[c])) {
      const std::string_view stem = inventory.modules[number].stem;
      const auto given = by_name.Of(stem);
      if (!given) {
        if (verdict.agreement == Agreement::kRight) verdict.agreement = Agreement::kUndecided;
        continue;
      }
      const std::string problem = Disagreement(facts, *given);
      if (!problem.empty()) {
        verdict.agreement = Agreement::kWrong;
        if (verdict.wrong++ == 0) {
          verdict.first_wrong = stem;
          verdict.detail = EscapeTerminal(stem) + " " + problem;
        }
      }
      if (declared.dynamic.empty()) {  // the same for every member of the class
        if (!problem.empty()) verdict.wrong += inventory.classes[c].count - 1;
        break;
      }
    }
  }
  return verdict;
}

}  // namespace gptq_doctor

// Packed tensors of another layout (marlin, AWQ, ...) under a configuration that says gptq.

#include <string>

#include "gptq/format_table.h"
#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {

bool StageForeign(Walk& walk) {
  if (walk.facts.foreign_modules == 0 || walk.dense_model) return true;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (!digest.foreign || !digest.in_blocks) continue;
    const ModuleClass& source = walk.exam.inventory.classes[digest.id];
    const FormatRow& row = FormatTable()[static_cast<size_t>(source.format)];
    const Module& module = walk.exam.inventory.modules[source.representative];
    const auto components = walk.exam.inventory.components(module);
    const std::string leaf(components.empty() ? std::string_view("qweight")
                                              : walk.exam.inventory.SuffixName(components.front().suffix));
    const std::string detail = Modules(walk.facts.foreign_modules) + " hold " + std::string(row.title) +
                               " tensors, no GPTQ ones (" + std::string(digest.pattern) + ")";
    const TensorFacts& facts = walk.profile.tensors;
    if (row.family == "marlin" && facts.unexpected == Unexpected::kRejects) {
      walk.Remedy("set checkpoint_format (AutoGPTQ 0.7: is_marlin_format) to marlin, or fetch the original weights");
      return walk.Rejects("tensors", "stops: " + detail, facts.source,
                          "ValueError: QuantLinear() does not have a parameter or a buffer named " + leaf + ".");
    }
    if (row.family == "marlin") {
      walk.Degrade(Outcome::kGarbage, "tensors",
                   detail + ": they fit no layer, which stays " + std::string(facts.missing_value), facts.source,
                   walk.Message(facts.unexpected_message, {{"name", std::string(digest.stem) + "." + leaf}}));
      return false;
    }
    walk.Degrade(Outcome::kUnknown, "tensors", detail + "; what this loader makes of them is not examined",
                 facts.source);
    return false;
  }
  return true;
}

}  // namespace gptq_doctor

// Family 1: what files declare against what the tensors are.

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/dotted_name.h"
#include "base/text.h"
#include "gptq/module_pattern.h"
#include "model/sizes.h"
#include "rules/checks.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

bool Proved(const Evidence* evidence) {
  return evidence != nullptr && evidence->value.index() != 0 &&
         (evidence->confidence == Confidence::kCertain || evidence->confidence == Confidence::kInferred);
}

// The declared bits of one module class are wrong. Where the header leaves several candidates, only a value outside of
// them is.
bool BitsDiffer(const ClassFacts& facts, int declared) {
  if (facts.bits) return *facts.bits != declared;
  return !facts.bits_candidates.empty() &&
         std::find(facts.bits_candidates.begin(), facts.bits_candidates.end(), declared) == facts.bits_candidates.end();
}

bool GroupsDiffer(const ClassFacts& facts, int64_t declared) {
  if (facts.in_features <= 0 || facts.groups <= 0 || facts.float_zeros) return false;
  if (facts.group_size == declared) return false;
  if (declared == 0 || declared < -1) return true;
  if (declared == -1) return facts.groups != 1;
  return GroupsOf(facts.in_features, declared) != facts.groups;
}

// Modules of one class that a file describes wrongly in the same way.
struct Wrong {
  const DynamicRule* rule = nullptr;
  bool excluded = false, bits = false, group_size = false;
  std::optional<int> declared_bits;
  std::optional<int64_t> declared_group;
  bool operator==(const Wrong&) const = default;
  bool any() const { return excluded || bits || group_size; }
};

Wrong Judge(const ClassFacts& facts, const SettingsByName::Setting& setting) {
  Wrong wrong;
  wrong.rule = setting.rule;
  wrong.excluded = setting.excluded;
  if (setting.excluded) return wrong;
  wrong.declared_bits = setting.bits;
  wrong.declared_group = setting.group_size;
  wrong.bits = setting.bits && BitsDiffer(facts, *setting.bits);
  wrong.group_size = setting.group_size && GroupsDiffer(facts, *setting.group_size);
  return wrong;
}

std::string GroupWord(const ClassFacts& facts) {
  if (facts.group_size) return std::to_string(*facts.group_size);
  return std::to_string(facts.groups) + " groups of " + std::to_string(facts.in_features) + " channels";
}

std::string Consequence(const std::string& key) {
  return key == "bits" ? "the packed shapes" : "the rows of scales and qzeros";
}

void AddMismatch(const RuleInput& input, const QuantConfigFile& file, const Wrong& wrong, const ClassFacts& facts,
                 Observation named, FindingSink& sink) {
  const bool dynamic = wrong.rule != nullptr;
  const auto add = [&](std::string_view code, const std::string& key, const std::string& declared,
                       const std::string& actual) {
    Observation report = KeyReport(file, dynamic ? "dynamic" : key);
    report.names = named.names;
    report.count = named.count;
    report.value = declared + "|" + actual;
    report.cause = key + " " + report.value + (dynamic ? " " + wrong.rule->pattern : std::string());
    if (dynamic) {
      report.message = "{names}: the entry `" + wrong.rule->pattern + "` of dynamic in " + file.file + " says " + key +
                       " " + declared + ", the tensors say " + actual;
    } else {
      report.message = "{names}: " + PlaceName(file) + " says " + key + " " + declared + ", the tensors say " + actual;
    }
    report.evidence.push_back("proved by " + Consequence(key));
    report.fix = FixCommand(input, "certain", "write the settings that the tensors prove");
    sink.Add(code, std::move(report));
  };
  if (wrong.excluded) {
    Observation report = KeyReport(file, "dynamic");
    report.names = named.names;
    report.count = named.count;
    report.value = wrong.rule->pattern;
    report.cause = "excluded " + wrong.rule->pattern;
    report.message = "{names}: quantized, although the entry `-:" + wrong.rule->pattern + "` of dynamic in " +
                     file.file + " excludes it";
    report.fix = FixCommand(input, "certain", "write the entries that the tensors prove");
    sink.Add("GD116", std::move(report));
    return;
  }
  if (wrong.bits && wrong.declared_bits) {
    add(dynamic ? "GD116" : "GD106", "bits", std::to_string(*wrong.declared_bits),
        facts.bits ? std::to_string(*facts.bits) : "something else");
  }
  if (wrong.group_size && wrong.declared_group) {
    add(dynamic ? "GD116" : "GD107", "group_size", std::to_string(*wrong.declared_group), GroupWord(facts));
  }
}

// Without per-module settings one member speaks for its class.
void CheckClass(const RuleInput& input, const QuantConfigFile& file, const SettingsByName& by_name, uint32_t class_id,
                FindingSink& sink) {
  const Examination& exam = input.exam;
  const ClassFacts& facts = exam.quant.classes[class_id];
  if (file.settings.dynamic.empty()) {
    const auto setting = by_name.Of(Representative(exam, class_id).stem);
    if (!setting) return;
    const Wrong wrong = Judge(facts, *setting);
    if (!wrong.any()) return;
    Observation named;
    NameClass(input, sink, class_id, named);
    AddMismatch(input, file, wrong, facts, std::move(named), sink);
    return;
  }
  std::vector<std::pair<Wrong, Observation>> causes;
  for (uint32_t module : exam.inventory.members(exam.inventory.classes[class_id])) {
    const auto setting = by_name.Of(exam.inventory.modules[module].stem);
    if (!setting) continue;
    const Wrong wrong = Judge(facts, *setting);
    if (!wrong.any()) continue;
    auto found = std::find_if(causes.begin(), causes.end(), [&](const auto& cause) { return cause.first == wrong; });
    if (found == causes.end()) found = causes.insert(causes.end(), {wrong, Observation()});
    if (found->second.names.size() < sink.limit()) NameModule(input, module, found->second);
    ++found->second.count;
  }
  for (auto& [wrong, named] : causes) AddMismatch(input, file, wrong, facts, std::move(named), sink);
}

// Settings of other tools by module, which SettingsByName does not know.
bool HasForeignOverrides(const QuantConfigFile& file) {
  const JsonValue* extra = file.Find("extra_config");
  return extra != nullptr && extra->IsObject() && !extra->members.empty() && file.settings.dynamic.empty();
}

void AddContradiction(const RuleInput& input, const QuantConfigFile& file, std::string_view key,
                      const std::string& declared, const Evidence& evidence, std::string_view consequence,
                      FindingSink& sink) {
  Observation report = KeyReport(file, key);
  const std::string actual = SpellSetting(evidence.value);
  report.cause = key;
  report.value = declared + "|" + actual;
  report.confidence = evidence.confidence;
  if (evidence.confidence != Confidence::kCertain) report.severity = Severity::kWarning;
  report.message = PlaceName(file) + " says " + std::string(key) + " " + declared + ", the tensors say " + actual +
                   ": " + std::string(consequence);
  for (const Fact& fact : evidence.facts) report.evidence.push_back(fact.source + ": " + fact.detail);
  report.fix = FixCommand(input, "certain", "write what the tensors prove");
  sink.Add(std::move(report));
}

// 2, 4 and 8 bits are the same bytes in gptq_v2 and gptq_p.
bool SameFormat(const Examination& exam, const std::string& declared, const std::string& actual) {
  if (declared == actual) return true;
  const bool both_plain =
      (declared == "gptq_v2" || declared == "gptq_p") && (actual == "gptq_v2" || actual == "gptq_p");
  if (!both_plain) return false;
  return std::all_of(exam.quant.classes.begin(), exam.quant.classes.end(), [](const ClassFacts& facts) {
    return !facts.gptq || facts.bits == 2 || facts.bits == 4 || facts.bits == 8;
  });
}

}  // namespace

void CheckDeclaredSettings(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.quant.is_gptq) return;
  for (const QuantConfigFile* file : GptqFiles(exam)) {
    if (HasForeignOverrides(*file)) continue;
    const SettingsByName by_name(file->settings);
    for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
      const ClassFacts& facts = exam.quant.classes[c];
      if (!facts.gptq || !facts.contradiction.empty()) continue;
      // lm_head has a key, and a default, of its own.
      if (LastPart(exam.inventory.classes[c].pattern) == "lm_head" && file->settings.lm_head != true) continue;
      CheckClass(input, *file, by_name, c, sink);
    }
  }
}

void CheckSym(const RuleInput& input, FindingSink& sink) {
  const Evidence* evidence = EvidenceOf(input.exam, "sym");
  if (!Proved(evidence)) return;
  const bool* actual = std::get_if<bool>(&evidence->value);
  if (actual == nullptr) return;
  for (const QuantConfigFile* file : GptqFiles(input.exam)) {
    if (!file->settings.sym || *file->settings.sym == *actual || HasForeignOverrides(*file)) continue;
    AddContradiction(input, *file, "sym", *actual ? "false" : "true", *evidence,
                     *actual ? "slow kernels, or a refusal by GPTQModel"
                             : "Marlin kernels ignore the zero points and compute garbage",
                     sink);
  }
}

void CheckFormat(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const Evidence* evidence = EvidenceOf(exam, "checkpoint_format");
  if (!Proved(evidence)) return;
  const std::string* actual = std::get_if<std::string>(&evidence->value);
  if (actual == nullptr) return;
  constexpr std::string_view kKnown[] = {"gptq", "gptq_v2", "gptq_p"};
  for (const QuantConfigFile* file : GptqFiles(exam)) {
    const std::string declared = file->settings.checkpoint_format.value_or("gptq");
    // Formats of other tensors (marlin, ...) are a matter of the method.
    if (std::find(std::begin(kKnown), std::end(kKnown), declared) == std::end(kKnown)) continue;
    if (SameFormat(exam, declared, *actual)) continue;
    const std::string word = file->settings.checkpoint_format ? declared : declared + " (by leaving it out)";
    AddContradiction(input, *file, "checkpoint_format", word, *evidence,
                     "kernels that read the zero points shift every weight by one step", sink);
  }
}

void CheckDescAct(const RuleInput& input, FindingSink& sink) {
  const Evidence* evidence = EvidenceOf(input.exam, "desc_act");
  if (!Proved(evidence) || std::get_if<bool>(&evidence->value) == nullptr || !std::get<bool>(evidence->value)) return;
  for (const QuantConfigFile* file : GptqFiles(input.exam)) {
    if (file->settings.desc_act != false) continue;
    AddContradiction(input, *file, "desc_act", "false", *evidence,
                     "kernels that trust it use the scales of the wrong group", sink);
  }
}

void CheckPackDtype(const RuleInput& input, FindingSink& sink) {
  const Evidence* evidence = EvidenceOf(input.exam, "pack_dtype");
  if (!Proved(evidence)) return;
  const std::string* actual = std::get_if<std::string>(&evidence->value);
  if (actual == nullptr) return;
  for (const QuantConfigFile* file : GptqFiles(input.exam)) {
    if (!file->settings.pack_dtype || *file->settings.pack_dtype == *actual) continue;
    AddContradiction(input, *file, "pack_dtype", *file->settings.pack_dtype, *evidence,
                     "tensors of other shapes are allocated", sink);
  }
}

void CheckLmHead(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.quant.is_gptq || !WholeDirectory(input) || !exam.tensors.missing_names.empty()) return;
  bool quantized = false, dense = false;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (LastPart(exam.inventory.classes[c].pattern) != "lm_head") continue;
    (IsGptqClass(exam, c) ? quantized : dense) = true;
  }
  for (const QuantConfigFile* file : GptqFiles(exam)) {
    const bool declared = file->settings.lm_head == true;
    const JsonValue* extra = file->Find("extra_config");
    const bool listed = extra != nullptr && extra->Find("lm_head") != nullptr;
    if ((quantized && dense) || listed || (quantized ? declared : !declared)) continue;
    if (!quantized && !dense && exam.configs.model.tie_word_embeddings != true) continue;  // no head here at all
    Observation report = KeyReport(*file, "lm_head");
    report.cause = "lm_head";
    report.value = quantized ? "quantized" : "dense";
    report.message = quantized ? "lm_head is quantized and " + PlaceName(*file) +
                                     (file->settings.lm_head ? " says lm_head false" : " does not say lm_head true")
                               : PlaceName(*file) + " says lm_head true and the head is dense";
    report.fix = FixCommand(input, "certain", "write the lm_head that the tensors prove");
    sink.Add(std::move(report));
  }
}

}  // namespace gptq_doctor

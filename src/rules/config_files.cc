// Family 1: presence and form of the settings, without a look at the tensors' numbers.

#include <algorithm>
#include <cctype>
#include <string>

#include "base/json.h"
#include "base/text.h"
#include "infer/unread.h"
#include "rules/checks.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

bool AnyOf(const Examination& exam, ConfigReading reading) {
  return std::any_of(exam.configs.files.begin(), exam.configs.files.end(),
                     [&](const QuantConfigFile& file) { return file.reading == reading; });
}

// Settings of config.json itself, also nested.
bool IsSection(const QuantConfigFile& file) { return !file.pointer.empty(); }

void AddMissingKey(const RuleInput& input, const QuantConfigFile& file, std::string_view key, Severity severity,
                   std::string_view who, FindingSink& sink) {
  Observation report;
  report.file = file.file;
  report.pointer = file.pointer;
  report.cause = key;
  report.severity = severity;
  report.message = PlaceName(file) + " lacks " + std::string(key) + ", which " + std::string(who);
  if (input.exam.quant.is_gptq) report.fix = FixCommand(input, "certain", "add the keys that the tensors prove");
  sink.Add(std::move(report));
}

// One line about the first defect that keeps a strict reader from the file.
std::string Describe(const JsonDefect& defect) {
  return defect.message.empty() ? ToString(defect.kind) : defect.message;
}

void AddMalformed(const RuleInput& input, const std::string& file, const JsonDocument& json, const std::string& detail,
                  FindingSink& sink) {
  Observation report;
  report.file = file;
  report.cause = "malformed";
  // Duplicate keys are legal JSON and have a rule of their own.
  const auto first = std::find_if(json.defects.begin(), json.defects.end(),
                                  [](const JsonDefect& d) { return d.kind != JsonDefectKind::kDuplicateKey; });
  if (!json.valid && first != json.defects.end()) {
    report.line = first->place.line;
    report.column = first->place.column;
    report.value = ToString(first->kind);
    report.message = file + " is not valid JSON at line " + std::to_string(first->place.line) + ", column " +
                     std::to_string(first->place.column) + ": " + Describe(*first);
    if (json.repairable) report.fix = FixCommand(input, "certain", "mend the syntax");
  } else {
    report.message = file + " is malformed" + (detail.empty() ? "" : ": " + detail);
  }
  sink.Add(std::move(report));
}

bool IsGptqInCapitals(std::string_view method) {
  return std::equal(method.begin(), method.end(), std::begin("GPTQ"), std::end("GPTQ") - 1,
                    [](char a, char b) { return a == b || a == b + ('a' - 'A'); });
}

// Numbers and booleans in quotes: no loader turns them into what they spell, and Python takes "false" for true.
void CheckQuoted(const RuleInput& input, const QuantConfigFile& file, FindingSink& sink) {
  for (std::string_view key : {"bits", "group_size", "desc_act", "sym"}) {
    const JsonValue* value = file.Find(key);
    if (value == nullptr || value->AsString() == nullptr) continue;
    Observation report = KeyReport(file, key);
    report.cause = "quoted " + std::string(key);
    report.value = *value->AsString();
    report.severity = Severity::kError;
    report.message = PlaceName(file) + ": " + std::string(key) + " is the text " + JsonQuote(*value->AsString()) +
                     ", where loaders want a " + (key == "bits" || key == "group_size" ? "number" : "boolean");
    if (input.exam.quant.is_gptq) report.fix = FixCommand(input, "certain", "write the value without quotes");
    sink.Add(std::move(report));
  }
}

struct Declared {
  std::string_view key;
  std::optional<std::string> value;
};

// What a reader of this file takes; an absent checkpoint_format means gptq to every loader.
std::vector<Declared> DeclaredValues(const QuantConfigFile& file) {
  const Quantization& s = file.settings;
  const auto number = [](const auto& value) { return value ? std::optional(std::to_string(*value)) : std::nullopt; };
  const auto boolean = [](std::optional<bool> value) {
    return value ? std::optional<std::string>(*value ? "true" : "false") : std::nullopt;
  };
  return {{"bits", number(s.bits)},
          {"group_size", number(s.group_size)},
          {"sym", boolean(s.sym)},
          {"desc_act", boolean(s.desc_act)},
          {"checkpoint_format", s.checkpoint_format ? s.checkpoint_format : std::optional<std::string>("gptq")},
          {"pack_dtype", s.pack_dtype},
          {"lm_head", boolean(s.lm_head)}};
}

size_t SpelledSize(const JsonValue& value) { return value.range.end - value.range.begin; }

}  // namespace

void CheckConfigMissing(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const std::string kind = exam.kind();
  // Other formats that loaders know by quant_method alone; the rest have markers of their own.
  constexpr std::string_view kByMethod[] = {"awq", "compressed-tensors", "fp8", "bitsandbytes", "marlin", "qqq"};
  const bool foreign = std::find(std::begin(kByMethod), std::end(kByMethod), kind) != std::end(kByMethod);
  if ((!exam.quant.is_gptq && !foreign) || !WholeDirectory(input)) return;
  if (!GptqFiles(exam).empty() || AnyOf(exam, ConfigReading::kMalformed) || AnyOf(exam, ConfigReading::kForeign))
    return;
  // A config.json that cannot be read may hold the section; it has its own finding.
  if (exam.configs.model.present && !exam.configs.model.readable) return;
  if (IsUnread(exam, {FileRole::kConfig, FileRole::kQuantizeConfig, FileRole::kQuantConfig})) return;
  Observation report;
  report.cause = "missing";
  report.message = "no file tells a loader that this is " + (exam.quant.is_gptq ? std::string("GPTQ") : kind) +
                   ": loaders that need one stop, others run it dense with random weights";
  report.evidence.push_back(
      "looked for quantize_config.json, quant_config.json, quantization_config.json and quantization_config in "
      "config.json");
  if (exam.quant.is_gptq)
    report.fix = FixCommand(input, "certain", "write quantize_config.json and config.json's quantization_config");
  sink.Add(std::move(report));
}

void CheckQuantizeConfigAbsent(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.quant.is_gptq || !WholeDirectory(input) || exam.dir.Has("quantize_config.json")) return;
  const auto files = GptqFiles(exam);
  const auto section =
      std::find_if(files.begin(), files.end(), [](const QuantConfigFile* file) { return IsSection(*file); });
  if (section == files.end()) return;
  Observation report;
  report.file = (*section)->file;
  report.pointer = (*section)->pointer;
  report.cause = "absent";
  report.message =
      "the settings stand in config.json only: AutoGPTQ before 0.8, GPTQModel around 1.5, TGI up to 1.0 and optimum "
      "look for quantize_config.json";
  report.fix = FixCommand(input, "certain", "write quantize_config.json");
  sink.Add(std::move(report));
}

void CheckSectionAbsent(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.quant.is_gptq || !WholeDirectory(input) || !exam.configs.model.readable) return;
  const auto files = GptqFiles(exam);
  if (files.empty()) return;
  const bool any_section = std::any_of(
      exam.configs.files.begin(), exam.configs.files.end(),
      [](const QuantConfigFile& file) { return IsSection(file) && file.reading != ConfigReading::kAbsent; });
  if (any_section) return;
  Observation report;
  report.file = "config.json";
  report.cause = "absent";
  report.message =
      "config.json has no quantization_config, the only place where transformers looks; the settings stand in " +
      files.front()->file;
  report.fix = FixCommand(input, "certain", "add quantization_config to config.json");
  sink.Add(std::move(report));
}

void CheckIncomplete(const RuleInput& input, FindingSink& sink) {
  for (const QuantConfigFile* file : GptqFiles(input.exam)) {
    const Quantization& s = file->settings;
    if (!s.bits) AddMissingKey(input, *file, "bits", Severity::kError, "every loader needs", sink);
    if (!s.group_size)
      AddMissingKey(input, *file, "group_size", Severity::kError, "vLLM needs and others replace by a default", sink);
    if (IsSection(*file) && !file->quant_method) {
      AddMissingKey(input, *file, "quant_method", Severity::kError,
                    "tells transformers and vLLM that the model is quantized", sink);
    }
    // Methods of other tools have other keys.
    if (file->quant_method && *file->quant_method != "gptq") continue;
    if (!s.desc_act) AddMissingKey(input, *file, "desc_act", Severity::kWarning, "vLLM and SGLang insist on", sink);
    if (!s.sym)
      AddMissingKey(input, *file, "sym", Severity::kWarning, "the Marlin path of vLLM and SGLang insists on", sink);
  }
}

void CheckMalformed(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  bool config_json = false;
  for (const QuantConfigFile& file : exam.configs.files) {
    const bool broken = !file.text.empty() && !file.json.valid;
    if (file.reading != ConfigReading::kMalformed && !broken) continue;
    if (file.file == "config.json") {
      if (config_json) continue;
      config_json = true;
    }
    AddMalformed(input, file.file, file.json, file.detail, sink);
  }
  if (!config_json && exam.configs.model.present && !exam.configs.model.json.valid) {
    AddMalformed(input, "config.json", exam.configs.model.json, "", sink);
  }
}

void CheckFilesDisagree(const RuleInput& input, FindingSink& sink) {
  const auto files = GptqFiles(input.exam);
  for (size_t i = 1; i < files.size(); ++i) {
    const auto first = DeclaredValues(*files[0]);
    const auto other = DeclaredValues(*files[i]);
    for (size_t k = 0; k < first.size(); ++k) {
      if (!first[k].value || !other[k].value || *first[k].value == *other[k].value) continue;
      Observation report = KeyReport(*files[i], first[k].key);
      report.cause = first[k].key;
      report.value = *first[k].value + "|" + *other[k].value;
      report.message = std::string(first[k].key) + " is " + *first[k].value + " in " + PlaceName(*files[0]) + " and " +
                       *other[k].value + " in " + PlaceName(*files[i]);
      const Evidence* evidence = EvidenceOf(input.exam, first[k].key);
      if (evidence != nullptr && evidence->confidence != Confidence::kUnknown && evidence->value.index() != 0) {
        report.evidence.push_back("the tensors say " + SpellSetting(evidence->value));
        report.fix = FixCommand(input, "certain", "write what the tensors prove into both files");
      }
      sink.Add(std::move(report));
    }
    for (std::string_view key : {"disable_exllama", "use_exllama", "use_cuda_fp16"}) {
      const JsonValue* a = files[0]->Find(key);
      const JsonValue* b = files[i]->Find(key);
      if (a == nullptr || b == nullptr || !a->AsBool() || !b->AsBool() || a->AsBool() == b->AsBool()) continue;
      Observation report = KeyReport(*files[i], key);
      report.cause = key;
      report.severity = Severity::kWarning;
      report.message = std::string(key) + " is " + (*a->AsBool() ? "true" : "false") + " in " + PlaceName(*files[0]) +
                       " and " + (*b->AsBool() ? "true" : "false") + " in " + PlaceName(*files[i]) +
                       ": which kernel runs depends on the file that is read";
      sink.Add(std::move(report));
    }
  }
}

void CheckSelfContradiction(const RuleInput& input, FindingSink& sink) {
  for (const QuantConfigFile& file : input.exam.configs.files) {
    if (!DeclaresGptq(file)) continue;
    for (const KeyProblem& problem : file.problems) {
      if (!problem.contradiction) continue;
      Observation report = KeyReport(file, problem.key);
      report.pointer = problem.pointer.empty() ? report.pointer : problem.pointer;
      report.line = problem.place.line;
      report.column = problem.place.column;
      report.cause = problem.key;
      constexpr std::string_view kSwitches[] = {"use_exllama", "disable_exllama", "exllama_config", "use_cuda_fp16"};
      const bool harmless = std::find(std::begin(kSwitches), std::end(kSwitches), problem.key) != std::end(kSwitches);
      report.severity = harmless ? Severity::kWarning : Severity::kError;
      report.message = PlaceName(file) + ": " + problem.message;
      sink.Add(std::move(report));
    }
    const JsonValue* use = file.Find("use_exllama");
    const JsonValue* disable = file.Find("disable_exllama");
    if (use == nullptr || disable == nullptr || use->AsBool() != disable->AsBool() || !use->AsBool()) continue;
    Observation report = KeyReport(file, "disable_exllama");
    report.cause = "exllama switches";
    report.message =
        PlaceName(file) + ": use_exllama and disable_exllama are both " + (*use->AsBool() ? "true" : "false");
    sink.Add(std::move(report));
  }
}

void CheckSpelling(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  for (const QuantConfigFile& file : exam.configs.files) {
    if (!DeclaresGptq(file)) continue;
    CheckQuoted(input, file, sink);
    const JsonValue* marlin = file.Find("is_marlin_format");
    if (marlin != nullptr && marlin->AsBool() == true && exam.quant.is_gptq) {
      Observation report = KeyReport(file, "is_marlin_format");
      report.cause = "is_marlin_format";
      report.severity = Severity::kError;
      report.message =
          PlaceName(file) + " says is_marlin_format, and the tensors are plain GPTQ: loaders look for B and s";
      report.fix = FixCommand(input, "certain", "remove is_marlin_format");
      sink.Add(std::move(report));
    }
    for (const auto& [found, meant] : file.aliases) {
      // Current GPTQModel writes `format` and `method` beside the common keys, and `damp` has no bearing on loading.
      if (found == "format" || found == "method" || file.Find(meant) != nullptr) continue;
      if (meant != "bits" && meant != "group_size" && meant != "sym" && meant != "desc_act") continue;
      Observation report = KeyReport(file, found);
      report.cause = found;
      report.message = PlaceName(file) + " says " + found + " where loaders look for " + meant;
      report.fix = FixCommand(input, "certain", "use the common spelling");
      sink.Add(std::move(report));
    }
    if (file.quant_method && *file.quant_method != "gptq" && file.method_family == "gptq") {
      Observation report = KeyReport(file, "quant_method");
      report.cause = "quant_method";
      report.message = PlaceName(file) + " says quant_method " + *file.quant_method;
      if (IsGptqInCapitals(*file.quant_method)) {
        report.message += ": transformers compares the name exactly, skips the quantization and builds dense layers";
        report.fix = FixCommand(input, "certain", "use the common spelling");
      } else {
        report.severity = Severity::kNote;
        report.message += ": loaders without support for that name refuse it, although the tensors are GPTQ";
      }
      sink.Add(std::move(report));
    }
  }
}

void CheckCalibrationData(const RuleInput& input, FindingSink& sink) {
  for (const QuantConfigFile& file : input.exam.configs.files) {
    const JsonValue* dataset = file.Find("dataset");
    if (dataset == nullptr) continue;
    const bool list = dataset->kind == JsonKind::kArray && !dataset->items.empty();
    // Names of data sets ("wikitext2", "c4-new") are short.
    const bool long_text = dataset->kind == JsonKind::kString && SpelledSize(*dataset) > 1000;
    if (!list && !long_text) continue;
    Observation report = KeyReport(file, "dataset");
    report.value = std::to_string(SpelledSize(*dataset));
    report.cause = "dataset";
    report.message =
        PlaceName(file) + " holds the calibration data: " + FormatBytes(SpelledSize(*dataset)) +
        (list ? " in " + FormatCount(dataset->items.size()) + (dataset->items.size() == 1 ? " entry" : " entries")
              : std::string());
    report.fix = FixCommand(input, "certain", "remove dataset");
    sink.Add(std::move(report));
  }
}

void CheckNamesake(const RuleInput& input, FindingSink& sink) {
  for (const QuantConfigFile& file : input.exam.configs.files) {
    if (file.reading != ConfigReading::kNamesake) continue;
    Observation report;
    report.file = file.file;
    report.cause = "namesake";
    report.message = file.file + " is not a GPTQ configuration" + (file.detail.empty() ? "" : ": " + file.detail);
    sink.Add(std::move(report));
  }
}

}  // namespace gptq_doctor

// Family 1: which modules the files declare quantized, and by which method.

#include <algorithm>
#include <set>
#include <string>

#include "base/dotted_name.h"
#include "base/text.h"
#include "gptq/format_table.h"
#include "gptq/module_pattern.h"
#include "gptq/pattern_fault.h"
#include "rules/checks.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

// Names of parts and the fused module that vLLM and SGLang build of them (packed_modules_mapping of their model
// classes).
struct FusedName {
  std::string_view part, fused;
};
constexpr FusedName kFusedNames[] = {{"q_proj", "qkv_proj"},
                                     {"k_proj", "qkv_proj"},
                                     {"v_proj", "qkv_proj"},
                                     {"gate_proj", "gate_up_proj"},
                                     {"up_proj", "gate_up_proj"}};

// Whether any module the entry applies to exists, and whether it hits parts of a fused group without the group.
struct PatternUse {
  bool matched = false;
  bool parts_only = false;
};

// Empty where the entry cannot be judged.
std::optional<PatternUse> UseOf(const Examination& exam, const PatternList& patterns, size_t entry) {
  PatternUse use;
  for (const Module& module : exam.inventory.modules) {
    const std::optional<bool> matches = patterns.Matches(entry, module.stem);
    if (!matches) return std::nullopt;
    if (!*matches) continue;
    use.matched = true;
    if (module.stem.find(".experts.") != std::string_view::npos) continue;
    const std::string_view last = LastPart(module.stem);
    for (const FusedName& name : kFusedNames) {
      if (last != name.part) continue;
      const std::string fused = std::string(ParentPart(module.stem)) + "." + std::string(name.fused);
      if (patterns.Matches(entry, fused) == false) use.parts_only = true;
    }
    if (use.parts_only) break;
  }
  return use;
}

void CheckEntry(const RuleInput& input, const QuantConfigFile& file, const PatternList& patterns, size_t entry,
                FindingSink& sink) {
  const DynamicRule& rule = file.settings.dynamic[entry];
  const std::string spelled = (rule.exclude ? "-:" : "") + rule.pattern;
  Observation report = KeyReport(file, "dynamic");
  report.value = spelled;
  report.cause = spelled;
  if (const auto fault = FindPatternFault(rule.pattern)) {
    report.message = PlaceName(file) + ": the key `" + spelled +
                     "` of dynamic is no regular expression: " + std::string(fault->what) + " at position " +
                     std::to_string(fault->at);
    sink.Add("GD126", std::move(report));
    return;
  }
  const std::optional<PatternUse> use = UseOf(input.exam, patterns, entry);
  if (!use) return;
  if (!use->matched) {
    if (rule.exclude) report.severity = Severity::kNote;
    report.message = PlaceName(file) + ": the entry `" + spelled + "` of dynamic matches no module";
    sink.Add("GD115", std::move(report));
  } else if (use->parts_only) {
    report.message =
        PlaceName(file) + ": the entry `" + spelled +
        "` of dynamic matches parts of a fused layer and not its fused name: vLLM and SGLang never apply it";
    sink.Add("GD117", std::move(report));
  }
}

// "model.layers.3.mlp.down_proj" -> "mlp.down_proj": the name inside its block, empty outside of blocks.
std::string_view NameInBlock(std::string_view stem) {
  for (size_t at = 0; at < stem.size();) {
    const size_t dot = stem.find('.', at);
    if (dot == std::string_view::npos) return {};
    const std::string_view part = stem.substr(at, dot - at);
    if (!part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return stem.substr(dot + 1);
    at = dot + 1;
  }
  return {};
}

void Flatten(const JsonValue& value, std::set<std::string, std::less<>>& out) {
  if (const std::string* text = value.AsString()) out.insert(*text);
  for (const JsonValue& item : value.items) Flatten(item, out);
}

// Listed itself, or through a name it ends with ("experts.3.w1" is listed as "w1" nowhere, but
// "block_sparse_moe.experts.3.w1" may be).
bool Listed(const std::set<std::string, std::less<>>& list, std::string_view name) {
  return list.contains(name) || list.contains(FoldNumbers(name));
}

bool IsEncoder(std::string_view stem) {
  constexpr std::string_view kWords[] = {"visual", "vision",       "audio",
                                         "image_", "mm_projector", "multi_modal_projector"};
  const std::string_view head = stem.substr(0, std::min<size_t>(stem.size(), 60));
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return head.find(word) != std::string_view::npos; });
}

// A file that says which modules are left out, in whatever way.
bool DeclaresModules(const QuantConfigFile& file) {
  for (std::string_view key : {"modules_in_block_to_quantize", "extra_config", "modules_to_not_convert",
                               "inside_layer_modules", "ignored_layers"}) {
    const JsonValue* value = file.Find(key);
    if (value != nullptr && (!value->items.empty() || !value->members.empty())) return true;
  }
  return false;
}

// Patterns of blocks with quantized modules: "model.layers.*".
std::set<std::string, std::less<>> QuantizedBlocks(const Examination& exam) {
  std::set<std::string, std::less<>> out;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsGptqClass(exam, c)) continue;
    const std::string& pattern = exam.inventory.classes[c].pattern;
    const size_t star = pattern.find(".*.");
    if (star != std::string::npos) out.insert(pattern.substr(0, star + 2));
  }
  return out;
}

std::string QuantizedList(const Examination& exam) {
  std::set<std::string, std::less<>> names;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsGptqClass(exam, c)) continue;
    const std::string_view name = NameInBlock(Representative(exam, c).stem);
    if (!name.empty()) names.insert(FoldNumbers(name));
  }
  std::string out = "[";
  for (const std::string& name : names) out += (out.size() > 1 ? ", [" : "[") + JsonQuote(name) + "]";
  return out + "]";
}

}  // namespace

void CheckDynamic(const RuleInput& input, FindingSink& sink) {
  if (!input.exam.quant.is_gptq || !WholeDirectory(input) || !input.exam.tensors.missing_names.empty()) return;
  for (const QuantConfigFile* file : GptqFiles(input.exam)) {
    const std::vector<DynamicRule>& rules = file->settings.dynamic;
    PatternList patterns;
    for (const DynamicRule& rule : rules) patterns.Add(rule.pattern);
    for (size_t i = 0; i < rules.size(); ++i) CheckEntry(input, *file, patterns, i, sink);
  }
}

void CheckMethod(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const std::string kind = exam.kind();
  constexpr std::string_view kUndecided[] = {"", "dense", "unknown", "empty", "mixed"};
  if (std::find(std::begin(kUndecided), std::end(kUndecided), kind) != std::end(kUndecided)) return;
  for (const QuantConfigFile& file : exam.configs.files) {
    std::string declared;
    if (DeclaresGptq(file)) {
      declared = file.settings.checkpoint_format == "marlin" ||
                         (file.Find("is_marlin_format") != nullptr && file.Find("is_marlin_format")->AsBool() == true)
                     ? "marlin"
                     : "gptq";
      // Plain tensors under is_marlin_format have a finding of their own.
      if (declared == "marlin" && file.settings.checkpoint_format != "marlin") continue;
    } else if (file.reading == ConfigReading::kForeign) {
      declared = file.method_family.empty() ? file.quant_method.value_or("") : file.method_family;
    }
    if (declared.empty() || declared == kind) continue;
    // AutoRound and GPTQModel write several formats under their own method's name.
    const bool umbrella =
        file.quant_method && (file.quant_method->starts_with("auto-round") ||
                              file.quant_method->starts_with("auto_round") || file.quant_method->starts_with("intel/"));
    if (umbrella) continue;
    // Repacked layouts go by checkpoint_format: quant_method gptq alone means plain GPTQ tensors.
    const bool repacked = kind == "marlin" || kind == "bitblas";
    const bool labelled = file.settings.checkpoint_format && file.settings.checkpoint_format->starts_with(kind);
    const bool known = !(repacked && declared == "gptq" && !labelled) &&
                       std::any_of(FormatTable().begin(), FormatTable().end(), [&](const FormatRow& row) {
                         return row.family == kind && std::find(row.config_methods.begin(), row.config_methods.end(),
                                                                declared) != row.config_methods.end();
                       });
    if (known) continue;
    Observation report =
        KeyReport(file, file.settings.checkpoint_format == "marlin" ? "checkpoint_format" : "quant_method");
    report.cause = "method";
    report.value = declared + "|" + kind;
    report.message = PlaceName(file) + " declares " + declared + ", and the tensors are " + kind;
    for (const ModuleClass& cls : exam.inventory.classes) {
      if (cls.format < 0) continue;
      const FormatRow& row = FormatTable()[static_cast<size_t>(cls.format)];
      if (row.family != kind) continue;
      report.evidence.push_back(cls.pattern + ": " + std::string(row.why));
      break;
    }
    sink.Add(std::move(report));
  }
}

void CheckDeclaredDense(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (exam.kind() != "dense" || !WholeDirectory(input) || !exam.tensors.missing_names.empty() ||
      exam.inventory.classes.empty())
    return;
  const bool all_read = std::all_of(exam.tensors.shards.begin(), exam.tensors.shards.end(),
                                    [](const ShardHeader& shard) { return shard.readable; });
  if (!all_read) return;
  for (const QuantConfigFile& file : exam.configs.files) {
    if (!DeclaresGptq(file) && file.reading != ConfigReading::kForeign) continue;
    Observation report = KeyReport(file, "quant_method");
    report.cause = "dense";
    const std::string bits =
        file.settings.bits ? " at " + std::to_string(*file.settings.bits) + " bits" : std::string();
    report.message =
        PlaceName(file) + " declares a quantization" + bits + ", and every tensor is dense: no compression was won";
    sink.Add(std::move(report));
  }
}

void CheckNotQuantized(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (exam.kind() != "dense" || !WholeDirectory(input)) return;
  const bool declared = std::any_of(
      exam.configs.files.begin(), exam.configs.files.end(),
      [](const QuantConfigFile& file) { return DeclaresGptq(file) || file.reading == ConfigReading::kForeign; });
  if (declared) return;
  Observation report;
  report.cause = "dense";
  report.message = "the model is not quantized: `--quantization gptq` cannot help, it does not quantize";
  sink.Add(std::move(report));
}

void CheckModuleList(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.quant.is_gptq || !WholeDirectory(input)) return;
  for (const QuantConfigFile* file : GptqFiles(exam)) {
    const JsonValue* value = file->Find("modules_in_block_to_quantize");
    if (value == nullptr || value->items.empty()) continue;
    std::set<std::string, std::less<>> list;
    Flatten(*value, list);
    for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
      const std::string_view name = NameInBlock(Representative(exam, c).stem);
      if (name.empty()) continue;
      const bool quantized = IsGptqClass(exam, c);
      const bool listed = Listed(list, name);
      if (quantized == listed || (!quantized && !IsDenseLinear(exam, c))) continue;
      Observation report = KeyReport(*file, "modules_in_block_to_quantize");
      report.cause = quantized ? "not listed" : "listed";
      report.value = quantized ? "not listed" : "listed";
      const std::string place = report.file;
      NameClass(input, sink, c, report);
      report.message = quantized
                           ? "{names}: quantized, and modules_in_block_to_quantize of " + place + " does not list it"
                           : "{names}: dense, although modules_in_block_to_quantize of " + place + " lists it";
      report.evidence.push_back("the tensors' list: " + QuantizedList(exam));
      sink.Add(std::move(report));
    }
  }
}

std::vector<uint32_t> UndeclaredDense(const RuleInput& input) {
  const Examination& exam = input.exam;
  const auto files = GptqFiles(exam);
  if (!exam.quant.is_gptq || files.empty()) return {};
  if (std::any_of(files.begin(), files.end(), [](const QuantConfigFile* file) { return DeclaresModules(*file); }))
    return {};
  const SettingsByName by_name(files.front()->settings);
  const auto blocks = QuantizedBlocks(exam);
  std::vector<uint32_t> out;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsDenseLinear(exam, c)) continue;
    const std::string_view stem = Representative(exam, c).stem;
    const std::string& pattern = exam.inventory.classes[c].pattern;
    const size_t star = pattern.find(".*.");
    // Multi-token-prediction layers and the like follow rules of their own.
    if (star == std::string::npos || IsEncoder(stem) || !blocks.contains(pattern.substr(0, star + 2))) continue;
    const auto setting = by_name.Of(stem);
    if (setting && !setting->excluded) out.push_back(c);
  }
  return out;
}

void CheckDenseUndeclared(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const auto files = GptqFiles(exam);
  if (!exam.quant.is_gptq || files.empty() || !WholeDirectory(input)) return;
  Observation inside, routers;
  for (uint32_t c : UndeclaredDense(input))
    NameClass(input, sink, c, IsRouter(exam.inventory.classes[c].pattern) ? routers : inside);
  if (!inside.names.empty()) {
    inside.cause = "blocks";
    inside.message =
        "{names}: dense inside quantized blocks, and no setting says so; transformers with optimum and vLLM before "
        "0.11 expect qweight there";
    inside.evidence.push_back("modules_in_block_to_quantize would be " + QuantizedList(exam));
    sink.Add(std::move(inside));
  }
  if (!routers.names.empty()) {
    // As in every official mixture of experts; current loaders know.
    routers.cause = "routers";
    routers.severity = Severity::kNote;
    routers.message =
        "{names}: a dense router, and no setting says so; transformers with optimum and vLLM before 0.11 expect "
        "qweight there";
    routers.evidence.push_back("modules_in_block_to_quantize would be " + QuantizedList(exam));
    sink.Add(std::move(routers));
  }
  if (std::any_of(files.begin(), files.end(), [](const QuantConfigFile* file) {
        return DeclaresModules(*file) || !file->settings.dynamic.empty();
      }))
    return;
  Observation encoder;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (IsDenseLinear(exam, c) && exam.inventory.classes[c].pattern.find(".*.") != std::string::npos &&
        IsEncoder(Representative(exam, c).stem)) {
      NameClass(input, sink, c, encoder);
    }
  }
  if (encoder.names.empty()) return;
  encoder.cause = "encoder";
  encoder.severity = Severity::kNote;
  encoder.message =
      "{names}: an encoder that was left dense, and no setting says so; vLLM up to 0.6.3 expects qweight there";
  sink.Add(std::move(encoder));
}

}  // namespace gptq_doctor

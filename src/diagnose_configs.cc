// Each configuration file's state: as it reads, and against what the tensors prove.

#include <algorithm>

#include "diagnose.h"

namespace gptq_doctor {
namespace {

std::string StateOf(ConfigReading reading) {
  switch (reading) {
    case ConfigReading::kAbsent:
      return "absent";
    case ConfigReading::kValid:
      return "valid";
    case ConfigReading::kIncomplete:
      return "incomplete";
    case ConfigReading::kConflicting:
      return "conflicting";
    case ConfigReading::kMalformed:
      return "malformed";
    case ConfigReading::kNamesake:
      return "namesake";
    case ConfigReading::kForeign:
      return "foreign";
  }
  return "absent";
}

const Evidence* EvidenceOf(const InferredQuant& quant, std::string_view key) {
  for (const Evidence& evidence : quant.evidence) {
    if (evidence.key == key) return &evidence;
  }
  return nullptr;
}

// Only what is proved from tensors may call a file wrong; a value taken from a file cannot.
bool Proves(const InferredQuant& quant, std::string_view key) {
  const Evidence* evidence = EvidenceOf(quant, key);
  return evidence != nullptr &&
         (evidence->confidence == Confidence::kCertain || evidence->confidence == Confidence::kInferred);
}

class Comparison {
 public:
  Comparison(const Examination& exam, const Quantization& declared, std::vector<std::string>& problems)
      : quant_(exam.quant), declared_(declared), problems_(problems) {}

  void Run() {
    const Quantization& found = quant_.base;
    if (declared_.bits && found.bits && *declared_.bits != *found.bits) {
      Add("bits", std::to_string(*declared_.bits), std::to_string(*found.bits));
    }
    CompareGroupSize();
    // A declared act-order with sequential g_idx is lawful (static groups, one group); the reverse is not.
    if (declared_.desc_act == false && found.desc_act == true) Add("desc_act", "false", "true");
    if (declared_.sym && found.sym && *declared_.sym != *found.sym) {
      Add("sym", *declared_.sym ? "true" : "false", *found.sym ? "true" : "false");
    }
    CompareText("checkpoint_format", declared_.checkpoint_format, found.checkpoint_format);
    CompareText("pack_dtype", declared_.pack_dtype, found.pack_dtype);
  }

 private:
  // A declared group size is right where it fits every module that follows the base settings.
  void CompareGroupSize() {
    if (!declared_.group_size || !quant_.base.group_size || *declared_.group_size == *quant_.base.group_size) return;
    const int64_t declared = *declared_.group_size;
    for (const ClassFacts& facts : quant_.classes) {
      if (!facts.gptq || facts.groups <= 0 || facts.group_size != quant_.base.group_size) continue;
      const bool one = facts.groups == 1 && (declared < 0 || declared >= facts.in_features);
      const bool inside = declared >= facts.group_min && (facts.group_max == 0 || declared <= facts.group_max);
      if (one || inside) continue;
      Add("group_size", std::to_string(declared), std::to_string(*quant_.base.group_size));
      return;
    }
  }

  void CompareText(const char* key, const std::optional<std::string>& declared,
                   const std::optional<std::string>& found) {
    if (declared && found && *declared != *found) Add(key, *declared, *found);
  }

  void Add(const char* key, const std::string& declared, const std::string& found) {
    if (!Proves(quant_, key)) return;
    problems_.push_back(std::string(key) + " is " + declared + " here, the tensors say " + found);
  }

  const InferredQuant& quant_;
  const Quantization& declared_;
  std::vector<std::string>& problems_;
};

ConfigState StateOf(const Examination& exam, const QuantConfigFile& file) {
  ConfigState state{.file = file.file, .state = StateOf(file.reading), .detail = file.detail};
  if (file.reading == ConfigReading::kAbsent) return state;
  state.quant_method = file.quant_method;
  for (const auto& [key, value] : file.keys) state.keys.push_back(key);
  if (file.reading == ConfigReading::kMalformed) {
    for (const JsonDefect& defect : file.json.defects) {
      if (defect.kind == JsonDefectKind::kDuplicateKey) continue;
      state.line = defect.place.line;
      state.column = defect.place.column;
      break;
    }
  }
  if (file.reading != ConfigReading::kNamesake && file.reading != ConfigReading::kForeign)
    state.settings = file.settings;
  for (const KeyProblem& problem : file.problems) state.problems.push_back(problem.message);
  if (exam.quant.is_gptq && state.settings && file.reading != ConfigReading::kMalformed) {
    const size_t before = state.problems.size();
    Comparison(exam, *state.settings, state.problems).Run();
    if (state.problems.size() > before) {
      state.state = "conflicting";
      state.detail = state.problems[before];
    }
  }
  return state;
}

}  // namespace

std::vector<ConfigState> DescribeConfigs(const Examination& exam) {
  std::vector<ConfigState> states;
  for (const std::string_view name : {"quantize_config.json", "config.json"}) {
    const QuantConfigFile* file = exam.configs.Get(name);
    if (file != nullptr) {
      states.push_back(StateOf(exam, *file));
      continue;
    }
    ConfigState absent{.file = std::string(name)};
    absent.detail = exam.dir.Has(name) ? "has no quantization_config" : "no such file";
    states.push_back(std::move(absent));
  }
  for (const QuantConfigFile& file : exam.configs.files) {
    if (file.file != "quantize_config.json" && file.file != "config.json") states.push_back(StateOf(exam, file));
  }
  return states;
}

}  // namespace gptq_doctor

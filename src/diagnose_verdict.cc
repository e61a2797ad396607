// The first lines of every report: what this is, what is wrong with it, what repairs it.

#include <algorithm>

#include "base/text.h"
#include "diagnose.h"
#include "infer/unread.h"

namespace gptq_doctor {
namespace {

const ConfigState* StateOf(const Diagnosis& diagnosis, std::string_view file) {
  for (const ConfigState& state : diagnosis.configs) {
    if (state.file == file) return &state;
  }
  return nullptr;
}

bool IsUsable(const ConfigState* state) {
  return state != nullptr && (state->state == "valid" || state->state == "incomplete" || state->state == "conflicting");
}

int64_t CountFiles(const Diagnosis& diagnosis, std::string_view role, std::string_view state) {
  return std::count_if(diagnosis.files.begin(), diagnosis.files.end(),
                       [&](const FileRow& row) { return row.role == role && row.state == state; });
}

std::string Plural(int64_t count, std::string_view one, std::string_view many) {
  return FormatCount(static_cast<uint64_t>(count)) + " " + std::string(count == 1 ? one : many);
}

std::string FormatTitle(const Examination& exam, const std::string& family) {
  for (const ModuleClass& c : exam.inventory.classes) {
    if (c.format < 0) continue;
    const FormatRow& row = FormatTable()[static_cast<size_t>(c.format)];
    if (row.family == family) return std::string(row.title);
  }
  return family;
}

bool HasRole(const Examination& exam, FileRole role) {
  return std::any_of(exam.dir.files.begin(), exam.dir.files.end(),
                     [&](const ModelFile& file) { return file.role == role; });
}

// Weights in formats that are not read: nothing is missing, it is another kind of model.
bool HasOtherWeights(const Examination& exam) {
  return HasRole(exam, FileRole::kGguf) || HasRole(exam, FileRole::kOnnx) || HasRole(exam, FileRole::kPickleWeights);
}

std::string WithoutTensors(const Examination& exam) {
  if (exam.tensors.shards.empty()) {
    if (HasRole(exam, FileRole::kGguf)) return "a GGUF model, which llama.cpp reads as it is; it holds no GPTQ tensors";
    if (HasRole(exam, FileRole::kOnnx)) return "an ONNX model; it holds no GPTQ tensors";
    if (HasRole(exam, FileRole::kPickleWeights)) {
      return "weights in pickle files, which are not read since they may run code: convert them to safetensors first";
    }
    return "configuration without weights: the download is not finished, or the weights lie elsewhere";
  }
  return "no tensor could be read: the format is unknown";
}

std::string VerdictOf(const Examination& exam, const Diagnosis& diagnosis) {
  if (exam.quant.is_gptq && diagnosis.quantization) {
    const bool proved = diagnosis.modules_quantized > 0;
    std::string verdict = proved ? "GPTQ" : "declared to be GPTQ";
    const std::string words = SettingsInWords(*diagnosis.quantization);
    if (!words.empty()) verdict += ", " + words;
    if (!proved) verdict += "; no tensor is here to prove it";
    if (diagnosis.settings.size() > 1) {
      verdict += "; " + Plural(static_cast<int64_t>(diagnosis.settings.size()), "setting", "different settings") +
                 " among its modules";
    }
    return verdict;
  }
  if (diagnosis.kind == "dense") return "not quantized: every weight is dense";
  if (diagnosis.kind == "empty" || diagnosis.kind == "unknown") return WithoutTensors(exam);
  return FormatTitle(exam, diagnosis.kind) + ", not GPTQ";
}

void WeightProblems(const Examination& exam, const Diagnosis& diagnosis, std::vector<std::string>& missing) {
  const auto add = [&](std::string_view state, std::string_view one, std::string_view many) {
    if (const int64_t count = CountFiles(diagnosis, "weights", state)) missing.push_back(Plural(count, one, many));
  };
  add("lfs-pointer", "weight file is a git-lfs pointer: the weights were never downloaded (git lfs pull)",
      "weight files are git-lfs pointers: the weights were never downloaded (git lfs pull)");
  add("missing", "weight file that the index names is missing: no loader can build the whole model",
      "weight files that the index names are missing: no loader can build the whole model");
  add("partial", "weight file is incomplete: download it again", "weight files are incomplete: download them again");
  add("foreign", "weight file is no safetensors file, whatever its name says",
      "weight files are no safetensors files, whatever their names say");
  add("invalid", "weight file has a header that no loader accepts", "weight files have headers that no loader accepts");
  add("dangling", "weight file is a link to nothing: the download did not finish",
      "weight files are links to nothing: the download did not finish");
  add("unreadable", "weight file could not be read", "weight files could not be read");
  const bool any = std::any_of(diagnosis.files.begin(), diagnosis.files.end(),
                               [](const FileRow& row) { return row.role == "weights"; });
  if (!any && !HasOtherWeights(exam)) {
    missing.push_back("no weight file is here: the download is not finished, or the weights lie elsewhere");
  }
}

void ConfigProblems(const Examination& exam, const Diagnosis& diagnosis, std::vector<std::string>& missing) {
  const ConfigState* separate = StateOf(diagnosis, "quantize_config.json");
  const ConfigState* section = StateOf(diagnosis, "config.json");
  const bool has_separate = IsUsable(separate), has_section = IsUsable(section);
  if (IsUnread(exam, {FileRole::kConfig, FileRole::kQuantizeConfig, FileRole::kQuantConfig})) {
    missing.push_back("a configuration file could not be read: what loaders find in it is unknown");
  } else if (!has_separate && !has_section) {
    missing.push_back("no file tells a loader that this is GPTQ: loaders that need one reject it or run it dense");
  } else if (!has_section) {
    missing.push_back(
        "config.json has no quantization_config: transformers, vLLM and others take the model for a dense one");
  } else if (!has_separate) {
    missing.push_back("no quantize_config.json: AutoGPTQ and other older loaders look for it and for nothing else");
  }
  for (const ConfigState& state : diagnosis.configs) {
    if (state.state == "malformed") missing.push_back(state.file + " is malformed: " + state.detail);
    if (state.state == "conflicting") {
      missing.push_back(state.file + " contradicts " + (state.problems.empty() ? "itself" : "what is true") + ": " +
                        state.detail);
    }
    if (state.state == "incomplete") missing.push_back(state.file + " is incomplete: " + state.detail);
  }
  if (!exam.dir.Has("config.json")) missing.push_back("no config.json: no loader knows what model to build");
}

}  // namespace

std::string SettingsInWords(const Quantization& settings) {
  std::vector<std::string> parts;
  if (settings.bits) parts.push_back(std::to_string(*settings.bits) + "-bit");
  if (settings.group_size) {
    parts.push_back(*settings.group_size < 0 ? "one group a column"
                                             : "group size " + std::to_string(*settings.group_size));
  }
  if (settings.sym) parts.push_back(*settings.sym ? "symmetric" : "asymmetric");
  if (settings.desc_act) parts.push_back(*settings.desc_act ? "act-order" : "no act-order");
  if (settings.checkpoint_format) {
    std::string format = "checkpoint format " + EscapeTerminal(*settings.checkpoint_format, 40);
    if (*settings.checkpoint_format == "gptq") format += " (v1)";
    parts.push_back(std::move(format));
  }
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

void DescribeVerdict(const Examination& exam, Diagnosis& diagnosis) {
  diagnosis.verdict = VerdictOf(exam, diagnosis);
  WeightProblems(exam, diagnosis, diagnosis.missing);
  if (!exam.options.only_file.empty()) return;
  if (!exam.quant.is_gptq) return;
  const size_t before = diagnosis.missing.size();
  ConfigProblems(exam, diagnosis, diagnosis.missing);
  const bool configs = diagnosis.missing.size() > before && exam.dir.Has("config.json");
  // Without a tensor to prove anything, only the spelling of a file can be repaired.
  const bool malformed = std::any_of(diagnosis.configs.begin(), diagnosis.configs.end(),
                                     [](const ConfigState& state) { return state.state == "malformed"; });
  const bool repairable = diagnosis.modules_quantized > 0 || malformed;
  if (configs && repairable && exam.quant.contradictions.empty() && exam.quant.base.bits.has_value()) {
    diagnosis.repair_command = "gptq-doctor fix " + ShellQuote(diagnosis.path) + " --write";
  }
}

}  // namespace gptq_doctor

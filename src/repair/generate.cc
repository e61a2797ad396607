#include "repair/generate.h"

#include <algorithm>

#include "base/text.h"
#include "repair/config_edit.h"

namespace gptq_doctor {
namespace {

using KeyList = std::vector<std::pair<std::string, std::string>>;

bool IsKeepable(const QuantConfigFile& file) {
  const bool readable = file.reading == ConfigReading::kValid || file.reading == ConfigReading::kIncomplete ||
                        file.reading == ConfigReading::kConflicting;
  return readable && (file.method_family.empty() || file.method_family == "gptq");
}

// The keys of the target's own file, or of the other one where it has none, and what was settled besides.
KeyList KeysFor(const Examination& exam, ConfigTarget target, const SettledSettings& settled) {
  KeyList keep;
  const QuantConfigFile* source = exam.configs.Get(FileOf(target));
  if (source == nullptr || !IsKeepable(*source)) {
    source = nullptr;
    for (const QuantConfigFile& file : exam.configs.files) {
      if (source == nullptr && IsKeepable(file)) source = &file;
    }
  }
  if (source != nullptr) keep = KeysToKeep(*source);
  const bool has_meta = std::any_of(keep.begin(), keep.end(), [](const auto& pair) { return pair.first == "meta"; });
  for (const auto& [key, value] : settled.extra) {
    const auto same =
        std::find_if(keep.begin(), keep.end(), [&name = key](const auto& pair) { return pair.first == name; });
    if (same != keep.end()) {
      same->second = value;
    } else if (!has_meta || key != "damp_percent") {  // GPTQModel keeps it under meta
      keep.emplace_back(key, value);
    }
  }
  return keep;
}

}  // namespace

GeneratedConfig GenerateConfig(const Examination& exam, ConfigTarget target, SettledSettings settled) {
  GeneratedConfig out;
  out.text = WriteQuantConfig(settled.settings, target, KeysFor(exam, target, settled));
  out.warnings = settled.warnings;
  out.settled = std::move(settled);
  return out;
}

Result<GeneratedConfig> GenerateConfig(const Examination& exam, ConfigTarget target,
                                       const std::vector<Assumption>& assumptions) {
  Result<SettledSettings> settled = SettleSettings(exam, assumptions);
  if (!settled) return settled.error();
  if (settled->unproved) return NothingProved(exam);
  return GenerateConfig(exam, target, std::move(settled).value());
}

ConfigCheck CheckConfig(const Examination& exam, ConfigTarget target, const SettledSettings& settled) {
  ConfigCheck check{.file = FileOf(target)};
  const std::string missing =
      "there is no " +
      std::string(target == ConfigTarget::kConfigJsonSection ? "section quantization_config" : "quantize_config.json");
  const QuantConfigFile* file = exam.configs.Get(check.file);
  if (file == nullptr) {
    check.differences.push_back(missing);
    return check;
  }
  if (!file->json.valid || !file->json.root) {
    check.differences.push_back(check.file + " is not valid JSON" +
                                (file->detail.empty() ? "" : ": " + EscapeTerminal(file->detail)));
    return check;
  }
  const JsonValue* object = SettingsIn(*file->json.root, target);
  if (object == nullptr) {
    check.differences.push_back(missing);
    return check;
  }
  if (file->reading == ConfigReading::kNamesake) {
    check.differences.push_back(missing + ": the file of that name belongs to another program");
    return check;
  }
  const SettingsObject settings{.object = object, .text = file->text, .file = file};
  for (const KeyChange& change : ChangesOf(exam, settings, target, settled))
    check.differences.push_back(Describe(change));
  return check;
}

}  // namespace gptq_doctor

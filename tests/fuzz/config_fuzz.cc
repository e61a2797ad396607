// The files that people write: JSON, YAML, TOML, baselines.

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "base/json.h"
#include "dequant/mapping_file.h"
#include "fuzz/fuzz_target.h"
#include "gptq/quant_config_file.h"
#include "rules/baseline.h"
#include "rules/settings.h"

namespace gptq_doctor::fuzz {
namespace {

using Json = nlohmann::json;

// Whether an escape of one half of a surrogate pair lacks the other half.
bool HasLoneSurrogate(std::string_view text) {
  bool high = false;  // the escape that ends here began a pair
  for (size_t at = 0; at < text.size();) {
    const bool escape = text[at] == '\\';
    const bool half =
        escape && text.size() - at >= 4 && text[at + 1] == 'u' && (text[at + 2] | 0x20) == 'd' && (text[at + 3] > '7');
    const bool low = half && (text[at + 3] | 0x20) >= 'c' && text[at + 3] > '9';
    if (high != low) return true;
    high = half && !low;
    at += half ? 6 : escape ? 2 : 1;
  }
  return high;
}

// Whether nlohmann-json, another reader of the same grammar, is to be believed: it takes a byte order mark and NUL for
// the end, knows no NaN, calls a number that overflows a double an error, and refuses what Python's reader takes: half
// of a surrogate pair.
bool Comparable(std::string_view text, const JsonDocument& document) {
  if (text.starts_with("\xEF\xBB\xBF") || text.find('\0') != std::string_view::npos) return false;
  if (HasLoneSurrogate(text)) return false;
  for (const JsonDefect& defect : document.defects) {
    if (defect.kind == JsonDefectKind::kDepth || defect.kind == JsonDefectKind::kNonFinite) return false;
  }
  return true;
}

bool Same(const JsonValue& ours, const Json& theirs) {
  switch (ours.kind) {
    case JsonKind::kNull:
      return theirs.is_null();
    case JsonKind::kBool:
      return theirs.is_boolean() && theirs.get<bool>() == ours.boolean;
    case JsonKind::kNumber:
      return theirs.is_number() && (!ours.AsInt() || theirs.get<double>() == static_cast<double>(*ours.AsInt()));
    case JsonKind::kString:
      return theirs.is_string() && theirs.get_ref<const std::string&>() == ours.text;
    case JsonKind::kArray:
      if (!theirs.is_array() || theirs.size() != ours.items.size()) return false;
      for (size_t i = 0; i < ours.items.size(); ++i) {
        if (!Same(ours.items[i], theirs[i])) return false;
      }
      return true;
    case JsonKind::kObject:
      if (!theirs.is_object()) return false;
      for (const JsonMember& member : ours.members) {
        const auto found = theirs.find(member.key);
        if (found == theirs.end()) return false;
        // Of repeated keys the last one counts.
        if (ours.Find(member.key) == &member.value && !Same(member.value, *found)) return false;
      }
      return true;
  }
  return false;
}

// Absent where a number overflows.
enum class Verdict { kValid, kInvalid, kOverflow };
Verdict TheirVerdict(std::string_view text, Json& out) {
  try {
    out = Json::parse(text);
    return Verdict::kValid;
  } catch (const Json::out_of_range&) {
    return Verdict::kOverflow;
  } catch (const Json::exception&) {
    return Verdict::kInvalid;
  }
}

}  // namespace

void Json(std::string_view input) {
  const JsonDocument document = ParseJson(input);
  if (document.valid) Require(document.root.has_value(), "what is valid has a root");
  if (document.repairable) {
    const std::string repaired = ApplyRepairs(input, document);
    Require(ParseJson(repaired).valid, "a repaired text is valid");
  }
  for (const JsonDefect& defect : document.defects) Require(defect.offset <= input.size(), "a defect lies in the text");
  if (!Comparable(input, document)) return;
  nlohmann::json theirs;
  const Verdict verdict = TheirVerdict(input, theirs);
  if (verdict == Verdict::kOverflow) return;
  Require(document.valid == (verdict == Verdict::kValid), "the verdict is that of nlohmann-json");
  if (document.valid && document.complete)
    Require(Same(*document.root, theirs), "the values are those of nlohmann-json");
}

void QuantConfig(std::string_view input) {
  for (const char* pointer : {"", "/quantization_config", "/text_config/quantization_config"}) {
    const QuantConfigFile file =
        ReadQuantConfig(*pointer == 0 ? "quantize_config.json" : "config.json", std::string(input), pointer);
    const auto keep = KeysToKeep(file);
    // What is written from settings that were read is read again as the same.
    if (file.reading != ConfigReading::kValid || file.method_family != "gptq") continue;
    const std::string text = WriteQuantConfig(file.settings, ConfigTarget::kQuantizeConfigJson, keep);
    Require(ParseJson(text).valid, "a written config is JSON");
    const QuantConfigFile again = ReadQuantConfig("quantize_config.json", text, "");
    Require(again.settings.bits == file.settings.bits, "bits survive writing and reading");
    Require(again.settings.group_size == file.settings.group_size, "group_size survives writing and reading");
  }
}

void Mapping(std::string_view input) {
  const Result<MappingFile> file = ParseMapping(input, "/models");
  if (!file) {
    Require(!file.error().message.empty(), "a refusal has its reason");
    return;
  }
  for (const MappingFile::Source& source : file->sources) {
    Require(!source.path.empty() && source.path.find('\0') == std::string::npos, "a source has a path");
  }
}

void Settings(std::string_view input) {
  const Result<CheckSettings> settings = ParseSettings(input, "gptq-doctor.toml");
  if (!settings) return Require(!settings.error().message.empty(), "a refusal has its reason");
  Require(settings->baseline.value_or("").find('\0') == std::string::npos, "a baseline has a path");
}

void Baseline(std::string_view input) {
  const Result<std::vector<BaselineEntry>> entries = ParseBaseline(input, "baseline.json");
  if (!entries) return;
  const Result<std::vector<BaselineEntry>> again = ParseBaseline(WriteBaseline(*entries), "baseline.json");
  Require(again.ok() && again->size() == entries->size(), "a baseline survives writing and reading");
}

}  // namespace gptq_doctor::fuzz

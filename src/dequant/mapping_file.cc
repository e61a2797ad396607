#include "dequant/mapping_file.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>
#include <unordered_set>

#include "base/text.h"

namespace gptq_doctor {
namespace {

MappingPlace PlaceOf(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

[[noreturn]] void Stop(const YAML::Mark& mark, const std::string& message) {
  throw YAML::ParserException(mark, message);
}

std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

// ", did you mean 'X'?" or nothing.
std::string DidYouMean(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string near = Nearest(word, candidates);
  return near.empty() ? "" : ", did you mean " + Quoted(near) + "?";
}

// Reads events, never a tree: an alias costs nothing, and what is not of this file's subject is passed over.
class Reader : public YAML::EventHandler {
 public:
  explicit Reader(const std::string& directory) : directory_(directory) {}
  MappingFile out;
  MappingPlace default_place;
  bool documents_ended = false, mixed_precision_seen = false;
  std::optional<YAML::Mark> last_quoted;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_ended) Stop(mark, "a second document begins here; one file holds one mapping");
  }
  void OnDocumentEnd() override { documents_ended = true; }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (AwaitsKey()) return TakeKey(mark, "~");
    if (ValueMatters()) TakeValue(mark, std::nullopt);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (AwaitsKey()) levels_.back().key.clear();
    const bool as_key = AwaitsKey();
    if (ValueMatters()) Stop(mark, "an alias (*name): write the value itself");
    if (as_key) levels_.back().key_read = true;
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    if (tag == "!") last_quoted = mark;
    if (AwaitsKey()) return TakeKey(mark, value);
    if (ValueMatters()) TakeValue(mark, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    Enter(mark, false);
  }
  void OnSequenceEnd() override { levels_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    Enter(mark, true);
  }
  void OnMapEnd() override { levels_.pop_back(); }

 private:
  enum class Where { kRoot, kModel, kMixedPrecision, kWeights, kElsewhere };
  struct Level {
    Where where;
    bool is_map;
    bool key_read = false;  // the next event is the key's value
    std::string key;
    std::unordered_set<std::string> keys;
  };

  bool AwaitsKey() const { return !levels_.empty() && levels_.back().is_map && !levels_.back().key_read; }
  // Notes that the value of the last key has come.
  bool ValueMatters() {
    if (levels_.empty()) return false;
    Level& level = levels_.back();
    level.key_read = false;
    return level.where == Where::kMixedPrecision || level.where == Where::kWeights ||
           Inside(level) != Where::kElsewhere;
  }

  void TakeKey(const YAML::Mark& mark, const std::string& key) {
    Level& level = levels_.back();
    level.key_read = true;
    if (level.where == Where::kElsewhere) return;
    if (!level.keys.insert(key).second) Stop(mark, Quoted(key) + " stands twice");
    level.key = key;
    key_mark_ = mark;
  }

  // A scalar, or null.
  void TakeValue(const YAML::Mark& at, const std::optional<std::string>& value) {
    const Level& level = levels_.back();
    const YAML::Mark mark = value ? at : key_mark_;  // nothing has no place of its own
    const std::string& key = level.key;
    if (level.where == Where::kWeights) {
      if (!value || value->empty()) Stop(mark, Quoted(key) + " needs the name of a source");
      if (key == "default") return SetDefault(*value);
      out.rules.push_back({key, *value, PlaceOf(key_mark_)});
    } else if (level.where == Where::kMixedPrecision) {
      TakeSetting(mark, key, value);
    } else if (value) {
      Stop(mark, Quoted(key) + " must be a mapping");
    }
  }

  void TakeSetting(const YAML::Mark& mark, const std::string& key, const std::optional<std::string>& value) {
    constexpr std::string_view kPath = "_path";
    if (key.ends_with(kPath) && key.size() > kPath.size()) {
      if (!value || value->empty()) Stop(mark, Quoted(key) + " needs a path");
      if (value->find('\0') != std::string::npos) Stop(mark, Quoted(key) + " holds a NUL byte, which no path can");
      const std::filesystem::path path(*value);
      out.sources.push_back({key.substr(0, key.size() - kPath.size()),
                             (path.is_absolute() ? path : directory_ / path).string(), PlaceOf(key_mark_)});
    } else if (key == "default") {
      if (!value || value->empty()) Stop(mark, "'default' needs the name of a source");
      SetDefault(*value);
    } else if (key == "weight_mapping") {
      if (value) Stop(mark, "'weight_mapping' must be a mapping of tensor names to sources");
    } else {
      const std::string_view known[] = {"default", "weight_mapping"};
      out.warnings.push_back(ToString(PlaceOf(key_mark_)) + ": " + Quoted(key) + " is not used" +
                             DidYouMean(key, known));
    }
  }

  void SetDefault(const std::string& name) {
    if (!out.default_source.empty()) Stop(key_mark_, "the default stands twice");
    out.default_source = name;
    default_place = PlaceOf(key_mark_);
  }

  // A map or a list begins: as a value, for no key of ours is one.
  void Enter(const YAML::Mark& mark, bool is_map) {
    if (levels_.empty()) {
      if (!is_map) Stop(mark, "the file must be a mapping with model: mixed_precision: at its top");
      levels_.push_back({Where::kRoot, true, false, {}, {}});
      return;
    }
    const bool as_key = AwaitsKey();
    Level& level = levels_.back();
    const bool ours = level.where == Where::kMixedPrecision || level.where == Where::kWeights;
    if (as_key && ours) Stop(mark, "a list or mapping cannot be a key here");
    level.key_read = as_key;
    if (as_key) level.key.clear();
    const Where inside = Inside(level);
    if (inside == Where::kElsewhere && level.where == Where::kWeights) {
      Stop(mark, Quoted(level.key) + " needs the name of a source, not a list or mapping");
    }
    if (inside != Where::kElsewhere && !is_map) Stop(mark, Quoted(level.key) + " must be a mapping, not a list");
    if (inside == Where::kMixedPrecision) mixed_precision_seen = true;
    if (inside == Where::kElsewhere && level.where == Where::kMixedPrecision) {
      if (level.key == "default" || level.key.ends_with("_path")) Stop(mark, Quoted(level.key) + " must be a string");
      TakeSetting(mark, level.key, std::nullopt);
    }
    levels_.push_back({inside, is_map, false, {}, {}});
  }

  static Where Inside(const Level& level) {
    if (level.where == Where::kRoot && level.key == "model") return Where::kModel;
    if (level.where == Where::kModel && level.key == "mixed_precision") return Where::kMixedPrecision;
    if (level.where == Where::kMixedPrecision && level.key == "weight_mapping") return Where::kWeights;
    return Where::kElsewhere;
  }

  const std::filesystem::path directory_;
  std::vector<Level> levels_;
  YAML::Mark key_mark_;
};

Error Refuse(MappingPlace place, const std::string& message) {
  return {ErrorKind::kUsage, "", ToString(place) + ": " + message};
}

// The library takes the end of the file for that of a quoted text.
bool EndsInsideQuotes(std::string_view text, size_t begin) {
  if (begin >= text.size() || (text[begin] != '"' && text[begin] != '\'')) return false;
  const char quote = text[begin];
  for (size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return false;
      ++i;
    }
  }
  return true;
}

// Every NAME that is used is a source.
Status CheckNames(MappingFile& file, MappingPlace default_place) {
  std::vector<std::string_view> names;
  for (const MappingFile::Source& source : file.sources) names.push_back(source.name);
  const auto use = [&](const std::string& name, MappingPlace place) -> Status {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at != names.end()) {
      file.sources[static_cast<size_t>(at - names.begin())].used = true;
      return Ok();
    }
    return Refuse(place, "there is no source " + Quoted(name) + " (" + name + "_path)" + DidYouMean(name, names));
  };
  for (const MappingFile::Rule& rule : file.rules) {
    if (Status known = use(rule.source, rule.place); !known) return known;
  }
  if (file.default_source.empty()) {
    if (std::find(names.begin(), names.end(), "default") == names.end()) return Ok();
    file.default_source = "default";
  }
  return use(file.default_source, default_place);
}

}  // namespace

std::string ToString(MappingPlace place) {
  return "line " + std::to_string(place.line) + ", column " + std::to_string(place.column);
}

bool IsGlob(std::string_view pattern) { return pattern.find_first_of("*?[\\") != std::string_view::npos; }

Result<MappingFile> ParseMapping(std::string_view text, const std::string& directory) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (!IsValidUtf8(text)) return Refuse({1, 1}, "the file is not UTF-8 text");
  Reader reader(directory);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(reader)) {
    }
  } catch (const YAML::Exception& error) {
    return Refuse(PlaceOf(error.mark), error.msg);
  }
  if (reader.last_quoted && EndsInsideQuotes(text, static_cast<size_t>(reader.last_quoted->pos))) {
    return Refuse(PlaceOf(*reader.last_quoted), "the quoted text that begins here does not end");
  }
  if (!reader.mixed_precision_seen) return Refuse({1, 1}, "the file has no model: mixed_precision: section");
  if (Status known = CheckNames(reader.out, reader.default_place); !known) return known.error();
  if (reader.out.rules.empty() && reader.out.default_source.empty()) {
    return Refuse({1, 1}, "model: mixed_precision: maps nothing: neither weight_mapping nor default is there");
  }
  for (const MappingFile::Source& source : reader.out.sources) {
    if (!source.used) {
      reader.out.warnings.push_back(ToString(source.place) + ": the source " + Quoted(source.name) + " is not used");
    }
  }
  return std::move(reader.out);
}

}  // namespace gptq_doctor

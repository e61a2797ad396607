#include "repair/config_edit.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "gptq/settings_reader.h"
#include "repair/json_edit.h"

namespace gptq_doctor {
namespace {

std::string_view Spelled(std::string_view text, const JsonValue& value) {
  return text.substr(value.range.begin, value.range.end - value.range.begin);
}

// Equal for every reader: 4 and 4.0 are, 4 and "4" are not (AutoGPTQ refuses the string).
bool SameValue(const JsonValue& a, const JsonValue& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case JsonKind::kNull:
      return true;
    case JsonKind::kBool:
      return a.boolean == b.boolean;
    case JsonKind::kNumber:
      return a.AsDouble() && a.AsDouble() == b.AsDouble();
    case JsonKind::kString:
      return a.text == b.text;
    case JsonKind::kArray:
      return std::ranges::equal(a.items, b.items, SameValue);
    case JsonKind::kObject:  // of the rules of `dynamic` the first that fits counts
      return std::ranges::equal(a.members, b.members, [](const JsonMember& x, const JsonMember& y) {
        return x.key == y.key && SameValue(x.value, y.value);
      });
  }
  return false;
}

// Other spellings that a file may use. `renamed`: where only this spelling stands, it becomes the canonical one, since
// loaders differ in which aliases they know (AutoGPTQ config.py: w_bit, q_group_size; GPTQModel 5+: wbits as well).
struct AliasRow {
  std::string_view alias, key;
  bool renamed;
};
constexpr AliasRow kAliases[] = {
    {"w_bit", "bits", true},
    {"wbits", "bits", true},
    {"q_group_size", "group_size", true},
    {"groupsize", "group_size", true},
    {"format", "checkpoint_format", false},
};
const AliasRow* FindAlias(std::string_view key) {
  for (const AliasRow& row : kAliases) {
    if (row.alias == key) return &row;
  }
  return nullptr;
}

// The rules that report a wrong value, by key.
std::string_view CodeOf(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> kCodes[] = {
      {"bits", "GD106"},     {"group_size", "GD107"},        {"sym", "GD108"},
      {"desc_act", "GD110"}, {"checkpoint_format", "GD109"}, {"pack_dtype", "GD124"},
      {"lm_head", "GD125"},  {"dynamic", "GD116"},           {"quant_method", "GD118"},
  };
  for (const auto& [key, code] : kCodes) {
    if (key == field) return code;
  }
  return "";
}

// Names of data sets ("wikitext2", "c4-new") are short; a list or a long text is the calibration data itself.
bool IsCalibrationData(const JsonMember& member) {
  constexpr size_t kLongestName = 1000;  // bytes
  if (member.key != "dataset") return false;
  if (member.value.kind == JsonKind::kArray) return !member.value.items.empty();
  return member.value.kind == JsonKind::kString && member.value.range.end - member.value.range.begin > kLongestName;
}

class Comparer {
 public:
  Comparer(const Examination& exam, const SettingsObject& settings, ConfigTarget target, const SettledSettings& settled)
      : exam_(exam),
        settings_(settings),
        target_(target),
        settled_(settled),
        text_(WriteQuantConfig(settled.settings, target, {})),
        wanted_(ParseJson(text_)) {}

  std::vector<KeyChange> Compare() {
    layout_right_ = LayoutIsRight();
    const auto& members = settings_.object->members;
    for (size_t i = 0; i < members.size(); ++i) CompareMember(i, members[i]);
    if (wanted_.root) {
      for (const JsonMember& member : wanted_.root->members) AddMissing(member);
    }
    return std::move(changes_);
  }

 private:
  const JsonValue* Have(std::string_view key) const { return settings_.object->Find(key); }
  const JsonValue* Want(std::string_view key) const { return wanted_.root ? wanted_.root->Find(key) : nullptr; }

  // bits, group_size and dynamic are right together where they give every module what it has.
  bool LayoutIsRight() const {
    if (settings_.file == nullptr || settings_.file->reading == ConfigReading::kMalformed) return false;
    const Quantization& declared = settings_.file->settings;
    if (!declared.bits || !declared.group_size) return false;
    const SettledKey* bits = settled_.Find("bits");
    const SettledKey* group = settled_.Find("group_size");
    if ((bits != nullptr && bits->basis == Basis::kAssumed) || (group != nullptr && group->basis == Basis::kAssumed))
      return false;
    // A pattern that cannot be judged is left as it is.
    return JudgeDeclared(declared, exam_).agreement != Agreement::kWrong;
  }

  void Push(KeyChange change) { changes_.push_back(std::move(change)); }
  std::string HaveText(const JsonMember& member) const { return std::string(Spelled(settings_.text, member.value)); }
  void Remove(size_t i, const JsonMember& member, std::string reason, std::string_view code) {
    Push({.kind = KeyChange::Kind::kRemove,
          .key = member.key,
          .have = HaveText(member),
          .reason = std::move(reason),
          .code = std::string(code),
          .member = i});
  }
  void Set(size_t i, const JsonMember& member, std::string want, std::string_view field) {
    const SettledKey* key = settled_.Find(field);
    Push({.kind = KeyChange::Kind::kSet,
          .key = member.key,
          .have = HaveText(member),
          .want = std::move(want),
          .reason = key != nullptr ? key->reason : "",
          .code = std::string(CodeOf(field)),
          .basis = key != nullptr ? key->basis : Basis::kProved,
          .member = i});
  }

  void CompareMember(size_t i, const JsonMember& member) {
    if (member.key == "is_marlin_format") {
      return Remove(
          i, member,
          "the tensors are not in the Marlin layout, and GPTQModel 6 and later refuse a file with this key, even if "
          "it is false",
          "GD113");
    }
    if (IsCalibrationData(member)) {
      return Remove(i, member, "calibration data have no bearing on loading", "GD114");
    }
    if (member.key == "quant_method") return CompareMethod(i, member);
    if (member.key == "packing_format") return ComparePacking(i, member);
    const AliasRow* alias = FindAlias(member.key);
    const std::string_view field = alias != nullptr ? alias->key : std::string_view(member.key);
    const JsonValue* want = Want(field);
    if (member.key == "dynamic") return CompareDynamic(i, member, want);
    if (field == "bits" || field == "group_size") {
      const bool integral = member.value.AsInt().has_value();
      if (layout_right_ && integral && (alias == nullptr || !alias->renamed)) return;
    }
    if (field == "checkpoint_format" && !IsFormatName(member)) return;
    if (field == "lm_head" && want == nullptr) return;
    if (want == nullptr || !IsKnownField(field)) return;
    if (!SameValue(member.value, *want)) return Set(i, member, std::string(Spelled(text_, *want)), field);
    if (alias != nullptr && alias->renamed && Have(alias->key) == nullptr) Rename(i, member, alias->key);
  }
  void Rename(size_t i, const JsonMember& member, std::string_view key) {
    Push({.kind = KeyChange::Kind::kRename,
          .key = member.key,
          .have = HaveText(member),
          .want = std::string(key),
          .reason = "not every loader knows this spelling",
          .code = "GD113",
          .member = i});
  }

  static bool IsKnownField(std::string_view key) {
    for (std::string_view known :
         {"bits", "group_size", "sym", "desc_act", "checkpoint_format", "pack_dtype", "lm_head"}) {
      if (known == key) return true;
    }
    return false;
  }

  // AutoRound uses `format` for something else ("auto_round:auto_gptq").
  bool IsFormatName(const JsonMember& member) const {
    if (member.key != "format") return true;
    const std::string* value = member.value.AsString();
    return value == nullptr || value->find(':') == std::string::npos;
  }

  void CompareMethod(size_t i, const JsonMember& member) {
    const std::string* have = member.value.AsString();
    if (have != nullptr && *have == "gptq") return;
    std::string lower = have != nullptr ? *have : "";
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool family = settings_.file != nullptr && settings_.file->method_family == "gptq";
    if (family && lower != "gptq") return;  // auto-round and the like: another loader's right name
    Push({.kind = KeyChange::Kind::kSet,
          .key = member.key,
          .have = HaveText(member),
          .want = "\"gptq\"",
          .reason = lower == "gptq" ? "transformers compares the name exactly" : "the tensors are GPTQ's",
          .code = "GD118",
          .member = i});
  }

  // AutoRound's word for the meaning of zero points (intel/auto-round b9f3d007, auto_round/inference/backend.py).
  void ComparePacking(size_t i, const JsonMember& member) {
    const std::string* have = member.value.AsString();
    const std::optional<std::string>& format = settled_.settings.checkpoint_format;
    if (have == nullptr || !format) return;
    const std::string_view means = AutoRoundFormat(*have);
    if (means.empty() || means == *format) return;
    Set(i, member, *format == "gptq" ? "\"auto_round:auto_gptq\"" : "\"auto_round:gptqmodel\"", "checkpoint_format");
  }

  void CompareDynamic(size_t i, const JsonMember& member, const JsonValue* want) {
    if (layout_right_) return;
    const bool null = member.value.kind == JsonKind::kNull;
    const bool empty = member.value.IsObject() && member.value.members.empty();
    if (want == nullptr) {
      if (null || empty || !GivesOtherSettings()) return;
      return Remove(i, member, "it gives modules other settings than their tensors have", "GD116");
    }
    if (!SameValue(member.value, *want)) Set(i, member, std::string(Spelled(text_, *want)), "dynamic");
  }
  // The declared `dynamic` over the right base: whether it is at fault itself.
  bool GivesOtherSettings() const {
    if (settings_.file == nullptr) return true;
    Quantization trial = settled_.settings;
    trial.dynamic = settings_.file->settings.dynamic;
    return JudgeDeclared(trial, exam_).agreement == Agreement::kWrong;
  }

  bool HasSpelling(std::string_view key) const {
    if (Have(key) != nullptr) return true;
    for (const AliasRow& row : kAliases) {
      if (row.key == key && row.renamed && Have(row.alias) != nullptr) return true;
    }
    return false;
  }

  // Only keys whose absence means something else to some loader (docs: a missing group_size is -1 to AutoGPTQ and 128
  // to GPTQModel, a missing desc_act true to AutoGPTQ and false to transformers; vLLM insists on sym).
  void AddMissing(const JsonMember& member) {
    if (HasSpelling(member.key)) return;
    const std::string& key = member.key;
    // A section for another loader (auto-round) says the rest in its own words.
    const JsonValue* method = Have("quant_method");
    const bool common = method == nullptr || method->text == "gptq" || settings_.file == nullptr ||
                        settings_.file->method_family != "gptq";
    if (!common && key != "bits" && key != "group_size" && key != "sym") return;
    if (key == "quant_method") {
      // transformers refuses a section without it; in a file of its own every loader takes gptq for granted.
      if (target_ != ConfigTarget::kConfigJsonSection) return;
    } else if (key == "checkpoint_format") {
      if (member.value.text == "gptq") return;
    } else if (key == "pack_dtype") {
      if (member.value.text == "int32") return;
    } else if (key == "lm_head") {
      if (!member.value.boolean) return;
    } else if (key == "dynamic") {
      if (layout_right_) return;
    } else if (!IsKnownField(key)) {
      return;
    }
    const SettledKey* settled = settled_.Find(key);
    Push({.kind = KeyChange::Kind::kAdd,
          .key = key,
          .want = std::string(Spelled(text_, member.value)),
          .reason = settled != nullptr ? settled->reason : "loaders need it to recognise GPTQ",
          .code = key == "dynamic" || key == "checkpoint_format" || key == "pack_dtype" || key == "lm_head"
                      ? std::string(CodeOf(key))
                      : "GD104",
          .basis = settled != nullptr ? settled->basis : Basis::kProved});
  }

  const Examination& exam_;
  const SettingsObject& settings_;
  ConfigTarget target_;
  const SettledSettings& settled_;
  std::string text_;  // canonical
  JsonDocument wanted_;
  bool layout_right_ = false;
  std::vector<KeyChange> changes_;
};

// One line, short enough for a sentence.
std::string Brief(const std::string& json) {
  std::string line;
  for (char c : json) {
    const bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (!space)
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  return EscapeTerminal(line, 60);
}

}  // namespace

std::string Describe(const KeyChange& change) {
  const std::string key = EscapeTerminal(change.key);
  std::string out;
  switch (change.kind) {
    case KeyChange::Kind::kSet:
      out = key + " is " + Brief(change.have) + ", must be " + Brief(change.want);
      break;
    case KeyChange::Kind::kAdd:
      out = key + " is missing, must be " + Brief(change.want);
      break;
    case KeyChange::Kind::kRemove:
      out = key + " must go";
      break;
    case KeyChange::Kind::kRename:
      out = key + " must be spelled " + change.want;
      break;
  }
  return change.reason.empty() ? out : out + " (" + change.reason + ")";
}

std::vector<KeyChange> ChangesOf(const Examination& exam, const SettingsObject& settings, ConfigTarget target,
                                 const SettledSettings& settled) {
  return Comparer(exam, settings, target, settled).Compare();
}

std::string ApplyChanges(std::string_view text, const JsonValue& root, const JsonValue& object,
                         const std::vector<KeyChange>& changes) {
  JsonEditor editor(text, root);
  for (const KeyChange& change : changes) {
    switch (change.kind) {
      case KeyChange::Kind::kSet: {
        const JsonDocument value = ParseJson(change.want);
        const JsonLayout layout = LayoutOf(text, object, root);
        editor.Replace(object.members[change.member].value.range,
                       value.root ? RenderJson(change.want, *value.root, layout) : change.want);
        break;
      }
      case KeyChange::Kind::kAdd:
        editor.Add(object, change.key, change.want);
        break;
      case KeyChange::Kind::kRemove:
        editor.Remove(object, change.member);
        break;
      case KeyChange::Kind::kRename:
        editor.Replace(object.members[change.member].key_range, JsonQuote(change.want));
        break;
    }
  }
  return editor.Apply();
}

const JsonValue* SettingsIn(const JsonValue& root, ConfigTarget target) {
  if (target == ConfigTarget::kQuantizeConfigJson) return root.IsObject() ? &root : nullptr;
  const JsonValue* section = root.Find("quantization_config");
  return section != nullptr && section->IsObject() ? section : nullptr;
}

const char* FileOf(ConfigTarget target) {
  return target == ConfigTarget::kQuantizeConfigJson ? "quantize_config.json" : "config.json";
}

}  // namespace gptq_doctor

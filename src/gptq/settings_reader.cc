#include "gptq/settings_reader.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "gptq/key_table.h"
#include "gptq/setting_values.h"

namespace gptq_doctor {
namespace {

std::string Show(int64_t value) { return std::to_string(value); }
std::string Show(bool value) { return value ? "true" : "false"; }
std::string Show(const std::string& value) { return JsonQuote(value); }

// The format family of a packing_format that is not GPTQ's.
std::string AutoRoundFamily(std::string_view packing) {
  if (packing.find("awq") != std::string_view::npos) return "awq";
  if (packing.find("fp8") != std::string_view::npos) return "fp8";
  if (packing.find("llm_compressor") != std::string_view::npos) return "compressed-tensors";
  return "auto-round";
}

class SettingsReader {
 public:
  SettingsReader(QuantConfigFile& out, const JsonValue& object) : out_(out), object_(object), values_(out) {}

  SettingsReading Read() {
    for (const JsonMember& member : object_.members) {
      rows_.push_back(FindKeyRow(member.key));
      out_.keys.emplace_back(member.key, values_.Spelled(member.value));
      if (rows_.back() == nullptr) {
        out_.unknown.push_back(member.key);
      } else if (rows_.back()->field != ConfigField::kNone && member.key != CanonicalKey(rows_.back()->field)) {
        out_.aliases.emplace_back(member.key, CanonicalKey(rows_.back()->field));
      }
    }
    ReadMethod();
    ReadNumbers();
    ReadBooleans();
    ReadFormat();
    ReadStrings();
    ReadMeta();
    ReadDynamic();
    CheckDamp();
    CheckGroupAware();
    return {.impossible = values_.impossible(), .contradictory = values_.contradictory()};
  }

 private:
  // Every member that stands for `field`, in file order; `parse` gives its value. The canonical key wins, then the last
  // one; other values are contradictions.
  template <typename T, typename Parse>
  void ReadField(ConfigField field, std::optional<T>& into, Parse parse) {
    const JsonMember* chosen = nullptr;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i] == nullptr || rows_[i]->field != field) continue;
      const JsonMember& member = object_.members[i];
      const std::optional<T> value = parse(member, *rows_[i]);
      if (!value) continue;
      if (chosen != nullptr && *into != *value) {
        const std::string how = chosen->key == member.key ? SettingName(member) + " stands twice, as " + Show(*into) +
                                                                " and as " + Show(*value) + ": readers take the last"
                                                          : SettingName(member) + " says " + Show(*value) + " and " +
                                                                SettingName(*chosen) + " " + Show(*into);
        values_.AddProblem(member, how, true);
      }
      const std::string_view canonical = CanonicalKey(field);
      if (chosen != nullptr && chosen->key == canonical && member.key != canonical) continue;
      chosen = &member;
      into = value;
    }
  }

  void ReadMethod() {
    std::optional<std::string> method;
    ReadField(ConfigField::kMethod, method, [this](const JsonMember& member, const KeyRow& row) {
      if (row.key == "quant_format") return std::optional<std::string>();  // of compressed-tensors and GPTQModel's gate
      return values_.ParseString(member, "");
    });
    if (!method) return;
    out_.quant_method = *method;
    const std::string lower = LowerAscii(*method);
    const MethodRow* row = FindMethodRow(lower);
    out_.method_family = row != nullptr ? std::string(row->family) : lower;
    if (row != nullptr && !row->format.empty()) method_format_ = row->format;
    if (row != nullptr && lower != *method) {
      if (const JsonMember* member = Member("quant_method")) {
        values_.AddProblem(*member,
                           "quant_method is " + JsonQuote(*method) + ": transformers knows it in lower case only");
      }
    }
    if (lower.find("round") == std::string::npos) return;
    const JsonValue* packing = object_.Find("packing_format");
    const std::string* text = packing == nullptr ? nullptr : packing->AsString();
    if (text != nullptr && AutoRoundFormat(*text).empty()) out_.method_family = AutoRoundFamily(*text);
  }

  void ReadNumbers() {
    std::optional<int64_t> bits, group_size;
    ReadField(ConfigField::kBits, bits, [this](const JsonMember& member, const KeyRow&) {
      std::optional<int64_t> value = values_.ParseInt(member);
      if (value && (*value < 2 || *value > 8) && IsGptqFamily()) {
        values_.AddProblem(member, SettingName(member) + " is " + Show(*value) + ": GPTQ stores 2 to 8 bits");
        values_.MarkImpossible();
        value.reset();
      }
      return value;
    });
    if (bits && *bits > 0 && *bits <= 64) out_.settings.bits = static_cast<int>(*bits);
    ReadField(ConfigField::kGroupSize, group_size, [this](const JsonMember& member, const KeyRow&) {
      std::optional<int64_t> value = values_.ParseInt(member);
      if (value && *value != -1 && *value <= 0 && IsGptqFamily()) {
        values_.AddProblem(member, SettingName(member) + " is " + Show(*value) + ": it must be -1 or greater than 0");
        values_.MarkImpossible();
        value.reset();
      }
      return value;
    });
    out_.settings.group_size = group_size;
  }

  bool IsGptqFamily() const { return out_.method_family.empty() || out_.method_family == "gptq"; }

  void ReadBooleans() {
    Quantization& s = out_.settings;
    ReadField(ConfigField::kSym, s.sym, [this](const JsonMember& member, const KeyRow& row) {
      if (row.key != "zero_point") return values_.ParseBool(member, true);
      // GPTQModel since 5: sym = not zero_point. To others it is a key of AWQ.
      std::optional<bool> value = member.value.AsBool();
      if (value) value = !*value;
      return IsGptqFamily() ? value : std::nullopt;
    });
    ReadField(ConfigField::kDescAct, s.desc_act,
              [this](const JsonMember& member, const KeyRow&) { return values_.ParseBool(member, true); });
    ReadField(ConfigField::kLmHead, s.lm_head,
              [this](const JsonMember& member, const KeyRow&) { return values_.ParseBool(member, false); });
    ReadField(ConfigField::kStaticGroups, s.static_groups,
              [this](const JsonMember& member, const KeyRow&) { return values_.ParseBool(member, false); });
  }

  void ReadFormat() {
    constexpr std::array kKnown = {"gptq",    "gptq_v2", "gptq_p", "marlin", "marlin_24",
                                   "bitblas", "ipex",    "qqq",    "gemm"};
    if (!IsGptqFamily()) return;
    std::optional<std::string>& format = out_.settings.checkpoint_format;
    ReadField(ConfigField::kCheckpointFormat, format,
              [&](const JsonMember& member, const KeyRow& row) -> std::optional<std::string> {
                if (row.key == "is_marlin_format") {
                  const std::optional<bool> marlin = values_.ParseBool(member, false);
                  return marlin == true ? std::optional<std::string>("marlin") : std::nullopt;
                }
                // transformers 4.48 to 4.57 lower-cases checkpoint_format, 5 both, without looking for null.
                const std::optional<std::string> value = values_.ParseString(member, "transformers stops on it");
                if (!value) return std::nullopt;
                const std::string lower = LowerAscii(*value);
                if (row.key == "packing_format" || lower.find(':') != std::string::npos) {
                  const std::string_view implied = AutoRoundFormat(lower);
                  return implied.empty() ? std::nullopt : std::optional<std::string>(implied);
                }
                if (lower != *value) {
                  values_.AddProblem(member, SettingName(member) + " is " + JsonQuote(*value) +
                                                 ": GPTQModel before 5 knows it in lower case only");
                }
                if (std::ranges::find(kKnown, lower) == kKnown.end()) {
                  values_.AddProblem(member, SettingName(member) + " is " + EscapeTerminal(JsonQuote(*value), 60) +
                                                 ", a format that no loader knows");
                }
                return lower;
              });
    if (method_format_.empty()) return;
    if (!format) {
      format = method_format_;
    } else if (*format != method_format_) {
      const JsonMember* member = Member("quant_method");
      if (member == nullptr) member = Member("method");
      if (member != nullptr) {
        values_.AddProblem(*member,
                           SettingName(*member) + " " + JsonQuote(*out_.quant_method) + " means the format " +
                               method_format_ + ", and checkpoint_format says " + *format,
                           true);
      }
    }
  }

  void ReadStrings() {
    ReadField(ConfigField::kPackDtype, out_.settings.pack_dtype,
              [this](const JsonMember& member, const KeyRow&) { return values_.ParsePackDtype(member); });
    const JsonMember* version = Member("version");
    const std::string* text = version == nullptr ? nullptr : version->value.AsString();
    if (text != nullptr && LowerAscii(*text) == "gemm" && out_.method_family == "gptq") {
      values_.AddProblem(
          *version, "version is " + JsonQuote(*text) + ", which AutoGPTQ takes for AWQ, and quant_method says GPTQ",
          true);
    }
  }

  // GPTQModel since 1.x nests what loading does not need under `meta`.
  void ReadMeta() {
    const JsonMember* member = Member("meta");
    if (member == nullptr) return;
    const JsonValue& meta = member->value;
    if (!meta.IsObject()) {
      if (meta.kind != JsonKind::kNull) values_.AddProblem(*member, "meta is not an object");
      return;
    }
    if (const JsonValue* quantizer = meta.Find("quantizer")) {
      if (const std::string* one = quantizer->AsString()) out_.quantizers.push_back(*one);
      for (const JsonValue& item : quantizer->items) {
        if (const std::string* one = item.AsString()) out_.quantizers.push_back(*one);
      }
      if (!out_.quantizers.empty()) out_.quantizer = out_.quantizers.front();
    }
    for (const JsonMember& inner : meta.members) {
      if (inner.key == "static_groups" && !out_.settings.static_groups && inner.value.AsBool()) {
        out_.settings.static_groups = inner.value.AsBool();
      } else if (inner.key == "pack_dtype" && !out_.settings.pack_dtype && inner.value.AsString() != nullptr) {
        out_.settings.pack_dtype = values_.ParsePackDtype(inner);
      }
    }
  }

  void ReadDynamic() {
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i] == nullptr || rows_[i]->field != ConfigField::kDynamic) continue;
      const JsonMember& member = object_.members[i];
      const bool empty = member.value.kind == JsonKind::kNull || member.value.AsBool() == false;
      if (!member.value.IsObject()) {
        if (!empty) values_.AddImpossible(member, "an object of patterns");
        continue;
      }
      for (const JsonMember& entry : member.value.members) {
        if (rows_[i]->key == "dynamic") {
          AddRule(entry);
        } else {
          AddExtraConfig(entry);
        }
      }
    }
  }

  // "-:pattern" excludes; "+:pattern" and "pattern" override (GPTQModel quantization/config.py).
  void AddRule(const JsonMember& entry) {
    DynamicRule rule;
    std::string_view pattern = entry.key;
    if (pattern.starts_with("-:") || pattern.starts_with("+:")) {
      rule.exclude = pattern.front() == '-';
      pattern.remove_prefix(2);
    }
    rule.pattern = pattern;
    ReadOverrides(entry, rule);
    out_.settings.dynamic.push_back(std::move(rule));
  }

  // AutoRound names modules; 16 bits and more stand for "not quantized".
  void AddExtraConfig(const JsonMember& entry) {
    DynamicRule rule;
    const bool plain = entry.key.find_first_of("*+?()[]{}|^$\\") == std::string::npos;
    for (const char c : entry.key) {
      if (plain && c == '.') rule.pattern += '\\';
      rule.pattern += c;
    }
    if (plain) rule.pattern += '$';
    const JsonValue* bits = entry.value.Find("bits");
    if (bits != nullptr && bits->AsInt() && *bits->AsInt() >= 16) {
      rule.exclude = true;
    } else {
      ReadOverrides(entry, rule);
    }
    out_.settings.dynamic.push_back(std::move(rule));
  }

  void ReadOverrides(const JsonMember& entry, DynamicRule& rule) {
    if (rule.exclude) return;
    if (!entry.value.IsObject()) {
      values_.AddProblem(entry, "dynamic entry " + EscapeTerminal(entry.key, 60) + " is not an object of settings");
      return;
    }
    for (const JsonMember& member : entry.value.members) {
      if (member.key == "bits") {
        const std::optional<int64_t> bits = values_.ParseInt(member);
        if (bits && *bits >= 2 && *bits <= 8) {
          rule.bits = static_cast<int>(*bits);
        } else if (bits) {
          values_.AddProblem(member, "dynamic gives " + EscapeTerminal(entry.key, 60) + " " + Show(*bits) + " bits");
        }
      } else if (member.key == "group_size") {
        rule.group_size = values_.ParseInt(member);
      } else if (member.key == "sym") {
        rule.sym = values_.ParseBool(member, false);
      } else if (member.key == "desc_act") {
        rule.desc_act = values_.ParseBool(member, false);
      }
    }
  }

  // AutoGPTQ, GPTQModel and transformers refuse values outside (0, 1).
  void CheckDamp() {
    const JsonMember* member = Member("damp_percent");
    if (member == nullptr || !IsGptqFamily()) return;
    const std::optional<double> value = member->value.AsDouble();
    if (!value) {
      values_.AddProblem(*member,
                         "damp_percent is " + EscapeTerminal(values_.Spelled(member->value), 40) + ", not a number");
    } else if (!(*value > 0 && *value < 1)) {
      values_.AddProblem(*member, "damp_percent is " + EscapeTerminal(values_.Spelled(member->value), 40) +
                                      ": loaders refuse what is not between 0 and 1");
    }
  }

  // GPTQModel since 4 refuses the two together (quantization/config.py).
  void CheckGroupAware() {
    const JsonMember* meta = Member("meta");
    const JsonMember* aware = Member("act_group_aware");
    const JsonValue* nested = meta == nullptr ? nullptr : meta->value.Find("act_group_aware");
    const bool on = aware != nullptr ? aware->value.AsBool() == true : nested != nullptr && nested->AsBool() == true;
    if (!on || out_.settings.desc_act != true) return;
    values_.AddProblem(aware != nullptr ? *aware : *meta,
                       "act_group_aware and desc_act are both true: GPTQModel refuses the two together", true);
  }

  const JsonMember* Member(std::string_view key) const {
    const JsonMember* found = nullptr;
    for (const JsonMember& member : object_.members) {
      if (member.key == key) found = &member;
    }
    return found;
  }

  QuantConfigFile& out_;
  const JsonValue& object_;
  SettingValues values_;
  std::vector<const KeyRow*> rows_;  // one a member
  std::string method_format_;        // the format that the method implies
};

}  // namespace

std::string_view AutoRoundFormat(std::string_view packing) {
  if (packing.starts_with("auto_round:")) packing.remove_prefix(11);
  if (packing == "auto_gptq" || packing == "gptq") return "gptq";
  if (packing == "auto_round" || packing == "gptqmodel") return "gptq_v2";
  return "";
}

SettingsReading ReadSettings(QuantConfigFile& out, const JsonValue& object) {
  SettingsReader reader(out, object);
  return reader.Read();
}

}  // namespace gptq_doctor

#include "repair/settled_settings.h"

#include <algorithm>

#include "base/text.h"
#include "gptq/format_table.h"
#include "infer/evidence.h"

namespace gptq_doctor {
namespace {

const Evidence* FindEvidence(const InferredQuant& quant, std::string_view key) {
  const auto it =
      std::find_if(quant.evidence.begin(), quant.evidence.end(), [&](const Evidence& e) { return e.key == key; });
  return it == quant.evidence.end() ? nullptr : &*it;
}
bool IsProved(const Evidence* evidence) {
  return evidence != nullptr && !std::holds_alternative<std::monostate>(evidence->value) &&
         (evidence->confidence == Confidence::kCertain || evidence->confidence == Confidence::kInferred);
}
std::string FirstFact(const Evidence* evidence) {
  if (evidence == nullptr || evidence->facts.empty()) return "";
  return evidence->facts[0].source + ": " + evidence->facts[0].detail;
}

// One key of Quantization as a value that evidence and assumptions can be compared with.
template <typename T>
Value ToValue(const T& value) {
  if constexpr (std::is_same_v<T, int>)
    return static_cast<int64_t>(value);
  else
    return value;
}
template <typename T>
T FromText(const std::string& text) {
  if constexpr (std::is_same_v<T, bool>)
    return text == "true";
  else if constexpr (std::is_same_v<T, std::string>)
    return text;
  else
    return static_cast<T>(std::stoll(text));
}

constexpr const char* kUnchecked = "no tensor is here to check it";

class Settler {
 public:
  Settler(const Examination& exam, const std::vector<Assumption>& assumptions)
      : exam_(exam), assumptions_(assumptions) {}

  Result<SettledSettings> Settle() {
    if (const std::string why = WhyNotGptq(exam_); !why.empty()) return Refuse("the model " + why);
    const InferredQuant& quant = exam_.quant;
    if (!quant.contradictions.empty()) {
      const size_t more = quant.contradictions.size() - 1;
      return Refuse("the tensors contradict each other: " + quant.contradictions[0] +
                    (more > 0 ? " (and " + std::to_string(more) + " more)" : "") +
                    "; no configuration can be right for all of them");
    }
    for (const ClassFacts& facts : quant.classes) {
      if (!facts.contradiction.empty()) return Refuse("the tensors contradict each other: " + facts.contradiction);
    }
    float_zeros_ =
        std::any_of(quant.classes.begin(), quant.classes.end(), [](const ClassFacts& f) { return f.float_zeros; });
    if (float_zeros_ && Assumed("checkpoint_format") != nullptr) {
      return Refuse(
          "zero points are stored as floating-point `zeros`, the dialect of March 2023: no checkpoint_format names it");
    }
    out_.unproved =
        std::none_of(quant.classes.begin(), quant.classes.end(), [](const ClassFacts& f) { return f.gptq; });
    FindDeclared();
    SettleLayout();
    Settle("sym", &Quantization::sym, false);
    SettleDescAct();
    Settle("checkpoint_format", &Quantization::checkpoint_format, false);
    Settle("pack_dtype", &Quantization::pack_dtype, true);
    Settle("lm_head", &Quantization::lm_head, true);
    if (!out_.settings.desc_act)
      Set("desc_act", &Quantization::desc_act, false, Basis::kDefault, "no g_idx shows an order");
    SettleExtra();
    if (error_) return *error_;
    if (!out_.settings.bits) return Refuse("the bits of the packed weights cannot be established");
    if (!out_.settings.group_size) {
      return Refuse("the group size cannot be established; say it with --assume group_size=N");
    }
    Warn();
    return std::move(out_);
  }

 private:
  Error Refuse(std::string message) const {
    return Error{ErrorKind::kRefused, exam_.source->DisplayPath(), std::move(message)};
  }

  template <typename T>
  void Set(std::string key, std::optional<T> Quantization::*field, std::type_identity_t<T> value, Basis basis,
           std::string reason) {
    out_.settings.*field = std::move(value);
    out_.keys.push_back({std::move(key), basis, std::move(reason)});
  }

  const Assumption* Assumed(std::string_view key) const {
    const Assumption* found = nullptr;
    for (const Assumption& a : assumptions_) {
      if (a.key == key) found = &a;
    }
    return found;
  }

  // Files that declare GPTQ settings, the one that most loaders of its kind read first.
  void FindDeclared() {
    for (const QuantConfigFile& file : exam_.configs.files) {
      const bool readable = file.reading == ConfigReading::kValid || file.reading == ConfigReading::kIncomplete ||
                            (file.reading == ConfigReading::kMalformed && !file.json.valid && file.json.repairable);
      if (readable && (file.method_family.empty() || file.method_family == "gptq")) declared_.push_back(&file);
    }
  }

  // bits, group_size and dynamic belong together: a declared set that gives every module what it has is kept whole.
  void SettleLayout() {
    const InferredQuant& quant = exam_.quant;
    for (const QuantConfigFile* file : declared_) {
      if (!file->settings.bits || !file->settings.group_size) continue;
      if (JudgeDeclared(file->settings, exam_).agreement != Agreement::kRight) continue;
      const std::string reason = "as " + file->file + " says; " + (out_.unproved ? kUnchecked : "the tensors agree");
      const Basis basis = out_.unproved ? Basis::kDeclared : Basis::kProved;
      Set("bits", &Quantization::bits, *file->settings.bits, basis, reason);
      Set("group_size", &Quantization::group_size, *file->settings.group_size, basis, reason);
      out_.settings.dynamic = file->settings.dynamic;
      if (!out_.settings.dynamic.empty()) out_.keys.push_back({"dynamic", basis, reason});
      CheckLayoutAssumptions();
      return;
    }
    if (quant.base.bits) {
      Set("bits", &Quantization::bits, *quant.base.bits, Basis::kProved, FirstFact(FindEvidence(quant, "bits")));
    }
    const Evidence* group = FindEvidence(quant, "group_size");
    if (quant.base.group_size) {
      Set("group_size", &Quantization::group_size, *quant.base.group_size, Basis::kProved, FirstFact(group));
    }
    out_.settings.dynamic = quant.base.dynamic;
    if (!out_.settings.dynamic.empty()) {
      out_.keys.push_back(
          {"dynamic", Basis::kProved, "the tensors of these modules have other bits or groups than the rest"});
    }
    CheckLayoutAssumptions();
  }

  // An assumed bits or group_size must give every module its shapes.
  void CheckLayoutAssumptions() {
    const Assumption* bits = Assumed("bits");
    const Assumption* group = Assumed("group_size");
    if (bits == nullptr && group == nullptr) return;
    Quantization trial = out_.settings;
    if (bits != nullptr) trial.bits = FromText<int>(bits->value);
    if (group != nullptr) trial.group_size = FromText<int64_t>(group->value);
    const DeclaredVerdict verdict = JudgeDeclared(trial, exam_);
    if (verdict.agreement == Agreement::kWrong) {
      error_ =
          Refuse("the tensors contradict --assume " +
                 (group != nullptr ? "group_size=" + group->value : "bits=" + bits->value) + ": " + verdict.detail);
      return;
    }
    if (bits != nullptr)
      Set("bits", &Quantization::bits, *trial.bits, Basis::kAssumed, "assumed; the tensors allow it");
    if (group != nullptr) {
      Set("group_size", &Quantization::group_size, *trial.group_size, Basis::kAssumed, "assumed; the tensors allow it");
    }
  }

  // `harmless`: a value that is merely assumed is written all the same, since no loader computes anything else for it.
  template <typename T>
  void Settle(const char* key, std::optional<T> Quantization::*field, bool harmless) {
    const Evidence* evidence = FindEvidence(exam_.quant, key);
    const std::optional<T>& inferred = exam_.quant.base.*field;
    const bool proved = inferred.has_value() && IsProved(evidence);
    if (const Assumption* assumption = Assumed(key)) {
      const bool differs = proved && ToValue(FromText<T>(assumption->value)) != ToValue(*inferred);
      if (differs && evidence->confidence == Confidence::kCertain) {
        error_ = Refuse(std::string("the tensors prove ") + key + " " + SpellSetting(evidence->value) + " (" +
                        FirstFact(evidence) + "), which --assume " + key + "=" + assumption->value + " contradicts");
        return;
      }
      if (differs) {
        out_.warnings.push_back(std::string(key) + "=" + assumption->value +
                                " is assumed although the tensors suggest " + SpellSetting(evidence->value) + " (" +
                                FirstFact(evidence) + ")");
      }
      return Set(key, field, FromText<T>(assumption->value), Basis::kAssumed, "assumed");
    }
    if (proved) return Set(key, field, *inferred, Basis::kProved, FirstFact(evidence));
    if (const QuantConfigFile* file = Declaring(key, field)) {
      return Set(key, field, *(file->settings.*field), Basis::kDeclared,
                 "as " + file->file + " says; " + (out_.unproved ? kUnchecked : "the tensors cannot tell"));
    }
    if (harmless && inferred) return Set(key, field, *inferred, Basis::kDefault, FirstFact(evidence));
    if (!harmless) out_.open.push_back(key);
  }

  // A sequential g_idx proves nothing: act-order with static groups or with one group leaves it so, and both values
  // load alike. Without g_idx a loader told of act-order waits for a tensor that is not there.
  void SettleDescAct() {
    const bool permuted = exam_.quant.base.desc_act == true && IsProved(FindEvidence(exam_.quant, "desc_act"));
    if (permuted || Assumed("desc_act") != nullptr) return Settle("desc_act", &Quantization::desc_act, true);
    if (LacksGIdx()) {
      return Set("desc_act", &Quantization::desc_act, false, Basis::kProved, "there are modules without g_idx");
    }
    if (const QuantConfigFile* file = Declaring("desc_act", &Quantization::desc_act)) {
      return Set("desc_act", &Quantization::desc_act, *file->settings.desc_act, Basis::kDeclared,
                 "as " + file->file + " says; " + (out_.unproved ? kUnchecked : "a sequential g_idx fits both values"));
    }
    Settle("desc_act", &Quantization::desc_act, true);
  }

  bool LacksGIdx() const {
    const Inventory& inventory = exam_.inventory;
    for (size_t c = 0; c < inventory.classes.size() && c < exam_.quant.classes.size(); ++c) {
      const Module& module = inventory.modules[inventory.classes[c].representative];
      if (exam_.quant.classes[c].gptq && inventory.Find(exam_.tensors, module, kGIdx) == nullptr) return true;
    }
    return false;
  }

  // The file whose value is kept where the tensors cannot tell; null where files disagree.
  template <typename T>
  const QuantConfigFile* Declaring(const char* key, std::optional<T> Quantization::*field) {
    const QuantConfigFile* found = nullptr;
    for (const QuantConfigFile* file : declared_) {
      const std::optional<T>& value = file->settings.*field;
      if (!value) continue;
      if (found != nullptr && found->settings.*field != value) {
        out_.warnings.push_back(found->file + " and " + file->file + " disagree about " + key + " (" +
                                SpellSetting(ToValue(*(found->settings.*field))) + ", " +
                                SpellSetting(ToValue(*value)) + ") and the tensors cannot tell");
        return nullptr;
      }
      if (found == nullptr) found = file;
    }
    return found;
  }

  void SettleExtra() {
    for (const Assumption& a : assumptions_) {
      if (a.key == "static_groups" || a.key == "true_sequential" || a.key == "damp_percent")
        out_.extra.emplace_back(a.key, a.value);
    }
    // AutoGPTQ 0.3.2 and later leave the settings in the header (AutoGPTQ modeling/_base.py); damp_percent survives
    // nowhere else.
    std::string damp;
    for (const ShardHeader& shard : exam_.tensors.shards) {
      for (const auto& [key, value] : shard.metadata) {
        if (key != "gptq_damp_percent" || !IsFraction(value)) continue;
        if (!damp.empty() && damp != value) return;
        damp = value;
      }
    }
    if (!damp.empty() && Assumed("damp_percent") == nullptr) out_.extra.emplace_back("damp_percent", damp);
  }

  void Warn() {
    if (out_.unproved) {
      out_.warnings.push_back(
          "no quantized tensor can be read here: the settings are what the files declare, unchecked");
      return;
    }
    if (out_.IsOpen("checkpoint_format") && float_zeros_) {
      out_.warnings.push_back(
          "checkpoint_format is left out: zero points are stored as floating-point `zeros`, the dialect of March 2023, "
          "which no "
          "value of it names and no current loader reads");
    } else if (out_.IsOpen("checkpoint_format")) {
      out_.warnings.push_back(
          "checkpoint_format is left out: the tensors fit gptq and gptq_v2 alike, and loaders take a missing key for "
          "gptq; "
          "say which with --assume checkpoint_format=gptq or =gptq_v2");
    }
    if (out_.IsOpen("sym")) {
      out_.warnings.push_back(
          "sym is left out: the zero points were not conclusive, and loaders take a missing key for true; say which "
          "with "
          "--assume sym=true or =false");
    }
  }

  const Examination& exam_;
  const std::vector<Assumption>& assumptions_;
  std::vector<const QuantConfigFile*> declared_;
  SettledSettings out_;
  std::optional<Error> error_;
  bool float_zeros_ = false;
};

}  // namespace

const SettledKey* SettledSettings::Find(std::string_view key) const {
  const SettledKey* found = nullptr;  // the last: an assumption follows what it replaces
  for (const SettledKey& row : keys) {
    if (row.key == key) found = &row;
  }
  return found;
}

bool SettledSettings::IsOpen(std::string_view key) const {
  return std::find(open.begin(), open.end(), key) != open.end();
}

Result<SettledSettings> SettleSettings(const Examination& exam, const std::vector<Assumption>& assumptions) {
  Result<SettledSettings> settled = Settler(exam, assumptions).Settle();
  // What could not be read may be what would have settled it: no fault of the model.
  if (!settled && settled.error().kind == ErrorKind::kRefused && !exam.errors.empty()) return exam.errors.front();
  return settled;
}

Error NothingProved(const Examination& exam) {
  if (!exam.errors.empty()) return exam.errors.front();
  return {ErrorKind::kRefused, exam.source->DisplayPath(),
          "no quantized tensor can be read here, so nothing proves the settings that the files declare; fetch the "
          "weights first"};
}

std::string WhyNotGptq(const Examination& exam) {
  if (exam.quant.is_gptq) return "";
  const ModuleClass* largest = nullptr;
  for (const ModuleClass& c : exam.inventory.classes) {
    if (c.format >= 0 && (largest == nullptr || c.bytes > largest->bytes)) largest = &c;
  }
  if (largest != nullptr) {
    const FormatRow& row = FormatTable()[static_cast<size_t>(largest->format)];
    return "is " + std::string(row.title) + ", not GPTQ: " + std::string(row.why);
  }
  if (exam.tensors.size() == 0) return "has no readable weight file: there is nothing to tell its settings from";
  return "is not quantized (" + FormatCount(exam.tensors.size()) + " tensors, none of a quantized module)";
}

}  // namespace gptq_doctor

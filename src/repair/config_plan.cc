// Makes both files say what the tensors prove: quantize_config.json, which AutoGPTQ and GPTQModel read, and the section
// quantization_config of config.json, which transformers, vLLM and everything built on them read (no loader compares
// the two).

#include "base/text.h"
#include "repair/config_edit.h"
#include "repair/generate.h"
#include "repair/json_edit.h"
#include "repair/repairs.h"

namespace gptq_doctor {
namespace {

Applicability ApplicabilityOf(Basis basis) {
  return basis == Basis::kAssumed ? Applicability::kAssumed : Applicability::kCertain;
}

class ConfigPlanner {
 public:
  ConfigPlanner(const FixOptions& options, const SettledSettings& settled, Draft& draft)
      : exam_(draft.exam()), options_(options), settled_(settled), draft_(draft) {}

  Status Plan(ConfigTarget target) {
    target_ = target;
    Result<DraftFile*> opened = draft_.Open(FileOf(target));
    if (!opened) return opened.error();
    file_ = *opened;
    if (target == ConfigTarget::kConfigJsonSection && !options_.base_config.empty()) {
      if (Status status = OverlayBase(); !status) return status;
    }
    if (!file_->after) return PlanAbsent();
    if (target == ConfigTarget::kQuantizeConfigJson && IsNamesake()) return Ok();
    const JsonDocument document = ParseJson(*file_->after);
    if (!document.valid) {
      Status mended = MendJson(document);
      if (!mended) return mended;
    }
    const JsonDocument valid = ParseJson(*file_->after);
    if (!valid.root || !valid.root->IsObject()) return Refuse("holds no JSON object");
    return PlanPresent(*valid.root);
  }

 private:
  Error Refuse(const std::string& why) const {
    return {ErrorKind::kRefused, exam_.source->DisplayPath() + "/" + file_->name,
            why + "; mend it by hand first, nothing was written"};
  }

  // The base model's config.json in place of this one's, without its own quantization section.
  Status OverlayBase() {
    const char* code = file_->existed ? "GD143" : "GD140";
    if (!options_.Selects(code)) return Ok();
    const JsonDocument document = ParseJson(options_.base_config);
    if (!document.valid || !document.root || !document.root->IsObject()) {
      return Error{ErrorKind::kRefused, options_.base_name, "the base model's config.json is not a JSON object"};
    }
    JsonEditor editor(options_.base_config, *document.root);
    for (size_t i = 0; i < document.root->members.size(); ++i) {
      if (document.root->members[i].key == "quantization_config") editor.Remove(*document.root, i);
    }
    std::string text = editor.Apply();
    file_->after = std::move(text);
    Draft::Explain(file_, code, "the base model's config.json (" + options_.base_name + ")", Applicability::kCertain);
    return Ok();
  }

  bool IsNamesake() {
    const QuantConfigFile* read = exam_.configs.Get(file_->name);
    if (read == nullptr || read->reading != ConfigReading::kNamesake) return false;
    draft_.Manual(file_->name, "the file belongs to another program (" + EscapeTerminal(read->detail) +
                                   ") and is left as it is; loaders that read only this file cannot load the model");
    return true;
  }

  Status PlanAbsent() {
    if (target_ == ConfigTarget::kConfigJsonSection) {
      draft_.Manual(
          file_->name,
          "there is no config.json, and tensors do not tell the whole architecture: take it from the base model "
          "(gptq-doctor fix MODEL --base DIR) or from where the model was downloaded");
      return Ok();
    }
    const char* code = CodeOfAbsence();
    if (!options_.Selects(code) || LeftUnproved()) return Ok();
    file_->after = GenerateConfig(exam_, target_, settled_).text + "\n";
    ExplainWhole(code, "there is no quantize_config.json, and AutoGPTQ and other loaders read nothing else");
    return Ok();
  }

  // Selected, and certain also without tensors where there are none: what is harmful goes, wrong spellings are mended.
  bool IsMine(const KeyChange& change) const {
    const bool spelling = change.kind == KeyChange::Kind::kRemove || change.kind == KeyChange::Kind::kRename;
    return options_.Selects(change.code) && (spelling || !settled_.unproved);
  }

  // Without a readable tensor no file's word is carried into another file.
  bool LeftUnproved() {
    if (!settled_.unproved) return false;
    draft_.Manual(file_->name, NothingProved(exam_).message);
    return true;
  }

  // GD101 where neither file says that the model is GPTQ.
  const char* CodeOfAbsence() const {
    bool declared = false;
    for (const QuantConfigFile& file : exam_.configs.files) {
      const bool stands = file.reading != ConfigReading::kAbsent && file.reading != ConfigReading::kNamesake &&
                          file.reading != ConfigReading::kForeign;
      declared = declared || (stands && file.file != file_->name);
    }
    if (!declared) return "GD101";
    return target_ == ConfigTarget::kQuantizeConfigJson ? "GD102" : "GD103";
  }

  // One reason for the file, and one a key for the first that is written whole.
  void ExplainWhole(const char* code, std::string why) {
    Applicability applicability = Applicability::kCertain;
    std::vector<std::string> reasons;
    for (const SettledKey& key : settled_.keys) {
      if (settled_.Find(key.key) != &key) continue;  // an assumption follows
      if (key.basis == Basis::kAssumed) applicability = Applicability::kAssumed;
      if (!key.reason.empty()) reasons.push_back(key.key + ": " + key.reason);
    }
    if (writes_whole_) reasons = {"the settings are those of the other file, for the same reasons"};
    Draft::Explain(file_, code, std::move(why), applicability);
    for (std::string& reason : reasons) Draft::Explain(file_, code, std::move(reason), applicability);
    writes_whole_ = true;
  }

  Status MendJson(const JsonDocument& document) {
    const JsonDefect* first = document.defects.empty() ? nullptr : &document.defects[0];
    const std::string place = first == nullptr ? ""
                                               : " (line " + std::to_string(first->place.line) + ", column " +
                                                     std::to_string(first->place.column) + ": " +
                                                     EscapeTerminal(first->message) + ")";
    if (!document.repairable) return Refuse("is not valid JSON" + place);
    if (!options_.Selects("GD105")) return Refuse("is not valid JSON" + place);
    file_->after = ApplyRepairs(*file_->after, document);
    for (const JsonDefect& defect : document.defects) {
      if (!defect.range) continue;
      Draft::Explain(file_, "GD105",
                     "line " + std::to_string(defect.place.line) + ": " + EscapeTerminal(defect.message),
                     Applicability::kCertain);
    }
    return ParseJson(*file_->after).valid ? Ok() : Status(Refuse("is not valid JSON" + place));
  }

  Status PlanPresent(const JsonValue& root) {
    const JsonValue* object = SettingsIn(root, target_);
    if (object == nullptr) return AddSection(root);
    const std::string pointer = target_ == ConfigTarget::kConfigJsonSection ? "/quantization_config" : "";
    const QuantConfigFile read = ReadQuantConfig(file_->name, *file_->after, pointer);
    if (read.reading == ConfigReading::kForeign) return ReplaceForeign(*object, root, read);
    const SettingsObject settings{.object = object, .text = *file_->after, .file = &read};
    std::vector<KeyChange> changes = ChangesOf(exam_, settings, target_, settled_);
    std::erase_if(changes, [&](const KeyChange& change) { return !IsMine(change); });
    if (changes.empty()) return Ok();
    for (const KeyChange& change : changes)
      Draft::Explain(file_, change.code, Describe(change), ApplicabilityOf(change.basis));
    file_->after = ApplyChanges(*file_->after, root, *object, changes);
    return Verify();
  }

  Status AddSection(const JsonValue& root) {
    const char* code = CodeOfAbsence();
    if (!options_.Selects(code) || LeftUnproved()) return Ok();
    const std::string section = GenerateConfig(exam_, target_, settled_).text;
    const JsonValue* present = root.Find("quantization_config");
    JsonEditor editor(*file_->after, root);
    if (present == nullptr) {
      editor.Add(root, "quantization_config", section);
    } else {  // null or another impossible value
      const JsonDocument parsed = ParseJson(section);
      editor.Replace(present->range, RenderJson(section, *parsed.root, LayoutOf(*file_->after, root, root)));
    }
    file_->after = editor.Apply();
    ExplainWhole(code, "there is no quantization_config, and transformers, vLLM and others read nothing else");
    return Verify();
  }

  Status ReplaceForeign(const JsonValue& object, const JsonValue& root, const QuantConfigFile& read) {
    for (const ModuleClass& c : exam_.inventory.classes) {
      if (c.format >= 0 && !IsGptq(c.format)) {
        draft_.Manual(file_->name, "it declares " + EscapeTerminal(read.quant_method.value_or("another method")) +
                                       ", and the model holds modules of several methods: no repair is certain");
        return Ok();
      }
    }
    if (!options_.Selects("GD118") || LeftUnproved()) return Ok();
    const std::string text = GenerateConfig(exam_, target_, settled_).text;
    const JsonDocument parsed = ParseJson(text);
    JsonEditor editor(*file_->after, root);
    const JsonLayout layout =
        LayoutOf(*file_->after, target_ == ConfigTarget::kConfigJsonSection ? root : object, root);
    editor.Replace(object.range,
                   target_ == ConfigTarget::kConfigJsonSection ? RenderJson(text, *parsed.root, layout) : text);
    file_->after = editor.Apply();
    ExplainWhole("GD118", "it declares " + EscapeTerminal(read.quant_method.value_or("another method")) +
                              ", but every quantized module is GPTQ's");
    return Verify();
  }

  // What was written must read back as what was meant.
  Status Verify() {
    const JsonDocument document = ParseJson(*file_->after);
    const JsonValue* object = document.valid && document.root ? SettingsIn(*document.root, target_) : nullptr;
    if (object == nullptr) return Error{ErrorKind::kInternal, file_->name, "the repaired text is not valid JSON"};
    const std::string pointer = target_ == ConfigTarget::kConfigJsonSection ? "/quantization_config" : "";
    const QuantConfigFile read = ReadQuantConfig(file_->name, *file_->after, pointer);
    const SettingsObject settings{.object = object, .text = *file_->after, .file = &read};
    std::vector<KeyChange> left = ChangesOf(exam_, settings, target_, settled_);
    std::erase_if(left, [&](const KeyChange& change) { return !IsMine(change); });
    if (left.empty()) return Ok();
    return Error{ErrorKind::kInternal, file_->name, "the repaired text still differs: " + Describe(left[0])};
  }

 public:
  bool writes_whole() const { return writes_whole_; }

 private:
  const Examination& exam_;
  const FixOptions& options_;
  const SettledSettings& settled_;
  Draft& draft_;
  ConfigTarget target_ = ConfigTarget::kQuantizeConfigJson;
  DraftFile* file_ = nullptr;
  bool writes_whole_ = false;
};

}  // namespace

Status PlanSettled(const FixOptions& options, const SettledSettings& settled, Draft& draft) {
  ConfigPlanner planner(options, settled, draft);
  for (const ConfigTarget target : {ConfigTarget::kQuantizeConfigJson, ConfigTarget::kConfigJsonSection}) {
    if (Status status = planner.Plan(target); !status) return status;
  }
  // A file that already stands without checkpoint_format was made so by its packer; one that is written anew must not
  // leave it to chance, since to every loader a missing key means gptq.
  if (planner.writes_whole() && settled.IsOpen("checkpoint_format")) draft.plan().open.push_back("checkpoint_format");
  for (const std::string& warning : settled.warnings) draft.plan().warnings.push_back(warning);
  for (const Assumption& a : options.assumptions) draft.plan().assumed.push_back(a.key + "=" + a.value);
  return Ok();
}

Status PlanConfigs(const FixOptions& options, Draft& draft) {
  const Result<SettledSettings> settled = SettleSettings(draft.exam(), options.assumptions);
  return settled ? PlanSettled(options, *settled, draft) : Status(settled.error());
}

}  // namespace gptq_doctor

// What stands beside the weights of a converted directory.

#include <algorithm>
#include <map>

#include "dequant/convert.h"
#include "repair/config_edit.h"
#include "repair/repairs.h"

namespace gptq_doctor {
namespace {

bool IsHidden(std::string_view name) { return name.starts_with('.') || name.find("/.") != std::string_view::npos; }

class FilePlanner {
 public:
  FilePlanner(const Examination& exam, const ConvertOptions& options, const FileChanges& changes, ConvertPlan& plan)
      : exam_(exam), options_(options), changes_(changes), plan_(plan) {}

  Status Run() {
    if (Status edited = EditConfigs(); !edited) return edited;
    PlanIndex();
    for (const ModelFile& file : exam_.dir.files) Add(file);
    for (auto& [name, text] : edited_) {
      plan_.changed_files.push_back(name);
      plan_.model.files.push_back({.name = name, .content = std::move(text), .copy = {}, .bytes = 0});
    }
    return Ok();
  }

 private:
  // The settings of the new tensors in every file that states settings. Files stay as they are, faults included, where
  // no setting was asked for.
  Status EditConfigs() {
    const bool settings = options_.pack_int32 || !options_.checkpoint_format.empty();
    Draft draft(exam_);
    if (settings) {
      Result<SettledSettings> settled = SettleSettings(exam_, {});
      if (!settled) return settled.error();
      Resettle(*settled);
      if (Status planned = PlanSettled({}, *settled, draft); !planned) return planned;
      EditOthers(*settled);
      for (std::string& warning : settled->warnings) plan_.warnings.push_back(std::move(warning));
    }
    if (changes_.renamed) {
      if (Status planned = PlanBaseName(draft); !planned) return planned;
    }
    Plan plan = draft.Finish();  // its warnings are about writing in place
    for (Edit& edit : plan.edits) edited_[edit.file] = std::move(edit.after);
    for (const ManualStep& step : plan.manual) plan_.warnings.push_back(step.file + ": " + step.text);
    return Ok();
  }

  void Resettle(SettledSettings& settled) const {
    const auto set = [&](const char* key, std::optional<std::string>& field, const std::string& value) {
      field = value;
      settled.keys.push_back({key, Basis::kProved, "the converted tensors are so"});
      std::erase(settled.open, key);
      std::erase_if(settled.warnings, [&](const std::string& warning) { return warning.starts_with(key); });
    };
    Quantization& s = settled.settings;
    if (!options_.checkpoint_format.empty()) set("checkpoint_format", s.checkpoint_format, options_.checkpoint_format);
    if (options_.pack_int32) set("pack_dtype", s.pack_dtype, "int32");
  }

  // Names that few loaders read: quantization_config.json and the like.
  void EditOthers(const SettledSettings& settled) {
    for (const QuantConfigFile& file : exam_.configs.files) {
      const ModelFile* entry = exam_.dir.Find(file.file);
      const bool mine = entry != nullptr && entry->role == FileRole::kQuantConfig && file.method_family == "gptq" &&
                        file.json.valid && file.json.root && file.json.root->IsObject();
      if (!mine) continue;
      const SettingsObject object{.object = &*file.json.root, .text = file.text, .file = &file};
      const std::vector<KeyChange> changes = ChangesOf(exam_, object, ConfigTarget::kQuantizeConfigJson, settled);
      if (!changes.empty()) edited_[file.file] = ApplyChanges(file.text, *file.json.root, *file.json.root, changes);
    }
  }

  // An index whose files and tensors stay as they were stays as it is.
  void PlanIndex() {
    const bool present = !exam_.dir.indexes.empty();
    keeps_index_ = present && changes_.same_tensors && !changes_.renamed;
    if (keeps_index_) {
      plan_.model.index_name.clear();
    } else if (present && !changes_.renamed) {
      plan_.model.index_name = exam_.dir.files[exam_.dir.indexes.front()].entry.name;
    }
    plan_.model.always_index = present && !options_.reshard;
  }

  void Add(const ModelFile& file) {
    const std::string& name = file.entry.name;
    if (file.entry.kind != FileKind::kRegular || edited_.contains(name)) return;
    // Hidden files belong to version control or a hub.
    if (IsHidden(name) || name.find(".gptq-doctor") != std::string::npos) return;
    switch (file.role) {
      case FileRole::kWeights:
        if (!IsShard(name)) Leave(name, "it holds no weights of this model");
        return;
      case FileRole::kIndex:
        if (!keeps_index_) return;
        break;
      case FileRole::kPickleWeights:
      case FileRole::kPickleIndex:
      case FileRole::kGguf:
      case FileRole::kOnnx:
        return Leave(name, "its weights are not converted");
      case FileRole::kPartial:
      case FileRole::kDownloadMetadata:
        return;
      default:
        break;
    }
    plan_.model.files.push_back(CopyFile(exam_, file.entry));
  }

  bool IsShard(std::string_view name) const {
    return std::ranges::any_of(exam_.tensors.shards, [&](const ShardHeader& shard) { return shard.file == name; });
  }

  void Leave(const std::string& name, const char* why) { plan_.warnings.push_back(name + " is left out: " + why); }

  const Examination& exam_;
  const ConvertOptions& options_;
  const FileChanges& changes_;
  ConvertPlan& plan_;
  std::map<std::string, std::string> edited_;  // new text by name
  bool keeps_index_ = false;
};

}  // namespace

Status PlanFiles(const Examination& exam, const ConvertOptions& options, const FileChanges& changes,
                 ConvertPlan& plan) {
  return FilePlanner(exam, options, changes, plan).Run();
}

}  // namespace gptq_doctor

// Gives a single weight file the name that every loader looks for. A model_file_base_name that names the old file
// follows, since AutoGPTQ looks for nothing else where it is set (AutoGPTQ/AutoGPTQ v0.7.1, modeling/_base.py).

#include <algorithm>

#include "base/text.h"
#include "repair/json_edit.h"
#include "repair/repairs.h"
#include "repair/restore.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kCode = "GD242";
constexpr char kName[] = "model.safetensors";

Status RenameBase(Draft& draft, const std::string& name) {
  if (!draft.exam().dir.Has(name)) return Ok();
  Result<DraftFile*> opened = draft.Open(name);
  if (!opened) return opened.error();
  DraftFile* file = *opened;
  if (!file->after) return Ok();
  const JsonDocument document = ParseJson(*file->after);
  if (!document.valid || !document.root) return Ok();
  const JsonValue* object = name == "config.json" ? document.root->Find("quantization_config") : &*document.root;
  const JsonValue* base = object != nullptr ? object->Find("model_file_base_name") : nullptr;
  if (base == nullptr || base->kind != JsonKind::kString || base->text == "model") return Ok();
  if (draft.exam().dir.Has(kName) && draft.exam().dir.Has(base->text + ".safetensors")) return Ok();
  JsonEditor editor(*file->after, *document.root);
  editor.Replace(base->range, "\"model\"");
  file->after = editor.Apply();
  Draft::Explain(file, kCode, "model_file_base_name follows the weight file", Applicability::kCertain);
  return Ok();
}

// A name of AutoGPTQ's is left alone unless its rule is asked for: that loader finds it, transformers does not.
bool IsAskedFor(const FixOptions& options, const TensorIndex& tensors) {
  return !options.select.empty() && tensors.shards.size() == 1 && tensors.shards[0].file.starts_with("gptq_model-");
}

}  // namespace

Status PlanWeightName(const FixOptions& options, Draft& draft) {
  const TensorIndex& tensors = draft.exam().tensors;
  const bool unusual = std::any_of(tensors.defects.begin(), tensors.defects.end(),
                                   [](const Defect& defect) { return defect.kind == DefectKind::kUnusualName; });
  if (draft.exam().dir.Has(kName)) return PlanBaseName(draft);
  if ((!unusual && !IsAskedFor(options, tensors)) || tensors.shards.size() != 1) return Ok();
  const ShardHeader& shard = tensors.shards[0];
  if (!shard.accepted || shard.file.find('/') != std::string::npos) return Ok();
  const Result<std::string> head = HashHead(*draft.exam().source, shard.file);
  if (!head) return head.error();
  Edit edit{.kind = EditKind::kRename,
            .file = shard.file,
            .to = kName,
            .before_size = shard.identity.size,
            .head_sha256 = *head,
            .codes = {std::string(kCode)},
            .reasons = {"transformers, vLLM and GPTQModel look for model.safetensors and not for this name"}};
  draft.Rename(std::move(edit));
  return PlanBaseName(draft);
}

Status PlanBaseName(Draft& draft) {
  for (const char* name : {"quantize_config.json", "config.json"}) {
    if (Status status = RenameBase(draft, name); !status) return status;
  }
  return Ok();
}

}  // namespace gptq_doctor

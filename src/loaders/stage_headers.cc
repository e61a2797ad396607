// Whether the index and the headers of the weight files that a loader reads are accepted.

#include <algorithm>
#include <string>

#include "loaders/simulate.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

// Python's json takes more than the index's own reader.
bool PythonTakes(TextFault fault) {
  switch (fault) {
    case TextFault::kSyntax:
    case TextFault::kUtf8:
    case TextFault::kNoObject:
      return false;
    case TextFault::kNone:
    case TextFault::kHalfSurrogate:
    case TextFault::kNonFinite:
    case TextFault::kNumberRange:
    case TextFault::kDepth:
      return true;
  }
  return true;
}

// What Python raises; nothing where the text is JSON, if not the object that is wanted.
std::string PythonError(TextFault fault) {
  if (fault == TextFault::kUtf8) return "UnicodeDecodeError: 'utf-8' codec can't decode byte";
  return fault == TextFault::kSyntax ? "json.decoder.JSONDecodeError" : "";
}

}  // namespace

bool CheckIndexText(Walk& walk) {
  const ShardIndex& index = walk.exam.tensors.index;
  const auto find = [](const std::vector<Defect>& defects) {
    const auto found = std::ranges::find_if(defects, [&](const Defect& defect) {
      return defect.kind == DefectKind::kIndexMalformed || defect.kind == DefectKind::kIndexWrongType;
    });
    return found == defects.end() ? nullptr : &*found;
  };
  const Defect* broken = find(index.defects);
  if (broken == nullptr) broken = find(walk.exam.tensors.defects);
  if (broken == nullptr) return true;
  if (broken->kind == DefectKind::kIndexWrongType || PythonTakes(index.fault)) {
    walk.Degrade(Outcome::kUnknown, "weights",
                 index.file + " is no sound index (" + broken->detail + "); what it makes of that is not examined",
                 walk.profile.files.source);
    return false;
  }
  walk.Remedy(kFixCommand);
  return walk.Rejects("weights", "stops: " + index.file + " is malformed: " + broken->detail, walk.profile.files.source,
                      PythonError(index.fault));
}

bool CheckHeaders(Walk& walk) {
  if (std::ranges::all_of(walk.exam.tensors.shards, &ShardHeader::accepted)) return true;
  for (const size_t position : walk.files) {
    const std::string& name = walk.exam.dir.files[position].entry.name;
    for (const ShardHeader& shard : walk.exam.tensors.shards) {
      if (shard.accepted || shard.file != name) continue;
      for (const Defect& defect : shard.defects) {
        if (!IsRefusal(defect.kind)) continue;
        std::string error = ReferenceError(defect);
        if (error.empty())
          error = defect.kind == DefectKind::kTruncated ? "MetadataIncompleteBuffer" : "HeaderTooLarge";
        walk.Remedy(defect.kind == DefectKind::kLfsPointer ? "git lfs pull" : "fetch " + name + " again");
        return walk.Rejects(
            "weights",
            "stops: the header of " + name + " is not accepted" + (defect.detail.empty() ? "" : ": " + defect.detail),
            "huggingface/safetensors safetensors/src/tensor.rs",
            "safetensors_rust.SafetensorError: Error while deserializing header: " + error);
      }
    }
  }
  return true;
}

bool StageMetadata(Walk& walk) {
  const MetadataRule rule = walk.profile.tensors.metadata;
  if (rule == MetadataRule::kIgnored) return true;
  const std::string_view source = walk.profile.tensors.source;
  const auto name_of = [&](size_t file) -> const std::string& { return walk.exam.dir.files[file].entry.name; };
  for (const ShardHeader& shard : walk.exam.tensors.shards) {
    const std::string& name = shard.file;
    if (!shard.readable || !std::ranges::binary_search(walk.files, name, {}, name_of)) continue;
    const auto format = std::find_if(shard.metadata.begin(), shard.metadata.end(),
                                     [](const auto& pair) { return pair.first == "format"; });
    const std::string value = format == shard.metadata.end() ? "" : format->second;
    const bool known =
        value == "pt" || value == "tf" || value == "flax" || (value == "mlx" && rule != MetadataRule::kAccelerate);
    const std::string remedy = "rewrite the header of " + name + " with __metadata__ {\"format\": \"pt\"}";
    if (shard.metadata.empty()) {
      if (rule == MetadataRule::kTransformers4) {
        walk.Remedy(remedy);
        return walk.Rejects("weights", "stops: " + name + " has no __metadata__", source,
                            "AttributeError: 'NoneType' object has no attribute 'get'");
      }
      if (rule == MetadataRule::kAccelerate) {
        walk.Step("weights",
                  name +
                      " has no __metadata__: a warning only (\"does not contain metadata. ... Defaulting to 'pt' "
                      "metadata.\")",
                  source);
        return true;
      }
      continue;
    }
    if (!known) {
      walk.Remedy(remedy);
      const bool sharded = walk.files.size() > 1 || rule == MetadataRule::kAccelerate;
      return walk.Rejects(
          "weights", "stops: __metadata__ of " + name + " names no format it knows", source,
          sharded
              ? "OSError: The safetensors archive passed at " + name +
                    " does not contain the valid metadata. Make sure you save your model with the `save_pretrained` "
                    "method."
              : "ValueError: Incompatible safetensors file. File metadata is not ['pt', 'tf', 'flax', 'mlx'] but " +
                    (value.empty() ? std::string("None") : value));
    }
    if ((value == "tf" || value == "flax") && rule != MetadataRule::kAccelerate && walk.files.size() == 1) {
      walk.Remedy(remedy);
      walk.Degrade(Outcome::kUnknown, "weights",
                   "takes " + name + " for a file of " + (value == "tf" ? "TensorFlow" : "Flax") +
                       ", whose loader is not examined",
                   source);
      return false;
    }
    if (value != "pt" && rule == MetadataRule::kAccelerate) {
      return walk.Rejects("weights", "stops: " + name + " was saved for another framework", source,
                          "ValueError: The checkpoint passed was saved with " + value + ", we need a the pt format.");
    }
  }
  return true;
}

}  // namespace gptq_doctor

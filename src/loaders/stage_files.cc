// Which weight files a loader reads from a local directory.

#include <algorithm>
#include <string>
#include <unordered_set>

#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

bool EndsWithSafetensors(std::string_view name) { return name.ends_with(".safetensors"); }
bool TopLevel(std::string_view name) { return name.find('/') == std::string_view::npos; }

// Positions in dir.files of the regular top-level weight files that `take` accepts.
template <typename Take>
std::vector<size_t> Pick(const Examination& exam, Take take) {
  std::vector<size_t> picked;
  for (size_t i = 0; i < exam.dir.files.size(); ++i) {
    const std::string& name = exam.dir.files[i].entry.name;
    if (TopLevel(name) && EndsWithSafetensors(name) && take(name)) picked.push_back(i);
  }
  return picked;
}

bool Exists(const Examination& exam, std::string_view name) {
  const ModelFile* file = exam.dir.Find(name);
  return file != nullptr && file->entry.kind == FileKind::kRegular;
}

std::vector<size_t> One(const Examination& exam, std::string_view name) {
  return Pick(exam, [&](std::string_view file) { return file == name; });
}

// Files that the index names and that are there.
std::vector<size_t> Indexed(const Examination& exam) {
  const auto& shards = exam.tensors.index.shards;
  return Pick(exam, [&](std::string_view file) {
    return std::ranges::binary_search(shards, file, std::less<>(), &IndexShard::file);
  });
}

bool HasIndex(const Examination& exam, std::string_view name) {
  return Exists(exam, name) && exam.tensors.index.present && exam.tensors.index.file == name;
}

bool IsRead(const Walk& walk, std::string_view name) {  // files stand in the order of their names
  const auto name_of = [&](size_t file) -> std::string_view { return walk.exam.dir.files[file].entry.name; };
  return std::ranges::binary_search(walk.files, name, {}, name_of);
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string Names(const Walk& walk) {
  if (walk.files.empty()) return "nothing";
  const auto& files = walk.exam.dir.files;
  std::string text = files[walk.files.front()].entry.name;
  if (walk.files.size() > 1) {
    text += (walk.files.size() > 2 ? " ... " : ", ") + files[walk.files.back()].entry.name + " (" +
            std::to_string(walk.files.size()) + " files)";
  }
  return text;
}

bool None(Walk& walk, const std::vector<std::string>& tried) {
  const FileFacts& facts = walk.profile.files;
  std::string detail = "stops: finds no weight file";
  if (!tried.empty()) detail += "; it looks for " + Joined(tried);
  const auto there = Pick(walk.exam, [](std::string_view) { return true; });
  if (there.size() == 1 && !tried.empty()) {
    const std::string& name = walk.exam.dir.files[there.front()].entry.name;
    walk.Remedy("rename " + name + " to model.safetensors");
  }
  return walk.Rejects("weights", std::move(detail), facts.source,
                      walk.Message(facts.none_message, {{"names", Joined(tried)}}));
}

bool Pickles(Walk& walk, std::string_view name) {
  walk.Degrade(Outcome::kUnknown, "weights", "takes " + std::string(name) + ", a pickle file that is not examined here",
               walk.profile.files.source);
  return false;
}

// Pickles that are taken where the folder has no safetensors.
bool HasPickle(const Walk& walk, std::string_view prefix) {
  return std::ranges::any_of(walk.exam.dir.files, [&](const ModelFile& file) {
    return file.role == FileRole::kPickleWeights && file.entry.name.starts_with(prefix);
  });
}

// Base names in order; for each the index, where sharded checkpoints are known, then the single file.
bool PickNamed(Walk& walk) {
  const FileFacts& facts = walk.profile.files;
  const JsonValue* base_key = walk.declared.Find("model_file_base_name");
  if (base_key != nullptr && base_key->AsString() == nullptr && Truthy(*base_key) &&
      std::find(facts.bases.begin(), facts.bases.end(), "{base}") != facts.bases.end()) {
    return walk.Rejects(
        "weights", "stops: model_file_base_name is no string", facts.source,
        base_key->kind == JsonKind::kArray
            ? "TypeError: can only concatenate list (not \"str\") to list"
            : "TypeError: unsupported operand type(s) for +: '" + std::string(PythonType(*base_key)) + "' and 'str'");
  }
  std::vector<std::string> tried;
  std::vector<std::string> stems;
  for (const std::string_view base : facts.bases) {
    if (base == "{base}") {
      if (base_key == nullptr || base_key->AsString() == nullptr || base_key->AsString()->empty()) continue;
      stems.assign(1, *base_key->AsString());
      break;
    }
    stems.push_back(walk.Message(base));
  }
  for (const std::string& stem : stems) {
    if (facts.index_first) {
      tried.push_back(stem + ".safetensors.index.json");
      if (HasIndex(walk.exam, tried.back())) {
        walk.files = Indexed(walk.exam);
        return CheckIndexText(walk);
      }
    }
    tried.push_back(stem + ".safetensors");
    walk.files = One(walk.exam, tried.back());
    if (!walk.files.empty()) return true;
  }
  return None(walk, tried);
}

bool PickSingleThenIndex(Walk& walk) {
  const JsonValue* named = walk.exam.configs.model.Find("transformers_weights");
  if (named != nullptr && named->AsString() != nullptr && walk.profile.files.named_by_config) {
    const std::string& name = *named->AsString();
    walk.files = name.ends_with(".index.json") && HasIndex(walk.exam, name) ? Indexed(walk.exam) : One(walk.exam, name);
    if (walk.files.empty()) return None(walk, {name});
    return true;
  }
  walk.files = One(walk.exam, "model.safetensors");
  if (!walk.files.empty()) return true;
  if (HasIndex(walk.exam, "model.safetensors.index.json")) {
    walk.files = Indexed(walk.exam);
    return CheckIndexText(walk);
  }
  for (const std::string_view name : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (Exists(walk.exam, name)) return Pickles(walk, name);
  }
  return None(
      walk, {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"});
}

bool PickGlob(Walk& walk) {
  const FileFacts& facts = walk.profile.files;
  // glob.glob passes over names with a leading dot; Path.glob of the loader that refuses duplicates does not.
  const bool dotted = facts.duplicates_reject;
  walk.files = Pick(walk.exam, [&](std::string_view name) {
    return (dotted || !name.starts_with('.')) &&
           std::none_of(facts.skipped.begin(), facts.skipped.end(),
                        [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
  });
  if (facts.consolidated_wins) {
    auto consolidated = Pick(walk.exam, [](std::string_view name) { return name.starts_with("consolidated"); });
    if (!consolidated.empty() && consolidated.size() < walk.files.size()) {
      walk.Step("weights", "consolidated*.safetensors push the other weight files out", facts.source);
    }
    if (!consolidated.empty()) walk.files = std::move(consolidated);
  }
  if (walk.files.empty()) {
    if (!walk.facts.pickles_only || facts.rule != FileRule::kGlob || !facts.index_filters)
      return None(walk, {"*.safetensors"});
    return Pickles(walk, "*.bin");
  }
  if (facts.index_filters && HasIndex(walk.exam, "model.safetensors.index.json")) {
    if (!CheckIndexText(walk)) return false;
    auto indexed = Indexed(walk.exam);
    if (indexed.size() < walk.files.size()) {
      walk.Step("weights",
                std::to_string(walk.files.size() - indexed.size()) +
                    " weight files that the index does not name are left out",
                facts.source);
    }
    walk.files = std::move(indexed);
    if (walk.files.empty() && MissingShards(walk.exam).empty()) return None(walk, {"*.safetensors"});
  }
  return true;
}

bool PickModelPrefix(Walk& walk) {
  const bool index = walk.profile.files.index_filters && HasIndex(walk.exam, "model.safetensors.index.json");
  walk.files =
      index ? Indexed(walk.exam) : Pick(walk.exam, [](std::string_view name) { return name.starts_with("model"); });
  if (index && !CheckIndexText(walk)) return false;
  constexpr std::string_view kPickle = "pytorch_model";
  const bool pickles = walk.files.empty() && !index && walk.profile.files.pickles && HasPickle(walk, kPickle);
  if (pickles) return Pickles(walk, "pytorch_model*.bin");
  return walk.files.empty() && (!index || MissingShards(walk.exam).empty()) ? None(walk, {"model*.safetensors"}) : true;
}

bool PickIndexThenModel(Walk& walk) {
  if (HasIndex(walk.exam, "model.safetensors.index.json")) {
    walk.files = Indexed(walk.exam);
    if (!CheckIndexText(walk)) return false;
    return !walk.exam.tensors.index.shards.empty() ||
           walk.Rejects("weights", "stops: the index names no file", walk.profile.files.source,
                        "RuntimeError: failed to locate weight files under '" + walk.Dir() + "'");
  }
  walk.files = Pick(walk.exam, [](std::string_view name) { return name.starts_with("model"); });
  const bool pickles = walk.profile.files.pickles;
  if (walk.files.empty() && pickles && HasPickle(walk, "pytorch_model")) return Pickles(walk, "pytorch_model*.bin");
  if (walk.files.empty()) walk.files = Pick(walk.exam, [](std::string_view name) { return !name.starts_with('.'); });
  if (walk.files.empty() && pickles && HasPickle(walk, "")) return Pickles(walk, "*.bin");
  return walk.files.empty() ? None(walk, {"model.safetensors.index.json", "model*.safetensors", "*.safetensors"})
                            : true;
}

bool UsesIndex(const Walk& walk) {
  const FileFacts& facts = walk.profile.files;
  if (!walk.exam.tensors.index.present) return false;
  switch (facts.rule) {
    case FileRule::kNamed:
      return facts.index_first && walk.files.size() != 1;
    case FileRule::kSingleThenIndex:
      return !Exists(walk.exam, "model.safetensors");
    case FileRule::kGlob:
    case FileRule::kModelPrefix:
      return facts.index_filters;
    case FileRule::kIndexThenModel:
      return true;
  }
  return false;
}

bool CheckMissingShards(Walk& walk) {
  const FileFacts& facts = walk.profile.files;
  if (!UsesIndex(walk)) return true;
  const std::vector<std::string> missing = MissingShards(walk.exam);
  if (missing.empty()) return true;
  walk.Remedy("fetch the missing files again: " + Joined(missing));
  const std::string count = std::to_string(missing.size());
  if (facts.missing_shard == MissingShard::kRejects) {
    return walk.Rejects("weights", "stops: the index names " + count + " files that are not here: " + Joined(missing),
                        facts.source,
                        walk.Message(facts.missing_shard_message,
                                     {{"files", Joined(missing)}, {"file", missing.front()}, {"n", count}}));
  }
  walk.Degrade(Outcome::kGarbage, "weights",
               "drops " + count + " files that the index names and that are not here without a message: " +
                   std::to_string(walk.exam.tensors.missing_names.size()) + " tensors stay uninitialised",
               facts.source);
  return true;
}

bool CheckDuplicates(Walk& walk) {
  const FileFacts& facts = walk.profile.files;
  if (walk.files.size() < 2) return true;
  for (const Defect& defect : walk.exam.tensors.defects) {
    if (defect.kind != DefectKind::kTensorInTwoShards) continue;
    if (!facts.duplicates_reject) {
      walk.Step("weights", "tensor " + defect.tensor + " is in two files; the later one wins silently", facts.source);
      return true;
    }
    static constexpr std::string_view kAlsoIn = "the tensor is also in ";
    const std::string other =
        defect.detail.starts_with(kAlsoIn) ? defect.detail.substr(kAlsoIn.size()) : "another file";
    return walk.Rejects(
        "weights", "stops: " + defect.tensor + " is in two files", facts.source,
        walk.Message(facts.duplicates_message, {{"k", defect.tensor}, {"a", defect.file}, {"b", other}}));
  }
  if (!facts.duplicates_reject) return true;
  // Of files beside the model's only the names are known.
  std::unordered_set<std::string_view> examined;
  for (const ShardHeader& shard : walk.exam.tensors.shards) examined.insert(shard.file);
  for (const size_t file : walk.files) {
    const std::string& name = walk.exam.dir.files[file].entry.name;
    if (examined.contains(name)) continue;
    walk.Degrade(Outcome::kUnknown, "weights",
                 "reads " + name +
                     " as well, which is none of the model's files: a tensor name that both hold stops it "
                     "(" +
                     walk.Message(facts.duplicates_message, {{"k", "..."}, {"a", name}, {"b", "..."}}) + ")",
                 facts.source);
    return true;
  }
  return true;
}

// Quantized tensors that live only in files that are not read.
void CheckLeftOut(Walk& walk) {
  const auto& shards = walk.exam.tensors.shards;
  if (std::all_of(shards.begin(), shards.end(), [&](const ShardHeader& shard) { return IsRead(walk, shard.file); }))
    return;
  for (const size_t file : walk.files) {
    const std::string& name = walk.exam.dir.files[file].entry.name;
    if (std::none_of(shards.begin(), shards.end(), [&](const ShardHeader& shard) { return shard.file == name; })) {
      walk.Degrade(Outcome::kUnknown, "weights",
                   "takes " + name + ", which is not what is examined here: there are two sets of weights",
                   walk.profile.files.source);
      return;
    }
    // Its tensors count once, in the file that comes first.
    const auto& defects = walk.exam.tensors.defects;
    const bool twin = std::any_of(defects.begin(), defects.end(), [&](const Defect& defect) {
      return defect.kind == DefectKind::kTensorInTwoShards && defect.file == name;
    });
    if (twin) {
      walk.Step("weights", name + " holds the same tensor names as another file here", walk.profile.files.source);
      return;
    }
  }
  std::unordered_set<std::string_view> read;
  std::vector<const ShardHeader*> out;
  for (const ShardHeader& shard : shards) {
    if (!IsRead(walk, shard.file)) {
      out.push_back(&shard);
      continue;
    }
    for (const TensorRecord& tensor : shard.tensors) read.insert(tensor.name());
  }
  int64_t lost = 0;
  std::string_view file, example;
  for (const ShardHeader* shard : out) {
    for (const TensorRecord& tensor : shard->tensors) {
      if (read.contains(tensor.name()) || !tensor.name().ends_with(".qweight")) continue;
      if (lost++ == 0) {
        file = shard->file;
        example = tensor.name();
      }
    }
  }
  if (lost == 0) return;
  walk.Degrade(Outcome::kUnknown, "weights",
               "reads only " + Names(walk) + "; " + std::to_string(lost) + " packed tensors lie in other files (" +
                   std::string(example) + " in " + std::string(file) + ")",
               walk.profile.files.source);
}

}  // namespace

std::vector<std::string> MissingShards(const Examination& exam) {
  std::vector<std::string> missing;
  for (const IndexShard& shard : exam.tensors.index.shards) {
    if (!Exists(exam, shard.file)) missing.push_back(shard.file);
  }
  return missing;
}

bool StageFiles(Walk& walk) {
  const FileFacts& facts = walk.profile.files;
  bool found = false;
  switch (facts.rule) {
    case FileRule::kNamed:
      found = PickNamed(walk);
      break;
    case FileRule::kSingleThenIndex:
      found = PickSingleThenIndex(walk);
      break;
    case FileRule::kGlob:
      found = PickGlob(walk);
      break;
    case FileRule::kModelPrefix:
      found = PickModelPrefix(walk);
      break;
    case FileRule::kIndexThenModel:
      found = PickIndexThenModel(walk);
      break;
  }
  if (!found) return false;
  if (!walk.files.empty()) walk.Step("weights", "reads " + Names(walk), facts.source);
  if (!CheckMissingShards(walk) || !CheckHeaders(walk) || !CheckDuplicates(walk)) return false;
  CheckLeftOut(walk);
  return true;
}

}  // namespace gptq_doctor

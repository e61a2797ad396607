#include "model/model_dir.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "model/defect_list.h"

namespace gptq_doctor {
namespace {

bool IsTop(std::string_view name) { return name.find('/') == std::string_view::npos; }

// "model.layers.0/layer.safetensors": one folder a layer, as GPTQModel's split_by=layer writes it.
bool IsPerLayerFile(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos || name.find('/', slash + 1) != std::string_view::npos) return false;
  const std::string_view folder = name.substr(0, slash);
  const size_t dot = folder.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == folder.size()) return false;
  return std::all_of(folder.begin() + static_cast<ptrdiff_t>(dot) + 1, folder.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

bool LooksLikeModel(FileRole role) {
  switch (role) {
    case FileRole::kWeights:
    case FileRole::kIndex:
    case FileRole::kPickleWeights:
    case FileRole::kPickleIndex:
    case FileRole::kGguf:
    case FileRole::kOnnx:
    case FileRole::kConfig:
    case FileRole::kQuantizeConfig:
    case FileRole::kQuantConfig:
    case FileRole::kAdapter:
      return true;
    default:
      return false;
  }
}

Error NotAModel(const Source& source, std::string message) {
  return {.kind = ErrorKind::kNotAModel, .path = source.DisplayPath(), .message = std::move(message)};
}

// What is there instead of a model.
Error DescribeInstead(const Source& source, const ModelDir& dir) {
  if (dir.files.empty()) return NotAModel(source, "the directory is empty; pass a model directory");
  std::set<std::string> models;
  size_t partial = 0;
  for (const ModelFile& file : dir.files) {
    partial += file.role == FileRole::kPartial;
    const size_t slash = file.entry.name.rfind('/');
    if (slash == std::string::npos || !LooksLikeModel(file.role)) continue;
    models.insert(file.entry.name.substr(0, slash));
  }
  if (!models.empty()) {
    std::string names;
    size_t listed = 0;
    for (const std::string& model : models) {
      if (listed == 3) break;
      names += Concat({listed++ == 0 ? "" : ", ", EscapeTerminal(model)});
    }
    if (models.size() == 1)
      return NotAModel(source, Concat({"no model at the top; there is one in ", names, ": pass that directory"}));
    return NotAModel(
        source, Concat({"no model at the top, but ", FormatCount(models.size()), " directories that look like one (",
                        names, models.size() > 3 ? ", ...): pass one of them" : "): pass one of them"}));
  }
  if (partial != 0) {
    return NotAModel(source,
                     Concat({"only unfinished downloads (", FormatCount(partial), "); finish the download first"}));
  }
  return NotAModel(
      source, Concat({"nothing here looks like a model: no weights, index, config.json or quantize_config.json among ",
                      FormatCount(dir.files.size()), dir.files.size() == 1 ? " file" : " files"}));
}

void PickWeights(ModelDir& dir) {
  for (size_t i = 0; i < dir.files.size(); ++i) {
    const ModelFile& file = dir.files[i];
    if (file.role == FileRole::kWeights && (IsTop(file.entry.name) || IsPerLayerFile(file.entry.name)))
      dir.weights.push_back(i);
    if (file.role == FileRole::kIndex && IsTop(file.entry.name)) dir.indexes.push_back(i);
  }
  std::stable_partition(dir.indexes.begin(), dir.indexes.end(),
                        [&](size_t i) { return dir.files[i].entry.name == "model.safetensors.index.json"; });
}

Result<ModelDir> Restrict(Source& source, ModelDir dir, std::string_view only_file) {
  const ModelFile* const file = dir.Find(only_file);
  if (file == nullptr) {
    auto entry = source.Stat(only_file);
    if (!entry.ok()) return entry.error();
    dir.files.push_back({.entry = *std::move(entry), .role = RoleOf(only_file)});
    std::sort(dir.files.begin(), dir.files.end(),
              [](const auto& a, const auto& b) { return a.entry.name < b.entry.name; });
    return Restrict(source, std::move(dir), only_file);
  }
  dir.single_file = true;
  const auto position = static_cast<size_t>(file - dir.files.data());
  if (file->role == FileRole::kIndex) {
    dir.indexes = {position};
  } else if (file->role == FileRole::kWeights ||
             (file->role == FileRole::kAdapter && only_file.ends_with(".safetensors"))) {
    dir.weights = {position};
  } else {
    return Error{
        .kind = ErrorKind::kNotAModel,
        .path = Concat({source.DisplayPath(), "/", only_file}),
        .message = "not a .safetensors file or an index of such files; pass one of these or the model directory"};
  }
  return dir;
}

}  // namespace

const ModelFile* ModelDir::Find(std::string_view name) const {
  const auto found =
      std::lower_bound(files.begin(), files.end(), name,
                       [](const ModelFile& file, std::string_view wanted) { return file.entry.name < wanted; });
  return found != files.end() && found->entry.name == name ? &*found : nullptr;
}

Result<ModelDir> ListModel(Source& source, std::string_view only_file) {
  auto listing = source.List();
  if (!listing.ok()) return listing.error();
  ModelDir dir;
  dir.truncated = listing->truncated;
  dir.files.reserve(listing->entries.size());
  for (FileEntry& entry : listing->entries) {
    const FileRole role = RoleOf(entry.name);
    dir.files.push_back({.entry = std::move(entry), .role = role});
  }
  if (!only_file.empty()) return Restrict(source, std::move(dir), only_file);
  PickWeights(dir);
  const bool model = !dir.weights.empty() || std::any_of(dir.files.begin(), dir.files.end(), [](const ModelFile& file) {
    return IsTop(file.entry.name) && LooksLikeModel(file.role);
  });
  if (!model) return DescribeInstead(source, dir);
  return dir;
}

}  // namespace gptq_doctor

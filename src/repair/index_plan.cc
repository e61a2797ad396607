// Rebuilds the index from the shards, where every shard is whole and nothing that the index promises is lost; removes
// an index that belongs to files that are gone. The text is laid out as huggingface_hub writes it: two spaces, sorted
// names, a final line feed.

#include <algorithm>
#include <map>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "model/shard_index.h"
#include "repair/repairs.h"

namespace gptq_doctor {
namespace {

struct CodeRow {
  DefectKind kind;
  std::string_view code;
};
// What a rebuilt index mends.
constexpr CodeRow kMended[] = {
    {DefectKind::kIndexMalformed, "GD230"},   {DefectKind::kIndexDuplicateKey, "GD230"},
    {DefectKind::kIndexWrongType, "GD230"},   {DefectKind::kTensorNotInShard, "GD233"},
    {DefectKind::kTensorNotInIndex, "GD234"}, {DefectKind::kTotalSizeMismatch, "GD236"},
    {DefectKind::kStaleIndex, "GD239"},
};
std::string_view CodeOf(DefectKind kind) {
  for (const CodeRow& row : kMended) {
    if (row.kind == kind) return row.code;
  }
  return "";
}

// What makes "the shards as they are" something else than the model.
constexpr DefectKind kNotWhole[] = {DefectKind::kShardMissing,    DefectKind::kTensorInTwoShards,
                                    DefectKind::kIndexUnsafePath, DefectKind::kShardCountMismatch,
                                    DefectKind::kIndexTooLarge,   DefectKind::kPartialDownload};

std::vector<const Defect*> AllDefects(const TensorIndex& tensors) {
  std::vector<const Defect*> out;
  for (const Defect& defect : tensors.defects) out.push_back(&defect);
  for (const Defect& defect : tensors.index.defects) out.push_back(&defect);
  return out;
}

// "model" of "model-00001-of-00005.safetensors"; "" where the name is no such one.
std::string SeriesOf(std::string_view file) {
  const size_t of = file.rfind("-of-");
  const size_t dash = of == std::string_view::npos || of == 0 ? std::string_view::npos : file.rfind('-', of - 1);
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == of) return "";
  const std::string_view number = file.substr(dash + 1, of - dash - 1);
  const bool digits = number.find_first_not_of("0123456789") == std::string_view::npos;
  return digits && file.find('/') == std::string_view::npos ? std::string(file.substr(0, dash)) : "";
}

bool IsWhole(const ShardHeader& shard) { return shard.accepted; }

std::string IndexText(const TensorIndex& tensors) {
  std::map<std::string_view, std::string_view> files;
  uint64_t total = 0;
  for (const ShardHeader& shard : tensors.shards) {
    for (const TensorRecord& tensor : shard.tensors) {
      files.emplace(tensor.name(), shard.file);
      total += tensor.bytes();
    }
  }
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : tensors.index.metadata) {
    if (ParseJson(value).valid) metadata[key] = value;
  }
  metadata["total_size"] = std::to_string(total);
  std::string out = "{\n  \"metadata\": {";
  for (auto it = metadata.begin(); it != metadata.end(); ++it) {
    out += std::string(it == metadata.begin() ? "" : ",") + "\n    " + JsonQuote(it->first) + ": " + it->second;
  }
  out += "\n  },\n  \"weight_map\": {";
  for (auto it = files.begin(); it != files.end(); ++it) {
    out += std::string(it == files.begin() ? "" : ",") + "\n    " + JsonQuote(it->first) + ": " + JsonQuote(it->second);
  }
  return out + "\n  }\n}\n";
}

// A name that the index lists and no shard holds; "" if there is none. Such a tensor is lost, and an index without it
// would hide that.
std::string LostName(const Examination& exam, const FileEntry& index) {
  const ShardIndex read = ReadIndex(*exam.source, index);
  for (const auto& [name, shard] : IndexEntries(read)) {
    if (exam.tensors.Find(name) == nullptr) return name;
  }
  return "";
}

class IndexPlanner {
 public:
  IndexPlanner(const FixOptions& options, Draft& draft)
      : options_(options), draft_(draft), tensors_(draft.exam().tensors) {}

  Status Run() {
    if (!draft_.exam().options.only_file.empty()) return Ok();
    if (!tensors_.index.present) return Create();
    Collect();
    if (codes_.empty()) return Ok();
    const std::string why = WhyNot();
    if (!why.empty()) {
      draft_.Manual(tensors_.index.file, "the index cannot be rebuilt from the shards: " + why);
      return Ok();
    }
    Result<DraftFile*> file = draft_.Open(tensors_.index.file);
    if (!file) return file.error();
    const bool single = tensors_.shards.size() == 1 && codes_.contains("GD239");
    (*file)->after = single ? std::optional<std::string>() : IndexText(tensors_);
    for (const auto& [code, reason] : codes_) Draft::Explain(*file, code, reason, Applicability::kCertain);
    return Ok();
  }

 private:
  // A whole series of shards that no index binds together: loaders look for the index and find nothing.
  Status Create() {
    if (tensors_.shards.size() < 2 || !options_.select.empty()) return Ok();
    std::string prefix;
    for (const ShardHeader& shard : tensors_.shards) {
      const std::string mine = SeriesOf(shard.file);
      if (!IsWhole(shard) || mine.empty() || (!prefix.empty() && mine != prefix)) return Ok();
      prefix = mine;
    }
    for (const Defect* defect : AllDefects(tensors_)) {
      if (std::find(std::begin(kNotWhole), std::end(kNotWhole), defect->kind) != std::end(kNotWhole)) return Ok();
    }
    Result<DraftFile*> file = draft_.Open(prefix + ".safetensors.index.json");
    if (!file) return file.error();
    (*file)->after = IndexText(tensors_);
    Draft::Explain(*file, "", "the shards have no index, without which loaders do not find them",
                   Applicability::kCertain);
    return Ok();
  }

  void Collect() {
    for (const Defect* defect : AllDefects(tensors_)) {
      const std::string_view code = CodeOf(defect->kind);
      if (code.empty() || !options_.Selects(code)) continue;
      const std::string tensor = defect->tensor.empty() ? "" : EscapeTerminal(defect->tensor) + ": ";
      codes_.emplace(code, tensor + EscapeTerminal(defect->detail, 500));
    }
    // A wrong total alone stops nobody and is not worth a rewrite.
    if (codes_.size() == 1 && codes_.contains("GD236") && options_.select.empty()) codes_.clear();
  }

  std::string WhyNot() const {
    const bool stale = codes_.contains("GD239");
    for (const Defect* defect : AllDefects(tensors_)) {
      if (std::find(std::begin(kNotWhole), std::end(kNotWhole), defect->kind) == std::end(kNotWhole)) continue;
      if (stale && defect->kind == DefectKind::kShardMissing) continue;  // judged by names below
      return EscapeTerminal(defect->file) + ": " + EscapeTerminal(defect->detail, 500);
    }
    if (tensors_.shards.empty()) return "there are none";
    for (const ShardHeader& shard : tensors_.shards) {
      if (!IsWhole(shard)) return EscapeTerminal(shard.file) + " is not whole";
    }
    // With an index that cannot be read, only numbered names tell that no shard is absent.
    if (!tensors_.index.valid && tensors_.shards.size() > 1 && SeriesOf(tensors_.shards[0].file).empty()) {
      return "the shards' names do not tell whether all of them are here";
    }
    const ModelFile* file = draft_.exam().dir.Find(tensors_.index.file);
    if (file == nullptr) return "it is not where it was";
    // A single file beside an index whose shards all exist: two models, and nobody can say which is meant.
    if (stale && !HasMissingShard())
      return "its shards are here and so is another weight file; remove the one that is not meant";
    const std::string lost = LostName(draft_.exam(), file->entry);
    return lost.empty() ? "" : "it names " + EscapeTerminal(lost) + ", which no weight file holds";
  }

  bool HasMissingShard() const {
    for (const IndexShard& shard : tensors_.index.shards) {
      if (!draft_.exam().dir.Has(shard.file)) return true;
    }
    return false;
  }

  const FixOptions& options_;
  Draft& draft_;
  const TensorIndex& tensors_;
  std::map<std::string, std::string, std::less<>> codes_;  // rule, first reason
};

}  // namespace

Status PlanIndex(const FixOptions& options, Draft& draft) { return IndexPlanner(options, draft).Run(); }

}  // namespace gptq_doctor

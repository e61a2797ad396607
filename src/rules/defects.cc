// Every kind of defect of files, headers, shards and index against the rule that reports it.

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"
#include "gptq/format_table.h"
#include "model/sniff.h"
#include "rules/checks.h"
#include "rules/families.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

constexpr DefectRow kDefects[] = {
    {DefectKind::kHeaderTooSmall, "GD201", "shorter than 8 bytes", {}},
    {DefectKind::kHeaderTooLarge, "GD202", "the header is too large", {}},
    {DefectKind::kHeaderLength, "GD203", "the header reaches past the end of the file", {}},
    {DefectKind::kEmptyHeader, "GD204", "the header is empty", {}},
    {DefectKind::kNotSafetensors, "GD205", "not a safetensors file", {}},
    {DefectKind::kLfsPointer, "GD206", "a git-lfs pointer, not the data", {}},
    {DefectKind::kTruncated, "GD207", "data are missing at the end", {}},
    {DefectKind::kTrailingBytes, "GD208", "bytes follow the last tensor", {}},
    {DefectKind::kUnreadable, "GD901", "could not be read", {}},
    {DefectKind::kSpecialFile, "GD209", "not a regular file", {}},
    {DefectKind::kDangling, "GD210", "a link to nothing", {}},
    {DefectKind::kChangedWhileRead, "GD902", "changed while it was read", {}},
    {DefectKind::kInvalidUtf8, "GD211", "the header is not valid UTF-8", {}},
    {DefectKind::kInvalidJson, "GD212", "the header is not JSON", {}},
    {DefectKind::kNulPadding, "GD213", "the header is padded with NUL bytes", {}},
    {DefectKind::kEntryForm, "GD214", "an entry has another form than the format has", {}},
    {DefectKind::kMissingField, "GD214", "an entry lacks a field", {}},
    {DefectKind::kDuplicateField, "GD214", "an entry has a field twice", {}},
    {DefectKind::kDuplicateMetadata, "GD215", "__metadata__ occurs twice", {}},
    {DefectKind::kDuplicateMetadataKey, "GD215", "a key occurs twice in __metadata__", Severity::kWarning},
    {DefectKind::kMetadataType, "GD215", "__metadata__ is not an object of strings", {}},
    {DefectKind::kUnknownDtype, "GD216", "unknown dtype", {}},
    {DefectKind::kInvalidShape, "GD214", "a shape is not an array of plain integers", {}},
    {DefectKind::kInvalidOffsets, "GD214", "data_offsets are not two plain integers", {}},
    {DefectKind::kDuplicateTensor, "GD217", "a tensor is named twice", {}},
    {DefectKind::kOverlap, "GD218", "tensors share bytes", {}},
    {DefectKind::kHole, "GD219", "bytes belong to no tensor", {}},
    {DefectKind::kEndBeforeBegin, "GD214", "data_offsets end before they begin", {}},
    {DefectKind::kShapeOverflow, "GD220", "a shape's size overflows", {}},
    {DefectKind::kMisalignedSlice, "GD221", "a tensor does not fill whole bytes", {}},
    {DefectKind::kSizeMismatch, "GD221", "a tensor's bytes do not fit its shape", {}},
    {DefectKind::kLeadingWhitespace, "GD222", "white space precedes the header", {}},
    {DefectKind::kUnpaddedHeader, "GD223", "the header's length is no multiple of 8", {}},
    {DefectKind::kMisalignedData, "GD224", "tensor data are not aligned for their dtype", {}},
    {DefectKind::kLargeHeader, "GD225", "the header is larger than the hub's clients read", {}},
    {DefectKind::kIndexMalformed, "GD230", "the index is malformed", {}},
    {DefectKind::kIndexTooLarge, "GD230", "the index is too large", {}},
    {DefectKind::kIndexDuplicateKey, "GD230", "the index names a key twice", {}},
    {DefectKind::kIndexUnsafePath, "GD231", "the index names a file outside the directory", {}},
    {DefectKind::kIndexWrongType, "GD230", "the index holds a value of another type than it must", {}},
    {DefectKind::kShardMissing, "GD232", "a shard named by the index is missing", {}},
    {DefectKind::kTensorNotInShard, "GD233", "the index promises tensors that the shard does not hold", {}},
    {DefectKind::kTensorNotInIndex, "GD234", "tensors that the index does not list", {}},
    {DefectKind::kTensorInTwoShards, "GD235", "a tensor is in two weight files", {}},
    {DefectKind::kTotalSizeMismatch, "GD236", "total_size does not match the shards", {}},
    {DefectKind::kShardCountMismatch, "GD237", "the names announce another number of shards", {}},
    {DefectKind::kStrayWeights, "GD238", "a weight file that the index does not name", {}},
    {DefectKind::kStaleIndex, "GD239", "the index names other files than the one that is here", {}},
    {DefectKind::kSeveralIndexes, "GD240", "several indexes", {}},
    {DefectKind::kPartialDownload, "GD241", "an unfinished download", {}},
    {DefectKind::kUnusualName, "GD242", "loaders look for other names", {}},
};

constexpr bool InEnumOrder() {
  for (size_t i = 0; i < std::size(kDefects); ++i) {
    if (static_cast<size_t>(kDefects[i].kind) != i) return false;
  }
  return std::size(kDefects) == static_cast<size_t>(DefectKind::kUnusualName) + 1;
}
static_assert(InEnumOrder(), "one row a kind, in the order of the enum");

// A tensor that only a quantized module has.
bool BelongsToQuantized(const RuleInput& input, const std::string& tensor) {
  const int64_t module = input.exam.inventory.FindModule(SplitTensorName(tensor).stem);
  return module >= 0 && input.exam.IsQuantizedClass(input.exam.inventory.modules[static_cast<size_t>(module)].class_id);
}

std::optional<FixHint> FixOf(const RuleInput& input, const Defect& defect) {
  switch (defect.kind) {
    case DefectKind::kLfsPointer:
      return FixHint{"manual", "git lfs pull", "fetch the content behind the pointer"};
    case DefectKind::kTensorNotInShard:
      // Rebuilt, an index would forget a tensor that is nowhere.
      if (input.exam.tensors.Find(defect.tensor) == nullptr) return std::nullopt;
      [[fallthrough]];
    case DefectKind::kTensorNotInIndex:
    case DefectKind::kIndexMalformed:
    case DefectKind::kIndexWrongType:
    case DefectKind::kIndexDuplicateKey:
    case DefectKind::kStaleIndex:
      return FixCommand(input, "certain", "rebuild the index from the shards");
    case DefectKind::kUnusualName:
      return FixCommand(input, "certain", "give the weights a name that loaders look for");
    default:
      return std::nullopt;
  }
}

Observation ReportOf(const RuleInput& input, const DefectRow& row, const Defect& defect) {
  Observation report;
  report.file = defect.file;
  report.message = (defect.file.empty() ? std::string() : defect.file + ": ") + std::string(row.headline);
  if (!defect.tensor.empty()) report.message += ", {names}";
  if (!defect.detail.empty()) report.message += ": " + defect.detail;
  const std::string reference = ReferenceError(defect);
  if (!reference.empty()) report.message += " (loaders say " + reference + ")";
  report.cause = row.headline;
  report.severity = row.severity;
  report.unit = "tensor";
  if (defect.offset > 0) report.evidence.push_back("at byte " + FormatCount(defect.offset));
  if (!defect.tensor.empty()) report.names.push_back(defect.tensor);
  report.fix = FixOf(input, defect);
  if (defect.kind == DefectKind::kTensorNotInIndex && BelongsToQuantized(input, defect.tensor)) {
    report.severity = Severity::kError;
    report.cause += ", quantized";
  }
  if (defect.kind == DefectKind::kShardCountMismatch && input.exam.tensors.index.valid)
    report.severity = Severity::kWarning;
  return report;
}

}  // namespace

std::span<const DefectRow> DefectTable() { return kDefects; }

void CheckDefects(const RuleInput& input, FindingSink& sink) {
  const auto add = [&](const Defect& defect) {
    const DefectRow& row = kDefects[static_cast<size_t>(defect.kind)];
    sink.Add(row.code, ReportOf(input, row, defect));
  };
  for (const ShardHeader& shard : input.exam.tensors.shards) {
    for (const Defect& defect : shard.defects) add(defect);
  }
  for (const Defect& defect : input.exam.tensors.index.defects) add(defect);
  for (const Defect& defect : input.exam.tensors.defects) add(defect);
}

void CheckMetadataMissing(const RuleInput& input, FindingSink& sink) {
  Observation report;
  for (const ShardHeader& shard : input.exam.tensors.shards) {
    if (!shard.accepted) continue;
    const bool format = std::any_of(shard.metadata.begin(), shard.metadata.end(),
                                    [](const auto& pair) { return pair.first == "format"; });
    if (format) continue;
    if (report.file.empty()) report.file = shard.file;
    report.names.push_back(shard.file);
  }
  if (report.names.empty()) return;
  report.unit = "file";
  report.across_files = true;
  report.cause = "format";
  report.message = "{names}: __metadata__ does not say format: pt; versions of transformers around 4.30 stop at that";
  sink.Add(std::move(report));
}

// A base name that the settings announce and that no weight file has.
void CheckAnnouncedName(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  for (const QuantConfigFile* file : GptqFiles(exam)) {
    const JsonValue* value = file->Find("model_file_base_name");
    const std::string* name = value == nullptr ? nullptr : value->AsString();
    if (name == nullptr || name->empty() || exam.tensors.shards.empty()) continue;
    const bool found = std::any_of(exam.dir.files.begin(), exam.dir.files.end(), [&](const ModelFile& one) {
      return one.entry.name.starts_with(*name + ".") || one.entry.name.starts_with(*name + "-0");
    });
    if (found) continue;
    Observation report = KeyReport(*file, "model_file_base_name");
    report.cause = "announced";
    report.value = *name;
    report.message = PlaceName(*file) + " announces " + *name + ".safetensors, and the weight file is " +
                     exam.tensors.shards.front().file + ": AutoGPTQ stops with FileNotFoundError";
    if (exam.dir.Has("model.safetensors")) report.fix = FixCommand(input, "certain", "announce the file that is there");
    sink.Add(std::move(report));
  }
}

void CheckPackerName(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!WholeDirectory(input)) return;
  CheckAnnouncedName(input, sink);
  if (exam.tensors.index.valid || exam.tensors.shards.size() != 1) return;
  const std::string& file = exam.tensors.shards.front().file;
  if (!file.starts_with("gptq_model-")) return;
  Observation report;
  report.file = file;
  report.cause = "packer";
  report.message = file + ": the name that AutoGPTQ gives; transformers looks for model.safetensors and finds nothing";
  report.fix = FixCommand(input, "certain", "give the weights a name that every loader looks for", " --select GD242");
  sink.Add(std::move(report));
}

void CheckNoWeights(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.tensors.shards.empty() || !exam.dir.weights.empty()) return;
  // Shards that the index names and that are not there have their own finding.
  if (exam.tensors.index.present && exam.tensors.index.valid && exam.tensors.index.entries > 0) return;
  const bool pickles = std::any_of(exam.dir.files.begin(), exam.dir.files.end(),
                                   [](const ModelFile& file) { return file.role == FileRole::kPickleWeights; });
  Observation report;
  report.cause = pickles ? "pickle" : "none";
  if (pickles) {
    report.severity = Severity::kWarning;
    report.message = "no .safetensors file; the weights are pickle files, which gptq-doctor never opens";
  } else {
    report.message =
        "no weight file at all: loaders say \"Error no file named pytorch_model.bin, model.safetensors, ... found in "
        "directory\"";
  }
  sink.Add(std::move(report));
}

}  // namespace gptq_doctor

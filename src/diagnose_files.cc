// The directory as a checklist: what is there, what is missing, what a loader would need.

#include <algorithm>
#include <string_view>

#include "diagnose.h"

namespace gptq_doctor {
namespace {

// A weight file's state follows from its worst defect; where the reference refuses the header for anything else, it is
// "invalid".
void JudgeShard(const ShardHeader& shard, FileRow& row) {
  const auto refusal =
      std::ranges::find_if(shard.defects, [](const Defect& defect) { return !ReferenceError(defect).empty(); });
  if (refusal != shard.defects.end()) {
    row.state = "invalid";
    row.note = refusal->detail.empty() ? ReferenceError(*refusal) : refusal->detail;
  }
  for (const Defect& defect : shard.defects) {
    switch (defect.kind) {
      case DefectKind::kLfsPointer:
        row.state = "lfs-pointer";
        break;
      case DefectKind::kUnreadable:
        row.state = "unreadable";
        break;
      case DefectKind::kDangling:
        row.state = "dangling";
        break;
      case DefectKind::kSpecialFile:
        row.state = "unreadable";
        break;
      case DefectKind::kTruncated:
      case DefectKind::kHeaderLength:
      case DefectKind::kHeaderTooSmall:
      case DefectKind::kEmptyHeader:
        row.state = "partial";
        break;
      case DefectKind::kNotSafetensors:
        row.state = "foreign";
        break;
      default:
        continue;
    }
    row.note = defect.detail;
    return;
  }
}

std::string NoteOf(FileRole role) {
  switch (role) {
    case FileRole::kWeights:
      return "weights";
    case FileRole::kIndex:
      return "names the shard of every tensor";
    case FileRole::kConfig:
      return "architecture";
    case FileRole::kQuantizeConfig:
    case FileRole::kQuantConfig:
      return "quantization settings";
    case FileRole::kGenerationConfig:
      return "sampling defaults";
    case FileRole::kTokenizer:
      return "tokenizer";
    case FileRole::kCode:
      return "code that a loader may run";
    case FileRole::kPartial:
      return "unfinished download";
    case FileRole::kPickleWeights:
      return "pickle weights, not examined";
    default:
      return "";
  }
}

// A configuration or the index; what is wrong with it is a finding.
bool IsInvalidJson(const Examination& exam, const ModelFile& file) {
  const std::string& name = file.entry.name;
  const auto invalid = [](const JsonDocument& json) { return !json.valid && !json.defects.empty(); };
  if (file.role == FileRole::kConfig) return name == "config.json" && invalid(exam.configs.model.json);
  if (file.role == FileRole::kIndex) {
    const ShardIndex& index = exam.tensors.index;
    return index.present && index.file == name && !index.valid && !index.defects.empty();
  }
  const QuantConfigFile* config = exam.configs.Get(name);
  return config != nullptr && invalid(config->json);
}

FileRow RowOf(const Examination& exam, const ModelFile& file) {
  FileRow row{.name = file.entry.name, .role = ToString(file.role), .state = "present", .note = NoteOf(file.role)};
  if (file.entry.size() >= 0) row.size = file.entry.size();
  switch (file.entry.kind) {
    case FileKind::kDangling:
      row.state = "dangling";
      row.note = "link to nothing";
      break;
    case FileKind::kLoop:
      row.state = "dangling";
      row.note = "links in a circle";
      break;
    case FileKind::kUnreadable:
      row.state = "unreadable";
      row.note = "may not be read";
      break;
    case FileKind::kSpecial:
      row.state = "unreadable";
      row.note = "no regular file";
      break;
    default:
      break;
  }
  if (file.role == FileRole::kPartial) row.state = "partial";
  if (IsInvalidJson(exam, file)) {
    row.state = "invalid";
    row.note = "not valid JSON";
  }
  if (file.role == FileRole::kQuantizeConfig) {
    const QuantConfigFile* config = exam.configs.Get(file.entry.name);
    if (config != nullptr &&
        (config->reading == ConfigReading::kNamesake || config->reading == ConfigReading::kForeign)) {
      row.state = "foreign";
      row.note = config->detail;
    }
  }
  return row;
}

bool IsListed(FileRole role) {
  return role != FileRole::kOther && role != FileRole::kDownloadMetadata && role != FileRole::kPreprocessor;
}

// Of a single file's neighbours, other weights are none of its business.
bool IsExamined(const Examination& exam, const ModelFile& file) {
  return exam.options.only_file.empty() || file.role != FileRole::kWeights || file.entry.name == exam.options.only_file;
}

void AddShardStates(const Examination& exam, std::vector<FileRow>& rows) {
  for (const ShardHeader& shard : exam.tensors.shards) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const FileRow& r) { return r.name == shard.file; });
    if (row != rows.end()) JudgeShard(shard, *row);
  }
}

// Shards that the index names and nobody has.
void AddMissingShards(const Examination& exam, std::vector<FileRow>& rows) {
  if (!exam.tensors.index.present) return;
  for (const IndexShard& shard : exam.tensors.index.shards) {
    if (!shard.safe || exam.dir.Has(shard.file)) continue;
    rows.push_back({.name = shard.file,
                    .role = ToString(FileRole::kWeights),
                    .state = "missing",
                    .note = "named by " + exam.tensors.index.file});
  }
}

bool HasRole(const Examination& exam, FileRole role) {
  return std::any_of(exam.dir.files.begin(), exam.dir.files.end(), [&](const ModelFile& f) { return f.role == role; });
}

void AddAbsent(const Examination& exam, std::vector<FileRow>& rows) {
  const auto need = [&](std::string_view name, FileRole role, std::string_view state, std::string_view note) {
    if (exam.dir.Has(name)) return;
    rows.push_back(
        {.name = std::string(name), .role = ToString(role), .state = std::string(state), .note = std::string(note)});
  };
  if (exam.quant.is_gptq) {
    need("quantize_config.json", FileRole::kQuantizeConfig, "needed",
         "AutoGPTQ, GPTQModel and others read the settings here");
  }
  need("config.json", FileRole::kConfig, "missing", "no loader can build the model without it");
  if (!HasRole(exam, FileRole::kIndex) && exam.tensors.shards.size() > 1) {
    need("model.safetensors.index.json", FileRole::kIndex, "needed",
         "loaders find the tensors of several shards by it");
  }
  need("generation_config.json", FileRole::kGenerationConfig, "missing", "optional: sampling defaults");
  if (!HasRole(exam, FileRole::kTokenizer)) {
    need("tokenizer.json", FileRole::kTokenizer, "missing", "text needs a tokenizer; the weights do not");
  }
}

int RankOf(const std::string& role) {
  static constexpr std::string_view kOrder[] = {"weights",         "index",      "config",
                                                "quantize-config", "generation", "tokenizer"};
  const auto found = std::find(std::begin(kOrder), std::end(kOrder), role);
  return static_cast<int>(found - std::begin(kOrder));
}

}  // namespace

std::vector<FileRow> DescribeFiles(const Examination& exam) {
  std::vector<FileRow> rows;
  for (const ModelFile& file : exam.dir.files) {
    if (IsListed(file.role) && IsExamined(exam, file)) rows.push_back(RowOf(exam, file));
  }
  AddShardStates(exam, rows);
  if (exam.options.only_file.empty()) {
    AddMissingShards(exam, rows);
    AddAbsent(exam, rows);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const FileRow& a, const FileRow& b) {
    const int left = RankOf(a.role), right = RankOf(b.role);
    return left != right ? left < right : a.name < b.name;
  });
  return rows;
}

}  // namespace gptq_doctor

#include "infer/examination.h"

#include <algorithm>
#include <map>

#include "base/os_error.h"
#include "gptq/format_table.h"

namespace gptq_doctor {
namespace {

// Files that exist and may not be read, or changed meanwhile, are the run's errors, not the model's.
class UnreadFiles {
 public:
  explicit UnreadFiles(Examination& exam) : exam_(exam) {}

  void Collect() {
    for (const ShardHeader& shard : exam_.tensors.shards) {
      for (const Defect& defect : shard.defects) AddDefect(defect);
    }
    for (const Defect& defect : exam_.tensors.index.defects) AddDefect(defect);
    for (const Defect& defect : exam_.tensors.defects) AddDefect(defect);
    for (const ModelFile& file : exam_.dir.files) {
      if (file.entry.kind == FileKind::kUnreadable)
        Ask(file.entry.name, "no permission to look at it, or the device does not answer");
    }
    for (Error& error : exam_.errors) Settle(error);
  }

 private:
  bool IsKnown(const std::string& file) const {
    return std::ranges::any_of(exam_.errors, [&](const Error& e) { return e.path == file || e.path == PathOf(file); });
  }
  std::string PathOf(const std::string& file) const { return JoinPath(exam_.source->DisplayPath(), file); }

  void AddDefect(const Defect& defect) {
    if (defect.kind == DefectKind::kUnreadable) Ask(defect.file, defect.detail);
    if (defect.kind == DefectKind::kChangedWhileRead && !IsKnown(defect.file)) {
      exam_.errors.push_back(
          {ErrorKind::kChanged, defect.file, defect.detail + "; run again when nothing writes to it"});
    }
  }

  // Asked once more for one byte, the source says whether trying again can help.
  void Ask(const std::string& file, const std::string& detail) {
    if (IsKnown(file)) return;
    char byte = 0;
    ReadOutcome outcome;
    const ReadRequest request{.file = file, .offset = 0, .into = {&byte, 1}};
    exam_.source->ReadMany({&request, 1}, {&outcome, 1});
    exam_.errors.push_back({outcome.error ? outcome.error->kind : ErrorKind::kIo, file, detail});
  }

  // What was listed and is gone has changed; paths are as the user gave them.
  void Settle(Error& error) const {
    if (error.kind == ErrorKind::kNotFound) error.kind = ErrorKind::kChanged;
    if (exam_.dir.Has(error.path)) error.path = PathOf(error.path);
  }

  Examination& exam_;
};

constexpr struct {
  std::string_view name;
  uint64_t cap;  // bytes
  bool cut;      // where it is larger: read up to there, or not at all
} kSideFiles[] = {{"added_tokens.json", 4 << 20, false},
                  {"tokenizer_config.json", 4 << 20, false},
                  {"adapter_config.json", 4 << 20, false},
                  {"tokenizer.json", 1 << 18, true}};  // its added tokens come first

void ReadSideFiles(Examination& exam) {
  for (const auto& [name, cap, cut] : kSideFiles) {
    const ModelFile* file = exam.dir.Find(name);
    if (file == nullptr || file->entry.kind != FileKind::kRegular) continue;
    const auto size = static_cast<uint64_t>(file->entry.size());
    if (size > cap && !cut) continue;
    Result<std::string> text = ReadBeginning(*exam.source, file->entry, std::min(size, cap));
    if (text) {
      exam.side_files.emplace(name, std::move(*text));
    } else {
      exam.errors.push_back(text.error());
    }
  }
}

// The family whose configs name the method of the first config that has one; "" if none.
std::string_view DeclaredFamily(const ConfigSet& configs) {
  for (const QuantConfigFile& file : configs.files) {
    if (!file.method_family.empty() && file.reading != ConfigReading::kNamesake) return file.method_family;
    if (!file.quant_method || file.reading == ConfigReading::kNamesake) continue;
    for (const FormatRow& row : FormatTable()) {
      if (std::ranges::find(row.config_methods, *file.quant_method) != row.config_methods.end()) return row.family;
    }
  }
  return {};
}

}  // namespace

std::string Examination::kind() const {
  if (quant.is_gptq) return "gptq";
  std::map<std::string_view, int64_t> bytes;
  for (const ModuleClass& c : inventory.classes) {
    if (c.format >= 0) bytes[FormatTable()[static_cast<size_t>(c.format)].family] += c.bytes;
  }
  std::string_view most;
  for (const auto& [family, size] : bytes) {
    if (most.empty() || size > bytes[most]) most = family;
  }
  if (!most.empty()) return std::string(most);
  if (tensors.size() > 0) return "dense";
  if (const std::string_view declared = DeclaredFamily(configs); !declared.empty()) return std::string(declared);
  const bool headers = std::ranges::any_of(tensors.shards, &ShardHeader::readable);
  return headers ? "empty" : "unknown";
}

Result<std::unique_ptr<Examination>> ReadExamination(Source& source, const ExamineOptions& options,
                                                     const ExamineContext& context) {
  Result<ModelDir> dir = ListModel(source, options.only_file);
  if (!dir.ok()) return dir.error();
  auto exam = std::make_unique<Examination>();
  exam->source = &source;
  exam->options = options;
  exam->dir = std::move(dir).value();
  exam->tensors = BuildTensorIndex(source, exam->dir, {.max_header = options.max_header}, context.pool);
  exam->inventory = BuildInventory(exam->tensors, context.pool);
  exam->configs = ReadConfigs(source, exam->dir, exam->errors);
  exam->quant = Infer({.source = source,
                       .dir = exam->dir,
                       .tensors = exam->tensors,
                       .inventory = exam->inventory,
                       .configs = exam->configs},
                      options, context, exam->errors);
  ReadSideFiles(*exam);
  UnreadFiles(*exam).Collect();
  return exam;
}

}  // namespace gptq_doctor

// Plans and journals as JSON: written with nlohmann-json, read with the reader that keeps places.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"
#include "base/os_error.h"
#include "base/sha256.h"
#include "base/text.h"
#include "repair/journal.h"
#include "repair/plan.h"
#include "repair/restore.h"

namespace gptq_doctor {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxJournal = 16 << 20;  // bytes; ours are a few KB

Json ToolJson() { return {{"name", "gptq-doctor"}, {"version", GPTQ_DOCTOR_VERSION}}; }

std::string Dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json StateJson(const std::string& sha256, int64_t size) { return {{"sha256", sha256}, {"size", size}}; }

std::string Text(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.Find(key);
  const std::string* text = value != nullptr ? value->AsString() : nullptr;
  return text != nullptr ? *text : "";
}

int64_t Integer(const JsonValue& object, std::string_view key, int64_t missing) {
  const JsonValue* value = object.Find(key);
  return value != nullptr ? value->AsInt().value_or(missing) : missing;
}

std::vector<std::string> Texts(const JsonValue& object, std::string_view key) {
  std::vector<std::string> out;
  const JsonValue* value = object.Find(key);
  if (value == nullptr) return out;
  for (const JsonValue& item : value->items) {
    if (const std::string* text = item.AsString()) out.push_back(*text);
  }
  return out;
}

const std::vector<JsonValue>& Items(const JsonValue& object, std::string_view key) {
  static const std::vector<JsonValue> kNone;
  const JsonValue* value = object.Find(key);
  return value != nullptr ? value->items : kNone;
}

bool KindFrom(std::string_view text, EditKind* kind) {
  for (EditKind k : {EditKind::kCreate, EditKind::kReplace, EditKind::kRename, EditKind::kRemove}) {
    if (text == ToString(k)) {
      *kind = k;
      return true;
    }
  }
  return false;
}

bool IsHash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Whether an entry has what the write of its kind records, and nothing else: a journal may come with the model.
bool IsWhole(const JournalEntry& entry) {
  if (!IsSafeName(entry.file)) return false;
  if (entry.kind == EditKind::kRename) {
    return IsSafeName(entry.to) && entry.size >= 0 && IsHash(entry.head_sha256) && entry.backup.empty();
  }
  const auto fits = [](bool exists, const std::string& hash) { return exists ? IsHash(hash) : hash.empty(); };
  const bool before = entry.kind != EditKind::kCreate, after = entry.kind != EditKind::kRemove;
  if (!fits(before, entry.before_sha256) || !fits(after, entry.after_sha256) || !entry.to.empty()) return false;
  return before ? IsSafeName(entry.backup) && entry.backup.starts_with(entry.file + kBackupSuffix)
                : entry.backup.empty();
}

// The names that edits touch. Of one that stands twice no state before and after could be told.
class TouchedNames {
 public:
  // Whether the name is new; "" always is.
  bool Add(const std::string& name) { return name.empty() || names_.insert(name).second; }

 private:
  std::set<std::string> names_ = {kJournalName};
};

// Empty where the edit is whole; what is wrong with it otherwise.
std::string EditFrom(const JsonValue& json, Edit* edit) {
  if (!KindFrom(Text(json, "kind"), &edit->kind)) return "an edit of a kind that is not known here";
  edit->file = Text(json, "file");
  if (edit->kind == EditKind::kRename) edit->to = Text(json, "to");
  if (!IsSafeName(edit->file)) return "the file name '" + EscapeTerminal(edit->file) + "' leaves the model";
  if (edit->kind == EditKind::kRename && !IsSafeName(edit->to)) {
    return "the file name '" + EscapeTerminal(edit->to) + "' leaves the model";
  }
  if (const JsonValue* before = json.Find("before"); before != nullptr && before->IsObject()) {
    edit->before_sha256 = Text(*before, "sha256");
    edit->before_size = Integer(*before, "size", -1);
    edit->head_sha256 = Text(*before, "head_sha256");
  }
  // Its record would be none that can be undone.
  if (edit->kind == EditKind::kCreate && !(edit->before_sha256 + edit->head_sha256).empty()) {
    return "the edit of " + edit->file + " makes a file that was there before: the plan was changed by hand";
  }
  const bool whole = edit->kind == EditKind::kReplace || edit->kind == EditKind::kRemove;
  if (whole && !IsHash(edit->before_sha256)) return "the edit of " + edit->file + " lacks the hash of the file before";
  if (edit->kind == EditKind::kRename && !IsHash(edit->head_sha256)) {
    return "the edit of " + edit->file + " lacks the hash of the file before";
  }
  if (edit->kind == EditKind::kCreate || edit->kind == EditKind::kReplace) {
    const JsonValue* content = json.Find("content");
    const JsonValue* after = json.Find("after");
    if (content == nullptr || content->AsString() == nullptr) return "the edit of " + edit->file + " lacks its content";
    edit->after = *content->AsString();
    if (after == nullptr || Text(*after, "sha256") != Sha256(edit->after)) {
      return "the content of " + edit->file + " is not what its hash says: the plan was changed by hand";
    }
  }
  edit->applicability = Text(json, "applicability") == "assumed" ? Applicability::kAssumed : Applicability::kCertain;
  edit->codes = Texts(json, "codes");
  edit->reasons = Texts(json, "reasons");
  return "";
}

Json EditJson(const Edit& edit) {
  Json out = {{"kind", ToString(edit.kind)}, {"file", edit.file}};
  if (edit.kind == EditKind::kRename) out["to"] = edit.to;
  out["applicability"] = ToString(edit.applicability);
  out["codes"] = edit.codes;
  out["reasons"] = edit.reasons;
  out["before"] = nullptr;
  if (edit.kind == EditKind::kRename) {
    out["before"] = {{"head_sha256", edit.head_sha256}, {"size", edit.before_size}};
  } else if (!edit.before_sha256.empty()) {
    out["before"] = StateJson(edit.before_sha256, edit.before_size);
  }
  if (edit.kind == EditKind::kCreate || edit.kind == EditKind::kReplace) {
    out["after"] = StateJson(Sha256(edit.after), static_cast<int64_t>(edit.after.size()));
    out["content"] = edit.after;
  }
  return out;
}

Error NotAPlan(std::string_view path, std::string why) {
  return {ErrorKind::kRefused, std::string(path), "not a plan that can be applied: " + std::move(why)};
}

}  // namespace

const char* ToString(EditKind kind) {
  switch (kind) {
    case EditKind::kCreate:
      return "create";
    case EditKind::kReplace:
      return "replace";
    case EditKind::kRename:
      return "rename";
    case EditKind::kRemove:
      return "remove";
  }
  return "";
}

const char* ToString(Applicability applicability) {
  return applicability == Applicability::kAssumed ? "assumed" : "certain";
}

bool IsSafeName(std::string_view name) {
  const bool printable = std::none_of(
      name.begin(), name.end(), [](char c) { return c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  return printable && IsInsideName(name);
}

std::string PlanToJson(const Plan& plan) {
  Json edits = Json::array(), manual = Json::array();
  for (const Edit& edit : plan.edits) edits.push_back(EditJson(edit));
  for (const ManualStep& step : plan.manual) manual.push_back({{"file", step.file}, {"text", step.text}});
  return Dump({{"schema_version", "1.0"},
               {"tool", ToolJson()},
               {"model", plan.model},
               {"edits", edits},
               {"manual", manual},
               {"warnings", plan.warnings},
               {"assumed", plan.assumed}});
}

Result<Plan> PlanFromJson(std::string_view text, std::string_view path) {
  const JsonDocument document = ParseJson(text);
  if (!document.valid || !document.root || !document.root->IsObject()) return NotAPlan(path, "it is no JSON object");
  const JsonValue& root = *document.root;
  if (!Text(root, "schema_version").starts_with("1.")) return NotAPlan(path, "its schema_version is not 1.x");
  if (root.Find("edits") == nullptr || root.Find("edits")->kind != JsonKind::kArray)
    return NotAPlan(path, "it has no edits");
  Plan plan{.model = Text(root, "model")};
  TouchedNames names;
  for (const JsonValue& item : Items(root, "edits")) {
    Edit edit;
    if (const std::string problem = EditFrom(item, &edit); !problem.empty()) return NotAPlan(path, problem);
    if (!names.Add(edit.file) || !names.Add(edit.to)) return NotAPlan(path, "two edits touch " + edit.file);
    plan.edits.push_back(std::move(edit));
  }
  for (const JsonValue& item : Items(root, "manual")) plan.manual.push_back({Text(item, "file"), Text(item, "text")});
  plan.warnings = Texts(root, "warnings");
  plan.assumed = Texts(root, "assumed");
  return plan;
}

std::string JournalToJson(const Journal& journal) {
  Json entries = Json::array();
  for (const JournalEntry& entry : journal.entries) {
    Json row = {{"kind", ToString(entry.kind)}, {"file", entry.file}};
    if (entry.kind == EditKind::kRename) {
      row["to"] = entry.to;
      row["size"] = entry.size;
      row["head_sha256"] = entry.head_sha256;
    } else {
      row["before_sha256"] = entry.before_sha256;
      row["after_sha256"] = entry.after_sha256;
      row["backup"] = entry.backup;
    }
    entries.push_back(std::move(row));
  }
  return Dump({{"schema_version", "1.0"},
               {"tool", ToolJson()},
               {"state", journal.applied ? "applied" : "applying"},
               {"entries", entries}});
}

Result<std::optional<Journal>> ReadJournal(Source& source) {
  const Result<FileEntry> entry = source.Stat(kJournalName);
  if (!entry) {
    if (entry.error().kind == ErrorKind::kNotFound) return std::optional<Journal>();
    return entry.error();
  }
  const Result<std::string> text = ReadWhole(source, kJournalName, kMaxJournal);
  if (!text && text.error().kind == ErrorKind::kNotFound) return std::optional<Journal>();
  if (!text) return text.error();
  const JsonDocument document = ParseJson(*text);
  const Error broken{ErrorKind::kRefused, kJournalName,
                     "the record of the last write cannot be understood; move it away"};
  if (!document.valid || !document.root || !document.root->IsObject()) return broken;
  Journal journal;
  const std::string state = Text(*document.root, "state");
  if (state != "applied" && state != "applying") return broken;
  journal.applied = state == "applied";
  TouchedNames names;
  for (const JsonValue& item : Items(*document.root, "entries")) {
    JournalEntry row;
    if (!KindFrom(Text(item, "kind"), &row.kind)) return broken;
    row.file = Text(item, "file");
    row.to = Text(item, "to");
    row.before_sha256 = Text(item, "before_sha256");
    row.after_sha256 = Text(item, "after_sha256");
    row.backup = Text(item, "backup");
    row.size = Integer(item, "size", -1);
    row.head_sha256 = Text(item, "head_sha256");
    if (!IsWhole(row) || !names.Add(row.file) || !names.Add(row.to) || !names.Add(row.backup)) return broken;
    journal.entries.push_back(std::move(row));
  }
  return std::optional<Journal>(std::move(journal));
}

}  // namespace gptq_doctor

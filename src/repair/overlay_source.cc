#include "repair/overlay_source.h"

#include <algorithm>
#include <set>

namespace gptq_doctor {
namespace {

FileEntry EntryOf(const Edit& edit) {
  FileEntry entry{.name = edit.file, .kind = FileKind::kRegular};
  entry.identity.size = static_cast<int64_t>(edit.after.size());
  return entry;
}

Error NotFound(std::string_view file) { return {ErrorKind::kNotFound, std::string(file), "no such file"}; }

}  // namespace

OverlaySource::OverlaySource(Source& below, const Plan& plan) : below_(below) {
  for (const Edit& edit : plan.edits) {
    if (edit.kind != EditKind::kRename) edits_.emplace(edit.file, &edit);
  }
}

Result<Listing> OverlaySource::List() {
  Result<Listing> listing = below_.List();
  if (!listing) return listing;
  std::vector<FileEntry>& entries = listing->entries;
  std::erase_if(entries, [&](const FileEntry& entry) { return edits_.contains(entry.name); });
  for (const auto& [name, edit] : edits_) {
    if (edit->kind != EditKind::kRemove) entries.push_back(EntryOf(*edit));
  }
  std::sort(entries.begin(), entries.end(), [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  return listing;
}

Result<FileEntry> OverlaySource::Stat(std::string_view file) {
  const auto it = edits_.find(file);
  if (it == edits_.end()) return below_.Stat(file);
  if (it->second->kind == EditKind::kRemove) return NotFound(file);
  return EntryOf(*it->second);
}

void OverlaySource::ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) {
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto it = edits_.find(requests[i].file);
    if (it == edits_.end()) {
      below_.ReadMany(requests.subspan(i, 1), outcomes.subspan(i, 1));
      continue;
    }
    if (it->second->kind == EditKind::kRemove) {
      outcomes[i].error = NotFound(requests[i].file);
      continue;
    }
    const std::string& content = it->second->after;
    const size_t begin = std::min<size_t>(requests[i].offset, content.size());
    outcomes[i].bytes = std::min(requests[i].into.size(), content.size() - begin);
    std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(begin), outcomes[i].bytes, requests[i].into.begin());
    outcomes[i].identity = EntryOf(*it->second).identity;
  }
}

}  // namespace gptq_doctor

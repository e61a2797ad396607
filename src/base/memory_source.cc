#include <algorithm>
#include <cstring>

#include "base/os_error.h"
#include "base/storage.h"

namespace gptq_doctor {
namespace {

// FNV-1a: files of different names are different files.
uint64_t NameNumber(std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return hash;
}

Error SpecialError(FileKind kind, const std::string& root, std::string_view file) {
  const auto make = [&](ErrorKind error, const char* why) {
    return Error{error, JoinPath(root, file), "cannot open '" + std::string(file) + "': " + why};
  };
  switch (kind) {
    case FileKind::kDirectory:
      return make(ErrorKind::kIo, "it is a directory");
    case FileKind::kDangling:
      return make(ErrorKind::kNotFound, "it is a symbolic link to nothing");
    case FileKind::kLoop:
      return make(ErrorKind::kIo, "symbolic links in a circle");
    case FileKind::kUnreadable:
      return make(ErrorKind::kPermission, "permission denied");
    case FileKind::kRegular:
    case FileKind::kSpecial:
      break;
  }
  return make(ErrorKind::kIo, "it is not a regular file (FIFO, socket or device)");
}

}  // namespace

void MemorySource::Add(std::string name, std::string content) {
  specials_.erase(name);
  files_[std::move(name)] = File{std::move(content), ++versions_};
}

void MemorySource::AddSpecial(std::string name, FileKind kind) {
  files_.erase(name);
  specials_[std::move(name)] = kind;
}

Result<FileEntry> MemorySource::Describe(std::string_view file) const {
  FileEntry entry;
  entry.name = file;
  if (const auto found = files_.find(file); found != files_.end()) {
    entry.identity = {0, NameNumber(file), static_cast<int64_t>(found->second.content.size()), found->second.version};
    return entry;
  }
  if (const auto found = specials_.find(file); found != specials_.end()) {
    entry.kind = found->second;
    entry.symlink = entry.kind == FileKind::kDangling || entry.kind == FileKind::kLoop;
    return entry;
  }
  return Error{ErrorKind::kNotFound, JoinPath(display_path_, file),
               "cannot open '" + std::string(file) + "': no such file or directory"};
}

Result<Listing> MemorySource::List() {
  Listing listing;
  const auto add = [&](const std::string& name) {
    if (IsListedName(name)) listing.entries.push_back(*Describe(name));
  };
  for (const auto& [name, content] : files_) add(name);
  for (const auto& [name, kind] : specials_) add(name);
  std::sort(listing.entries.begin(), listing.entries.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  return listing;
}

Result<FileEntry> MemorySource::Stat(std::string_view file) {
  if (!IsInsideName(file)) return MakeNameError(display_path_, file);
  Result<FileEntry> entry = Describe(file);
  if (entry && entry->kind == FileKind::kUnreadable) return SpecialError(entry->kind, display_path_, file);
  return entry;
}

void MemorySource::ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) {
  for (size_t i = 0; i < requests.size(); ++i) {
    const ReadRequest& request = requests[i];
    ReadOutcome& outcome = outcomes[i];
    outcome = {};
    const Result<FileEntry> entry = Stat(request.file);
    if (!entry.ok()) {
      outcome.error = entry.error();
      continue;
    }
    if (entry->kind != FileKind::kRegular) {
      outcome.error = SpecialError(entry->kind, display_path_, request.file);
      continue;
    }
    outcome.identity = entry->identity;
    const std::string& content = files_.find(request.file)->second.content;
    if (request.offset >= content.size()) continue;
    outcome.bytes = std::min(request.into.size(), content.size() - static_cast<size_t>(request.offset));
    std::memcpy(request.into.data(), content.data() + request.offset, outcome.bytes);
  }
}

}  // namespace gptq_doctor

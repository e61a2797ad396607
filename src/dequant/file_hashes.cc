#include "dequant/file_hashes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/storage.h"

namespace gptq_doctor {
namespace {

// Written by huggingface_hub (file_download.py, _local_folder.py): a snapshot holds links to ../../blobs/ETAG; a local
// directory holds .cache/huggingface/download/FILE.metadata of three lines: commit, etag, time. The etag of a file in
// LFS is its SHA-256; that of a small file is a git hash of 40 digits, which is left alone.
constexpr std::string_view kMetadata = ".cache/huggingface/download/";
constexpr uint64_t kMetadataCap = 64 << 10;  // bytes

std::optional<std::string> AsSha256(std::string_view text) {
  const bool hex = text.size() == 64 &&
                   std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return hex ? std::optional<std::string>(text) : std::nullopt;
}

std::optional<std::string> FromBlob(const FileEntry& entry) {
  const std::string_view target = entry.link_target;
  const size_t slash = target.rfind('/');
  if (!entry.symlink || slash == std::string_view::npos || !target.substr(0, slash).ends_with("blobs"))
    return std::nullopt;
  return AsSha256(target.substr(slash + 1));
}

std::optional<std::string> FromMetadata(const Examination& exam, const std::string& name, std::vector<Error>& errors) {
  const ModelFile* file = exam.dir.Find(std::string(kMetadata) + name + ".metadata");
  if (file == nullptr) return std::nullopt;
  const Result<std::string> text = ReadWhole(*exam.source, file->entry, kMetadataCap);
  if (!text) {
    errors.push_back(text.error());
    return std::nullopt;
  }
  const size_t first = text->find('\n');
  if (first == std::string::npos) return std::nullopt;
  std::string_view etag = std::string_view(*text).substr(first + 1);
  etag = etag.substr(0, etag.find('\n'));
  while (etag.ends_with('\r') || etag.ends_with(' ')) etag.remove_suffix(1);
  return AsSha256(etag);
}

// The objects of a git-lfs clone by size.
std::map<int64_t, std::vector<std::string>> LfsObjects(const Examination& exam, std::vector<Error>& errors) {
  std::map<int64_t, std::vector<std::string>> out;
  const std::string root = exam.source->LocalRoot();
  if (root.empty()) return out;
  const Result<std::unique_ptr<Source>> objects = OpenLocalDirectory(root + "/.git/lfs/objects");
  if (!objects) {
    if (objects.error().kind != ErrorKind::kNotFound) errors.push_back(objects.error());
    return out;
  }
  const Result<Listing> listing = (*objects)->List();
  if (!listing) {
    errors.push_back(listing.error());
    return out;
  }
  for (const FileEntry& entry : listing->entries) {
    const std::optional<std::string> oid = AsSha256(entry.name.substr(entry.name.rfind('/') + 1));
    if (oid) out[entry.size()].push_back(*oid);
  }
  return out;
}

}  // namespace

std::vector<HashCheck> RecordedHashes(const Examination& exam, std::vector<Error>& errors) {
  std::vector<HashCheck> out;
  const std::map<int64_t, std::vector<std::string>> lfs = LfsObjects(exam, errors);
  for (const ModelFile& file : exam.dir.files) {
    const FileEntry& entry = file.entry;
    if (entry.kind != FileKind::kRegular || entry.name.starts_with(".cache/")) continue;
    if (!exam.options.only_file.empty() && entry.name != exam.options.only_file) continue;
    HashCheck check{.file = entry.name,
                    .source = "hub cache",
                    .expected = {},
                    .alternatives = {},
                    .found = {},
                    .bytes = entry.size()};
    std::optional<std::string> expected = FromBlob(entry);
    if (!expected) {
      check.source = "local-dir metadata";
      expected = FromMetadata(exam, entry.name, errors);
    }
    const auto object = lfs.find(entry.size());
    if (!expected && file.role == FileRole::kWeights && object != lfs.end()) {
      check.source = "git-lfs";
      expected = object->second.front();
      check.alternatives.assign(object->second.begin() + 1, object->second.end());
    }
    if (!expected) continue;
    check.expected = *expected;
    out.push_back(std::move(check));
  }
  return out;
}

}  // namespace gptq_doctor

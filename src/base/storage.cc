#include "base/storage.h"

#include <algorithm>

#include "base/os_error.h"

namespace gptq_doctor {

void Source::WillNeed(std::string_view, uint64_t, uint64_t) {}

bool IsListedName(std::string_view name) {
  int depth = 0;
  bool in_cache = false;
  for (size_t begin = 0;;) {
    const size_t end = name.find('/', begin);
    if (end == std::string_view::npos) return !in_cache;
    const std::string_view part = name.substr(begin, end - begin);
    if (in_cache && part != "huggingface") return false;
    if (part.starts_with('.') && part != ".cache") return false;
    in_cache = part == ".cache";
    if (++depth > 3) return false;
    begin = end + 1;
  }
}

Result<std::string> ReadWhole(Source& source, std::string_view file, uint64_t cap) {
  const Result<FileEntry> entry = source.Stat(file);
  return entry.ok() ? ReadWhole(source, *entry, cap) : entry.error();
}

static Error ReadingError(const Source& source, const FileEntry& seen, ErrorKind kind, const std::string& why) {
  return {kind, JoinPath(source.DisplayPath(), seen.name), "'" + seen.name + "' " + why};
}

Result<std::string> ReadWhole(Source& source, const FileEntry& seen, uint64_t cap) {
  const bool regular = seen.kind == FileKind::kRegular;
  if (regular && static_cast<uint64_t>(seen.size()) > cap) {
    return ReadingError(source, seen, ErrorKind::kRefused,
                        "has " + std::to_string(seen.size()) + " bytes, more than the " + std::to_string(cap) +
                            " that such a file may have");
  }
  Result<std::string> text = ReadBeginning(source, seen, regular ? static_cast<uint64_t>(seen.size()) : 0);
  if (text && !regular) return ReadingError(source, seen, ErrorKind::kIo, "is not a regular file");
  return text;
}

Result<std::string> ReadBeginning(Source& source, const FileEntry& seen, uint64_t bytes) {
  std::string text(static_cast<size_t>(bytes), '\0');
  const ReadRequest request{seen.name, 0, text};
  ReadOutcome outcome;
  source.ReadMany({&request, 1}, {&outcome, 1});
  const bool regular = seen.kind == FileKind::kRegular;
  if (regular && outcome.error && outcome.error->kind == ErrorKind::kNotFound) {
    return ReadingError(source, seen, ErrorKind::kChanged, "vanished while it was read");
  }
  if (outcome.error) return *outcome.error;
  if (regular && (outcome.bytes != text.size() || outcome.identity != seen.identity)) {
    return ReadingError(source, seen, ErrorKind::kChanged, "changed while it was read");
  }
  return text;
}

}  // namespace gptq_doctor

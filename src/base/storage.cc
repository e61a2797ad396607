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
  const auto fail = [&](ErrorKind kind, const std::string& why) {
    return Error{kind, JoinPath(source.DisplayPath(), file), "'" + std::string(file) + "' " + why};
  };
  const Result<FileEntry> entry = source.Stat(file);
  if (!entry.ok()) return entry.error();
  const bool regular = entry->kind == FileKind::kRegular;
  if (regular && static_cast<uint64_t>(entry->size()) > cap) {
    return fail(ErrorKind::kRefused, "has " + std::to_string(entry->size()) + " bytes, more than the " +
                                         std::to_string(cap) + " that such a file may have");
  }
  std::string text;
  if (regular) text.resize(static_cast<size_t>(entry->size()));
  const ReadRequest request{file, 0, text};
  ReadOutcome outcome;
  source.ReadMany({&request, 1}, {&outcome, 1});
  const bool gone = outcome.error && outcome.error->kind == ErrorKind::kNotFound;
  if (gone && regular) return fail(ErrorKind::kChanged, "vanished while it was read");
  if (outcome.error) return *outcome.error;
  if (!regular) return fail(ErrorKind::kIo, "is not a regular file");
  if (outcome.bytes != text.size() || outcome.identity != entry->identity) {
    return fail(ErrorKind::kChanged, "changed while it was read");
  }
  return text;
}

}  // namespace gptq_doctor

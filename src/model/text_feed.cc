#include "model/text_feed.h"

#include <algorithm>
#include <cstring>

namespace gptq_doctor {
namespace {

constexpr uint64_t kSentinel = 64;

}  // namespace

TextFeed::TextFeed(Source& source, const FileEntry& file)
    : source_(source),
      file_(file),
      window_(std::clamp<uint64_t>(static_cast<uint64_t>(file.size()) / 64, 64 << 10, 256 << 10)),
      buffer_(std::make_unique_for_overwrite<char[]>(window_ + kSentinel)) {
  mark_ = buffer_.get();
}

bool TextFeed::Refill(JsonCursor& cursor) {
  const auto kept = static_cast<uint64_t>(next_ == 0 ? 0 : std::max<ptrdiff_t>(cursor.end() - cursor.p, 0));
  if (kept != 0) std::memmove(buffer_.get(), cursor.p, kept);
  const auto size = static_cast<uint64_t>(file_.size());
  const uint64_t wanted = std::min(window_ - kept, size - next_);
  const ReadRequest request{.file = file_.name, .offset = next_, .into = {buffer_.get() + kept, wanted}};
  ReadOutcome outcome;
  if (wanted != 0) source_.ReadMany({&request, 1}, {&outcome, 1});
  if (wanted != 0 && (outcome.error || outcome.bytes != wanted || !(outcome.identity == file_.identity)))
    failed_ = true;
  const uint64_t got = failed_ ? 0 : wanted;
  const char* const end = buffer_.get() + kept + got;
  std::memset(buffer_.get() + kept + got, 0, kSentinel);
  cursor.Rebase(buffer_.get(), end, next_ - kept);
  next_ += got;
  final_ = failed_ || next_ == size;
  mark_ = end - std::min<uint64_t>(kMargin, kept + got);
  return got != 0;
}

}  // namespace gptq_doctor

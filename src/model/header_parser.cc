#include "model/header_parser.h"

#include <algorithm>

#include "base/text.h"
#include "model/header_fast_path.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
// The shortest entry that is one, `"":{"dtype":"I8","shape":[],"data_offsets":[0,0]},`, less one byte of mercy.
constexpr uint64_t kShortestEntry = 50;
// Dimensions beyond rank 8 are kept while all of them take less than this and half of the header.
constexpr uint64_t kFarDimsFloor = 64 << 10;

bool IsValidUtf8Text(const char* p, const char* end, size_t* bad) {
  const char* const begin = p;
  while (p < end) {
    if (static_cast<unsigned char>(*p) < 0x80) {
      ++p;
      continue;
    }
    const size_t length = Utf8Sequence(p, end);
    if (length == 0) {
      *bad = static_cast<size_t>(p - begin);
      return false;
    }
    p += length;
  }
  return true;
}

}  // namespace

HeaderParser::HeaderParser(ShardHeader& header, DefectList& defects)
    : header_(header),
      defects_(defects),
      key_(ProcessHashKey()),
      cursor_(header.text.get(), header.text.get() + header.header_bytes) {}

void HeaderParser::Run() {
  cursor_.SkipSpace();
  const size_t leading = cursor_.offset();
  if (cursor_.AtEnd()) {
    defects_.Report(DefectKind::kEmptyHeader, 8, {}, "the header holds nothing but white space");
    return;
  }
  const char first = *cursor_.p;
  if (first == '\0' && std::all_of(cursor_.p, cursor_.end(), [](char c) { return c == '\0'; })) {
    defects_.Report(DefectKind::kEmptyHeader, 8, {},
                    "the header holds only zeros, as in a download that was preallocated and never filled");
    return;
  }
  if (leading != 0) {
    defects_.Report(DefectKind::kLeadingWhitespace, 8, {},
                    Concat({FormatCount(leading), " bytes of white space stand before the header's '{'"}));
  }
  if (first == '{') {
    ++cursor_.p;
    ReadEntries();
  } else if (first == '[' || first == '"' || (first >= '0' && first <= '9') || first == 't' || first == 'f' ||
             first == 'n') {
    cursor_.Fail(cursor_.p, "the header is not a JSON object");
  } else {
    cursor_.Fail(cursor_.p, Concat({"the header does not begin with '{' but with ", cursor_.Describe(cursor_.p)}));
  }
  if (!cursor_.failed()) {
    document_read_ = true;
    CheckEnd();
  }
  ReportText();
  header_.complete = document_read_ && header_.complete;
  header_.readable = document_read_ || !header_.tensors.empty();
}

void HeaderParser::ReadEntries() {
  header_.complete = true;
  if (cursor_.Accept('}')) return;
  FastEntry entry;
  bool spaced = false;
  for (;;) {
    if (*cursor_.p != '"') cursor_.SkipSpace();
    const char* next = nullptr;
    if (*cursor_.p == '"') {
      next =
          spaced ? ParseFastEntry<SpacedLayout>(cursor_.p, &entry) : ParseFastEntry<CompactLayout>(cursor_.p, &entry);
    }
    // The metadata's key with a tensor's value is the generic path's to refuse.
    if (next != nullptr &&
        (entry.name_size != kMetadataKey.size() || std::string_view(entry.name, entry.name_size) != kMetadataKey)) {
      AddFast(entry);
      cursor_.p = next;
    } else if (!GenericEntry()) {
      return;
    }
    if (*cursor_.p == ',') {
      ++cursor_.p;
      if (*cursor_.p == ' ') {
        ++cursor_.p;
        spaced = true;
      } else {
        spaced = false;
      }
      continue;
    }
    if (cursor_.Accept(',')) continue;
    if (cursor_.Accept('}')) return;
    cursor_.Fail(cursor_.p, Concat({"expected ',' or '}' after an entry, found ", cursor_.Describe(cursor_.p)}));
    return;
  }
}

void HeaderParser::CheckEnd() {
  cursor_.SkipSpace();
  if (cursor_.AtEnd()) return;
  const char* const rest = cursor_.p;
  const auto nuls = std::count(rest, cursor_.end(), '\0');
  if (std::all_of(rest, cursor_.end(), [](char c) { return c == '\0' || IsJsonSpace(c); })) {
    defects_.Report(DefectKind::kNulPadding, FileOffset(rest), {},
                    Concat({FormatCount(static_cast<uint64_t>(nuls)), nuls == 1 ? " NUL byte" : " NUL bytes",
                            " of padding after the header's '}'; spaces are required"}));
    return;
  }
  cursor_.Fail(rest, Concat({"something follows the header's object: ", cursor_.Describe(rest)}));
}

void HeaderParser::ReportText() {
  bool utf8 = false;
  for (const TextProblem& problem : cursor_.problems()) {
    utf8 = utf8 || problem.utf8();
    defects_.Report(problem.utf8() ? DefectKind::kInvalidUtf8 : DefectKind::kInvalidJson, 8 + problem.offset, {},
                    problem.message);
  }
  defects_.CountMore(DefectKind::kInvalidUtf8, cursor_.more_problems(true));
  defects_.CountMore(DefectKind::kInvalidJson, cursor_.more_problems(false));
  size_t bad = 0;
  // Where reading stopped early, the rest has not been looked at, and the reference checks the encoding of the whole
  // text first.
  if (cursor_.failed() && !utf8 && !IsValidUtf8Text(header_.text.get(), cursor_.end(), &bad)) {
    defects_.Report(DefectKind::kInvalidUtf8, 8 + bad, {},
                    Concat({"the header is not UTF-8: ", cursor_.Describe(header_.text.get() + bad)}));
  }
}

void HeaderParser::AddFast(const FastEntry& entry) {
  if (header_.tensors.size() == header_.tensors.capacity()) Grow();
  TensorRecord& record = header_.tensors.emplace_back();
  record.name_data = entry.name;
  record.name_size = entry.name_size;
  record.dtype = entry.dtype;
  record.rank = static_cast<uint8_t>(entry.rank);
  record.begin = entry.begin;
  record.end = entry.end;
  if (entry.rank <= 2) {
    record.inline_dims[0] = entry.dims[0];
    record.inline_dims[1] = entry.dims[1];
  } else {
    record.far_dims = StoreDims(entry.dims, entry.rank);
  }
  sequential_ &= entry.begin == last_end_;
  last_end_ = entry.end;
  misaligned_ |= (entry.begin & ((entry.bits >> 3) - (entry.bits >= 8))) != 0;
  const NameHash hash = HashNameWith(key_, entry.name, entry.name_size);
  header_.name_tags.push_back(hash.tag());
  header_.name_sum[0] += hash.low;
  header_.name_sum[1] += hash.high;
}

void HeaderParser::AddRecord(TensorRecord record, const uint64_t* dims, size_t count, uint64_t rank) {
  if (header_.tensors.size() == header_.tensors.capacity()) Grow();
  record.rank = static_cast<uint8_t>(std::min<uint64_t>(rank, 255));
  if (rank > 2) {
    record.far_dims = StoreDims(dims, count);
  } else {
    std::copy_n(dims, count, record.inline_dims);
  }
  const auto bits = static_cast<uint64_t>(BitsOf(record.dtype));
  sequential_ &= record.begin == last_end_;
  last_end_ = record.end;
  misaligned_ |= bits >= 8 && record.begin % (bits / 8) != 0;
  const NameHash hash = HashNameWith(key_, record.name());
  header_.tensors.push_back(record);
  header_.name_tags.push_back(hash.tag());
  header_.name_sum[0] += hash.low;
  header_.name_sum[1] += hash.high;
}

// Room for as many tensors as the text can still hold by what was seen so far; in large headers by what is possible at
// all, since copying would double the peak and pages that are never touched cost nothing.
void HeaderParser::Grow() {
  constexpr uint64_t kLarge = 16 << 20;
  const uint64_t size = header_.tensors.size();
  const uint64_t total = header_.header_bytes;
  const uint64_t most = size + (total - std::min<uint64_t>(cursor_.offset(), total)) / kShortestEntry + 1;
  uint64_t wanted = 32;
  if (size != 0) {
    const uint64_t each = std::max<uint64_t>(cursor_.offset() / size, kShortestEntry);
    wanted = std::max(size + size / 8, total / each + total / each / 16) + 8;
    if (total > kLarge && size >= 4096) wanted = most;
  }
  wanted = std::max(std::min(wanted, most), size + 1);
  header_.tensors.reserve(wanted);
  header_.name_tags.reserve(wanted);
}

char* HeaderParser::Allocate(size_t bytes) {
  constexpr size_t kChunk = 32 << 10;
  bytes = (bytes + 7) & ~size_t{7};
  if (bytes > arena_left_) {
    const size_t chunk = std::max(bytes, kChunk);
    header_.arena.push_back(std::make_unique_for_overwrite<char[]>(chunk));
    if (bytes == chunk) return header_.arena.back().get();
    arena_next_ = header_.arena.back().get();
    arena_left_ = chunk;
  }
  char* const out = arena_next_;
  arena_next_ += bytes;
  arena_left_ -= bytes;
  return out;
}

const uint64_t* HeaderParser::StoreDims(const uint64_t* dims, size_t count) {
  if (count > FastEntry::kMaxRank) {
    dims_stored_ += count * 8;
    if (dims_stored_ > std::max(kFarDimsFloor, header_.header_bytes / 2)) count = FastEntry::kMaxRank;
  }
  char* const to = Allocate((count + 1) * 8);
  const uint64_t stored = count;
  std::memcpy(to, &stored, 8);
  std::memcpy(to + 8, dims, count * 8);
  return reinterpret_cast<const uint64_t*>(to);
}

std::string_view HeaderParser::Decode(const RawString& raw) {
  if (!raw.escaped) return raw.view();
  char* const to = Allocate(raw.size);
  return {to, Unescape(raw, to)};
}

}  // namespace gptq_doctor

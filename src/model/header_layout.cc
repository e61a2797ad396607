#include "model/header_layout.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/text.h"
#include "model/name_hash.h"
#include "model/name_table.h"

namespace gptq_doctor {
namespace {

// Words of tag << 32 | position, for those tags that may stand twice. One bit a tag in a field of 16, which a tag that
// is not repeated finds taken once in some 30 times: quicker than a table of all, and an eighth of its size.
std::vector<uint64_t> SuspectTags(std::span<const uint32_t> tags) {
  const size_t mask = std::bit_ceil(std::max<size_t>(64, tags.size() * 16)) - 1;
  std::vector<uint64_t> field(mask / 64 + 1, 0);
  const auto block = [&](uint32_t tag) -> uint64_t& { return field[(tag & mask) / 64]; };
  const auto bit = [](uint32_t tag) { return uint64_t{1} << tag % 64; };
  std::vector<uint32_t> taken;
  for (const uint32_t tag : tags) {
    if ((block(tag) & bit(tag)) != 0) taken.push_back(tag);
    block(tag) |= bit(tag);
  }
  std::vector<uint64_t> suspects;
  if (taken.empty()) return suspects;
  std::ranges::fill(field, 0);
  for (const uint32_t tag : taken) block(tag) |= bit(tag);
  suspects.reserve(2 * taken.size());
  for (size_t i = 0; i < tags.size(); ++i) {
    if ((block(tags[i]) & bit(tags[i])) != 0) suspects.push_back(uint64_t{tags[i]} << 32 | i);
  }
  return suspects;
}

uint64_t NameOffset(const ShardHeader& header, const TensorRecord& tensor) {
  const char* const text = header.text.get();
  const bool inside = tensor.name_data > text && tensor.name_data < text + header.header_bytes;
  return inside ? 8 + static_cast<uint64_t>(tensor.name_data - text) - 1 : 8;
}

// By (begin, end). Among equals in the order of the text; names that had to be decoded stand elsewhere and come after
// the others.
class Before {
 public:
  explicit Before(const ShardHeader& header) : text_(header.text.get()), end_(text_ + header.header_bytes) {}
  bool operator()(const TensorRecord& a, const TensorRecord& b) const {
    if (a.begin != b.begin) return a.begin < b.begin;
    if (a.end != b.end) return a.end < b.end;
    const bool a_inside = Inside(a), b_inside = Inside(b);
    if (a_inside != b_inside) return a_inside;
    return a_inside ? a.name_data < b.name_data : a.name() < b.name();
  }

 private:
  bool Inside(const TensorRecord& tensor) const { return tensor.name_data >= text_ && tensor.name_data < end_; }
  const char* text_;
  const char* end_;
};

// Keeps the last of equal names, as the reference does.
void DropDuplicates(ShardHeader& header, DefectList& defects) {
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  auto& tensors = header.tensors;
  FindEqualNames(
      header.name_tags, [&](uint32_t a, uint32_t b) { return tensors[a].name() == tensors[b].name(); },
      [&](uint32_t earlier, uint32_t later) { pairs.emplace_back(earlier, later); });
  if (pairs.empty()) return;
  std::sort(pairs.begin(), pairs.end());
  const HashKey& key = ProcessHashKey();
  for (const auto& [earlier, again] : pairs) {
    const TensorRecord& gone = tensors[earlier];
    const TensorRecord& later = tensors[again];
    const NameHash hash = HashNameWith(key, gone.name());
    header.name_sum[0] -= hash.low;
    header.name_sum[1] -= hash.high;
    if (!defects.Wants(DefectKind::kDuplicateTensor)) continue;
    defects.Add(
        DefectKind::kDuplicateTensor, NameOffset(header, later), later.name(),
        Concat({"the name stands twice in the header, first at byte ", FormatCount(NameOffset(header, gone)),
                " for bytes ", FormatCount(gone.begin), " to ", FormatCount(gone.end), " of the data, again for ",
                FormatCount(later.begin), " to ", FormatCount(later.end), "; the reference reader takes the last"}));
  }
  size_t next = 0, kept = 0;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (next < pairs.size() && pairs[next].first == i) {
      ++next;
      continue;
    }
    tensors[kept] = tensors[i];
    header.name_tags[kept++] = header.name_tags[i];
  }
  tensors.resize(kept);
  header.name_tags.resize(kept);
}

void Sort(ShardHeader& header) {
  auto& tensors = header.tensors;
  std::sort(tensors.begin(), tensors.end(), Before(header));
  const HashKey& key = ProcessHashKey();
  for (size_t i = 0; i < tensors.size(); ++i) header.name_tags[i] = HashNameWith(key, tensors[i].name()).tag();
}

void ReportGap(const ShardHeader& header, uint64_t from, const TensorRecord& next, DefectList& defects) {
  if (!defects.Wants(DefectKind::kHole)) return;
  defects.Add(DefectKind::kHole, header.data_offset() + from, next.name(),
              Concat({"bytes ", FormatCount(from), " to ", FormatCount(next.begin),
                      " of the data belong to no tensor; ", Quoted(next.name()), " begins after them"}));
}

void ReportOverlap(const ShardHeader& header, const TensorRecord& holder, const TensorRecord& next,
                   DefectList& defects) {
  if (!defects.Wants(DefectKind::kOverlap)) return;
  const bool inside = next.end <= holder.end;
  defects.Add(DefectKind::kOverlap, header.data_offset() + next.begin, next.name(),
              Concat({Quoted(next.name()), " at bytes ", FormatCount(next.begin), " to ", FormatCount(next.end),
                      " of the data lies ", inside ? "inside " : "partly inside ", Quoted(holder.name()), " at ",
                      FormatCount(holder.begin), " to ", FormatCount(holder.end)}));
}

// Holes, overlaps; returns the bytes of [0, data_size) that no tensor covers. A hole in a header with entries that
// could not be read says nothing.
uint64_t WalkTensors(const ShardHeader& header, uint64_t data_size, DefectList& defects) {
  uint64_t covered = 0, reached = 0;
  const TensorRecord* holder = nullptr;
  for (const TensorRecord& tensor : header.tensors) {
    if (tensor.begin > reached && header.complete) ReportGap(header, reached, tensor, defects);
    if (tensor.begin < reached) ReportOverlap(header, *holder, tensor, defects);
    if (tensor.end > reached) {
      covered += std::min(tensor.end, data_size) - std::min(std::max(tensor.begin, reached), data_size);
      reached = tensor.end;
      holder = &tensor;
    }
  }
  return data_size - covered;
}

void CheckCoverage(const ShardHeader& header, uint64_t data_size, uint64_t reached, DefectList& defects) {
  if (reached > data_size) {
    defects.Report(DefectKind::kTruncated, header.data_offset() + data_size, {},
                   Concat({FormatCount(reached - data_size), " of ", FormatCount(reached),
                           " bytes of tensor data are missing at the end of the file"}));
  } else if (reached < data_size && header.complete) {
    defects.Report(DefectKind::kTrailingBytes, header.data_offset() + reached, {},
                   Concat({FormatCount(data_size - reached), " bytes follow the last tensor, which ends at byte ",
                           FormatCount(header.data_offset() + reached), " of the file"}));
  }
}

void NoteAlignment(const ShardHeader& header, bool misaligned, DefectList& defects) {
  if (header.header_bytes % 8 != 0) {
    defects.Report(DefectKind::kUnpaddedHeader, 0, {},
                   Concat({"the header's ", FormatCount(header.header_bytes),
                           " bytes are no multiple of 8, so no tensor of a wider dtype is aligned"}));
  }
  if (!misaligned) return;
  for (const TensorRecord& tensor : header.tensors) {
    const auto width = static_cast<uint64_t>(BitsOf(tensor.dtype)) / 8;
    if (width == 0 || tensor.begin % width == 0 || !defects.Wants(DefectKind::kMisalignedData)) continue;
    defects.Add(DefectKind::kMisalignedData, header.data_offset() + tensor.begin, tensor.name(),
                Concat({"the data begin at byte ", FormatCount(tensor.begin), ", no multiple of the ",
                        std::to_string(width), " bytes of ", ToString(tensor.dtype)}));
  }
}

// A reader computes data_offset() + end; what is that far outside any file is of no use to it.
void DropUnaddressable(ShardHeader& header) {
  const uint64_t limit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) - header.data_offset();
  size_t kept = 0;
  for (size_t i = 0; i < header.tensors.size(); ++i) {
    if (header.tensors[i].end > limit) continue;
    header.tensors[kept] = header.tensors[i];
    header.name_tags[kept++] = header.name_tags[i];
  }
  if (kept != header.tensors.size()) header.complete = false;
  header.tensors.resize(kept);
  header.name_tags.resize(kept);
}

}  // namespace

void FindEqualNames(std::span<const uint32_t> tags, const std::function<bool(uint32_t, uint32_t)>& equal,
                    const std::function<void(uint32_t, uint32_t)>& found) {
  const std::vector<uint64_t> suspects = SuspectTags(tags);
  NameTable table(suspects.size());
  for (const uint64_t word : suspects) table.Insert(word, equal, found);
}

void CheckLayout(ShardHeader& header, const LayoutFacts& facts, DefectList& defects) {
  const uint64_t data_size = facts.file_size - header.data_offset();
  DropDuplicates(header, defects);
  // After a dropped duplicate the rest can still be sequential only if it was of no bytes; walk to see.
  const bool sequential = facts.sequential && defects.count(DefectKind::kDuplicateTensor) == 0;
  uint64_t reached = 0;
  if (sequential) {
    reached = header.tensors.empty() ? 0 : header.tensors.back().end;
    header.stray_bytes = data_size - std::min(reached, data_size);
  } else {
    Sort(header);
    header.stray_bytes = WalkTensors(header, data_size, defects);
    for (const TensorRecord& tensor : header.tensors) reached = std::max(reached, tensor.end);
  }
  CheckCoverage(header, data_size, reached, defects);
  NoteAlignment(header, facts.misaligned, defects);
  if (reached > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) - header.data_offset())
    DropUnaddressable(header);
}

}  // namespace gptq_doctor

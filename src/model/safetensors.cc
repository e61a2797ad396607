#include "model/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/text.h"
#include "model/defect_list.h"
#include "model/header_layout.h"
#include "model/header_parser.h"
#include "model/header_reader.h"
#include "model/sniff.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kReferenceCap = 100'000'000;  // MAX_HEADER_SIZE of the reference reader, inclusive
constexpr uint64_t kHubClientCap = 25'000'000;  // SAFETENSORS_MAX_HEADER_LENGTH of huggingface_hub and @huggingface/hub
constexpr size_t kHeadBytes = 512;              // enough to sniff
constexpr size_t kSentinel = 64;                // zero bytes behind a header
constexpr uint64_t kWorthThreads = 2 << 20;     // bytes of headers
// A header that fits a second-level cache and is read into a buffer that is used again.
constexpr uint64_t kShort = 1 << 20;
constexpr size_t kWorthHints = 4;           // files
constexpr uint64_t kHintBytes = 320 << 10;  // the header of a shard of 2,500 tensors
constexpr uint64_t kWorthBulk = 1 << 20;    // bytes of headers

using Head = std::array<char, kHeadBytes>;

// What the reference makes of a file that begins with these bytes and is no safetensors file.
const char* ReferenceOf(std::string_view head, uint64_t file_size) {
  if (file_size < 8) return "HeaderTooSmall";
  const uint64_t length = LoadLe64(head.data());
  if (length > kReferenceCap) return "HeaderTooLarge";
  if (length > file_size - 8) return "InvalidHeaderLength";
  return "InvalidHeaderDeserialization";
}

void ReportEntryKind(const FileEntry& file, DefectList& defects) {
  switch (file.kind) {
    case FileKind::kRegular:
      return;
    case FileKind::kDirectory:
      defects.Report(DefectKind::kSpecialFile, 0, {}, "it is a directory");
      return;
    case FileKind::kSpecial:
      defects.Report(DefectKind::kSpecialFile, 0, {}, "it is a pipe, socket or device, no regular file");
      return;
    case FileKind::kDangling:
      defects.Report(DefectKind::kDangling, 0, {},
                     Concat({"a link to ", file.link_target.empty() ? "nothing" : Quoted(file.link_target),
                             ", which does not exist"}));
      return;
    case FileKind::kLoop:
      defects.Report(DefectKind::kDangling, 0, {}, "symbolic links that lead in a circle");
      return;
    case FileKind::kUnreadable:
      defects.Report(DefectKind::kUnreadable, 0, {}, "no permission to look at it, or the device does not answer");
      return;
  }
}

void ReportReadError(const Error& error, DefectList& defects) {
  switch (error.kind) {
    case ErrorKind::kNotFound:
      defects.Report(DefectKind::kChangedWhileRead, 0, {}, "it vanished while the directory was read");
      return;
    case ErrorKind::kChanged:
      defects.Report(DefectKind::kChangedWhileRead, 0, {}, error.message);
      return;
    case ErrorKind::kRefused:
    case ErrorKind::kUsage:
      defects.Report(DefectKind::kSpecialFile, 0, {}, error.message);
      return;
    default:
      defects.Report(DefectKind::kUnreadable, 0, {}, error.message);
      return;
  }
}

// The kind of content where it is no safetensors file; false where nothing was recognised.
bool ReportForeign(std::string_view head, uint64_t file_size, ShardHeader& header, DefectList& defects) {
  const Sniffed sniffed = Sniff(head, file_size);
  const char* const reference = ReferenceOf(head, file_size);
  if (sniffed.kind == ContentKind::kLfsPointer) {
    header.lfs_size = sniffed.lfs_size;
    defects.Report(
        DefectKind::kLfsPointer, 0, {},
        Concat({"the file is ", sniffed.what, ", not the weights themselves; fetch them with `git lfs pull`"}),
        reference);
    return true;
  }
  if (sniffed.kind == ContentKind::kZeros && file_size >= 8) {
    defects.Report(DefectKind::kEmptyHeader, 0, {}, Concat({"the file begins with ", sniffed.what}));
    return true;
  }
  if (sniffed.what.empty() || sniffed.kind == ContentKind::kSafetensors || sniffed.kind == ContentKind::kEmpty)
    return false;
  if (sniffed.kind == ContentKind::kZeros) return false;
  defects.Report(DefectKind::kNotSafetensors, 0, {}, Concat({"the file is ", sniffed.what}), reference);
  return true;
}

// The length of the header where it can be read, else nothing and the defects that say why.
uint64_t HeaderLength(std::string_view head, uint64_t file_size, const HeaderOptions& options, ShardHeader& header,
                      DefectList& defects) {
  if (head.size() >= 8) {
    const uint64_t length = LoadLe64(head.data());
    if (length <= kReferenceCap && length <= options.max_header && length <= file_size - 8 && length != 0) {
      const auto first = std::find_if_not(head.begin() + 8, head.end(), [](char c) { return IsJsonSpace(c); });
      if (first == head.end() || *first == '{') return length;
    }
  }
  if (ReportForeign(head, file_size, header, defects)) return 0;
  if (file_size < 8) {
    defects.Report(DefectKind::kHeaderTooSmall, 0, {},
                   file_size == 0 ? "the file is empty"
                                  : Concat({"the file has ", FormatCount(file_size),
                                            " bytes; the shortest safetensors file has 10"}));
    return 0;
  }
  const uint64_t length = LoadLe64(head.data());
  const uint64_t room = file_size - 8;
  if (length == 0) {
    defects.Report(DefectKind::kEmptyHeader, 0, {}, "the header's length is 0");
    return 0;
  }
  const bool plausible = length <= room && head.size() > 8 && head[8] == '{';
  if (length > kReferenceCap || (length > options.max_header && length <= room)) {
    std::string detail = Concat({"the header's length reads ", FormatCount(length), " bytes"});
    if (plausible) {
      detail += Concat({"; the reference reader refuses more than ", FormatCount(kReferenceCap)});
      if (length > options.max_header)
        detail += Concat({"; --max-header ", std::to_string(length), " looks at it all the same"});
    } else if (const uint64_t swapped = __builtin_bswap64(length);
               swapped <= room && head.size() > 8 && head[8] == '{') {
      detail += Concat({"; with its bytes reversed ", FormatCount(swapped), ", so it was written in big-endian order"});
    } else {
      detail += Concat({" in a file of ", FormatCount(file_size), "; this is no safetensors file"});
    }
    defects.Report(DefectKind::kHeaderTooLarge, 0, {}, std::move(detail));
    return plausible && length <= options.max_header ? length : 0;
  }
  if (length > room) {
    defects.Report(DefectKind::kHeaderLength, 0, {},
                   Concat({"the header needs ", FormatCount(length), " bytes, the file has ", FormatCount(room),
                           " after its first 8: ", FormatCount(length - room),
                           head.size() > 8 && head[8] == '{' ? " are missing, a download cut short" : " are missing"}));
    return 0;
  }
  return length;
}

std::unique_ptr<char[]> AllocateText(uint64_t bytes) {
  auto text = std::make_unique_for_overwrite<char[]>(bytes + kSentinel);
  AdviseHugePages(text.get(), bytes);
  return text;
}

// Copies the names out of the text, in the order of the tensors, so that its buffer can be used again: a buffer that
// stays in the cache makes up for the copying, and less than half as much memory is touched.
void DetachNames(ShardHeader& header) {
  const char* const begin = header.text.get();
  const char* const end = begin + header.header_bytes;
  const auto inside = [&](const TensorRecord& tensor) { return tensor.name_data >= begin && tensor.name_data < end; };
  size_t total = 0;
  for (const TensorRecord& tensor : header.tensors) total += inside(tensor) ? tensor.name_size : 0;
  const std::shared_ptr<BulkMemory> bulk = header.tensors.get_allocator().memory();
  auto* to = static_cast<char*>(bulk == nullptr ? nullptr : bulk->Take(total));
  if (to == nullptr) {
    header.arena.push_back(std::make_unique_for_overwrite<char[]>(total));
    to = header.arena.back().get();
  }
  for (TensorRecord& tensor : header.tensors) {
    if (!inside(tensor)) continue;
    std::memcpy(to, tensor.name_data, tensor.name_size);
    tensor.name_data = to;
    to += tensor.name_size;
  }
}

void ParseInto(ShardHeader& header, uint64_t file_size, DefectList& defects) {
  HeaderParser parser(header, defects);
  parser.Run();
  if (header.header_bytes > kHubClientCap) {
    defects.Report(DefectKind::kLargeHeader, 0, {},
                   Concat({"the header has ", FormatCount(header.header_bytes),
                           " bytes; the hub's clients read at most 25,000,000"}));
  }
  if (header.readable) {
    CheckLayout(header, {.file_size = file_size, .sequential = parser.sequential(), .misaligned = parser.misaligned()},
                defects);
  } else {
    header.stray_bytes = file_size - header.data_offset();
  }
  header.accepted = !defects.refused();
}

}  // namespace

HeaderReader::HeaderReader(Source& source, std::span<const FileEntry> files, const HeaderOptions& options)
    : source_(source),
      files_(files.first(std::min<size_t>(files.size(), std::numeric_limits<uint16_t>::max()))),
      options_(options),
      headers_(files_.size()),
      pending_(files_.size()) {}

void HeaderReader::ReadHeads() {
  std::vector<Head> heads(files_.size());
  std::vector<ReadRequest> requests;
  std::vector<size_t> readable;
  for (size_t i = 0; i < files_.size(); ++i) {
    headers_[i].file = files_[i].name;
    if (files_[i].kind != FileKind::kRegular) {
      DefectList defects(files_[i].name, headers_[i].defects);
      ReportEntryKind(files_[i], defects);
      continue;
    }
    readable.push_back(i);
    requests.push_back({.file = files_[i].name, .offset = 0, .into = heads[i]});
  }
  // With a cold cache the disk then works on all files at once; with a warm one this costs a microsecond a file.
  if (requests.size() >= kWorthHints) {
    for (const ReadRequest& request : requests) source_.WillNeed(request.file, 0, kHintBytes);
  }
  std::vector<ReadOutcome> outcomes(requests.size());
  source_.ReadMany(requests, outcomes);
  for (size_t r = 0; r < readable.size(); ++r) {
    const size_t i = readable[r];
    LookAtHead(i, outcomes[r], {heads[i].data(), outcomes[r].bytes});
    body_bytes_ += pending_[i].length;
  }
  // Records and names together take less than the text of ordinary headers.
  if (body_bytes_ >= kWorthBulk && files_.size() > 1)
    bulk_ = std::make_shared<BulkMemory>(body_bytes_ + body_bytes_ / 8);
}

void HeaderReader::LookAtHead(size_t file, const ReadOutcome& outcome, std::string_view head) {
  const FileEntry& entry = files_[file];
  ShardHeader& header = headers_[file];
  DefectList defects(entry.name, header.defects);
  if (outcome.error) {
    ReportReadError(*outcome.error, defects);
    return;
  }
  header.identity = outcome.identity;
  if (entry.identity.size >= 0 && !(outcome.identity == entry.identity)) {
    defects.Report(DefectKind::kChangedWhileRead, 0, {}, "it was replaced or changed while the directory was read");
  }
  const auto size = static_cast<uint64_t>(std::max<int64_t>(outcome.identity.size, 0));
  if (head.size() < std::min<uint64_t>(size, kHeadBytes)) {
    defects.Report(DefectKind::kChangedWhileRead, 0, {}, "it shrank while it was read");
    return;
  }
  pending_[file] = {.length = HeaderLength(head, size, options_, header, defects), .file_size = size};
  if (pending_[file].length == 0) header.stray_bytes = size;
}

void HeaderReader::ReadBody(size_t file) {
  const Pending& pending = pending_[file];
  if (pending.length == 0) return;
  ShardHeader& header = headers_[file];
  const bool is_short = pending.length <= kShort && files_.size() > 1;
  std::unique_ptr<char[]> text = is_short ? BorrowBuffer() : AllocateText(pending.length);
  const ReadRequest request{.file = files_[file].name, .offset = 8, .into = {text.get(), pending.length}};
  ReadOutcome outcome;
  source_.ReadMany({&request, 1}, {&outcome, 1});
  DefectList defects(header.file, header.defects);
  // What was said of the head counts: a header over the cap stays refused.
  for (const Defect& defect : header.defects) defects.CountMore(defect.kind, 1);
  if (outcome.error) {
    ReportReadError(*outcome.error, defects);
  } else if (outcome.bytes != pending.length || !(outcome.identity == header.identity)) {
    defects.Report(DefectKind::kChangedWhileRead, 0, {}, "it was replaced or changed while it was read");
  }
  if (!outcome.error && outcome.bytes == pending.length) {
    Parse(file, std::move(text), defects);
    if (is_short) {
      DetachNames(header);
      text = std::move(header.text);
    }
  }
  if (is_short) ReturnBuffer(std::move(text));
}

void HeaderReader::Parse(size_t file, std::unique_ptr<char[]> text, DefectList& defects) {
  ShardHeader& header = headers_[file];
  header.header_bytes = pending_[file].length;
  header.text = std::move(text);
  std::memset(header.text.get() + header.header_bytes, 0, kSentinel);
  if (bulk_ != nullptr) {
    header.tensors = decltype(header.tensors)(BulkAllocator<TensorRecord>(bulk_));
    header.name_tags = decltype(header.name_tags)(BulkAllocator<uint32_t>(bulk_));
  }
  ParseInto(header, pending_[file].file_size, defects);
  for (TensorRecord& tensor : header.tensors) tensor.shard = static_cast<uint16_t>(file);
}

std::unique_ptr<char[]> HeaderReader::BorrowBuffer() {
  {
    const std::lock_guard lock(mutex_);
    if (!buffers_.empty()) {
      auto buffer = std::move(buffers_.back());
      buffers_.pop_back();
      return buffer;
    }
  }
  return std::make_unique_for_overwrite<char[]>(kShort + kSentinel);
}

void HeaderReader::ReturnBuffer(std::unique_ptr<char[]> buffer) {
  const std::lock_guard lock(mutex_);
  buffers_.push_back(std::move(buffer));
}

ShardHeader ParseHeader(std::string file, std::unique_ptr<char[]> text, uint64_t header_bytes, uint64_t file_size) {
  ShardHeader header;
  header.file = std::move(file);
  header.text = std::move(text);
  header.header_bytes = header_bytes;
  DefectList defects(header.file, header.defects);
  ParseInto(header, file_size, defects);
  return header;
}

ShardHeader ReadHeader(Source& source, const FileEntry& file, const HeaderOptions& options) {
  return std::move(ReadHeaders(source, {&file, 1}, options, nullptr).front());
}

std::vector<ShardHeader> ReadHeaders(Source& source, std::span<const FileEntry> files, const HeaderOptions& options,
                                     ThreadPool* pool) {
  HeaderReader reader(source, files, options);
  reader.ReadHeads();
  ParallelFor(reader.body_bytes() >= kWorthThreads ? pool : nullptr, reader.size(),
              [&](size_t i) { reader.ReadBody(i); });
  return std::move(reader.headers());
}

}  // namespace gptq_doctor

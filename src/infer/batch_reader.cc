#include "infer/batch_reader.h"

#include <algorithm>

#include "base/bytes.h"

namespace gptq_doctor {

namespace {
constexpr size_t kBlock = 64;  // requests one task reads
}  // namespace

uint64_t SoundBytes(const TensorRecord& tensor) {
  if (tensor.end < tensor.begin || tensor.rank > 8) return 0;
  uint64_t bytes = static_cast<uint64_t>(BitsOf(tensor.dtype)) / 8;
  for (const uint64_t dim : tensor.dims()) {
    const auto product = CheckedMul(bytes, dim);
    if (!product) return 0;
    bytes = *product;
  }
  return bytes == tensor.bytes() ? bytes : 0;
}

size_t BatchReader::Add(const TensorRecord& tensor, uint64_t offset, uint64_t length) {
  Piece piece{.shard = tensor.shard};
  const uint64_t whole = SoundBytes(tensor);
  if (offset < whole) {
    piece.length = static_cast<size_t>(std::min(length, whole - offset));
    piece.offset = tensors_.file_offset(tensor) + offset;
    piece.at = static_cast<size_t>(bytes_);
    bytes_ += piece.length;
  }
  pieces_.push_back(piece);
  return pieces_.size() - 1;
}

void BatchReader::Run(std::vector<Error>& errors) {
  if (bytes_ > buffer_.capacity) {
    buffer_.bytes.reset();
    buffer_.bytes = std::make_unique_for_overwrite<char[]>(static_cast<size_t>(bytes_));
    buffer_.capacity = static_cast<size_t>(bytes_);
  }
  std::vector<ReadRequest> requests;
  std::vector<size_t> piece_of;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    if (pieces_[i].length == 0) continue;
    requests.push_back({.file = tensors_.shards[pieces_[i].shard].file,
                        .offset = pieces_[i].offset,
                        .into = std::span<char>(buffer_.bytes.get() + pieces_[i].at, pieces_[i].length)});
    piece_of.push_back(i);
  }
  std::vector<ReadOutcome> outcomes(requests.size());
  const size_t blocks = CeilDiv(requests.size(), kBlock);
  ParallelFor(blocks > 4 ? pool_ : nullptr, blocks, [&](size_t block) {
    const size_t from = block * kBlock, count = std::min(kBlock, requests.size() - from);
    source_.ReadMany(std::span(requests).subspan(from, count), std::span(outcomes).subspan(from, count));
  });
  for (size_t i = 0; i < outcomes.size(); ++i) {
    Piece& piece = pieces_[piece_of[i]];
    const bool same = outcomes[i].identity == tensors_.shards[piece.shard].identity;
    piece.good = !outcomes[i].error && same && outcomes[i].bytes == piece.length;
    if (outcomes[i].error || !same) Report(piece, outcomes[i], errors);
  }
}

void BatchReader::Report(const Piece& piece, const ReadOutcome& outcome, std::vector<Error>& errors) {
  if (!reported_.insert(piece.shard).second) return;
  const std::string& file = tensors_.shards[piece.shard].file;
  const bool known = std::ranges::any_of(errors, [&](const Error& error) { return error.path == file; });
  if (known) return;
  errors.push_back(
      outcome.error
          ? *outcome.error
          : Error{.kind = ErrorKind::kChanged, .path = file, .message = "changed while it was read; run again"});
}

std::span<const char> BatchReader::Get(size_t slot) const {
  const Piece& piece = pieces_[slot];
  if (!piece.good) return {};
  return std::span<const char>(buffer_.bytes.get() + piece.at, piece.length);
}

}  // namespace gptq_doctor

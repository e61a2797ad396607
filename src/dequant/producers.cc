#include "dequant/producers.h"

#include <algorithm>
#include <cstring>

#include "dequant/read_range.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kCopyPiece = 16 << 20;
constexpr uint64_t kSlabBudget = 24 << 20;  // packed bytes of a slab
constexpr uint64_t kOutputChunk = 4 << 20;  // dense bytes made at a time
constexpr uint64_t kTurnBudget = 8 << 20;   // dense bytes of a slab that is turned, of which there are two copies

Status CopyPiece(const Examination& exam, const TensorRecord& tensor, int64_t piece, const PieceWriter& out) {
  const uint64_t begin = static_cast<uint64_t>(piece) * kCopyPiece;
  const uint64_t take = std::min(kCopyPiece, tensor.bytes() - begin);
  if (take == 0) return Ok();
  std::vector<char> buffer(take);
  if (Status read = ReadTensor(exam, tensor, begin, buffer); !read) return read;
  return out(begin, buffer);
}

// [rows, columns] of `width`-byte elements to [columns, rows].
void Transpose(std::span<const char> from, size_t rows, size_t columns, size_t width, std::span<char> to) {
  constexpr size_t kTile = 32;
  for (size_t r0 = 0; r0 < rows; r0 += kTile) {
    for (size_t c0 = 0; c0 < columns; c0 += kTile) {
      for (size_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
        for (size_t c = c0; c < std::min(columns, c0 + kTile); ++c) {
          std::memcpy(&to[(c * rows + r) * width], &from[(r * columns + c) * width], width);
        }
      }
    }
  }
}

struct WeightJob {
  const Examination* exam;
  ModuleLayout layout;
  Dtype dtype;
  Orientation orientation;
  int64_t slab_columns;
  size_t width() const { return static_cast<size_t>(BitsOf(dtype)) / 8; }

  Status WriteInOut(const DequantPlan& plan, const ModuleSlab& slab, const PieceWriter& out) const {
    const auto inputs = static_cast<size_t>(layout.packed.in_features), count = static_cast<size_t>(slab.count);
    std::vector<char> rows(inputs * count * width()), turned(rows.size());
    plan.Rows(0, slab.count, dtype, rows);
    Transpose(rows, count, inputs, width(), turned);
    const auto outputs = static_cast<uint64_t>(layout.packed.out_features);
    if (count == outputs) return out(0, turned);
    for (size_t k = 0; k < inputs; ++k) {
      const uint64_t at = (k * outputs + static_cast<uint64_t>(slab.first)) * width();
      if (Status written = out(at, std::span(turned).subspan(k * count * width(), count * width())); !written)
        return written;
    }
    return Ok();
  }

  Status WriteOutIn(const DequantPlan& plan, const ModuleSlab& slab, const PieceWriter& out) const {
    const size_t row = static_cast<size_t>(layout.packed.in_features) * width();
    const auto chunk = std::max<int64_t>(8, static_cast<int64_t>(kOutputChunk / row) / 8 * 8);
    std::vector<char> buffer(std::min<size_t>(static_cast<size_t>(chunk), static_cast<size_t>(slab.count)) * row);
    for (int64_t n = 0; n < slab.count; n += chunk) {
      const int64_t rows = std::min(chunk, slab.count - n);
      const std::span<char> bytes = std::span(buffer).first(static_cast<size_t>(rows) * row);
      plan.Rows(n, rows, dtype, bytes);
      if (Status written = out(static_cast<uint64_t>(slab.first + n) * row, bytes); !written) return written;
    }
    return Ok();
  }

  Status Run(int64_t piece, const PieceWriter& out) const {
    const int64_t first = piece * slab_columns;
    const int64_t count = std::min(slab_columns, layout.packed.out_features - first);
    const Result<ModuleSlab> slab = ReadSlab(*exam, layout, first, count);
    if (!slab) return slab.error();
    const DequantPlan plan(slab->packed);
    return orientation == Orientation::kInOut ? WriteInOut(plan, *slab, out) : WriteOutIn(plan, *slab, out);
  }
};

}  // namespace

OutTensor CopyTensor(const Examination& exam, const TensorRecord& tensor, std::string name) {
  OutTensor out;
  out.name = std::move(name);
  out.dtype = tensor.dtype;
  out.shape.assign(tensor.dims().begin(), tensor.dims().end());
  out.bytes = tensor.bytes();
  out.pieces = std::max<int64_t>(1, static_cast<int64_t>((tensor.bytes() + kCopyPiece - 1) / kCopyPiece));
  out.produce = [&exam, &tensor](int64_t piece, const PieceWriter& writer) {
    return CopyPiece(exam, tensor, piece, writer);
  };
  return out;
}

OutTensor DequantizedWeight(const Examination& exam, const ModuleLayout& layout, std::string name, Dtype dtype,
                            Orientation orientation) {
  WeightJob job{&exam, layout, dtype, orientation, SlabColumns(layout, kSlabBudget)};
  const auto inputs = static_cast<uint64_t>(layout.packed.in_features),
             outputs = static_cast<uint64_t>(layout.packed.out_features);
  if (orientation == Orientation::kInOut) {  // a slab is turned as a whole
    const auto columns = static_cast<int64_t>(kTurnBudget / (inputs * job.width())) / 64 * 64;
    job.slab_columns = std::min(job.slab_columns, std::max<int64_t>(64, columns));
  }
  OutTensor out;
  out.name = std::move(name);
  out.dtype = dtype;
  out.shape = orientation == Orientation::kOutIn ? std::vector<uint64_t>{outputs, inputs}
                                                 : std::vector<uint64_t>{inputs, outputs};
  out.bytes = inputs * outputs * job.width();
  out.pieces = (layout.packed.out_features + job.slab_columns - 1) / job.slab_columns;
  out.produce = [job = std::move(job)](int64_t piece, const PieceWriter& writer) { return job.Run(piece, writer); };
  return out;
}

OutFile CopyFile(const Examination& exam, const FileEntry& entry) {
  OutFile out;
  out.name = entry.name;
  out.bytes = static_cast<uint64_t>(entry.size());
  out.copy = [&exam, entry](SinkFile& to) -> Status {
    std::vector<char> buffer(std::min<uint64_t>(kCopyPiece, static_cast<uint64_t>(entry.size())));
    for (uint64_t at = 0; at < static_cast<uint64_t>(entry.size()); at += buffer.size()) {
      const std::span<char> part =
          std::span(buffer).first(std::min<uint64_t>(buffer.size(), static_cast<uint64_t>(entry.size()) - at));
      if (Status read = ReadRange(exam, entry.name, at, part, entry.identity); !read) return read;
      if (Status written = to.Write(part); !written) return written;
    }
    return Ok();
  };
  return out;
}

Result<bool> IsAllZero(const Examination& exam, const TensorRecord& tensor) {
  std::vector<char> buffer(std::min(kCopyPiece, tensor.bytes()));
  for (uint64_t at = 0; at < tensor.bytes(); at += buffer.size()) {
    const std::span<char> part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), tensor.bytes() - at));
    if (Status read = ReadTensor(exam, tensor, at, part); !read) return read.error();
    if (!std::all_of(part.begin(), part.end(), [](char byte) { return byte == 0; })) return false;
  }
  return true;
}

}  // namespace gptq_doctor

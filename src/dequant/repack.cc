#include "dequant/repack.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "dequant/zeros.h"

namespace gptq_doctor {
namespace {

constexpr int64_t kCodesAtOnce = 4 << 20;   // of a piece of qweight, a byte each
constexpr uint64_t kBytesAtOnce = 4 << 20;  // of qzeros and scales
constexpr int64_t kWholeWords = 64;         // codes that fill words of every size and width

Dtype WordDtype(int pack_bits) {
  return pack_bits == 8 ? Dtype::kI8 : pack_bits == 16 ? Dtype::kI16 : pack_bits == 64 ? Dtype::kI64 : Dtype::kI32;
}

uint64_t RowBytes(int64_t count, int bits, int pack_bits) {
  return static_cast<uint64_t>(PackedWords(count, bits, pack_bits)) * static_cast<uint64_t>(pack_bits) / 8;
}

uint64_t ZeroRowBytes(const PackedModule& m) { return RowBytes(m.out_features, m.bits, m.pack_bits); }

struct CodesJob {
  const Examination* exam;
  ModuleLayout layout;
  Packing to;
  int64_t chunk;  // codes of a piece

  Status Run(int64_t piece, const PieceWriter& out) const {
    const PackedModule& m = layout.packed;
    const int64_t first = piece * chunk, count = std::min(chunk, m.in_features - first);
    const auto columns = static_cast<uint64_t>(m.out_features);
    const int64_t rows = PackedWords(count, m.bits, m.pack_bits);
    std::vector<char> packed(RowBytes(count, m.bits, m.pack_bits) * columns);
    if (Status read = ReadTensor(*exam, *layout.qweight, RowBytes(first, m.bits, m.pack_bits) * columns, packed); !read)
      return read;
    std::vector<uint8_t> codes(static_cast<size_t>(count) * columns);
    UnpackColumns(packed, rows, m.out_features, m.bits, m.pack_bits, m.layout, count, codes);
    std::vector<char> repacked(RowBytes(count, m.bits, to.pack_bits) * columns);
    PackColumns(codes, count, m.out_features, m.bits, to.pack_bits, CodeLayout::kContinuous, repacked);
    return out(RowBytes(first, m.bits, to.pack_bits) * columns, repacked);
  }
};

OutTensor Named(const TensorRecord& like, Dtype dtype, std::vector<uint64_t> shape) {
  OutTensor out;
  out.name = std::string(like.name());
  out.dtype = dtype;
  out.shape = std::move(shape);
  out.bytes = static_cast<uint64_t>(BitsOf(dtype)) / 8;
  for (const uint64_t dim : out.shape) out.bytes *= dim;
  return out;
}

bool HasShape(const TensorRecord& tensor, int64_t rows, int64_t columns, int width) {
  const auto dims = tensor.dims();
  return dims.size() == 2 && dims[0] == static_cast<uint64_t>(rows) && dims[1] == static_cast<uint64_t>(columns) &&
         BitsOf(tensor.dtype) == width;
}

}  // namespace

Status CheckPackedShapes(const ModuleLayout& layout) {
  const PackedModule& m = layout.packed;
  const bool planes = m.layout == CodeLayout::kPlanar;
  const auto refuse = [&](const TensorRecord& tensor) -> Status {
    return Error{ErrorKind::kRefused, "",
                 fmt::format("{} is {} [{}], which does not fit {} bits in words of {} bits", tensor.name(),
                             ToString(tensor.dtype), fmt::join(tensor.dims(), ", "), m.bits, m.pack_bits)};
  };
  if (!HasShape(*layout.qweight, PackedWords(m.in_features, m.bits, m.pack_bits), m.out_features, m.pack_bits) ||
      (planes && m.in_features % 32 != 0)) {
    return refuse(*layout.qweight);
  }
  if (!HasShape(*layout.qzeros, m.groups, PackedWords(m.out_features, m.bits, m.pack_bits), m.pack_bits) ||
      (planes && m.out_features % 32 != 0)) {
    return refuse(*layout.qzeros);
  }
  return Ok();
}

OutTensor RepackedCodes(const Examination& exam, const ModuleLayout& layout, const Packing& to) {
  const PackedModule& m = layout.packed;
  OutTensor out = Named(
      *layout.qweight, WordDtype(to.pack_bits),
      {static_cast<uint64_t>(PackedWords(m.in_features, m.bits, to.pack_bits)), static_cast<uint64_t>(m.out_features)});
  const int64_t chunk = std::max<int64_t>(kWholeWords, kCodesAtOnce / m.out_features / kWholeWords * kWholeWords);
  out.pieces = (m.in_features + chunk - 1) / chunk;
  out.produce = [job = CodesJob{&exam, layout, to, chunk}](int64_t piece, const PieceWriter& writer) {
    return job.Run(piece, writer);
  };
  return out;
}

std::vector<char> RepackZeroRow(std::span<const char> row, const PackedModule& from, const Packing& to) {
  std::vector<char> out = ZerosAsV2(row, from);
  if (from.layout == CodeLayout::kPlanar) {
    std::vector<uint8_t> codes(static_cast<size_t>(from.out_features));
    UnpackRow(out, from.bits, from.pack_bits, from.layout, codes);
    out.assign(RowBytes(from.out_features, from.bits, to.pack_bits), '\0');
    PackRow(codes, from.bits, to.pack_bits, CodeLayout::kContinuous, out);
  } else {  // a little-endian stream of bits whatever the word size
    out.resize(RowBytes(from.out_features, from.bits, to.pack_bits), '\0');
  }
  if (to.v1) ZerosToV1(out, from.bits, to.pack_bits, from.out_features);
  return out;
}

OutTensor RepackedZeros(const Examination& exam, const ModuleLayout& layout, const Packing& to) {
  const PackedModule& m = layout.packed;
  OutTensor out = Named(
      *layout.qzeros, WordDtype(to.pack_bits),
      {static_cast<uint64_t>(m.groups), static_cast<uint64_t>(PackedWords(m.out_features, m.bits, to.pack_bits))});
  out.produce = [&exam, layout, to](int64_t, const PieceWriter& writer) -> Status {
    uint64_t at = 0;
    return ForZeroRows(exam, layout, [&](std::span<const char> row) {
      const std::vector<char> repacked = RepackZeroRow(row, layout.packed, to);
      const uint64_t begin = std::exchange(at, at + repacked.size());
      return writer(begin, repacked);
    });
  };
  return out;
}

OutTensor SequentialGIdx(const ModuleLayout& layout) {
  OutTensor out;
  out.name = layout.stem + ".g_idx";
  out.dtype = Dtype::kI32;
  out.shape = {static_cast<uint64_t>(layout.packed.in_features)};
  out.bytes = out.shape[0] * 4;
  out.produce = [inputs = layout.packed.in_features, group = layout.packed.group_size](int64_t,
                                                                                       const PieceWriter& writer) {
    std::vector<int32_t> groups(static_cast<size_t>(inputs), 0);
    for (int64_t k = 0; group > 0 && k < inputs; ++k) groups[static_cast<size_t>(k)] = static_cast<int32_t>(k / group);
    return writer(0, std::span(reinterpret_cast<const char*>(groups.data()), groups.size() * 4));
  };
  return out;
}

OutTensor HalfScales(const Examination& exam, const TensorRecord& scales) {
  OutTensor out = Named(scales, Dtype::kF16, {scales.dims().begin(), scales.dims().end()});
  out.produce = [&exam, &scales](int64_t, const PieceWriter& writer) -> Status {
    uint64_t at = 0;
    return ForFloats(exam, scales, [&](std::span<const float> values) {
      std::vector<uint16_t> halves(values.size());
      std::ranges::transform(values, halves.begin(), FloatToHalf);
      const uint64_t begin = std::exchange(at, at + halves.size() * 2);
      return writer(begin, std::span(reinterpret_cast<const char*>(halves.data()), halves.size() * 2));
    });
  };
  return out;
}

Status ForZeroRows(const Examination& exam, const ModuleLayout& layout,
                   const std::function<Status(std::span<const char> row)>& use) {
  const uint64_t row = ZeroRowBytes(layout.packed), all = row * static_cast<uint64_t>(layout.packed.groups);
  if (row == 0) return Ok();
  std::vector<char> buffer(std::min(all, std::max(row, kBytesAtOnce / row * row)));
  for (uint64_t at = 0; at < all; at += buffer.size()) {
    const std::span<char> part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), all - at));
    if (Status read = ReadTensor(exam, *layout.qzeros, at, part); !read) return read;
    for (uint64_t begin = 0; begin < part.size(); begin += row) {
      if (Status used = use(part.subspan(begin, row)); !used) return used;
    }
  }
  return Ok();
}

Status ForFloats(const Examination& exam, const TensorRecord& tensor,
                 const std::function<Status(std::span<const float> values)>& use) {
  const size_t width = static_cast<size_t>(BitsOf(tensor.dtype)) / 8;
  std::vector<char> buffer(std::min(kBytesAtOnce, tensor.bytes()));
  std::vector<float> values;
  for (uint64_t at = 0; at < tensor.bytes(); at += buffer.size()) {
    const std::span<char> part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), tensor.bytes() - at));
    if (Status read = ReadTensor(exam, tensor, at, part); !read) return read;
    values.resize(part.size() / width);
    for (size_t i = 0; i < values.size(); ++i) {
      const char* from = part.data() + i * width;
      if (tensor.dtype == Dtype::kF32) {
        std::memcpy(&values[i], from, 4);
      } else {
        values[i] = tensor.dtype == Dtype::kBF16 ? BfloatToFloat(LoadLe16(from)) : HalfToFloat(LoadLe16(from));
      }
    }
    if (Status used = use(values); !used) return used;
  }
  return Ok();
}

}  // namespace gptq_doctor

#include "dequant/base_matrices.h"

#include <algorithm>
#include <string>

#include "dequant/dequantize.h"
#include "dequant/read_range.h"
#include "infer/batch_reader.h"

namespace gptq_doctor {
namespace {

// transformers' wrappers name one decoder in several ways (modeling_*.py; version 5 moved many from the third to the
// second).
constexpr std::string_view kPrefixes[] = {"model.", "model.language_model.", "language_model.model.", "language_model.",
                                          ""};

size_t WidthOf(const TensorRecord& tensor) { return static_cast<size_t>(BitsOf(tensor.dtype)) / 8; }

}  // namespace

bool IsBaseMatrix(const TensorRecord& tensor) {
  const bool floats = tensor.dtype == Dtype::kF16 || tensor.dtype == Dtype::kBF16 || tensor.dtype == Dtype::kF32;
  return floats && tensor.rank == 2 && SoundBytes(tensor) != 0;
}

const TensorRecord* BaseMatrices::Find(std::string_view name) const {
  if (const TensorRecord* tensor = base_.tensors.Find(name)) return tensor;
  for (const std::string_view from : kPrefixes) {
    if (!name.starts_with(from)) continue;
    for (const std::string_view to : kPrefixes) {
      const std::string other = std::string(to) + std::string(name.substr(from.size()));
      if (const TensorRecord* tensor = base_.tensors.Find(other)) return tensor;
    }
  }
  return nullptr;
}

const TensorRecord* BaseMatrices::WeightOf(std::string_view stem) const {
  const TensorRecord* tensor = Find(std::string(stem) + ".weight");
  if (tensor == nullptr && stem.ends_with("lm_head")) tensor = Find("model.embed_tokens.weight");
  return tensor != nullptr && IsBaseMatrix(*tensor) ? tensor : nullptr;
}

void BaseMatrices::Orient(const std::vector<const TensorRecord*>& weights,
                          const std::vector<std::pair<int64_t, int64_t>>& shapes) {
  int64_t out_in = 0, in_out = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == nullptr || shapes[i].first == shapes[i].second) continue;
    orientation_ = Orientation::kOutIn;
    out_in += HasShape(*weights[i], shapes[i].first, shapes[i].second);
    in_out += HasShape(*weights[i], shapes[i].second, shapes[i].first);
  }
  orientation_ = out_in == in_out ? OrientationOf(base_) : out_in > in_out ? Orientation::kOutIn : Orientation::kInOut;
}

bool BaseMatrices::HasShape(const TensorRecord& tensor, int64_t outputs, int64_t inputs) const {
  if (orientation_ == Orientation::kInOut) std::swap(outputs, inputs);
  return tensor.dims()[0] == static_cast<uint64_t>(outputs) && tensor.dims()[1] == static_cast<uint64_t>(inputs);
}

Result<std::vector<float>> BaseMatrices::Rows(const TensorRecord& tensor, int64_t first, int64_t count) const {
  const size_t width = WidthOf(tensor), rows = tensor.dims()[0], columns = tensor.dims()[1];
  if (orientation_ == Orientation::kOutIn) {
    std::vector<char> bytes(static_cast<size_t>(count) * columns * width);
    if (Status read = ReadTensor(base_, tensor, static_cast<uint64_t>(first) * columns * width, bytes); !read)
      return read.error();
    return FloatsOf(bytes, tensor.dtype);
  }
  // The wanted outputs are a strip of columns.
  const size_t strip = static_cast<size_t>(count);
  std::vector<char> bytes(strip * width);
  std::vector<float> out(strip * rows);
  for (size_t k = 0; k < rows; ++k) {
    if (Status read = ReadTensor(base_, tensor, (k * columns + static_cast<size_t>(first)) * width, bytes); !read)
      return read.error();
    const std::vector<float> row = FloatsOf(bytes, tensor.dtype);
    for (size_t n = 0; n < strip; ++n) out[n * rows + k] = row[n];
  }
  return out;
}

Result<std::vector<float>> BaseMatrices::StoredRow(const TensorRecord& tensor, int64_t row) const {
  const size_t row_bytes = tensor.dims()[1] * WidthOf(tensor);
  std::vector<char> bytes(row_bytes);
  if (Status read = ReadTensor(base_, tensor, static_cast<uint64_t>(row) * row_bytes, bytes); !read)
    return read.error();
  return FloatsOf(bytes, tensor.dtype);
}

}  // namespace gptq_doctor

#include "dequant/compare_match.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "dequant/compare_kernels.h"

namespace gptq_doctor {
namespace {

constexpr int64_t kSampled = 8;            // rows, and columns
constexpr uint64_t kSlabBudget = 2 << 20;  // packed bytes
// Quantized to 2 bits a matrix still has a cosine of 0.55 with its original. Unrelated samples of n values have one of
// 1/sqrt(n) or so: six times that is never reached by chance.
constexpr double kLeastCosine = 0.4, kDeviations = 6;

std::vector<int64_t> Spread(int64_t size) {
  std::vector<int64_t> out;
  const int64_t count = std::min(kSampled, size);
  for (int64_t i = 0; i < count; ++i) out.push_back(i * size / count);
  return out;
}

// A few rows of W [N, K], and a few columns.
struct Sample {
  std::vector<int64_t> rows, columns;
  std::vector<std::vector<float>> row_values, column_values;
};

Result<Sample> SampleOf(const Examination& exam, const ModuleLayout& layout) {
  const int64_t outputs = layout.packed.out_features, inputs = layout.packed.in_features;
  Sample out{.rows = Spread(outputs), .columns = Spread(inputs), .row_values = {}, .column_values = {}};
  out.column_values.resize(out.columns.size());
  const auto width = static_cast<size_t>(inputs);
  std::vector<float> row(width);
  const std::span<char> bytes(reinterpret_cast<char*>(row.data()), width * sizeof(float));
  const int64_t step = SlabColumns(layout, kSlabBudget);
  for (int64_t first = 0; first < outputs; first += step) {
    const Result<ModuleSlab> slab = ReadSlab(exam, layout, first, std::min(step, outputs - first));
    if (!slab) return slab.error();
    const DequantPlan plan(slab->packed);
    for (int64_t n = 0; n < slab->count; ++n) {
      plan.Rows(n, 1, Dtype::kF32, bytes);
      for (size_t i = 0; i < out.columns.size(); ++i)
        out.column_values[i].push_back(row[static_cast<size_t>(out.columns[i])]);
      if (std::ranges::find(out.rows, first + n) != out.rows.end()) out.row_values.push_back(row);
    }
  }
  return out;
}

// How alike the sampled vectors are to the rows of the stored tensor at the same places.
Result<double> Likeness(const BaseMatrices& base, const TensorRecord& tensor, const std::vector<int64_t>& places,
                        const std::vector<std::vector<float>>& values) {
  PairSums sums;
  for (size_t i = 0; i < places.size(); ++i) {
    const Result<std::vector<float>> row = base.StoredRow(tensor, places[i]);
    if (!row) return row.error();
    sums.Add(SumPairs(values[i].data(), row->data(), row->size()));
  }
  const double norm = std::sqrt(sums.ww * sums.bb);
  return norm > 0 ? sums.wb / norm : 0;
}

}  // namespace

Result<std::optional<Match>> FindMatch(const Examination& exam, const ModuleLayout& layout, const BaseMatrices& base) {
  const Result<Sample> sample = SampleOf(exam, layout);
  if (!sample) return sample.error();
  const auto outputs = static_cast<uint64_t>(layout.packed.out_features),
             inputs = static_cast<uint64_t>(layout.packed.in_features);
  const bool turned_base = base.orientation() == Orientation::kInOut;
  std::optional<Match> best;
  const auto consider = [&](const TensorRecord& tensor, bool as_rows) -> Status {
    const Result<double> cosine = Likeness(base, tensor, as_rows ? sample->rows : sample->columns,
                                           as_rows ? sample->row_values : sample->column_values);
    if (!cosine) return cosine.error();
    const double samples = static_cast<double>(tensor.dims()[1]) * static_cast<double>(kSampled);
    if (*cosine < std::max(kLeastCosine, kDeviations / std::sqrt(samples))) return Ok();
    if (best && best->cosine >= *cosine) return Ok();
    best = Match{.tensor = std::string(tensor.name()), .transposed = as_rows == turned_base, .cosine = *cosine};
    return Ok();
  };
  const TensorIndex& tensors = base.exam().tensors;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const TensorRecord& tensor = tensors.at(i);
    if (!IsBaseMatrix(tensor)) continue;
    const auto dims = tensor.dims();
    if (dims[0] == outputs && dims[1] == inputs) {
      if (Status done = consider(tensor, true); !done) return done.error();
    }
    if (dims[0] == inputs && dims[1] == outputs) {
      if (Status done = consider(tensor, false); !done) return done.error();
    }
  }
  return best;
}

}  // namespace gptq_doctor

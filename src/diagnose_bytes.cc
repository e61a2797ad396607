// Byte totals: what lies on disk, what the model would take at 16 bits, and what its settings promise.

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"
#include "diagnose.h"
#include "model/sizes.h"

namespace gptq_doctor {
namespace {

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t out = 0;
  return __builtin_add_overflow(a, b, &out) ? INT64_MAX : out;
}
int64_t SaturatingMul(int64_t a, int64_t b) {
  int64_t out = 0;
  return __builtin_mul_overflow(a, b, &out) ? INT64_MAX : out;
}
int64_t Saturate(uint64_t value) { return value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value); }

// Files are accounted as they lie on disk; a file without a readable header is stray as a whole.
void AddFiles(const TensorIndex& tensors, ByteTotals& totals) {
  for (const ShardHeader& shard : tensors.shards) {
    if (shard.identity.size <= 0) continue;
    const int64_t size = shard.identity.size;
    totals.files = SaturatingAdd(totals.files, size);
    if (!shard.readable) {
      totals.stray = SaturatingAdd(totals.stray, size);
      continue;
    }
    const int64_t header = std::min(size, Saturate(shard.data_offset()));
    const int64_t stray = std::min(size - header, Saturate(shard.stray_bytes));
    totals.headers += header;
    totals.stray += stray;
    totals.tensors += size - header - stray;
  }
}

struct Elements {
  int64_t count = 0;
  bool matrix = false;  // two or more dimensions: what quantization could shrink
};

Elements ElementsOf(const TensorRecord& tensor) {
  Elements out{1, tensor.rank >= 2};
  for (const uint64_t dim : tensor.dims()) out.count = SaturatingMul(out.count, Saturate(dim));
  return out;
}

// Bytes of a tensor in the 16-bit model: floating point at two bytes an element, anything else as it is.
int64_t HalfBytes(const TensorRecord& tensor) {
  return IsFloat(tensor.dtype) ? SaturatingMul(ElementsOf(tensor).count, 2) : Saturate(tensor.bytes());
}

// A matrix of `elements` weights as `settings` promise it: codes, and one 16-bit scale and one zero point a group.
int64_t PromisedBytes(int64_t elements, int64_t in_features, const Quantization& settings) {
  const int64_t bits = *settings.bits;
  const int64_t group = settings.group_size.value_or(-1) > 0 ? *settings.group_size : std::max<int64_t>(in_features, 1);
  const int64_t groups = elements / std::max<int64_t>(group, 1);
  return SaturatingAdd(SaturatingMul(elements, bits) / 8, SaturatingMul(groups, 16 + bits) / 8);
}

class Arithmetic {
 public:
  Arithmetic(const Examination& exam, ByteTotals& totals) : exam_(exam), totals_(totals) {}

  void Run() {
    for (uint32_t id = 0; id < exam_.inventory.classes.size(); ++id) {
      const ModuleClass& c = exam_.inventory.classes[id];
      const Module& module = exam_.inventory.modules[c.representative];
      if (c.format < 0) {
        totals_.dense = SaturatingAdd(totals_.dense, c.bytes);
        for (const Component& component : exam_.inventory.components(module)) AddDense(component, c.count);
      } else {
        totals_.quantized = SaturatingAdd(totals_.quantized, c.bytes);
        AddQuantized(id, c, module);
      }
    }
    Finish();
  }

 private:
  bool HasFacts(uint32_t id) const {
    return id < exam_.quant.classes.size() && exam_.quant.classes[id].gptq && exam_.quant.classes[id].in_features > 0 &&
           exam_.quant.classes[id].out_features > 0;
  }

  void AddDense(const Component& component, int64_t count) {
    const TensorRecord& tensor = exam_.tensors.at(component.tensor);
    const int64_t half = SaturatingMul(HalfBytes(tensor), count);
    totals_.dense_equivalent = SaturatingAdd(totals_.dense_equivalent, half);
    const Elements elements = ElementsOf(tensor);
    const Quantization& base = exam_.quant.base;
    const bool shrinks = elements.matrix && IsFloat(tensor.dtype) && base.bits.has_value();
    const int64_t last = tensor.rank > 0 ? Saturate(tensor.dims().back()) : 1;
    promised_ =
        SaturatingAdd(promised_, shrinks ? SaturatingMul(PromisedBytes(elements.count, last, base), count) : half);
    if (elements.matrix) dense_matrices_ = SaturatingAdd(dense_matrices_, half);
  }

  void AddQuantized(uint32_t id, const ModuleClass& c, const Module& module) {
    if (!HasFacts(id)) {
      known_ = false;
      return;
    }
    const ClassFacts& facts = exam_.quant.classes[id];
    const int64_t dense = SaturatingMul(DenseBytes(facts.in_features, facts.out_features, 2), c.count);
    const TensorRecord* bias = exam_.inventory.Find(exam_.tensors, module, kBias);
    const int64_t extra = bias == nullptr ? 0 : SaturatingMul(HalfBytes(*bias), c.count);
    totals_.quantized_dense_equivalent = SaturatingAdd(totals_.quantized_dense_equivalent, SaturatingAdd(dense, extra));
    if (exam_.quant.base.bits.has_value()) {
      const int64_t one =
          PromisedBytes(SaturatingMul(facts.in_features, facts.out_features), facts.in_features, exam_.quant.base);
      promised_ = SaturatingAdd(promised_, SaturatingAdd(SaturatingMul(one, c.count), extra));
    }
    if (const TensorRecord* g_idx = exam_.inventory.Find(exam_.tensors, module, kGIdx)) {
      g_idx_ = SaturatingAdd(g_idx_, SaturatingMul(Saturate(g_idx->bytes()), c.count));
    }
  }

  void Finish() {
    if (!known_) {  // a module of unknown shape: no honest total exists
      totals_.dense_equivalent = 0;
      totals_.quantized_dense_equivalent = 0;
      totals_.ratio_note = "the shapes of some quantized modules are unknown";
      return;
    }
    totals_.dense_equivalent = SaturatingAdd(totals_.dense_equivalent, totals_.quantized_dense_equivalent);
    const double dense = static_cast<double>(totals_.dense_equivalent);
    if (totals_.tensors > 0) totals_.ratio = dense / static_cast<double>(totals_.tensors);
    if (!exam_.quant.is_gptq || !exam_.quant.base.bits.has_value() || promised_ <= 0) return;
    totals_.promised = promised_;
    totals_.ratio_promised = dense / static_cast<double>(promised_);
    if (dense_matrices_ > 0) {
      totals_.ratio_note = FormatBytes(static_cast<uint64_t>(dense_matrices_)) + " of matrices are not quantized";
    }
    if (g_idx_ > 0) {
      totals_.ratio_note +=
          (totals_.ratio_note.empty() ? "" : ", ") + FormatBytes(static_cast<uint64_t>(g_idx_)) + " are g_idx";
    }
  }

  const Examination& exam_;
  ByteTotals& totals_;
  int64_t promised_ = 0, dense_matrices_ = 0, g_idx_ = 0;
  bool known_ = true;
};

}  // namespace

ByteTotals TotalBytes(const Examination& exam) {
  ByteTotals totals;
  AddFiles(exam.tensors, totals);
  Arithmetic(exam, totals).Run();
  return totals;
}

}  // namespace gptq_doctor

// Byte totals: what lies on disk, what the model would take at 16 bits, and what its settings promise.

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"
#include "diagnose.h"
#include "model/sizes.h"

namespace gptq_doctor {
namespace {

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
    const int64_t header = std::min(size, ClampToInt64(shard.data_offset()));
    const int64_t stray = std::min(size - header, ClampToInt64(shard.stray_bytes));
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
  for (const uint64_t dim : tensor.dims()) out.count = SaturatingMul(out.count, ClampToInt64(dim));
  return out;
}

// Bytes of a tensor in the 16-bit model: floating point at two bytes an element, anything else as it is.
int64_t HalfBytes(const TensorRecord& tensor) {
  return IsFloat(tensor.dtype) ? SaturatingMul(ElementsOf(tensor).count, 2) : ClampToInt64(tensor.bytes());
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
    for (const ModuleClass& c : exam_.inventory.classes) {
      if (c.format >= 0) stacks_.push_back(StackOf(c));
    }
    std::sort(stacks_.begin(), stacks_.end());
    stacks_.erase(std::unique(stacks_.begin(), stacks_.end()), stacks_.end());
    for (uint32_t id = 0; id < exam_.inventory.classes.size(); ++id) {
      const ModuleClass& c = exam_.inventory.classes[id];
      const Module& module = exam_.inventory.modules[c.representative];
      if (c.format < 0) {
        totals_.dense = SaturatingAdd(totals_.dense, c.bytes);
        for (const Component& component : exam_.inventory.components(module)) AddDense(c, component);
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

  // Up to the first layer number: "model.layers." and "visual.blocks." are different stacks.
  static std::string_view StackOf(const ModuleClass& c) {
    return std::string_view(c.pattern).substr(0, c.pattern.find('*'));
  }

  bool InQuantizedStack(const ModuleClass& c) const {
    const std::string_view stack = StackOf(c);
    return stack.size() < c.pattern.size() && std::binary_search(stacks_.begin(), stacks_.end(), stack);
  }

  void AddDense(const ModuleClass& c, const Component& component) {
    const TensorRecord& tensor = exam_.tensors.at(component.tensor);
    const int64_t half = SaturatingMul(HalfBytes(tensor), c.count);
    totals_.dense_equivalent = SaturatingAdd(totals_.dense_equivalent, half);
    const Elements elements = ElementsOf(tensor);
    totals_.parameters = SaturatingAdd(totals_.parameters, SaturatingMul(elements.count, c.count));
    const Quantization& base = exam_.quant.base;
    const bool shrinks = elements.matrix && IsFloat(tensor.dtype) && base.bits.has_value() && InQuantizedStack(c);
    const int64_t in_features = elements.matrix ? ClampToInt64(tensor.dims().back()) : 1;
    const int64_t promised = shrinks ? SaturatingMul(PromisedBytes(elements.count, in_features, base), c.count) : half;
    promised_ = SaturatingAdd(promised_, promised);
    int64_t& kind = shrinks ? left_dense_ : outside_;
    if (elements.matrix) kind = SaturatingAdd(kind, SaturatingMul(ClampToInt64(tensor.bytes()), c.count));
  }

  void AddQuantized(uint32_t id, const ModuleClass& c, const Module& module) {
    if (!HasFacts(id)) {
      known_ = false;
      return;
    }
    const ClassFacts& facts = exam_.quant.classes[id];
    const int64_t weights = SaturatingMul(facts.in_features, facts.out_features);
    const TensorRecord* bias = exam_.inventory.Find(exam_.tensors, module, kBias);
    const int64_t extra = bias == nullptr ? 0 : HalfBytes(*bias);
    const int64_t dense = SaturatingAdd(DenseBytes(facts.in_features, facts.out_features, 2), extra);
    totals_.quantized_dense_equivalent =
        SaturatingAdd(totals_.quantized_dense_equivalent, SaturatingMul(dense, c.count));
    totals_.parameters =
        SaturatingAdd(totals_.parameters,
                      SaturatingMul(SaturatingAdd(weights, bias == nullptr ? 0 : ElementsOf(*bias).count), c.count));
    if (!exam_.quant.base.bits.has_value()) return;
    const int64_t promised = SaturatingAdd(PromisedBytes(weights, facts.in_features, exam_.quant.base), extra);
    promised_ = SaturatingAdd(promised_, SaturatingMul(promised, c.count));
  }

  void Finish() {
    if (!known_) {  // a module of unknown shape: no honest total exists
      totals_.dense_equivalent = 0;
      totals_.quantized_dense_equivalent = 0;
      totals_.parameters = 0;
      totals_.ratio_note = "the shapes of some quantized modules are unknown";
      return;
    }
    totals_.dense_equivalent = SaturatingAdd(totals_.dense_equivalent, totals_.quantized_dense_equivalent);
    const double dense = static_cast<double>(totals_.dense_equivalent);
    if (totals_.tensors > 0) totals_.ratio = dense / static_cast<double>(totals_.tensors);
    if (!exam_.quant.is_gptq || !exam_.quant.base.bits.has_value() || promised_ <= 0) return;
    totals_.promised = promised_;
    totals_.ratio_promised = dense / static_cast<double>(promised_);
    const auto note = [&](int64_t bytes, const char* what) {
      if (bytes <= 0) return;
      if (!totals_.ratio_note.empty()) totals_.ratio_note += ", ";
      totals_.ratio_note += FormatBytes(static_cast<uint64_t>(bytes)) + what;
    };
    note(left_dense_, " of matrices beside the quantized ones are dense");
    note(outside_, " of embeddings and other matrices are dense, as is usual");
  }

  const Examination& exam_;
  ByteTotals& totals_;
  std::vector<std::string_view> stacks_;  // of quantized modules, sorted
  int64_t promised_ = 0;
  int64_t left_dense_ = 0;  // matrices in stacks that are quantized otherwise
  int64_t outside_ = 0;     // all other dense matrices
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

// Which kernel takes the quantized layers, and the limits that turn one away.

#include <algorithm>
#include <string>

#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

uint8_t DtypeBitOf(std::string_view dtype) {
  if (dtype == "bfloat16") return kBf16;
  if (dtype == "float32") return kFp32;
  return kFp16;
}

Refusal TestSettings(const KernelRow& row, int64_t bits, int64_t group_size, bool sym, bool desc_act) {
  if (bits < 1 || bits > 31 || ((row.bits >> bits) & 1) == 0) return {Refusal::kBits, bits, nullptr};
  if (row.sym == Tri::kOnlyTrue && !sym) return {Refusal::kSym, 0, nullptr};
  if (row.sym == Tri::kOnlyFalse && sym) return {Refusal::kSym, 1, nullptr};
  if (row.desc_act == Tri::kOnlyFalse && desc_act) return {Refusal::kDescAct, 1, nullptr};
  (void)group_size;
  return {};
}

bool GroupAllowed(const KernelRow& row, int64_t group_size, int64_t in_features) {
  if (row.group_sizes.empty()) return true;
  if (std::find(row.group_sizes.begin(), row.group_sizes.end(), group_size) != row.group_sizes.end()) return true;
  return in_features > 0 && group_size == in_features;
}

Refusal TestClass(const Walk& walk, const KernelRow& row, const ClassDigest& digest) {
  const Declared& read = walk.declared;
  const int64_t tp = std::max(1, walk.options.tp);
  int64_t in = digest.in_features, out = digest.out_features;
  if (tp > 1 && digest.row_parallel) {
    in /= tp;
  } else if (tp > 1) {
    out /= tp;
  }
  if (!GroupAllowed(row, read.group_size, digest.in_features)) return {Refusal::kGroupSize, read.group_size, &digest};
  if (in > 0 && in % row.in_multiple != 0) return {Refusal::kInFeatures, in, &digest};
  if (in > 0 && row.in_by_group && read.group_size > 0 && read.group_size < digest.in_features &&
      in % read.group_size != 0) {
    return {Refusal::kInByGroup, in, &digest};
  }
  if (out > 0 && out % row.out_multiple != 0) return {Refusal::kOutFeatures, out, &digest};
  return {};
}

}  // namespace

int64_t GroupsFor(int64_t in_features, int64_t group_size) {
  if (group_size <= 0) return 1;
  return (in_features + group_size - 1) / group_size;
}

Refusal TestKernel(const Walk& walk, const KernelRow& row, int only) {
  const Machine& machine = walk.machine;
  if ((row.platforms & machine.platform) == 0) return {Refusal::kGpu, machine.sm, nullptr};
  if (machine.platform == kCuda) {
    const int sm = machine.given ? machine.sm : 86;
    if (sm < row.min_sm || (row.max_sm > 0 && sm > row.max_sm)) return {Refusal::kGpu, sm, nullptr};
  }
  const std::string_view dtype = walk.options.dtype;
  if (!dtype.empty() && (row.dtypes & DtypeBitOf(dtype)) == 0) return {Refusal::kDtype, 0, nullptr};
  const Declared& read = walk.declared;
  if (read.format == "gptq_v2" && !row.v2) return {Refusal::kFormat, 0, nullptr};
  if ((read.format == "gptq_p") != row.planar && read.format == "gptq_p") return {Refusal::kFormat, 0, nullptr};
  if (const Refusal refusal = TestSettings(row, read.bits, read.group_size, read.sym, read.desc_act);
      refusal.what != Refusal::kNone) {
    return refusal;
  }
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    if (only >= 0 && static_cast<size_t>(only) != i) continue;
    if (i >= walk.built.size() || walk.built[i] != Built::kQuantized) continue;
    if (const Refusal refusal = TestClass(walk, row, walk.facts.classes[i]); refusal.what != Refusal::kNone)
      return refusal;
  }
  return {};
}

std::string RefusalText(const Refusal& refusal, const KernelRow& row) {
  const std::string where = refusal.at == nullptr ? "" : " (" + std::string(refusal.at->pattern) + ")";
  const std::string value = std::to_string(refusal.value);
  const std::string name(row.name);
  switch (refusal.what) {
    case Refusal::kNone:
      return {};
    case Refusal::kBits:
      return name + " does not do " + value + " bits";
    case Refusal::kGroupSize:
      return name + " does not do group_size " + value;
    case Refusal::kSym:
      return name + (refusal.value == 0 ? " is for sym true only" : " is for sym false only");
    case Refusal::kDescAct:
      return name + " does not do desc_act";
    case Refusal::kInFeatures:
      return name + " needs in_features divisible by " + std::to_string(row.in_multiple) + ", not " + value + where;
    case Refusal::kInByGroup:
      return name + " needs in_features divisible by group_size, not " + value + where;
    case Refusal::kOutFeatures:
      return name + " needs out_features divisible by " + std::to_string(row.out_multiple) + ", not " + value + where;
    case Refusal::kGpu:
      return name + " does not run on this device";
    case Refusal::kDtype:
      return name + " does not take this dtype";
    case Refusal::kFormat:
      return name + " does not take this checkpoint_format";
  }
  return {};
}

bool StageKernel(Walk& walk) {
  if (walk.dense_model || walk.profile.kernels.empty()) return true;
  const bool any = std::find(walk.built.begin(), walk.built.end(), Built::kQuantized) != walk.built.end();
  if (!any) return true;
  if (walk.machine.platform == kCuda && !walk.machine.given)
    walk.Assume("an NVIDIA GPU of compute capability 8.0 or newer");
  std::string refused;
  Refusal last;
  const KernelRow* last_row = nullptr;
  for (const KernelRow& row : walk.profile.kernels) {
    const Refusal refusal = TestKernel(walk, row);
    if (refusal.what == Refusal::kNone) {
      walk.kernel = &row;
      break;
    }
    last = refusal;
    last_row = &row;
    const bool by_shape = refusal.at != nullptr;
    if (row.by_settings && by_shape) {
      return walk.Rejects("kernel", "stops: " + RefusalText(refusal, row), row.source, walk.Message(row.refusal));
    }
    refused += (refused.empty() ? "" : "; ") + RefusalText(refusal, row);
  }
  if (walk.kernel == nullptr) {
    const std::string message(last_row == nullptr ? std::string_view() : last_row->refusal);
    std::string filled = walk.Message(message, {{"in", std::to_string(last.value)},
                                                {"out", std::to_string(last.value)},
                                                {"reason", RefusalText(last, *last_row)}});
    return walk.Rejects("kernel", "stops: no kernel takes these layers: " + refused, last_row->source,
                        std::move(filled));
  }
  std::string detail = "takes the kernel " + std::string(walk.kernel->name);
  if (!refused.empty()) detail += " (" + refused + ")";
  if (walk.kernel->slow) {
    walk.Degrade(Outcome::kSlow, "kernel", detail + ", a slow one", walk.kernel->source);
  } else {
    walk.Step("kernel", detail, walk.kernel->source);
  }
  return true;
}

}  // namespace gptq_doctor

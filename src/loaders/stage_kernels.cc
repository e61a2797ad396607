// Which kernel takes the quantized layers, and the limits that turn one away.

#include <algorithm>
#include <string>

#include "loaders/stages.h"
#include "model/sizes.h"

namespace gptq_doctor {
namespace {

uint8_t DtypeBitOf(std::string_view dtype) {
  if (dtype == "bfloat16") return kBf16;
  if (dtype == "float32") return kFp32;
  return kFp16;
}

bool GroupAllowed(const KernelRow& row, int64_t group_size, int64_t in_features) {
  if (row.group_sizes.empty()) return true;
  if (std::find(row.group_sizes.begin(), row.group_sizes.end(), group_size) != row.group_sizes.end()) return true;
  return in_features > 0 && group_size == in_features;
}

Refusal TestBits(const KernelRow& row, int64_t bits) {
  if (bits < 1 || bits > 31 || ((row.bits >> bits) & 1) == 0) return {Refusal::kBits, bits, nullptr};
  return {};
}

// What holds for the model as a whole.
Refusal TestModel(const Walk& walk, const KernelRow& row) {
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
  if (read.format == "gptq_p" && !row.planar) return {Refusal::kFormat, 0, nullptr};
  if (row.sym == Tri::kOnlyTrue && !read.sym) return {Refusal::kSym, 0, nullptr};
  if (row.sym == Tri::kOnlyFalse && read.sym) return {Refusal::kSym, 1, nullptr};
  if (row.desc_act == Tri::kOnlyFalse && read.desc_act) return {Refusal::kDescAct, 1, nullptr};
  return {};
}

Refusal TestClass(const Walk& walk, const KernelRow& row, size_t index) {
  const ClassDigest& digest = walk.facts.classes[index];
  const ClassSettings settings = SettingsOf(walk, index);
  if (Refusal refusal = TestBits(row, settings.bits); refusal.what != Refusal::kNone) {
    // A model-wide value is no fault of one layer.
    if (settings.bits != walk.declared.bits) refusal.at = &digest;
    return refusal;
  }
  const int64_t tp = std::max(1, walk.options.tp);
  int64_t in = digest.in_features, out = digest.out_features;
  if (tp > 1) (digest.row_parallel ? in : out) /= tp;
  const int64_t group = settings.group_size;
  if (!GroupAllowed(row, group, digest.in_features)) return {Refusal::kGroupSize, group, &digest};
  if (in > 0 && in % row.in_multiple != 0) return {Refusal::kInFeatures, in, &digest};
  if (in > 0 && row.in_by_group && group > 0 && group < digest.in_features && in % group != 0) {
    return {Refusal::kInByGroup, in, &digest};
  }
  if (out > 0 && out % row.out_multiple != 0) return {Refusal::kOutFeatures, out, &digest};
  return {};
}

struct Choice {
  const KernelRow* row = nullptr;  // null: none takes it
  std::string refused;             // why the ones before were passed over
  Refusal last;
  const KernelRow* last_row = nullptr;
  bool final = false;  // a kernel picked by its bits alone refused a shape: no other is tried
};
// The first kernel for all layers, or for one class.
Choice Choose(const Walk& walk, int only) {
  Choice choice;
  for (const KernelRow& row : walk.profile.kernels) {
    const Refusal refusal = TestKernel(walk, row, only);
    if (refusal.what == Refusal::kNone) {
      choice.row = &row;
      return choice;
    }
    choice.last = refusal;
    choice.last_row = &row;
    if (row.by_settings && refusal.at != nullptr) {
      choice.final = true;
      return choice;
    }
    choice.refused += (choice.refused.empty() ? "" : "; ") + RefusalText(refusal, row);
  }
  return choice;
}

bool RejectChoice(Walk& walk, const Choice& choice) {
  const std::string_view template_text = choice.last_row == nullptr ? std::string_view() : choice.last_row->refusal;
  const std::string value = std::to_string(choice.last.value);
  std::string message = walk.Message(
      template_text, {{"in", value}, {"out", value}, {"reason", RefusalText(choice.last, *choice.last_row)}});
  std::string detail = choice.final ? "stops: " + RefusalText(choice.last, *choice.last_row)
                                    : "stops: no kernel takes these layers: " + choice.refused;
  return walk.Rejects("kernel", std::move(detail), choice.last_row->source, std::move(message));
}

// GPTQModel since 7.3.4: every module its own kernel.
bool ChoosePerModule(Walk& walk) {
  walk.class_kernels.assign(walk.facts.classes.size(), nullptr);
  for (size_t i = 0; i < walk.built.size(); ++i) {
    if (walk.built[i] != Built::kQuantized) continue;
    const Choice choice = Choose(walk, static_cast<int>(i));
    if (choice.row == nullptr) return RejectChoice(walk, choice);
    walk.class_kernels[i] = choice.row;
    // The slowest names the outcome.
    if (walk.kernel == nullptr || (choice.row->slow && !walk.kernel->slow)) walk.kernel = choice.row;
  }
  return true;
}

}  // namespace

int64_t GroupsFor(int64_t in_features, int64_t group_size) {
  return group_size <= 0 ? 1 : GroupsOf(in_features, group_size);
}

Refusal TestKernel(const Walk& walk, const KernelRow& row, int only) {
  if (const Refusal refusal = TestModel(walk, row); refusal.what != Refusal::kNone) return refusal;
  if (only < 0) {
    if (const Refusal refusal = TestBits(row, walk.declared.bits); refusal.what != Refusal::kNone) return refusal;
  }
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    if (only >= 0 && static_cast<size_t>(only) != i) continue;
    if (i >= walk.built.size() || walk.built[i] != Built::kQuantized) continue;
    if (const Refusal refusal = TestClass(walk, row, i); refusal.what != Refusal::kNone) return refusal;
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
  if (walk.profile.per_module_kernels) {
    if (!ChoosePerModule(walk)) return false;
  } else {
    const Choice choice = Choose(walk, -1);
    if (choice.row == nullptr) return RejectChoice(walk, choice);
    walk.kernel = choice.row;
    refused = choice.refused;
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

// What the chosen kernel does with the values: zero points, group order, and values that were read and found broken.

#include <algorithm>
#include <string>

#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

// What a kernel's rule makes of stored zeros: the offset it adds, as if they were v1 (true) or v2.
bool ReadsAsV1(const KernelRow& row, const Declared& read) {
  switch (row.zeros) {
    case Zeros::kUnused:
    case Zeros::kAlwaysV1:
      return true;
    case Zeros::kByFormat:
      return read.format != "gptq_v2" && !(read.format == "gptq_p" && row.planar);
    case Zeros::kRawUnlessV1:
      return !read.format_given || read.format == "gptq";
  }
  return true;
}

void CheckZeros(Walk& walk, const KernelRow& row) {
  const InferredQuant& quant = walk.exam.quant;
  if (row.zeros == Zeros::kUnused) {
    if (quant.base.sym == false) {
      walk.Degrade(Outcome::kGarbage, "values",
                   "the kernel ignores the stored zero points and takes 2^(bits-1), but these are asymmetric: wrong "
                   "weights, no message",
                   row.source);
    }
    return;
  }
  const bool as_v1 = ReadsAsV1(row, walk.declared);
  if (quant.zero_format == ZeroFormat::kV2 && as_v1) {
    walk.Remedy("gptq-doctor fix --write, or gptq-doctor convert MODEL -o DIR --checkpoint-format gptq");
    walk.Degrade(Outcome::kGarbage, "values",
                 "the zero points are stored as gptq_v2, this kernel adds 1 to them as for gptq: every weight is off "
                 "by one step, no message",
                 row.source);
  } else if (quant.zero_format == ZeroFormat::kV1 && !as_v1) {
    walk.Remedy("gptq-doctor fix --write, or gptq-doctor convert MODEL -o DIR --checkpoint-format gptq_v2");
    walk.Degrade(Outcome::kGarbage, "values",
                 "the zero points are stored as gptq, this kernel takes them as gptq_v2: every weight is off by one "
                 "step, no message",
                 row.source);
  } else if (quant.zero_format != ZeroFormat::kUnknown) {
    walk.Step("values", std::string("reads the zero points as they are stored (") + (as_v1 ? "gptq" : "gptq_v2") + ")",
              row.source);
  }
}

// Zeros that GPTQModel wrote wrong, and what its own readers of each age make of right ones. optimum reads through
// GPTQModel too, a current one.
void CheckWriterFaults(Walk& walk, const KernelRow& row) {
  if (row.zeros == Zeros::kUnused) return;
  const InferredQuant& quant = walk.exam.quant;
  const bool own = walk.profile.loader == "gptqmodel";
  const bool through = walk.profile.backend == "gptqmodel" || walk.profile.backend == "transformers";
  const bool before7 = own && walk.profile.since < Version{7, 0, 0};
  if (through && (quant.broken_3bit_zeros || quant.shifted_base_bits != 0 || quant.base.bits == 3))
    walk.Assume("gptqmodel 7.3.2 or later is installed");
  if (quant.broken_3bit_zeros && !before7) {
    walk.Remedy(kFixCommand);
    walk.Degrade(
        Outcome::kGarbage, "values",
        "the 3-bit zero points were written with two swapped words (GPTQModel before 7.0.0): wrong weights, no message",
        row.source);
  }
  if (!quant.broken_3bit_zeros && quant.base.bits == 3 && quant.zero_format == ZeroFormat::kV1 && before7 &&
      ReadsAsV1(row, walk.declared)) {
    walk.Remedy("take GPTQModel 7 or later");
    walk.Degrade(Outcome::kGarbage, "values",
                 "the 3-bit zero points are right, but this version adds its constant to swapped words when it reads "
                 "them: wrong weights, no message",
                 "ModelCloud/GPTQModel gptqmodel/utils/model.py before 8e8ff117b");
  }
  const bool before732 = own && walk.profile.since < Version{7, 3, 2};
  if (quant.shifted_base_bits != 0 && !before732) {
    walk.Remedy(kFixCommand);
    walk.Degrade(Outcome::kGarbage, "values",
                 "modules with other bits than the base were written with the base's zero-point constant: wrong "
                 "weights there, no message",
                 row.source);
  }
}

void CheckOrder(Walk& walk, const KernelRow& row) {
  const Declared& read = walk.declared;
  const bool permuted = walk.facts.act_order.value_or(false);
  const bool ignored = row.g_idx == GroupIndex::kIgnored || (row.g_idx == GroupIndex::kIfDescAct && !read.desc_act);
  if (permuted && ignored && walk.facts.any_g_idx) {
    walk.Remedy(kFixCommand);
    walk.Degrade(
        Outcome::kGarbage, "values",
        row.g_idx == GroupIndex::kIgnored
            ? "g_idx permutes the inputs (act-order), but this kernel never reads it: wrong weights, no message"
            : "g_idx permutes the inputs (act-order), but desc_act is false and this kernel then ignores g_idx: wrong "
              "weights, no message",
        row.source);
    return;
  }
  if (permuted && walk.machine.platform == kXpu && walk.profile.modules.names == NameStyle::kEngines) {
    walk.Degrade(Outcome::kGarbage, "values",
                 "g_idx permutes the inputs (act-order), which the XPU kernels never apply", row.source);
    return;
  }
  const bool fused = permuted && read.desc_act && walk.profile.modules.names == NameStyle::kEngines;
  if (fused)
    walk.Assume("the parts of a fused layer share one g_idx: the last that is read is kept for all, unchecked");
  if (!permuted && walk.facts.act_order == false && read.desc_act && read.group_size != -1) {
    walk.Degrade(Outcome::kSlow, "values", "desc_act is true although g_idx is sequential: right, but a slower path",
                 row.source);
  }
}

// Biases that the architecture lacks go unread; whether they are zero is data that the examination does not read.
void CheckBiases(Walk& walk) {
  if (walk.profile.tensors.bias != BiasRule::kByArchitecture) return;
  const auto& classes = walk.facts.classes;
  const bool surplus = std::any_of(classes.begin(), classes.end(), [](const ClassDigest& digest) {
    return digest.gptq && digest.bias != nullptr && digest.bias_expected == false;
  });
  if (surplus) walk.Assume("the biases that the architecture lacks are all zero: they are dropped unread");
}

// Catalogue numbers of gptq-format.md C whose values no loader can make sense of.
std::string_view Broken(int catalogue) {
  switch (catalogue) {
    case 4:
      return "scales hold NaN or Inf";
    case 8:
      return "g_idx points outside the groups";
    case 18:
      return "qweight is all one word: never filled";
    case 19:
      return "qweight looks like random words";
    case 20:
      return "scales or qzeros are all zero";
    default:
      return {};
  }
}

}  // namespace

bool StageValues(Walk& walk) {
  if (walk.dense_model) return true;
  std::vector<const KernelRow*> kernels;
  if (walk.kernel != nullptr) kernels.push_back(walk.kernel);
  for (const KernelRow* row : walk.class_kernels) {
    if (row != nullptr && std::find(kernels.begin(), kernels.end(), row) == kernels.end()) kernels.push_back(row);
  }
  for (const KernelRow* row : kernels) {
    CheckZeros(walk, *row);
    CheckWriterFaults(walk, *row);
    CheckOrder(walk, *row);
  }
  CheckBiases(walk);
  for (const ValueDefect& defect : walk.exam.quant.value_defects) {
    const std::string_view what = Broken(defect.catalogue);
    if (what.empty()) continue;
    const std::string_view stem = walk.exam.inventory.modules[defect.module].stem;
    walk.Remedy("fetch or quantize the model again");
    walk.Degrade(Outcome::kGarbage, "values", std::string(what) + " (" + std::string(stem) + "): no loader checks it",
                 "tensor data");
    break;
  }
  return true;
}

}  // namespace gptq_doctor

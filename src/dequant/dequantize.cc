#include "dequant/dequantize.h"

#include <algorithm>
#include <map>

#include "gptq/format_table.h"
#include "model/family_biases.h"

namespace gptq_doctor {
namespace {

Error Refuse(std::string message) { return {ErrorKind::kRefused, "", std::move(message)}; }

Status CheckWhole(const Examination& exam) {
  const std::string kind = exam.kind();
  if (kind != "gptq")
    return Refuse("this directory is " + kind + ", not GPTQ: there is nothing that this command could dequantize");
  if (!exam.errors.empty()) return exam.errors.front();
  for (const ShardHeader& shard : exam.tensors.shards) {
    if (!shard.accepted) {
      return Refuse(shard.file + " is damaged; gptq-doctor inspect says how. Nothing is dequantized from half a model");
    }
  }
  for (const Defect& defect : exam.tensors.defects) {
    if (defect.kind == DefectKind::kShardMissing) return Refuse(defect.file + " is missing: " + defect.detail);
    if (defect.kind == DefectKind::kTensorInTwoShards)
      return Refuse(defect.tensor + " stands in two shards: " + defect.detail);
  }
  for (const std::string& contradiction : exam.quant.contradictions) return Refuse(contradiction);
  return Ok();
}

// The order of the source: by shard, then by place in it.
std::vector<uint32_t> ModulesInFileOrder(const Examination& exam) {
  std::vector<uint32_t> order(exam.inventory.modules.size());
  std::vector<uint32_t> first(order.size());
  for (uint32_t m = 0; m < order.size(); ++m) {
    order[m] = m;
    uint32_t least = UINT32_MAX;
    for (const Component& component : exam.inventory.components(exam.inventory.modules[m])) {
      least = std::min(least, component.tensor);
    }
    first[m] = least;
  }
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return first[a] < first[b]; });
  return order;
}

class Planner {
 public:
  Planner(const Examination& exam, const DequantizeOptions& options) : exam_(exam), options_(options) {}

  Result<DequantizePlan> Run() {
    if (Status whole = CheckWhole(exam_); !whole) return whole.error();
    plan_.dtype = options_.dtype.value_or(OwnDtype(exam_));
    orientation_ = OrientationOf(exam_);
    plan_.model.max_shard_bytes = options_.max_shard_bytes;
    for (const uint32_t module : ModulesInFileOrder(exam_)) {
      if (Status added = Add(module); !added) return added.error();
    }
    AddFiles();
    return std::move(plan_);
  }

 private:
  Status Add(uint32_t number) {
    const Module& module = exam_.inventory.modules[number];
    const int format = exam_.inventory.classes[module.class_id].format;
    if (format < 0) return CopyAll(module, nullptr);
    if (!IsGptq(format) || !exam_.quant.classes[module.class_id].gptq) {
      return Refuse(std::string(module.stem) + " is " + std::string(FormatTable()[static_cast<size_t>(format)].title) +
                    ", not GPTQ; a directory of mixed formats cannot be dequantized whole");
    }
    const Result<ModuleLayout> layout = LayoutOf(exam_, number);
    if (!layout) return layout.error();
    if (layout->zero_rule_assumed && plan_.modules == 0) {
      plan_.warnings.push_back(
          "the tensors do not tell gptq (v1) from gptq_v2 zero points; read as " +
          std::string(layout->packed.zero_rule == ZeroRule::kStored ? "gptq_v2" : "gptq (v1)") +
          (exam_.quant.base.checkpoint_format ? ", as the config says" : ", as loaders do without a config"));
    }
    plan_.model.tensors.push_back(
        DequantizedWeight(exam_, *layout, layout->stem + ".weight", plan_.dtype, orientation_));
    ++plan_.modules;
    return CopyAll(module, &*layout);
  }

  // The tensors that stay: all of a dense module; of a quantized one what is not part of the packing.
  Status CopyAll(const Module& module, const ModuleLayout* layout) {
    for (const Component& component : exam_.inventory.components(module)) {
      const TensorRecord& tensor = exam_.tensors.at(component.tensor);
      if (layout != nullptr) {
        if (&tensor == layout->bias) {
          if (Status kept = AddBias(module, tensor); !kept) return kept;
          continue;
        }
        if (component.suffix == kQweight || component.suffix == kQzeros || component.suffix == kScales ||
            component.suffix == kGIdx || component.suffix == kZeros) {
          continue;
        }
        if (component.suffix == kWeight) {
          plan_.warnings.push_back(std::string(tensor.name()) +
                                   " stands beside the quantized module; the quantized one is taken");
          continue;
        }
      }
      Copy(tensor);
    }
    return Ok();
  }

  Status AddBias(const Module& module, const TensorRecord& bias) {
    if (!options_.keep_zero_bias && FamilyBias(exam_.configs.model, module.stem) == BiasFact::kHasNot) {
      const Result<bool> zero = IsAllZero(exam_, bias);
      if (!zero) return zero.error();
      if (*zero) {
        plan_.dropped_biases.emplace_back(bias.name());
        return Ok();
      }
    }
    Copy(bias);
    return Ok();
  }

  void Copy(const TensorRecord& tensor) {
    // TGI's quantizer stores its settings as scalar tensors; they mean nothing in a dense model.
    constexpr std::string_view kSettings[] = {"gptq_bits", "gptq_groupsize", "gptq_sym"};
    if (std::find(std::begin(kSettings), std::end(kSettings), tensor.name()) != std::end(kSettings)) return;
    plan_.model.tensors.push_back(CopyTensor(exam_, tensor, std::string(tensor.name())));
    ++plan_.copied;
  }

  void AddFiles() {
    plan_.model.files = CompanionFiles(exam_);
    std::optional<std::string> config = DenseConfig(exam_.configs.model, plan_.dtype);
    if (config) {
      plan_.model.files.push_back({.name = "config.json", .content = std::move(*config), .copy = {}, .bytes = 0});
    } else {
      plan_.warnings.push_back(exam_.configs.model.present
                                   ? "config.json cannot be read, so the new directory has none; copy the base model's"
                                   : "there is no config.json, so the new directory has none; copy the base model's");
    }
  }

  const Examination& exam_;
  const DequantizeOptions& options_;
  DequantizePlan plan_;
  Orientation orientation_ = Orientation::kOutIn;
};

}  // namespace

Dtype OwnDtype(const Examination& exam) {
  std::map<Dtype, int64_t> dense, scales;
  for (const ModuleClass& c : exam.inventory.classes) {
    const Module& module = exam.inventory.modules[c.representative];
    for (const Component& component : exam.inventory.components(module)) {
      const TensorRecord& tensor = exam.tensors.at(component.tensor);
      if (tensor.dtype != Dtype::kF16 && tensor.dtype != Dtype::kBF16 && tensor.dtype != Dtype::kF32) continue;
      auto& votes = c.format >= 0 && component.suffix == kScales ? scales : dense;
      if (c.format < 0 || component.suffix == kScales)
        votes[tensor.dtype] += static_cast<int64_t>(tensor.bytes()) * c.count;
    }
  }
  const auto most = [](const std::map<Dtype, int64_t>& votes) {
    return std::max_element(votes.begin(), votes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  };
  if (!dense.empty()) return most(dense)->first;
  if (!scales.empty()) return most(scales)->first;
  return Dtype::kF16;
}

Orientation OrientationOf(const Examination& exam) {
  // transformers' Conv1D users: gpt2, openai-gpt, imagegpt, decision_transformer, ctrl is nn.Linear (modeling_*.py).
  constexpr std::string_view kConv1d[] = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer"};
  const std::string& type = exam.configs.model.model_type;
  return std::find(std::begin(kConv1d), std::end(kConv1d), type) != std::end(kConv1d) ? Orientation::kInOut
                                                                                      : Orientation::kOutIn;
}

Result<DequantizePlan> PlanDequantize(const Examination& exam, const DequantizeOptions& options) {
  return Planner(exam, options).Run();
}

}  // namespace gptq_doctor

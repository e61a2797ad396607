#include "dequant/dequantize.h"

#include <algorithm>
#include <map>
#include <set>

#include "model/family_biases.h"

namespace gptq_doctor {
namespace {

Error Refuse(std::string message) { return {ErrorKind::kRefused, "", std::move(message)}; }

class Planner {
 public:
  Planner(const Examination& companion, const DequantizeOptions& options)
      : companion_(companion), options_(options), orientation_(OrientationOf(companion)) {
    plan_.dtype = options.dtype.value_or(OwnDtype(companion));
    plan_.model.max_shard_bytes = options.max_shard_bytes;
  }

  Result<DequantizePlan> Run(std::span<const Choice> choices) {
    for (const Choice& choice : choices) {
      Status added = choice.offer->tensor == nullptr ? AddWeight(choice) : AddCopy(choice);
      if (!added) return added.error();
    }
    AddFiles();
    return std::move(plan_);
  }

 private:
  Status AddWeight(const Choice& choice) {
    const Result<ModuleLayout> layout = LayoutOfOffer(*choice.exam, *choice.offer);
    if (!layout) return layout.error();
    if (layout->zero_rule_assumed && warned_.insert(choice.exam).second) {
      plan_.warnings.push_back(
          "the tensors do not tell gptq (v1) from gptq_v2 zero points; read as " +
          std::string(layout->packed.zero_rule == ZeroRule::kStored ? "gptq_v2" : "gptq (v1)") +
          (choice.exam->quant.base.checkpoint_format ? ", as the config says" : ", as loaders do without a config"));
    }
    plan_.model.tensors.push_back(
        DequantizedWeight(*choice.exam, *layout, choice.offer->name, plan_.dtype, orientation_));
    ++plan_.modules;
    return Ok();
  }

  Status AddCopy(const Choice& choice) {
    const TensorRecord& tensor = *choice.offer->tensor;
    if (!options_.keep_zero_bias && IsBiasOfQuantized(*choice.exam, *choice.offer)) {
      const Result<bool> artefact = IsArtefactBias(*choice.exam, *choice.offer, companion_.configs.model);
      if (!artefact) return artefact.error();
      if (*artefact) {
        plan_.dropped_biases.push_back(choice.offer->name);
        return Ok();
      }
    }
    plan_.model.tensors.push_back(CopyTensor(*choice.exam, tensor, choice.offer->name));
    ++plan_.copied;
    return Ok();
  }

  void AddFiles() {
    plan_.model.files = CompanionFiles(companion_);
    std::optional<std::string> config = DenseConfig(companion_.configs.model, plan_.dtype);
    if (config) {
      plan_.model.files.push_back({.name = "config.json", .content = std::move(*config), .copy = {}, .bytes = 0});
    } else {
      plan_.warnings.push_back(companion_.configs.model.present
                                   ? "config.json cannot be read, so the new directory has none; copy the base model's"
                                   : "there is no config.json, so the new directory has none; copy the base model's");
    }
  }

  const Examination& companion_;
  const DequantizeOptions& options_;
  const Orientation orientation_;
  DequantizePlan plan_;
  std::set<const Examination*> warned_;
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

Status CheckWhole(const Examination& exam) {
  if (!exam.errors.empty()) return exam.errors.front();
  if (exam.tensors.size() == 0) return Refuse("there are no weights here that can be read");
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
  return Ok();
}

Result<bool> IsArtefactBias(const Examination& exam, const Offer& offer, const ModelConfig& config) {
  if (FamilyBias(config, exam.inventory.modules[offer.module].stem) != false) return false;
  return IsAllZero(exam, *offer.tensor);
}

Result<DequantizePlan> PlanChoices(std::span<const Choice> choices, const Examination& companion,
                                   const DequantizeOptions& options) {
  return Planner(companion, options).Run(choices);
}

Result<DequantizePlan> PlanDequantize(const Examination& exam, const DequantizeOptions& options) {
  if (!exam.errors.empty()) return exam.errors.front();  // what cannot be read tells nothing of the model
  const std::string kind = exam.kind();
  if (kind != "gptq")
    return Refuse("this directory is " + kind + ", not GPTQ: there is nothing that this command could dequantize");
  if (Status whole = CheckWhole(exam); !whole) return whole.error();
  for (const std::string& contradiction : exam.quant.contradictions) return Refuse(contradiction);
  const Offers offers(exam);
  std::vector<Choice> choices;
  for (const Offer& offer : offers.list()) choices.push_back({&exam, &offer});
  Result<DequantizePlan> plan = PlanChoices(choices, exam, options);
  if (!plan) return plan;
  for (const std::string& name : offers.leftovers()) {
    plan->warnings.push_back(name + " stands beside the quantized module; the quantized one is taken");
  }
  return plan;
}

}  // namespace gptq_doctor

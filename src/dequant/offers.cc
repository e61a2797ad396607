#include "dequant/offers.h"

#include <algorithm>

#include "gptq/format_table.h"

namespace gptq_doctor {
namespace {

Error Refuse(std::string message) { return {ErrorKind::kRefused, "", std::move(message)}; }

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

bool IsPacking(SuffixId suffix) {
  return suffix == kQweight || suffix == kQzeros || suffix == kScales || suffix == kGIdx || suffix == kZeros;
}

int FormatOf(const Examination& exam, const Module& module) { return exam.inventory.classes[module.class_id].format; }

// Quantized, or what is left of it.
bool IsPacked(const Examination& exam, const Module& module) {
  return FormatOf(exam, module) >= 0 || exam.inventory.Find(exam.tensors, module, kQweight) != nullptr;
}

// TGI's quantizer stores its settings as scalar tensors; they mean nothing in a dense model.
bool IsSetting(std::string_view name) { return name == "gptq_bits" || name == "gptq_groupsize" || name == "gptq_sym"; }

}  // namespace

Offers::Offers(const Examination& exam) : exam_(&exam) {
  list_.reserve(exam.inventory.modules.size());
  for (const uint32_t number : ModulesInFileOrder(exam)) AddModule(number);
  by_name_.reserve(list_.size());
  for (uint32_t i = 0; i < list_.size(); ++i) by_name_.emplace(list_[i].name, i);
}

void Offers::AddModule(uint32_t number) {
  const Module& module = exam_->inventory.modules[number];
  const bool packed = IsPacked(*exam_, module);
  if (packed) list_.push_back({std::string(module.stem) + ".weight", number, nullptr});
  // A foreign module's parts mean nothing without it.
  if (packed && FormatOf(*exam_, module) >= 0 && !IsGptq(FormatOf(*exam_, module))) return;
  for (const Component& component : exam_->inventory.components(module)) {
    const TensorRecord& tensor = exam_->tensors.at(component.tensor);
    if (IsSetting(tensor.name()) || (packed && IsPacking(component.suffix))) continue;
    if (packed && component.suffix == kWeight) {
      leftovers_.emplace_back(tensor.name());
    } else {
      list_.push_back({std::string(tensor.name()), number, &tensor});
    }
  }
}

const Offer* Offers::Find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &list_[at->second];
}

Result<ModuleLayout> LayoutOfOffer(const Examination& exam, const Offer& offer) {
  const Module& module = exam.inventory.modules[offer.module];
  const int format = FormatOf(exam, module);
  if (format >= 0 && !IsGptq(format)) {
    return Refuse(std::string(module.stem) + " is " + std::string(FormatTable()[static_cast<size_t>(format)].title) +
                  ", not GPTQ; a directory of mixed formats cannot be dequantized whole");
  }
  if (format < 0) {
    std::string missing;
    for (const auto& [suffix, name] : {std::pair{kQzeros, "qzeros"}, std::pair{kScales, "scales"}}) {
      if (exam.inventory.Find(exam.tensors, module, suffix) == nullptr)
        missing += std::string(missing.empty() ? "" : ", ") + name;
    }
    return Refuse(
        std::string(module.stem) + " cannot be read: " +
        (missing.empty() ? "its tensors are those of no known format" : missing + " missing beside its qweight"));
  }
  return LayoutOf(exam, offer.module);
}

std::vector<uint64_t> ShapeOf(const Examination& exam, const Offer& offer, Orientation orientation) {
  if (offer.tensor != nullptr) return {offer.tensor->dims().begin(), offer.tensor->dims().end()};
  const ClassFacts& facts = exam.quant.classes[exam.inventory.modules[offer.module].class_id];
  const auto in = static_cast<uint64_t>(facts.in_features), out = static_cast<uint64_t>(facts.out_features);
  return orientation == Orientation::kOutIn ? std::vector<uint64_t>{out, in} : std::vector<uint64_t>{in, out};
}

bool IsBiasOfQuantized(const Examination& exam, const Offer& offer) {
  const Module& module = exam.inventory.modules[offer.module];
  return offer.tensor != nullptr && IsPacked(exam, module) &&
         exam.inventory.Find(exam.tensors, module, kBias) == offer.tensor;
}

}  // namespace gptq_doctor

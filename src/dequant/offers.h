#ifndef GPTQ_DOCTOR_DEQUANT_OFFERS_H_
#define GPTQ_DOCTOR_DEQUANT_OFFERS_H_

// What one model can give to a dense directory, by the names that the dense model has: X.weight for every quantized
// module X, and every tensor that stays as it is. Header facts only.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dequant/producers.h"
#include "infer/examination.h"

namespace gptq_doctor {

struct Offer {
  std::string name;                      // "model.layers.0.mlp.up_proj.weight"
  uint32_t module = 0;                   // of the inventory
  const TensorRecord* tensor = nullptr;  // stays byte for byte; null: made from the packed tensors of `module`
};

class Offers {
 public:
  // `exam` must outlive the offers.
  explicit Offers(const Examination& exam);
  Offers(Offers&&) = default;  // not copied: the table points into the list
  const Examination& exam() const { return *exam_; }
  const std::vector<Offer>& list() const { return list_; }  // in the order of the files
  const Offer* Find(std::string_view name) const;
  // Dense leftovers beside a quantized module, which are not offered.
  const std::vector<std::string>& leftovers() const { return leftovers_; }

 private:
  void AddModule(uint32_t number);
  const Examination* exam_;
  std::vector<Offer> list_;
  std::vector<std::string> leftovers_;
  std::unordered_map<std::string_view, uint32_t> by_name_;  // keys point into list_
};

// Where the packed tensors of an offer lie. kRefused, naming the module and what is wrong with it, where it cannot be
// dequantized: another format, missing or contradicting components.
Result<ModuleLayout> LayoutOfOffer(const Examination& exam, const Offer& offer);
// Of the dense tensor.
std::vector<uint64_t> ShapeOf(const Examination& exam, const Offer& offer, Orientation orientation);
// A bias of a quantized module: packers add zero-filled ones to layers that have none.
bool IsBiasOfQuantized(const Examination& exam, const Offer& offer);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_OFFERS_H_

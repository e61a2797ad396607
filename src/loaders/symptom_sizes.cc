// Whether the sizes in a message are those of the model's layers.

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "loaders/engine.h"
#include "loaders/symptom.h"
#include "loaders/symptom_text.h"

namespace gptq_doctor {
namespace {

// What a number is of a module class: "qweight rows of ...".
struct Meaning {
  std::string text;
  bool packed = false;  // a size that only packed tensors have
};

Meaning MeaningOf(const ModelFacts& facts, int64_t number) {
  for (const ClassDigest& digest : facts.classes) {
    if (!digest.gptq || digest.in_features <= 0) continue;
    const std::string of = " of " + std::string(digest.pattern);
    const auto dim = [](const TensorRecord* tensor, size_t axis) {
      return tensor == nullptr || tensor->dims().size() <= axis ? -1 : static_cast<int64_t>(tensor->dims()[axis]);
    };
    if (number == dim(digest.qweight, 0))
      return {"the packed rows (qweight, " + std::to_string(digest.in_features) + " inputs)" + of, true};
    if (number == dim(digest.qzeros, 1))
      return {"the packed columns (qzeros, " + std::to_string(digest.out_features) + " outputs)" + of, true};
    if (number == digest.in_features) return {"the inputs" + of};
    if (number == digest.out_features) return {"the outputs" + of};
    if (digest.groups > 1 && number == digest.groups) return {"the groups (rows of scales)" + of, true};
    if (digest.bits && number == digest.out_features * (32 / *digest.bits))
      return {"the outputs" + of + " times the pack factor: scales taken for packed words", true};
  }
  return {};
}

// In the field's own terms, without a model: 3-bit against 8-bit and the like.
std::string RatioOf(int64_t a, int64_t b) {
  if (a <= 0 || b <= 0 || a == b) return {};
  constexpr std::array<int, 4> kBits = {2, 3, 4, 8};
  for (const int x : kBits) {
    for (const int y : kBits) {
      if (x != y && a * y == b * x)
        return "their ratio is that of " + std::to_string(x) + " to " + std::to_string(y) + " bits";
    }
  }
  return {};
}

constexpr int kRanks[] = {1, 2, 4, 8};

std::string Layer(const ClassDigest& digest, int tp) {
  return std::string(digest.pattern) + " at tensor-parallel size " + std::to_string(tp);
}

// A layer with this many inputs or outputs on a rank.
SymptomVerdict FindShape(const ModelFacts& facts, int64_t size, bool inputs) {
  const char* what = inputs ? " inputs" : " outputs";
  for (const int tp : kRanks) {
    for (const ClassDigest& digest : facts.classes) {
      if (!digest.gptq && !digest.dense_linear) continue;
      const RankShape shape = ShapeOnRank(facts, digest, tp);
      if ((inputs ? shape.in : shape.out) != size) continue;
      return {true, std::to_string(size) + " are the" + what + " of " + Layer(digest, tp)};
    }
  }
  return {false, "no layer here has " + std::to_string(size) + what + " at tensor-parallel sizes 1, 2, 4 and 8"};
}

// A layer whose share of a rank breaks a group, or a packed word.
bool Breaks(const ClassDigest& digest, const RankShape& shape, int64_t group_size, bool inputs) {
  if (inputs) return group_size > 0 && shape.in > 0 && shape.in % group_size != 0;
  const int64_t pack = digest.bits && *digest.bits != 3 ? 32 / *digest.bits : 32;
  return shape.out > 0 && shape.out % pack != 0;
}

}  // namespace

SymptomVerdict TestNumbers(const ModelFacts& facts, std::string_view text) {
  // The sizes of the files: not the axis at the end of the sentence, nor what the program built.
  text = text.substr(0, text.find(" at non-singleton"));
  text = text.substr(0, text.find("the shape in current model"));
  if (const size_t shape = text.find("with shape"); shape != std::string_view::npos) text.remove_prefix(shape);
  const std::vector<int64_t> numbers = NumbersIn(text);
  std::string meanings, strangers;
  bool packed = false;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto here = numbers.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(numbers.begin(), here, numbers[i]) != here) continue;
    const Meaning meaning = MeaningOf(facts, numbers[i]);
    std::string& list = meaning.text.empty() ? strangers : meanings;
    list += (list.empty() ? "" : meaning.text.empty() ? ", " : "; ") + std::to_string(numbers[i]);
    if (!meaning.text.empty()) list += " is " + meaning.text;
    packed |= meaning.packed;
  }
  if (meanings.empty()) {
    const std::string ratio = numbers.size() >= 2 ? RatioOf(numbers[0], numbers[1]) : "";
    return {false, "none of these sizes occurs in this directory" + (ratio.empty() ? std::string() : "; " + ratio)};
  }
  if (facts.quantized_modules == 0) return {false, "there are no packed tensors in this directory"};
  // One size in common can be chance.
  if (!strangers.empty()) return {std::nullopt, meanings + "; but nothing here is of size " + strangers};
  if (!packed) return {std::nullopt, meanings + ", but none of these sizes is one of packed tensors"};
  return {true,
          meanings + ". A program takes packed words for values, or assumes other bits or another layout than these"};
}

SymptomVerdict TestPlainSizes(const ModelFacts& facts, std::string_view) {
  if (!facts.config_clash.empty()) return {true, facts.config_clash};
  return {false, "config.json and the tensors agree on the sizes that can be compared"};
}

SymptomVerdict TestAlignment(const ModelFacts& facts, std::string_view text) {
  const int64_t in = NumberAfter(text, "input_size_per_partition = ");
  const int64_t out = std::max(NumberAfter(text, "output_size_per_partition = "), NumberAfter(text, "prob_m = "));
  if (in >= 0 || out >= 0) return FindShape(facts, std::max(in, out), in >= 0);
  const bool inputs = text.find("input") != std::string_view::npos;
  const auto& base = facts.exam->quant.base.group_size;
  for (const int tp : kRanks) {
    for (const ClassDigest& digest : facts.classes) {
      // Programs that quantize every linear layer build plain ones as well, vision towers among them.
      const bool plain = tp == 1 && digest.dense_linear && digest.part == Part::kVision;
      if (!plain && (!digest.gptq || (tp > 1 && digest.row_parallel != inputs))) continue;
      const RankShape shape = ShapeOnRank(facts, digest, tp);
      const int64_t group = plain ? base.value_or(-1) : digest.group_size.value_or(-1);
      if (!Breaks(digest, shape, group, inputs)) continue;
      return {true, std::to_string(inputs ? shape.in : shape.out) + (inputs ? " inputs of " : " outputs of ") +
                        Layer(digest, tp) + (plain ? ", which is plain here and built as quantized," : "") +
                        (inputs ? " are no multiple of group_size " + std::to_string(group) : " fill no packed words")};
    }
  }
  return {false, "every layer keeps whole groups and words at tensor-parallel sizes 1, 2, 4 and 8"};
}

}  // namespace gptq_doctor

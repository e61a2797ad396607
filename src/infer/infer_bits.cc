#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/dotted_name.h"
#include "infer/quantities.h"

namespace gptq_doctor {
namespace {

// A word count, a dimension or a group count above this is no module of a model.
constexpr uint64_t kMaxDim = uint64_t{1} << 40;

int WordBits(Dtype dtype) {
  switch (dtype) {
    case Dtype::kI32:
    case Dtype::kU32:
      return 32;
    case Dtype::kI16:
    case Dtype::kU16:
      return 16;
    case Dtype::kI8:
    case Dtype::kU8:
      return 8;
    case Dtype::kI64:
    case Dtype::kU64:
      return 64;
    default:
      return 0;
  }
}

// Only multiples of 32 exist in widths whose fields cross words (gptq-format A.2, A.4), and only in 32-bit words.
bool WholeBlocksOnly(int bits) { return bits == 3 || bits >= 5; }

bool FitsCeil(int64_t words, int64_t count, int bits, int pack_bits) {
  if (bits != 8 && WholeBlocksOnly(bits) && (pack_bits != 32 || count % 32 != 0)) return false;
  return bits <= pack_bits && words == static_cast<int64_t>(CeilDiv(static_cast<uint64_t>(count) * bits, pack_bits));
}

// AutoGPTQ and GPTQ-for-LLaMa allocate count // 32 * bits words and drop the tail.
bool FitsFloor(int64_t words, int64_t count, int bits, int pack_bits) {
  if (count % 32 == 0 || (bits != 2 && bits != 3 && bits != 4 && bits != 8)) return false;
  return words == count / 32 * bits * 32 / pack_bits && !FitsCeil(words, count, bits, pack_bits);
}

struct Widths {
  std::vector<int> ceil, floor;
  bool any() const { return !ceil.empty() || !floor.empty(); }
  bool Has(int bits) const { return std::ranges::count(ceil, bits) > 0 || std::ranges::count(floor, bits) > 0; }
};

Widths WidthsOf(int64_t words, int64_t count, int pack_bits) {
  Widths out;
  for (int bits = 2; bits <= 8; ++bits) {
    if (FitsCeil(words, count, bits, pack_bits)) out.ceil.push_back(bits);
    if (FitsFloor(words, count, bits, pack_bits)) out.floor.push_back(bits);
  }
  return out;
}

std::string Shape(const TensorRecord& tensor) {
  std::string out = "[";
  const size_t shown = std::min<size_t>(tensor.rank, 8);
  for (size_t i = 0; i < shown; ++i) out += (i ? ", " : "") + std::to_string(tensor.dims()[i]);
  return out + (shown < tensor.rank ? ", ...]" : "]");
}

std::string Join(const std::vector<int>& numbers) {
  std::string out;
  for (size_t i = 0; i < numbers.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == numbers.size() ? " or " : ", ") + std::to_string(numbers[i]);
  }
  return out;
}

bool IsMatrix(const TensorRecord* tensor) {
  return tensor != nullptr && tensor->rank == 2 && tensor->dims()[0] <= kMaxDim && tensor->dims()[1] <= kMaxDim;
}

// What the widths of zeros (along out_features) and of weights (along in_features) leave.
void Combine(const Widths& zeros, const Widths& rows, const ModuleTensors& t, ClassFacts& facts) {
  std::vector<int> both;
  for (int bits : zeros.ceil) {
    if (std::ranges::count(rows.ceil, bits) > 0) both.push_back(bits);
  }
  if (both.empty()) {
    for (int bits = 2; bits <= 8; ++bits) {
      if (zeros.Has(bits) && rows.Has(bits)) both.push_back(bits);
    }
    facts.floor_truncated = !both.empty();
  }
  facts.bits_candidates = both;
  if (!both.empty()) return;
  std::vector<int> said_by_zeros = zeros.ceil, said_by_rows = rows.ceil;
  said_by_zeros.insert(said_by_zeros.end(), zeros.floor.begin(), zeros.floor.end());
  said_by_rows.insert(said_by_rows.end(), rows.floor.begin(), rows.floor.end());
  const auto says = [](const std::vector<int>& bits) { return bits.empty() ? "no known width" : Join(bits) + " bits"; };
  facts.contradiction = "qzeros " + Shape(*t.qzeros) + " with scales " + Shape(*t.scales) + " say " +
                        says(said_by_zeros) + ", qweight " + Shape(*t.qweight) + " with g_idx " + Shape(*t.g_idx) +
                        " says " + says(said_by_rows);
}

// In-features where no g_idx tells them: the rows hold them exactly. Empty where `bits` cannot be.
std::optional<int64_t> FeaturesOf(int64_t rows, int bits, int pack_bits) {
  if (rows * pack_bits % bits != 0) return std::nullopt;
  const int64_t features = rows * pack_bits / bits;
  if (WholeBlocksOnly(bits) && bits != 8 && features % 32 != 0) return std::nullopt;
  return features;
}

void ReadZerosWidth(const ModuleTensors& t, int64_t rows, ClassFacts& facts) {
  const Widths zeros = WidthsOf(static_cast<int64_t>(t.qzeros->dims()[1]), facts.out_features, facts.pack_bits);
  if (t.g_idx != nullptr && t.g_idx->rank == 1 && t.g_idx->dims()[0] <= kMaxDim) {
    facts.in_features = static_cast<int64_t>(t.g_idx->dims()[0]);
    Combine(zeros, WidthsOf(rows, facts.in_features, facts.pack_bits), t, facts);
    return;
  }
  facts.bits_candidates = zeros.ceil.empty() ? zeros.floor : zeros.ceil;
  facts.floor_truncated = zeros.ceil.empty() && !zeros.floor.empty();
  std::erase_if(facts.bits_candidates, [&](int bits) { return !FeaturesOf(rows, bits, facts.pack_bits); });
  if (facts.bits_candidates.empty()) {
    facts.floor_truncated = false;
    facts.contradiction = "qzeros " + Shape(*t.qzeros) + ", scales " + Shape(*t.scales) + " and qweight " +
                          Shape(*t.qweight) + " fit no width from 2 to 8 bits";
  }
}

// Width and dimensions of a module that lacks qzeros, or that is not whole: what its members say.
void ReadPartly(const ModuleTensors& t, ClassFacts& facts) {
  const bool g_idx = t.g_idx != nullptr && t.g_idx->rank == 1 && t.g_idx->dims()[0] <= kMaxDim;
  if (g_idx) facts.in_features = static_cast<int64_t>(t.g_idx->dims()[0]);
  // The dialect of March 2023 has no groups.
  if (IsMatrix(t.qzeros)) facts.groups = static_cast<int64_t>(t.qzeros->dims()[0]);
  if (t.qzeros == nullptr && !facts.float_zeros && IsMatrix(t.scales))
    facts.groups = static_cast<int64_t>(t.scales->dims()[0]);
  if (facts.float_zeros) facts.groups = 1;
  const auto rows = t.qweight == nullptr ? 0 : static_cast<int64_t>(t.qweight->dims()[0]);
  if (t.qweight != nullptr && g_idx) {
    facts.bits_candidates = WidthsOf(rows, facts.in_features, facts.pack_bits).ceil;
  } else if (IsMatrix(t.qzeros) && facts.out_features > 0) {
    facts.bits_candidates =
        WidthsOf(static_cast<int64_t>(t.qzeros->dims()[1]), facts.out_features, facts.pack_bits).ceil;
  } else if (t.qweight != nullptr) {
    for (int bits : {2, 3, 4, 8}) {
      if (FeaturesOf(rows, bits, facts.pack_bits)) facts.bits_candidates.push_back(bits);
    }
  }
}

// Everything about one class but what needs the other classes.
ClassFacts ReadOne(const ModuleTensors& t) {
  ClassFacts facts;
  facts.gptq = true;
  const TensorRecord* words = t.qweight != nullptr ? t.qweight : t.qzeros;
  if (words == nullptr) return facts;
  if (!IsMatrix(words) || WordBits(words->dtype) == 0) {
    facts.contradiction = std::string(t.qweight != nullptr ? "qweight " : "qzeros ") + Shape(*words) + " of " +
                          ToString(words->dtype) + " is no matrix of words";
    return facts;
  }
  facts.pack_bits = WordBits(words->dtype);
  if (t.qweight != nullptr) {
    facts.out_features = static_cast<int64_t>(t.qweight->dims()[1]);
  } else if (IsMatrix(t.scales)) {
    facts.out_features = static_cast<int64_t>(t.scales->dims()[1]);
  }
  facts.float_zeros = t.qzeros == nullptr && t.zeros != nullptr;
  if (t.qweight == nullptr || t.qzeros == nullptr || t.scales == nullptr) {
    ReadPartly(t, facts);
    return facts;
  }
  if (!IsMatrix(t.qzeros) || !IsMatrix(t.scales)) {
    facts.contradiction = "qzeros " + Shape(*t.qzeros) + " and scales " + Shape(*t.scales) + " are no matrices";
    return facts;
  }
  facts.groups = static_cast<int64_t>(t.qzeros->dims()[0]);
  if (t.scales->dims()[0] != t.qzeros->dims()[0] || t.scales->dims()[1] != t.qweight->dims()[1]) {
    facts.contradiction = "scales " + Shape(*t.scales) + " belong neither to qzeros " + Shape(*t.qzeros) +
                          " nor to qweight " + Shape(*t.qweight);
    return facts;
  }
  ReadZerosWidth(t, static_cast<int64_t>(t.qweight->dims()[0]), facts);
  if (!facts.contradiction.empty()) return facts;
  if (facts.groups == 0) facts.contradiction = "qzeros and scales hold no group";
  if (facts.in_features > 0 && facts.groups > facts.in_features) {
    facts.contradiction = "more groups (" + std::to_string(facts.groups) + ") than input channels (" +
                          std::to_string(facts.in_features) + ")";
  }
  return facts;
}

bool ReadsHidden(std::string_view pattern) {
  const std::string_view last = LastPart(pattern);
  static constexpr std::string_view kNames[] = {"q_proj",          "k_proj",        "v_proj",   "qkv_proj", "gate_proj",
                                                "up_proj",         "gate_up_proj",  "fc1",      "c_attn",   "c_fc",
                                                "query_key_value", "dense_h_to_4h", "w1",       "w3",       "wqkv",
                                                "W_pack",          "lm_head",       "embed_out"};
  return std::ranges::find(kNames, last) != std::end(kNames);
}

// The width of modules of which only rows are known, from dimensions that occur elsewhere in the model.
class WidthByDimensions {
 public:
  WidthByDimensions(const TensorIndex& tensors, const Inventory& inventory, const ModelConfig& config,
                    std::span<const ClassFacts> classes, std::span<const int64_t> rows)
      : inventory_(inventory), rows_(rows) {
    std::map<int64_t, int64_t> norms;  // lengths of 1-D weights: nearly all are the hidden size
    for (size_t c = 0; c < inventory.classes.size(); ++c) {
      const ModuleClass& one = inventory.classes[c];
      if (classes[c].gptq) {
        known_.push_back(classes[c].out_features);
        if (classes[c].bits_candidates.size() == 1 && classes[c].in_features > 0)
          known_.push_back(classes[c].in_features);
        continue;
      }
      const Module& module = inventory.modules[one.representative];
      const TensorRecord* weight = inventory.Find(tensors, module, kWeight);
      if (weight != nullptr && weight->rank == 1) norms[static_cast<int64_t>(weight->dims()[0])] += one.count;
    }
    for (const auto& dim : {config.hidden_size, config.intermediate_size, config.moe_intermediate_size}) {
      if (dim) known_.push_back(*dim);
    }
    int64_t most = 0;
    for (const auto& [length, count] : norms) {
      if (count > most) hidden_ = length, most = count;
    }
    if (config.hidden_size) hidden_ = *config.hidden_size;
    if (hidden_ > 0) known_.push_back(hidden_);
    std::ranges::sort(known_);
  }

  // The one width that explains most classes; 0 where two do equally well or none does.
  int Best(std::span<const ClassFacts> classes) const {
    int64_t best_score = 0;
    int best = 0;
    for (int bits = 2; bits <= 8; ++bits) {
      const int64_t score = Score(classes, bits);
      if (score > best_score) {
        best_score = score, best = bits;
      } else if (score == best_score && score > 0) {
        best = 0;
      }
    }
    return best;
  }

 private:
  int64_t Score(std::span<const ClassFacts> classes, int bits) const {
    int64_t score = 0;
    for (size_t c = 0; c < classes.size(); ++c) {
      const ClassFacts& facts = classes[c];
      if (!facts.gptq || facts.in_features > 0 || std::ranges::count(facts.bits_candidates, bits) == 0) continue;
      const int64_t features = FeaturesOf(rows_[c], bits, facts.pack_bits).value_or(0);
      if (ReadsHidden(inventory_.classes[c].pattern)) {
        score += features == hidden_ ? 4 : 0;
      } else {
        score += std::ranges::binary_search(known_, features) ? 1 : 0;
      }
    }
    return score;
  }

  const Inventory& inventory_;
  std::span<const int64_t> rows_;  // of qweight, by class
  std::vector<int64_t> known_;
  int64_t hidden_ = 0;
};

// Settles `bits` of every class: single candidates first, then by what the rest of the model says.
void Settle(const TensorIndex& tensors, const Inventory& inventory, const ModelConfig& config,
            std::vector<ClassFacts>& classes) {
  std::array<int64_t, 9> votes{};
  std::vector<int64_t> rows(classes.size(), 0);
  bool open = false;
  for (size_t c = 0; c < classes.size(); ++c) {
    ClassFacts& facts = classes[c];
    if (!facts.gptq) continue;
    const ModuleTensors t = TensorsOf(tensors, inventory, inventory.classes[c].representative);
    if (IsMatrix(t.qweight)) rows[c] = static_cast<int64_t>(t.qweight->dims()[0]);
    const bool by_rows_alone = t.qzeros == nullptr && facts.in_features == 0;
    if (facts.bits_candidates.size() == 1 && !by_rows_alone) {
      facts.bits = facts.bits_candidates[0];
      votes[static_cast<size_t>(*facts.bits)] += WeightsOf(facts, inventory.classes[c]) + 1;
    } else {
      open |= !facts.bits_candidates.empty();
    }
  }
  if (open) {
    const int likely = WidthByDimensions(tensors, inventory, config, classes, rows).Best(classes);
    const auto voted = static_cast<int>(std::ranges::max_element(votes) - votes.begin());
    for (ClassFacts& facts : classes) {
      if (!facts.gptq || facts.bits) continue;
      for (int bits : {likely, voted}) {
        if (!facts.bits && std::ranges::count(facts.bits_candidates, bits) > 0) facts.bits = bits;
      }
    }
  }
  for (size_t c = 0; c < classes.size(); ++c) {
    ClassFacts& facts = classes[c];
    if (facts.bits && facts.in_features == 0) {
      facts.in_features = FeaturesOf(rows[c], *facts.bits, facts.pack_bits).value_or(0);
    }
  }
}

void NoteTruncation(const ModuleTensors& t, ClassFacts& facts) {
  if (!facts.floor_truncated || !facts.bits) return;
  const auto stored = [&](uint64_t words) { return static_cast<int64_t>(words) * facts.pack_bits / *facts.bits; };
  const int64_t channels = stored(t.qweight->dims()[0]), outputs = stored(t.qzeros->dims()[1]);
  facts.contradiction = "cut by a packer that rounds down:";
  if (channels < facts.in_features) {
    facts.contradiction +=
        " qweight holds " + std::to_string(channels) + " of " + std::to_string(facts.in_features) + " input channels";
  }
  if (outputs < facts.out_features) {
    facts.contradiction += std::string(channels < facts.in_features ? " and" : "") + " qzeros hold " +
                           std::to_string(outputs) + " of " + std::to_string(facts.out_features) + " outputs";
  }
}

}  // namespace

ModuleTensors TensorsOf(const TensorIndex& tensors, const Inventory& inventory, uint32_t module) {
  ModuleTensors out;
  for (const Component& component : inventory.components(inventory.modules[module])) {
    switch (component.suffix) {
      case kQweight:
        out.qweight = &tensors.at(component.tensor);
        break;
      case kQzeros:
        out.qzeros = &tensors.at(component.tensor);
        break;
      case kScales:
        out.scales = &tensors.at(component.tensor);
        break;
      case kGIdx:
        out.g_idx = &tensors.at(component.tensor);
        break;
      case kZeros:
        out.zeros = &tensors.at(component.tensor);
        break;
      default:
        break;
    }
  }
  return out;
}

int64_t WeightsOf(const ClassFacts& facts, const ModuleClass& c) {
  if (facts.in_features <= 0 || facts.out_features <= 0) return 0;
  const auto one = CheckedMul(static_cast<uint64_t>(facts.in_features), static_cast<uint64_t>(facts.out_features));
  const auto all = one ? CheckedMul(*one, c.count) : std::nullopt;
  constexpr uint64_t kTop =
      uint64_t{1} << 42;  // four times the largest model; sums over a million classes stay in range
  return static_cast<int64_t>(all ? std::min(*all, kTop) : kTop);
}

void SetGroupInterval(ClassFacts& facts) {
  if (facts.in_features <= 0 || facts.groups <= 0) return;
  facts.group_min =
      static_cast<int64_t>(CeilDiv(static_cast<uint64_t>(facts.in_features), static_cast<uint64_t>(facts.groups)));
  facts.group_max = facts.groups == 1 ? 0 : (facts.in_features - 1) / (facts.groups - 1);
}

std::vector<ClassFacts> ReadClassFacts(const TensorIndex& tensors, const Inventory& inventory,
                                       const ModelConfig& config) {
  std::vector<ClassFacts> classes(inventory.classes.size());
  for (size_t c = 0; c < classes.size(); ++c) {
    if (!IsGptq(inventory.classes[c].format)) continue;
    classes[c] = ReadOne(TensorsOf(tensors, inventory, inventory.classes[c].representative));
  }
  Settle(tensors, inventory, config, classes);
  for (size_t c = 0; c < classes.size(); ++c) {
    if (!classes[c].gptq) continue;
    NoteTruncation(TensorsOf(tensors, inventory, inventory.classes[c].representative), classes[c]);
    SetGroupInterval(classes[c]);
  }
  return classes;
}

}  // namespace gptq_doctor

#include "loaders/facts.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>

#include "base/bytes.h"
#include "base/dotted_name.h"
#include "memory/weight_table.h"
#include "model/family_biases.h"

namespace gptq_doctor {
namespace {

bool OneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

Part PartOf(std::string_view stem, std::string_view leaf, bool in_blocks) {
  if (Contains(stem, "visual.") || Contains(stem, "vision_tower") || Contains(stem, "vision_model") ||
      Contains(stem, "vision_encoder") || Contains(stem, "audio_tower") || Contains(stem, "multi_modal_projector")) {
    return Part::kVision;
  }
  if (!in_blocks && OneOf(leaf, {"lm_head", "embed_out", "score", "classifier", "output"})) return Part::kLmHead;
  if (Contains(leaf, "embed") || OneOf(leaf, {"wte", "wpe", "relative_attention_bias"})) return Part::kEmbedding;
  if (OneOf(leaf, {"gate", "router", "shared_expert_gate"}) && in_blocks) return Part::kRouter;
  if (Contains(stem, ".experts.")) return Part::kExpert;
  if (Contains(stem, "shared_expert")) return Part::kSharedExpert;
  return in_blocks ? Part::kLinear : Part::kOther;
}

// Layers whose inputs tensor parallelism splits (row-parallel in Megatron's terms), by the names the model families
// use.
bool IsRowParallel(std::string_view leaf) {
  return OneOf(leaf,
               {"o_proj", "down_proj", "out_proj", "dense_4h_to_h", "dense", "c_proj", "fc2", "fc_out", "w2", "wo"});
}

std::string_view FusedName(std::string_view leaf, Part part) {
  if (part == Part::kExpert || part == Part::kVision) return {};
  if (OneOf(leaf, {"q_proj", "k_proj", "v_proj"})) return "qkv_proj";
  if (OneOf(leaf, {"gate_proj", "up_proj"})) return "gate_up_proj";
  return {};
}

GIdxKind Worse(GIdxKind a, GIdxKind b) {
  const auto rank = [](GIdxKind kind) {
    switch (kind) {
      case GIdxKind::kNotRead:
        return 0;
      case GIdxKind::kAbsent:
        return 1;
      case GIdxKind::kSequential:
        return 2;
      case GIdxKind::kConstantOneGroup:
        return 2;
      case GIdxKind::kAllZero:
        return 3;
      case GIdxKind::kActOrder:
        return 4;
      case GIdxKind::kInvalid:
        return 5;
    }
    return 0;
  };
  return rank(b) > rank(a) ? b : a;
}

int64_t Elements(const TensorRecord& tensor) {
  uint64_t product = 1;
  for (const uint64_t dim : tensor.dims()) {
    const auto next = CheckedMul(product, dim);
    if (!next) return 0;
    product = *next;
  }
  return product > INT64_MAX ? 0 : static_cast<int64_t>(product);
}

void FillTensors(const Examination& exam, const Module& module, ClassDigest& digest) {
  const Inventory& inventory = exam.inventory;
  const auto find = [&](SuffixId suffix) { return inventory.Find(exam.tensors, module, suffix); };
  digest.qweight = find(kQweight);
  digest.qzeros = find(kQzeros);
  digest.scales = find(kScales);
  digest.g_idx = find(kGIdx);
  digest.bias = find(kBias);
  digest.weight = find(kWeight);
}

// Whole 32-bit words, and yet no number of bits gives as many rows.
bool HasNoWidth(const ClassDigest& digest) {
  if (digest.bits || digest.qweight == nullptr || digest.qweight->dims().size() != 2 ||
      digest.qweight->dtype != Dtype::kI32)
    return false;
  const auto rows = static_cast<int64_t>(digest.qweight->dims()[0]);
  const int64_t rows_a_bit = digest.in_features / 32;
  return rows_a_bit > 0 && digest.in_features % 32 == 0 && rows % rows_a_bit != 0;
}

ClassDigest DigestClass(const Examination& exam, uint32_t id) {
  const ModuleClass& source = exam.inventory.classes[id];
  ClassDigest digest;
  digest.id = id;
  digest.count = source.count;
  digest.pattern = source.pattern;
  const auto members = exam.inventory.members(source);
  const Module& first = exam.inventory.modules[members.empty() ? source.representative : members[0]];
  digest.stem = first.stem;
  digest.leaf = LastPart(first.stem);
  const size_t star = digest.pattern.find(".*");
  digest.in_blocks = star != std::string_view::npos;
  if (digest.in_blocks) digest.block_prefix = std::string(digest.pattern.substr(0, star));
  digest.part = PartOf(digest.stem, digest.leaf, digest.in_blocks);
  FillTensors(exam, first, digest);
  const bool packed =
      digest.qweight != nullptr || digest.qzeros != nullptr || (digest.scales != nullptr && digest.g_idx != nullptr);
  digest.gptq = source.format >= 0 ? IsGptq(source.format) : packed;
  digest.foreign = source.format >= 0 && !digest.gptq;
  digest.dense_linear = !digest.gptq && !digest.foreign && digest.weight != nullptr &&
                        digest.weight->dims().size() == 2 && digest.part != Part::kEmbedding;
  if (id < exam.quant.classes.size() && digest.gptq) {
    const ClassFacts& facts = exam.quant.classes[id];
    digest.bits = facts.bits;
    digest.in_features = facts.in_features;
    digest.out_features = facts.out_features;
    digest.groups = facts.groups;
    digest.group_size = facts.group_size;
    digest.no_width = HasNoWidth(digest);
  } else if (digest.dense_linear) {
    digest.out_features = static_cast<int64_t>(digest.weight->dims()[0]);
    digest.in_features = static_cast<int64_t>(digest.weight->dims()[1]);
  }
  digest.row_parallel = IsRowParallel(digest.leaf);
  digest.fused = FusedName(digest.leaf, digest.part);
  digest.bias_expected = LikelyBias(exam.configs.model, digest.stem);
  return digest;
}

void AddData(const Examination& exam, ModelFacts& facts, const std::vector<int32_t>& place) {
  for (const ModuleData& data : exam.quant.data) {
    const int32_t at = place[exam.inventory.modules[data.module].class_id];
    ClassDigest& digest = facts.classes[static_cast<size_t>(at)];
    digest.order = Worse(digest.order, data.g_idx);
    if (digest.zeros == ZeroKind::kNotRead) {
      digest.zeros = data.zeros;
    } else if (data.zeros != ZeroKind::kNotRead && data.zeros != digest.zeros) {
      digest.zeros = ZeroKind::kVaried;
    }
  }
}

void AddTotals(ModelFacts& facts, const ClassDigest& digest, const Examination& exam) {
  const ModuleClass& source = exam.inventory.classes[digest.id];
  facts.stored_bytes = SaturatingAdd(facts.stored_bytes, source.bytes);
  int64_t resident = source.bytes;
  int64_t each = 0;
  if (digest.gptq) {
    facts.quantized_modules += digest.count;
    each = SaturatingMul(digest.in_features, digest.out_features);
    const bool stored_bias = digest.bias != nullptr;
    const bool model_bias = digest.bias_expected.value_or(stored_bias);
    if (model_bias) each = SaturatingAdd(each, digest.out_features);
    if (stored_bias && !model_bias) {
      resident -= SaturatingMul(static_cast<int64_t>(digest.bias->bytes()), digest.count);
    }
    const auto members = exam.inventory.members(source);
    facts.quantized_tensors += digest.count * exam.inventory.modules[members[0]].count;
  } else {
    if (digest.foreign) facts.foreign_modules += digest.count;
    const Module& module = exam.inventory.modules[source.representative];
    const bool shared_head = digest.part == Part::kLmHead && facts.tied;
    for (const Component& component : exam.inventory.components(module)) {
      if (!shared_head) each = SaturatingAdd(each, Elements(exam.tensors.at(component.tensor)));
    }
  }
  facts.dense_elements = SaturatingAdd(facts.dense_elements, SaturatingMul(each, digest.count));
  facts.resident_bytes = SaturatingAdd(facts.resident_bytes, resident);
}

void CountLayers(ModelFacts& facts) {
  const ClassDigest* main = nullptr;  // the stack with most modules
  for (const ClassDigest& digest : facts.classes) {
    if (!digest.in_blocks || digest.part == Part::kVision || digest.part == Part::kExpert) continue;
    if (main == nullptr || digest.count > main->count) main = &digest;
  }
  if (main == nullptr) return;
  for (const ClassDigest& digest : facts.classes) {
    if (digest.block_prefix != main->block_prefix || digest.part == Part::kExpert) continue;
    const auto members = facts.exam->inventory.members(facts.exam->inventory.classes[digest.id]);
    if (members.empty()) continue;
    const std::string_view last = facts.exam->inventory.modules[members.back()].stem;
    facts.layers = std::max(facts.layers, LayerNumber(last, main->block_prefix) + 1);
  }
}

// A norm that stands in every layer of the families that have it.
bool IsLayerNorm(const ClassDigest& digest) {
  return digest.in_blocks && OneOf(digest.leaf, {"input_layernorm", "post_attention_layernorm", "ln_1", "ln_2"}) &&
         digest.pattern == digest.block_prefix + ".*." + std::string(digest.leaf);
}

void FindAbsentNorms(ModelFacts& facts) {
  const Inventory& inventory = facts.exam->inventory;
  for (const ClassDigest& digest : facts.classes) {
    if (!IsLayerNorm(digest)) continue;
    // Where most are gone, the files are an excerpt.
    if (digest.count >= facts.layers || digest.count * 2 < facts.layers) continue;
    for (int64_t layer = 0; layer < facts.layers; ++layer) {
      std::string stem = digest.block_prefix + "." + std::to_string(layer) + "." + std::string(digest.leaf);
      if (inventory.FindModule(stem) < 0) facts.absent.push_back(std::move(stem));
    }
  }
}

void FindAbsent(ModelFacts& facts) {
  // Without a single norm, the files are an excerpt as well.
  if (std::ranges::none_of(facts.classes, IsLayerNorm)) return;
  FindAbsentNorms(facts);
  // Families that name them so and always store them.
  if (!OneOf(facts.model_type,
             {"llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma", "gemma2"}))
    return;
  const Inventory& inventory = facts.exam->inventory;
  const ModelConfig& config = facts.exam->configs.model;
  std::vector<std::string> outside = {"model.embed_tokens", "model.norm"};
  if (config.tie_word_embeddings == false && facts.class_name.ends_with("ForCausalLM")) outside.push_back("lm_head");
  const auto held = [&](const std::string& stem) { return inventory.FindModule(stem) >= 0; };
  if (std::ranges::none_of(outside, held)) return;
  std::ranges::copy_if(outside, std::back_inserter(facts.absent), std::not_fn(held));
}

// Sizes that every decoder builds from config.json, against the tensors.
void CompareWithConfig(ModelFacts& facts) {
  const ModelConfig& config = facts.exam->configs.model;
  if (!config.hidden_size) return;
  for (const ClassDigest& digest : facts.classes) {
    if (!digest.in_blocks || digest.part != Part::kLinear || digest.in_features <= 0) continue;
    if (!OneOf(digest.leaf, {"q_proj", "gate_proj"}) || digest.in_features == *config.hidden_size) continue;
    facts.config_clash = "config.json says hidden_size " + std::to_string(*config.hidden_size) + ", " +
                         std::string(digest.pattern) + " takes " + std::to_string(digest.in_features) + " inputs";
    return;
  }
}

// The GPTQ tensor whose name comes first bytewise: engines that stream sorted names trip over it first.
void FindFirstTensor(ModelFacts& facts) {
  std::string_view best;
  for (const ClassDigest& digest : facts.classes) {
    if (!digest.gptq) continue;
    for (const TensorRecord* tensor : {digest.g_idx, digest.qweight, digest.qzeros, digest.scales}) {
      if (tensor == nullptr) continue;
      if (best.empty() || tensor->name() < best) {
        best = tensor->name();
        facts.first_class = &digest;
      }
    }
  }
  facts.first_tensor = std::string(best);
}

}  // namespace

int64_t LayerNumber(std::string_view stem, std::string_view prefix) {
  if (!stem.starts_with(prefix) || stem.size() <= prefix.size() + 1) return -1;
  int64_t number = 0;
  size_t digits = 0;
  for (size_t at = prefix.size() + 1; at < stem.size() && stem[at] != '.'; ++at, ++digits) {
    if (stem[at] < '0' || stem[at] > '9' || digits > 6) return -1;
    number = number * 10 + (stem[at] - '0');
  }
  return digits == 0 ? -1 : number;
}

const ClassDigest* ModelFacts::Find(std::string_view pattern) const {
  for (const ClassDigest& digest : classes) {
    if (digest.pattern == pattern) return &digest;
  }
  return nullptr;
}

ModelFacts DigestModel(const Examination& exam) {
  ModelFacts facts;
  facts.exam = &exam;
  const ModelConfig& config = exam.configs.model;
  facts.model_type = config.model_type;
  facts.class_name = config.architectures.empty() ? "the model" : config.architectures.front();
  facts.dtype = config.dtype;
  if (facts.dtype.starts_with("torch.")) facts.dtype.erase(0, 6);
  facts.tied = config.tie_word_embeddings.value_or(false);
  facts.classes.reserve(exam.inventory.classes.size());
  std::vector<int32_t> place(exam.inventory.classes.size(), 0);
  for (uint32_t id = 0; id < exam.inventory.classes.size(); ++id) {
    place[id] = static_cast<int32_t>(facts.classes.size());
    facts.classes.push_back(DigestClass(exam, id));
  }
  AddData(exam, facts, place);
  facts.all_g_idx = true;
  for (const ClassDigest& digest : facts.classes) {
    AddTotals(facts, digest, exam);
    if (digest.part == Part::kExpert) facts.experts = true;
    if (!digest.gptq) continue;
    facts.any_g_idx = facts.any_g_idx || digest.g_idx != nullptr;
    facts.all_g_idx = facts.all_g_idx && digest.g_idx != nullptr;
    if (digest.order == GIdxKind::kActOrder) facts.act_order = true;
    // What a kernel does depends on the stored order alone, not on how the model was quantized.
    const bool plain = digest.order == GIdxKind::kSequential || digest.order == GIdxKind::kConstantOneGroup;
    if (plain && !facts.act_order) facts.act_order = false;
  }
  facts.all_g_idx = facts.all_g_idx && facts.quantized_modules > 0;
  if (!facts.act_order) facts.act_order = exam.quant.base.desc_act;
  FindFirstTensor(facts);
  CountLayers(facts);
  FindAbsent(facts);
  CompareWithConfig(facts);
  facts.pickles_only = exam.dir.weights.empty() &&
                       std::any_of(exam.dir.files.begin(), exam.dir.files.end(),
                                   [](const ModelFile& file) { return file.role == FileRole::kPickleWeights; });
  return facts;
}

}  // namespace gptq_doctor

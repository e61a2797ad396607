// Whether a model explains a message, where simulation alone does not say.

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"
#include "loaders/symptom.h"

namespace gptq_doctor {
namespace {

bool HasSection(const ModelFacts& facts) {
  const ModelConfig& config = facts.exam->configs.model;
  if (!config.json.root) return false;
  const JsonValue* section = FindPointer(*config.json.root, "/quantization_config");
  return section != nullptr && section->IsObject();
}

// Non-negative integers of the text, at most sixteen.
std::vector<int64_t> Numbers(std::string_view text) {
  std::vector<int64_t> numbers;
  for (size_t at = 0; at < text.size() && numbers.size() < 16;) {
    if (text[at] < '0' || text[at] > '9') {
      ++at;
      continue;
    }
    int64_t value = 0;
    int digits = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      if (++digits < 16) value = value * 10 + (text[at] - '0');
    }
    numbers.push_back(value);
  }
  return numbers;
}

// What a number is of a module class: "qweight rows of ...".
std::string MeaningOf(const ModelFacts& facts, int64_t number) {
  for (const ClassDigest& digest : facts.classes) {
    if (!digest.gptq || digest.in_features <= 0) continue;
    const std::string of = " of " + std::string(digest.pattern);
    const auto dim = [](const TensorRecord* tensor, size_t axis) {
      return tensor == nullptr || tensor->dims().size() <= axis ? -1 : static_cast<int64_t>(tensor->dims()[axis]);
    };
    if (number == dim(digest.qweight, 0))
      return "the packed rows (qweight, " + std::to_string(digest.in_features) + " inputs)" + of;
    if (number == dim(digest.qzeros, 1))
      return "the packed columns (qzeros, " + std::to_string(digest.out_features) + " outputs)" + of;
    if (number == digest.in_features) return "the inputs" + of;
    if (number == digest.out_features) return "the outputs" + of;
    if (digest.groups > 1 && number == digest.groups) return "the groups (rows of scales)" + of;
    if (digest.bits && number == digest.out_features * (32 / *digest.bits))
      return "the outputs" + of + " times the pack factor: scales taken for packed words";
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

}  // namespace

SymptomVerdict TestUnusedWeights(const ModelFacts& facts, std::string_view text) {
  const bool packed = text.find("qweight") != std::string_view::npos || text.find("qzeros") != std::string_view::npos ||
                      text.find("g_idx") != std::string_view::npos || text.find("scales") != std::string_view::npos;
  const bool bias_only = !packed && text.find(".bias") != std::string_view::npos;
  if (bias_only) return TestExtraBias(facts, text);
  if (facts.quantized_modules == 0) return {false, "there are no packed tensors in this directory"};
  const auto outcomes = SimulateLoaders(*facts.exam, {.selectors = {"transformers"}});
  for (const LoaderOutcome& outcome : outcomes) {
    if (outcome.outcome == Outcome::kFallsBack || outcome.outcome == Outcome::kGarbage)
      return {true, "transformers " + outcome.version + ": " + outcome.summary};
  }
  return {false, "config.json is read as GPTQ, so transformers builds quantized layers here"};
}

SymptomVerdict TestSideFileMissing(const ModelFacts& facts, std::string_view) {
  const bool there = facts.exam->dir.Has("quantize_config.json");
  if (there) return {false, "quantize_config.json is here; check the path that the program was given"};
  if (facts.quantized_modules == 0)
    return {false, "there is no quantize_config.json, but the model is not GPTQ either"};
  return {true, HasSection(facts) ? "there is no quantize_config.json; the same settings are in config.json, which "
                                    "this loader does not read from a local directory"
                                  : "there is no quantize_config.json, and config.json has no quantization_config"};
}

SymptomVerdict TestModelType(const ModelFacts& facts, std::string_view) {
  const ModelConfig& config = facts.exam->configs.model;
  if (!config.present) return {true, "there is no config.json"};
  if (!config.json.valid) return {true, "config.json is not valid JSON"};
  if (config.model_type.empty()) return {true, "config.json has no model_type"};
  return {false, "config.json names model_type " + EscapeTerminal(config.model_type)};
}

SymptomVerdict TestNotQuantized(const ModelFacts& facts, std::string_view) {
  if (facts.quantized_modules == 0)
    return {true, "this model is not quantized: there are no packed tensors, and the flag does not quantize"};
  if (HasSection(facts)) return {false, "config.json has a quantization_config"};
  const bool side = facts.exam->dir.Has("quantize_config.json");
  if (side) return {false, "quantize_config.json is here, which the flag makes it read"};
  return {true, "no *quantize_config.json is here"};
}

SymptomVerdict TestActOrder(const ModelFacts& facts, std::string_view) {
  if (!facts.act_order) return {std::nullopt, "g_idx was not read"};
  if (*facts.act_order) return {true, "g_idx permutes the inputs (act-order), and only then this buffer is needed"};
  return {false, "g_idx is sequential: there is no act-order here"};
}

SymptomVerdict TestNumbers(const ModelFacts& facts, std::string_view text) {
  // The sizes, not the axis at the end of the sentence.
  const std::vector<int64_t> numbers = Numbers(text.substr(0, text.find(" at non-singleton")));
  std::string meanings, strangers;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (std::find(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(i), numbers[i]) !=
        numbers.begin() + static_cast<std::ptrdiff_t>(i))
      continue;
    const std::string meaning = MeaningOf(facts, numbers[i]);
    std::string& list = meaning.empty() ? strangers : meanings;
    list += (list.empty() ? "" : meaning.empty() ? ", " : "; ") + std::to_string(numbers[i]);
    if (!meaning.empty()) list += " is " + meaning;
  }
  if (meanings.empty()) {
    const std::string ratio = numbers.size() >= 2 ? RatioOf(numbers[0], numbers[1]) : "";
    return {false, "none of these sizes occurs in this directory" + (ratio.empty() ? std::string() : "; " + ratio)};
  }
  if (facts.quantized_modules == 0) return {false, "there are no packed tensors in this directory"};
  // One size in common can be chance.
  if (!strangers.empty()) return {std::nullopt, meanings + "; but nothing here is of size " + strangers};
  return {true,
          meanings + ". A program takes packed words for values, or assumes other bits or another layout than these"};
}

SymptomVerdict TestGarbage(const ModelFacts& facts, std::string_view) {
  std::string names;
  std::string why;
  for (const LoaderOutcome& outcome : SimulateLoaders(*facts.exam, {.selectors = {"all"}})) {
    if (outcome.outcome != Outcome::kFallsBack && outcome.outcome != Outcome::kGarbage) continue;
    const std::string name = outcome.loader + " " + outcome.version;
    if (names.find(name) == std::string::npos) names += (names.empty() ? "" : ", ") + name;
    if (why.empty()) why = outcome.summary;
  }
  if (!names.empty()) return {true, "these load without stopping and with wrong weights: " + names + ". " + why};
  return {false,
          "nothing wrong in these files: suspect the kernel or the dtype (float16 overflow on older GPUs), the chat "
          "template or the sampling settings"};
}

SymptomVerdict TestOutOfMemory(const ModelFacts& facts, std::string_view) {
  for (const LoaderOutcome& outcome :
       SimulateLoaders(*facts.exam, {.selectors = {"transformers", "sglang", "gptqmodel>=5.7"}})) {
    if (outcome.outcome == Outcome::kFallsBack)
      return {true, outcome.loader + " " + outcome.version + ": " + outcome.summary};
  }
  return {std::nullopt, "no loader falls back to dense weights here; gptq-doctor memory says what the model needs"};
}

SymptomVerdict TestIsGptq(const ModelFacts& facts, std::string_view) {
  if (facts.quantized_modules > 0)
    return {true, "the weights are packed integers (" + std::to_string(facts.quantized_modules) + " GPTQ modules)"};
  return {false, "there are no packed tensors in this directory"};
}

SymptomVerdict TestHeaders(const ModelFacts& facts, std::string_view) {
  for (const ShardHeader& shard : facts.exam->tensors.shards) {
    if (shard.accepted) continue;
    for (const Defect& defect : shard.defects) {
      if (IsRefusal(defect.kind))
        return {true,
                EscapeTerminal(shard.file) + ": " +
                    EscapeTerminal(defect.detail.empty() ? std::string(ReferenceError(defect.kind)) : defect.detail)};
    }
  }
  return {false, "every weight file here has a sound header"};
}

SymptomVerdict TestNoMetadata(const ModelFacts& facts, std::string_view) {
  for (const ShardHeader& shard : facts.exam->tensors.shards) {
    if (shard.readable && shard.metadata.empty()) return {true, EscapeTerminal(shard.file) + " has no __metadata__"};
  }
  return {false, "every weight file here has __metadata__"};
}

SymptomVerdict TestTokenizer(const ModelFacts& facts, std::string_view) {
  const auto& files = facts.exam->dir.files;
  const bool there =
      std::any_of(files.begin(), files.end(), [](const ModelFile& file) { return file.role == FileRole::kTokenizer; });
  return there ? SymptomVerdict{false, "tokenizer files are here"}
               : SymptomVerdict{true, "there are no tokenizer files: copy them from the model it was quantized from"};
}

SymptomVerdict TestNothing(const ModelFacts&, std::string_view) {
  return {std::nullopt, "it depends on the machine, not on these files"};
}

SymptomVerdict TestBadScales(const ModelFacts& facts, std::string_view) {
  for (const ValueDefect& defect : facts.exam->quant.value_defects) {
    if (defect.catalogue == 4 || defect.catalogue == 6 || defect.catalogue == 20) return {true, defect.detail};
  }
  return {std::nullopt,
          "no NaN, Inf or overflowing scale in what was read; --deep reads all. Other causes are float16 range and the "
          "kernel"};
}

SymptomVerdict TestUnknownKey(const ModelFacts& facts, std::string_view text) {
  for (const QuantConfigFile& file : facts.exam->configs.files) {
    for (const auto& [key, value] : file.keys) {
      if (key.size() > 2 && text.find("'" + key + "'") != std::string_view::npos)
        return {true, EscapeTerminal(file.file) + " has the key " + EscapeTerminal(key)};
    }
  }
  return {false, "no configuration file here has that key"};
}

SymptomVerdict TestMixedExperts(const ModelFacts& facts, std::string_view) {
  int64_t plain = 0, packed = 0;
  std::string example;
  for (const ClassDigest& digest : facts.classes) {
    if (digest.part != Part::kExpert) continue;
    if (digest.gptq) packed += digest.count;
    if (digest.dense_linear) {
      plain += digest.count;
      if (example.empty()) example = digest.stem;
    }
  }
  if (plain > 0 && packed > 0)
    return {true, std::to_string(plain) + " expert matrices are plain beside " + std::to_string(packed) +
                      " quantized ones (" + EscapeTerminal(example) + ")"};
  return {false, "experts are all quantized or all plain here"};
}

SymptomVerdict TestTiedHead(const ModelFacts& facts, std::string_view) {
  for (const ClassDigest& digest : facts.classes) {
    if (digest.part == Part::kLmHead && facts.tied)
      return {true, "tie_word_embeddings is true and " + EscapeTerminal(digest.stem) + " is stored all the same"};
  }
  return {false, facts.tied ? "the tied head is not stored" : "tie_word_embeddings is not true"};
}

SymptomVerdict TestExtraBias(const ModelFacts& facts, std::string_view) {
  for (const ClassDigest& digest : facts.classes) {
    if (digest.gptq && digest.bias != nullptr && digest.bias_expected == false) {
      return {true, "the files hold biases that the architecture lacks (" + EscapeTerminal(digest.pattern) +
                        ".bias), as AutoGPTQ writes them; harmless where they are zero"};
    }
  }
  return {false, "no bias here that the architecture is known to lack"};
}

SymptomVerdict TestLayers(const ModelFacts& facts, std::string_view) {
  const auto& layers = facts.exam->configs.model.num_hidden_layers;
  if (layers && facts.layers > 0 && *layers != facts.layers) {
    return {true,
            "config.json has " + std::to_string(*layers) + " layers, the files have " + std::to_string(facts.layers)};
  }
  for (const ClassDigest& digest : facts.classes) {
    if (digest.gptq && digest.qzeros == nullptr)
      return {true, EscapeTerminal(digest.pattern) + " has no qzeros: files of March 2023, or an incomplete layer"};
  }
  return {false, "layer counts agree and every layer has its tensors"};
}

SymptomVerdict TestV2Label(const ModelFacts& facts, std::string_view) {
  for (const QuantConfigFile& file : facts.exam->configs.files) {
    if (file.settings.checkpoint_format == "gptq_v2")
      return {true, EscapeTerminal(file.file) + " says gptq_v2, which few kernels take"};
  }
  return {false, "no configuration here says gptq_v2"};
}

SymptomVerdict TestMissingShards(const ModelFacts& facts, std::string_view) {
  for (const IndexShard& shard : facts.exam->tensors.index.shards) {
    if (!facts.exam->dir.Has(shard.file))
      return {true, "the index names " + EscapeTerminal(shard.file) + ", which is not here"};
  }
  return {false,
          facts.exam->tensors.index.present ? "every file that the index names is here" : "there is no index here"};
}

}  // namespace gptq_doctor

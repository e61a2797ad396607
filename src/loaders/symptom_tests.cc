// Whether a model explains a message, where simulation alone does not say.

#include <algorithm>
#include <array>
#include <string>

#include "base/dotted_name.h"
#include "base/text.h"
#include "loaders/symptom.h"
#include "loaders/symptom_text.h"

namespace gptq_doctor {
namespace {

bool HasSection(const ModelFacts& facts) {
  const ModelConfig& config = facts.exam->configs.model;
  if (!config.json.root) return false;
  const JsonValue* section = FindPointer(*config.json.root, "/quantization_config");
  return section != nullptr && section->IsObject();
}

// "w13_qweight" of a fused expert is a qweight.
std::string_view WithoutExpert(std::string_view leaf) {
  for (const std::string_view part : {"w13_", "w2_"}) {
    if (leaf.starts_with(part)) return leaf.substr(part.size());
  }
  return leaf;
}

bool HasModule(const ClassDigest& digest, std::string_view module) {
  return LowerAscii(digest.leaf) == module || digest.fused == module ||
         (digest.part == Part::kExpert && module == "experts");
}

bool HasTensor(const ModelFacts& facts, const ClassDigest& digest, std::string_view leaf) {
  const Inventory& inventory = facts.exam->inventory;
  const auto components = inventory.components(inventory.modules[inventory.classes[digest.id].representative]);
  return std::any_of(components.begin(), components.end(), [&](const Component& component) {
    return LowerAscii(inventory.SuffixName(component.suffix)) == leaf;
  });
}

// The first name of the text whose module is like none here; with `tensors` its tensor as well.
std::string NotHeld(const ModelFacts& facts, std::string_view text, bool tensors) {
  for (const std::string_view name : TensorNamesIn(text)) {
    const std::string_view leaf = WithoutExpert(LastPart(name)), module = LastPart(ParentPart(name));
    const bool held = std::any_of(facts.classes.begin(), facts.classes.end(), [&](const ClassDigest& digest) {
      // Some messages name the module alone.
      return HasModule(digest, LastPart(name)) ||
             (HasModule(digest, module) && (!tensors || HasTensor(facts, digest, leaf)));
    });
    if (!held) return std::string(name);
  }
  return {};
}

std::string ModuleNotHeld(const ModelFacts& facts, std::string_view text) { return NotHeld(facts, text, false); }

}  // namespace

std::string NameNotHeld(const ModelFacts& facts, std::string_view text) { return NotHeld(facts, text, true); }

SymptomVerdict TestUnusedWeights(const ModelFacts& facts, std::string_view text) {
  const bool packed = text.find("qweight") != std::string_view::npos || text.find("qzeros") != std::string_view::npos ||
                      text.find("g_idx") != std::string_view::npos || text.find("scales") != std::string_view::npos;
  const bool bias_only = !packed && text.find(".bias") != std::string_view::npos;
  if (bias_only) return TestExtraBias(facts, text);
  if (facts.quantized_modules == 0) return {false, "there are no packed tensors in this directory"};
  if (const std::string name = ModuleNotHeld(facts, text); !name.empty())
    return {false, "no module of this directory is called like that of " + EscapeTerminal(name)};
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
        return {true, EscapeTerminal(shard.file) + ": " +
                          EscapeTerminal(defect.detail.empty() ? ReferenceError(defect) : defect.detail)};
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

SymptomVerdict TestMissingKeys(const ModelFacts& facts, std::string_view text) {
  if (text.find("g_idx") != std::string_view::npos && !facts.all_g_idx && facts.quantized_modules > 0)
    return {true, "the files hold no g_idx for some layers, which the program insists on; it follows from group_size"};
  return TestLayers(facts, text);
}

SymptomVerdict TestPackedKey(const ModelFacts& facts, std::string_view) {
  if (facts.quantized_modules > 0) return {false, "packed tensors are here"};
  return {true, "there are no packed tensors in this directory: the program was made for quantized models"};
}

SymptomVerdict TestQuantizedExperts(const ModelFacts& facts, std::string_view) {
  const bool here = std::any_of(facts.classes.begin(), facts.classes.end(),
                                [](const ClassDigest& digest) { return digest.gptq && digest.part == Part::kExpert; });
  return here ? SymptomVerdict{true, "the experts are quantized (GPTQ), which the versions named do not load"}
              : SymptomVerdict{false, "there are no quantized experts here"};
}

SymptomVerdict TestAutoRoundExperts(const ModelFacts& facts, std::string_view text) {
  for (const QuantConfigFile& file : facts.exam->configs.files) {
    const std::string method = LowerAscii(file.quant_method.value_or(""));
    if (method == "auto-round" || method == "inc") return TestQuantizedExperts(facts, text);
  }
  return {false, "no configuration here says auto-round"};
}

}  // namespace gptq_doctor

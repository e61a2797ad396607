// GPTQ-for-LLaMa as text-generation-webui called it, and ExLlama version 1.

#include <algorithm>
#include <string>

#include "base/text.h"
#include "loaders/families.h"
#include "loaders/simulate.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

bool Has(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

// The last part of the path as typed, lower-cased.
std::string DirectoryName(const Walk& walk) {
  std::string dir = walk.Dir();
  const size_t slash = dir.rfind('/');
  return LowerAscii(slash == std::string::npos ? dir : dir.substr(slash + 1));
}

// models/config.yaml of the time: later entries override.
int64_t BitsOfName(std::string_view name) {
  int64_t bits = 0;
  if (Has(name, "4bit") || Has(name, "int4")) bits = 4;
  if (Has(name, "3bit") || Has(name, "int3")) bits = 3;
  if (Has(name, "-2bit") || Has(name, "_2bit") || Has(name, "int2-")) bits = 2;
  if (Has(name, "8bit") || Has(name, "int8")) bits = 8;
  return bits;
}
int64_t GroupOfName(std::string_view name) {
  int64_t group = -1;
  if (Has(name, "-gr32-") || Has(name, "-32g-") || Has(name, "groupsize32") || name.ends_with("-32g")) group = 32;
  if (Has(name, "-gr64-") || Has(name, "-64g-") || Has(name, "groupsize64") || name.ends_with("-64g")) group = 64;
  if (Has(name, "gr128") || Has(name, "128g") || Has(name, "groupsize128")) group = 128;
  if (Has(name, "gr1024") || Has(name, "1024g") || Has(name, "groupsize1024")) group = 1024;
  return group;
}

// wbits, groupsize and the model's type: from a file or the directory's name.
bool TakeFlags(Walk& walk) {
  const std::string_view source = walk.profile.config.source;
  const std::string name = DirectoryName(walk);
  const JsonValue* file = nullptr;
  bool exists = false, broken = false;
  file = FindSection(walk.configs, {"quantize_config.json", ""}, &exists, &broken);
  int64_t bits = BitsOfName(name), group = GroupOfName(name);
  if (file != nullptr && file->IsObject()) {
    if (const JsonValue* value = file->Find("bits"); value != nullptr && value->AsInt()) bits = *value->AsInt();
    if (const JsonValue* value = file->Find("group_size"); value != nullptr && value->AsInt()) group = *value->AsInt();
  }
  walk.declared.bits = bits;
  walk.declared.group_size = group;
  walk.Step("config",
            "takes wbits " + std::to_string(bits) + " and groupsize " + std::to_string(group) +
                (file != nullptr ? " from quantize_config.json" : " from the directory's name"),
            source);
  const ClassDigest* first = walk.facts.first_class;
  const std::string model_type = walk.facts.model_type.empty() ? "llama" : walk.facts.model_type;
  const std::string flags =
      "--wbits " + std::to_string(first != nullptr && first->bits ? *first->bits : 4) + " --groupsize " +
      std::to_string(first != nullptr && first->group_size ? *first->group_size : -1) + " --model_type " + model_type;
  walk.Remedy("pass " + flags);
  const bool typed = Has(name, "llama") || Has(name, "alpaca") || Has(name, "vicuna") || Has(name, "opt") ||
                     Has(name, "gpt-j") || Has(name, "gptj");
  if (file == nullptr && !typed) {
    return walk.Rejects(
        "model type", "stops: the directory's name tells no model type", source,
        "Can't determine model type from model name. Please specify it manually using --model_type argument");
  }
  return true;
}

bool CheckStateDict(Walk& walk) {
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (!digest.gptq) continue;
    if (digest.qzeros == nullptr) {
      return walk.Rejects("tensors", "stops: the files are of March 2023, with zeros instead of qzeros",
                          "qwopqwop200/GPTQ-for-LLaMa#62",
                          "Missing key(s) in state_dict: \"" + std::string(digest.stem) + ".qzeros\"");
    }
    const auto clash = ClashOf(walk, i, walk.declared.bits, walk.declared.group_size);
    if (!clash) continue;
    return walk.Rejects("tensors", "stops: the settings do not give the shapes in the files",
                        "oobabooga/text-generation-webui#541",
                        "size mismatch for " + std::string(digest.stem) + "." + clash->leaf +
                            ": copying a param with shape " + ShapeText({clash->stored_rows, clash->stored_columns}) +
                            " from checkpoint, the shape in current model is " +
                            ShapeText({clash->built_rows, clash->built_columns}) + ".");
  }
  const auto& layers = walk.exam.configs.model.num_hidden_layers;
  if (layers && walk.facts.layers > *layers) {
    walk.Remedy("use the config.json that belongs to these weights");
    return walk.Rejects(
        "tensors",
        "stops: config.json has " + std::to_string(*layers) + " layers, the files have " +
            std::to_string(walk.facts.layers),
        "henrywoo/pyllama#102",
        "Unexpected key(s) in state_dict: \"model.layers." + std::to_string(*layers) + ".self_attn.q_proj.qweight\"");
  }
  return true;
}

}  // namespace

bool StageGptqForLlama(Walk& walk) {
  if (walk.facts.quantized_modules == 0) {
    walk.dense_model = true;
    return false;
  }
  if (!TakeFlags(walk) || !StageModules(walk) || !CheckStateDict(walk)) return false;
  walk.kernel = &walk.profile.kernels.front();
  walk.Degrade(Outcome::kSlow, "kernel", "runs on the kernels of 2023", walk.profile.config.source);
  return StageValues(walk);
}

// The last weight file, with quantize_config.json or else what the interface says; config.json's section is not asked.
bool StageWebuiAutoGptq(Walk& walk) {
  const std::string_view source = walk.profile.config.source;
  if (walk.facts.quantized_modules == 0) {
    walk.dense_model = true;
    return false;
  }
  bool exists = false, broken = false;
  FindSection(walk.configs, {"quantize_config.json", ""}, &exists, &broken);
  if (exists) {
    walk.Degrade(Outcome::kUnknown, "config", "hands the directory to AutoGPTQ, whose release decides", source);
    return false;
  }
  walk.Remedy(kFixCommand);
  walk.Degrade(Outcome::kUnknown, "config",
               std::string("finds no quantize_config.json, so it takes wbits, else 4, groupsize, else -1, and desc_act "
                           "from its interface") +
                   (walk.facts.act_order.value_or(false)
                        ? "; these files are in act-order, so without desc_act there they give garbage, no message"
                        : ""),
               source);
  return false;
}

bool StageExllamaV1(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  if (walk.facts.quantized_modules == 0) {
    walk.dense_model = true;
    return false;
  }
  if (walk.exam.dir.weights.size() != 1) {
    return walk.Rejects("weights", "stops: it takes one .safetensors file", source, "");
  }
  for (const ClassDigest& digest : walk.facts.classes) {
    if (!digest.gptq) continue;
    if (digest.bits && *digest.bits != 4) {
      return walk.Rejects("tensors",
                          "stops: " + std::string(digest.pattern) + " has " + std::to_string(*digest.bits) +
                              " bits; only 4 are supported",
                          source, "RuntimeError: qweight and qzeros have incompatible shapes");
    }
    if (digest.groups == 1 && digest.g_idx != nullptr &&
        (digest.order == GIdxKind::kActOrder || digest.order == GIdxKind::kSequential)) {
      return walk.Rejects("tensors", "stops: g_idx beside a single group", source,
                          "ValueError: Found group index but no groupsize. What do?");
    }
  }
  walk.built.assign(walk.facts.classes.size(), Built::kNothing);
  walk.kernel = &walk.profile.kernels.front();
  walk.declared.desc_act = walk.facts.act_order.value_or(false);
  walk.Step("tensors", "takes bits, groups and order from the tensors", source);
  return true;
}

}  // namespace gptq_doctor

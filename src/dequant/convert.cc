#include "dequant/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "dequant/dequantize.h"
#include "gptq/format_table.h"

namespace gptq_doctor {
namespace {

Error Refuse(std::string message) { return {ErrorKind::kRefused, "", std::move(message)}; }

bool IsV1(ZeroRule rule) { return rule != ZeroRule::kStored && rule != ZeroRule::kFloat; }

// Whether zero points were written wrongly (C-2, C-27) and how sure that is.
enum class Miswritten { kNo, kProved, kSuspected };
Miswritten MiswrittenOf(const Examination& exam, const ModuleLayout& layout) {
  const PackedModule& m = layout.packed;
  if (m.zero_rule != ZeroRule::kBroken3Bit && m.zero_rule != ZeroRule::kShiftedBase) return Miswritten::kNo;
  if (m.zero_rule == ZeroRule::kShiftedBase && m.base_bits == m.bits && m.bits != 3) return Miswritten::kNo;
  const ModuleData* data = exam.quant.DataOf(layout.module);
  const bool exact =
      data != nullptr && (data->zeros == ZeroKind::kSymBroken3Bit || data->zeros == ZeroKind::kSymShiftedBase);
  return exact ? Miswritten::kProved : Miswritten::kSuspected;
}

// What becomes of each quantized module.
class ModulePlanner {
 public:
  ModulePlanner(const Examination& exam, const ConvertOptions& options, ConvertPlan& plan)
      : exam_(exam), options_(options), plan_(plan) {}

  Result<std::vector<ModuleToConvert>> Run() {
    std::vector<ModuleToConvert> out;
    for (uint32_t number = 0; number < exam_.inventory.modules.size(); ++number) {
      const Module& module = exam_.inventory.modules[number];
      const int format = exam_.inventory.classes[module.class_id].format;
      if (format < 0) continue;
      if (!IsGptq(format)) {
        if (!Repacks()) continue;
        return Refuse(std::string(module.stem) + " is " +
                      std::string(FormatTable()[static_cast<size_t>(format)].title) +
                      ", not GPTQ; a directory of mixed formats cannot be converted whole");
      }
      ++plan_.modules;
      Result<ModuleLayout> layout = LayoutOf(exam_, number);
      if (!layout) {
        if (!TouchesModules()) continue;
        return layout.error();
      }
      Result<ModuleToConvert> work = Decide(std::move(*layout));
      if (!work) return work.error();
      out.push_back(std::move(*work));
    }
    NoteAssumedFormat();
    if (suspected_ > 0) {
      plan_.warnings.push_back(
          fmt::format("the zero points of {} modules, among them {}, look as if an old GPTQModel wrote them wrongly, "
                      "but their words "
                      "do not prove it; they are left as they are",
                      suspected_, first_suspected_));
    }
    return out;
  }

 private:
  bool Repacks() const { return options_.pack_int32 || !options_.checkpoint_format.empty(); }
  bool TouchesModules() const { return Repacks() || options_.add_g_idx || options_.half_scales; }

  Result<ModuleToConvert> Decide(ModuleLayout layout) {
    const PackedModule m = layout.packed;
    if (m.zero_rule == ZeroRule::kFloat && TouchesModules()) {
      return Refuse(layout.stem + " is of the dialect of March 2023 with floating-point `zeros`, which no " +
                    (options_.checkpoint_format.empty() ? "current layout" : options_.checkpoint_format) + " holds");
    }
    ModuleToConvert work{.layout = std::move(layout)};
    work.to.pack_bits = options_.pack_int32 ? 32 : m.pack_bits;
    work.to.v1 = options_.checkpoint_format.empty() ? IsV1(m.zero_rule) : options_.checkpoint_format == "gptq";
    work.scales = options_.half_scales && m.scales_dtype != Dtype::kF16;
    work.g_idx = options_.add_g_idx && work.layout.g_idx == nullptr;
    if (m.zero_rule == ZeroRule::kFloat) return work;
    if (Status decided = DecideWords(work); !decided) return decided.error();
    return work;
  }

  Status DecideWords(ModuleToConvert& work) {
    const PackedModule& m = work.layout.packed;
    const bool words = work.to.pack_bits != m.pack_bits;
    const bool planes = m.layout == CodeLayout::kPlanar && !options_.checkpoint_format.empty();
    if (planes && m.bits != 3) {
      return Refuse(fmt::format("{} has {} bits, which exist in the planar layout (gptq_p) alone; {} cannot hold them",
                                work.layout.stem, m.bits, options_.checkpoint_format));
    }
    const Miswritten miswritten = MiswrittenOf(exam_, work.layout);
    const bool format = work.to.v1 != IsV1(m.zero_rule);
    if (miswritten == Miswritten::kSuspected) {
      if (format || words) {
        return Refuse(
            "the zero points of " + work.layout.stem +
            " look as if an old GPTQModel wrote them wrongly, but their words do not prove it: what they mean "
            "would be guessed");
      }
      if (suspected_++ == 0) first_suspected_ = work.layout.stem;
    }
    work.restored = miswritten == Miswritten::kProved;
    work.codes = words || planes;
    work.zeros = words || planes || format || work.restored;
    if (!options_.checkpoint_format.empty() && work.layout.zero_rule_assumed) return FormatUnknown();
    if (!work.zeros) return Ok();
    if (work.codes && work.layout.g_idx == nullptr && !work.g_idx && m.in_features * m.bits % work.to.pack_bits != 0) {
      return Refuse(work.layout.stem +
                    " has no g_idx and rows that do not fill words of 32 bits, so that nothing would tell its "
                    "in_features; --add-g-idx does");
    }
    return CheckPackedShapes(work.layout);
  }

  static Error FormatUnknown() {
    return Refuse(
        "the tensors do not tell gptq (v1) from gptq_v2 zero points, and no configuration says which they are: "
        "gptq-doctor fix MODEL --assume checkpoint_format=gptq --write notes it");
  }

  // A label that no tensor confirms decides what is written: said once.
  void NoteAssumedFormat() {
    const auto& evidence = exam_.quant.evidence;
    const auto format = std::ranges::find(evidence, "checkpoint_format", &Evidence::key);
    const bool assumed = format != evidence.end() && format->confidence == Confidence::kAssumed;
    if (options_.checkpoint_format.empty() || !assumed || !exam_.quant.base.checkpoint_format) return;
    plan_.warnings.push_back("the tensors do not tell gptq (v1) from gptq_v2 zero points; read as " +
                             *exam_.quant.base.checkpoint_format + ", as the config says");
  }

  const Examination& exam_;
  const ConvertOptions& options_;
  ConvertPlan& plan_;
  int64_t suspected_ = 0;
  std::string first_suspected_;
};

// Every tensor of the new directory, in the order of the old one.
class TensorPlanner {
 public:
  TensorPlanner(const Examination& exam, const ConvertOptions& options, std::span<const ModuleToConvert> modules,
                ConvertPlan& plan)
      : exam_(exam), options_(options), plan_(plan) {
    for (const ModuleToConvert& module : modules) work_.emplace(module.layout.module, &module);
    owners_.resize(exam.tensors.size());
    for (uint32_t m = 0; m < exam.inventory.modules.size(); ++m) {
      for (const Component& component : exam.inventory.components(exam.inventory.modules[m]))
        owners_[component.tensor] = {m, component.suffix};
    }
    NameFiles();
  }

  Result<FileChanges> Run() {
    for (const ModuleToConvert* module : Sorted()) {
      if (module->restored) plan_.restored.push_back(module->layout.stem);
    }
    for (uint32_t number = 0; number < exam_.tensors.size(); ++number) {
      if (Status added = Add(number); !added) return added.error();
    }
    plan_.model.keep_order = changes_.same_tensors && !options_.reshard;
    return changes_;
  }

 private:
  struct Owner {
    uint32_t module = 0;
    SuffixId suffix = kOtherKnownSuffix;
  };

  std::vector<const ModuleToConvert*> Sorted() const {
    std::vector<const ModuleToConvert*> out;
    for (const auto& [number, module] : work_) out.push_back(module);
    std::ranges::sort(out, NaturalLess, [](const ModuleToConvert* module) { return module->layout.stem; });
    return out;
  }

  // transformers, vLLM and GPTQModel look for model.safetensors and for what model.safetensors.index.json names; the
  // names of its files are those of huggingface_hub's splitter.
  void NameFiles() {
    const auto& shards = exam_.tensors.shards;
    for (size_t i = 0; i < shards.size(); ++i) {
      std::string name = shards[i].file;
      if (options_.rename) {
        name = shards.size() == 1 ? "model.safetensors"
                                  : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      }
      changes_.renamed |= name != shards[i].file;
      plan_.model.file_metadata[name] = MetadataOf(shards[i]);
      files_.push_back(std::move(name));
    }
    plan_.model.max_shard_bytes = options_.max_shard_bytes;
    if (options_.reshard && !shards.empty()) plan_.model.metadata = MetadataOf(shards[0]);
    if (options_.reshard) plan_.model.file_metadata.clear();
    changes_.renamed |= options_.reshard;
  }

  // AutoGPTQ leaves its settings in the header (AutoGPTQ modeling/_base.py).
  std::vector<std::pair<std::string, std::string>> MetadataOf(const ShardHeader& shard) const {
    auto metadata = shard.metadata;
    for (auto& [key, value] : metadata) {
      if (key == "gptq_checkpoint_format" && !options_.checkpoint_format.empty()) value = options_.checkpoint_format;
    }
    return metadata;
  }

  Status Add(uint32_t number) {
    const TensorRecord& tensor = exam_.tensors.at(number);
    const Owner owner = owners_[number];
    const auto found = work_.find(owner.module);
    if (owner.suffix == kBias && options_.drop_zero_bias && IsQuantized(owner.module)) {
      const Result<bool> artefact =
          IsArtefactBias(exam_, {std::string(tensor.name()), owner.module, &tensor}, exam_.configs.model);
      if (!artefact) return artefact.error();
      if (*artefact) {
        plan_.dropped_biases.emplace_back(tensor.name());
        changes_.same_tensors = false;
        return Ok();
      }
    }
    if (found == work_.end()) return Copy(tensor);
    return AddOfModule(tensor, owner.suffix, *found->second);
  }

  Status AddOfModule(const TensorRecord& tensor, SuffixId suffix, const ModuleToConvert& work) {
    if (suffix == kQweight && work.codes) {
      Put(tensor, RepackedCodes(exam_, work.layout, work.to), plan_.codes);
    } else if (&tensor == work.layout.qzeros && work.zeros) {
      Put(tensor, RepackedZeros(exam_, work.layout, work.to), plan_.zeros);
    } else if (suffix == kScales && work.scales) {
      Put(tensor, HalfScales(exam_, tensor), plan_.scales);
    } else if (suffix == kGIdx && work.g_idx) {
      Put(tensor, SequentialGIdx(work.layout), plan_.g_idx);
    } else {
      if (Status copied = Copy(tensor); !copied) return copied;
    }
    const bool lacks =
        exam_.inventory.Find(exam_.tensors, exam_.inventory.modules[work.layout.module], kGIdx) == nullptr;
    if (suffix == kQweight && work.g_idx && lacks) {
      Put(tensor, SequentialGIdx(work.layout), plan_.g_idx);
      changes_.same_tensors = false;
    }
    return Ok();
  }

  bool IsQuantized(uint32_t module) const { return exam_.IsQuantizedClass(exam_.inventory.modules[module].class_id); }

  Status Copy(const TensorRecord& tensor) {
    Put(tensor, CopyTensor(exam_, tensor, std::string(tensor.name())), plan_.copied);
    return Ok();
  }

  // Into the file that holds `like`.
  void Put(const TensorRecord& like, OutTensor tensor, int64_t& counter) {
    if (!options_.reshard) tensor.file = files_[like.shard];
    changes_.same_tensors &= tensor.dtype == like.dtype && std::ranges::equal(tensor.shape, like.dims());
    plan_.model.tensors.push_back(std::move(tensor));
    ++counter;
  }

  const Examination& exam_;
  const ConvertOptions& options_;
  ConvertPlan& plan_;
  std::unordered_map<uint32_t, const ModuleToConvert*> work_;  // by module
  std::vector<Owner> owners_;                                  // by tensor
  std::vector<std::string> files_;                             // by shard
  FileChanges changes_;
};

}  // namespace

bool ConvertOptions::AsksNothing() const {
  return checkpoint_format.empty() && !pack_int32 && !add_g_idx && !drop_zero_bias && !half_scales && !rename &&
         !reshard;
}

Result<ConvertPlan> PlanConvert(const Examination& exam, const ConvertOptions& options, const ExamineContext& context) {
  if (!exam.errors.empty()) return exam.errors.front();  // what cannot be read tells nothing of the model
  const std::string kind = exam.kind();
  if (kind != "gptq")
    return Refuse("this directory is " + kind + ", not GPTQ: there is nothing that this command could convert");
  if (Status whole = CheckWhole(exam); !whole) return whole.error();
  for (const std::string& contradiction : exam.quant.contradictions) return Refuse(contradiction);
  ConvertPlan plan;
  const Result<std::vector<ModuleToConvert>> modules = ModulePlanner(exam, options, plan).Run();
  if (!modules) return modules.error();
  if (Status sound = CheckValues(exam, *modules, context, plan); !sound) return sound.error();
  const Result<FileChanges> changes = TensorPlanner(exam, options, *modules, plan).Run();
  if (!changes) return changes.error();
  if (options.AsksNothing() && plan.restored.empty()) {
    return Refuse("nothing would change: say what to convert (--checkpoint-format, --rename, ...); --help lists it");
  }
  if (Status planned = PlanFiles(exam, options, *changes, plan); !planned) return planned.error();
  return plan;
}

}  // namespace gptq_doctor

#include "dequant/mapping.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"

namespace gptq_doctor {
namespace {

constexpr size_t kMostHints = 20;  // names that get a "did you mean"; each costs a look at every name

std::string ShapeText(const std::vector<uint64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// The rules by name and pattern.
class Rules {
 public:
  explicit Rules(const MappingFile& file) : rules_(file.rules), hit_(file.rules.size()) {
    for (size_t i = 0; i < rules_.size(); ++i) {
      if (IsGlob(rules_[i].pattern)) {
        globs_.push_back(i);
      } else {
        exact_.emplace(rules_[i].pattern, i);
      }
    }
  }
  // Null where no rule is for the name.
  const MappingFile::Rule* Find(std::string_view name) {
    const auto exact = exact_.find(name);
    if (exact != exact_.end()) return Hit(exact->second);
    const auto glob =
        std::find_if(globs_.begin(), globs_.end(), [&](size_t i) { return GlobMatch(rules_[i].pattern, name); });
    return glob == globs_.end() ? nullptr : Hit(*glob);
  }
  std::vector<const MappingFile::Rule*> Unused() const {
    std::vector<const MappingFile::Rule*> out;
    for (size_t i = 0; i < rules_.size(); ++i) {
      if (!hit_[i]) out.push_back(&rules_[i]);
    }
    return out;
  }

 private:
  const MappingFile::Rule* Hit(size_t i) {
    hit_[i] = true;
    return &rules_[i];
  }
  std::span<const MappingFile::Rule> rules_;
  std::vector<bool> hit_;
  std::unordered_map<std::string_view, size_t> exact_;
  std::vector<size_t> globs_;
};

class Resolver {
 public:
  Resolver(const MappingFile& file, std::span<const MappingModel> models, std::span<const size_t> defaults,
           bool keep_zero_bias)
      : models_(models), defaults_(defaults), keep_zero_bias_(keep_zero_bias), rules_(file) {
    for (const MappingModel& model : models) out_.offers.emplace_back(*model.exam);
    out_.tallies.resize(models.size());
  }

  Result<ResolvedMapping> Run() {
    ChooseCompanion();
    if (!defaults_.empty()) {  // the companion's order first
      if (Status added = AddNamesOf(defaults_.back()); !added) return added.error();
    }
    for (size_t m = 0; m < models_.size(); ++m) {
      if (Status added = AddNamesOf(m); !added) return added.error();
    }
    ReportUnused();
    for (size_t m = 0; m < models_.size(); ++m) {
      ReportLeftovers(m);
      ReportKind(m);
    }
    return std::move(out_);
  }

 private:
  // Without a default the first source that has a config.json.
  void ChooseCompanion() {
    const auto has_config = [](const MappingModel& model) { return model.exam->configs.model.present; };
    const auto first = std::find_if(models_.begin(), models_.end(), has_config);
    const MappingModel& chosen = !defaults_.empty()       ? models_[defaults_.back()]
                                 : first != models_.end() ? *first
                                                          : models_.front();
    out_.companion = chosen.exam;
    orientation_ = OrientationOf(*chosen.exam);
    if (defaults_.empty()) out_.warnings.push_back("config.json and the other files are those of " + chosen.name);
  }

  size_t ModelOf(const std::string& name) const {
    const auto at = std::find_if(models_.begin(), models_.end(), [&](auto& model) { return model.name == name; });
    assert(at != models_.end());
    return static_cast<size_t>(at - models_.begin());
  }

  // The model that gives what no rule maps; null where none has it.
  std::optional<size_t> DefaultOf(std::string_view name) const {
    const auto at = std::find_if(defaults_.begin(), defaults_.end(),
                                 [&](size_t m) { return out_.offers[m].Find(name) != nullptr; });
    return at == defaults_.end() ? std::nullopt : std::optional(*at);
  }

  Status AddNamesOf(size_t m) {
    for (const Offer& offer : out_.offers[m].list()) {
      if (!seen_.insert(offer.name).second) continue;
      const MappingFile::Rule* rule = rules_.Find(offer.name);
      const std::optional<size_t> source = rule != nullptr ? ModelOf(rule->source) : DefaultOf(offer.name);
      Status added = source              ? AddName(m, offer, *source, rule != nullptr)
                     : defaults_.empty() ? NoteUnmapped(m, offer)
                                         : Ok();  // another source's, for which nobody asked
      if (!added) return added;
    }
    return Ok();
  }

  Status NoteUnmapped(size_t m, const Offer& offer) {
    const Result<bool> artefact = IsDropped(m, offer, m);
    if (!artefact) return artefact.error();
    if (!*artefact) out_.unmapped.push_back(offer.name);
    return Ok();
  }

  // The name of `offer`, which model `m` has, is to come from model `source`.
  Status AddName(size_t m, const Offer& offer, size_t source, bool mapped) {
    const Offer* found = source == m ? &offer : out_.offers[source].Find(offer.name);
    const Result<bool> dropped = IsDropped(found == nullptr ? m : source, found == nullptr ? offer : *found, source);
    if (!dropped) return dropped.error();
    if (*dropped) {
      out_.dropped_biases.push_back(offer.name);
      return Ok();
    }
    std::string problem;
    if (found == nullptr) {
      problem = "the source has no tensor of that name; " + models_[m].name + " has";
    } else if (found->tensor == nullptr) {
      const Result<ModuleLayout> layout = LayoutOfOffer(*models_[source].exam, *found);
      if (!layout) problem = layout.error().message;
    }
    if (!problem.empty()) {
      out_.missing.push_back({offer.name, models_[source].name, problem});
      FallBack(offer.name, source);
      return Ok();
    }
    const std::string mismatch = mapped ? MismatchOf(source, *found) : "";
    if (!mismatch.empty()) {
      out_.mismatched.push_back({offer.name, models_[source].name, mismatch});
      FallBack(offer.name, source);
      return Ok();
    }
    Choose(source, *found);
    return Ok();
  }

  void Choose(size_t source, const Offer& offer) {
    out_.choices.push_back({models_[source].exam, &offer});
    ++out_.tallies[source].tensors;
    if (offer.tensor == nullptr) ++out_.tallies[source].modules;
  }

  void FallBack(const std::string& name, size_t source) {
    for (const size_t m : defaults_) {
      const Offer* offer = m == source ? nullptr : out_.offers[m].Find(name);
      if (offer == nullptr || (offer->tensor == nullptr && !LayoutOfOffer(*models_[m].exam, *offer))) continue;
      return Choose(m, *offer);
    }
  }

  // A packer's zero-filled bias is nothing that a mapping must name: the architecture has none, or the model that the
  // weight comes from, or a default, has the weight without it. `offer` is model `m`'s.
  Result<bool> IsDropped(size_t m, const Offer& offer, size_t source) {
    const Examination& exam = *models_[m].exam;
    if (keep_zero_bias_ || !IsBiasOfQuantized(exam, offer)) return false;
    const Result<bool> artefact = IsArtefactBias(exam, offer, out_.companion->configs.model);
    if (!artefact || *artefact) return artefact;
    const std::string weight = std::string(exam.inventory.modules[offer.module].stem) + ".weight";
    const auto has_none = [&](size_t model) {
      return out_.offers[model].Find(weight) != nullptr && out_.offers[model].Find(offer.name) == nullptr;
    };
    const bool elsewhere_none = has_none(source) || std::any_of(defaults_.begin(), defaults_.end(), has_none);
    return elsewhere_none ? IsAllZero(exam, *offer.tensor) : Result<bool>(false);
  }

  // Against every other model that has the name; empty where they agree.
  std::string MismatchOf(size_t source, const Offer& offer) {
    const std::vector<uint64_t> shape = ShapeOf(*models_[source].exam, offer, orientation_);
    for (size_t m = 0; m < models_.size(); ++m) {
      const Offer* other = m == source ? nullptr : out_.offers[m].Find(offer.name);
      if (other == nullptr) continue;
      const std::vector<uint64_t> others = ShapeOf(*models_[m].exam, *other, orientation_);
      if (others != shape) return fmt::format("{}, in {} {}", ShapeText(shape), models_[m].name, ShapeText(others));
      if (offer.tensor == nullptr || other->tensor == nullptr) continue;
      if (offer.tensor->dtype != other->tensor->dtype &&
          !(IsFloat(offer.tensor->dtype) && IsFloat(other->tensor->dtype))) {
        return fmt::format("{}, in {} {}", ToString(offer.tensor->dtype), models_[m].name,
                           ToString(other->tensor->dtype));
      }
    }
    return "";
  }

  void ReportUnused() {
    std::vector<std::string_view> names;
    for (const Offers& offers : out_.offers) {
      for (const Offer& offer : offers.list()) names.push_back(offer.name);
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    size_t hints = 0;
    for (const MappingFile::Rule* rule : rules_.Unused()) {
      const bool glob = IsGlob(rule->pattern);
      std::string detail = ToString(rule->place) + (glob ? ": the pattern matches no tensor" : ": no source has it");
      if (!glob && hints++ < kMostHints) {
        const std::string near = Nearest(rule->pattern, names);
        if (!near.empty()) detail += ", did you mean '" + near + "'?";
      }
      out_.missing.push_back({rule->pattern, rule->source, detail});
    }
  }

  void ReportLeftovers(size_t m) {
    size_t leftovers = 0;
    for (const std::string& name : out_.offers[m].leftovers()) {
      leftovers += seen_.contains(name) ? 1 : 0;
    }
    if (leftovers == 0 || out_.tallies[m].modules == 0) return;
    out_.warnings.push_back(
        fmt::format("{}: {} dense weights stand beside quantized modules of their names; the "
                    "quantized ones are taken",
                    models_[m].name, leftovers));
  }

  // A source called int4, int8, fp16, bf16, ... that holds something else.
  void ReportKind(size_t m) {
    const std::string& name = models_[m].name;
    const Dtype dense = name == "fp16"   ? Dtype::kF16
                        : name == "bf16" ? Dtype::kBF16
                        : name == "fp32" ? Dtype::kF32
                                         : Dtype::kUnknown;
    const int bits = name.size() == 4 && name.starts_with("int") ? name[3] - '0' : 0;
    if (dense == Dtype::kUnknown && (bits < 2 || bits > 8)) return;
    const auto other = std::count_if(out_.choices.begin(), out_.choices.end(), [&](const Choice& choice) {
      if (choice.exam != models_[m].exam) return false;
      if (choice.offer->tensor != nullptr) return bits == 0 && choice.offer->tensor->dtype != dense;
      const Module& module = choice.exam->inventory.modules[choice.offer->module];
      return choice.exam->quant.classes[module.class_id].bits != bits;
    });
    if (other > 0 || (bits > 0 && out_.tallies[m].modules == 0)) {
      out_.warnings.push_back(other > 0 ? fmt::format("{} of {} tensors taken from {} are not {}", other,
                                                      out_.tallies[m].tensors, name, name)
                                        : fmt::format("no tensor taken from {} is quantized", name));
    }
  }

  const std::span<const MappingModel> models_;
  const std::span<const size_t> defaults_;
  const bool keep_zero_bias_;
  Rules rules_;
  Orientation orientation_ = Orientation::kOutIn;
  std::unordered_set<std::string_view> seen_;
  ResolvedMapping out_;
};

}  // namespace

Result<ResolvedMapping> ResolveMapping(const MappingFile& file, std::span<const MappingModel> models,
                                       std::span<const size_t> defaults, bool keep_zero_bias) {
  return Resolver(file, models, defaults, keep_zero_bias).Run();
}

}  // namespace gptq_doctor

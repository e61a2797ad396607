#include "loaders/walk.h"

#include <algorithm>

#include "loaders/simulate.h"

namespace gptq_doctor {
namespace {

// A setting as its file spells it, else the default taken for it.
std::string Spelled(const std::string& text, int64_t value) { return text.empty() ? std::to_string(value) : text; }

}  // namespace

std::string Fill(std::string_view text, Fills fills) {
  std::string filled;
  filled.reserve(text.size() + 64);
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '{') {
      const size_t close = text.find('}', at);
      if (close != std::string_view::npos) {
        const std::string_view name = text.substr(at + 1, close - at - 1);
        const auto found =
            std::find_if(fills.begin(), fills.end(), [&](const auto& fill) { return fill.first == name; });
        if (found != fills.end()) {
          filled += found->second;
          at = close + 1;
          continue;
        }
      }
    }
    filled += text[at++];
  }
  return filled;
}

int RankOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kRejects:
      return 0;
    case Outcome::kFallsBack:
      return 1;
    case Outcome::kGarbage:
      return 2;
    case Outcome::kUnknown:
      return 3;
    case Outcome::kSlow:
      return 4;
    case Outcome::kLoads:
      return 5;
  }
  return 5;
}

std::string ShapeText(std::initializer_list<int64_t> dims) {
  std::string text = "torch.Size([";
  const char* separator = "";
  for (const int64_t dim : dims) {
    text += separator;
    text += std::to_string(dim);
    separator = ", ";
  }
  return text + "])";
}

Walk::Walk(const Profile& row, const ModelFacts& model, const ConfigSet& met, const SimulateOptions& how,
           const Machine& where)
    : profile(row), facts(model), exam(*model.exam), configs(met), options(how), machine(where) {
  result_.loader = row.loader;
  result_.version = row.version;
  result_.versions = row.versions;
  result_.backend = row.backend;
  for (const std::string_view text : row.assumptions) Assume(std::string(text));
}

void Walk::Step(std::string_view step, std::string detail, std::string_view source) {
  result_.steps.push_back({std::string(step), std::move(detail), std::string(source), false});
}

void Walk::Degrade(Outcome outcome, std::string_view step, std::string detail, std::string_view source,
                   std::string message) {
  const bool decides = RankOf(outcome) < RankOf(outcome_);
  result_.steps.push_back({std::string(step), detail, std::string(source), decides});
  if (!decides) return;
  for (size_t i = 0; i + 1 < result_.steps.size(); ++i) result_.steps[i].deciding = false;
  outcome_ = outcome;
  result_.summary = std::move(detail);
  result_.message = std::move(message);
  result_.rules.assign(1, std::string(profile.loader) + "." + std::string(step));
}

bool Walk::Rejects(std::string_view step, std::string detail, std::string_view source, std::string message) {
  Degrade(Outcome::kRejects, step, std::move(detail), source, std::move(message));
  return false;
}

void Walk::Assume(std::string text) {
  if (std::find(result_.assumptions.begin(), result_.assumptions.end(), text) == result_.assumptions.end()) {
    result_.assumptions.push_back(std::move(text));
  }
}

void Walk::Rule(std::string id) { result_.rules.push_back(std::move(id)); }

void Walk::Remedy(std::string_view text) {
  if (result_.remedy.empty()) result_.remedy = text;
}

const KernelRow* Walk::KernelOf(size_t class_index) const {
  return class_index < class_kernels.size() && class_kernels[class_index] != nullptr ? class_kernels[class_index]
                                                                                     : kernel;
}

std::string Walk::Dir() const {
  if (exam.source == nullptr) return ".";
  std::string dir = exam.source->DisplayPath();
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  return dir;
}

std::string Walk::Message(std::string_view text, Fills more) const {
  const std::string once = Fill(text, more);
  return Fill(once, {{"dir", Dir()},
                     {"Class", facts.class_name},
                     {"model_type", facts.model_type},
                     {"bits", Spelled(declared.bits_text, declared.bits)},
                     {"b", Spelled(declared.bits_text, declared.bits)},
                     {"group_size", Spelled(declared.group_size_text, declared.group_size)},
                     {"g", Spelled(declared.group_size_text, declared.group_size)},
                     {"sym", declared.sym ? "True" : "False"},
                     {"m", declared.method},
                     {"f", declared.format}});
}

LoaderOutcome Walk::Finish() {
  result_.outcome = outcome_;
  if (kernel != nullptr && outcome_ != Outcome::kRejects && !dense_model) result_.kernel = kernel->name;
  if (result_.summary.empty()) {
    result_.summary = dense_model ? "Loads as a plain model." : "Loads as GPTQ";
    if (!dense_model) result_.summary += kernel != nullptr ? " with " + std::string(kernel->name) + "." : ".";
  }
  if (outcome_ == Outcome::kLoads && !result_.steps.empty()) result_.steps.back().deciding = true;
  return std::move(result_);
}

}  // namespace gptq_doctor

#include "infer/dynamic_rules.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/ascii.h"

namespace gptq_doctor {
namespace {

// What a loader must be told about a module; `excluded` ones are dense.
struct Setting {
  bool excluded = false;
  int bits = 0;
  int64_t group_size = 0;
  auto operator<=>(const Setting&) const = default;
};

// All modules whose names fold to one pattern.
struct Family {
  std::map<Setting, std::vector<uint32_t>> members;  // modules
  bool quantized = false, base = false;
};

// The parts of `name` that a pattern's stars stand for.
std::vector<std::string_view> NumbersOf(std::string_view name) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('.', at), name.size());
    const std::string_view part = name.substr(at, end - at);
    if (!part.empty() && std::ranges::all_of(part, IsDigit)) out.push_back(part);
    at = end + 1;
  }
  return out;
}

// The pattern with its first star replaced by `first` and the others by \d+.
std::string Regex(std::string_view pattern, std::string_view first) {
  std::string out = "^";
  bool seen = false;
  for (size_t at = 0; at <= pattern.size();) {
    const size_t end = std::min(pattern.find('.', at), pattern.size());
    if (at > 0) out += "\\.";
    const std::string_view part = pattern.substr(at, end - at);
    if (part == "*") {
      out += seen ? std::string_view("\\d+") : first;
      seen = true;
    } else {
      out += EscapePattern(part);
    }
    at = end + 1;
  }
  return out + "$";
}

std::string Alternatives(const std::vector<std::string_view>& numbers) {
  if (numbers.size() == 1) return std::string(numbers[0]);
  std::string out = "(?:";
  for (size_t i = 0; i < numbers.size(); ++i) out += (i ? "|" : "") + std::string(numbers[i]);
  return out + ")";
}

class Maker {
 public:
  Maker(const TensorIndex& tensors, const Inventory& inventory, std::span<const ClassFacts> classes,
        const Quantization& base)
      : tensors_(tensors), inventory_(inventory), classes_(classes), base_(base) {}

  DynamicAnswer Run() {
    Collect();
    for (const auto& [pattern, family] : families_) {
      if (!family.quantized) continue;
      for (const auto& [setting, modules] : family.members) {
        if (IsBase(setting)) continue;
        (setting.excluded ? excluded_ : out_.modules) += static_cast<int64_t>(modules.size());
        Cover(pattern, family, setting, modules);
      }
    }
    // Exclusions first, as GPTQModel's own files have them; the patterns match disjoint sets of names.
    std::ranges::stable_sort(out_.rules,
                             [](const DynamicRule& a, const DynamicRule& b) { return a.exclude > b.exclude; });
    AddFacts();
    return std::move(out_);
  }

 private:
  bool IsBase(const Setting& s) const {
    return !s.excluded && base_.bits == s.bits && base_.group_size == s.group_size;
  }

  bool IsDenseMatrix(const ModuleClass& c) const {
    if (c.format >= 0) return false;
    const TensorRecord* weight = inventory_.Find(tensors_, inventory_.modules[c.representative], kWeight);
    return weight != nullptr && weight->rank == 2 && weight->dims()[0] > 1 && weight->dims()[1] > 1;
  }

  void Collect() {
    for (size_t c = 0; c < classes_.size(); ++c) {
      const ModuleClass& one = inventory_.classes[c];
      const ClassFacts& facts = classes_[c];
      Setting setting{.excluded = true};
      if (facts.gptq) {
        if (!facts.bits || !facts.group_size) continue;
        setting = {.bits = *facts.bits, .group_size = *facts.group_size};
      } else if (!IsDenseMatrix(one)) {
        continue;
      }
      Family& family = families_[one.pattern];
      family.quantized |= facts.gptq;
      auto& members = family.members[setting];
      const auto all = inventory_.members(one);
      members.insert(members.end(), all.begin(), all.end());
    }
  }

  void Add(const Setting& setting, std::string pattern) {
    DynamicRule rule{.pattern = std::move(pattern), .exclude = setting.excluded};
    if (!setting.excluded && base_.bits != setting.bits) rule.bits = setting.bits;
    if (!setting.excluded && base_.group_size != setting.group_size) rule.group_size = setting.group_size;
    out_.rules.push_back(std::move(rule));
  }

  void Cover(const std::string& pattern, const Family& family, const Setting& setting,
             const std::vector<uint32_t>& modules) {
    if (family.members.size() == 1) return Add(setting, Regex(pattern, "\\d+"));
    // The first number alone (the layer) decides where all modules that share it agree.
    std::map<std::string_view, int64_t> others;
    for (const auto& [other, rest] : family.members) {
      if (other == setting) continue;
      for (uint32_t module : rest) ++others[First(module)];
    }
    std::vector<std::string_view> whole;
    std::vector<uint32_t> single;
    for (uint32_t module : modules) {
      if (others.contains(First(module))) {
        single.push_back(module);
      } else if (std::ranges::find(whole, First(module)) == whole.end()) {
        whole.push_back(First(module));
      }
    }
    if (!whole.empty()) {
      std::ranges::sort(whole, [](std::string_view a, std::string_view b) {
        return std::pair(a.size(), a) < std::pair(b.size(), b);
      });
      Add(setting, Regex(pattern, Alternatives(whole)));
    }
    for (uint32_t module : single) Add(setting, "^" + EscapePattern(inventory_.modules[module].stem) + "$");
  }

  std::string_view First(uint32_t module) const {
    const std::vector<std::string_view> numbers = NumbersOf(inventory_.modules[module].stem);
    return numbers.empty() ? inventory_.modules[module].stem : numbers[0];
  }

  void AddFacts() {
    if (out_.modules > 0) {
      out_.facts.push_back({.source = "tensor shapes",
                            .detail = std::to_string(out_.modules) +
                                      (out_.modules == 1 ? " module has" : " modules have") +
                                      " other bits or groups than the base",
                            .modules = out_.modules});
    }
    if (excluded_ > 0) {
      out_.facts.push_back({.source = "tensor names",
                            .detail = std::to_string(excluded_) + (excluded_ == 1 ? " module is" : " modules are") +
                                      " dense where others of the same name are quantized",
                            .modules = excluded_});
    }
    std::string names;
    int64_t count = 0;
    for (const auto& [pattern, family] : families_) {
      // Dense on purpose or by a list of module names: loaders know routers and the like by their architecture.
      if (family.quantized || pattern.find('*') == std::string::npos) continue;
      for (const auto& [setting, modules] : family.members) count += static_cast<int64_t>(modules.size());
      if (names.size() < 300) names += (names.empty() ? "" : ", ") + pattern;
    }
    if (count > 0) {
      out_.facts.push_back(
          {.source = "tensor names", .detail = "dense matrices inside blocks: " + names, .modules = count});
    }
  }

  const TensorIndex& tensors_;
  const Inventory& inventory_;
  std::span<const ClassFacts> classes_;
  const Quantization& base_;
  std::map<std::string, Family> families_;
  int64_t excluded_ = 0;
  DynamicAnswer out_;
};

}  // namespace

std::string EscapePattern(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

DynamicAnswer MakeDynamic(const TensorIndex& tensors, const Inventory& inventory, std::span<const ClassFacts> classes,
                          const Quantization& base) {
  return Maker(tensors, inventory, classes, base).Run();
}

}  // namespace gptq_doctor

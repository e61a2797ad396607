#include "report/text_sections.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace gptq_doctor {
namespace {

std::string Title(const Style& style, std::string_view title, std::string_view rest = "", Tone tone = Tone::kPlain) {
  std::string out = "\n" + style.Paint(Tone::kStrong, title);
  if (!rest.empty()) out += "  " + style.Paint(tone, style.Wrap(rest, static_cast<int>(title.size()) + 2));
  return out + "\n";
}

std::string Bytes(int64_t bytes) { return FormatBytes(static_cast<uint64_t>(std::max<int64_t>(bytes, 0))); }

std::string ValueText(const Value& value) {
  if (const bool* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const int64_t* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const std::string* text = std::get_if<std::string>(&value)) return EscapeTerminal(*text, 60);
  return "unknown";
}

constexpr int64_t kNamed = 2;  // files of a group that are named; the rest are counted

// Files of these roles get a line each; the others share one a role and state.
bool StandsAlone(const FileRow& row) {
  return row.role == "index" || row.role == "config" || row.role == "quantize-config" || row.role == "generation";
}

}  // namespace

std::vector<FileGroup> GroupFiles(const std::vector<FileRow>& files) {
  std::vector<FileGroup> groups;
  for (const FileRow& row : files) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const FileGroup& g) {
      return !StandsAlone(row) && g.role == row.role && g.state == row.state;
    });
    if (group == groups.end())
      group = groups.insert(groups.end(), FileGroup{.role = row.role, .state = row.state, .note = row.note});
    ++group->count;
    if (group->count <= kNamed) group->names += (group->names.empty() ? "" : ", ") + EscapeTerminal(row.name);
    if (row.size) group->size = std::max<int64_t>(group->size, 0) + *row.size;
  }
  for (FileGroup& group : groups) {
    if (group.count > kNamed) group.names += fmt::format(", ... ({} files)", group.count);
  }
  return groups;
}

Mark MarkOf(const FileGroup& group) {
  if (group.state == "present") return Mark::kGood;
  if (group.state == "missing" && (group.role == "generation" || group.role == "tokenizer")) return Mark::kOptional;
  return group.state == "needed" ? Mark::kWarning : Mark::kBad;
}

std::string FilesSection(const Diagnosis& d, const Style& style) {
  Grid grid;
  for (const FileGroup& group : GroupFiles(d.files)) {
    const Mark mark = MarkOf(group);
    const std::string size = group.size >= 0 ? Bytes(group.size) : "";
    std::string note = group.state == "present" ? "" : group.state;
    if (!group.note.empty()) note += (note.empty() ? "" : ": ") + EscapeTerminal(group.note, 300);
    grid.Add({{.text = std::string(style.Of(mark)), .tone = Style::ToneOf(mark)},
              {.text = group.names},
              {.text = size, .right = true},
              {.text = note, .tone = mark == Mark::kGood ? Tone::kDim : Tone::kPlain}});
  }
  return grid.empty() ? "" : Title(style, "Files") + grid.Render(style);
}

std::string SettingsSection(const Diagnosis& d, const Style& style) {
  Grid grid;
  for (const Evidence& evidence : d.evidence) {
    const bool unknown = evidence.confidence == Confidence::kUnknown;
    // No tensor can ever tell static_groups: that it is unknown is no news.
    if (unknown && evidence.key == "static_groups" && evidence.dissent.empty() && style.verbosity() <= 0) continue;
    const Tone tone = unknown ? Tone::kWarning : Tone::kPlain;
    const auto fact_text = [](const Fact& fact) { return EscapeTerminal(fact.source + ": " + fact.detail, 400); };
    grid.Add(
        {{.text = evidence.key},
         {.text = ValueText(evidence.value), .tone = unknown ? tone : Tone::kStrong},
         {.text = ToString(evidence.confidence), .tone = tone},
         {.text = evidence.facts.empty() ? "" : fact_text(evidence.facts.front()), .tone = Tone::kDim, .cut = true}});
    for (size_t i = 1; style.verbosity() > 0 && i < evidence.facts.size(); ++i) {
      grid.Add({{}, {}, {}, {.text = fact_text(evidence.facts[i]), .tone = Tone::kDim}});
    }
    for (const Fact& fact : evidence.dissent) {
      grid.Add({{},
                {},
                {.text = std::string(style.Of(Mark::kWarning)) + " but", .tone = Tone::kWarning},
                {.text = fact_text(fact)}});
    }
  }
  if (grid.empty()) return "";
  std::string coverage;
  if (d.coverage.modules > 0) {
    coverage =
        fmt::format("data of {} of {} modules read ({})", FormatCount(static_cast<uint64_t>(d.coverage.modules_read)),
                    FormatCount(static_cast<uint64_t>(d.coverage.modules)), Bytes(d.coverage.bytes_read));
  }
  return Title(style, "Settings", coverage, Tone::kDim) + grid.Render(style);
}

std::string SettingsLine(const Quantization& settings) {
  std::string out = settings.bits ? std::to_string(*settings.bits) + "-bit" : "unknown bits";
  if (settings.group_size) {
    out += *settings.group_size < 0 ? ", one group" : ", group size " + std::to_string(*settings.group_size);
  }
  if (settings.sym) out += *settings.sym ? ", symmetric" : ", asymmetric";
  if (settings.desc_act && *settings.desc_act) out += ", act-order";
  return out;
}

std::string ModulesSection(const Diagnosis& d, const Style& style) {
  if (d.modules_quantized == 0 && d.modules_dense == 0) return "";
  std::string line = Counted(d.modules_dense, "dense module", "dense modules");
  if (d.modules_quantized > 0) {
    line = Counted(d.quantized_tensors, "tensor", "tensors") + " in " +
           Counted(d.modules_quantized, "quantized module", "quantized modules") + "; " + line;
  }
  Grid grid;
  for (const ModuleGroup& group : d.settings) {
    grid.Add({{.text = FormatCount(static_cast<uint64_t>(group.count)), .right = true},
              {.text = SettingsLine(group.settings)},
              {.text = FoldNames(group.patterns), .tone = Tone::kDim, .cut = true}});
  }
  for (const FormatShare& share : d.formats) {
    if (share.name == "dense" || (share.name == "gptq" && !d.settings.empty())) continue;
    grid.Add({{.text = FormatCount(static_cast<uint64_t>(share.modules)), .right = true},
              {.text = share.variant},
              {.text = EscapeTerminal(share.why, 300), .tone = Tone::kDim, .cut = true}});
  }
  return Title(style, "Modules", line) + grid.Render(style);
}

std::string ModuleListSection(const Diagnosis& d, const Style& style) {
  Grid grid;
  for (const ModuleRow& row : d.modules) {
    Quantization settings;
    settings.bits = row.bits;
    settings.group_size = row.group_size;
    settings.sym = row.sym;
    grid.Add({{.text = EscapeTerminal(row.name)},
              {.text = fmt::format("{} -> {}", row.in_features, row.out_features)},
              {.text = SettingsLine(settings)},
              {.text = "g_idx " + row.g_idx, .tone = Tone::kDim}});
  }
  return grid.empty() ? "" : Title(style, "Quantized modules") + grid.Render(style);
}

std::string ConfigSection(const Diagnosis& d, const Style& style) {
  Grid grid;
  const bool gptq = d.quantization.has_value();
  for (const ConfigState& config : d.configs) {
    if (!gptq && config.state == "absent") continue;
    const bool good = config.state == "valid";
    // Another method's settings beside that method's tensors are as they should be.
    const bool at_home = !gptq && config.state == "foreign";
    const bool partial = config.state == "absent" || config.state == "incomplete";
    const Mark mark = good ? Mark::kGood : at_home ? Mark::kOptional : partial ? Mark::kWarning : Mark::kBad;
    std::string detail = EscapeTerminal(config.detail, 400);
    if (config.line) detail += fmt::format(" (line {}, column {})", *config.line, config.column.value_or(1));
    grid.Add({{.text = std::string(style.Of(mark)), .tone = Style::ToneOf(mark)},
              {.text = EscapeTerminal(config.file)},
              {.text = config.state, .tone = good ? Tone::kPlain : Tone::kStrong},
              {.text = detail, .tone = good ? Tone::kDim : Tone::kPlain}});
    for (const std::string& problem : config.problems) {
      if (problem != config.detail) grid.Add({{}, {}, {}, {.text = EscapeTerminal(problem, 400)}});
    }
  }
  return grid.empty() ? "" : Title(style, "Configuration") + grid.Render(style);
}

std::string SizeSection(const Diagnosis& d, const Style& style) {
  const ByteTotals& b = d.bytes;
  if (b.files == 0) return "";
  Grid grid;
  std::string files = Bytes(b.files);
  if (b.quantized > 0) files += ": quantized " + Bytes(b.quantized) + ", dense " + Bytes(b.dense);
  if (b.stray > 0) files += ", " + Bytes(b.stray) + " belong to no tensor";
  grid.Add({{"on disk"}, {files}});
  if (b.dense_equivalent > 0 && b.quantized > 0) {
    std::string text = fmt::format("{}: {:.2f}{} as much", Bytes(b.dense_equivalent), b.ratio, style.Times());
    if (b.quantized_dense_equivalent > 0) {
      const double alone = static_cast<double>(b.quantized_dense_equivalent) / static_cast<double>(b.quantized);
      text += fmt::format("; the quantized modules alone {:.2f}{}", alone, style.Times());
    }
    grid.Add({{"at 16 bits"}, {text}});
  }
  if (b.promised > 0) {
    std::string text = fmt::format("{}: {:.2f}{}", Bytes(b.promised), b.ratio_promised, style.Times());
    if (!b.ratio_note.empty()) text += "; " + b.ratio_note;
    grid.Add({{"promised"}, {text}});
  }
  return Title(style, "Size") + grid.Render(style);
}

std::vector<Outcome> OutcomesBySilence() {
  return {Outcome::kGarbage, Outcome::kFallsBack, Outcome::kRejects,
          Outcome::kSlow,    Outcome::kLoads,     Outcome::kUnknown};
}

namespace {

bool IsBad(Outcome outcome) {
  return outcome == Outcome::kGarbage || outcome == Outcome::kFallsBack || outcome == Outcome::kRejects;
}

Mark MarkOf(Outcome outcome) {
  if (IsBad(outcome)) return Mark::kBad;
  if (outcome == Outcome::kSlow) return Mark::kWarning;
  return outcome == Outcome::kLoads ? Mark::kGood : Mark::kOptional;
}

// "transformers 4.55/5.0, vllm 0.15": each loader once. A back end is named where the same version ends otherwise with
// another.
std::string LoaderNames(const std::vector<LoaderOutcome>& all, Outcome outcome) {
  std::vector<std::pair<std::string, std::string>> names;  // loader, versions
  for (const LoaderOutcome& loader : all) {
    if (loader.outcome != outcome) continue;
    const bool differs = std::any_of(all.begin(), all.end(), [&](const LoaderOutcome& other) {
      return other.loader == loader.loader && other.version == loader.version && other.outcome != outcome;
    });
    std::string version = loader.version;
    if (differs && !loader.backend.empty()) version += " (" + loader.backend + ")";
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == loader.loader; });
    if (found == names.end()) {
      names.emplace_back(loader.loader, version);
    } else if (("/" + found->second + "/").find("/" + version + "/") == std::string::npos) {
      found->second += "/" + version;
    }
  }
  std::string out;
  for (const auto& [loader, versions] : names) out += (out.empty() ? "" : ", ") + loader + " " + versions;
  return out;
}

}  // namespace

std::string LoadersSection(const Diagnosis& d, const Style& style) {
  Grid grid;
  for (const Outcome outcome : OutcomesBySilence()) {
    const auto first = std::find_if(d.loaders.begin(), d.loaders.end(),
                                    [&](const LoaderOutcome& loader) { return loader.outcome == outcome; });
    if (first == d.loaders.end()) continue;
    const Mark mark = MarkOf(outcome);
    grid.Add({{.text = std::string(style.Of(mark)), .tone = Style::ToneOf(mark)},
              {.text = ToString(outcome), .tone = IsBad(outcome) ? Tone::kStrong : Tone::kPlain},
              {.text = LoaderNames(d.loaders, outcome)}});
    if (IsBad(outcome) && !first->summary.empty()) {
      grid.Add({{}, {}, {.text = EscapeTerminal(first->loader + ": " + first->summary, 400), .tone = Tone::kDim}});
    }
  }
  return grid.empty() ? "" : Title(style, "Loaders", "gptq-doctor why says more", Tone::kDim) + grid.Render(style);
}

std::string MemorySection(const Diagnosis& d, const Style& style) {
  const MemoryBrief& m = d.memory;
  Grid grid;
  if (m.weights) grid.Add({{"weights"}, {.text = Bytes(*m.weights), .right = true}, {"resident as they are"}});
  if (m.kv_bytes_per_token) {
    grid.Add({{"KV cache"}, {.text = Bytes(*m.kv_bytes_per_token), .right = true}, {"a token of context"}});
  }
  for (const FallbackCost& cost : m.fallback) {
    grid.Add({{"fallback"},
              {.text = Bytes(cost.bytes), .right = true},
              {cost.dtype + (cost.when.empty() ? "" : ", " + cost.when)}});
  }
  return grid.empty() ? "" : Title(style, "GPU memory") + grid.Render(style);
}

}  // namespace gptq_doctor

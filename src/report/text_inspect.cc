// The report for people: verdict first, then the evidence, then the counts.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "report/style.h"
#include "report/text_sections.h"

namespace gptq_doctor {
namespace {

// "qwen2, 36 layers, 3.09 billion parameters"
std::string ModelLine(const Diagnosis& d) {
  std::string out = EscapeTerminal(d.architecture.model_type, 60);
  if (d.architecture.num_hidden_layers) {
    out += (out.empty() ? "" : ", ") + Counted(*d.architecture.num_hidden_layers, "layer", "layers");
  }
  const double parameters = static_cast<double>(d.bytes.parameters);
  if (parameters <= 0) return out;
  out += out.empty() ? "" : ", ";
  if (parameters >= 1e9) return out + fmt::format("{:.2f} billion parameters", parameters / 1e9);
  if (parameters >= 1e6) return out + fmt::format("{:.1f} million parameters", parameters / 1e6);
  return out + Counted(d.bytes.parameters, "parameter", "parameters");
}

std::string Header(const Diagnosis& d, const Style& style) {
  std::string out = style.Paint(Tone::kStrong, EscapeTerminal(d.path)) + "\n";
  const bool fine = d.missing.empty() && d.errors.empty();
  out += "  " + style.Paint(fine ? Tone::kGood : Tone::kStrong, style.Wrap(EscapeTerminal(d.verdict, 1000), 2)) + "\n";
  const std::string model = ModelLine(d);
  if (!model.empty()) out += "  " + style.Paint(Tone::kDim, style.Wrap(model, 2)) + "\n";
  for (const std::string& problem : d.missing) {
    out += "  " + style.Paint(Tone::kBad, style.Of(Mark::kBad)) + " " + style.Wrap(EscapeTerminal(problem, 1000), 4) +
           "\n";
  }
  if (!d.repair_command.empty()) {
    // Never wrapped: it is there to be copied.
    out += "  " + style.Paint(Tone::kGood, style.Arrow()) +
           " repair: " + style.Paint(Tone::kStrong, EscapeTerminal(d.repair_command, 4096)) + "\n";
  }
  return out;
}

// What a loader will do stands in the section of the loaders; family 5 would say it again for each.
bool IsAboutALoader(const Finding& finding) { return finding.code.starts_with("GD5"); }

bool HidesLoaderFindings(const Diagnosis& d, const Style& style) {
  return style.verbosity() == 0 && !d.loaders.empty();
}

std::string Findings(const Diagnosis& d, const Style& style) {
  std::string out;
  bool after_note = false;
  for (const Finding& finding : d.findings) {
    if (finding.suppressed) continue;
    const bool note = finding.severity == Severity::kNote;
    if (note && style.verbosity() < 0) continue;
    if (HidesLoaderFindings(d, style) && IsAboutALoader(finding)) continue;
    if (!after_note || !note || style.verbosity() > 0) out += "\n";
    out += FindingText(finding, style);
    after_note = note;
  }
  return out;
}

std::string OneModel(const Diagnosis& d, const Style& style) {
  std::string out = Header(d, style);
  if (style.verbosity() >= 0) {
    for (const auto section : {FilesSection, SettingsSection, ModulesSection, ModuleListSection, ConfigSection,
                               SizeSection, LoadersSection, MemorySection}) {
      out += section(d, style);
    }
  }
  return out + Findings(d, style);
}

std::string Comparison(const Report& report, const Style& style) {
  Grid grid;
  const auto head = [](const char* text) { return Grid::Cell{.text = text, .tone = Tone::kDim}; };
  grid.Add(
      {head("model"), head("format"), head("bits"), head("group"), head("size"), head("of largest"), head("state")});
  for (const ComparisonRow& row : Compare(report.models)) {
    grid.Add({{EscapeTerminal(row.path)},
              {EscapeTerminal(row.format)},
              {.text = row.bits ? std::to_string(*row.bits) : "-", .right = true},
              {.text = row.group_size ? std::to_string(*row.group_size) : "-", .right = true},
              {.text = FormatBytes(static_cast<uint64_t>(row.bytes)), .right = true},
              {.text = fmt::format("{:.0f} %", 100 * row.ratio_to_largest), .right = true},
              {.text = row.state, .tone = row.state == "ok" ? Tone::kGood : Tone::kBad}});
  }
  return "\n" + style.Paint(Tone::kStrong, "Comparison") + "\n" + grid.Render(style);
}

std::string LastLine(const Report& report, const Style& style) {
  const Tally tally = CountFindings(report.models);
  std::string out = Counted(tally.models, "model", "models") + ": " + TallyText(tally);
  int64_t hidden = 0;
  for (const Diagnosis& model : report.models) {
    if (!HidesLoaderFindings(model, style)) continue;
    hidden += std::count_if(model.findings.begin(), model.findings.end(), IsAboutALoader);
  }
  if (hidden > 0) out += " (" + std::to_string(hidden) + " about loaders: -v lists them)";
  const std::vector<Error> errors = AllErrors(report);
  if (!errors.empty()) out += ", " + Counted(static_cast<int64_t>(errors.size()), "input", "inputs") + " not examined";
  for (const Diagnosis& model : report.models) {
    if (model.findings.empty()) continue;  // sorted: the worst stands first
    out += "; gptq-doctor explain " + model.findings.front().code + " says more";
    break;
  }
  return "\n" + style.Wrap(out, 0) + "\n";
}

}  // namespace

std::string RenderText(const Report& report, const RenderOptions& options) {
  const Style style(options);
  std::string out;
  if (options.verbosity <= -2) return out;
  for (const Diagnosis& model : report.models) out += (out.empty() ? "" : "\n") + OneModel(model, style);
  if (report.models.size() > 1) out += Comparison(report, style);
  if (options.verbosity >= 0 && !report.models.empty()) out += LastLine(report, style);
  return out;
}

}  // namespace gptq_doctor

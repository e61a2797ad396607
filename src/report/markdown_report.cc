// A report to be pasted into a bug report or a job summary. Everything from the model is escaped or in a code span.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "report/style.h"
#include "report/text_sections.h"

namespace gptq_doctor {
namespace {

std::string Row(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const std::string& cell : cells) out += " " + cell + " |";
  return out + "\n";
}

std::string Head(const std::vector<std::string>& cells) {
  std::string out = Row(cells) + "|";
  for (size_t i = 0; i < cells.size(); ++i) out += "---|";
  return out + "\n";
}

std::string Bytes(int64_t bytes) { return FormatBytes(static_cast<uint64_t>(std::max<int64_t>(bytes, 0))); }

std::string ValueCell(const Value& value) {
  if (const bool* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const int64_t* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const std::string* text = std::get_if<std::string>(&value)) return MarkdownCode(*text);
  return "unknown";
}

std::string Settings(const Diagnosis& d) {
  if (d.evidence.empty()) return "";
  std::string out = "\n### Settings\n\n" + Head({"setting", "value", "confidence", "evidence"});
  for (const Evidence& evidence : d.evidence) {
    std::string facts = evidence.facts.empty()
                            ? ""
                            : EscapeMarkdown(evidence.facts.front().source + ": " + evidence.facts.front().detail);
    for (const Fact& fact : evidence.dissent) facts += "; but " + EscapeMarkdown(fact.source + ": " + fact.detail);
    out += Row({"`" + evidence.key + "`", ValueCell(evidence.value), ToString(evidence.confidence), facts});
  }
  return out;
}

std::string Files(const Diagnosis& d) {
  std::string out = "\n### Files\n\n" + Head({"file", "size", "state", "note"});
  for (const FileGroup& group : GroupFiles(d.files)) {
    out += Row({EscapeMarkdown(group.names), group.size < 0 ? "" : Bytes(group.size), group.state,
                EscapeMarkdown(group.note)});
  }
  return d.files.empty() ? "" : out;
}

std::string Configs(const Diagnosis& d) {
  std::string out = "\n### Configuration\n\n" + Head({"file", "state", "detail"});
  for (const ConfigState& config : d.configs) {
    out += Row({MarkdownCode(config.file), config.state, EscapeMarkdown(config.detail)});
  }
  return d.configs.empty() ? "" : out;
}

std::string Facts(const Diagnosis& d) {
  std::string out;
  if (d.modules_quantized > 0) {
    out += fmt::format("- {} in {}; {}\n", Counted(d.quantized_tensors, "tensor", "tensors"),
                       Counted(d.modules_quantized, "quantized module", "quantized modules"),
                       Counted(d.modules_dense, "dense module", "dense modules"));
  }
  if (!d.architecture.model_type.empty()) out += "- architecture " + MarkdownCode(d.architecture.model_type) + "\n";
  if (d.bytes.files > 0) {
    out += "- " + Bytes(d.bytes.files) + " on disk";
    if (d.bytes.dense_equivalent > 0 && d.bytes.quantized > 0) {
      out += fmt::format(", {} at 16 bits ({:.2f}x)", Bytes(d.bytes.dense_equivalent), d.bytes.ratio);
    }
    if (d.bytes.promised > 0) out += fmt::format(", {:.2f}x promised", d.bytes.ratio_promised);
    out += "\n";
  }
  return out.empty() ? "" : "\n" + out;
}

std::string FindingsOf(const Diagnosis& d) {
  std::string out;
  for (const Finding& f : d.findings) {
    if (f.suppressed) continue;
    out += fmt::format("- **{}[{}]** {}", ToString(f.severity), f.code, EscapeMarkdown(f.message));
    if (!f.file.empty()) out += " (" + MarkdownCode(f.file) + (f.line ? fmt::format(", line {}", *f.line) : "") + ")";
    if (!f.tensors.empty()) {
      out += ": " + MarkdownCode(f.pattern.empty() ? f.tensors.front() : f.pattern) +
             (f.count > 1 ? fmt::format(" ×{}", f.count) : "");
    }
    out += "\n";
    for (const std::string& evidence : f.evidence) out += "  - " + EscapeMarkdown(evidence) + "\n";
    if (f.fix)
      out +=
          "  - fix: " + (f.fix->command.empty() ? EscapeMarkdown(f.fix->description) : MarkdownCode(f.fix->command)) +
          "\n";
  }
  return out.empty() ? "" : "\n### Findings\n\n" + out;
}

std::string Loaders(const Diagnosis& d) {
  if (d.loaders.empty()) return "";
  std::string out = "\n### Loaders\n\n" + Head({"loader", "version", "outcome", "why"});
  for (const Outcome outcome : OutcomesBySilence()) {
    for (const LoaderOutcome& loader : d.loaders) {
      if (loader.outcome != outcome) continue;
      out += Row({loader.loader, loader.version, ToString(outcome), EscapeMarkdown(loader.summary)});
    }
  }
  return out;
}

std::string OneModel(const Diagnosis& d) {
  std::string out = "## " + MarkdownCode(d.path) + "\n\n**" + EscapeMarkdown(d.verdict) + "**\n";
  if (!d.missing.empty()) out += "\n";
  for (const std::string& problem : d.missing) out += "- " + EscapeMarkdown(problem) + "\n";
  if (!d.repair_command.empty()) out += "\nRepair: " + MarkdownCode(d.repair_command) + "\n";
  return out + Facts(d) + FindingsOf(d) + Settings(d) + Configs(d) + Files(d) + Loaders(d);
}

std::string Comparison(const Report& report) {
  std::string out =
      "\n## Comparison\n\n" + Head({"model", "format", "bits", "group size", "size", "of largest", "state"});
  for (const ComparisonRow& row : Compare(report.models)) {
    out += Row({MarkdownCode(row.path), EscapeMarkdown(row.format), row.bits ? std::to_string(*row.bits) : "",
                row.group_size ? std::to_string(*row.group_size) : "", Bytes(row.bytes),
                fmt::format("{:.0f} %", 100 * row.ratio_to_largest), row.state});
  }
  return out;
}

}  // namespace

std::string RenderMarkdown(const Report& report, const RenderOptions&) {
  std::string out;
  for (const Diagnosis& model : report.models) out += (out.empty() ? "" : "\n") + OneModel(model);
  if (report.models.size() > 1) out += Comparison(report);
  for (const Error& error : AllErrors(report)) {
    out += "\nnot examined: " + MarkdownCode(error.path) + ": " + EscapeMarkdown(error.message) + "\n";
  }
  out += "\ngptq-doctor " GPTQ_DOCTOR_VERSION ": " + TallyText(CountFindings(report.models)) + "\n";
  return out;
}

}  // namespace gptq_doctor

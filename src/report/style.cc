#include "report/style.h"

#include <algorithm>

#include "base/text.h"

namespace gptq_doctor {
namespace {

constexpr int kNarrow = 30;  // columns; a last cell with less room than this moves to a line of its own

// Line by line; all lines are kept.
std::string WithoutControls(std::string_view text) {
  std::string out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (begin > 0) out += '\n';
    out += EscapeTerminal(text.substr(begin, end - begin), kNoLimit);
    begin = end + 1;
  }
  return out;
}

}  // namespace

std::string Style::Paint(Tone tone, std::string_view text) const {
  if (!options_.color || tone == Tone::kPlain || text.empty()) return std::string(text);
  const char* code = "";
  switch (tone) {
    case Tone::kGood:
      code = "32";
      break;
    case Tone::kBad:
      code = "1;31";
      break;
    case Tone::kWarning:
      code = "1;33";
      break;
    case Tone::kNote:
      code = "36";
      break;
    case Tone::kDim:
      code = "2";
      break;
    case Tone::kStrong:
      code = "1";
      break;
    case Tone::kPlain:
      break;
  }
  return std::string("\x1b[") + code + "m" + std::string(text) + "\x1b[0m";
}

std::string_view Style::Of(Mark mark) const {
  switch (mark) {
    case Mark::kGood:
      return options_.unicode ? "✓" : "+";
    case Mark::kBad:
      return options_.unicode ? "✗" : "x";
    case Mark::kWarning:
      return "!";
    case Mark::kOptional:
      break;
  }
  return options_.unicode ? "·" : "-";
}

Tone Style::ToneOf(Mark mark) {
  switch (mark) {
    case Mark::kGood:
      return Tone::kGood;
    case Mark::kBad:
      return Tone::kBad;
    case Mark::kWarning:
      return Tone::kWarning;
    case Mark::kOptional:
      break;
  }
  return Tone::kDim;
}

Tone Style::ToneOf(Severity severity) {
  if (severity == Severity::kError) return Tone::kBad;
  return severity == Severity::kWarning ? Tone::kWarning : Tone::kNote;
}

std::string Style::Wrap(std::string_view text, int indent) const { return WrapSafe(WithoutControls(text), indent); }

std::string Style::WrapSafe(std::string_view text, int indent) const {
  const int room = options_.width - indent;
  if (options_.width <= 0 || room < 20) return std::string(text);
  std::string out;
  int column = 0;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    const int width = DisplayWidth(word);
    if (column > 0 && column + 1 + width > room) {
      out += '\n';
      out.append(static_cast<size_t>(indent), ' ');
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += width;
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  }
  return out;
}

std::string Style::Cut(std::string_view text, int indent) const { return CutSafe(WithoutControls(text), indent); }

std::string Style::CutSafe(std::string_view text, int indent) const {
  const int room = options_.width - indent;
  if (options_.width <= 0 || options_.verbosity > 0 || DisplayWidth(text) <= room) return WrapSafe(text, indent);
  size_t end = text.size();
  while (end > 0 && (DisplayWidth(text.substr(0, end)) > room - 3 || (text[end] & 0xC0) == 0x80)) --end;
  const size_t space = text.rfind(' ', end);
  if (space != std::string_view::npos && space > end / 2) end = space;
  return std::string(text.substr(0, end)) + "...";
}

void Grid::Add(std::vector<Cell> row) {
  for (Cell& cell : row) cell.text = WithoutControls(cell.text);
  rows_.push_back(std::move(row));
}

std::string Grid::Render(const Style& style) const {
  std::vector<int> widths;
  for (const std::vector<Cell>& row : rows_) {
    if (row.size() > widths.size()) widths.resize(row.size(), 0);
    for (size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
  }
  std::string out;
  for (const std::vector<Cell>& row : rows_) {
    out.append(static_cast<size_t>(indent_), ' ');
    int column = indent_;
    for (size_t i = 0; i < row.size(); ++i) {
      const Cell& cell = row[i];
      if (i + 1 == row.size()) {
        const int room = style.width() - column;
        if (style.width() > 0 && room < kNarrow && DisplayWidth(cell.text) > room) {
          column = indent_ + 4;
          out += "\n" + std::string(static_cast<size_t>(column), ' ');
        }
        out += style.Paint(cell.tone, cell.cut ? style.CutSafe(cell.text, column) : style.WrapSafe(cell.text, column));
        break;
      }
      const std::string fill(static_cast<size_t>(widths[i] - DisplayWidth(cell.text)), ' ');
      out += cell.right ? fill + style.Paint(cell.tone, cell.text) : style.Paint(cell.tone, cell.text) + fill;
      out += "  ";
      column += widths[i] + 2;
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    out += '\n';
  }
  return out;
}

std::string Counted(int64_t count, std::string_view one, std::string_view many) {
  return FormatCount(static_cast<uint64_t>(count)) + " " + std::string(count == 1 ? one : many);
}

std::string TallyText(const Tally& tally) {
  std::string out = Counted(tally.errors, "error", "errors") + ", " + Counted(tally.warnings, "warning", "warnings") +
                    ", " + Counted(tally.notes, "note", "notes");
  if (tally.suppressed > 0) out += ", " + std::to_string(tally.suppressed) + " suppressed";
  return out;
}

std::string FoldNames(const std::vector<std::string>& names) {
  if (names.empty()) return "";
  if (names.size() == 1) return EscapeTerminal(names.front());
  size_t common = names.front().size();
  for (const std::string& name : names) {
    const auto [left, right] = std::mismatch(names.front().begin(), names.front().end(), name.begin(), name.end());
    common = std::min(common, static_cast<size_t>(left - names.front().begin()));
  }
  while (common > 0 && names.front()[common - 1] != '.') --common;
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + EscapeTerminal(name.substr(common));
  return common == 0 ? out : EscapeTerminal(names.front().substr(0, common)) + "{" + out + "}";
}

namespace {

std::string Place(const Finding& finding, const Style& style) {
  std::string place = EscapeTerminal(finding.file);
  if (finding.line) place += ":" + std::to_string(*finding.line);
  if (finding.line && finding.column) place += ":" + std::to_string(*finding.column);
  if (!finding.pointer.empty()) place += (place.empty() ? "" : " ") + EscapeTerminal(finding.pointer);
  if (!finding.tensors.empty()) {
    const std::string names = finding.pattern.empty() ? finding.tensors.front() : finding.pattern;
    place += (place.empty() ? "" : ": ") + EscapeTerminal(names);
    if (finding.count > 1) place += " " + std::string(style.Times()) + std::to_string(finding.count);
  }
  return place;
}

}  // namespace

namespace {

// The lines of one piece of evidence: a message that a user would see may have several.
std::string EvidenceText(const std::string& evidence, const Style& style) {
  std::string out;
  size_t begin = 0;
  while (begin <= evidence.size()) {
    const size_t end = std::min(evidence.find('\n', begin), evidence.size());
    const int indent = begin == 0 ? 6 : 8;
    out += "   " + style.Paint(Tone::kNote, "|") + std::string(static_cast<size_t>(indent - 4), ' ');
    out += style.Wrap(EscapeTerminal(evidence.substr(begin, end - begin), 1000), indent) + "\n";
    begin = end + 1;
  }
  return out;
}

}  // namespace

std::string FindingText(const Finding& finding, const Style& style) {
  const std::string head = std::string(ToString(finding.severity)) + "[" + finding.code + "]";
  const int indent = static_cast<int>(head.size()) + 2;
  std::string out = style.Paint(Style::ToneOf(finding.severity), head) + ": " +
                    style.Paint(Tone::kStrong, style.Wrap(EscapeTerminal(finding.message, 1000), indent)) + "\n";
  if (finding.severity == Severity::kNote && style.verbosity() <= 0) return out;
  const std::string place = Place(finding, style);
  if (!place.empty()) out += "  " + style.Paint(Tone::kNote, "-->") + " " + style.Cut(place, 6) + "\n";
  const size_t shown = style.verbosity() > 0 ? finding.evidence.size() : std::min<size_t>(finding.evidence.size(), 3);
  for (size_t i = 0; i < shown; ++i) out += EvidenceText(finding.evidence[i], style);
  if (finding.confidence != Confidence::kCertain) {
    out += "   " + style.Paint(Tone::kNote, "=") + "  " + std::string(ToString(finding.confidence)) + ", not certain\n";
  }
  if (finding.fix) {
    const std::string& text = finding.fix->command.empty() ? finding.fix->description : finding.fix->command;
    out += "   " + style.Paint(Tone::kNote, "=") + "  " + style.Paint(Tone::kGood, "fix:") + " " +
           style.Wrap(EscapeTerminal(text, 1000), 11) + "\n";
  }
  return out;
}

}  // namespace gptq_doctor

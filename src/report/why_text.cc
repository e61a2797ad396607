#include "report/why_text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "report/text_sections.h"

namespace gptq_doctor {
namespace {

std::string VersionOf(const LoaderOutcome& outcome) {
  return outcome.version + (outcome.backend.empty() ? "" : " (" + outcome.backend + ")");
}
std::string NameOf(const LoaderOutcome& outcome) { return outcome.loader + " " + VersionOf(outcome); }

Mark MarkOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kRejects:
    case Outcome::kFallsBack:
    case Outcome::kGarbage:
      return Mark::kBad;
    case Outcome::kSlow:
      return Mark::kWarning;
    case Outcome::kLoads:
      return Mark::kGood;
    case Outcome::kUnknown:
      break;
  }
  return Mark::kOptional;
}

std::string Head(const LoaderOutcome& outcome, const Style& style) {
  const Mark mark = MarkOf(outcome.outcome);
  return style.Paint(Style::ToneOf(mark), style.Of(mark)) + " " + style.Paint(Tone::kStrong, NameOf(outcome)) + "  " +
         style.Paint(Style::ToneOf(mark), ToString(outcome.outcome)) +
         style.Paint(Tone::kDim, "  " + outcome.versions) + "\n";
}

std::string Labelled(std::string_view label, const std::string& text, const Style& style) {
  std::string padded(label);
  padded.resize(10, ' ');
  return "  " + style.Paint(Tone::kDim, padded) + style.Wrap(text, 12) + "\n";
}

// A message keeps its lines; each is escaped.
std::string MessageText(const std::string& message, const Style& style) {
  std::string out;
  std::string_view rest = message;
  bool first = true;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    out += Labelled(first ? "you see" : "", EscapeTerminal(line, 600), style);
    first = false;
  }
  return out;
}

}  // namespace

std::string WalkText(const LoaderOutcome& outcome, const Style& style) {
  std::string out = Head(outcome, style);
  int number = 0;
  for (const LoaderStep& step : outcome.steps) {
    std::string label = std::to_string(++number) + ".";
    label.resize(4, ' ');
    const std::string text = step.step + ": " + EscapeTerminal(step.detail, 1000);
    out +=
        "  " + label + (step.deciding ? style.Paint(Tone::kStrong, style.Wrap(text, 6)) : style.Wrap(text, 6)) + "\n";
    if (style.verbosity() > 0 || step.deciding)
      out += "      " + style.Paint(Tone::kDim, style.Wrap(EscapeTerminal(step.source), 6)) + "\n";
  }
  out += MessageText(outcome.message, style);
  if (!outcome.kernel.empty()) out += Labelled("kernel", outcome.kernel, style);
  for (const std::string& text : outcome.assumptions) out += Labelled("assumed", EscapeTerminal(text, 400), style);
  if (!outcome.remedy.empty()) out += Labelled("remedy", EscapeTerminal(outcome.remedy, 400), style);
  return out;
}

std::string MatrixText(const std::vector<LoaderOutcome>& outcomes, const Style& style) {
  Grid grid(0);
  std::vector<bool> told(outcomes.size(), false);
  for (const Outcome wanted : OutcomesBySilence()) {
    const Mark mark = MarkOf(wanted);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      const LoaderOutcome& outcome = outcomes[i];
      if (outcome.outcome != wanted || told[i]) continue;
      // Rows of one loader that say the same stand on one line.
      std::string names = NameOf(outcome);
      for (size_t j = i + 1; j < outcomes.size(); ++j) {
        const LoaderOutcome& other = outcomes[j];
        if (other.loader != outcome.loader || other.outcome != wanted || other.summary != outcome.summary) continue;
        names += ", " + VersionOf(other);
        told[j] = true;
      }
      grid.Add({{.text = std::string(style.Of(mark)), .tone = Style::ToneOf(mark)},
                {.text = ToString(wanted), .tone = Style::ToneOf(mark)},
                {.text = names, .tone = Tone::kStrong}});
      grid.Add({{}, {}, {.text = EscapeTerminal(outcome.summary, 1000), .tone = Tone::kDim}});
    }
  }
  return grid.Render(style);
}

std::string FallbackText(const FallbackStory& story, const Style& style) {
  if (story.costs.empty()) return {};
  std::string out = style.Paint(Tone::kStrong, "The fallback") + "\n";
  out += Labelled("ignored", story.ignored, style);
  out += Labelled("random", story.random, style);
  out += Labelled("expected", FormatGiB(static_cast<double>(story.expected_bytes)) + " of weights", style);
  for (const FallbackCost& cost : story.costs) {
    const int64_t excess = cost.bytes - story.expected_bytes;
    std::string text = FormatGiB(static_cast<double>(cost.bytes)) + " at " + cost.dtype;
    if (excess > 0 && story.expected_bytes > 0) {
      text += ", " + FormatGiB(static_cast<double>(excess)) + " (" +
              fmt::format("{:.0f}",
                          std::floor(100.0 * static_cast<double>(excess) / static_cast<double>(story.expected_bytes))) +
              " %) more";
    }
    out += Labelled("taken", text + ": " + cost.when, style);
  }
  int number = 0;
  for (const FallbackStory::Remedy& remedy : story.remedies) {
    out += Labelled("remedy " + std::to_string(++number),
                    remedy.what + " (cost: " + remedy.cost + "; risk: " + remedy.risk + ")", style);
  }
  return out;
}

std::string SymptomText(const std::vector<SymptomMatch>& matches, bool with_model, const Style& style) {
  if (matches.empty()) return "no loader that is known prints this; gptq-doctor why MODEL shows what each would say\n";
  std::string out;
  for (const SymptomMatch& match : matches) {
    if (!out.empty()) out += "\n";
    out += style.Paint(Tone::kStrong, style.Wrap(EscapeTerminal(match.message, 800), 0)) + "\n";
    out += Labelled("from", match.printed_by + ", step: " + match.step, style);
    out += Labelled("meaning", EscapeTerminal(match.meaning, 800), style);
    if (with_model) {
      const char* verdict = !match.verdict.explains ? "cannot tell: " : *match.verdict.explains ? "yes: " : "no: ";
      out += Labelled("here", verdict + EscapeTerminal(match.verdict.evidence, 800), style);
    }
    out += Labelled("remedy", EscapeTerminal(match.remedy, 800), style);
    out += Labelled("source", EscapeTerminal(match.source, 800), style);
  }
  return out;
}

std::string EnvironmentText(const Environment& environment, const EnvironmentReport& report, const Style& style) {
  std::string out = style.Paint(Tone::kStrong, "Python environment") + "  " + EscapeTerminal(environment.prefix) +
                    " (" + environment.how + ")\n";
  std::string names;
  for (const InstalledPackage& package : environment.packages)
    names += (names.empty() ? "" : ", ") + package.name + " " + EscapeTerminal(package.version);
  out += Labelled("installed", names.empty() ? "none of the packages that load or write GPTQ" : names, style);
  for (const Profile* row : report.rows)
    out += Labelled("profile", std::string(row->title) + " (" + std::string(row->versions) + ")", style);
  for (const std::string& name : report.unknown)
    out += Labelled("unknown", name + ": no profile covers this version", style);
  for (const EnvironmentProblem& problem : report.problems) {
    out += Labelled(problem.error ? "problem" : "note", problem.message + " [" + problem.source + "]", style);
  }
  return out;
}

std::string ProfilesText(std::span<const Profile* const> rows, const Style& style) {
  Grid grid(0);
  const auto head = [](const char* text) { return Grid::Cell{.text = text, .tone = Tone::kDim}; };
  grid.Add({head("loader"), head("version"), head("back end"), head("known of"), head("holds for"), head("read from")});
  std::string oldest, newest;
  for (const Profile* row : rows) {
    grid.Add({{.text = std::string(row->loader), .tone = Tone::kStrong},
              {.text = std::string(row->version)},
              {.text = std::string(row->backend)},
              {.text = std::string(row->as_of)},
              {.text = std::string(row->versions)},
              {.text = std::string(row->revision), .tone = Tone::kDim}});
    if (oldest.empty() || row->as_of < oldest) oldest = row->as_of;
    if (row->as_of > newest) newest = row->as_of;
  }
  std::string out = grid.Render(style);
  if (style.verbosity() >= 0 && !rows.empty()) {
    out += "\n" + Counted(static_cast<int64_t>(rows.size()), "profile", "profiles") + "; the newest knowledge is of " +
           newest + ", the oldest of " + oldest + "\n";
  }
  return out;
}

}  // namespace gptq_doctor

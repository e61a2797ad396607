// The ledger as a table with bars, the levels, the verdict, and what was assumed.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "report/memory_report.h"
#include "report/style.h"

namespace gptq_doctor {
namespace {

constexpr int kBarColumns = 20;

std::string GiB(int64_t bytes) { return fmt::format("{:.3f}", static_cast<double>(bytes) / (1024.0 * 1024 * 1024)); }
std::string Optional(const std::optional<int64_t>& bytes) { return bytes ? GiB(*bytes) : "?"; }
std::string Tokens(int64_t count) { return FormatCount(static_cast<uint64_t>(count)); }

std::string Heading(const Style& style, std::string_view title, std::string_view rest = "") {
  return "\n" + style.Paint(Tone::kStrong, title) + (rest.empty() ? "" : "  " + style.Paint(Tone::kDim, rest)) + "\n";
}

std::string Bar(int64_t bytes, int64_t whole, bool unicode) {
  if (whole <= 0) return "";
  const double share = static_cast<double>(bytes) / static_cast<double>(whole) * kBarColumns;
  const int full = std::clamp(static_cast<int>(share + 0.5), 0, kBarColumns);
  if (full == 0) return unicode ? "▏" : "";
  std::string out;
  for (int i = 0; i < full; ++i) out += unicode ? "█" : "#";
  return out;
}

const LedgerLine* FindLine(const std::optional<MemoryPeak>& peak, const std::string& id) {
  if (!peak) return nullptr;
  for (const LedgerLine& line : peak->lines) {
    if (line.id == id) return &line;
  }
  return nullptr;
}

std::string BoundText(const std::optional<MemoryPeak>& peak, const std::string& id) {
  const LedgerLine* line = FindLine(peak, id);
  return line != nullptr && line->at_peak ? GiB(line->bytes) : "";
}

std::vector<Grid::Cell> LineCells(const MemoryEstimate& e, const LedgerLine& line, bool ranged, bool unicode) {
  std::vector<Grid::Cell> cells = {{.text = line.title}, {.text = GiB(line.bytes), .right = true}};
  if (e.gpus > 1) cells.push_back({.text = GiB(line.per_gpu), .right = true});
  if (ranged) {
    cells.push_back({.text = BoundText(e.low, line.id), .tone = Tone::kDim, .right = true});
    cells.push_back({.text = BoundText(e.high, line.id), .tone = Tone::kDim, .right = true});
  }
  cells.push_back({.text = Bar(line.bytes, e.expected.device_peak, unicode), .tone = Tone::kNote});
  cells.push_back({.text = EscapeTerminal(line.formula, 300), .tone = Tone::kDim});
  return cells;
}

std::vector<Grid::Cell> SumCells(const MemoryEstimate& e, std::string_view title, int64_t MemoryPeak::*sum,
                                 bool ranged) {
  std::vector<Grid::Cell> cells = {{.text = std::string(title), .tone = Tone::kStrong},
                                   {.text = GiB(e.expected.*sum), .tone = Tone::kStrong, .right = true}};
  if (e.gpus > 1) {
    const bool device = sum == &MemoryPeak::device_peak;
    cells.push_back({.text = device ? GiB(e.expected.per_gpu) : "", .tone = Tone::kStrong, .right = true});
  }
  if (ranged) {
    cells.push_back({.text = GiB((*e.low).*sum), .right = true});
    cells.push_back({.text = GiB((*e.high).*sum), .right = true});
  }
  return cells;
}

std::vector<Grid::Cell> HeadCells(const MemoryEstimate& e, bool ranged) {
  std::vector<Grid::Cell> cells = {{.text = ""}, {.text = "GiB", .tone = Tone::kDim, .right = true}};
  if (e.gpus > 1) cells.push_back({.text = "fullest card", .tone = Tone::kDim, .right = true});
  if (ranged) {
    cells.push_back({.text = "low", .tone = Tone::kDim, .right = true});
    cells.push_back({.text = "high", .tone = Tone::kDim, .right = true});
  }
  return cells;
}

// Lines that only the bounds have, as the logits of old runtimes.
void AddForeignLines(const MemoryEstimate& e, bool ranged, Grid& grid) {
  if (!ranged) return;
  const std::optional<MemoryPeak> expected = e.expected;
  std::vector<std::string> shown;
  for (const std::optional<MemoryPeak>* peak : {&e.low, &e.high}) {
    for (const LedgerLine& line : (*peak)->lines) {
      if (!line.at_peak || FindLine(expected, line.id) != nullptr) continue;
      if (std::find(shown.begin(), shown.end(), line.id) != shown.end()) continue;
      shown.push_back(line.id);
      std::vector<Grid::Cell> cells = {{.text = line.title}, {.text = "-", .tone = Tone::kDim, .right = true}};
      if (e.gpus > 1) cells.push_back({});
      cells.push_back({.text = BoundText(e.low, line.id), .tone = Tone::kDim, .right = true});
      cells.push_back({.text = BoundText(e.high, line.id), .tone = Tone::kDim, .right = true});
      cells.push_back({});
      cells.push_back({.text = EscapeTerminal(line.formula, 300), .tone = Tone::kDim});
      grid.Add(std::move(cells));
    }
  }
}

std::string LedgerSection(const MemoryEstimate& e, const Style& style, bool unicode) {
  const bool ranged = e.low && e.high;
  std::string about = e.precision + ", " + EscapeTerminal(e.expected.runtime) + " (" + e.expected.profile +
                      ", attention " + e.expected.attention +
                      (e.expected.kernel == "none" ? "" : ", kernel " + e.expected.kernel) + "), context " +
                      Tokens(e.context);
  if (e.new_tokens > 0) about += " + " + Tokens(e.new_tokens) + " new";
  about += ", batch " + Tokens(e.batch);
  if (e.gpus > 1) about += ", " + Tokens(e.gpus) + " cards";
  Grid grid;
  grid.Add(HeadCells(e, ranged));
  for (const LedgerLine& line : e.expected.lines) {
    if (line.id == "process") {
      AddForeignLines(e, ranged, grid);
      grid.Add(SumCells(e, "= PyTorch's peak", &MemoryPeak::torch_peak, ranged));
    }
    if (line.at_peak) {
      grid.Add(LineCells(e, line, ranged, unicode));
    } else {
      grid.Add({{.text = "(" + line.title + ")", .tone = Tone::kDim},
                {.text = "(" + GiB(line.bytes) + ")", .tone = Tone::kDim, .right = true},
                {.text = "over before the peak: " + line.formula, .tone = Tone::kDim}});
    }
  }
  grid.Add(SumCells(e, e.gpus > 1 ? "= on the cards" : "= on the card", &MemoryPeak::device_peak, ranged));
  std::string out = Heading(style, "Ledger", about) + grid.Render(style);
  if (!e.expected.complete) out += "  " + style.Paint(Tone::kWarning, "partial: see what was left out below") + "\n";
  if (e.kv_bytes_per_token) {
    out += "  a token of context costs " + FormatBytes(static_cast<uint64_t>(*e.kv_bytes_per_token)) + " of KV cache\n";
  }
  return out;
}

Tone ToneOf(Fit fit) { return fit == Fit::kFits ? Tone::kGood : fit == Fit::kDoesNotFit ? Tone::kBad : Tone::kWarning; }

std::string LevelSection(const MemoryEstimate& e, const Style& style) {
  Grid grid;
  grid.Add({{.text = "level", .tone = Tone::kDim},
            {.text = "weights", .tone = Tone::kDim, .right = true},
            {.text = e.gpus > 1 ? "fullest card" : "on the card", .tone = Tone::kDim, .right = true},
            {.text = e.usable ? "verdict" : "", .tone = Tone::kDim},
            {.text = e.usable ? "longest context" : "", .tone = Tone::kDim, .right = true}});
  for (const MemoryLevel& level : e.levels) {
    std::string longest;
    if (level.largest_context) longest = *level.largest_context == 0 ? "none" : Tokens(*level.largest_context);
    if (level.context_capped) longest = "all " + longest;
    grid.Add({{.text = level.name, .tone = level.name == e.recommended ? Tone::kStrong : Tone::kPlain},
              {.text = Optional(level.weights), .right = true},
              {.text = Optional(level.per_gpu), .right = true},
              {.text = e.usable ? ToString(level.fit) : "", .tone = ToneOf(level.fit)},
              {.text = longest, .right = true},
              {.text = level.title, .tone = Tone::kDim}});
  }
  std::string about = "GiB";
  if (e.usable) {
    about += ", " + GiB(*e.usable) + " usable";
    if (!e.gpu.empty())
      about += " of " + EscapeTerminal(e.gpu.front().name) + " (" + GiB(e.gpu.front().visible) + " visible)";
  }
  return Heading(style, "Levels", about) + grid.Render(style);
}

// "5.75 GiB at float16, 11.50 GiB at float32, not 1.93 GiB of weights (+199 %, +497 %)"
std::string FallbackSection(const MemoryEstimate& e, const Style& style) {
  if (e.fallback.empty()) return "";
  std::string sizes, excess;
  for (const MemoryFallback& fallback : e.fallback) {
    sizes += (sizes.empty() ? "" : ", ") + FormatGiB(static_cast<double>(fallback.bytes), 2) + " at " + fallback.dtype;
    excess += (excess.empty() ? "" : ", ") + fmt::format("{:+.0f} %", fallback.excess * 100);
  }
  int64_t as_is = e.expected.weights;
  for (const MemoryLevel& level : e.levels) {
    if (level.name == "as-is" && level.weights) as_is = *level.weights;
  }
  const std::string text = "if the config is missing you will see " + sizes + ", not " +
                           FormatGiB(static_cast<double>(as_is), 2) + " of weights (" + excess + ")";
  return Heading(style, "Fallback") + "  " + style.Wrap(text, 2) + "\n";
}

std::string ListSection(const Style& style, std::string_view title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string out = Heading(style, title);
  for (const std::string& item : items) out += "  - " + style.Wrap(EscapeTerminal(item, 600), 4) + "\n";
  return out;
}

std::string CardsSection(const MemoryEstimate& e, const Style& style) {
  if (e.gpu.empty() || !e.gpu.front().free) return "";
  Grid grid;
  for (const GpuSpec& gpu : e.gpu) {
    grid.Add({{.text = EscapeTerminal(gpu.name)},
              {.text = GiB(gpu.total) + " GiB", .right = true},
              {.text = gpu.free ? GiB(*gpu.free) + " GiB free" : "", .right = true}});
  }
  return Heading(style, "Cards") + grid.Render(style);
}

std::string ObservedSection(const MemoryEstimate& e, const Style& style) {
  if (e.observed.empty()) return "";
  Grid grid;
  int rank = 0;
  for (const MemoryExplanation& explanation : e.observed) {
    const std::string low = GiB(explanation.low), high = GiB(explanation.high);
    grid.Add({{.text = std::to_string(++rank) + ".", .right = true},
              {.text = low == high ? low : low + "-" + high, .right = true},
              {.text = explanation.text, .tone = rank == 1 ? Tone::kStrong : Tone::kPlain}});
  }
  return Heading(style, "What explains the measurement", "best first, GiB") + grid.Render(style);
}

std::string SharesSection(const MemoryEstimate& e, const Style& style, bool unicode) {
  if (e.shares.empty()) return "";
  int64_t whole = 0;
  for (const MemoryShare& share : e.shares) whole = std::max(whole, share.bytes);
  Grid grid;
  for (const MemoryShare& share : e.shares) {
    grid.Add({{.text = EscapeTerminal(share.name)},
              {.text = GiB(share.bytes), .right = true},
              {.text = Tokens(share.count), .tone = Tone::kDim, .right = true},
              {.text = Bar(share.bytes, whole, unicode), .tone = Tone::kNote},
              {.text = EscapeTerminal(share.note), .tone = Tone::kDim}});
  }
  std::string out = Heading(style, "Where the bytes go", "GiB as stored, how many") + grid.Render(style);
  Grid savings;
  for (const MemorySaving& saving : e.savings) {
    savings.Add(
        {{.text = (saving.bytes < 0 ? "+" : "-") + GiB(std::abs(saving.bytes)), .right = true}, {.text = saving.what}});
  }
  return savings.empty() ? out : out + Heading(style, "What would change it", "GiB") + savings.Render(style);
}

}  // namespace

std::string RenderMemoryText(std::string_view model, const MemoryEstimate& e, const RenderOptions& options) {
  const Style style(options);
  std::string out = style.Paint(Tone::kStrong, EscapeTerminal(model)) + "  GPU memory; GiB = 2^30 bytes\n";
  out += ObservedSection(e, style);
  out += SharesSection(e, style, options.unicode);
  out += LedgerSection(e, style, options.unicode);
  out += CardsSection(e, style);
  out += LevelSection(e, style);
  out += Heading(style, "Recommendation") + "  " + style.Paint(Tone::kStrong, e.recommended) + ": " +
         style.Wrap(e.reason, static_cast<int>(e.recommended.size()) + 4) + "\n";
  if (e.capacity) out += "  the engine's cache would hold " + Tokens(*e.capacity) + " tokens on each card\n";
  out += FallbackSection(e, style);
  out +=
      Heading(style, "Loading") + "  reads " + FormatBytes(static_cast<uint64_t>(std::max<int64_t>(e.read_bytes, 0)));
  if (e.host_peak) out += "; host memory up to " + FormatBytes(static_cast<uint64_t>(*e.host_peak));
  out += "; " + style.Wrap(e.host_note, 2) + "\n";
  out += ListSection(style, "Left out", e.left_out);
  if (options.verbosity >= 0) out += ListSection(style, "Assumed", e.assumptions);
  return out;
}

}  // namespace gptq_doctor

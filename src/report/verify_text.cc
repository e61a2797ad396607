#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "report/check_report.h"
#include "report/style.h"
#include "report/verify_report.h"

namespace gptq_doctor {
namespace {

// "model.layers.3" of "model.layers.3.mlp.up_proj"; the whole name where no part is a number.
std::string LayerOf(const std::string& name) {
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const bool number = end > begin && std::all_of(name.begin() + static_cast<std::ptrdiff_t>(begin),
                                                   name.begin() + static_cast<std::ptrdiff_t>(end),
                                                   [](char c) { return c >= '0' && c <= '9'; });
    if (number) return name.substr(0, end);
    begin = end + 1;
  }
  return name;
}

struct Span {  // of one quantity over the modules of a layer
  double low = HUGE_VAL, high = -HUGE_VAL;
  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  std::string Text(int digits) const {
    if (low > high) return "";
    const std::string from = fmt::format("{:.{}f}", low, digits), to = fmt::format("{:.{}f}", high, digits);
    return from == to ? from : from + ".." + to;
  }
};

struct LayerRow {
  int64_t modules = 0, with_defects = 0;
  std::map<int, int64_t> bits;
  Span entropy, error, expected, cosine;
  int64_t dead = 0;
};

std::string BitsText(const std::map<int, int64_t>& bits) {
  std::string out;
  for (const auto& [width, count] : bits) out += (out.empty() ? "" : ",") + std::to_string(width);
  return out;
}

std::string LayerTable(const VerifyReport& check, const Style& style) {
  std::map<std::string, LayerRow, decltype(&NaturalLess)> layers(&NaturalLess);
  for (const ModuleCheck& module : check.modules) {
    LayerRow& row = layers[LayerOf(module.name)];
    ++row.modules;
    ++row.bits[module.bits];
    row.with_defects += module.defects > 0;
    row.entropy.Add(module.entropy);
    row.dead += module.dead_outputs + module.dead_inputs.value_or(0);
    if (!module.base || !HasNumbers(module.base->relation)) continue;
    row.error.Add(module.base->relative_error);
    row.expected.Add(module.base->expected_error);
    row.cosine.Add(module.base->cosine);
  }
  Grid grid;
  std::vector<Grid::Cell> head = {{"layer"}, {"modules", Tone::kPlain, true}, {"bits"}, {"entropy"}, {"dead channels"}};
  if (check.base) head.insert(head.end(), {{"error"}, {"of rounding"}, {"cosine"}});
  head.push_back({""});
  for (Grid::Cell& cell : head) cell.tone = Tone::kDim;
  grid.Add(head);
  for (const auto& [name, row] : layers) {
    std::vector<Grid::Cell> cells = {{EscapeTerminal(name)},
                                     {FormatCount(static_cast<uint64_t>(row.modules)), Tone::kPlain, true},
                                     {BitsText(row.bits)},
                                     {row.entropy.Text(2)},
                                     {FormatCount(static_cast<uint64_t>(row.dead))}};
    if (check.base) cells.insert(cells.end(), {{row.error.Text(3)}, {row.expected.Text(3)}, {row.cosine.Text(3)}});
    const Mark mark = row.with_defects > 0 ? Mark::kBad : Mark::kGood;
    std::string verdict(style.Of(mark));
    if (row.with_defects > 0) verdict += " " + Counted(row.with_defects, "module", "modules") + " with findings";
    cells.push_back({verdict, Style::ToneOf(mark)});
    grid.Add(std::move(cells));
  }
  return grid.Render(style);
}

std::string ReadLine(const VerifyReport& check) {
  const auto read = static_cast<int64_t>(check.modules.size());
  std::string out = read == check.modules_total
                        ? Counted(read, "quantized module", "quantized modules") + " read"
                        : FormatCount(static_cast<uint64_t>(read)) + " of " +
                              Counted(check.modules_total, "quantized module", "quantized modules") + " read" +
                              (check.sampled ? ", a sample" : "");
  if (check.dense_tensors > 0) out += ", " + Counted(check.dense_tensors, "dense tensor", "dense tensors");
  return out + ", " + FormatBytes(check.bytes_read);
}

std::string BaseLine(const BaseReport& base) {
  std::string out =
      "against " + EscapeTerminal(base.path, 1000) + ": " + Counted(base.compared, "module", "modules") + " compared";
  if (base.absent > 0) out += ", " + FormatCount(static_cast<uint64_t>(base.absent)) + " not in it";
  if (base.not_compared > 0)
    out += ", " + FormatCount(static_cast<uint64_t>(base.not_compared)) + " without usable weights";
  const auto differ = static_cast<int64_t>(base.dense_differ.size());
  if (base.dense_equal + differ > 0)
    out += fmt::format("; dense tensors: {} equal, {} different", base.dense_equal, differ);
  if (base.dense_absent > 0) out += ", " + FormatCount(static_cast<uint64_t>(base.dense_absent)) + " not in it";
  return out;
}

std::string HashLines(const VerifyReport& check, const Style& style) {
  int64_t good = 0;
  std::string bad;
  for (const HashCheck& hash : check.hashes) {
    good += hash.matches();
    if (!hash.matches())
      bad += "  " + style.Paint(Tone::kBad, style.Of(Mark::kBad)) + " " + EscapeTerminal(hash.file) + " (" +
             hash.source + ")\n";
  }
  const auto all = static_cast<int64_t>(check.hashes.size());
  return fmt::format("  sha256: {} of {} as recorded\n", good, Counted(all, "file", "files")) + bad;
}

std::string ModelPart(const Diagnosis& model, const VerifyReport& check, bool hashes, const Style& style) {
  std::string out = style.Paint(Tone::kStrong, EscapeTerminal(model.path, 1000)) + "\n";
  out += "  " + style.Wrap(EscapeTerminal(model.verdict, 1000), 2) + "\n  " + ReadLine(check) + "\n";
  if (check.base) out += "  " + BaseLine(*check.base) + "\n";
  if (hashes) out += HashLines(check, style);
  for (const SkippedModule& skipped : check.skipped)
    out += "  not read: " + style.Wrap(EscapeTerminal(skipped.name + ": " + skipped.why, 1000), 12) + "\n";
  if (!check.modules.empty()) out += LayerTable(check, style);
  return out + "\n";
}

}  // namespace

std::string RenderVerifyText(const Report& report, const std::vector<VerifyReport>& checks,
                             const RenderOptions& options) {
  if (options.verbosity <= -2) return "";
  const Style style(options);
  std::string out;
  for (size_t i = 0; i < report.models.size(); ++i)
    out += ModelPart(report.models[i], checks[i], !checks[i].hashes.empty(), style);
  return out + RenderCheckText(report, options);
}

}  // namespace gptq_doctor

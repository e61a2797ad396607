#ifndef GPTQ_DOCTOR_REPORT_STYLE_H_
#define GPTQ_DOCTOR_REPORT_STYLE_H_

// How text for terminals looks: colours, marks with their ASCII twins, columns, wrapping. Colour never carries a
// meaning alone: a mark or a word stands beside it.

#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "report/report.h"

namespace gptq_doctor {

enum class Tone { kPlain, kGood, kBad, kWarning, kNote, kDim, kStrong };
enum class Mark { kGood, kBad, kWarning, kOptional };

class Style {
 public:
  explicit Style(const RenderOptions& options) : options_(options) {}
  std::string Paint(Tone tone, std::string_view text) const;
  std::string_view Of(Mark mark) const;  // one column
  static Tone ToneOf(Mark mark);
  static Tone ToneOf(Severity severity);
  std::string_view Arrow() const { return options_.unicode ? "→" : "->"; }
  std::string_view Times() const { return options_.unicode ? "×" : "x"; }
  int width() const { return options_.width; }
  int verbosity() const { return options_.verbosity; }
  // `text` broken between words to the width, every line after the first indented by `indent` columns. The first is
  // taken to begin at column `indent`. Unlimited width: on one line. What moves a terminal is escaped here as well, if
  // whoever made the text forgot to.
  std::string Wrap(std::string_view text, int indent) const;
  // The beginning of `text` that fits behind `indent` columns, with "..." where something is left out.
  std::string Cut(std::string_view text, int indent) const;

 private:
  friend class Grid;  // whose cells are escaped already
  std::string WrapSafe(std::string_view text, int indent) const;
  std::string CutSafe(std::string_view text, int indent) const;

  RenderOptions options_;
};

// Left-aligned columns, two spaces apart; the last is wrapped or cut to the width.
class Grid {
 public:
  struct Cell {
    std::string text;
    Tone tone = Tone::kPlain;
    bool right = false;
    bool cut = false;  // the last cell: one line is enough unless -v
  };
  explicit Grid(int indent = 2) : indent_(indent) {}
  void Add(std::vector<Cell> row);
  bool empty() const { return rows_.empty(); }
  std::string Render(const Style& style) const;

 private:
  int indent_;
  std::vector<std::vector<Cell>> rows_;
};

// A finding in the manner of rustc, with a final newline; of notes the headline alone unless -v. Used by every command
// that prints findings.
std::string FindingText(const Finding& finding, const Style& style);
// "2 errors, 1 warning, 0 notes", suppressed ones named.
std::string TallyText(const Tally& tally);
// "1 module", "252 modules".
std::string Counted(int64_t count, std::string_view one, std::string_view many);
// Names with their common beginning said once: "model.layers.*.{mlp.up_proj, self_attn.q_proj}".
std::string FoldNames(const std::vector<std::string>& names);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_STYLE_H_

#include "repair/diff.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/text.h"

namespace gptq_doctor {
namespace {

// Above this many cells the changed middle is shown as one replacement instead of being aligned.
constexpr size_t kMaxCells = 4'000'000;
constexpr size_t kMaxLine = 4096;  // bytes shown of a line

using Lines = std::vector<std::string_view>;  // each with its line feed

Lines SplitLines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

struct Step {
  char mark;  // ' ', '-', '+'
  std::string_view line;
};

// A longest common subsequence of the middle, deletions before insertions.
void AlignMiddle(const Lines& a, const Lines& b, std::vector<Step>* steps) {
  const size_t n = a.size(), m = b.size();
  if (n * m > kMaxCells) {
    for (std::string_view line : a) steps->push_back({'-', line});
    for (std::string_view line : b) steps->push_back({'+', line});
    return;
  }
  std::vector<uint32_t> longest((n + 1) * (m + 1), 0);  // [i][j]: of a[i..] and b[j..]
  const auto at = [&](size_t i, size_t j) -> uint32_t& { return longest[i * (m + 1) + j]; };
  for (size_t i = n; i-- > 0;) {
    for (size_t j = m; j-- > 0;) at(i, j) = a[i] == b[j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
  }
  size_t i = 0, j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && a[i] == b[j]) {
      steps->push_back({' ', a[i++]});
      ++j;
    } else if (i < n && (j == m || at(i + 1, j) >= at(i, j + 1))) {
      steps->push_back({'-', a[i++]});
    } else {
      steps->push_back({'+', b[j++]});
    }
  }
}

std::vector<Step> Align(const Lines& a, const Lines& b) {
  size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  std::vector<Step> steps;
  for (size_t i = 0; i < head; ++i) steps.push_back({' ', a[i]});
  AlignMiddle(Lines(a.begin() + head, a.end() - tail), Lines(b.begin() + head, b.end() - tail), &steps);
  for (size_t i = a.size() - tail; i < a.size(); ++i) steps.push_back({' ', a[i]});
  return steps;
}

std::string Escape(std::string_view line) {
  std::string out;
  const bool cut = line.size() > kMaxLine;
  if (cut) line = line.substr(0, kMaxLine);
  while (!line.empty()) {
    const size_t tab = std::min(line.find('\t'), line.size());
    out += EscapeTerminal(line.substr(0, tab), kNoLimit);
    if (tab < line.size()) out += '\t';
    line.remove_prefix(std::min(tab + 1, line.size()));
  }
  return cut ? out + "..." : out;
}

std::string Paint(std::string text, const char* code, bool color) {
  return color ? "\033[" + std::string(code) + "m" + text + "\033[0m" : text;
}

void AppendStep(const Step& step, bool color, std::string* out) {
  std::string_view line = step.line;
  const bool ended = line.ends_with('\n');
  if (ended) line.remove_suffix(1);
  const bool carriage = line.ends_with('\r');
  if (carriage) line.remove_suffix(1);
  const std::string text = step.mark + Escape(line);
  *out += step.mark == ' ' ? text : Paint(text, step.mark == '-' ? "31" : "32", color);
  if (carriage) *out += '\r';
  *out += ended ? "\n" : "\n\\ No newline at end of file\n";
}

std::string RangeOf(size_t first, size_t count) {  // `first` counts from 0
  const size_t line = count == 0 ? first : first + 1;
  return std::to_string(line) + (count == 1 ? "" : "," + std::to_string(count));
}

}  // namespace

std::string UnifiedDiff(std::string_view before, std::string_view after, const DiffOptions& options) {
  const Lines a = SplitLines(before), b = SplitLines(after);
  const std::vector<Step> steps = Align(a, b);
  const size_t context = static_cast<size_t>(std::max(options.context, 0));
  std::string out;
  size_t done = 0, line_a = 0, line_b = 0;  // steps handled, and where they ended
  while (true) {
    size_t change = done;
    while (change < steps.size() && steps[change].mark == ' ') ++change;
    if (change == steps.size()) return out;
    const size_t begin = std::max(done, change - std::min(change, context));
    size_t end = change, equal = 0;  // grows until more than twice the context is unchanged
    for (size_t i = change; i < steps.size() && equal <= 2 * context; ++i) {
      equal = steps[i].mark == ' ' ? equal + 1 : 0;
      if (equal == 0) end = i + 1;
    }
    end = std::min(steps.size(), end + context);
    line_a += begin - done;
    line_b += begin - done;
    size_t count_a = 0, count_b = 0;
    for (size_t i = begin; i < end; ++i) {
      count_a += steps[i].mark != '+';
      count_b += steps[i].mark != '-';
    }
    out +=
        Paint("@@ -" + RangeOf(line_a, count_a) + " +" + RangeOf(line_b, count_b) + " @@", "36", options.color) + "\n";
    for (size_t i = begin; i < end; ++i) AppendStep(steps[i], options.color, &out);
    line_a += count_a;
    line_b += count_b;
    done = end;
  }
}

std::string DiffOf(const Edit& edit, const DiffOptions& options) {
  const std::string name = EscapeTerminal(edit.file, kNoLimit);
  if (edit.kind == EditKind::kRename) {
    const std::string to = EscapeTerminal(edit.to, kNoLimit);
    return Paint("diff --git a/" + name + " b/" + to, "1", options.color) + "\nsimilarity index 100%\nrename from " +
           name + "\nrename to " + to + "\n";
  }
  const std::string from = edit.kind == EditKind::kCreate ? "/dev/null" : "a/" + name;
  const std::string to = edit.kind == EditKind::kRemove ? "/dev/null" : "b/" + name;
  return Paint("--- " + from, "1", options.color) + "\n" + Paint("+++ " + to, "1", options.color) + "\n" +
         UnifiedDiff(edit.before, edit.after, options);
}

}  // namespace gptq_doctor

#ifndef GPTQ_DOCTOR_BASE_TEXT_H_
#define GPTQ_DOCTOR_BASE_TEXT_H_

// Text for people and sinks. Names from files are untrusted: each sink escapes them with its own function here.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gptq_doctor {

// Terminal and logs: C0, C1, DEL, bidi controls (U+202A-202E, U+2066-2069) and invalid UTF-8 as \xNN or \u{...}; longer
// than `limit` bytes is cut with "...".
constexpr size_t kNoLimit = 1 << 30;  // nothing is cut
std::string EscapeTerminal(std::string_view text, size_t limit = 256);
std::string EscapeMarkdown(std::string_view text);  // inside a table cell, not in a code span
std::string MarkdownCode(std::string_view text);    // as a code span
std::string EscapeXml(std::string_view text);  // element text and attribute values; bidi controls as \u{...}; drops
                                               // what XML 1.0 cannot hold
std::string EscapeWorkflowData(std::string_view text);      // GitHub `::error ...::data`
std::string EscapeWorkflowProperty(std::string_view text);  // GitHub `::error file=property`
std::string ShellQuote(std::string_view text);              // single-quoted where anything needs it
std::string LowerAscii(std::string_view text);              // A to Z alone
bool IsValidUtf8(std::string_view text);
std::string ToValidUtf8(std::string_view text);  // invalid bytes become U+FFFD

std::string FormatGiB(double bytes, int digits = 3);  // "5.748 GiB"
std::string FormatBytes(uint64_t bytes);              // "1.93 GiB", "144.5 KiB", "17 B"
std::string FormatCount(uint64_t number);             // "180,491"

// "layers.2" before "layers.10". A strict weak order over byte strings.
bool NaturalLess(std::string_view left, std::string_view right);
// Each dot-separated all-digit part becomes '*': "model.layers.3.mlp" -> "model.layers.*.mlp".
std::string FoldNumbers(std::string_view name);
// The candidate nearest to `word` by edit distance, empty if none is near.
std::string Nearest(std::string_view word, std::span<const std::string_view> candidates);
// Shell-style: * (not across nothing special), ?, [abc]; matches the whole of `name`.
bool GlobMatch(std::string_view pattern, std::string_view name);
int DisplayWidth(std::string_view text);  // columns of UTF-8 text, wide and combining characters counted

// A table of left- or right-aligned columns, two spaces between.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header);
  void AlignRight(size_t column);
  void AddRow(std::vector<std::string> cells);
  // Widest columns are cut with "..." to fit `width` columns; 0 means no limit.
  std::string Render(size_t width = 0) const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_TEXT_H_

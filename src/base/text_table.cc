#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "base/utf8.h"

namespace gptq_doctor {
namespace {

struct Range {
  char32_t first, last;
};

// Combining marks and other characters without a column of their own (Unicode 15, the scripts that occur in names).
constexpr Range kZeroWidth[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},   {0x0E34, 0x0E3A},
    {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x202A, 0x202E},   {0x2060, 0x2064},
    {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
};
// East Asian wide and full-width characters and emoji.
constexpr Range kWide[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},
    {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF},
    {0x20000, 0x2FFFD}, {0x30000, 0x3FFFD},
};

template <size_t kSize>
bool IsIn(const Range (&ranges)[kSize], char32_t value) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [&](const Range& range) { return range.first <= value && value <= range.last; });
}

int WidthOf(char32_t value) {
  if (value < 0x20 || value == 0x7F) return 0;
  if (value < 0x300) return 1;
  if (IsIn(kZeroWidth, value)) return 0;
  return IsIn(kWide, value) ? 2 : 1;
}

size_t Columns(std::string_view text) { return static_cast<size_t>(DisplayWidth(text)); }

// The longest beginning of at most `width` columns, "..." included where something is left out.
std::string CutTo(const std::string& text, size_t width) {
  if (Columns(text) <= width) return text;
  const size_t room = width > 3 ? width - 3 : 0;
  size_t used = 0, at = 0;
  while (at < text.size()) {
    const CodePoint point = DecodeUtf8(text, at);
    const auto columns = static_cast<size_t>(WidthOf(point.value));
    if (used + columns > room) break;
    used += columns;
    at += static_cast<size_t>(point.size);
  }
  return text.substr(0, at) + std::string(std::min<size_t>(3, width), '.');
}

// Takes columns off the widest left-aligned column (the widest at all where none is left) until the row fits.
void Shrink(std::vector<size_t>& widths, const std::vector<bool>& right, size_t limit) {
  constexpr size_t kLeast = 8;  // narrower cells say nothing
  const size_t gaps = 2 * (widths.size() - 1);
  size_t total = std::accumulate(widths.begin(), widths.end(), gaps);
  while (total > limit) {
    size_t widest = widths.size();
    for (const bool numbers : {false, true}) {
      for (size_t i = 0; i < widths.size(); ++i) {
        if (right[i] == numbers && widths[i] > kLeast && (widest == widths.size() || widths[i] > widths[widest])) {
          widest = i;
        }
      }
      if (widest != widths.size()) break;
    }
    if (widest == widths.size()) return;
    --widths[widest];
    --total;
  }
}

}  // namespace

int DisplayWidth(std::string_view text) {
  int width = 0;
  for (size_t at = 0; at < text.size();) {
    if (IsPrintableAscii(text[at])) {
      ++width;
      ++at;
      continue;
    }
    const CodePoint point = DecodeUtf8(text, at);
    width += WidthOf(point.value);
    at += static_cast<size_t>(point.size);
  }
  return width;
}

TextTable::TextTable(std::vector<std::string> header) : right_(header.size(), false) {
  rows_.push_back(std::move(header));
}

void TextTable::AlignRight(size_t column) {
  if (right_.size() <= column) right_.resize(column + 1, false);
  right_[column] = true;
}

void TextTable::AddRow(std::vector<std::string> cells) {
  if (right_.size() < cells.size()) right_.resize(cells.size(), false);
  rows_.push_back(std::move(cells));
}

std::string TextTable::Render(size_t width) const {
  std::vector<size_t> widths(right_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  if (width > 0 && !widths.empty()) Shrink(widths, right_, width);
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = CutTo(row[i], widths[i]);
      const std::string padding(widths[i] - Columns(cell), ' ');
      if (i > 0) line += "  ";
      line += right_[i] ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    const bool headless = &row == &rows_.front() && line.empty();
    if (!headless) out += line + '\n';
  }
  return out;
}

}  // namespace gptq_doctor

// Names against names: natural order, folding, globs and "did you mean".

#include <algorithm>
#include <vector>

#include "base/ascii.h"
#include "base/text.h"

namespace gptq_doctor {
namespace {

// The end of the digit run at `at`.
size_t DigitsEnd(std::string_view text, size_t at) {
  while (at < text.size() && IsDigit(text[at])) ++at;
  return at;
}

std::string_view WithoutLeadingZeros(std::string_view digits) {
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Edit distance with transpositions of neighbours (optimal string alignment), case of ASCII letters ignored.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> two_back(b.size() + 1), back(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) back[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      row[j] = std::min({back[j] + 1, row[j - 1] + 1, back[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) && Lower(a[i - 2]) == Lower(b[j - 1])) {
        row[j] = std::min(row[j], two_back[j - 2] + 1);
      }
    }
    two_back.swap(back);
    back.swap(row);
  }
  return back[b.size()];
}

// Matches one character against the pattern at `at`, which is not '*'; moves `at` behind what it used.
bool MatchOne(std::string_view pattern, size_t& at, char c) {
  if (pattern[at] == '?') {
    ++at;
    return true;
  }
  if (pattern[at] == '\\' && at + 1 < pattern.size()) {
    at += 2;
    return pattern[at - 1] == c;
  }
  if (pattern[at] == '[') {
    const bool negated = at + 1 < pattern.size() && (pattern[at + 1] == '!' || pattern[at + 1] == '^');
    const size_t first = at + (negated ? 2 : 1);
    const size_t close = pattern.find(']', first + 1);  // a ']' in first place is a member
    if (close != std::string_view::npos) {
      bool found = false;
      for (size_t i = first; i < close; ++i) {
        if (i + 2 < close && pattern[i + 1] == '-') {
          found |= pattern[i] <= c && c <= pattern[i + 2];
          i += 2;
        } else {
          found |= pattern[i] == c;
        }
      }
      at = close + 1;
      return found != negated;
    }
  }
  return pattern[at++] == c;
}

}  // namespace

bool NaturalLess(std::string_view left, std::string_view right) {
  size_t i = 0, j = 0;
  while (i < left.size() && j < right.size()) {
    if (IsDigit(left[i]) && IsDigit(right[j])) {
      const size_t i_end = DigitsEnd(left, i), j_end = DigitsEnd(right, j);
      const std::string_view a = WithoutLeadingZeros(left.substr(i, i_end - i));
      const std::string_view b = WithoutLeadingZeros(right.substr(j, j_end - j));
      if (a.size() != b.size()) return a.size() < b.size();
      if (a != b) return a < b;
      i = i_end;
      j = j_end;
      continue;
    }
    if (left[i] != right[j]) return static_cast<unsigned char>(left[i]) < static_cast<unsigned char>(right[j]);
    ++i;
    ++j;
  }
  const bool left_done = i == left.size(), right_done = j == right.size();
  if (left_done != right_done) return left_done;
  return left < right;  // equal but for leading zeros
}

std::string FoldNumbers(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  for (size_t begin = 0;;) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const bool number = end > begin && DigitsEnd(name, begin) >= end;
    out += number ? "*" : name.substr(begin, end - begin);
    if (end == name.size()) return out;
    out += '.';
    begin = end + 1;
  }
}

std::string Nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr size_t kLongest = 128;  // keeps the quadratic distance small on hostile names
  if (word.empty() || word.size() > kLongest) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.empty() || candidate.size() > kLongest) continue;
    const size_t longer = std::max(candidate.size(), word.size()), shorter = std::min(candidate.size(), word.size());
    if (longer - shorter >= best_distance) continue;
    const size_t distance = EditDistance(word, candidate);
    // A distance as long as the word itself replaces everything.
    if (distance < best_distance && distance < longer) {
      best = candidate;
      best_distance = distance;
    }
  }
  return std::string(best);
}

bool GlobMatch(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0;
  size_t star = std::string_view::npos, resume = 0;  // behind the last '*', and the name's position it stands for
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      resume = n;
      continue;
    }
    if (p < pattern.size() && MatchOne(pattern, p, name[n])) {
      ++n;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star;
    n = ++resume;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace gptq_doctor

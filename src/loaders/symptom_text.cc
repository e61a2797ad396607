#include "loaders/symptom_text.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/dotted_name.h"

namespace gptq_doctor {
namespace {

bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }
// UTF-8 that was read as Latin-1 and encoded again: the letter of a lead byte followed by those of as many continuation
// bytes as it announces.
size_t TwiceEncoded(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  size_t sequences = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (byte(at) != 0xC3 || byte(at + 1) < 0x82 || byte(at + 1) > 0xB4) continue;
    const size_t announced = byte(at + 1) < 0xA0 ? 1 : byte(at + 1) < 0xB0 ? 2 : 3;
    size_t continued = 0;
    while (continued < announced && byte(at + 2 + 2 * continued) == 0xC2) ++continued;
    sequences += continued == announced ? 1 : 0;
  }
  return sequences;
}

// Without "valueerror: " in front.
std::string_view WithoutException(std::string_view text) {
  const size_t colon = text.find(": ");
  if (colon == std::string_view::npos) return text;
  const std::string_view name = text.substr(0, colon);
  const bool exception = name.ends_with("error") && name.find(' ') == std::string_view::npos;
  return exception ? text.substr(colon + 2) : text;
}

// The literal piece in front of the next field ("{name}"), which is taken off `text` with it.
std::string_view NextPiece(std::string_view& text) {
  for (size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    size_t end = at + 1;
    while (end < text.size() && (IsLetter(text[end]) || text[end] == '_')) ++end;
    if (end == at + 1 || end >= text.size() || text[end] != '}') continue;
    const std::string_view piece = text.substr(0, at);
    text.remove_prefix(end + 1);
    return piece;
  }
  const std::string_view piece = text;
  text = {};
  return piece;
}

bool IsTensorName(std::string_view name) {
  static constexpr std::string_view kLeaves[] = {"weight", "bias", "qweight", "qzeros", "scales", "g_idx"};
  const std::string_view leaf = LastPart(name);
  if (leaf.size() == name.size() || leaf.empty() || !IsLetter(leaf.front()) || !IsLetter(name.front())) return false;
  if (std::find(std::begin(kLeaves), std::end(kLeaves), leaf) != std::end(kLeaves)) return true;
  for (std::string_view rest = ParentPart(name); !rest.empty(); rest = ParentPart(rest)) {
    const std::string_view part = LastPart(rest);
    const bool number = !part.empty() && std::all_of(part.begin(), part.end(), IsDigit);
    if (number && !ParentPart(rest).empty()) return true;  // of a layer
  }
  return false;
}

}  // namespace

std::string NormalizeMessage(std::string_view text) {
  std::string plain;
  bool space = false;
  for (size_t at = 0; at < text.size() && plain.size() < 20'000; ++at) {
    const char c = text[at];
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      space = !plain.empty();
      continue;
    }
    if (space) plain += ' ';
    space = false;
    if (text.substr(at).starts_with("\u2018") || text.substr(at).starts_with("\u2019")) {
      plain += '\'';
      at += 2;
    } else if (text.substr(at).starts_with("\u201c") || text.substr(at).starts_with("\u201d")) {
      plain += '"';
      at += 2;
    } else {
      plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return plain;
}

size_t FindAlternative(std::string_view alternatives, std::string_view text) {
  size_t longest = 0;
  while (!alternatives.empty()) {
    const std::string_view needle = alternatives.substr(0, alternatives.find('|'));
    alternatives.remove_prefix(std::min(alternatives.size(), needle.size() + 1));
    if (text.find(needle) != std::string_view::npos) longest = std::max(longest, needle.size());
  }
  return longest;
}

size_t CoverOfTemplate(std::string_view text, std::string_view plain) {
  const std::string whole = NormalizeMessage(text.substr(0, text.find('\n')));
  std::string_view rest = WithoutException(whole);
  size_t from = 0, cover = 0, longest = 0;
  while (!rest.empty()) {
    const std::string_view piece = NextPiece(rest);
    const size_t at = plain.find(piece, from);
    if (at == std::string_view::npos) return 0;
    from = at + piece.size();
    cover += piece.size();
    longest = std::max(longest, piece.size());
  }
  return cover >= 20 && longest >= 12 ? cover : 0;
}

std::vector<std::string_view> TensorNamesIn(std::string_view plain) {
  const auto in_name = [](char c) { return IsLetter(c) || IsDigit(c) || c == '_' || c == '.'; };
  std::vector<std::string_view> names;
  for (size_t at = 0; at < plain.size();) {
    size_t end = at;
    while (end < plain.size() && in_name(plain[end])) ++end;
    std::string_view name = plain.substr(at, end - at);
    while (name.ends_with('.')) name.remove_suffix(1);
    const bool path = at > 0 && (plain[at - 1] == '/' || plain[at - 1] == '-');
    if (!path && IsTensorName(name)) names.push_back(name);
    at = end + 1;
  }
  return names;
}

std::vector<int64_t> NumbersIn(std::string_view text) {
  std::vector<int64_t> numbers;
  for (size_t at = 0; at < text.size() && numbers.size() < 16;) {
    if (text[at] < '0' || text[at] > '9') {
      ++at;
      continue;
    }
    int64_t value = 0;
    int digits = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      if (++digits < 16) value = value * 10 + (text[at] - '0');
    }
    numbers.push_back(value);
  }
  return numbers;
}

int64_t NumberAfter(std::string_view text, std::string_view label) {
  const size_t at = text.find(label);
  if (at == std::string_view::npos || at + label.size() >= text.size() || !IsDigit(text[at + label.size()])) return -1;
  return NumbersIn(text.substr(at + label.size())).front();
}

bool LooksGarbled(std::string_view text) {
  // The same character over and over, replacement characters, text encoded twice, or many changes between scripts.
  size_t run = 1, longest = 1, foreign = 0, changes = 0, letters = 0;
  bool last_foreign = false;
  for (size_t at = 0; at < text.size(); ++at) {
    if (at > 0 && text[at] == text[at - 1] && text[at] != ' ' && text[at] != '\n' && text[at] != '-' &&
        text[at] != '=' && text[at] != '.') {
      longest = std::max(longest, ++run);
    } else {
      run = 1;
    }
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x80 && byte < 0xC0) continue;
    const bool is_foreign = byte >= 0xCE;  // from Greek on; below are Latin letters with marks
    if (byte > ' ') {
      ++letters;
      foreign += is_foreign ? 1 : 0;
      changes += is_foreign != last_foreign ? 1 : 0;
      last_foreign = is_foreign;
    }
  }
  if (longest >= 8) return true;
  if (text.find("\xEF\xBF\xBD") != std::string_view::npos || TwiceEncoded(text) > 1) return true;
  return letters >= 12 && foreign * 5 >= letters && changes * 6 >= letters;
}

}  // namespace gptq_doctor

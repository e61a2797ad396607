#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

std::string ByteEscape(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return {'\\', 'x', kHex[byte >> 4], kHex[byte & 0xF]};
}

std::string DeceptiveEscape(char32_t c) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), uint32_t{c}, 16).ptr;
  return "\\u{" + std::string(digits.data(), end) + "}";
}

// Calls each(piece, changed) for every code point: itself, or its escape where a terminal must not see it.
template <typename Each>
void ForEachVisible(std::string_view text, const Each& each) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = DecodeUtf8(text, at);
    if (!point.valid || point.value < 0x20 || point.value == 0x7F) {
      each(std::string_view(ByteEscape(text[at])), true);
    } else if (IsDeceptive(point.value)) {
      each(std::string_view(DeceptiveEscape(point.value)), true);
    } else {
      each(text.substr(at, static_cast<size_t>(point.size)), false);
    }
    at += static_cast<size_t>(point.size);
  }
}

std::string Visible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachVisible(text, [&](std::string_view piece, bool) { out += piece; });
  return out;
}

std::string EscapeWorkflow(std::string_view text, bool property) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t special = text.find_first_of(property ? "%\r\n:," : "%\r\n", at);
    out += Visible(text.substr(at, special - at));
    if (special == std::string_view::npos) break;
    const auto byte = static_cast<uint8_t>(text[special]);
    out += {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 0xF]};
    at = special + 1;
  }
  return out;
}

std::string Fixed(double value, int digits) {
  std::array<char, 400> buffer{};
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, digits);
  return result.ec == std::errc() ? std::string(buffer.data(), result.ptr) : "?";
}

}  // namespace

std::string EscapeTerminal(std::string_view text, size_t limit) {
  if (text.size() <= limit && std::ranges::all_of(text, IsPrintableAscii)) return std::string(text);
  std::string out;
  size_t room = 0;  // the last length at which "..." still fits
  bool cut = false;
  ForEachVisible(text.substr(0, limit + 1), [&](std::string_view piece, bool) {
    if (cut) return;
    if (out.size() + piece.size() > limit) {
      cut = true;
      return;
    }
    out += piece;
    if (out.size() + 3 <= limit) room = out.size();
  });
  if (!cut && text.size() <= limit) return out;
  out.resize(room);
  return out += "...";
}

std::string EscapeMarkdown(std::string_view text) {
  std::string out;
  ForEachVisible(text, [&](std::string_view piece, bool) {
    for (const char c : piece) {
      if (c == '&') {
        out += "&amp;";
        continue;
      }
      if (std::string_view("\\`*_[]<>!|~#").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  });
  return out;
}

std::string MarkdownCode(std::string_view text) {
  const std::string visible = Visible(text);
  if (visible.empty()) return {};
  size_t longest = 0, run = 0;
  std::string body;
  for (const char c : visible) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
    if (c == '|') body += '\\';  // a table cell ends at any bare bar, even in a code span
    body += c;
  }
  const std::string fence(longest + 1, '`');
  const bool pad = body.front() == '`' || body.back() == '`' || (body.front() == ' ' && body.back() == ' ');
  const std::string blank = pad ? " " : "";
  return fence + blank + body + blank + fence;
}

std::string EscapeXml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = DecodeUtf8(text, at);
    at += static_cast<size_t>(point.size);
    switch (point.value) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\t':
        out += "&#9;";
        break;  // attribute values would turn these into spaces
      case '\n':
        out += "&#10;";
        break;
      case '\r':
        out += "&#13;";
        break;
      default:
        if (IsDeceptive(point.value)) {
          out += DeceptiveEscape(point.value);
        } else if (point.value >= 0x20 && point.value != 0xFFFE && point.value != 0xFFFF) {
          AppendUtf8(out, point.value);
        }
    }
  }
  return out;
}

std::string EscapeWorkflowData(std::string_view text) { return EscapeWorkflow(text, false); }
std::string EscapeWorkflowProperty(std::string_view text) { return EscapeWorkflow(text, true); }

std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string ShellQuote(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return std::string(text);
  bool hidden = false;
  ForEachVisible(text, [&](std::string_view, bool changed) { hidden |= changed; });
  std::string out = hidden ? "$'" : "'";
  if (!hidden) {
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out += "'";
  }
  // bash and zsh read $'...'; every byte that a terminal must not see is spelled out.
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = DecodeUtf8(text, at);
    const std::string_view bytes = text.substr(at, static_cast<size_t>(point.size));
    if (!point.valid || point.value < 0x20 || point.value == 0x7F || IsDeceptive(point.value)) {
      for (const char c : bytes) out += ByteEscape(c);
    } else {
      if (bytes == "'" || bytes == "\\") out += '\\';
      out += bytes;
    }
    at += bytes.size();
  }
  return out += "'";
}

bool IsValidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = DecodeUtf8(text, at);
    if (!point.valid) return false;
    at += static_cast<size_t>(point.size);
  }
  return true;
}

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = DecodeUtf8(text, at);
    AppendUtf8(out, point.value);
    at += static_cast<size_t>(point.size);
  }
  return out;
}

std::string FormatGiB(double bytes, int digits) { return Fixed(bytes / (1024.0 * 1024.0 * 1024.0), digits) + " GiB"; }

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  struct Unit {
    const char* name;
    int digits;
  };
  static constexpr Unit kUnits[] = {{"KiB", 1}, {"MiB", 1}, {"GiB", 2}, {"TiB", 2}, {"PiB", 2}, {"EiB", 2}};
  size_t unit = 0;
  double value = static_cast<double>(bytes) / 1024.0;
  // 1023.95 KiB would round to 1024.0 KiB.
  while (unit + 1 < std::size(kUnits) && value >= 1024.0 - 0.5 * std::pow(10.0, -kUnits[unit].digits)) {
    value /= 1024.0;
    ++unit;
  }
  return Fixed(value, kUnits[unit].digits) + " " + kUnits[unit].name;
}

std::string FormatCount(uint64_t number) {
  std::string out = std::to_string(number);
  for (size_t at = out.size(); at > 3;) {
    at -= 3;
    out.insert(at, 1, ',');
  }
  return out;
}

}  // namespace gptq_doctor

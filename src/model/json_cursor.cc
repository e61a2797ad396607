#include "model/json_cursor.h"

#include <bitset>
#include <utility>

#include "base/ascii.h"
#include "model/defect_list.h"

namespace gptq_doctor {
namespace {

// Four hexadecimal digits, -1 where they are none.
int Hex4(const char* p) {
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    int digit = 0;
    if (IsDigit(c))
      digit = c - '0';
    else if (c >= 'a' && c <= 'f')
      digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
      digit = c - 'A' + 10;
    else
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

bool IsHighSurrogate(int unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool IsLowSurrogate(int unit) { return unit >= 0xDC00 && unit < 0xE000; }

char* PutUtf8(char* to, uint32_t code) {
  if (code < 0x80) {
    *to++ = static_cast<char>(code);
  } else if (code < 0x800) {
    *to++ = static_cast<char>(0xC0 | code >> 6);
    *to++ = static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *to++ = static_cast<char>(0xE0 | code >> 12);
    *to++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *to++ = static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *to++ = static_cast<char>(0xF0 | code >> 18);
    *to++ = static_cast<char>(0x80 | (code >> 12 & 0x3F));
    *to++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *to++ = static_cast<char>(0x80 | (code & 0x3F));
  }
  return to;
}

}  // namespace

size_t Utf8Sequence(const char* p, const char* end) {
  const auto byte = [p](size_t i) { return static_cast<unsigned char>(p[i]); };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  const auto left = static_cast<size_t>(end - p);
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return left >= 2 && tail(1) ? 2 : 0;
  if (left < 3 || !tail(1) || !tail(2)) return 0;
  if (first < 0xF0) {
    if (first == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (left < 4 || !tail(3)) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return 4;
}

void JsonCursor::Note(const char* at, TextFault fault, const char* message, bool describe) {
  if (++counts_[fault == TextFault::kUtf8] > kMaxProblems) return;
  problems_.push_back({OffsetOf(at), fault, describe ? message + Describe(at) : std::string(message)});
}

void JsonCursor::Fail(const char* at, std::string message, TextFault fault) {
  if (failed_) return;
  failed_ = true;
  problems_.push_back({OffsetOf(at), fault, std::move(message)});
}

std::string JsonCursor::Describe(const char* at) const {
  if (at >= end_) return "the end of the text";
  const auto byte = static_cast<unsigned char>(*at);
  if (byte == 0xEF && end_ - at >= 3 && StartsWith(at, "\xEF\xBB\xBF")) return "a byte order mark";
  if (byte == '\'') return "a single quote";
  if (byte > 0x20 && byte < 0x7F) return Concat({"'", std::string_view(at, 1), "'"});
  constexpr char kHex[] = "0123456789ABCDEF";
  const char hex[] = {'b', 'y', 't', 'e', ' ', '0', 'x', kHex[byte >> 4], kHex[byte & 15]};
  return std::string(hex, sizeof hex);
}

bool JsonCursor::Expect(char c, const char* where) {
  if (Accept(c)) return true;
  Fail(p, Concat({"expected '", std::string_view(&c, 1), "' ", where, ", found ", Describe(p)}));
  return false;
}

const char* JsonCursor::CheckEscape(const char* at, RawString* out) {
  out->escaped = true;
  switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
      return at + 2;
    case 'u':
      break;
    default:
      out->valid = false;
      Note(at, TextFault::kSyntax, "a string holds an escape that JSON does not know");
      return at + 1;
  }
  const int unit = Hex4(at + 2);
  if (unit < 0) {
    out->valid = false;
    Note(at, TextFault::kSyntax, "\\u without four hexadecimal digits");
    return at + 2;
  }
  if (IsHighSurrogate(unit) && at[6] == '\\' && at[7] == 'u' && IsLowSurrogate(Hex4(at + 8))) return at + 12;
  if (IsHighSurrogate(unit) || IsLowSurrogate(unit)) {
    out->valid = false;
    Note(at, TextFault::kHalfSurrogate, "\\u with half of a surrogate pair");
  }
  return at + 6;
}

bool JsonCursor::ReadString(RawString* out) {
  const char* const open = p;
  const char* at = p + 1;
  *out = {at, 0, false, true};
  for (;;) {
    at = ScanString(at);
    const auto byte = static_cast<unsigned char>(*at);
    if (byte == '"') break;
    if (byte == '\\') {
      at = CheckEscape(at, out);
    } else if (byte >= 0x80) {
      const size_t length = Utf8Sequence(at, end_);
      if (length == 0) {
        out->valid = false;
        Note(at, TextFault::kUtf8, "invalid UTF-8 in a string: ", true);
      }
      at += length == 0 ? 1 : length;
    } else {
      if (at >= end_) {
        Fail(open, "a string that never ends");
        return false;
      }
      out->valid = false;
      Note(at, TextFault::kSyntax, "a raw control character in a string: ", true);
      ++at;
    }
  }
  if (at >= end_) {  // an escape ran over the end
    Fail(open, "a string that never ends");
    return false;
  }
  out->size = static_cast<size_t>(at - out->data);
  p = at + 1;
  return true;
}

bool JsonCursor::SkipScalar() {
  switch (*p) {
    case '"': {
      RawString ignored;
      return ReadString(&ignored);
    }
    case 't':
      if (!StartsWith(p, "true")) break;
      p += 4;
      return true;
    case 'f':
      if (!StartsWith(p, "false")) break;
      p += 5;
      return true;
    case 'n':
      if (!StartsWith(p, "null")) break;
      p += 4;
      return true;
    default: {
      std::string_view ignored;
      return ReadNumber(&ignored);
    }
  }
  Fail(p, Concat({"expected a value, found ", Describe(p)}));
  return false;
}

bool JsonCursor::SkipKey() {
  SkipSpace();
  if (*p != '"') {
    Fail(p, Concat({"expected a key in double quotes, found ", Describe(p)}));
    return false;
  }
  RawString ignored;
  return ReadString(&ignored) && Expect(':', "after a key");
}

bool JsonCursor::SkipValue(int depth) {
  std::bitset<kMaxDepth + 1> is_object;
  int level = depth;  // containers open, those around the value included
  for (;;) {
    SkipSpace();
    bool complete = true;
    if (*p == '{' || *p == '[') {
      if (++level > kMaxDepth) {
        Fail(p, "nested more than 127 deep", TextFault::kDepth);
        return false;
      }
      is_object[level] = *p == '{';
      const char close = *p == '{' ? '}' : ']';
      ++p;
      if (Accept(close)) {
        --level;
      } else {
        if (is_object[level] && !SkipKey()) return false;
        complete = false;
      }
    } else if (!SkipScalar()) {
      return false;
    }
    while (complete && level > depth) {
      if (Accept(',')) {
        if (is_object[level] && !SkipKey()) return false;
        complete = false;
      } else if (Accept(is_object[level] ? '}' : ']')) {
        --level;
      } else {
        Fail(p, Concat({"expected ',' or '", is_object[level] ? "}" : "]", "', found ", Describe(p)}));
        return false;
      }
    }
    if (complete) return true;
  }
}

size_t Unescape(const RawString& raw, char* to) {
  char* const start = to;
  const char* p = raw.data;
  const char* const end = p + raw.size;
  while (p < end) {
    if (*p != '\\' || end - p < 2) {
      *to++ = *p++;
      continue;
    }
    const char kind = p[1];
    if (kind == 'u' && end - p >= 6) {
      int unit = Hex4(p + 2);
      if (IsHighSurrogate(unit) && end - p >= 12 && p[6] == '\\' && p[7] == 'u' && IsLowSurrogate(Hex4(p + 8))) {
        unit = 0x10000 + ((unit - 0xD800) << 10) + (Hex4(p + 8) - 0xDC00);
        p += 6;
      } else if (unit < 0 || IsHighSurrogate(unit) || IsLowSurrogate(unit)) {
        *to++ = *p++;
        continue;
      }
      to = PutUtf8(to, static_cast<uint32_t>(unit));
      p += 6;
      continue;
    }
    switch (kind) {
      case '"':
      case '\\':
      case '/':
        *to++ = kind;
        break;
      case 'b':
        *to++ = '\b';
        break;
      case 'f':
        *to++ = '\f';
        break;
      case 'n':
        *to++ = '\n';
        break;
      case 'r':
        *to++ = '\r';
        break;
      case 't':
        *to++ = '\t';
        break;
      default:
        *to++ = *p++;
        continue;
    }
    p += 2;
  }
  return static_cast<size_t>(to - start);
}

std::string Unescaped(const RawString& raw) {
  if (!raw.escaped) return std::string(raw.view());
  std::string out(raw.size, '\0');
  out.resize(Unescape(raw, out.data()));
  return out;
}

}  // namespace gptq_doctor

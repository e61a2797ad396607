#include <algorithm>
#include <numeric>

#include "base/json.h"
#include "base/utf8.h"

namespace gptq_doctor {
namespace {

constexpr int kMaxDepth = 127;  // as serde_json, which the reference header reader uses
constexpr size_t kMaxDefects = 100;
constexpr size_t kMaxRepairs = 1'000'000;  // bounds memory; beyond it a document counts as beyond repair
constexpr size_t kMaxValues = 4'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordCharacter(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '+' || c == '-' || c == '.';
}

// The length of the longest prefix that is a JSON number; 0 if none.
size_t NumberLength(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at - begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  if (at < text.size() && text[at] == '0') {
    ++at;
  } else if (digits() == 0) {
    return 0;
  }
  size_t end = at;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return end;
    end = at;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() > 0) end = at;
  }
  return end;
}

std::string Hex(uint32_t value, int digits) {
  std::string out;
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 0xF];
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}
  JsonDocument Run();

 private:
  // Where reading goes on after something was read.
  enum class Next { kGo, kStop };

  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return text_[at_]; }

  void Report(JsonDefectKind kind, size_t offset, std::string message);
  void Repair(JsonDefectKind kind, JsonRange range, std::string replacement, std::string message);
  Next Stop(std::string message) {
    Report(JsonDefectKind::kSyntax, at_, std::move(message));
    return Next::kStop;
  }
  Next StopAtEnd(std::string_view inside) {
    at_ = text_.size();
    return Stop("the text ends in the middle of " + std::string(inside));
  }
  std::string Here() const;

  bool ReadMark();
  Next SkipBlanks();
  Next ReadDocument();
  Next ReadValue(JsonValue& value, int depth);
  Next ReadArray(JsonValue& value, int depth);
  Next ReadObject(JsonValue& value, int depth);
  Next ReadObjectMembers(JsonValue& value, int depth);
  Next ReadMember(JsonMember& member, int depth);
  // After a value: consumes ',' or `close`. `done` tells which.
  Next ReadSeparator(char close, bool& done);
  Next ReadNumber(JsonValue& value);
  Next ReadWord(JsonValue& value);
  Next ReadString(std::string& out, JsonRange& range);
  Next ReadEscape(std::string& out, char quote);
  void ReadControl(std::string& out, char quote);
  bool ReadHex4(size_t at, char32_t& value) const;
  void FindDuplicates(const std::vector<JsonMember>& members);
  void Finish();

  std::string_view text_;
  size_t at_ = 0;
  size_t values_ = 0;
  bool invalid_ = false, hopeless_ = false;
  bool invalid_utf8_ = false;
  JsonDocument document_;
};

void Parser::Report(JsonDefectKind kind, size_t offset, std::string message) {
  if (kind != JsonDefectKind::kDuplicateKey && kind != JsonDefectKind::kNonFinite) invalid_ = hopeless_ = true;
  if (document_.defects.size() >= kMaxDefects) return;
  JsonDefect defect;
  defect.kind = kind;
  defect.offset = offset;
  defect.message = std::move(message);
  document_.defects.push_back(std::move(defect));
}

void Parser::Repair(JsonDefectKind kind, JsonRange range, std::string replacement, std::string message) {
  const bool was_hopeless = hopeless_;
  const size_t before = document_.defects.size();
  Report(kind, range.begin, std::move(message));
  hopeless_ = was_hopeless || document_.repairs.size() >= kMaxRepairs;
  if (document_.defects.size() > before) {
    document_.defects.back().range = range;
    document_.defects.back().replacement = replacement;
  }
  if (document_.repairs.size() < kMaxRepairs) document_.repairs.push_back({range, std::move(replacement)});
}

// The character at the reading position, for messages.
std::string Parser::Here() const {
  const CodePoint point = DecodeUtf8(text_, at_);
  if (!point.valid) return "the byte 0x" + Hex(static_cast<uint8_t>(Peek()), 2);
  if (point.value >= 0x21 && point.value < 0x7F) return "\"" + std::string(1, Peek()) + "\"";
  std::string out = "the character U+" + Hex(point.value, point.value > 0xFFFF ? 6 : 4);
  if (point.value >= 0x2018 && point.value <= 0x201F) out += " (a typographic quotation mark)";
  return out;
}

// A byte order mark. False where the text is not UTF-8 at all.
bool Parser::ReadMark() {
  if (text_.starts_with("\xEF\xBB\xBF")) {
    Repair(JsonDefectKind::kByteOrderMark, {0, 3}, "", "the text begins with a byte order mark");
    at_ = 3;
  } else if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF")) {
    Report(JsonDefectKind::kByteOrderMark, 0, "the text is UTF-16, JSON files are UTF-8");
    return false;
  }
  return true;
}

Parser::Next Parser::SkipBlanks() {
  while (!AtEnd()) {
    const char c = Peek();
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      ++at_;
      continue;
    }
    const bool line = c == '#' || text_.substr(at_, 2) == "//";
    if (!line && text_.substr(at_, 2) != "/*") break;
    const size_t begin = at_;
    size_t end = line ? text_.find('\n', begin) : text_.find("*/", begin + 2);
    if (end == std::string_view::npos) {
      if (!line) return StopAtEnd("a comment");
      end = text_.size();
    }
    if (line && text_[end - 1] == '\r') --end;
    if (!line) end += 2;
    Repair(JsonDefectKind::kComment, {begin, end}, "", "a comment, which JSON does not have");
    at_ = end;
  }
  return Next::kGo;
}

JsonDocument Parser::Run() {
  if (ReadMark()) (void)ReadDocument();
  Finish();
  return std::move(document_);
}

Parser::Next Parser::ReadDocument() {
  if (SkipBlanks() == Next::kStop) return Next::kStop;
  if (text_.find_first_not_of('\0', at_) == std::string_view::npos) {
    Report(JsonDefectKind::kEmpty, at_,
           text_.empty() ? "the file is empty"
           : AtEnd()     ? "the file holds no JSON, only blanks"
                         : "the file holds nothing but NUL bytes");
    return Next::kStop;
  }
  JsonValue root;
  const Next next = ReadValue(root, 1);
  if (root.range.end > root.range.begin) document_.root = std::move(root);
  if (next == Next::kStop || SkipBlanks() == Next::kStop) return Next::kStop;
  if (!AtEnd()) {
    Report(JsonDefectKind::kTrailingText, at_, "the document is followed by " + Here());
  }
  return Next::kGo;
}

// Leaves value.range empty where nothing could be read.
Parser::Next Parser::ReadValue(JsonValue& value, int depth) {
  if (AtEnd()) return StopAtEnd("the document");
  const char c = Peek();
  if (c == '{' || c == '[') {
    if (depth > kMaxDepth) {
      Report(JsonDefectKind::kDepth, at_, "values are nested deeper than " + std::to_string(kMaxDepth) + " levels");
      return Next::kStop;
    }
    return c == '{' ? ReadObject(value, depth) : ReadArray(value, depth);
  }
  if (c == '"' || c == '\'') {
    value.kind = JsonKind::kString;
    return ReadString(value.text, value.range);
  }
  if (IsDigit(c) || c == '-' || c == '+' || c == '.') return ReadNumber(value);
  if (IsWordCharacter(c)) return ReadWord(value);
  return Stop("a value is expected, not " + Here());
}

Parser::Next Parser::ReadSeparator(char close, bool& done) {
  done = false;
  const char* const inside = close == '}' ? "an object" : "an array";
  if (SkipBlanks() == Next::kStop) return Next::kStop;
  if (AtEnd()) return StopAtEnd(inside);
  if (Peek() == close) {
    ++at_;
    done = true;
    return Next::kGo;
  }
  if (Peek() != ',') return Stop(std::string("a comma or \"") + close + "\" is expected, not " + Here());
  const size_t comma = at_++;
  if (SkipBlanks() == Next::kStop) return Next::kStop;
  if (AtEnd()) return StopAtEnd(inside);
  if (Peek() == close) {
    Repair(JsonDefectKind::kTrailingComma, {comma, comma + 1}, "",
           std::string("a comma stands before \"") + close + "\"");
    ++at_;
    done = true;
  }
  return Next::kGo;
}

Parser::Next Parser::ReadArray(JsonValue& value, int depth) {
  value.kind = JsonKind::kArray;
  value.range = {at_, at_ + 1};
  ++at_;
  Next next = SkipBlanks();
  bool done = false;
  if (next == Next::kGo && AtEnd()) next = StopAtEnd("an array");
  if (next == Next::kGo && Peek() == ']') {
    ++at_;
    done = true;
  }
  while (next == Next::kGo && !done) {
    const bool keep = ++values_ <= kMaxValues;
    JsonValue dropped;
    if (keep) value.items.emplace_back();
    JsonValue& item = keep ? value.items.back() : dropped;
    next = ReadValue(item, depth + 1);
    if (keep && item.range.end == item.range.begin) value.items.pop_back();
    if (next == Next::kGo) next = ReadSeparator(']', done);
  }
  value.range.end = at_;
  return next;
}

Parser::Next Parser::ReadObject(JsonValue& value, int depth) {
  value.kind = JsonKind::kObject;
  value.range = {at_, at_ + 1};
  ++at_;
  const Next next = ReadObjectMembers(value, depth);
  value.range.end = at_;
  FindDuplicates(value.members);
  return next;
}

Parser::Next Parser::ReadObjectMembers(JsonValue& value, int depth) {
  if (SkipBlanks() == Next::kStop) return Next::kStop;
  if (AtEnd()) return StopAtEnd("an object");
  if (Peek() == '}') {
    ++at_;
    return Next::kGo;
  }
  for (;;) {
    const bool keep = ++values_ <= kMaxValues;
    JsonMember dropped;
    if (keep) value.members.emplace_back();
    JsonMember& member = keep ? value.members.back() : dropped;
    const Next next = ReadMember(member, depth);
    if (keep && member.value.range.end == member.value.range.begin) value.members.pop_back();
    bool done = false;
    if (next == Next::kStop || ReadSeparator('}', done) == Next::kStop) return Next::kStop;
    if (done) return Next::kGo;
  }
}

Parser::Next Parser::ReadMember(JsonMember& member, int depth) {
  if (Peek() != '"' && Peek() != '\'') {
    return Stop(IsWordCharacter(Peek()) ? "a key must stand in double quotes" : "a key is expected, not " + Here());
  }
  if (ReadString(member.key, member.key_range) == Next::kStop || SkipBlanks() == Next::kStop) return Next::kStop;
  if (AtEnd()) return StopAtEnd("an object");
  if (Peek() != ':') return Stop("a colon is expected after a key, not " + Here());
  ++at_;
  if (SkipBlanks() == Next::kStop) return Next::kStop;
  if (AtEnd()) return StopAtEnd("an object");
  return ReadValue(member.value, depth + 1);
}

Parser::Next Parser::ReadNumber(JsonValue& value) {
  const size_t begin = at_;
  while (!AtEnd() && IsWordCharacter(Peek())) ++at_;
  const std::string_view word = text_.substr(begin, at_ - begin);
  const bool strict = NumberLength(word) == word.size();
  // At the end of a cut document 4 may be the beginning of 48.
  if (AtEnd() && values_ > 0) return StopAtEnd("a number");
  value.kind = JsonKind::kNumber;
  value.range = {begin, at_};
  value.text = word;
  if (word == "-Infinity") {
    Report(JsonDefectKind::kNonFinite, begin, "-Infinity is no JSON number, Python alone reads it");
  } else if (!strict) {
    Report(JsonDefectKind::kSyntax, begin, "\"" + std::string(word.substr(0, 40)) + "\" is not a JSON number");
  }
  return Next::kGo;
}

Parser::Next Parser::ReadWord(JsonValue& value) {
  struct Word {
    std::string_view spelling, json;
    JsonKind kind;
    bool boolean;
  };
  static constexpr Word kWords[] = {
      {"true", "true", JsonKind::kBool, true},    {"false", "false", JsonKind::kBool, false},
      {"null", "null", JsonKind::kNull, false},   {"True", "true", JsonKind::kBool, true},
      {"False", "false", JsonKind::kBool, false}, {"None", "null", JsonKind::kNull, false},
      {"NaN", "", JsonKind::kNumber, false},      {"Infinity", "", JsonKind::kNumber, false},
  };
  const size_t begin = at_;
  while (!AtEnd() && IsWordCharacter(Peek())) ++at_;
  const std::string_view spelled = text_.substr(begin, at_ - begin);
  const auto* const word =
      std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& row) { return row.spelling == spelled; });
  if (word == std::end(kWords)) {
    const bool cut = AtEnd() && std::any_of(std::begin(kWords), std::end(kWords),
                                            [&](const Word& row) { return row.spelling.starts_with(spelled); });
    if (cut) return StopAtEnd("a word");
    at_ = begin;
    return Stop("\"" + std::string(spelled.substr(0, 40)) + "\" is not a JSON value; strings stand in double quotes");
  }
  value.kind = word->kind;
  value.boolean = word->boolean;
  value.range = {begin, at_};
  if (word->kind == JsonKind::kNumber) {
    value.text = spelled;
    Report(JsonDefectKind::kNonFinite, begin, std::string(spelled) + " is no JSON number, Python alone reads it");
  } else if (word->json != spelled) {
    Repair(JsonDefectKind::kPythonLiteral, value.range, std::string(word->json),
           std::string(spelled) + " is Python, JSON writes " + std::string(word->json));
  }
  return Next::kGo;
}

bool Parser::ReadHex4(size_t at, char32_t& value) const {
  if (text_.size() < at || text_.size() - at < 4) return false;
  value = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const char c = text_[i];
    const char lower = static_cast<char>(c | 0x20);
    if (!IsDigit(c) && !(lower >= 'a' && lower <= 'f')) return false;
    value = value << 4 | static_cast<char32_t>(IsDigit(c) ? c - '0' : lower - 'a' + 10);
  }
  return true;
}

// At a backslash. Wrong escapes are kept as they stand.
Parser::Next Parser::ReadEscape(std::string& out, char quote) {
  const size_t begin = at_++;
  if (AtEnd()) return StopAtEnd("a string");
  const char c = text_[at_++];
  static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
  if (const size_t found = kFrom.find(c); found != std::string_view::npos) {
    out += kTo[found];
    return Next::kGo;
  }
  if (c == '\'' && quote == '\'') {
    out += c;
    return Next::kGo;
  }
  char32_t value = 0, low = 0;
  if (c == 'u' && ReadHex4(at_, value)) {
    at_ += 4;
    if (value >= 0xD800 && value < 0xDC00 && text_.substr(at_, 2) == "\\u" && ReadHex4(at_ + 2, low) && low >= 0xDC00 &&
        low < 0xE000) {
      at_ += 6;
      value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
    }
    // A lone surrogate is accepted as Python's reader accepts it; UTF-8 cannot hold it.
    AppendUtf8(out, value >= 0xD800 && value < 0xE000 ? 0xFFFD : value);
    return Next::kGo;
  }
  if (c == 'u' && text_.size() - at_ < 4 && text_.find(quote, at_) == std::string_view::npos) {
    return StopAtEnd("a string");
  }
  at_ = begin + 1;
  Report(JsonDefectKind::kSyntax, begin,
         c == 'u' ? "\\u in a string is not followed by four hexadecimal digits"
                  : "a backslash in a string is followed by " + Here() + "; a backslash itself is written twice");
  out += '\\';
  return Next::kGo;
}

void Parser::ReadControl(std::string& out, char quote) {
  const auto byte = static_cast<uint8_t>(Peek());
  if (quote == '"') {
    const std::string name = byte == '\n' ? "a line break" : byte == '\t' ? "a tab" : "the byte 0x" + Hex(byte, 2);
    const std::string escape = byte == '\n'   ? "\\n"
                               : byte == '\t' ? "\\t"
                               : byte == '\r' ? "\\r"
                                              : "\\u" + Hex(byte, 4);
    Repair(JsonDefectKind::kSyntax, {at_, at_ + 1}, escape, name + " stands unescaped in a string");
  }
  out += static_cast<char>(byte);
  ++at_;
}

Parser::Next Parser::ReadString(std::string& out, JsonRange& range) {
  const size_t begin = at_;
  const char quote = text_[at_++];
  while (!AtEnd() && Peek() != quote) {
    size_t end = at_;
    while (end < text_.size() && static_cast<uint8_t>(text_[end] - 0x20) < 0x60 && text_[end] != quote &&
           text_[end] != '\\') {
      ++end;
    }
    out.append(text_, at_, end - at_);
    at_ = end;
    if (AtEnd() || Peek() == quote) break;
    if (Peek() == '\\') {
      if (ReadEscape(out, quote) == Next::kStop) return Next::kStop;
      continue;
    }
    if (static_cast<uint8_t>(Peek()) < 0x20) {
      ReadControl(out, quote);
      continue;
    }
    const CodePoint point = DecodeUtf8(text_, at_);
    if (!point.valid && !invalid_utf8_) {
      invalid_utf8_ = true;  // once a document: a Latin-1 file has thousands
      Report(JsonDefectKind::kInvalidUtf8, at_, "a string holds bytes that are not UTF-8");
    }
    AppendUtf8(out, point.value);
    at_ += static_cast<size_t>(point.size);
  }
  if (AtEnd()) return StopAtEnd("a string");
  range = {begin, ++at_};
  if (quote == '\'') {
    Repair(JsonDefectKind::kSingleQuotes, range, JsonQuote(out), "a string stands in single quotes");
  }
  return Next::kGo;
}

void Parser::FindDuplicates(const std::vector<JsonMember>& members) {
  if (members.size() < 2) return;
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const int compared = members[a].key.compare(members[b].key);
    return compared != 0 ? compared < 0 : a < b;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const JsonMember& later = members[order[i]];
    if (later.key != members[order[i - 1]].key) continue;
    Report(JsonDefectKind::kDuplicateKey, later.key_range.begin,
           "the key " + JsonQuote(std::string_view(later.key).substr(0, 100)) +
               " stands twice in its object; readers take the last");
  }
}

void Parser::Finish() {
  document_.valid = !invalid_;
  document_.repairable = invalid_ && !hopeless_;
  document_.complete = values_ <= kMaxValues;
  // Duplicates and trailing commas are noticed after what stands inside and behind them.
  std::stable_sort(document_.defects.begin(), document_.defects.end(),
                   [](const JsonDefect& a, const JsonDefect& b) { return a.offset < b.offset; });
  std::stable_sort(document_.repairs.begin(), document_.repairs.end(),
                   [](const JsonRepair& a, const JsonRepair& b) { return a.range.begin < b.range.begin; });
  JsonPlace place;
  size_t at = 0;
  for (JsonDefect& defect : document_.defects) {
    const JsonPlace step = PlaceOf(text_.substr(at), defect.offset - at);
    place = step.line > 1 ? JsonPlace{place.line + step.line - 1, step.column}
                          : JsonPlace{place.line, place.column + step.column - 1};
    at = defect.offset;
    defect.place = place;
  }
}

}  // namespace

JsonDocument ParseJson(std::string_view text) { return Parser(text).Run(); }

}  // namespace gptq_doctor

#include <algorithm>
#include <numeric>

#include "base/json_parser.h"
#include "base/utf8.h"

namespace gptq_doctor {
namespace {

constexpr int kMaxDepth = 127;  // as serde_json, which the reference header reader uses
constexpr size_t kMaxDefects = 100;
constexpr size_t kMaxRepairs = 1'000'000;  // bounds memory; beyond it a document counts as beyond repair
constexpr size_t kMaxValues = 4'000'000;

}  // namespace

std::string HexDigits(uint32_t value, int digits) {
  std::string out;
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 0xF];
  return out;
}

void JsonParser::Report(JsonDefectKind kind, size_t offset, std::string message) {
  if (kind != JsonDefectKind::kDuplicateKey && kind != JsonDefectKind::kNonFinite) invalid_ = hopeless_ = true;
  if (document_.defects.size() >= kMaxDefects) return;
  JsonDefect defect;
  defect.kind = kind;
  defect.offset = offset;
  defect.message = std::move(message);
  document_.defects.push_back(std::move(defect));
}

void JsonParser::Repair(JsonDefectKind kind, JsonRange range, std::string replacement, std::string message) {
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
std::string JsonParser::Here() const {
  const CodePoint point = DecodeUtf8(text_, at_);
  if (!point.valid) return "the byte 0x" + HexDigits(static_cast<uint8_t>(Peek()), 2);
  if (point.value >= 0x21 && point.value < 0x7F) return "\"" + std::string(1, Peek()) + "\"";
  std::string out = "the character U+" + HexDigits(point.value, point.value > 0xFFFF ? 6 : 4);
  if (point.value >= 0x2018 && point.value <= 0x201F) out += " (a typographic quotation mark)";
  return out;
}

// A byte order mark. False where the text is not UTF-8 at all.
bool JsonParser::ReadMark() {
  if (text_.starts_with("\xEF\xBB\xBF")) {
    Repair(JsonDefectKind::kByteOrderMark, {0, 3}, "", "the text begins with a byte order mark");
    at_ = 3;
  } else if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF")) {
    Report(JsonDefectKind::kByteOrderMark, 0, "the text is UTF-16, JSON files are UTF-8");
    return false;
  }
  return true;
}

JsonParser::Next JsonParser::SkipBlanks() {
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

JsonDocument JsonParser::Run() {
  if (ReadMark()) (void)ReadDocument();
  Finish();
  return std::move(document_);
}

JsonParser::Next JsonParser::ReadDocument() {
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
JsonParser::Next JsonParser::ReadValue(JsonValue& value, int depth) {
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

JsonParser::Next JsonParser::ReadSeparator(char close, bool& done) {
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

JsonParser::Next JsonParser::ReadArray(JsonValue& value, int depth) {
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

JsonParser::Next JsonParser::ReadObject(JsonValue& value, int depth) {
  value.kind = JsonKind::kObject;
  value.range = {at_, at_ + 1};
  ++at_;
  const Next next = ReadObjectMembers(value, depth);
  value.range.end = at_;
  FindDuplicates(value.members);
  return next;
}

JsonParser::Next JsonParser::ReadObjectMembers(JsonValue& value, int depth) {
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

JsonParser::Next JsonParser::ReadMember(JsonMember& member, int depth) {
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

void JsonParser::FindDuplicates(const std::vector<JsonMember>& members) {
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

void JsonParser::Finish() {
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

JsonDocument ParseJson(std::string_view text) { return JsonParser(text).Run(); }

}  // namespace gptq_doctor

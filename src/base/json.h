#ifndef GPTQ_DOCTOR_BASE_JSON_H_
#define GPTQ_DOCTOR_BASE_JSON_H_

// A strict JSON reader for small files that people edit: it keeps key order, duplicates and the byte range of every
// value, says line and column, recognises what people write instead of JSON (Python literals, comments, trailing
// commas, single quotes) and goes on where the meaning is certain. nlohmann-json cannot say where a value stood, which
// byte-faithful repairs need. Output is written with nlohmann-json; safetensors headers and indexes have their own
// tokenizer in model/.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gptq_doctor {

struct JsonRange {
  size_t begin = 0, end = 0;  // bytes in the text
};

struct JsonPlace {
  int line = 1, column = 1;  // both from 1; columns count code points
};

class JsonValue;
struct JsonMember;

enum class JsonKind { kNull, kBool, kNumber, kString, kArray, kObject };

// A node. Plain data; children in file order, duplicate keys all kept.
class JsonValue {
 public:
  JsonKind kind = JsonKind::kNull;
  JsonRange range;
  bool boolean = false;
  std::string text;  // a string's decoded value (UTF-8); a number's spelling
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;

  bool IsObject() const { return kind == JsonKind::kObject; }
  // The last member of that name (what every common reader takes); null if none or not an object.
  const JsonValue* Find(std::string_view key) const;
  std::optional<bool> AsBool() const;
  std::optional<int64_t> AsInt() const;       // plain integers in range: 4, -1; neither 4.0 nor 4e0
  std::optional<int64_t> AsIntegral() const;  // AsInt, or a float that is a whole number below 2^53: 4.0, 4e0
  std::optional<double> AsDouble() const;     // finite ones in range only
  const std::string* AsString() const;
};

struct JsonMember {
  std::string key;      // decoded
  JsonRange key_range;  // with its quotes
  JsonValue value;
};

enum class JsonDefectKind {
  kSyntax,         // not JSON; reading stopped here unless only a string or a number is wrong
  kDuplicateKey,   // JSON allows it; readers take the last
  kPythonLiteral,  // True, False, None
  kSingleQuotes,
  kComment,
  kTrailingComma,
  kNonFinite,  // NaN, Infinity, -Infinity: Python's json accepts them
  kByteOrderMark,
  kInvalidUtf8,
  kTrailingText,  // something after the document
  kDepth,         // deeper than 127
  kEmpty,
};
const char* ToString(JsonDefectKind kind);

struct JsonDefect {
  JsonDefectKind kind = JsonDefectKind::kSyntax;
  size_t offset = 0;
  JsonPlace place;
  std::string message;  // one sentence without the place
  // Replacing `range` by `replacement` mends it; absent where the meaning is not certain.
  std::optional<JsonRange> range;
  std::string replacement;
};

struct JsonRepair {
  JsonRange range;
  std::string replacement;
};

struct JsonDocument {
  std::optional<JsonValue> root;    // what could be read, absent if nothing could
  std::vector<JsonDefect> defects;  // in file order, at most 100
  // True where a strict reader accepts the text (duplicate keys and NaN as Python accepts them aside, see `defects`).
  bool valid = false;
  // True where it is invalid and every defect that makes it so has a certain repair.
  bool repairable = false;
  std::vector<JsonRepair> repairs;  // all certain ones, also of defects past the first 100; in file order, disjoint
  // Values past the first 4 million are checked and left out of `root`: false then.
  bool complete = true;
};

JsonDocument ParseJson(std::string_view text);
JsonPlace PlaceOf(std::string_view text, size_t offset);
// The text with every certain repair applied.
std::string ApplyRepairs(std::string_view text, const JsonDocument& document);
// RFC 6901; "" is the root. Null where there is nothing.
const JsonValue* FindPointer(const JsonValue& root, std::string_view pointer);
// `text` as a JSON string literal with quotes; invalid UTF-8 becomes U+FFFD.
std::string JsonQuote(std::string_view text);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_JSON_H_

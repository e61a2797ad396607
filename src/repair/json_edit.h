#ifndef GPTQ_DOCTOR_REPAIR_JSON_EDIT_H_
#define GPTQ_DOCTOR_REPAIR_JSON_EDIT_H_

// Changes single members of a JSON text and leaves every other byte as it was: order, indentation, spelling of numbers,
// line ends and the end of the file. The text must be valid JSON (repaired before). Knows nothing about configurations.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace gptq_doctor {

// How an object is laid out, so that what is added looks like its neighbours.
struct JsonLayout {
  bool multiline = true;
  std::string newline = "\n";
  std::string member_indent = "  ";        // before each key; unused on one line
  std::string unit = "  ";                 // one level
  std::string close_indent;                // before the closing brace
  std::string colon = ": ", comma = ", ";  // `comma` between members on one line
};
// `object` lies in `text`; `root` is the document, asked where the object itself is empty.
JsonLayout LayoutOf(std::string_view text, const JsonValue& object, const JsonValue& root);

// `value` of `source` written anew in that layout, its first line unindented; scalars keep their spelling.
std::string RenderJson(std::string_view source, const JsonValue& value, const JsonLayout& layout);

class JsonEditor {
 public:
  // Both must outlive the editor; `root` is that of `text`.
  JsonEditor(std::string_view text, const JsonValue& root) : text_(text), root_(root) {}
  void Replace(JsonRange range, std::string with) { splices_.push_back({range.begin, range.end, std::move(with)}); }
  // Adds a member; `json` is any valid JSON text. At the end, or in its place where the keys are sorted.
  void Add(const JsonValue& object, std::string key, std::string json);
  void Remove(const JsonValue& object, size_t member);
  // The text with every change.
  std::string Apply();

 private:
  struct Splice {
    size_t begin = 0, end = 0;
    std::string with;
  };
  struct ObjectChange {
    const JsonValue* object = nullptr;
    std::vector<std::pair<std::string, std::string>> added;  // key, rendered value
    std::vector<bool> removed;
  };
  ObjectChange& ChangeOf(const JsonValue& object);
  void Finish(const ObjectChange& change);

  std::string_view text_;
  const JsonValue& root_;
  std::vector<Splice> splices_;
  std::map<size_t, ObjectChange> changes_;  // by the object's first byte
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_JSON_EDIT_H_

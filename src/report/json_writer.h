#ifndef GPTQ_DOCTOR_REPORT_JSON_WRITER_H_
#define GPTQ_DOCTOR_REPORT_JSON_WRITER_H_

// Writes JSON straight into a string, in the order of the calls. A list of 180,000 tensors as a tree of nlohmann-json
// nodes takes longer to build and print than the whole examination, and its header longer to compile than this room;
// a writer needs neither. Text that is not UTF-8 becomes valid with U+FFFD. Misuse (a value without a key inside an
// object) is a bug and asserts.

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"

namespace gptq_doctor {

class JsonWriter {
 public:
  // kLines puts every element on its own line; kCompact keeps a container and all below it on one line.
  enum class Layout { kLines, kCompact };

  JsonWriter& BeginObject(Layout layout = Layout::kLines) { return Begin('{', layout); }
  JsonWriter& EndObject() { return End('}'); }
  JsonWriter& BeginArray(Layout layout = Layout::kLines) { return Begin('[', layout); }
  JsonWriter& EndArray() { return End(']'); }
  JsonWriter& Key(std::string_view key);

  JsonWriter& Put(std::string_view text);
  JsonWriter& Put(const std::string& text) { return Put(std::string_view(text)); }
  JsonWriter& Put(const char* text) { return Put(std::string_view(text)); }
  JsonWriter& Put(bool value) { return Raw(value ? "true" : "false"); }
  JsonWriter& Put(std::nullptr_t) { return Raw("null"); }
  JsonWriter& Put(double value);  // null where it is not finite
  template <std::integral T>
  JsonWriter& Put(T value) {
    return PutInteger(static_cast<uint64_t>(value), std::signed_integral<T>);
  }
  template <typename T>
  JsonWriter& Put(const std::optional<T>& value) {
    return value ? Put(*value) : Put(nullptr);
  }
  JsonWriter& Put(const std::vector<std::string>& texts);
  JsonWriter& Put(const Value& value);

  template <typename T>
  JsonWriter& Field(std::string_view key, const T& value) {
    return Key(key).Put(value);
  }
  // `json` must be one JSON value.
  JsonWriter& Raw(std::string_view json);

  // The document with a final newline. Every container must be closed.
  std::string Take();

 private:
  struct Level {
    char close;
    bool compact;
    bool empty = true;
  };
  JsonWriter& Begin(char open, Layout layout);
  JsonWriter& End(char close);
  JsonWriter& PutInteger(uint64_t value, bool is_signed);
  void BeforeValue();
  void NextElement();
  void AppendQuoted(std::string_view text);

  std::string out_;
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_JSON_WRITER_H_

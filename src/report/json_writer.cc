#include "report/json_writer.h"

#include <cassert>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/json.h"

namespace gptq_doctor {
namespace {

bool IsPlain(std::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) return false;  // char is signed: bytes from 0x80 are below 0x20
  }
  return true;
}

}  // namespace

void JsonWriter::NextElement() {
  if (levels_.empty()) return;
  Level& level = levels_.back();
  if (!level.empty) out_ += level.compact ? ", " : ",";
  level.empty = false;
  if (!level.compact) {
    out_ += '\n';
    out_.append(2 * levels_.size(), ' ');
  }
}

void JsonWriter::BeforeValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  assert(levels_.empty() || levels_.back().close == ']');
  NextElement();
}

JsonWriter& JsonWriter::Begin(char open, Layout layout) {
  BeforeValue();
  out_ += open;
  const bool inherited = !levels_.empty() && levels_.back().compact;
  levels_.push_back({.close = open == '{' ? '}' : ']', .compact = inherited || layout == Layout::kCompact});
  return *this;
}

JsonWriter& JsonWriter::End(char close) {
  assert(!levels_.empty() && levels_.back().close == close && !after_key_);
  const Level level = levels_.back();
  levels_.pop_back();
  if (!level.empty && !level.compact) {
    out_ += '\n';
    out_.append(2 * levels_.size(), ' ');
  }
  out_ += close;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  assert(!levels_.empty() && levels_.back().close == '}' && !after_key_);
  NextElement();
  AppendQuoted(key);
  out_ += ": ";
  after_key_ = true;
  return *this;
}

void JsonWriter::AppendQuoted(std::string_view text) {
  if (!IsPlain(text)) {
    out_ += JsonQuote(text);
    return;
  }
  out_ += '"';
  out_ += text;
  out_ += '"';
}

JsonWriter& JsonWriter::Put(std::string_view text) {
  BeforeValue();
  AppendQuoted(text);
  return *this;
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  BeforeValue();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::PutInteger(uint64_t value, bool is_signed) {
  char buffer[24];
  const auto end = is_signed ? std::to_chars(buffer, buffer + sizeof(buffer), static_cast<int64_t>(value)).ptr
                             : std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return Raw({buffer, static_cast<size_t>(end - buffer)});
}

JsonWriter& JsonWriter::Put(double value) {
  if (!std::isfinite(value)) return Put(nullptr);
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return Raw({buffer, static_cast<size_t>(end - buffer)});
}

JsonWriter& JsonWriter::Put(const std::vector<std::string>& texts) {
  BeginArray(texts.size() <= 4 ? Layout::kCompact : Layout::kLines);
  for (const std::string& text : texts) Put(text);
  return EndArray();
}

JsonWriter& JsonWriter::Put(const Value& value) {
  if (const bool* boolean = std::get_if<bool>(&value)) return Put(*boolean);
  if (const int64_t* number = std::get_if<int64_t>(&value)) return Put(*number);
  if (const std::string* text = std::get_if<std::string>(&value)) return Put(*text);
  return Put(nullptr);
}

std::string JsonWriter::Take() {
  assert(levels_.empty());
  out_ += '\n';
  return std::exchange(out_, {});
}

}  // namespace gptq_doctor

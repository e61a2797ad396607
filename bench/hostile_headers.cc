#include "hostile_headers.h"

#include <cstring>
#include <string_view>

namespace gptq_doctor::bench {
namespace {

std::string WithLength(const std::string& text, uint64_t data = 0) {
  std::string out(8, '\0');
  const uint64_t length = text.size();
  std::memcpy(out.data(), &length, 8);
  out += text;
  out.append(data, '\0');
  return out;
}

// `piece` again and again inside `before` and `after`.
std::string Repeat(std::string_view before, std::string_view piece, std::string_view after, uint64_t bytes,
                   uint64_t data = 0, bool comma = false) {
  std::string text(before);
  text.reserve(bytes + 100);
  while (text.size() + piece.size() + after.size() < bytes) text += piece;
  if (comma) text.pop_back();
  return WithLength(text.append(after), data);
}

constexpr std::string_view kEntry = "{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":[";

// Entries with distinct short names.
template <typename Rest>
std::string Entries(uint64_t bytes, const Rest& rest, uint64_t data = 0) {
  std::string text = "{";
  text.reserve(bytes + 100);
  uint64_t count = 0;
  while (text.size() + 80 < bytes) {
    text += count == 0 ? "\"" : ",\"";
    for (uint64_t number = count; number != 0 || number == count; number /= 64) {
      text += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[number % 64];
      if (number < 64) break;
    }
    text += "\":";
    text += rest(count++);
  }
  return WithLength(text + "}", data);
}

std::string Numbers(uint64_t bytes) { return Repeat(kEntry, "0,", "]}}", bytes, 1, true); }
std::string Arrays(uint64_t bytes) { return Repeat(kEntry, "[],", "]}}", bytes, 1, true); }
std::string Ones(uint64_t bytes) {
  return Repeat("{\"t\":{\"dtype\":\"U8\",\"shape\":[", "1,", "],\"data_offsets\":[0,1]}}", bytes, 1, true);
}
std::string ZeroSize(uint64_t bytes) {
  return Entries(bytes, [](uint64_t) { return "{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"; });
}
std::string HighRank(uint64_t bytes) {
  return Entries(bytes, [](uint64_t) { return "{\"dtype\":\"U8\",\"shape\":[0,0,0],\"data_offsets\":[0,0]}"; });
}
std::string Rank200(uint64_t bytes) {
  std::string shape = "{\"dtype\":\"U8\",\"shape\":[0";
  for (int i = 0; i < 199; ++i) shape += ",1";
  shape += "],\"data_offsets\":[0,0]}";
  return Entries(bytes, [&](uint64_t) { return shape; });
}
std::string Generic(uint64_t bytes) {
  return Entries(bytes, [](uint64_t) { return "{\"shape\":[0],\"dtype\":\"U8\",\"data_offsets\":[0,0]}"; });
}
std::string Unsorted(uint64_t bytes) {
  const uint64_t most = bytes / 60;
  return Entries(
      bytes,
      [most](uint64_t number) {
        const std::string at = std::to_string(most * 2 - number);
        return "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[" + at + "," + std::to_string(most * 2 - number + 1) +
               "]}";
      },
      0);
}
std::string Metadata(uint64_t bytes) {
  std::string text = "{\"__metadata__\":{";
  text.reserve(bytes + 100);
  for (uint64_t i = 0; text.size() + 40 < bytes; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"\"";
  return WithLength(text + "}}");
}
std::string Name(uint64_t bytes) {
  return Repeat("{\"", "n", "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", bytes, 1);
}
std::string EscapedName(uint64_t bytes) {
  return Repeat("{\"", "\\u0041", "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", bytes, 1);
}
std::string Spaces(uint64_t bytes) { return Repeat("{}", " ", "", bytes); }
std::string RepeatedKey(uint64_t bytes) {
  return Repeat("{", "\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},", "}", bytes, 0, true);
}
std::string SharedRange(uint64_t bytes) {
  return Entries(
      bytes, [](uint64_t) { return "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}"; }, 1);
}
std::string WrongSizes(uint64_t bytes) {
  return Entries(
      bytes, [](uint64_t) { return "{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[0,1]}"; }, 1);
}
std::string InvalidUtf8(uint64_t bytes) {
  return Repeat("{\"", "\xFF", "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", bytes, 1);
}
std::string Brackets(uint64_t bytes) { return Repeat("", "[", "", bytes); }
std::string NulPadding(uint64_t bytes) { return Repeat("{}", std::string_view("\0", 1), "", bytes); }

}  // namespace

const std::vector<HostileHeader>& HostileHeaders() {
  static const std::vector<HostileHeader> rows = {
      {"0, in an unknown field", Numbers},
      {"[] in an unknown field", Arrays},
      {"shape of ones", Ones},
      {"zero-size tensors", ZeroSize},
      {"the same, generic path", Generic},
      {"the same, rank 3", HighRank},
      {"the same, rank 200", Rank200},
      {"tensors in reverse order", Unsorted},
      {"metadata pairs", Metadata},
      {"one name", Name},
      {"one escaped name", EscapedName},
      {"spaces", Spaces},
      {"one repeated key", RepeatedKey},
      {"one shared range", SharedRange},
      {"wrong sizes", WrongSizes},
      {"invalid UTF-8", InvalidUtf8},
      {"opening brackets", Brackets},
      {"NUL padding", NulPadding},
  };
  return rows;
}

}  // namespace gptq_doctor::bench

#include "fuzz/mutator.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/records.h"

namespace gptq_doctor::fuzz {
namespace {

constexpr std::string_view kNumbers[] = {"0",
                                         "1",
                                         "2",
                                         "3",
                                         "4",
                                         "8",
                                         "16",
                                         "32",
                                         "64",
                                         "128",
                                         "-1",
                                         "255",
                                         "256",
                                         "65535",
                                         "65536",
                                         "2147483647",
                                         "2147483648",
                                         "4294967296",
                                         "1e400",
                                         "0.5",
                                         "-0",
                                         "true",
                                         "null",
                                         "9007199254740993",
                                         "[]",
                                         "{}",
                                         "\"4\"",
                                         "1000000",
                                         "9223372036854775807",
                                         "18446744073709551615",
                                         "-9223372036854775808",
                                         "4611686018427387904",
                                         "1e19",
                                         "1e308",
                                         "-1e308"};

class Mutator {
 public:
  Mutator(unsigned seed, MutateBytes bytes) : random_(seed), bytes_(bytes) {}

  void Framed(std::string& input, size_t max) {
    if (input.size() < 9 || One(8)) return Text(input, max);
    uint64_t length = 0;
    std::memcpy(&length, input.data(), 8);
    length = std::min<uint64_t>(length, input.size() - 8);
    std::string text = input.substr(8, length), data = input.substr(8 + length);
    Text(text, max - 8);
    if (One(2)) data.resize(std::min<size_t>(LastEnd(text), 1 << 14), '\0');
    length = text.size();
    std::memcpy(input.data(), &length, 8);
    input.replace(8, std::string::npos, text + data);
  }

  void Records(std::string& input, size_t max) {
    std::vector<Record> records = ReadRecords(input);
    if (records.empty() || One(16)) return Text(input, max);
    Record& record = records[Below(records.size())];
    if (One(16)) {
      record.name = static_cast<uint8_t>((record.name & Record::kHeader) | Below(32));
    } else if (One(16)) {
      record.data = static_cast<uint16_t>(One(2) ? Below(64) : Below(65536));
    } else if (One(16)) {
      records.push_back(record);
    } else if (One(16) && records.size() > 1) {
      std::swap(record, records.back());
      records.pop_back();
    } else {
      // Of a header's record the text is changed more often than the data behind it.
      const size_t end = std::min(record.content.find('\0'), record.content.size());
      std::string text = record.content.substr(0, end), rest = record.content.substr(end);
      Text(One(4) && !rest.empty() ? rest : text, 1 << 14);
      record.content = text + rest;
    }
    input = WriteRecords(records);
  }

  // Bytes, a number or a member.
  void Text(std::string& text, size_t max) {
    const size_t way = Below(4);
    if ((way == 0 && Number(text)) || (way == 1 && Member(text))) return;
    const size_t size = text.size();
    text.resize(std::max(max, size));
    text.resize(bytes_(reinterpret_cast<uint8_t*>(text.data()), size, text.size()));
  }

 private:
  size_t Below(size_t count) { return random_() % count; }
  bool One(size_t of) { return Below(of) == 0; }

  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  bool Number(std::string& text) {
    std::vector<std::pair<size_t, size_t>> found;  // begin, size
    for (size_t at = 0; at < text.size(); ++at) {
      if (!IsDigit(text[at])) continue;
      const size_t begin = at;
      while (at < text.size() && IsDigit(text[at])) ++at;
      found.emplace_back(begin, at - begin);
    }
    if (found.empty()) return false;
    const auto [begin, size] = found[Below(found.size())];
    std::string number(kNumbers[Below(std::size(kNumbers))]);
    if (One(2)) {
      const uint64_t old = std::strtoull(text.substr(begin, size).c_str(), nullptr, 10);
      const uint64_t near[] = {old + 1, old - 1, old * 2, old / 2, old + 32, old * 8};
      number = std::to_string(near[Below(std::size(near))]);
    } else if (One(2)) {
      const auto [other, length] = found[Below(found.size())];
      number = text.substr(other, length);
    }
    text.replace(begin, size, number);
    return true;
  }

  // What stands between two commas is left out, doubled or changes places with another.
  bool Member(std::string& text) {
    std::vector<size_t> ends = {0};
    for (size_t at = 0; at < text.size(); ++at) {
      if (text[at] == ',' || text[at] == '\n') ends.push_back(at + 1);
    }
    if (ends.size() < 3) return false;
    const size_t a = Below(ends.size() - 1), b = Below(ends.size() - 1);
    const std::string piece = text.substr(ends[a], ends[a + 1] - ends[a]);
    if (One(3)) {
      text.erase(ends[a], piece.size());
    } else if (One(2)) {
      text.insert(ends[b], piece);
    } else {
      text.replace(ends[b], ends[b + 1] - ends[b], piece);
    }
    return !text.empty();
  }

  // The largest number before a bracket: where the data of a well-formed header end.
  static uint64_t LastEnd(std::string_view text) {
    uint64_t last = 0;
    for (size_t at = text.find(']'); at != std::string_view::npos; at = text.find(']', at + 1)) {
      size_t begin = at;
      while (begin > 0 && IsDigit(text[begin - 1])) --begin;
      last = std::max<uint64_t>(last, std::strtoull(std::string(text.substr(begin, at - begin)).c_str(), nullptr, 10));
    }
    return last;
  }

  std::minstd_rand random_;
  const MutateBytes bytes_;
};

}  // namespace

size_t Mutate(Form form, std::span<uint8_t> buffer, size_t size, unsigned seed, MutateBytes bytes) {
  Mutator mutator(seed, bytes);
  std::string input(reinterpret_cast<const char*>(buffer.data()), size);
  switch (form) {
    case Form::kText:
      mutator.Text(input, buffer.size());
      break;
    case Form::kFramed:
      mutator.Framed(input, buffer.size());
      break;
    case Form::kRecords:
      mutator.Records(input, buffer.size());
      break;
    case Form::kBinary:
      return bytes(buffer.data(), size, buffer.size());
  }
  const size_t kept = std::min(input.size(), buffer.size());
  std::copy_n(input.begin(), kept, buffer.begin());
  return std::max<size_t>(kept, 1);
}

}  // namespace gptq_doctor::fuzz

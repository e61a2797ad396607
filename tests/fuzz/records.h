#ifndef GPTQ_DOCTOR_TESTS_FUZZ_RECORDS_H_
#define GPTQ_DOCTOR_TESTS_FUZZ_RECORDS_H_

// A model directory as a chain of records, one a file: a byte that names the file (a row of kNames, counted around;
// with kHeader in it the content is a weight file without its length), two bytes of data, two bytes of the content's
// size, the content. Of a weight file the content is the header's text, then, behind a NUL, the data; what lacks to
// `data` units of 16 bytes is a pattern. Numbers are little-endian.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/storage.h"

namespace gptq_doctor::fuzz {

struct Record {
  static constexpr uint8_t kHeader = 0x80;
  uint8_t name = 0;
  uint16_t data = 0;
  std::string content;
};

std::vector<Record> ReadRecords(std::string_view input);
std::string WriteRecords(const std::vector<Record>& records);
// A header's text with its length before it.
std::string WithLength(std::string_view text);
// The first eight files.
void AddFiles(std::string_view input, MemorySource& source);

}  // namespace gptq_doctor::fuzz

#endif  // GPTQ_DOCTOR_TESTS_FUZZ_RECORDS_H_

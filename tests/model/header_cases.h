#ifndef GPTQ_DOCTOR_TESTS_MODEL_HEADER_CASES_H_
#define GPTQ_DOCTOR_TESTS_MODEL_HEADER_CASES_H_

// Files made of a header's text, for the tests of the header reader.

#include <string>
#include <string_view>
#include <vector>

#include "model/safetensors.h"

namespace gptq_doctor::testing {

// Length, text, then `data` zero bytes.
std::string FileOf(std::string_view text, uint64_t data);
// The same with a length of one's own.
std::string FileOf(uint64_t length, std::string_view text, uint64_t data);
// One entry `"name":{...}`.
std::string Entry(std::string_view name, std::string_view dtype, std::string_view shape, uint64_t begin, uint64_t end);
ShardHeader Read(const std::string& content, const HeaderOptions& options = {},
                 const std::string& name = "x.safetensors");
// The kinds of all defects, in order, and of those that refuse the file.
std::vector<DefectKind> Kinds(const ShardHeader& header);
bool Has(const ShardHeader& header, DefectKind kind);
const Defect& Get(const ShardHeader& header, DefectKind kind);

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_MODEL_HEADER_CASES_H_

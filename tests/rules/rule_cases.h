#ifndef GPTQ_DOCTOR_TESTS_RULES_RULE_CASES_H_
#define GPTQ_DOCTOR_TESTS_RULES_RULE_CASES_H_

// A directory that triggers a rule, and a near miss that does not. One table a family, joined and run by
// rule_cases_test.cc.

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "gptq_doctor/doctor.h"
#include "support/model_builder.h"

namespace gptq_doctor::testing {

using Json = nlohmann::ordered_json;
using Files = std::map<std::string, std::string>;

// Files in memory, and names that cannot be read.
struct Directory {
  Files files;
  std::map<std::string, FileKind> specials;
  Directory() = default;
  Directory(Files in) : files(std::move(in)) {}                       // NOLINT: implicit on purpose
  Directory(const ModelBuilder& builder) : files(builder.Build()) {}  // NOLINT: implicit on purpose
};

struct RuleCase {
  std::string_view code;
  std::string_view what;  // distinguishes several cases of a rule
  Severity severity;
  std::function<Directory()> sick;
  std::function<Directory()> near_miss;
  // A part of the message; empty where the code says enough.
  std::string_view message = {};
  // The model that verification compares with; empty: none.
  std::function<Directory()> base = {};
};

inline void PrintTo(const RuleCase& c, std::ostream* out) { *out << c.code << " " << c.what; }

std::vector<RuleCase> ConfigCases();
std::vector<RuleCase> ModelCases();
std::vector<RuleCase> FileCases();
std::vector<RuleCase> IndexCases();
std::vector<RuleCase> StructureCases();
std::vector<RuleCase> ValueCases();
std::vector<RuleCase> VerifiedCases();
std::vector<RuleCase> LoaderCases();
std::vector<RuleCase> AllCases();

Diagnosis DiagnoseFiles(const Directory& directory, ExamineOptions options = {});
// With every byte read, hashes too; `base` may be null.
Diagnosis VerifyFiles(const Directory& directory, const Directory* base);

// 4-bit, group size 32, symmetric, both configurations: nothing is wrong with it.
ModelBuilder Good();
const Files& GoodFiles();  // built once
ModelBuilder GoodWith(const GptqOptions& options);
// Replaces a JSON file of the directory by what `edit` makes of it.
Files EditJson(Files files, const std::string& name, const std::function<void(Json&)>& edit);
// The settings in both files.
Files EditSettings(Files files, const std::function<void(Json&)>& edit);
// A weight file from a header as spelled and this many bytes of data.
std::string RawSafetensors(const std::string& header, size_t data_bytes);

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_RULES_RULE_CASES_H_

#ifndef GPTQ_DOCTOR_CLI_NUMBER_OPTIONS_H_
#define GPTQ_DOCTOR_CLI_NUMBER_OPTIONS_H_

// Numbers of the command line that CLI11 would take for others without a word: "nan" lies in each of its ranges, and
// "-1", what 64 bits do not hold and a unit without a number become very large or 1.

#include <CLI/CLI.hpp>

namespace gptq_doctor {

// For a floating-point option.
CLI::Validator NumberIn(double low, double high);
// Digits alone, below 2^64.
CLI::Validator WholeNumber();
// Bytes as 5000000000, 5GB (1000^3) or 5GiB (1024^3); for an option of uint64_t.
void TakeSize(CLI::Option* option);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_NUMBER_OPTIONS_H_

#ifndef GPTQ_DOCTOR_TESTS_FAULTS_CASES_H_
#define GPTQ_DOCTOR_TESTS_FAULTS_CASES_H_

// The commands that faults are injected into: one row each.

#include <ostream>
#include <string>
#include <vector>

#include "faults/injection.h"

namespace gptq_doctor::testing {

struct FaultCase {
  std::string name;
  std::vector<std::string> arguments;                // "{w}" is the workspace
  Files (*files)() = nullptr;                        // what lies there before
  std::vector<std::vector<std::string>> first = {};  // runs that prepare it
  std::vector<std::string> again = {};               // continues after a run that was cut off; empty: `arguments`
  bool writes = false;                               // files of a model: killed by the clock as well, and led astray
  bool json = true;                                  // takes --format json
};
inline void PrintTo(const FaultCase& row, std::ostream* out) { *out << row.name; }

const std::vector<FaultCase>& FaultCases();

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_FAULTS_CASES_H_

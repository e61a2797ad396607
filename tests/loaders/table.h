#ifndef GPTQ_DOCTOR_TESTS_LOADERS_TABLE_H_
#define GPTQ_DOCTOR_TESTS_LOADERS_TABLE_H_

// A table of known behaviour, one row a cell: a directory, and what some loaders make of it.

#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "loaders/models.h"
#include "loaders/support.h"

namespace gptq_doctor::testing {

struct Cell {
  std::string selector;
  Outcome outcome;
  std::string message = {};  // a part of what the user sees
  std::string step = {};     // a part of some step's detail
  std::string assumed = {};  // a part of some assumption
};

struct TableRow {
  std::string source;  // the row of the reference
  std::function<ModelBuilder()> build;
  std::vector<Cell> cells;
  SimulateOptions options = {};
};

inline bool HasStep(const LoaderOutcome& outcome, const std::string& part) {
  for (const LoaderStep& step : outcome.steps) {
    if (step.detail.find(part) != std::string::npos) return true;
  }
  return false;
}

inline void CheckTable(const std::vector<TableRow>& rows) {
  for (const TableRow& row : rows) {
    const Examined model = ExamineModel(row.build());
    if (model.exam == nullptr) continue;
    for (const Cell& cell : row.cells) {
      SCOPED_TRACE(row.source + ": " + cell.selector);
      const LoaderOutcome outcome = Ask(*model.exam, cell.selector, row.options);
      EXPECT_EQ(std::string(ToString(outcome.outcome)), ToString(cell.outcome)) << Describe(outcome);
      EXPECT_TRUE(outcome.message.find(cell.message) != std::string::npos) << "no \"" << cell.message << "\" in\n"
                                                                           << Describe(outcome);
      EXPECT_TRUE(cell.step.empty() || HasStep(outcome, cell.step)) << "no step \"" << cell.step << "\" in\n"
                                                                    << Describe(outcome);
      EXPECT_TRUE(cell.assumed.empty() || HasAssumption(outcome, cell.assumed))
          << "\"" << cell.assumed << "\" is not assumed\n"
          << Describe(outcome);
    }
  }
}

// One cell for each of several loaders.
inline std::vector<Cell> Same(const std::vector<std::string>& selectors, Outcome outcome,
                              const std::string& message = "", const std::string& step = "") {
  std::vector<Cell> cells;
  for (const std::string& selector : selectors) cells.push_back({selector, outcome, message, step});
  return cells;
}

inline std::vector<Cell> operator+(std::vector<Cell> left, const std::vector<Cell>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_LOADERS_TABLE_H_

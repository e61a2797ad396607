#ifndef GPTQ_DOCTOR_GPTQ_FORMAT_TABLE_H_
#define GPTQ_DOCTOR_GPTQ_FORMAT_TABLE_H_

// Fingerprints of this and some forty other quantization formats, as rows with their sources. Suffix sets first, then
// dtypes, then shape relations; the first row that matches a module class wins. A row knows nothing about configuration
// files: tensors win over them.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gptq/inventory.h"

namespace gptq_doctor {

// What a row's shape test may look at.
struct ModuleView {
  const TensorIndex& tensors;
  const Inventory& inventory;
  const Module& module;
  // Null where the module has no such component.
  const TensorRecord* Get(std::string_view suffix) const;
};

struct FormatRow {
  std::string_view variant;                 // unique: "awq-gemm"
  std::string_view family;                  // what Diagnosis::kind says: "awq"
  std::string_view title;                   // "AWQ (GEMM layout)"
  std::vector<std::string_view> must = {};  // suffixes
  std::vector<std::string_view> must_not = {};
  std::vector<std::string_view> any = {};     // at least one of these, where not empty
  bool (*test)(const ModuleView&) = nullptr;  // null: suffixes suffice
  std::string_view why;  // the proof in words: "qzeros [K/g, N/8] and qweight [K, N/8] are packed along the same axis"
  std::vector<std::string_view> config_methods = {};  // quant_method values that go with it
  std::string_view source;                            // repository, file
};

std::span<const FormatRow> FormatTable();
// Row of the table, -1 for dense and unknown modules.
int DetectFormat(const ModuleView& module);
// Family "gptq" and unpackable as such (not marlin, not bitblas).
bool IsGptq(int format);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_FORMAT_TABLE_H_

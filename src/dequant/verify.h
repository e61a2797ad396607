#ifndef GPTQ_DOCTOR_DEQUANT_VERIFY_H_
#define GPTQ_DOCTOR_DEQUANT_VERIFY_H_

// Reads the numbers themselves: every byte of the chosen quantized modules, streamed in file order, and what they must
// look like. What is wrong goes to Examination::quant.value_defects, where the rules of family 4 find it; the figures
// behind it are in the VerifyReport. Memory does not grow with the model: pieces of a few MiB a thread, and counts for
// the columns of the modules in flight.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dequant/compare.h"
#include "dequant/file_hashes.h"
#include "infer/code_window.h"
#include "infer/examination.h"

namespace gptq_doctor {

struct VerifyOptions {
  std::vector<std::string> modules;   // globs over module names; empty: all
  bool sample = false;                // the first, the middle and the last module of every kind
  bool hashes = false;                // sha256 of files whose hash somebody recorded
  const Examination* base = nullptr;  // the dense model it came from
};

// What the data of one quantized module said. Counts are of the whole module.
struct ModuleCheck {
  uint32_t module = 0;
  std::string name;
  int bits = 0;
  int64_t group_size = -1, in_features = 0, out_features = 0;
  uint64_t bytes = 0;
  uint64_t codes = 0;
  double entropy = 0;                   // of the codes, in bits
  std::optional<double> other_entropy;  // 3 bits: of the codes read in the other layout
  int levels = 0;                       // of 2^bits codes, how many occur
  int64_t random_codes = 0;             // in pieces whose codes are as even as random bits
  bool random = false;                  // all of them
  ScaleReport scales;
  int64_t zero_bytes = 0;              // of qweight, in runs of zero bytes
  int64_t constant_columns = 0;        // outputs with one code everywhere, which is not the zero point
  int64_t dead_outputs = 0;            // outputs with the zero point everywhere: their weights are 0
  int64_t saturated_columns = 0;       // outputs whose codes stand at the ends of the range
  std::optional<int64_t> dead_inputs;  // empty: act-order and asymmetric, not counted
  std::optional<Comparison> base;
  int64_t defects = 0;  // value defects of the module, however they were found
};

struct SkippedModule {
  std::string name, why;
};

struct VerifyReport {
  std::vector<ModuleCheck> modules;    // in file order
  std::vector<SkippedModule> skipped;  // their tensors contradict each other: other rules say how
  int64_t modules_total = 0;           // quantized modules of the model
  bool sampled = false;
  int64_t dense_tensors = 0;  // dense float tensors looked at for NaN and infinity
  uint64_t bytes_read = 0;
  std::vector<HashCheck> hashes;
  std::optional<BaseReport> base;
};

// `exam` should have been read with ExamineOptions::deep, so that all qzeros and g_idx are judged too. Unreadable files
// go to exam.errors. Errors: kInterrupted; kRefused where `base` is not dense.
Result<VerifyReport> VerifyModel(Examination& exam, const VerifyOptions& options, const ExamineContext& context);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_VERIFY_H_

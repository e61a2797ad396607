#ifndef GPTQ_DOCTOR_TESTS_LOADERS_SUPPORT_H_
#define GPTQ_DOCTOR_TESTS_LOADERS_SUPPORT_H_

// What the tests of loaders share: a directory built in code, one loader asked.

#include <memory>
#include <string>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "infer/examination.h"
#include "loaders/simulate.h"
#include "support/model_builder.h"

namespace gptq_doctor::testing {

// An examination with the source that it reads.
struct Examined {
  std::unique_ptr<Source> source;
  std::unique_ptr<Examination> exam;
};
Examined ExamineModel(const ModelBuilder& builder);
Examined ExamineDirectory(const std::string& path);

// The outcome of the only row that `selector` names ("vllm@0.15", "transformers@4.55/gptqmodel").
LoaderOutcome Ask(const Examination& exam, const std::string& selector, SimulateOptions options = {});
LoaderOutcome Ask(const ModelBuilder& builder, const std::string& selector, SimulateOptions options = {});

// "rejects: message" with the steps, for failure messages.
std::string Describe(const LoaderOutcome& outcome);
bool HasAssumption(const LoaderOutcome& outcome, const std::string& part);

// A Qwen2.5-3B GPTQ directory of full size whose tensor data are computed where they are read: 4 bits, group size 128,
// symmetric, no act-order, a zero bias on every layer as AutoGPTQ writes it. Empty texts: no such configuration.
Examined ExamineQwen3b(const std::string& config_section, const std::string& quantize_config);

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_LOADERS_SUPPORT_H_

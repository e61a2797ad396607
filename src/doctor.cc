#include "gptq_doctor/doctor.h"

#include <memory>
#include <utility>

#include "diagnose.h"
#include "infer/examination.h"
#include "loaders/simulate.h"
#include "memory/estimate.h"
#include "repair/repairs.h"
#include "rules/rule.h"

namespace gptq_doctor {

Diagnosis Describe(const Examination& exam) {
  Diagnosis diagnosis;
  diagnosis.path = exam.source->DisplayPath();
  if (!exam.options.only_file.empty()) diagnosis.path += "/" + exam.options.only_file;
  diagnosis.kind = exam.kind();
  diagnosis.formats = DescribeFormats(exam);
  diagnosis.architecture = DescribeArchitecture(exam);
  diagnosis.files = DescribeFiles(exam);
  diagnosis.bytes = TotalBytes(exam);
  if (exam.quant.is_gptq) {
    diagnosis.quantization = exam.quant.base;
    diagnosis.evidence = exam.quant.evidence;
    diagnosis.settings = exam.quant.groups;
    diagnosis.coverage = exam.quant.coverage;
  }
  diagnosis.tensors_total = exam.tensors.size();
  for (const ModuleClass& c : exam.inventory.classes) {
    if (c.format < 0) {
      diagnosis.modules_dense += c.count;
      continue;
    }
    diagnosis.modules_quantized += c.count;
    diagnosis.quantized_tensors += int64_t{c.count} * exam.inventory.modules[c.representative].count;
  }
  if (exam.options.list_modules) diagnosis.modules = ListModules(exam);
  diagnosis.configs = DescribeConfigs(exam);
  diagnosis.errors = exam.errors;
  return diagnosis;
}

Diagnosis Diagnose(const Examination& exam) {
  Diagnosis diagnosis = Describe(exam);
  if (exam.options.simulate_loaders) {
    const SimulateOptions options{.selectors = exam.options.judge_loaders,
                                  .repaired = [&] { return StateAfterRepair(exam, diagnosis.errors); }};
    diagnosis.loaders = SimulateLoaders(exam, options);
  }
  if (exam.options.estimate_memory) diagnosis.memory = BriefMemory(exam);
  diagnosis.findings = RunRules({exam, diagnosis.loaders, diagnosis.bytes}, !exam.options.all_findings);
  DescribeVerdict(exam, diagnosis);
  return diagnosis;
}

Result<Diagnosis> Examine(Source& source, const ExamineOptions& options, const ExamineContext& context) {
  Result<std::unique_ptr<Examination>> exam = ReadExamination(source, options, context);
  if (!exam) return exam.error();
  return Diagnose(**exam);
}

}  // namespace gptq_doctor

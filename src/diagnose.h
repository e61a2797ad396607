#ifndef GPTQ_DOCTOR_DIAGNOSE_H_
#define GPTQ_DOCTOR_DIAGNOSE_H_

// Turns an Examination into the plain data of a Diagnosis. Works per module class, never per tensor, so that the cost
// does not grow with the model. Reads nothing and judges nothing that rules/ or loaders/ judge.

#include <cstdint>
#include <string>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "infer/examination.h"

namespace gptq_doctor {

// Everything but findings, loaders and memory.
Diagnosis Describe(const Examination& exam);
// The whole Diagnosis of an examination that was already read; Examine() is ReadExamination() and this.
Diagnosis Diagnose(const Examination& exam);

// The parts, each in its own file.
ByteTotals TotalBytes(const Examination& exam);                     // diagnose_bytes.cc
std::vector<FileRow> DescribeFiles(const Examination& exam);        // diagnose_files.cc
std::vector<ConfigState> DescribeConfigs(const Examination& exam);  // diagnose_configs.cc
Architecture DescribeArchitecture(const Examination& exam);         // diagnose_architecture.cc
std::vector<ModuleRow> ListModules(const Examination& exam);        // diagnose_modules.cc
std::vector<FormatShare> DescribeFormats(const Examination& exam);  // diagnose_modules.cc
// Fills verdict, missing and repair_command from everything else in `diagnosis`.
void DescribeVerdict(const Examination& exam, Diagnosis& diagnosis);  // diagnose_verdict.cc

// "4-bit, group size 128, symmetric, no act-order, checkpoint format gptq (v1)"; unknown settings are left out.
std::string SettingsInWords(const Quantization& settings);

// For `tensors`: every tensor in natural order of names.
std::vector<TensorRow> ListTensors(const Examination& exam);  // diagnose_tensors.cc

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DIAGNOSE_H_

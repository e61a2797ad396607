#ifndef GPTQ_DOCTOR_REPORT_TEXT_SECTIONS_H_
#define GPTQ_DOCTOR_REPORT_TEXT_SECTIONS_H_

// The parts of the text report, each with a blank line before it, empty where there is nothing to say.

#include <string>

#include "report/style.h"

namespace gptq_doctor {

std::string FilesSection(const Diagnosis& diagnosis, const Style& style);
std::string SettingsSection(const Diagnosis& diagnosis, const Style& style);
std::string ModulesSection(const Diagnosis& diagnosis, const Style& style);
// Every quantized module, where they were listed.
std::string ModuleListSection(const Diagnosis& diagnosis, const Style& style);
std::string ConfigSection(const Diagnosis& diagnosis, const Style& style);
std::string SizeSection(const Diagnosis& diagnosis, const Style& style);
std::string LoadersSection(const Diagnosis& diagnosis, const Style& style);
std::string MemorySection(const Diagnosis& diagnosis, const Style& style);

// Rows of files with equal role and state, those worth a line each apart; `count` files in all.
struct FileGroup {
  std::string names;
  std::string role, state, note;
  int64_t count = 0;
  int64_t size = -1;  // -1: unknown
};
std::vector<FileGroup> GroupFiles(const std::vector<FileRow>& files);
Mark MarkOf(const FileGroup& group);

// Outcomes in the order a reader must see them: what goes wrong in silence first.
std::vector<Outcome> OutcomesBySilence();
std::string SettingsLine(const Quantization& settings);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_TEXT_SECTIONS_H_

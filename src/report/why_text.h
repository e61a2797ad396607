#ifndef GPTQ_DOCTOR_REPORT_WHY_TEXT_H_
#define GPTQ_DOCTOR_REPORT_WHY_TEXT_H_

// What loaders do with a model, for people: a matrix, worst first, or one loader's numbered walk; symptoms and
// environments. Pure functions.

#include <span>
#include <string>
#include <vector>

#include "loaders/env_scan.h"
#include "loaders/simulate.h"
#include "loaders/symptom.h"
#include "report/report.h"
#include "report/style.h"

namespace gptq_doctor {

class JsonWriter;

// One outcome as a numbered walk.
std::string WalkText(const LoaderOutcome& outcome, const Style& style);
// Several: grouped by outcome, what goes wrong in silence first.
std::string MatrixText(const std::vector<LoaderOutcome>& outcomes, const Style& style);
std::string FallbackText(const FallbackStory& story, const Style& style);
std::string SymptomText(const std::vector<SymptomMatch>& matches, bool with_model, const Style& style);
std::string EnvironmentText(const Environment& environment, const EnvironmentReport& report, const Style& style);
std::string ProfilesText(std::span<const Profile* const> rows, const Style& style);

void PutFallback(JsonWriter& json, const FallbackStory& story);
void PutSymptoms(JsonWriter& json, const std::vector<SymptomMatch>& matches, bool with_model);
void PutEnvironment(JsonWriter& json, const Environment& environment, const EnvironmentReport& report);
void PutProfiles(JsonWriter& json, std::span<const Profile* const> rows);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_WHY_TEXT_H_

#ifndef GPTQ_DOCTOR_TESTS_DEQUANT_CONVERT_SUPPORT_H_
#define GPTQ_DOCTOR_TESTS_DEQUANT_CONVERT_SUPPORT_H_

// Converts a model and looks at what came of it.

#include <map>
#include <string>

#include "dequant/convert.h"
#include "dequant/dense_support.h"
#include "gptq_doctor/doctor.h"
#include "support/fast_dir.h"

namespace gptq_doctor::testing {

struct Converted {
  ConvertPlan plan;
  ReadDirectory out;
  std::map<std::string, std::string> bytes;  // every file
  Diagnosis diagnosis;
};

inline Converted Convert(Model model, const ConvertOptions& options) {
  Result<ConvertPlan> plan = PlanConvert(*model.exam, options, {});
  EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().message);
  if (!plan) return {};
  const FastDir temp;
  const std::filesystem::path out = temp.path() / "out";
  const Result<WrittenModel> written = WriteModel(plan->model, out.string(), {});
  EXPECT_TRUE(written.ok()) << (written.ok() ? "" : written.error().message);
  if (!written) return {};
  Converted result{.plan = std::move(*plan), .out = ReadBack(out)};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(out)) {
    if (!entry.is_regular_file()) continue;
    std::string bytes(entry.file_size(), '\0');
    std::ifstream(entry.path(), std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    result.bytes[std::filesystem::relative(entry.path(), out).string()] = std::move(bytes);
  }
  const auto source = OpenLocalDirectory(out.string());
  ExamineOptions examine;
  examine.simulate_loaders = false;  // most of them know v1 alone
  Result<Diagnosis> diagnosis = Examine(**source, examine, {});
  EXPECT_TRUE(diagnosis.ok());
  if (diagnosis) result.diagnosis = std::move(*diagnosis);
  return result;
}
inline Converted Convert(const ModelBuilder& builder, const ConvertOptions& options) {
  return Convert(ExamineModel(builder, true), options);
}
inline Model FromFiles(const std::map<std::string, std::string>& files) {
  auto source = std::make_unique<MemorySource>();
  for (const auto& [name, bytes] : files) source->Add(name, bytes);
  return ExamineSource(std::move(source), true);
}

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_DEQUANT_CONVERT_SUPPORT_H_

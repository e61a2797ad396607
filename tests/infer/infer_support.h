#ifndef GPTQ_DOCTOR_TESTS_INFER_INFER_SUPPORT_H_
#define GPTQ_DOCTOR_TESTS_INFER_INFER_SUPPORT_H_

// Examines models built in code and finds things in what comes out.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "infer/examination.h"
#include "support/model_builder.h"

namespace gptq_doctor::testing {

// An examination with the source it reads from.
struct Examined {
  std::unique_ptr<Source> source;
  std::unique_ptr<Examination> exam;
  const InferredQuant* operator->() const { return &exam->quant; }
};

inline Examined ExamineSource(std::unique_ptr<Source> source, const ExamineOptions& options = {}) {
  Examined out{.source = std::move(source), .exam = nullptr};
  auto exam = ReadExamination(*out.source, options, {});
  EXPECT_TRUE(exam.ok()) << (exam.ok() ? "" : exam.error().message);
  if (exam.ok()) out.exam = std::move(exam).value();
  return out;
}
inline Examined ExamineModel(const ModelBuilder& model, const ExamineOptions& options = {}) {
  return ExamineSource(model.Memory(), options);
}

inline const Evidence& EvidenceOf(const Examined& model, std::string_view key) {
  for (const Evidence& evidence : model->evidence) {
    if (evidence.key == key) return evidence;
  }
  ADD_FAILURE() << "no evidence of " << key;
  static const Evidence kNone;
  return kNone;
}

inline int64_t DefectsOf(const Examined& model, int catalogue, std::string_view variant = "") {
  int64_t count = 0;
  for (const ValueDefect& defect : model->value_defects) {
    count += defect.catalogue == catalogue && (variant.empty() || defect.variant == variant);
  }
  return count;
}

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_INFER_INFER_SUPPORT_H_

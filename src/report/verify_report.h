#ifndef GPTQ_DOCTOR_REPORT_VERIFY_REPORT_H_
#define GPTQ_DOCTOR_REPORT_VERIFY_REPORT_H_

// What `verify` adds to the reports of `check`: a table by layer in text, every module's figures in JSON.

#include <string>
#include <vector>

#include "dequant/verify.h"
#include "report/report.h"

namespace gptq_doctor {

// `checks` by position of the model.
std::string RenderVerifyText(const Report& report, const std::vector<VerifyReport>& checks,
                             const RenderOptions& options);
std::string RenderVerifyJson(const Report& report, const std::vector<VerifyReport>& checks);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_VERIFY_REPORT_H_

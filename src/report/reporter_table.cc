#include "report/report.h"

namespace gptq_doctor {
namespace {

constexpr Reporter kReporters[] = {
    {.name = "text", .extension = "txt", .render = RenderText},
    {.name = "json", .extension = "json", .render = RenderJson},
    {.name = "markdown", .extension = "md", .render = RenderMarkdown},
};

}  // namespace

std::span<const Reporter> Reporters() { return kReporters; }

const Reporter* FindReporter(std::string_view name) {
  for (const Reporter& reporter : kReporters) {
    if (reporter.name == name) return &reporter;
  }
  return nullptr;
}

}  // namespace gptq_doctor

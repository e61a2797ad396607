// A whole model directory in memory: everything that is said about it, and every number in it.

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "dequant/convert.h"
#include "dequant/dequantize.h"
#include "dequant/verify.h"
#include "diagnose.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/records.h"
#include "memory/estimate.h"
#include "repair/repairs.h"
#include "report/report.h"

namespace gptq_doctor::fuzz {
namespace {

constexpr uint64_t kLargestTensor = 4 << 20;  // bytes; larger ones would only take time
constexpr int64_t kCard = 24'000'000'000;     // bytes

// Every tensor as it would be written: within its bytes, and whole unless a producer gives up.
void Produce(const OutModel& model) {
  for (const OutTensor& tensor : model.tensors) {
    if (tensor.bytes > kLargestTensor) continue;
    uint64_t written = 0;
    Status done = Ok();
    for (int64_t piece = 0; piece < tensor.pieces && done; ++piece) {
      done = tensor.produce(piece, [&](uint64_t offset, std::span<const char> bytes) {
        Require(offset <= tensor.bytes && bytes.size() <= tensor.bytes - offset, "a piece lies inside its tensor");
        written += bytes.size();
        return Ok();
      });
    }
    Require(!done || written == tensor.bytes, "the pieces make the whole tensor");
  }
}

void Estimate(const Examination& exam) {
  const MemoryModel model = DescribeMemory(exam);
  const Result<MemoryEstimate> estimate =
      EstimateMemory(model, {.gpu = {{.name = "24 GB", .total = kCard, .visible = kCard}}});
  if (estimate) (void)Explain(model, 8'000'000'000, 2048);
}

}  // namespace

void Directory(std::string_view input) {
  MemorySource source;
  AddFiles(input, source);
  const Result<std::unique_ptr<Examination>> exam = ReadExamination(source, {}, {});
  if (!exam) return;
  Report report;
  report.models.push_back(Diagnose(**exam));
  for (const Reporter& reporter : Reporters()) {
    const std::string text = reporter.render(report, {});
    if (reporter.name == "json") Require(nlohmann::json::accept(text), "a report is JSON");
    if (reporter.name == "text") {
      Require(std::none_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' ' && c != '\n'; }),
              "no control byte reaches the terminal");
    }
  }
  (void)MakePlan(**exam, {});
}

void Numbers(std::string_view input) {
  MemorySource source;
  AddFiles(input, source);
  const Result<std::unique_ptr<Examination>> exam = ReadExamination(source, {.deep = true}, {});
  if (!exam) return;
  Estimate(**exam);
  if (const auto plan = PlanDequantize(**exam, {})) Produce(plan->model);
  for (const char* format : {"gptq", "gptq_v2"}) {
    const ConvertOptions options = {.checkpoint_format = format, .pack_int32 = true, .add_g_idx = true};
    if (const auto plan = PlanConvert(**exam, options, {})) Produce(plan->model);
  }
  // Last: it adds what it finds to the examination.
  const auto verified = VerifyModel(**exam, {.hashes = true}, {});
  if (!verified) return;
  for (const ModuleCheck& module : verified->modules) {
    Require(module.entropy >= 0 && module.entropy <= module.bits + 1e-9, "codes have at most their bits of entropy");
    Require(module.levels <= 1 << module.bits, "codes have at most 2^bits levels");
  }
}

}  // namespace gptq_doctor::fuzz

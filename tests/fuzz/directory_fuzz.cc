// A whole model directory in memory: everything that is said about it, and every number in it.

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dequant/convert.h"
#include "dequant/dequantize.h"
#include "dequant/verify.h"
#include "diagnose.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/records.h"
#include "loaders/simulate.h"
#include "memory/estimate.h"
#include "repair/repairs.h"
#include "report/check_report.h"
#include "report/why_text.h"

namespace gptq_doctor::fuzz {
namespace {

constexpr uint64_t kLargestTensor = 4 << 20;  // bytes; larger ones would only take time
constexpr int64_t kCard = 24'000'000'000;     // bytes

// The data of all tensors as they would be written, each within its bytes and whole; empty where a producer gives up.
std::optional<std::string> Produce(const OutModel& model) {
  std::string data;
  for (const OutTensor& tensor : model.tensors) {
    if (tensor.bytes > kLargestTensor) return std::nullopt;
    const size_t begin = data.size();
    data.resize(begin + tensor.bytes);
    uint64_t written = 0;
    Status done = Ok();
    for (int64_t piece = 0; piece < tensor.pieces && done; ++piece) {
      done = tensor.produce(piece, [&](uint64_t offset, std::span<const char> bytes) {
        Require(offset <= tensor.bytes && bytes.size() <= tensor.bytes - offset, "a piece lies inside its tensor");
        std::ranges::copy(bytes, data.begin() + static_cast<std::ptrdiff_t>(begin + offset));
        written += bytes.size();
        return Ok();
      });
    }
    if (!done) return std::nullopt;
    Require(written == tensor.bytes, "the pieces make the whole tensor");
  }
  return data;
}

// The dense model that `dequantize` would write.
bool Dequantize(const Examination& exam, MemorySource& dense) {
  const Result<DequantizePlan> plan = PlanDequantize(exam, {});
  if (!plan) return false;
  const std::optional<std::string> data = Produce(plan->model);
  if (!data) return false;
  std::vector<const OutTensor*> tensors;
  for (const OutTensor& tensor : plan->model.tensors) tensors.push_back(&tensor);
  const std::string header = HeaderText(tensors, {});
  dense.Add("model.safetensors", WithLength(header) + *data);
  for (const OutFile& file : plan->model.files) {
    if (file.name == "config.json") dense.Add(file.name, file.content);
  }
  return true;
}

void Estimate(const Examination& exam) {
  const MemoryModel model = DescribeMemory(exam);
  const Result<MemoryEstimate> estimate =
      EstimateMemory(model, {.gpu = {{.name = "24 GB", .total = kCard, .visible = kCard}}});
  if (estimate) (void)Explain(model, 8'000'000'000, 2048);
}

void RequireNoControls(std::string_view text) {
  Require(std::none_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' ' && c != '\n'; }),
          "no control byte reaches the terminal");
}

// All of them would take as long as everything else together.
template <typename Item>
std::span<const Item> OneOf(std::span<const Item> items, std::string_view input) {
  return items.empty() ? items : items.subspan(input.size() % items.size(), 1);
}

void CheckReports(std::span<const Reporter> reporters, const Report& report) {
  for (const Reporter& reporter : reporters) {
    const std::string text = reporter.render(report, {});
    if (reporter.extension == "json" || reporter.name == "sarif")
      Require(nlohmann::json::accept(text), "a report is JSON");
    RequireNoControls(text);
  }
}

}  // namespace

void Directory(std::string_view input) {
  MemorySource source;
  AddFiles(input, source);
  const Result<std::unique_ptr<Examination>> exam = ReadExamination(source, {}, {});
  if (!exam) return;
  Report report;
  report.models.push_back(Diagnose(**exam));
  CheckReports(Reporters(), report);
  CheckReports(OneOf(CheckReporters(), input), report);
  (void)MakePlan(**exam, {});
  const std::vector<LoaderOutcome> outcomes = SimulateLoaders(**exam, {.selectors = {"all"}, .tp = 2});
  const Style style(RenderOptions{});
  RequireNoControls(MatrixText(outcomes, style));
  for (const LoaderOutcome& outcome : outcomes) Require(!outcome.loader.empty(), "an outcome is that of a loader");
  for (const LoaderOutcome& outcome : OneOf(std::span(outcomes), input)) RequireNoControls(WalkText(outcome, style));
  (void)TellFallback(**exam);
}

void Numbers(std::string_view input) {
  MemorySource source;
  AddFiles(input, source);
  const Result<std::unique_ptr<Examination>> exam = ReadExamination(source, {.deep = true}, {});
  if (!exam) return;
  Estimate(**exam);
  MemorySource dense;
  std::unique_ptr<Examination> base;
  if (Dequantize(**exam, dense)) {
    auto read = ReadExamination(dense, {}, {});
    Require(read.ok() && (*read)->kind() == "dense", "what was dequantized is a dense model");
    base = std::move(*read);
  }
  for (const char* format : {"gptq", "gptq_v2"}) {
    const ConvertOptions options = {.checkpoint_format = format, .pack_int32 = true, .add_g_idx = true};
    if (const auto plan = PlanConvert(**exam, options, {})) (void)Produce(plan->model);
  }
  // Last: it adds what it finds to the examination.
  const auto verified = VerifyModel(**exam, {.hashes = true, .base = base.get()}, {});
  if (!verified) return;
  for (const ModuleCheck& module : verified->modules) {
    Require(module.entropy >= 0 && module.entropy <= module.bits + 1e-9, "codes have at most their bits of entropy");
    Require(module.levels <= 1 << module.bits, "codes have at most 2^bits levels");
    if (module.base) Require(module.base->relation != Relation::kAbsent, "a module is found in its own dense model");
  }
}

}  // namespace gptq_doctor::fuzz

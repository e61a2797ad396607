// gptq-doctor memory MODEL

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/number_options.h"
#include "cli/session.h"
#include "diagnose.h"
#include "memory/estimate.h"
#include "memory/gpu_table.h"
#include "memory/nvml.h"
#include "report/memory_report.h"

namespace gptq_doctor {
namespace {

constexpr size_t kTensorRows = 25;

class Memory : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", model_, "model directory, .safetensors file or index.json")->required();
    const CLI::Range tokens(int64_t{0}, int64_t{1} << 40);
    app.add_option("--context", query_.context, "tokens of the prompt (default 4096, at most the model's)")
        ->check(tokens);
    app.add_option("--new-tokens", query_.new_tokens, "tokens generated after it (default: within the context)")
        ->check(tokens);
    app.add_option("--batch", query_.batch, "sequences at a time")->check(CLI::Range(1, 1 << 20));
    app.add_option("--runtime", query_.runtime,
                   "transformers@4.55, vllm, autogptq@0.7.1, ...; or legacy, current, chunked");
    app.add_option("--kernel", query_.kernel,
                   "exllama_v1, exllama_v2, marlin, triton, cuda_old (default: the runtime's)");
    app.add_option("--attention", query_.attention, "fa2, sdpa, eager (default: the runtime's)");
    app.add_option("--kv-dtype", query_.kv_dtype, "auto, fp16, bf16, fp32, fp8, int8, int4");
    app.add_option("--precision", query_.precision, "auto, none, fp16, int8, int4, as-is or all (default)")
        ->check(CLI::IsMember({"auto", "none", "fp16", "int8", "int4", "as-is", "all"}, CLI::ignore_case));
    app.add_option("--gpu", gpu_, "a card (\"RTX 4090\"), its memory (24GiB), or auto to ask the driver");
    app.add_option("--gpus", gpus_, "cards that share the layers")->check(CLI::Range(1, 4096));
    app.add_option("--tp", tp_, "cards that share every matrix")->check(CLI::Range(1, 4096));
    app.add_option("--margin", margin_, "percent of the card kept free (default 10)")->check(NumberIn(0, 99));
    app.add_option("--utilization", query_.utilization, "share of the card an engine takes, instead of the margin")
        ->check(NumberIn(0.01, 1));
    app.add_option("--fail-on", fail_on_, "no-fit: exit 1 where it does not fit the card")
        ->check(CLI::IsMember({"no-fit"}));
    app.add_option("--observed", observed_, "a measured size, as 5.76GiB: what explains it");
    app.add_option("--by", by_, "where the bytes go: tensor, layer or kind")
        ->check(CLI::IsMember({"tensor", "layer", "kind"}));
  }

  int Run(Session& session) override {
    if (const Status ready = ReadOptions(); !ready) return session.Fail(ready.error());
    ExamineOptions options = session.examine_options();
    options.simulate_loaders = false;
    const Result<ReadModel> read = OpenAndRead(session, model_, options);
    if (!read) return session.Fail(read.error());
    const Examination& exam = *read->exam;
    const MemoryModel model = DescribeMemory(exam);
    Result<MemoryEstimate> estimate = EstimateMemory(model, query_);
    if (!estimate) return session.Fail(estimate.error());
    BreakDown(exam, model, *estimate);
    const bool fails = !fail_on_.empty() && estimate->fit != Fit::kFits;
    const int code = fails ? kExitFindings : kExitClean;
    if (!session.json()) {
      const std::string text = RenderMemoryText(model_, *estimate, session.render_options());
      return session.Finish(text, exam.errors, WorseExitCode(ExitCodeOf(exam.errors), code));
    }
    Report report{.models = {Diagnose(exam)}, .errors = {}};
    report.models.front().path = model_;
    report.memory = {&*estimate};
    return session.FinishJson(report, code, {}, {});
  }

 private:
  Status ReadOptions() {
    const auto usage = [](std::string message) {
      return Error{.kind = ErrorKind::kUsage, .path = "", .message = std::move(message)};
    };
    for (char& c : query_.precision) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (gpus_ > 1 && tp_ > 1) return usage("--gpus shares out layers, --tp cuts matrices: give one of them");
    query_.gpus = std::max(gpus_, tp_);
    query_.tensor_parallel = tp_ > 1;
    query_.margin = margin_ / 100;
    if (!observed_.empty()) {
      query_.observed = ParseSize(observed_);
      if (!query_.observed) return usage("--observed '" + observed_ + "' is not a size; write it as 5.76GiB");
    }
    if (!fail_on_.empty() && gpu_.empty()) return usage("--fail-on no-fit needs --gpu");
    if (gpu_.empty()) return Ok();
    if (gpu_ == "auto") {
      Result<std::vector<GpuSpec>> gpus = QueryGpus();
      if (!gpus) return gpus.error();
      if (query_.gpus > static_cast<int64_t>(gpus->size())) {
        return usage("--gpu auto: the driver knows " + std::to_string(gpus->size()) + " cards, fewer than asked for");
      }
      query_.gpu = std::move(*gpus);
      return Ok();
    }
    Result<GpuSpec> gpu = FindGpu(gpu_);
    if (!gpu) return gpu.error();
    query_.gpu = {std::move(*gpu)};
    return Ok();
  }

  void BreakDown(const Examination& exam, const MemoryModel& model, MemoryEstimate& estimate) const {
    if (by_ == "tensor") estimate.shares = SharesByTensor(exam, model, kTensorRows);
    if (by_ == "layer") estimate.shares = SharesByLayer(exam);
    if (by_ == "kind") estimate.shares = SharesByKind(model);
    if (!by_.empty()) estimate.savings = Savings(model);
  }

  std::string model_, gpu_, fail_on_, observed_, by_;
  int64_t gpus_ = 1, tp_ = 1;
  double margin_ = 10;
  MemoryQuery query_;
};

}  // namespace

std::unique_ptr<Command> MakeMemory() { return std::make_unique<Memory>(); }

}  // namespace gptq_doctor

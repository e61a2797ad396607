// gptq-doctor dequantize MODEL -o DIR

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "dequant/dequantize.h"
#include "repair/sha256.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

// What --resume must find unchanged: the sources' identities and the options.
std::string FingerprintOf(const Examination& exam, const DequantizePlan& plan, const DequantizeOptions& options) {
  std::string text =
      fmt::format("dequantize {} {} {}\n", ToString(plan.dtype), options.keep_zero_bias, options.max_shard_bytes);
  for (const ShardHeader& shard : exam.tensors.shards) {
    text +=
        fmt::format("{} {} {} {}\n", shard.file, shard.identity.size, shard.identity.mtime_ns, shard.identity.inode);
  }
  return Sha256(text);
}

class Dequantize : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", model_, "GPTQ model directory")->required();
    app.add_option("-o,--output-dir", directory_, "the new directory; must not exist or be empty")->required();
    app.add_option("--dtype", dtype_, "of the weights: f16, bf16 or f32; default the checkpoint's own")
        ->check(CLI::IsMember({"f16", "bf16", "f32"}));
    app.add_flag("--keep-zero-bias", options_.keep_zero_bias,
                 "keep zero-filled biases that the architecture does not have");
    app.add_option("--max-shard-size", options_.max_shard_bytes, "bytes of a weight file, as 5GB or 500MB")
        ->transform(CLI::AsSizeValue(true))
        ->capture_default_str();
    app.add_flag("--resume", resume_, "continue a run that was cut off");
  }

  int Run(Session& session) override {
    if (options_.max_shard_bytes == 0) return session.Fail({ErrorKind::kUsage, "", "--max-shard-size must be above 0"});
    ExamineOptions examine = session.examine_options();
    examine.simulate_loaders = false;
    examine.estimate_memory = false;
    const Result<ReadModel> model = OpenAndRead(session, model_, examine);
    if (!model) return session.Fail(model.error());
    if (!dtype_.empty()) options_.dtype = dtype_ == "f32" ? Dtype::kF32 : dtype_ == "bf16" ? Dtype::kBF16 : Dtype::kF16;
    Result<DequantizePlan> plan = PlanDequantize(*model->exam, options_);
    if (!plan) return session.Fail(Named(plan.error()));
    plan->model.fingerprint = FingerprintOf(*model->exam, *plan, options_);
    for (const std::string& warning : plan->warnings) session.Warn(EscapeTerminal(warning, 1000));
    Progress progress(session, "dequantize");
    const ExamineContext context = session.context();
    const Result<WrittenModel> written =
        WriteModel(plan->model, directory_,
                   {.resume = resume_,
                    .pool = context.pool,
                    .cancelled = context.cancelled,
                    .progress = [&](uint64_t done, uint64_t total) { progress.Update(done, total); }});
    if (!written) return session.Fail(Named(written.error()));
    return Report(session, *plan, *written);
  }

 private:
  Error Named(Error error) const {
    if (error.path.empty()) error.path = model_;
    return error;
  }

  int Report(Session& session, const DequantizePlan& plan, const WrittenModel& written) const {
    if (session.json()) {
      const auto extra = [&](JsonWriter& json) {
        json.Key("dequantize").BeginObject();
        json.Field("output", directory_).Field("dtype", ToString(plan.dtype)).Field("modules", plan.modules);
        json.Field("copied_tensors", plan.copied).Field("bytes", written.bytes).Field("files", written.weight_files);
        json.Field("dropped_biases", plan.dropped_biases).Field("warnings", plan.warnings);
        json.EndObject();
      };
      return session.Finish(RenderEnvelope({}, extra, {}), {}, kExitClean);
    }
    std::string text =
        fmt::format("{} modules dequantized to {}, {} tensors copied: {} in {} file{}, {}\n", plan.modules,
                    ToString(plan.dtype), plan.copied, FormatBytes(written.bytes), written.weight_files.size(),
                    written.weight_files.size() == 1 ? "" : "s", EscapeTerminal(directory_));
    if (!plan.dropped_biases.empty()) {
      text += fmt::format(
          "{} zero-filled biases that the architecture does not have were left out (--keep-zero-bias keeps them)\n",
          plan.dropped_biases.size());
    }
    return session.Finish(text, {}, kExitClean);
  }

  std::string model_, directory_, dtype_;
  DequantizeOptions options_;
  bool resume_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeDequantize() { return std::make_unique<Dequantize>(); }

}  // namespace gptq_doctor

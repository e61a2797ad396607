// gptq-doctor dequantize MODEL -o DIR

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/sha256.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/mixed_model.h"
#include "cli/new_model.h"
#include "cli/number_options.h"
#include "cli/session.h"
#include "dequant/dequantize.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

// What --resume must find unchanged: the sources' identities, the options and the mapping.
std::string FingerprintOf(const std::vector<const Examination*>& exams, const DequantizePlan& plan,
                          const DequantizeOptions& options, std::string_view mapping) {
  std::string text =
      fmt::format("dequantize {} {} {}\n", ToString(plan.dtype), options.keep_zero_bias, options.max_shard_bytes);
  for (const Examination* exam : exams) text += IdentityOf(*exam);
  return Sha256(text.append(mapping));
}

class Dequantize : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", model_, "GPTQ model directory; with --mapping it gives what nothing maps");
    app.add_option("-o,--output-dir", directory_, "the new directory; must not exist or be empty")->required();
    app.add_option("--dtype", dtype_, "of the weights: f16, bf16 or f32; default the checkpoint's own")
        ->check(CLI::IsMember({"f16", "bf16", "f32"}));
    app.add_flag("--keep-zero-bias", options_.keep_zero_bias,
                 "keep zero-filled biases that the architecture does not have");
    TakeSize(app.add_option("--max-shard-size", options_.max_shard_bytes, "bytes of a weight file, as 5GB or 500MB")
                 ->capture_default_str());
    app.add_option("--mapping", mapping_, "a YAML file that says which source each tensor comes from");
    app.add_flag("--allow-missing", allow_missing_,
                 "with --mapping: go on without tensors that are missing or do not fit");
    app.add_flag("--resume", resume_, "continue a run that was cut off");
  }

  int Run(Session& session) override {
    if (options_.max_shard_bytes == 0) return session.Fail({ErrorKind::kUsage, "", "--max-shard-size must be above 0"});
    if (!dtype_.empty()) options_.dtype = dtype_ == "f32" ? Dtype::kF32 : dtype_ == "bf16" ? Dtype::kBF16 : Dtype::kF16;
    return mapping_.empty() ? RunPlain(session) : RunMapped(session);
  }

 private:
  int RunPlain(Session& session) {
    if (model_.empty()) return session.Fail({ErrorKind::kUsage, "", "MODEL is required, or --mapping"});
    if (allow_missing_) return session.Fail({ErrorKind::kUsage, "", "--allow-missing goes with --mapping"});
    ExamineOptions examine = session.examine_options();
    examine.simulate_loaders = false;
    examine.estimate_memory = false;
    const Result<ReadModel> model = OpenAndRead(session, model_, examine);
    if (!model) return session.Fail(model.error());
    Result<DequantizePlan> plan = PlanDequantize(*model->exam, options_);
    if (!plan) return session.Fail(Named(plan.error(), model_));
    plan->model.fingerprint = FingerprintOf({model->exam.get()}, *plan, options_, "");
    return Write(session, *plan, nullptr);
  }

  int RunMapped(Session& session) {
    const Result<MixedModel> mixed = ReadMixedModel(session, mapping_, model_, options_.keep_zero_bias);
    if (!mixed) return session.Fail(Named(mixed.error(), mapping_));
    if (const Status sound = CheckResolved(*mixed, allow_missing_); !sound) {
      return Refuse(session, Named(sound.error(), mapping_), *mixed);
    }
    Result<DequantizePlan> plan = PlanChoices(mixed->resolved.choices, *mixed->resolved.companion, options_);
    if (!plan) return session.Fail(Named(plan.error(), mapping_));
    for (const auto& [from, to] : {std::pair(&mixed->resolved.dropped_biases, &plan->dropped_biases),
                                   std::pair(&mixed->resolved.warnings, &plan->warnings)}) {
      to->insert(to->end(), from->begin(), from->end());
    }
    std::vector<const Examination*> exams;
    for (const MappingModel& model : mixed->models) exams.push_back(model.exam);
    plan->model.fingerprint = FingerprintOf(exams, *plan, options_, mixed->text);
    return Write(session, *plan, &*mixed);
  }

  // The statistics are a result also where nothing is written.
  static int Refuse(Session& session, const Error& error, const MixedModel& mixed) {
    if (!session.json()) return session.Finish(MappingText(mixed), {error}, kExitFindings);
    const auto extra = [&](JsonWriter& json) {
      json.Key("dequantize").BeginObject();
      PutMapping(json, mixed);
      json.EndObject();
    };
    return session.Finish(RenderEnvelope({.models = {}, .errors = {error}, .exit_code = kExitFindings}, extra, {}),
                          {error}, kExitFindings);
  }

  int Write(Session& session, const DequantizePlan& plan, const MixedModel* mixed) const {
    for (const std::string& warning : plan.warnings) session.Warn(EscapeTerminal(warning, 1000));
    const Result<WrittenModel> written = WriteNewModel(session, "dequantize", plan.model, directory_, resume_);
    if (!written) return session.Fail(Named(written.error(), model_.empty() ? mapping_ : model_));
    return Report(session, plan, *written, mixed);
  }

  static Error Named(Error error, const std::string& path) {
    if (error.path.empty()) error.path = path;
    return error;
  }

  int Report(Session& session, const DequantizePlan& plan, const WrittenModel& written, const MixedModel* mixed) const {
    if (session.json()) {
      const auto extra = [&](JsonWriter& json) {
        json.Key("dequantize").BeginObject();
        json.Field("output", directory_).Field("dtype", ToString(plan.dtype)).Field("modules", plan.modules);
        json.Field("copied_tensors", plan.copied).Field("bytes", written.bytes).Field("files", written.weight_files);
        json.Field("dropped_biases", plan.dropped_biases).Field("warnings", plan.warnings);
        if (mixed != nullptr) PutMapping(json, *mixed);
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
    if (mixed != nullptr) text += MappingText(*mixed);
    return session.Finish(text, {}, kExitClean);
  }

  std::string model_, directory_, dtype_, mapping_;
  DequantizeOptions options_;
  bool resume_ = false, allow_missing_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeDequantize() { return std::make_unique<Dequantize>(); }

}  // namespace gptq_doctor

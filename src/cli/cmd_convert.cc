// gptq-doctor convert MODEL -o DIR

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/sha256.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/new_model.h"
#include "cli/number_options.h"
#include "cli/session.h"
#include "dequant/convert.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

class Convert : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", model_, "GPTQ model directory")->required();
    app.add_option("-o,--output-dir", directory_, "the new directory; must not exist or be empty")->required();
    app.add_option("--checkpoint-format", options_.checkpoint_format,
                   "zero points as gptq (v1, less one) or gptq_v2 stores them")
        ->check(CLI::IsMember({"gptq", "gptq_v2"}));
    app.add_option("--pack-dtype", pack_dtype_, "words of the packed tensors: int32, what every loader reads")
        ->check(CLI::IsMember({"int32"}));
    app.add_flag("--add-g-idx", options_.add_g_idx, "write g_idx for modules that have none");
    app.add_flag("--drop-zero-bias", options_.drop_zero_bias,
                 "leave out zero-filled biases that the architecture does not have");
    app.add_option("--scales-dtype", scales_dtype_, "f16; refused where a scale would overflow or underflow")
        ->check(CLI::IsMember({"f16"}));
    app.add_flag("--rename", options_.rename, "name weight files as loaders look for them: model.safetensors, ...");
    CLI::Option* reshard = app.add_flag("--reshard", options_.reshard, "cut into weight files of --max-shard-size");
    TakeSize(app.add_option("--max-shard-size", options_.max_shard_bytes, "bytes of a weight file, as 5GB or 500MB")
                 ->capture_default_str()
                 ->needs(reshard));
    app.add_flag("--allow-loss", allow_loss_, "go on where zero points of 0 do not survive");
    app.add_flag("--resume", resume_, "continue a run that was cut off");
  }

  int Run(Session& session) override {
    if (options_.max_shard_bytes == 0) return session.Fail({ErrorKind::kUsage, "", "--max-shard-size must be above 0"});
    options_.pack_int32 = !pack_dtype_.empty();
    options_.half_scales = !scales_dtype_.empty();
    ExamineOptions examine = session.examine_options();
    examine.simulate_loaders = false;
    examine.estimate_memory = false;
    examine.deep = true;  // what is written anew is proved by every module, not by a sample
    const Result<ReadModel> model = OpenAndRead(session, model_, examine);
    if (!model) return session.Fail(model.error());
    Result<ConvertPlan> plan = PlanConvert(*model->exam, options_, session.context());
    if (!plan) return session.Fail(Named(plan.error()));
    if (Status lossless = CheckLossless(*plan); !lossless && !allow_loss_) {
      return Refuse(session, Named(lossless.error()), *plan);
    }
    plan->model.fingerprint = Fingerprint(*model->exam);
    for (const std::string& warning : plan->warnings) session.Warn(EscapeTerminal(warning, 1000));
    const Result<WrittenModel> written = WriteNewModel(session, "convert", plan->model, directory_, resume_);
    if (!written) return session.Fail(Named(written.error()));
    return Report(session, *plan, *written);
  }

 private:
  Error Named(Error error) const {
    if (error.path.empty()) error.path = model_;
    return error;
  }

  std::string Fingerprint(const Examination& exam) const {
    const ConvertOptions& o = options_;
    return Sha256(fmt::format("convert {} {} {} {} {} {} {} {} {}\n", o.checkpoint_format, o.pack_int32, o.add_g_idx,
                              o.drop_zero_bias, o.half_scales, o.rename, o.reshard, o.max_shard_bytes, allow_loss_) +
                  IdentityOf(exam));
  }

  // The modules that would lose something are a result also where nothing is written.
  static int Refuse(Session& session, const Error& error, const ConvertPlan& plan) {
    if (!session.json()) return session.Finish(LossText(plan), {error}, kExitFindings);
    const auto extra = [&](JsonWriter& json) {
      json.Key("convert").BeginObject();
      PutLosses(json, plan);
      json.EndObject();
    };
    return session.Finish(RenderEnvelope({.models = {}, .errors = {error}, .exit_code = kExitFindings}, extra, {}),
                          {error}, kExitFindings);
  }

  static void PutLosses(JsonWriter& json, const ConvertPlan& plan) {
    json.Key("losses").BeginArray();
    for (const ZeroLoss& loss : plan.losses) {
      json.BeginObject(JsonWriter::Layout::kCompact);
      json.Field("module", loss.module).Field("zeros", loss.zeros);
      json.Field("when", loss.before ? "before" : "now").EndObject();
    }
    json.EndArray();
  }

  static std::string LossText(const ConvertPlan& plan) {
    std::string text;
    for (const ZeroLoss& loss : plan.losses) {
      text += fmt::format("  {}: {} zero points of 0 {}\n", EscapeTerminal(loss.module), loss.zeros,
                          loss.before ? "lost by the writer" : "without a place in gptq");
    }
    return text;
  }

  int Report(Session& session, const ConvertPlan& plan, const WrittenModel& written) const {
    if (session.json()) {
      const auto extra = [&](JsonWriter& json) {
        json.Key("convert").BeginObject();
        json.Field("output", directory_).Field("modules", plan.modules).Field("copied_tensors", plan.copied);
        json.Field("rewritten_zeros", plan.zeros).Field("repacked_weights", plan.codes);
        json.Field("added_g_idx", plan.g_idx).Field("converted_scales", plan.scales);
        json.Field("restored", plan.restored).Field("dropped_biases", plan.dropped_biases);
        json.Field("changed_files", plan.changed_files).Field("files", written.weight_files);
        json.Field("bytes", written.bytes).Field("warnings", plan.warnings);
        PutLosses(json, plan);
        json.EndObject();
      };
      return session.Finish(RenderEnvelope({}, extra, {}), {}, kExitClean);
    }
    std::string text = fmt::format("{} quantized modules: ", plan.modules);
    const auto add = [&](int64_t count, const char* what) {
      if (count > 0) text += fmt::format("{} {}, ", count, what);
    };
    add(plan.zeros, "qzeros rewritten");
    add(static_cast<int64_t>(plan.restored.size()), "of them restored");
    add(plan.codes, "qweight repacked");
    add(plan.g_idx, "g_idx added");
    add(plan.scales, "scales converted");
    add(static_cast<int64_t>(plan.dropped_biases.size()), "zero-filled biases left out");
    text += fmt::format("{} tensors copied: {} in {} file{}, {}\n", plan.copied, FormatBytes(written.bytes),
                        written.weight_files.size(), written.weight_files.size() == 1 ? "" : "s",
                        EscapeTerminal(directory_));
    for (size_t i = 0; i < plan.changed_files.size(); ++i) {
      text += (i == 0 ? "settings written to " : ", ") + EscapeTerminal(plan.changed_files[i]);
    }
    if (!plan.changed_files.empty()) text += "\n";
    return session.Finish(text + LossText(plan), {}, kExitClean);
  }

  std::string model_, directory_, pack_dtype_, scales_dtype_;
  ConvertOptions options_;
  bool allow_loss_ = false, resume_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeConvert() { return std::make_unique<Convert>(); }

}  // namespace gptq_doctor

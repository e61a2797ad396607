// Installed versions against the profile rows, against each other and against a model.

#include <algorithm>

#include "base/text.h"
#include "loaders/env_scan.h"
#include "loaders/simulate.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kQuantizer = "huggingface/transformers src/transformers/quantizers/quantizer_gptq.py";

struct PackageLoader {
  std::string_view package, loader;
};
constexpr PackageLoader kLoaders[] = {{"auto-gptq", "autogptq"},
                                      {"gptqmodel", "gptqmodel"},
                                      {"transformers", "transformers"},
                                      {"optimum", "optimum"},
                                      {"vllm", "vllm"},
                                      {"sglang", "sglang"},
                                      {"text-generation-server", "tgi"},
                                      {"exllamav2", "exllamav2"},
                                      {"exllamav3", "exllamav3"},
                                      {"lmdeploy", "lmdeploy"},
                                      {"mlx-lm", "mlx-lm"},
                                      {"kt-kernel", "ktransformers"},
                                      {"ktransformers", "ktransformers"},
                                      {"tensorrt-llm", "tensorrt-llm"}};

// Two packages that are known not to work together: `package` within [since, until) wants `other` within [from, to).
struct PairRow {
  std::string_view package;
  Version since, until;
  std::string_view other;
  Version from, to;
  std::string_view message, source;
};
constexpr Version kEnd{999'999, 0, 0};
constexpr PairRow kPairs[] = {
    {"transformers",
     {4, 49, 0},
     kEnd,
     "gptqmodel",
     {1, 4, 3},
     kEnd,
     "The gptqmodel version should be >= 1.4.3, optimum version should >= 1.24.0",
     kQuantizer},
    {"optimum",
     {1, 24, 0},
     kEnd,
     "gptqmodel",
     {1, 6, 0},
     kEnd,
     "ImportError: Found an incompatible version of gptqmodel. optimum wants 1.6.0 or later",
     "huggingface/optimum optimum/utils/import_utils.py"},
    {"optimum",
     {1, 14, 0},
     kEnd,
     "auto-gptq",
     {0, 4, 99},
     kEnd,
     "ImportError: Found an incompatible version of auto-gptq, but only version above 0.4.99 are supported",
     "huggingface/optimum optimum/utils/import_utils.py; axolotl-ai-cloud/axolotl#838"},
    {"transformers",
     {4, 32, 0},
     {4, 49, 0},
     "auto-gptq",
     {0, 4, 2},
     kEnd,
     "ImportError: transformers wants auto-gptq 0.4.2 or later",
     kQuantizer},
    {"vllm",
     {0, 7, 0},
     {0, 10, 0},
     "transformers",
     {0, 0, 0},
     {4, 54, 0},
     "transformers 4.54 renamed the tensors of vision-language models; this vLLM looks for the old names (KeyError: "
     "'language_model.embed_tokens.weight')",
     "ModelCloud/GPTQModel#1788"},
};

// The transformers release that brought a model_type.
struct TypeRow {
  std::string_view model_type;
  Version since;
};
constexpr TypeRow kTypes[] = {{"llama", {4, 28, 0}},      {"falcon", {4, 33, 0}}, {"mistral", {4, 34, 0}},
                              {"mixtral", {4, 36, 0}},    {"qwen2", {4, 37, 0}},  {"gemma", {4, 38, 0}},
                              {"starcoder2", {4, 39, 0}}, {"gemma2", {4, 43, 0}}};

std::optional<Version> VersionOf(const Environment& environment, std::string_view name) {
  const InstalledPackage* package = environment.Find(name);
  Version version;
  int parts = 0;
  if (package == nullptr || !ParseVersion(package->version, &version, &parts)) return std::nullopt;
  return version;
}

std::string Named(const Environment& environment, std::string_view name) {
  const InstalledPackage* package = environment.Find(name);
  return std::string(name) + (package == nullptr ? "" : " " + EscapeTerminal(package->version));
}

void MatchRows(const Environment& environment, EnvironmentReport& report) {
  const bool gptqmodel = environment.Find("gptqmodel") != nullptr;
  const bool autogptq = environment.Find("auto-gptq") != nullptr;
  for (const Profile* row : AllProfiles()) {
    for (const PackageLoader& pair : kLoaders) {
      if (pair.loader != row->loader) continue;
      const auto version = VersionOf(environment, pair.package);
      if (!version || *version < row->since || !(*version < row->until)) continue;
      // transformers from 4.49 prefers gptqmodel.
      if (row->loader == "transformers" && row->backend == "auto-gptq" && row->since >= Version{4, 49, 0} &&
          (gptqmodel || !autogptq))
        continue;
      if (row->loader == "transformers" && row->backend == "gptqmodel" && !gptqmodel && autogptq) continue;
      if (std::find(report.rows.begin(), report.rows.end(), row) == report.rows.end()) report.rows.push_back(row);
    }
  }
  for (const PackageLoader& pair : kLoaders) {
    const InstalledPackage* package = environment.Find(pair.package);
    if (package == nullptr) continue;
    const bool known = std::any_of(report.rows.begin(), report.rows.end(),
                                   [&](const Profile* row) { return row->loader == pair.loader; });
    if (!known) report.unknown.push_back(std::string(pair.loader) + " " + EscapeTerminal(package->version));
  }
}

void CheckTransformersPath(const Environment& environment, EnvironmentReport& report) {
  const auto transformers = VersionOf(environment, "transformers");
  if (!transformers) return;
  const bool optimum = environment.Find("optimum") != nullptr;
  const bool gptqmodel = environment.Find("gptqmodel") != nullptr, autogptq = environment.Find("auto-gptq") != nullptr;
  const auto problem = [&](std::string text) {
    report.problems.push_back({true, std::move(text), std::string(kQuantizer)});
  };
  if (!optimum) {
    problem(Named(environment, "transformers") +
            " cannot load GPTQ without optimum: ImportError: Loading a GPTQ quantized model requires optimum (`pip "
            "install optimum`)");
  }
  if (*transformers >= Version{5, 0, 0} && !gptqmodel) {
    problem(Named(environment, "transformers") +
            " takes only gptqmodel as back end: Loading a GPTQ quantized model requires gptqmodel (`pip install "
            "gptqmodel`) library." +
            (autogptq ? " auto-gptq does not count" : ""));
  } else if (*transformers >= Version{4, 49, 0} && !gptqmodel && !autogptq) {
    problem(Named(environment, "transformers") +
            " has no GPTQ back end: Loading a GPTQ quantized model requires gptqmodel (`pip install gptqmodel`) or "
            "auto-gptq (`pip install auto-gptq`) library.");
  } else if (*transformers < Version{4, 49, 0} && !autogptq) {
    problem(Named(environment, "transformers") +
            " takes only auto-gptq as back end: Loading a GPTQ quantized model requires optimum (`pip install "
            "optimum`) and auto-gptq library (`pip install auto-gptq`)");
  }
  const auto optimum_version = VersionOf(environment, "optimum");
  if (*transformers >= Version{4, 49, 0} && gptqmodel && optimum_version && *optimum_version < Version{1, 24, 0}) {
    problem(Named(environment, "optimum") +
            " is too old for gptqmodel: The gptqmodel version should be >= 1.4.3, optimum version should >= 1.24.0");
  }
}

void CheckPairs(const Environment& environment, const Examination* exam, EnvironmentReport& report) {
  for (const PairRow& row : kPairs) {
    const auto version = VersionOf(environment, row.package), other = VersionOf(environment, row.other);
    if (!version || !other || *version < row.since || !(*version < row.until)) continue;
    if (*other >= row.from && *other < row.to) continue;
    if (row.package == "vllm" && (exam == nullptr || !exam->configs.model.model_type.ends_with("_vl"))) continue;
    report.problems.push_back(
        {true,
         Named(environment, row.package) + " with " + Named(environment, row.other) + ": " + std::string(row.message),
         std::string(row.source)});
  }
  const auto accelerate = VersionOf(environment, "accelerate");
  if (accelerate && *accelerate >= Version{0, 29, 0} && environment.Find("auto-gptq") != nullptr) {
    report.problems.push_back(
        {false,
         Named(environment, "accelerate") +
             " under auto-gptq only warns about tensors that fit no layer, where versions up to 0.28 stop",
         "huggingface/accelerate v0.29.0 src/accelerate/utils/modeling.py"});
  }
  if (const InstalledPackage* torch = environment.Find("torch");
      torch != nullptr && torch->version.find("+cpu") != std::string::npos) {
    report.problems.push_back({false,
                               Named(environment, "torch") + " is built without CUDA: GPU kernels cannot run here",
                               "pytorch/pytorch version.py (local version label)"});
  }
}

void CheckModel(const Environment& environment, const Examination& exam, EnvironmentReport& report) {
  const auto transformers = VersionOf(environment, "transformers");
  for (const TypeRow& row : kTypes) {
    if (row.model_type != exam.configs.model.model_type || !transformers || *transformers >= row.since) continue;
    report.problems.push_back({true,
                               Named(environment, "transformers") + " is too old for model_type " +
                                   std::string(row.model_type) + ", which came with " +
                                   std::to_string(row.since.major) + "." + std::to_string(row.since.minor),
                               "AutoGPTQ/AutoGPTQ auto_gptq/modeling/_const.py"});
  }
  const auto installed = VersionOf(environment, "gptqmodel");
  for (const QuantConfigFile& file : exam.configs.files) {
    if (!file.quantizer.starts_with("gptqmodel:") || !installed) continue;
    Version writer;
    int parts = 0;
    if (!ParseVersion(std::string_view(file.quantizer).substr(10), &writer, &parts) || writer.major <= installed->major)
      continue;
    report.problems.push_back({false,
                               "the model was written by " + EscapeTerminal(file.quantizer) + ", " +
                                   Named(environment, "gptqmodel") + " is older",
                               EscapeTerminal(file.file) + " meta.quantizer"});
    break;
  }
}

}  // namespace

EnvironmentReport JudgeEnvironment(const Environment& environment, const Examination* exam) {
  EnvironmentReport report;
  MatchRows(environment, report);
  CheckTransformersPath(environment, report);
  CheckPairs(environment, exam, report);
  if (exam != nullptr) CheckModel(environment, *exam, report);
  return report;
}

}  // namespace gptq_doctor

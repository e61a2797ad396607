#ifndef GPTQ_DOCTOR_TESTS_CLI_CLI_SUPPORT_H_
#define GPTQ_DOCTOR_TESTS_CLI_CLI_SUPPORT_H_

// Runs of the real binary over directories made for the occasion.

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/model_builder.h"

namespace gptq_doctor::testing {

inline void WriteFile(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

// The tiny GPTQ model without any quantization settings in its files, and the same with them.
inline ModelBuilder SickModel() { return ModelBuilder().Layers(2).Quant(GptqOptions{}); }
inline ModelBuilder HealthyModel() { return SickModel().WithConfigs(); }

// `--format json` added; standard output must be one valid object whatever happens.
struct JsonRun {
  RunResult run;
  nlohmann::json json;
};
inline JsonRun RunJson(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  JsonRun out{.run = RunTool(arguments), .json = {}};
  out.json = nlohmann::json::parse(out.run.out, nullptr, false);
  return out;
}

inline const std::string kLfsPointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 4158662096\n";

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_CLI_CLI_SUPPORT_H_

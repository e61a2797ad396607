// Whole reports of whole models. GPTQ_DOCTOR_UPDATE_GOLDEN=1 writes the files again; read the difference before
// committing it.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gptq_doctor/doctor.h"
#include "report/report.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using testing::GptqOptions;
using testing::ModelBuilder;

std::string ReadGolden(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path = std::string(GPTQ_DOCTOR_SOURCE_DIR) + "/tests/report/golden/" + name;
  if (std::getenv("GPTQ_DOCTOR_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(ReadGolden(path), text) << "GPTQ_DOCTOR_UPDATE_GOLDEN=1 writes " << name << " again";
}

// Without loaders and memory: their sentences change with what is known of other programs, not with the report.
Diagnosis Examined(const ModelBuilder& model) {
  const std::unique_ptr<MemorySource> source = model.Memory();
  Result<Diagnosis> diagnosis = Examine(*source, {.simulate_loaders = false, .estimate_memory = false}, {});
  EXPECT_TRUE(diagnosis.ok());
  Diagnosis out = diagnosis.ok() ? std::move(*diagnosis) : Diagnosis{};
  out.path = "model";
  return out;
}

ModelBuilder Healthy() { return ModelBuilder().Layers(2).Quant(GptqOptions{}).WithConfigs(); }
ModelBuilder Sick() { return ModelBuilder().Layers(2).Quant(GptqOptions{}); }

TEST(Golden, TheSickModelInText) {
  ExpectGolden("sick.txt", RenderText({.models = {Examined(Sick())}}, {.width = 100}));
}

TEST(Golden, AHealthyModelInText) {
  const std::string text = RenderText({.models = {Examined(Healthy())}}, {.width = 100});
  ExpectGolden("healthy.txt", text);
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 60);
}

TEST(Golden, TheSickModelInMarkdown) { ExpectGolden("sick.md", RenderMarkdown({.models = {Examined(Sick())}}, {})); }

TEST(Golden, ReportsDoNotDependOnTheRun) {
  EXPECT_EQ(RenderJson({.models = {Examined(Sick())}}, {}), RenderJson({.models = {Examined(Sick())}}, {}));
}

}  // namespace
}  // namespace gptq_doctor

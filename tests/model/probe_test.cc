// Small hostile, broken and odd files, each with what the reference reader does with it
// (tests/data/probes/verdicts.json). We refuse whatever it refuses, and in addition repeated tensor names, array-form
// entries and map-form dtypes.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "gtest/gtest.h"
#include "model/safetensors.h"

namespace gptq_doctor {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

bool HasExtraRefusal(const ShardHeader& header) {
  return std::any_of(header.defects.begin(), header.defects.end(), [](const Defect& defect) {
    return defect.kind == DefectKind::kDuplicateTensor || defect.kind == DefectKind::kEntryForm;
  });
}

void ExpectVerdict(const std::string& name, const std::string& content, bool reference_accepts,
                   const std::string& reference_error) {
  SCOPED_TRACE(name);
  MemorySource source;
  source.Add(name, content);
  const auto entry = source.Stat(name);
  ASSERT_TRUE(entry.ok());
  const ShardHeader header = ReadHeader(source, *entry, {});
  std::string found;
  bool named = false;
  for (const Defect& defect : header.defects) {
    found += ReferenceError(defect) + ": " + defect.detail + "\n";
    named = named || (IsRefusal(defect.kind) && ReferenceError(defect) == reference_error);
    EXPECT_FALSE(defect.detail.empty());
  }
  EXPECT_EQ(header.accepted, reference_accepts && !HasExtraRefusal(header)) << found;
  EXPECT_TRUE(named || reference_error.empty()) << "expected " << reference_error << " among\n" << found;
}

TEST(Probes, EveryVerdictIsThatOfTheReference) {
  const std::filesystem::path directory = std::filesystem::path(GPTQ_DOCTOR_TEST_DATA) / "probes";
  const auto verdicts = nlohmann::json::parse(ReadFile(directory / "verdicts.json"));
  EXPECT_GT(verdicts.size(), 100u);
  for (const auto& [name, verdict] : verdicts.items()) {
    const bool accepts = verdict.at("reference") == "accepts";
    std::string error;
    if (verdict.contains("error") && verdict["error"].is_string()) error = verdict["error"];
    ExpectVerdict(name, ReadFile(directory / name), accepts, error);
  }
}

}  // namespace
}  // namespace gptq_doctor

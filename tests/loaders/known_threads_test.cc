// The rest of the collected problems (C001 to C068), those that no loader's outcome tells: messages of other programs,
// directories about which nothing may be claimed, sizes. And that every one of them stands in some test of this folder.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "loaders/models.h"
#include "loaders/support.h"
#include "loaders/symptom.h"

namespace gptq_doctor::testing {
namespace {

struct Thread {
  const char* id;
  const char* pasted;
  ModelBuilder (*build)();
  std::optional<bool> explains;
};

TEST(KnownThreads, MessagesOfOtherPrograms) {
  const auto healthy = [] { return Healthy(); };
  const auto no_tokenizer = [] { return Healthy().Remove("tokenizer.json").Remove("tokenizer_config.json"); };
  const Thread rows[] = {
      {"C013",
       "ValueError: Found modules on cpu/disk. Using Exllama or Exllamav2 backend requires all the modules to be on "
       "GPU.",
       healthy, std::nullopt},
      {"C014", "RuntimeError: The temp_state buffer is too small in the exllama backend",
       [] { return Healthy({.group_size = 64, .desc_act = true}); }, true},
      {"C047", "ValueError: Cannot merge LORA layers when the model is gptq quantized", healthy, true},
      {"C048", "ValueError: Tokenizer class QWenTokenizer does not exist or is not currently imported.", no_tokenizer,
       true},
      {"C049", "OSError: Can't load tokenizer for './m'", no_tokenizer, true},
      {"C051", "RuntimeError: probability tensor contains either `inf`, `nan` or element < 0", healthy, std::nullopt},
      {"C066", "KeyError: 'language_model.embed_tokens.weight'", healthy, std::nullopt}};
  for (const Thread& row : rows) {
    const Examined model = ExamineModel(row.build());
    ASSERT_NE(model.exam, nullptr);
    const auto matches = MatchSymptom(row.pasted, model.exam.get());
    ASSERT_FALSE(matches.empty()) << row.id;
    EXPECT_EQ(matches.front().verdict.explains, row.explains) << row.id << " " << matches.front().verdict.evidence;
  }
}

// C053 : asymmetric v1 zeros wrap, and readers that wrap alike are right.
TEST(KnownThreads, WrappedZerosAreNoFault) {
  for (const char* selector : {"autogptq@0.7.1", "transformers@4.55/gptqmodel", "exllamav2"})
    EXPECT_EQ(Ask(Healthy({.sym = false}), selector).outcome, Outcome::kLoads) << selector;
}

// C036 : the same suffixes packed along the columns are AWQ's, about which nothing is said.
TEST(KnownThreads, OtherLayoutsGetNoAnswer) {
  const Examined awq =
      ExamineDirectory(std::string(GPTQ_DOCTOR_SOURCE_DIR) + "/tests/data/real/neg-autoround-awq-4b-g32/model");
  ASSERT_NE(awq.exam, nullptr);
  EXPECT_TRUE(SimulateLoaders(*awq.exam, {.selectors = {"all"}}).empty());
}

// C057 : one group assumed over a file of several is a matter of shapes.
TEST(KnownThreads, GroupsComeFromTheShapes) {
  ModelBuilder builder = Healthy();
  SideFile(builder, {{"group_size", -1}});
  const LoaderOutcome outcome = Ask(builder, "autogptq@0.7.1");
  EXPECT_EQ(outcome.outcome, Outcome::kRejects) << Describe(outcome);
  EXPECT_NE(outcome.message.find("in \"qzeros\""), std::string::npos) << Describe(outcome);
}

// C067 and C068 : what a fallback costs follows from the layers' sizes, whatever the packing.
TEST(KnownThreads, DenseBytesDoNotHangOnTheBits) {
  const Examined four = ExamineModel(Healthy()), eight = ExamineModel(Healthy({.bits = 8}));
  ASSERT_TRUE(four.exam && eight.exam);
  const FallbackStory of_four = TellFallback(*four.exam), of_eight = TellFallback(*eight.exam);
  ASSERT_FALSE(of_four.costs.empty());
  EXPECT_EQ(of_four.costs.front().bytes, of_eight.costs.front().bytes);
  EXPECT_LT(of_four.expected_bytes, of_eight.expected_bytes);
}

TEST(KnownThreads, EachStandsInATestOfThisFolder) {
  std::string sources;
  for (const auto& file : std::filesystem::directory_iterator(std::string(GPTQ_DOCTOR_SOURCE_DIR) + "/tests/loaders")) {
    if (file.path().extension() != ".cc") continue;
    std::ifstream in(file.path(), std::ios::binary);
    sources.append(std::istreambuf_iterator<char>(in), {});
  }
  for (int number = 1; number <= 68; ++number) {
    const std::string id = (number < 10 ? "C00" : "C0") + std::to_string(number);
    EXPECT_NE(sources.find(id), std::string::npos) << id;
  }
}

}  // namespace
}  // namespace gptq_doctor::testing

#include "rules/findings.h"

#include <gtest/gtest.h>

#include "rules/rule.h"

namespace gptq_doctor {
namespace {

Observation Named(std::string message, std::vector<std::string> names) {
  Observation out;
  out.message = std::move(message);
  out.file = "model.safetensors";
  out.names = std::move(names);
  return out;
}

const Rule& AnyRule() { return *FindRule("GD301"); }

TEST(FindingSink, FoldsByRuleFileAndCause) {
  FindingSink sink(true);
  sink.Use(AnyRule());
  sink.Add(Named("{names}: scales is missing", {"model.layers.10.mlp.up_proj"}));
  sink.Add(Named("{names}: scales is missing", {"model.layers.2.mlp.up_proj"}));
  sink.Add(Named("{names}: qzeros is missing", {"model.layers.2.mlp.up_proj"}));
  const auto findings = sink.Take();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].message, "2 modules (model.layers.*.mlp.up_proj): scales is missing");
  EXPECT_EQ(findings[0].count, 2);
  EXPECT_EQ(findings[0].pattern, "model.layers.*.mlp.up_proj");
  EXPECT_EQ(findings[0].tensors,
            (std::vector<std::string>{"model.layers.2.mlp.up_proj", "model.layers.10.mlp.up_proj"}));
  EXPECT_EQ(findings[1].message, "model.layers.2.mlp.up_proj: qzeros is missing");
}

TEST(FindingSink, KeepsFilesApartUnlessTheCauseSpansThem) {
  for (const bool across : {false, true}) {
    FindingSink sink(true);
    sink.Use(AnyRule());
    for (const char* file : {"a.safetensors", "b.safetensors"}) {
      Observation one = Named("{names}: gone", {std::string("x.") + file});
      one.file = file;
      one.across_files = across;
      sink.Add(one);
    }
    EXPECT_EQ(sink.Take().size(), across ? 1u : 2u);
  }
}

TEST(FindingSink, ShowsTheFirstTwentyNamesInNaturalOrderAndCountsAll) {
  FindingSink sink(true);
  sink.Use(AnyRule());
  for (int i = 99; i >= 0; --i) sink.Add(Named("{names}: gone", {"layers." + std::to_string(i) + ".q"}));
  const auto findings = sink.Take();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].count, 100);
  ASSERT_EQ(findings[0].tensors.size(), 20u);
  EXPECT_EQ(findings[0].tensors[2], "layers.2.q");
}

TEST(FindingSink, WithoutFoldingEveryNameStandsAlone) {
  FindingSink sink(false);
  sink.Use(AnyRule());
  sink.Add(Named("{names}: gone", {"layers.0.q", "layers.1.q"}));
  const auto findings = sink.Take();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].message, "layers.0.q: gone");
  EXPECT_EQ(findings[0].count, 1);
}

TEST(FindingSink, FingerprintIgnoresWordingAndHoldsRulePlaceSubjectAndValue) {
  const auto fingerprint = [](const std::string& message, const std::string& file, const std::string& value) {
    FindingSink sink(true);
    sink.Use(AnyRule());
    Observation one = Named(message, {"layers.0.q"});
    one.cause = "cause";
    one.file = file;
    one.value = value;
    sink.Add(one);
    return sink.Take().front().fingerprint;
  };
  const std::string base = fingerprint("one wording", "a", "1");
  EXPECT_EQ(base.size(), 32u);
  EXPECT_EQ(base.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(base, fingerprint("another wording", "a", "1"));
  EXPECT_NE(base, fingerprint("one wording", "b", "1"));
  EXPECT_NE(base, fingerprint("one wording", "a", "2"));
}

TEST(Fingerprint, IsTheBeginningOfSha256) {
  // printf 'a\0b\0' | sha256sum
  EXPECT_EQ(Fingerprint({"a", "b"}), "8fb20ef63ced4145fc2e983ffe597d1d");
  EXPECT_NE(Fingerprint({"ab", ""}), Fingerprint({"a", "b"}));
}

TEST(FindingSink, SortsBySeverityThenCode) {
  FindingSink sink(true);
  sink.Add("GD316", Named("note", {"x"}));
  sink.Add("GD306", Named("warning", {"x"}));
  sink.Add("GD302", Named("error", {"x"}));
  sink.Add("GD301", Named("error", {"x"}));
  std::vector<std::string> codes;
  for (const Finding& finding : sink.Take()) codes.push_back(finding.code);
  EXPECT_EQ(codes, (std::vector<std::string>{"GD301", "GD302", "GD306", "GD316"}));
}

}  // namespace
}  // namespace gptq_doctor

#ifndef GPTQ_DOCTOR_LOADERS_SYMPTOM_H_
#define GPTQ_DOCTOR_LOADERS_SYMPTOM_H_

// Messages that loaders print, and what they mean: a pasted error is matched to the rows of symptoms_*.cc, and where
// a model is given its examination says whether it explains the message.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/facts.h"
#include "loaders/simulate.h"

namespace gptq_doctor {

struct SymptomVerdict {
  std::optional<bool> explains;  // empty: these files cannot tell
  std::string evidence;          // one sentence
};

// Judges a message against a model. `text` is the pasted message, lower-cased.
using SymptomTest = SymptomVerdict (*)(const ModelFacts& facts, std::string_view text);

struct SymptomRow {
  std::string_view message;       // as the program prints it, shortened
  std::string_view needle, also;  // both must occur, lower case, "|" between alternatives; `also` may be empty
  std::string_view loader;        // a loader id, or "any"
  std::string_view printed_by;
  std::string_view step;
  std::string_view meaning;
  std::string_view remedy;
  SymptomTest test = nullptr;  // null: by simulation of `loader`
  std::string_view source;
};
std::span<const SymptomRow> PythonSymptoms();
std::span<const SymptomRow> VllmSymptoms();
std::span<const SymptomRow> ServingSymptoms();
std::span<const SymptomRow> CommonSymptoms();
bool LooksGarbled(std::string_view text);

struct SymptomMatch {
  const SymptomRow* row = nullptr;
  SymptomVerdict verdict;  // only with a model
};
// Best first, at most five; empty where no row matches. `exam` may be null.
std::vector<SymptomMatch> MatchSymptom(std::string_view text, const Examination* exam);

// Tests shared by rows, in symptom_tests.cc.
SymptomVerdict TestUnusedWeights(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestSideFileMissing(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestModelType(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestNotQuantized(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestActOrder(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestNumbers(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestGarbage(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestOutOfMemory(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestIsGptq(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestHeaders(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestNoMetadata(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestTokenizer(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestNothing(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestBadScales(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestUnknownKey(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestMixedExperts(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestTiedHead(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestExtraBias(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestLayers(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestV2Label(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestMissingShards(const ModelFacts& facts, std::string_view text);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_SYMPTOM_H_

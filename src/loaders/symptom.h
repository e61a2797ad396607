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

// Judges a message against a model. `text` is the pasted message, normalized.
using SymptomTest = SymptomVerdict (*)(const ModelFacts& facts, std::string_view text);

struct SymptomRow {
  std::string_view message;       // as the program prints it, shortened
  std::string_view needle, also;  // both must occur, lower case, "|" between alternatives; `also` may be empty
  std::string_view unless;        // alternatives that make it another message
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

// What the text is taken for: a row, a message of a profile, or one that a loader prints for the model at hand.
struct SymptomMatch {
  std::string message, loader, printed_by, step, meaning, remedy, source;
  SymptomVerdict verdict;  // only with a model
};
// Best first, at most five; empty where nothing matches. `exam` may be null.
std::vector<SymptomMatch> MatchSymptom(std::string_view text, const Examination* exam);

// Messages that profiles hold as data (symptom_templates.cc), for texts that no row knows: one match a message, with
// the loaders that share it. `outcomes` are those of the model, null without one.
std::vector<SymptomMatch> MatchTemplates(std::string_view plain, const std::vector<LoaderOutcome>* outcomes);
// Messages that loaders print for this very model (symptom_seen.cc); `text` as it was pasted.
std::vector<SymptomMatch> MatchOutcomes(std::string_view text, const std::vector<LoaderOutcome>& outcomes);

// The first tensor that the text names and that the model has none like, whatever its layer; empty where there is none.
std::string NameNotHeld(const ModelFacts& facts, std::string_view text);

// Tests shared by rows, in symptom_tests.cc and symptom_sizes.cc.
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
SymptomVerdict TestMissingKeys(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestAlignment(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestPlainSizes(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestPackedKey(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestQuantizedExperts(const ModelFacts& facts, std::string_view text);
SymptomVerdict TestAutoRoundExperts(const ModelFacts& facts, std::string_view text);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_SYMPTOM_H_

#include "loaders/symptom.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "loaders/symptom_text.h"

namespace gptq_doctor {
namespace {

// How much of the text the row's needles cover; 0: it is another message.
size_t Weight(const SymptomRow& row, std::string_view text) {
  const size_t needle = FindAlternative(row.needle, text), also = FindAlternative(row.also, text);
  if (needle == 0 || (also == 0 && !row.also.empty()) || FindAlternative(row.unless, text) > 0) return 0;
  return needle + also;
}

// Does some version of the row's loader print this for the directory?
SymptomVerdict BySimulation(const SymptomRow& row, const std::vector<LoaderOutcome>& outcomes) {
  bool asked = false;
  for (const LoaderOutcome& outcome : outcomes) {
    if (row.loader != "any" && outcome.loader != row.loader) continue;
    asked = true;
    if (Weight(row, NormalizeMessage(outcome.message)) == 0) continue;
    return {true, outcome.loader + " " + outcome.version + (outcome.backend.empty() ? "" : " with " + outcome.backend) +
                      " prints it for this directory: " + outcome.summary};
  }
  if (!asked) return {std::nullopt, "these files cannot tell"};
  return {false, "no version of " + std::string(row.loader == "any" ? "the known loaders" : row.loader) +
                     " that is known prints it for this directory as it is"};
}

SymptomVerdict Judge(const SymptomRow& row, const ModelFacts& facts, std::string_view plain,
                     const std::vector<LoaderOutcome>& outcomes) {
  if (row.test != nullptr) return row.test(facts, plain);
  const std::string name = NameNotHeld(facts, plain);
  if (!name.empty()) return {false, "no tensor of these files is called like " + EscapeTerminal(name)};
  return BySimulation(row, outcomes);
}

SymptomMatch FromRow(const SymptomRow& row) {
  const auto text = [](std::string_view view) { return std::string(view); };
  return {text(row.message), text(row.loader), text(row.printed_by), text(row.step),
          text(row.meaning), text(row.remedy), text(row.source),     {}};
}

// Rows that match, best first.
std::vector<const SymptomRow*> MatchRows(std::string_view text, std::string_view plain) {
  std::vector<const SymptomRow*> rows;
  const SymptomRow* garbled = nullptr;
  for (const auto table : {PythonSymptoms(), VllmSymptoms(), ServingSymptoms(), CommonSymptoms()}) {
    for (const SymptomRow& row : table) {
      if (row.test == TestGarbage && garbled == nullptr) garbled = &row;
      if (Weight(row, plain) > 0) rows.push_back(&row);
    }
  }
  if (rows.empty() && garbled != nullptr && LooksGarbled(text)) rows.push_back(garbled);
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const SymptomRow* a, const SymptomRow* b) { return Weight(*a, plain) > Weight(*b, plain); });
  return rows;
}

}  // namespace

std::vector<SymptomMatch> MatchSymptom(std::string_view text, const Examination* exam) {
  const std::string plain = NormalizeMessage(text);
  const std::vector<const SymptomRow*> rows = MatchRows(text, plain);
  std::vector<SymptomMatch> matches;
  for (const SymptomRow* row : rows) matches.push_back(FromRow(*row));
  if (exam == nullptr) {
    if (matches.empty()) matches = MatchTemplates(plain, nullptr);
  } else {
    const ModelFacts facts = DigestModel(*exam);
    const bool simulate =
        std::any_of(rows.begin(), rows.end(), [](const SymptomRow* row) { return row->test == nullptr; });
    std::vector<LoaderOutcome> outcomes;
    if (simulate || rows.empty()) outcomes = SimulateLoaders(*exam, {.selectors = {"all"}});
    for (size_t i = 0; i < rows.size(); ++i) matches[i].verdict = Judge(*rows[i], facts, plain, outcomes);
    if (matches.empty()) matches = MatchOutcomes(text, outcomes);
    if (matches.empty()) matches = MatchTemplates(plain, &outcomes);
    // What the directory explains comes first.
    std::stable_partition(matches.begin(), matches.end(),
                          [](const SymptomMatch& match) { return match.verdict.explains.value_or(false); });
  }
  if (matches.size() > 5) matches.resize(5);
  return matches;
}

}  // namespace gptq_doctor

#include "loaders/symptom.h"

#include <algorithm>

namespace gptq_doctor {
namespace {

// Lower case, runs of white space as one space, typographic quotes as plain ones: messages come through chats and
// terminals.
std::string Normalize(std::string_view text) {
  std::string plain;
  bool space = false;
  for (size_t at = 0; at < text.size() && plain.size() < 20'000; ++at) {
    const char c = text[at];
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      space = !plain.empty();
      continue;
    }
    if (space) plain += ' ';
    space = false;
    if (text.substr(at, 3) == "\u2018" || text.substr(at, 3) == "\u2019") {
      plain += '\'';
      at += 2;
    } else if (text.substr(at, 3) == "\u201c" || text.substr(at, 3) == "\u201d") {
      plain += '"';
      at += 2;
    } else {
      plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return plain;
}

// Length of the longest of the alternatives ("a|b") that `text` holds; 0 where it holds none.
size_t Found(std::string_view alternatives, std::string_view text) {
  size_t longest = 0;
  while (!alternatives.empty()) {
    const std::string_view needle = alternatives.substr(0, alternatives.find('|'));
    alternatives.remove_prefix(std::min(alternatives.size(), needle.size() + 1));
    if (text.find(needle) != std::string_view::npos) longest = std::max(longest, needle.size());
  }
  return longest;
}

// How much of the text the row's needles cover; 0: it is another message.
size_t Weight(const SymptomRow& row, std::string_view text) {
  const size_t needle = Found(row.needle, text), also = Found(row.also, text);
  return needle == 0 || (also == 0 && !row.also.empty()) ? 0 : needle + also;
}

// Does some version of the row's loader print this for the directory?
SymptomVerdict BySimulation(const SymptomRow& row, const std::vector<LoaderOutcome>& outcomes) {
  bool asked = false;
  for (const LoaderOutcome& outcome : outcomes) {
    if (row.loader != "any" && outcome.loader != row.loader) continue;
    asked = true;
    if (Weight(row, Normalize(outcome.message)) == 0) continue;
    return {true, outcome.loader + " " + outcome.version + (outcome.backend.empty() ? "" : " with " + outcome.backend) +
                      " prints it for this directory: " + outcome.summary};
  }
  if (!asked) return {std::nullopt, "these files cannot tell"};
  return {false, "no version of " + std::string(row.loader == "any" ? "the known loaders" : row.loader) +
                     " that is known prints it for this directory as it is"};
}

}  // namespace

std::vector<SymptomMatch> MatchSymptom(std::string_view text, const Examination* exam) {
  const std::string plain = Normalize(text);
  std::vector<SymptomMatch> matches;
  const SymptomRow* garbled = nullptr;
  for (const auto rows : {PythonSymptoms(), VllmSymptoms(), ServingSymptoms(), CommonSymptoms()}) {
    for (const SymptomRow& row : rows) {
      if (row.test == TestGarbage && garbled == nullptr) garbled = &row;
      if (Weight(row, plain) > 0) matches.push_back({&row, {}});
    }
  }
  if (matches.empty() && garbled != nullptr && LooksGarbled(text)) matches.push_back({garbled, {}});
  std::stable_sort(matches.begin(), matches.end(), [&](const SymptomMatch& a, const SymptomMatch& b) {
    return Weight(*a.row, plain) > Weight(*b.row, plain);
  });
  if (matches.size() > 5) matches.resize(5);
  if (exam == nullptr || matches.empty()) return matches;
  const ModelFacts facts = DigestModel(*exam);
  const bool simulate =
      std::any_of(matches.begin(), matches.end(), [](const SymptomMatch& match) { return match.row->test == nullptr; });
  std::vector<LoaderOutcome> outcomes;
  if (simulate) outcomes = SimulateLoaders(*exam, {.selectors = {"all"}});
  for (SymptomMatch& match : matches) {
    match.verdict = match.row->test != nullptr ? match.row->test(facts, plain) : BySimulation(*match.row, outcomes);
  }
  return matches;
}

namespace {

// UTF-8 that was read as Latin-1 and encoded again: the letter of a lead byte followed by those of as many continuation
// bytes as it announces.
size_t TwiceEncoded(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  size_t sequences = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (byte(at) != 0xC3 || byte(at + 1) < 0x82 || byte(at + 1) > 0xB4) continue;
    const size_t announced = byte(at + 1) < 0xA0 ? 1 : byte(at + 1) < 0xB0 ? 2 : 3;
    size_t continued = 0;
    while (continued < announced && byte(at + 2 + 2 * continued) == 0xC2) ++continued;
    sequences += continued == announced ? 1 : 0;
  }
  return sequences;
}

}  // namespace

bool LooksGarbled(std::string_view text) {
  // The same character over and over, replacement characters, text encoded twice, or many changes between scripts.
  size_t run = 1, longest = 1, foreign = 0, changes = 0, letters = 0;
  bool last_foreign = false;
  for (size_t at = 0; at < text.size(); ++at) {
    if (at > 0 && text[at] == text[at - 1] && text[at] != ' ' && text[at] != '\n' && text[at] != '-' &&
        text[at] != '=' && text[at] != '.') {
      longest = std::max(longest, ++run);
    } else {
      run = 1;
    }
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x80 && byte < 0xC0) continue;
    const bool is_foreign = byte >= 0xCE;  // from Greek on; below are Latin letters with marks
    if (byte > ' ') {
      ++letters;
      foreign += is_foreign ? 1 : 0;
      changes += is_foreign != last_foreign ? 1 : 0;
      last_foreign = is_foreign;
    }
  }
  if (longest >= 8) return true;
  if (text.find("\xEF\xBF\xBD") != std::string_view::npos || TwiceEncoded(text) > 1) return true;
  return letters >= 12 && foreign * 5 >= letters && changes * 6 >= letters;
}

}  // namespace gptq_doctor

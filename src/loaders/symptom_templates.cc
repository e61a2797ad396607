// A pasted text against the message templates of the profiles.

#include <algorithm>
#include <string>

#include "loaders/symptom.h"
#include "loaders/symptom_text.h"

namespace gptq_doctor {
namespace {

struct Field {
  std::string_view step, meaning, remedy;
  std::string_view (*message)(const Profile&);
  std::string_view (*source)(const Profile&);
};

// One message of one part of a profile.
template <auto Part, auto Message>
constexpr Field Of(std::string_view step, std::string_view meaning, std::string_view remedy) {
  return {step, meaning, remedy, [](const Profile& row) { return (row.*Part).*Message; },
          [](const Profile& row) { return (row.*Part).source; }};
}

constexpr std::string_view kFix = "gptq-doctor fix --write";
constexpr std::string_view kOther = "take another loader";
constexpr std::string_view kCorrect = "correct the configuration: gptq-doctor config shows what the tensors prove";
constexpr std::string_view kFetch = "fetch the missing files again, or name them as the loader looks for them";

constexpr Field kFields[] = {
    Of<&Profile::config, &ConfigFacts::no_config_message>(
        "config", "It found no quantization settings where it looks for them.", kFix),
    Of<&Profile::config, &ConfigFacts::no_type_message>("config", "config.json names no model_type.",
                                                        "copy config.json from the model it was quantized from"),
    Of<&Profile::config, &ConfigFacts::null_message>("config", "quantization_config is null.", kFix),
    Of<&Profile::config, &ConfigFacts::required_message>("config", "A setting that it requires is missing.", kFix),
    Of<&Profile::method, &MethodFacts::missing_message>("method", "The settings name no quant_method.", kFix),
    Of<&Profile::method, &MethodFacts::unknown_message>("method", "quant_method is none it knows.", kFix),
    Of<&Profile::method, &MethodFacts::not_string_message>("method", "quant_method is no string.", kFix),
    Of<&Profile::limits, &LimitFacts::bits_message>("settings", "bits is outside what it accepts.", kOther),
    Of<&Profile::limits, &LimitFacts::bits_type_message>("settings", "bits is no number.", kCorrect),
    Of<&Profile::limits, &LimitFacts::bits_word_message>("settings", "bits is a word it does not know.", kCorrect),
    Of<&Profile::limits, &LimitFacts::one_bit_message>("settings", "It takes no single-bit weights.", kOther),
    Of<&Profile::limits, &LimitFacts::group_size_message>("settings", "group_size is outside what it accepts.",
                                                          kCorrect),
    Of<&Profile::limits, &LimitFacts::format_message>("settings", "checkpoint_format is none it knows for this method.",
                                                      kCorrect),
    Of<&Profile::limits, &LimitFacts::damp_message>(
        "settings", "damp_percent, a number of the quantization run, is not between 0 and 1.", kCorrect),
    Of<&Profile::limits, &LimitFacts::damp_increment_message>(
        "settings", "damp_auto_increment, a number of the quantization run, is below 0.", kCorrect),
    Of<&Profile::limits, &LimitFacts::meta_message>("settings", "meta is no JSON object.", kCorrect),
    Of<&Profile::limits, &LimitFacts::dynamic_bits_message>(
        "settings", "A rule of dynamic sets bits that it does not accept.", kCorrect),
    Of<&Profile::limits, &LimitFacts::dynamic_group_message>(
        "settings", "A rule of dynamic sets a group_size that it does not accept.", kCorrect),
    Of<&Profile::files, &FileFacts::duplicates_message>("weights", "Two files hold the same tensor.",
                                                        "remove the stray file"),
    Of<&Profile::files, &FileFacts::none_message>("weights", "No weight file has a name that it looks for.", kFetch),
    Of<&Profile::files, &FileFacts::missing_shard_message>(
        "weights", "The index names files that are not in the directory.", kFetch),
    Of<&Profile::modules, &ModuleFacts::type_message>("model type", "model_type is not in its list.",
                                                      "take a newer version"),
    Of<&Profile::modules, &ModuleFacts::pattern_message>("modules", "A key of dynamic is no regular expression.",
                                                         kCorrect),
    Of<&Profile::tensors, &TensorFacts::unexpected_message>(
        "tensors", "Tensors of the files fit nothing in the model that was built.", kFix),
    Of<&Profile::tensors, &TensorFacts::shape_message>("tensors",
                                                       "The declared settings do not give the stored shapes.", kFix),
    Of<&Profile::tensors, &TensorFacts::g_idx_message>("tensors", "A quantized layer has no g_idx.",
                                                       "another branch of the model, or a loader that needs none")};

// The match that has this template already, or a new one.
SymptomMatch& MatchOf(std::vector<SymptomMatch>& matches, std::string_view message) {
  const auto found =
      std::find_if(matches.begin(), matches.end(), [&](const SymptomMatch& match) { return match.message == message; });
  if (found != matches.end()) return *found;
  matches.emplace_back().message = message;
  return matches.back();
}

void AddLoader(SymptomMatch& match, const Profile& row) {
  const std::string name = std::string(row.loader) + " " + std::string(row.version);
  if (match.loader.empty()) match.loader = row.loader;
  if (match.loader != row.loader) match.loader = "any";
  if (match.printed_by.find(name) == std::string::npos)
    match.printed_by += (match.printed_by.empty() ? "" : ", ") + name;
}

SymptomVerdict JudgeTemplate(std::string_view message, const std::vector<LoaderOutcome>& outcomes) {
  for (const LoaderOutcome& outcome : outcomes) {
    if (CoverOfTemplate(message, NormalizeMessage(outcome.message)) == 0) continue;
    return {true, outcome.loader + " " + outcome.version + " prints it for this directory: " + outcome.summary};
  }
  return {false, "no loader that is known prints it for this directory as it is"};
}

void Take(std::vector<SymptomMatch>& matches, const Profile& row, std::string_view message, const Field& field,
          std::string_view plain) {
  if (message.empty() || CoverOfTemplate(message, plain) == 0) return;
  SymptomMatch& match = MatchOf(matches, message);
  AddLoader(match, row);
  if (!match.step.empty()) return;
  match.step = field.step;
  match.meaning = field.meaning;
  match.remedy = field.remedy;
  match.source = field.source(row);
}

}  // namespace

std::vector<SymptomMatch> MatchTemplates(std::string_view plain, const std::vector<LoaderOutcome>* outcomes) {
  static constexpr Field kKernel = {"kernel", "No kernel takes the layers' settings or shapes.", kOther, nullptr,
                                    [](const Profile& row) { return row.kernels.front().source; }};
  std::vector<SymptomMatch> matches;
  for (const Profile* row : AllProfiles()) {
    for (const Field& field : kFields) Take(matches, *row, field.message(*row), field, plain);
    for (const KernelRow& kernel : row->kernels) Take(matches, *row, kernel.refusal, kKernel, plain);
  }
  std::stable_sort(matches.begin(), matches.end(), [&](const SymptomMatch& a, const SymptomMatch& b) {
    return CoverOfTemplate(a.message, plain) > CoverOfTemplate(b.message, plain);
  });
  if (outcomes != nullptr) {
    for (SymptomMatch& match : matches) match.verdict = JudgeTemplate(match.message, *outcomes);
  }
  return matches;
}

}  // namespace gptq_doctor

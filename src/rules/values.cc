// Family 4: defects of values by their catalogue numbers, and what configuration and names say about the same tensors.

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "base/text.h"
#include "infer/verified_defects.h"
#include "rules/checks.h"
#include "rules/families.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

// The catalogue's numbers, as ValueDefect::catalogue holds them, and the rule that reports each.
struct ValueRow {
  int catalogue;
  std::string_view variant;  // empty: any
  std::string_view code;
  std::string_view headline;
  Confidence confidence;
};

constexpr ValueRow kValueRows[] = {
    {1, "or", "GD401", "zero points of 0 wiped out the fields above them", Confidence::kCertain},
    {1, "borrow", "GD402", "zero points of 0 borrowed from the fields above them", Confidence::kCertain},
    {2, "", "GD403", "3-bit zero points carry the wrong constants of GPTQModel before 7.0.0", Confidence::kCertain},
    {4, "", "GD405", "scales are NaN or infinite", Confidence::kCertain},
    {5, "", "GD406", "scales are zero although their codes differ", Confidence::kCertain},
    {6, "", "GD408", "dequantized weights overflow F16", Confidence::kCertain},
    {8, "", "GD410", "g_idx points outside the groups", Confidence::kCertain},
    {9, "", "GD411", "groups are referenced by no channel", Confidence::kCertain},
    {10, "", "GD412", "groups have unequal numbers of channels", Confidence::kCertain},
    {11, "", "GD413", "g_idx is all zero although there are several groups", Confidence::kCertain},
    {18, "", "GD414", "qweight was never filled", Confidence::kCertain},
    {19, "", "GD415", "qweight looks like random words", Confidence::kInferred},
    {20, "", "GD407", "scales or qzeros are all zero", Confidence::kCertain},
    {24, "", "GD417", "the bias is all zero, which is harmless", Confidence::kCertain},
    {27, "", "GD404", "the stored zero points carry the shift of the base bits instead of their own",
     Confidence::kCertain},
    {kPartUnfilled, "zero", "GD420", "parts of qweight are zero bytes", Confidence::kCertain},
    {kPartUnfilled, "random", "GD420", "parts of qweight look like random words", Confidence::kInferred},
    {kLevelsUnused, "", "GD421", "half of the codes or more never occur", Confidence::kInferred},
    {kWrongLayout, "", "GD422", "3-bit codes are stored in the other layout", Confidence::kInferred},
    {kColumnsSaturated, "", "GD423", "outputs are saturated", Confidence::kInferred},
    {kColumnsConstant, "", "GD424", "outputs have one constant code", Confidence::kCertain},
    {kManyDead, "", "GD425", "a quarter of the channels or more are dead", Confidence::kCertain},
    {kDenseNotFinite, "", "GD426", "a dense tensor holds NaN or infinity", Confidence::kCertain},
    {kHashDiffers, "", "GD430", "the file is not the one that was published", Confidence::kCertain},
    {kBaseUnrelated, "", "GD440", "the weights bear no resemblance to those of the base model", Confidence::kCertain},
    {kBaseSwapped, "", "GD441", "the weights are those of another module of the base model", Confidence::kCertain},
    {kBaseTransposed, "", "GD442", "the weights are the base model's, transposed", Confidence::kCertain},
    {kBaseCoarse, "", "GD443", "the weights are farther from the base model's than their bits explain",
     Confidence::kInferred},
    {kBaseOtherShape, "", "GD444", "the module has another shape than in the base model", Confidence::kCertain},
    {kBaseDenseDiffers, "", "GD445", "a tensor that was left dense differs from the base model's",
     Confidence::kCertain},
};

const ValueRow* RowOf(const ValueDefect& defect) {
  for (const ValueRow& row : kValueRows) {
    if (row.catalogue == defect.catalogue && (row.variant.empty() || row.variant == defect.variant)) return &row;
  }
  return nullptr;
}

// The first configuration file that declares GPTQ settings.
const QuantConfigFile* DescActDeclared(const Examination& exam) {
  for (const QuantConfigFile& file : exam.configs.files) {
    if (file.reading == ConfigReading::kMalformed || file.reading == ConfigReading::kNamesake ||
        file.reading == ConfigReading::kForeign)
      continue;
    if (file.settings.desc_act == true) return &file;
  }
  return nullptr;
}

}  // namespace

void CheckValueDefects(const RuleInput& input, FindingSink& sink) {
  // Scales and qzeros of one module may share a row.
  std::set<std::tuple<const ValueRow*, uint32_t, std::string_view>> seen;
  for (const ValueDefect& defect : input.exam.quant.value_defects) {
    const ValueRow* row = RowOf(defect);
    if (row == nullptr || !seen.emplace(row, defect.module, defect.module == kNoModule ? defect.variant : "").second)
      continue;
    Observation report;
    report.message = "{names}: " + std::string(row->headline);
    report.cause = std::string(row->headline);
    report.confidence = row->confidence;
    if (defect.module == kNoModule) {
      report.file = defect.variant;
      report.names.push_back(defect.variant);
      report.unit = "file";
    } else {
      NameModule(input, defect.module, report);
    }
    if (!defect.detail.empty()) report.evidence.push_back(report.names.front() + ": " + defect.detail);
    sink.Add(row->code, std::move(report));
  }
}

void CheckActOrderWithoutGIdx(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const QuantConfigFile* file = DescActDeclared(exam);
  if (file == nullptr || !exam.quant.is_gptq) return;
  // With static groups, or one group a column, channels keep their order and nothing is missing.
  if (file->settings.static_groups == true || file->settings.group_size == -1) return;
  Observation report;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const ClassFacts& facts = exam.quant.classes[c];
    if (!facts.gptq || facts.float_zeros || facts.groups < 2) continue;
    const Module& module = exam.inventory.modules[exam.inventory.classes[c].representative];
    if (exam.inventory.Find(exam.tensors, module, kGIdx) != nullptr) continue;
    NameClass(input, sink, c, report);
  }
  if (report.names.empty()) return;
  report.message = "{names}: no g_idx although " + file->file + " says desc_act true";
  report.cause = "desc_act";
  report.value = "true";
  report.evidence.push_back(file->file + (file->pointer.empty() ? "" : " at " + file->pointer) + ": desc_act true");
  sink.Add(std::move(report));
}

void CheckExtraBiases(const RuleInput& input, FindingSink& sink) {
  // Families whose gated MLP never has biases; a bias beside such a quantized projection was added by the packer.
  constexpr std::string_view kBiasFree[] = {".gate_proj", ".up_proj",       ".down_proj",
                                            ".o_proj",    ".dense_4h_to_h", ".dense_h_to_4h"};
  constexpr std::string_view kTypes[] = {"llama",     "mistral", "mixtral", "qwen2",
                                         "qwen2_moe", "falcon",  "gemma",   "gemma2"};
  const Examination& exam = input.exam;
  if (std::find(std::begin(kTypes), std::end(kTypes), exam.configs.model.model_type) == std::end(kTypes)) return;
  for (const ValueDefect& defect : exam.quant.value_defects) {
    if (defect.catalogue == 24) return;  // read and reported with its values
  }
  Observation report;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!exam.quant.classes[c].gptq) continue;
    const ModuleClass& cls = exam.inventory.classes[c];
    const Module& module = exam.inventory.modules[cls.representative];
    const bool bias_free = std::any_of(std::begin(kBiasFree), std::end(kBiasFree),
                                       [&](std::string_view end) { return module.stem.ends_with(end); });
    if (!bias_free || exam.inventory.Find(exam.tensors, module, kBias) == nullptr) continue;
    NameClass(input, sink, c, report);
  }
  if (report.names.empty()) return;
  report.message =
      "{names}: a bias that the architecture does not have, as AutoGPTQ 0.2.0 to 0.7.1 wrote; harmless if it is zero";
  report.cause = "extra bias";
  report.confidence = Confidence::kInferred;
  sink.Add(std::move(report));
}

}  // namespace gptq_doctor

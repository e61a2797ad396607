// Family 1: config.json against the tensors.

#include <algorithm>
#include <string>
#include <vector>

#include "base/dotted_name.h"
#include "base/text.h"
#include "infer/unread.h"
#include "rules/checks.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

bool HasModelType(const ModelConfig& model) { return !model.model_type.empty(); }

void AddConfigJson(std::string_view code, std::string_view cause, std::string message, FindingSink& sink) {
  Observation report;
  report.file = "config.json";
  report.cause = cause;
  report.message = std::move(message);
  sink.Add(code, std::move(report));
}

// The stack of blocks that holds most bytes: "model.layers.*", and its layer numbers.
struct Stack {
  std::string prefix;  // "model.layers."
  int64_t bytes = 0;
  int64_t layers = 0;  // highest number + 1
};

// Number that follows `prefix` in `stem`; -1 if none.
int64_t NumberAfter(std::string_view stem, size_t prefix) {
  int64_t number = 0;
  size_t at = prefix;
  for (; at < stem.size() && stem[at] >= '0' && stem[at] <= '9' && at - prefix < 9; ++at)
    number = number * 10 + (stem[at] - '0');
  return at == prefix ? -1 : number;
}

std::optional<Stack> MainStack(const Examination& exam) {
  std::vector<Stack> stacks;
  for (const ModuleClass& cls : exam.inventory.classes) {
    const size_t star = cls.pattern.find(".*.");
    const auto members = exam.inventory.members(cls);
    if (star == std::string::npos || members.empty()) continue;
    const std::string prefix = cls.pattern.substr(0, star + 1);
    auto stack = std::find_if(stacks.begin(), stacks.end(), [&](const Stack& s) { return s.prefix == prefix; });
    if (stack == stacks.end()) stack = stacks.insert(stacks.end(), {prefix, 0, 0});
    stack->bytes += cls.bytes;
    // Members are in natural order: the last one has the highest layer number.
    stack->layers =
        std::max(stack->layers, NumberAfter(exam.inventory.modules[members.back()].stem, prefix.size()) + 1);
  }
  const auto best =
      std::max_element(stacks.begin(), stacks.end(), [](const Stack& a, const Stack& b) { return a.bytes < b.bytes; });
  if (best == stacks.end()) return std::nullopt;
  // An encoder beside a decoder of similar size: which one config.json counts is not certain.
  for (const Stack& stack : stacks) {
    if (&stack != &*best && stack.bytes * 3 > best->bytes) return std::nullopt;
  }
  return *best;
}

void AddSize(const RuleInput& input, std::string_view key, int64_t declared, int64_t actual, std::string evidence,
             FindingSink& sink) {
  Observation report;
  report.file = "config.json";
  report.pointer = (input.exam.configs.model.nested_in.empty() ? "/" : "/" + input.exam.configs.model.nested_in + "/") +
                   std::string(key);
  report.cause = key;
  report.value = std::to_string(declared) + "|" + std::to_string(actual);
  report.message = "config.json says " + std::string(key) + " " + std::to_string(declared) + ", the tensors say " +
                   std::to_string(actual);
  report.evidence.push_back(std::move(evidence));
  sink.Add(std::move(report));
}

void CheckLayerCount(const RuleInput& input, const Stack& stack, FindingSink& sink) {
  const ModelConfig& model = input.exam.configs.model;
  if (!model.num_hidden_layers || stack.layers == 0) return;
  if (model.Find("encoder_layers") != nullptr || model.Find("is_encoder_decoder") != nullptr) return;
  int64_t extra = 0;  // multi-token-prediction layers follow the last one
  for (std::string_view key :
       {"num_nextn_predict_layers", "mtp_num_layers", "num_mtp_layers", "mtp_num_hidden_layers"}) {
    const JsonValue* value = model.Find(key);
    if (value != nullptr) extra = std::max(extra, value->AsInt().value_or(0));
  }
  if (stack.layers >= *model.num_hidden_layers && stack.layers <= *model.num_hidden_layers + extra) return;
  AddSize(input, "num_hidden_layers", *model.num_hidden_layers, stack.layers,
          "the highest number in " + stack.prefix + "* is " + std::to_string(stack.layers - 1), sink);
}

// in_features or out_features of the linear classes of that name directly under the main stack, if all agree; 0
// otherwise.
int64_t CommonWidth(const Examination& exam, const Stack& stack, std::span<const std::string_view> names,
                    bool input_side) {
  int64_t width = 0;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const std::string& pattern = exam.inventory.classes[c].pattern;
    if (!IsGptqClass(exam, c) || !pattern.starts_with(stack.prefix) || pattern.find("experts") != std::string::npos)
      continue;
    if (pattern.find("expert") != std::string::npos ||
        std::find(names.begin(), names.end(), LastPart(pattern)) == names.end())
      continue;
    const ClassFacts& facts = exam.quant.classes[c];
    if (!facts.contradiction.empty() || facts.floor_truncated) continue;
    const int64_t one = input_side ? facts.in_features : facts.out_features;
    if (one <= 0 || (width > 0 && one != width)) return 0;
    width = one;
  }
  return width;
}

void CheckWidthsOfConfig(const RuleInput& input, const Stack& stack, FindingSink& sink) {
  const ModelConfig& model = input.exam.configs.model;
  constexpr std::string_view kIntoHidden[] = {"q_proj", "k_proj", "v_proj", "qkv_proj", "gate_proj", "up_proj"};
  const int64_t hidden = CommonWidth(input.exam, stack, kIntoHidden, true);
  if (model.hidden_size && hidden > 0 && hidden != *model.hidden_size) {
    AddSize(input, "hidden_size", *model.hidden_size, hidden, "in_features of the attention and MLP inputs", sink);
  }
  constexpr std::string_view kIntermediate[] = {"gate_proj", "up_proj"};
  const int64_t mlp = CommonWidth(input.exam, stack, kIntermediate, false);
  if (model.intermediate_size && mlp > 0 && mlp != *model.intermediate_size && !model.num_experts) {
    AddSize(input, "intermediate_size", *model.intermediate_size, mlp, "out_features of gate_proj and up_proj", sink);
  }
}

void CheckVocabulary(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const ModelConfig& model = exam.configs.model;
  if (!model.vocab_size) return;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const std::string_view last = LastPart(exam.inventory.classes[c].pattern);
    if (last != "embed_tokens" && last != "wte") continue;
    const TensorRecord* weight = exam.inventory.Find(exam.tensors, Representative(exam, c), kWeight);
    if (weight == nullptr || weight->rank != 2 || exam.inventory.classes[c].count != 1) continue;
    const int64_t rows = static_cast<int64_t>(weight->dims()[0]);
    // More rows than ids is padding, which some loaders take and others do not.
    if (rows < *model.vocab_size)
      AddSize(input, "vocab_size", *model.vocab_size, rows, "rows of " + std::string(weight->name()), sink);
  }
}

}  // namespace

void CheckConfigJson(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!WholeDirectory(input) || exam.inventory.classes.empty()) return;
  const ModelConfig& model = exam.configs.model;
  if (!model.present && IsUnread(exam, {FileRole::kConfig})) return;
  if (!model.present) {
    Observation report;
    report.cause = "missing";
    report.message = "config.json is missing: loaders of the transformers family stop at that";
    sink.Add("GD140", std::move(report));
    return;
  }
  if (!model.readable) return;
  if (!HasModelType(model))
    AddConfigJson("GD141", "model_type",
                  "config.json has no model_type: transformers says \"Unrecognized model in ...\"", sink);
  if (model.architectures.empty())
    AddConfigJson("GD142", "architectures",
                  "config.json names no architectures, by which vLLM and SGLang choose the model class", sink);
}

void CheckArchitecture(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!WholeDirectory(input) || !exam.configs.model.readable || !exam.tensors.missing_names.empty()) return;
  const bool all_read = std::all_of(exam.tensors.shards.begin(), exam.tensors.shards.end(),
                                    [](const ShardHeader& shard) { return shard.readable; });
  if (!all_read) return;
  const std::optional<Stack> stack = MainStack(exam);
  if (stack) {
    CheckLayerCount(input, *stack, sink);
    CheckWidthsOfConfig(input, *stack, sink);
  }
  CheckVocabulary(input, sink);
}

void CheckDtype(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const std::string& dtype = exam.configs.model.dtype;
  if (!exam.quant.is_gptq || (dtype != "bfloat16" && dtype != "float32")) return;
  Observation report;
  report.file = "config.json";
  report.pointer = "/torch_dtype";
  report.cause = "dtype";
  report.value = dtype;
  if (dtype == "float32") {
    report.severity = Severity::kWarning;
    report.message =
        "config.json asks for float32: GPTQ kernels take float16, Marlin also bfloat16 (\"gptq_marlin_gemm only "
        "supports bfloat16 and float16\")";
  } else {
    report.message =
        "config.json asks for bfloat16: vLLM's plain gptq kernels take float16 only; pass `--dtype half` there";
  }
  sink.Add(std::move(report));
}

void CheckActOrderBuffer(const RuleInput& input, FindingSink& sink) {
  const Evidence* evidence = EvidenceOf(input.exam, "desc_act");
  if (evidence == nullptr || std::get_if<bool>(&evidence->value) == nullptr || !std::get<bool>(evidence->value)) return;
  const bool four_bit = input.exam.quant.base.bits == 4;
  if (!four_bit) return;  // ExLlama's kernels are 4-bit
  Observation report;
  report.cause = "act-order";
  report.message =
      "act-order: ExLlama's v1 kernel needs exllama_set_max_input_length for prompts beyond 2048 tokens (\"The "
      "temp_state buffer is too small\")";
  sink.Add(std::move(report));
}

}  // namespace gptq_doctor

// The fallback told whole: a loader that finds no configuration builds plain layers, drops the packed tensors and
// leaves the weights random.

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "base/text.h"
#include "loaders/simulate.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

// What makes a loader take this dtype for plain layers.
std::string WhenTaken(std::string_view dtype, const ModelFacts& facts) {
  const bool declared = facts.dtype == dtype;
  const bool single = dtype == "float32";
  std::string when = "torch_dtype=" + std::string(dtype);
  if (declared) when += ", or what config.json names: \"auto\", transformers 5, SGLang";
  if (single)
    when += facts.dtype.empty() || declared ? "; also transformers without torch_dtype"
                                            : "; also transformers 4.x without torch_dtype";
  return when;
}

// How sure the configuration is that the repair would write.
std::string RiskOfRepair(const Examination& exam) {
  std::string inferred, assumed;
  for (const Evidence& evidence : exam.quant.evidence) {
    if (evidence.key != "bits" && evidence.key != "group_size" && evidence.key != "sym" && evidence.key != "desc_act" &&
        evidence.key != "checkpoint_format")
      continue;
    if (evidence.confidence == Confidence::kCertain) continue;
    std::string& list = evidence.confidence == Confidence::kInferred ? inferred : assumed;
    list += (list.empty() ? "" : ", ") + std::string(evidence.key);
  }
  if (!assumed.empty()) return "higher: nothing proves " + assumed;
  if (!inferred.empty()) return "low: every key is proved or inferred (" + inferred + ")";
  return "low: every key is certain";
}

}  // namespace

std::string NameList(const Walk& walk, std::string_view suffix, bool gptq_only, int limit) {
  std::string text = "[";
  int count = 0;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (gptq_only && !digest.gptq) continue;
    if (count == limit) {
      text += ", ...";
      break;
    }
    text += (count++ == 0 ? "'" : ", '") + std::string(digest.stem) + "." + std::string(suffix) + "'";
  }
  return text + "]";
}

bool FallBack(Walk& walk, std::string_view step, std::string why, std::string_view source, std::string message) {
  const ModelFacts& facts = walk.facts;
  walk.dense_model = true;
  if (facts.quantized_modules == 0) {
    walk.Step(step, std::move(why), source);
    return true;
  }
  std::string detail = std::move(why);
  detail += ": builds a plain model, ignores " + std::to_string(facts.quantized_tensors) +
            " packed tensors and leaves the weights of " + Modules(facts.quantized_modules) + " random; ";
  detail += FormatGiB(static_cast<double>(SaturatingMul(facts.dense_elements, 2))) + " at float16 or bfloat16 (" +
            FormatGiB(static_cast<double>(SaturatingMul(facts.dense_elements, 4))) + " at float32) instead of " +
            FormatGiB(static_cast<double>(facts.stored_bytes), 2);
  walk.Remedy(kFixCommand);
  walk.Degrade(Outcome::kFallsBack, step, std::move(detail), source, std::move(message));
  return true;
}

FallbackStory TellFallback(const Examination& exam) {
  const ModelFacts facts = DigestModel(exam);
  FallbackStory story;
  if (facts.quantized_modules == 0) return story;
  story.ignored = FormatCount(static_cast<uint64_t>(facts.quantized_tensors)) + " tensors of " +
                  FormatCount(static_cast<uint64_t>(facts.quantized_modules)) +
                  " quantized modules (qweight, qzeros, scales, g_idx)";
  story.random = "the weights of " + FormatCount(static_cast<uint64_t>(facts.quantized_modules)) +
                 " linear layers; embeddings and norms are loaded, so the model answers with noise instead of failing";
  story.expected_bytes = facts.stored_bytes;
  const int64_t half = SaturatingMul(facts.dense_elements, 2), full = SaturatingMul(facts.dense_elements, 4);
  for (const std::string_view dtype : {"float16", "bfloat16", "float32"})
    story.costs.push_back({std::string(dtype), dtype == "float32" ? full : half, WhenTaken(dtype, facts)});
  story.remedies = {
      {"write the config that the tensors prove: gptq-doctor fix --write", "a few hundred bytes, seconds",
       RiskOfRepair(exam)},
      {"overlay the official model's config.json and quantize_config.json", "a small download",
       "low if it is the same model and revision"},
      {"load with the dedicated class (GPTQModel.load, AutoGPTQForCausalLM.from_quantized) once a config exists",
       "another library", "low"},
      {"fetch the complete model again, or the dense one",
       FormatGiB(static_cast<double>(facts.stored_bytes), 2) + " or " + FormatGiB(static_cast<double>(half)), "none"},
      {"re-quantize a dense model while loading (bitsandbytes)",
       FormatGiB(static_cast<double>(half)) + " download, other weights than these", "other quality than GPTQ"},
  };
  return story;
}

}  // namespace gptq_doctor

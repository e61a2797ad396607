// The fallback told whole: a loader that finds no configuration builds plain layers, drops the packed tensors and
// leaves the weights random.

#include <algorithm>
#include <string>

#include "base/text.h"
#include "loaders/simulate.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

int64_t Bytes(int64_t elements, int each) {
  int64_t bytes = 0;
  return __builtin_mul_overflow(elements, each, &bytes) ? INT64_MAX : bytes;
}

std::string Percent(int64_t now, int64_t before) {
  if (before <= 0) return {};
  return std::to_string((now - before) * 100 / before) + " %";
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
  detail += FormatGiB(static_cast<double>(Bytes(facts.dense_elements, 2))) + " at float16 or bfloat16 (" +
            FormatGiB(static_cast<double>(Bytes(facts.dense_elements, 4))) + " at float32) instead of " +
            FormatGiB(static_cast<double>(facts.stored_bytes), 2);
  walk.Remedy("gptq-doctor fix --write");
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
  const int64_t half = Bytes(facts.dense_elements, 2), full = Bytes(facts.dense_elements, 4);
  story.costs = {{"float16", half,
                  "torch_dtype=float16, or \"auto\" where config.json says so; +" + Percent(half, facts.stored_bytes)},
                 {"bfloat16", half,
                  "torch_dtype=bfloat16, or \"auto\" where config.json says so; +" + Percent(half, facts.stored_bytes)},
                 {"float32", full, "transformers 4.x without torch_dtype; +" + Percent(full, facts.stored_bytes)}};
  const bool certain =
      std::all_of(exam.quant.evidence.begin(), exam.quant.evidence.end(), [](const Evidence& evidence) {
        const bool key = evidence.key == "bits" || evidence.key == "group_size" || evidence.key == "desc_act" ||
                         evidence.key == "checkpoint_format";
        return !key || evidence.confidence == Confidence::kCertain || evidence.confidence == Confidence::kInferred;
      });
  story.remedies = {
      {"write the config that the tensors prove: gptq-doctor fix --write", "a few hundred bytes, seconds",
       certain ? "low: every key it needs is proved" : "some: a key had to be assumed, see inspect"},
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

// Verdicts: what fits a card, how long a context may be, and which precision to take.

#include <algorithm>

#include "base/text.h"
#include "memory/arith.h"
#include "memory/estimate.h"

namespace gptq_doctor {

const char* ToString(Fit fit) {
  switch (fit) {
    case Fit::kFits:
      return "fits";
    case Fit::kTight:
      return "tight";
    case Fit::kDoesNotFit:
      return "does not fit";
    case Fit::kUnknown:
      break;
  }
  return "unknown";
}

MemoryPeak PeakMaker::At(const PricedWeights& weights, int64_t context) const {
  RunShape shape = run;
  shape.context = context;
  return ComputePeak(weights, model.arch, runtime, shape, nullptr);
}

std::optional<int64_t> UsableBytes(const MemoryQuery& query) {
  if (query.gpu.empty()) return std::nullopt;
  std::vector<int64_t> usable;
  for (const GpuSpec& gpu : query.gpu) {
    const double share = query.utilization.value_or(1.0 - query.margin);
    int64_t bytes = static_cast<int64_t>(static_cast<double>(gpu.visible) * share);
    if (gpu.free) bytes = std::min(bytes, *gpu.free);
    usable.push_back(std::max<int64_t>(bytes, 0));
  }
  // The roomiest cards are taken; the least of them decides.
  std::sort(usable.rbegin(), usable.rend());
  const size_t wanted = static_cast<size_t>(std::clamp<int64_t>(query.gpus, 1, static_cast<int64_t>(usable.size())));
  return usable[wanted - 1];
}

Fit JudgeFit(const PeakMaker& maker, const PricedWeights& weights, int64_t usable) {
  const MemoryPeak peak = maker.At(weights, maker.run.context);
  if (!weights.complete) return Fit::kUnknown;
  if (peak.per_gpu > usable) {
    // What is left when prompts are short: weights, process and a cache of 2048 tokens.
    PeakMaker least = maker;
    least.runtime.profile = RunProfile::kChunked;
    least.runtime.kernel = Kernel::kNone;
    least.runtime.attention = Attention::kFlash;
    least.runtime.rope_tables = false;
    least.run.new_tokens = 0;
    const int64_t tokens = std::min<int64_t>(2048, maker.run.context + maker.run.new_tokens);
    return least.At(weights, tokens).per_gpu <= usable ? Fit::kTight : Fit::kDoesNotFit;
  }
  return maker.model.arch.kv_known ? Fit::kFits : Fit::kUnknown;
}

int64_t LargestContext(const PeakMaker& maker, const PricedWeights& weights, int64_t usable, int64_t cap) {
  int64_t fits = 0, fails = cap + 1;
  while (fails - fits > 1) {
    const int64_t middle = fits + (fails - fits) / 2;
    (maker.At(weights, middle).per_gpu <= usable ? fits : fails) = middle;
  }
  return fits;
}

std::vector<LevelInfo> LevelsOf(const MemoryModel& model) {
  std::vector<LevelInfo> levels = {{"as-is", "the directory as it is", Precision::kAsIs},
                                   {"none", "the stored floating-point type, nothing quantized", Precision::kNone},
                                   {"fp16", "16 bits everywhere", Precision::kFp16},
                                   {"int8", "matrices of the layers at 8 bits, groups of 128", Precision::kInt8},
                                   {"int4", "matrices of the layers at 4 bits, groups of 128", Precision::kInt4}};
  if (model.quantized) {
    levels.push_back(
        {"fallback", "the quantized tensors ignored, dense layers built at 16 bits", Precision::kFallback16});
  }
  return levels;
}

namespace {

std::string Size(int64_t bytes) { return FormatGiB(static_cast<double>(bytes), 2); }

const MemoryLevel* FirstThat(const MemoryEstimate& estimate, std::initializer_list<std::string_view> order, Fit fit) {
  for (const std::string_view name : order) {
    for (const MemoryLevel& level : estimate.levels) {
      if (level.name == name && level.fit == fit) return &level;
    }
  }
  return nullptr;
}

}  // namespace

void Recommend(const MemoryModel& model, MemoryEstimate& estimate) {
  if (!estimate.usable) {
    estimate.recommended = "as-is";
    estimate.reason = "it is what the directory holds; --gpu NAME or --gpu 24GiB gives a verdict";
    return;
  }
  const std::string room = Size(*estimate.usable) + " usable" + (estimate.gpus > 1 ? " a card" : "");
  const auto find = [&](Fit fit) {
    return model.quantized ? FirstThat(estimate, {"as-is", "int4"}, fit)
                           : FirstThat(estimate, {"as-is", "fp16", "int8", "int4"}, fit);
  };
  if (const MemoryLevel* level = find(Fit::kFits)) {
    estimate.recommended = level->name;
    estimate.reason = level->name == "as-is"
                          ? "what the directory holds needs " + Size(*level->per_gpu) + " of " + room
                          : "the most exact that fits: " + Size(*level->per_gpu) + " of " + room +
                                "; what the directory holds does not fit, this needs another checkpoint";
    return;
  }
  if (const MemoryLevel* level = find(Fit::kTight)) {
    estimate.recommended = level->name;
    estimate.reason = "the weights fit " + room + ", this context does not";
    if (level->largest_context.value_or(0) > 0) {
      estimate.reason += ": at most " + FormatCount(static_cast<uint64_t>(*level->largest_context)) + " tokens";
    }
    return;
  }
  const MemoryLevel* smallest = nullptr;
  for (const MemoryLevel& level : estimate.levels) {
    // Another checkpoint must save more than a hundredth to be worth naming.
    if (level.per_gpu && (smallest == nullptr || *level.per_gpu < *smallest->per_gpu / 100 * 99)) smallest = &level;
  }
  estimate.recommended = smallest == nullptr ? "as-is" : smallest->name;
  if (smallest == nullptr || smallest->fit == Fit::kUnknown) {
    estimate.reason = "no verdict: parts of the ledger are unknown";
    return;
  }
  estimate.reason =
      "nothing fits " + room + "; the smallest needs " + Size(*smallest->per_gpu) + ": more cards, or a smaller model";
}

}  // namespace gptq_doctor

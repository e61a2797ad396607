// Reverse use: which sums of ledger lines explain a measured size. Every hypothesis is a range; what is measured has a
// density under it, so that a narrow range that holds the measurement beats a wide one, and every further term must
// earn its place.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "memory/arith.h"
#include "memory/estimate.h"

namespace gptq_doctor {
namespace {

struct Term {
  std::string text;
  int64_t low = 0, high = 0;
  double cost = 0;  // of assuming it, in the unit of the score (log density)
};

// Log density of `observed` under a range whose ends are blurred by rounding and by what the ledger leaves out (0.2 %).
double Score(int64_t observed, int64_t low, int64_t high, double cost) {
  const double x = ToGiB(observed), a = ToGiB(low), b = ToGiB(high);
  const double blur = 0.002 * std::max(x, 0.1);
  const auto below = [&](double end) { return 0.5 * std::erfc((end - x) / (blur * std::sqrt(2.0))); };
  double density = 0;
  if (b - a > blur / 4) {
    density = (below(a) - below(b)) / (b - a);
  } else {
    const double z = (x - (a + b) / 2) / blur;
    density = std::exp(-z * z / 2) / (blur * std::sqrt(2 * std::acos(-1.0)));
  }
  return density <= 0 ? -1e9 : std::log(density) - cost;
}

std::vector<Term> Bases(const MemoryModel& model) {
  std::vector<Term> bases;
  const auto add = [&](std::string text, Precision precision) {
    const PricedWeights weights = PriceWeights(model.weights, model.arch, precision);
    if (!weights.complete || weights.total <= 0) return;
    // Library workspaces may or may not have been allocated.
    bases.push_back({std::move(text), weights.total, SaturatingAdd(weights.total, FromGiB(kWorkspaceGiB)), 0});
  };
  add("weights as they are", Precision::kAsIs);
  if (model.quantized) {
    add("fallback at 16 bits: the quantized tensors ignored, dense layers built", Precision::kFallback16);
    add("fallback at float32: dense layers built without a requested type", Precision::kFallback32);
  }
  return bases;
}

// Each list is a choice of one or none. A second process or a long context is less likely than none.
std::vector<std::vector<Term>> Choices(const MemoryModel& model, int64_t context) {
  const ArchFacts& arch = model.arch;
  std::vector<std::vector<Term>> choices;
  if (arch.layers && arch.max_position && arch.head_dim) {
    const int64_t rope = Times({4, *arch.layers, *arch.max_position, *arch.head_dim});
    choices.push_back({{"rope tables of transformers before 4.45", rope, rope, 0.7}});
  }
  choices.push_back({{"the process (nvidia-smi counts it), consumer card", FromGiB(kProcessLowGiB), FromGiB(0.8), 0.7},
                     {"the process (nvidia-smi counts it), data-centre card", FromGiB(1.2), FromGiB(1.4), 0.7}});
  if (arch.kv_known) {
    const int64_t one = arch.KvBytes(context, 16, false);
    const int64_t most = arch.KvBytes(arch.max_position.value_or(context), 16, false);
    choices.push_back({{"KV cache of " + FormatCount(static_cast<uint64_t>(context)) + " tokens", one, one, 1.5},
                       {"KV cache of some context", 0, most, 1.5}});
  }
  return choices;
}

void Combine(const std::vector<std::vector<Term>>& choices, size_t at, const Term& sum, int64_t observed,
             int64_t weights_high, std::vector<MemoryExplanation>& out) {
  if (at == choices.size()) {
    out.push_back(
        {.text = sum.text, .low = sum.low, .high = sum.high, .score = Score(observed, sum.low, sum.high, sum.cost)});
    // PyTorch's allocator keeps up to 3 % more than is allocated at batch 1 and 2 (torch 2.1, Llama-2).
    const int64_t reserve = weights_high / 100 * 3;
    out.push_back({.text = sum.text + " + allocator reserve (memory_reserved, up to 3 %)",
                   .low = sum.low,
                   .high = SaturatingAdd(sum.high, reserve),
                   .score = Score(observed, sum.low, SaturatingAdd(sum.high, reserve), sum.cost + 0.5)});
    return;
  }
  Combine(choices, at + 1, sum, observed, weights_high, out);
  for (const Term& term : choices[at]) {
    const Term more{sum.text + " + " + term.text, SaturatingAdd(sum.low, term.low), SaturatingAdd(sum.high, term.high),
                    sum.cost + term.cost};
    Combine(choices, at + 1, more, observed, weights_high, out);
  }
}

}  // namespace

std::vector<MemoryExplanation> Explain(const MemoryModel& model, int64_t observed, int64_t context) {
  std::vector<MemoryExplanation> all;
  const std::vector<std::vector<Term>> choices = Choices(model, context);
  for (const Term& base : Bases(model)) Combine(choices, 0, base, observed, base.high, all);
  std::stable_sort(all.begin(), all.end(),
                   [](const MemoryExplanation& a, const MemoryExplanation& b) { return a.score > b.score; });
  // What is e^6 times less likely than the best explains nothing, nor does what is implausible by itself.
  const double best = all.empty() ? 0 : all.front().score;
  std::erase_if(all, [&](const MemoryExplanation& e) { return e.score < best - 6 || e.score < -9; });
  if (all.size() > 6) all.resize(6);
  return all;
}

}  // namespace gptq_doctor

#include "memory/ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "memory/arith.h"

namespace gptq_doctor {
namespace {

// How a line is shared by several cards.
enum class Share : uint8_t { kSplit, kEach, kOnce };

struct Item {
  std::string id, title, formula;
  int64_t bytes = 0;
  Share share = Share::kEach;
};
struct Moment {
  std::string name;
  std::vector<Item> items;
  int64_t total() const {
    int64_t sum = 0;
    for (const Item& item : items) sum = SaturatingAdd(sum, item.bytes);
    return sum;
  }
};

constexpr std::string_view kHeaders = "tensor shapes and dtypes";
constexpr std::string_view kConfig = "config.json";

class Ledger {
 public:
  Ledger(const PricedWeights& weights, const ArchFacts& arch, const RuntimeRow& runtime, const RunShape& run,
         std::vector<std::string>* left_out)
      : weights_(weights), arch_(arch), runtime_(runtime), run_(run), left_out_(left_out) {
    tokens_ = SaturatingAdd(run.context, run.new_tokens);
  }

  MemoryPeak Run() {
    peak_.runtime = runtime_.name;
    peak_.profile = ToString(runtime_.profile);
    peak_.kernel = weights_.gptq4 ? ToString(runtime_.kernel) : "none";
    peak_.attention = ToString(runtime_.attention);
    peak_.weights = weights_.total;
    peak_.complete = weights_.complete;
    AddWeights();
    AddScratch();
    AddRopeTables();
    AddDearestMoment();
    AddState();
    Add({"workspace", "library workspaces", "0.026 GiB a card, fitted", FromGiB(kWorkspaceGiB), Share::kEach},
        "fit on 245 published rows");
    peak_.torch_peak = total_;
    Add({"process", "process on the card", "CUDA context, kernel images, driver reserve, a card", run_.process,
         Share::kEach},
        "NVML less torch: 0.3-1.4 GiB published");
    peak_.device_peak = total_;
    peak_.per_gpu = per_gpu_;
    return std::move(peak_);
  }

 private:
  void LeaveOut(std::string what) {
    peak_.complete = false;
    if (left_out_ != nullptr) left_out_->push_back(std::move(what));
  }

  int64_t PerGpu(const Item& item) const {
    return item.share == Share::kSplit ? CeilDivide(item.bytes, run_.gpus) : item.bytes;
  }

  void Add(const Item& item, std::string_view source, bool at_peak = true) {
    LedgerLine line{.id = item.id, .title = item.title, .formula = item.formula, .source = std::string(source)};
    line.per_gpu = PerGpu(item);
    line.bytes = item.share == Share::kEach ? Times({item.bytes, run_.gpus}) : item.bytes;
    line.at_peak = at_peak;
    if (at_peak) {
      total_ = SaturatingAdd(total_, line.bytes);
      per_gpu_ = SaturatingAdd(per_gpu_, line.per_gpu);
    }
    peak_.lines.push_back(std::move(line));
  }

  // Whole layers are dealt out, so one card may hold up to one layer more than its share; tensor parallelism cuts every
  // matrix and keeps the vectors everywhere.
  void AddWeights() {
    for (const PricedWeights::Part& part : weights_.parts) {
      Add({part.id, part.title, part.formula, part.bytes, Share::kSplit}, kHeaders);
    }
    if (run_.gpus == 1) return;
    if (run_.tensor_parallel) {
      const int64_t more = Times({weights_.replicated, run_.gpus - 1}) / run_.gpus;
      per_gpu_ = SaturatingAdd(per_gpu_, more);
      peak_.lines.push_back({.id = "weights_replicated",
                             .title = "vectors on every card",
                             .bytes = Times({weights_.replicated, run_.gpus - 1}),
                             .per_gpu = more,
                             .formula = "norms and biases are kept whole on each card",
                             .source = std::string(kHeaders),
                             .at_peak = true});
      total_ = SaturatingAdd(total_, Times({weights_.replicated, run_.gpus - 1}));
    } else if (arch_.layers) {
      const int64_t uneven = weights_.in_layers / *arch_.layers;
      per_gpu_ = SaturatingAdd(per_gpu_, uneven);
      peak_.lines.push_back({.id = "weights_uneven",
                             .title = "uneven share of the layers",
                             .bytes = 0,
                             .per_gpu = uneven,
                             .formula = "the fullest card holds up to one layer more than its share",
                             .source = std::string(kHeaders),
                             .at_peak = true});
    }
  }

  void AddScratch() {
    if (!weights_.gptq4 || runtime_.kernel == Kernel::kNone || weights_.largest_matrix == 0) return;
    int64_t bytes = Times({2, weights_.largest_matrix});
    std::string formula = fmt::format("one dequantized matrix: 2 x {} elements", weights_.largest_matrix);
    if (runtime_.kernel == Kernel::kExllamaV2) {
      bytes = SaturatingAdd(bytes, Times({weights_.widest_output, 2048, 8, 4}));
      formula += fmt::format(", and a forward buffer of {} x 2048 x 8 x 4", weights_.widest_output);
    }
    Add({"scratch", "kernel scratch", formula, bytes, Share::kEach},
        "AutoGPTQ exllama kernels, exllama_set_max_input_length");
  }

  void AddRopeTables() {
    if (!runtime_.rope_tables) return;
    if (!arch_.layers || !arch_.max_position || !arch_.head_dim) {
      LeaveOut("rope tables: the layers, the longest context or the head size are unknown");
      return;
    }
    Add({"rope_tables", "rope tables",
         fmt::format("4 x {} layers x {} positions x {}", *arch_.layers, *arch_.max_position, *arch_.head_dim),
         Times({4, *arch_.layers, *arch_.max_position, *arch_.head_dim}), Share::kSplit},
        runtime_.source);
  }

  // The latent cache with the engine's padding.
  int64_t Kv(int64_t tokens) const {
    const bool latent = runtime_.latent_cache;
    int64_t bytes = arch_.KvBytes(tokens, run_.kv_bits, latent);
    if (latent && !arch_.latent.empty() && runtime_.latent_padding > 1) {
      KvGroup group = arch_.latent.front();
      group.width = Times({CeilDivide(group.width, runtime_.latent_padding), runtime_.latent_padding});
      bytes = BitsToBytes(Times({group.layers, group.width, tokens}), run_.kv_bits);
    }
    return Times({bytes, run_.batch});
  }

  Item KvItem(int64_t tokens) const {
    std::string formula = fmt::format("{} bytes a token x {} tokens", Kv(1), tokens);
    const auto& groups = arch_.Groups(runtime_.latent_cache);
    if (std::any_of(groups.begin(), groups.end(), [](const KvGroup& g) { return g.window > 0; })) {
      formula += ", less where a window is full";
    }
    if (run_.batch > 1) formula += fmt::format(" (batch {})", run_.batch);
    Item item{"kv_cache", "KV cache", formula, Kv(tokens), Share::kSplit};
    if (!run_.tensor_parallel) return item;
    // Key heads are shared out; fewer heads than cards are repeated, and a latent cache is kept whole everywhere.
    int64_t heads = INT64_MAX;
    for (const KvGroup& group : groups) heads = std::min(heads, group.heads);
    if (heads < run_.gpus) {
      const int64_t cards_a_head = heads == INT64_MAX ? 1 : CeilDivide(run_.gpus, heads);
      item.bytes = Times({item.bytes, cards_a_head});
      const bool latent = runtime_.latent_cache && !arch_.latent.empty();
      item.formula += latent ? fmt::format(", kept whole on each of {} cards", run_.gpus)
                             : fmt::format(", key heads ({}) repeated for {} cards", heads, run_.gpus);
    }
    return item;
  }

  Item Logits(int64_t bytes_each) const {
    return {"logits", "logits of the prompt",
            fmt::format("{} x {} vocabulary x {} tokens{}", bytes_each, *arch_.vocab, run_.context,
                        run_.batch > 1 ? fmt::format(" x batch {}", run_.batch) : ""),
            Times({bytes_each, *arch_.vocab, run_.context, run_.batch}), Share::kEach};
  }

  std::vector<Moment> LegacyMoments() {
    const int64_t length = run_.context;
    Moment prompt{"prompt", {KvItem(length)}}, first{"first new token", {KvItem(length)}},
        last{"last new token", {KvItem(tokens_)}};
    if (arch_.vocab) {
      prompt.items.push_back(Logits(6));
      first.items.push_back(Logits(4));
    } else {
      LeaveOut("logits of the prompt: the size of the vocabulary is unknown");
    }
    if (arch_.hidden) {
      prompt.items.push_back({"activations", "activations",
                              fmt::format("2 x {} hidden x {} tokens", *arch_.hidden, length),
                              Times({2, *arch_.hidden, length, run_.batch}), Share::kEach});
    }
    const auto copy = [&](int64_t tokens) {
      return Item{"kv_copy", "second copy of the cache", "the cache is rebuilt while the old one is still held",
                  Kv(tokens), Share::kSplit};
    };
    first.items.push_back(copy(length));
    last.items.push_back(copy(tokens_));
    std::vector<Moment> moments = {prompt};
    if (run_.generates) {
      moments.push_back(first);
      moments.push_back(last);
    }
    return moments;
  }

  int64_t ActivationBytes(int64_t tokens) const {
    return Times({2, SaturatingAdd(Times({3, *arch_.intermediate}), Times({4, *arch_.hidden})), tokens});
  }

  std::vector<Moment> CurrentMoments() {
    Moment prompt{"prompt", {KvItem(run_.context)}}, last{"last new token", {KvItem(tokens_)}};
    if (arch_.intermediate && arch_.hidden) {
      prompt.items.push_back({"activations", "activations of the prompt",
                              fmt::format("2 x (3 x {} + 4 x {}) x {} tokens{}", *arch_.intermediate, *arch_.hidden,
                                          run_.context, run_.batch > 1 ? fmt::format(" x batch {}", run_.batch) : ""),
                              ActivationBytes(Times({run_.context, run_.batch})), Share::kEach});
    } else {
      LeaveOut("activations: the hidden or the intermediate size is unknown");
    }
    if (arch_.kv_known) {
      const int64_t layer = arch_.KvOfOneLayer(tokens_, run_.kv_bits, runtime_.latent_cache);
      last.items.push_back({"kv_copy", "one layer's cache, copied", "the layer being extended is held twice",
                            Times({layer, run_.batch}), Share::kEach});
    }
    return {prompt, last};
  }

  // Published start-up logs of vLLM: activations 0.7-3.7 GiB (they grow with max_num_batched_tokens), CUDA graphs
  // 0.3-1.6, memory outside torch 0.05-0.2.
  std::vector<Moment> EngineMoments() {
    Moment serving{"serving", {KvItem(tokens_)}};
    const bool low = run_.bound == Bound::kLow, high = run_.bound == Bound::kHigh;
    int64_t activations = FromGiB(low ? 0.7 : high ? 3.7 : 2.2);
    std::string formula = low || high ? "an end of the published range" : "the middle of the published 0.7-3.7 GiB";
    if (!low && !high && arch_.intermediate && arch_.hidden) {
      activations = std::clamp(ActivationBytes(8192), FromGiB(0.7), FromGiB(3.7));
      formula = fmt::format("2 x (3 x {} + 4 x {}) x 8192 batched tokens, within the published 0.7-3.7 GiB",
                            *arch_.intermediate, *arch_.hidden);
    }
    serving.items.push_back({"activations", "activations of the profiling run", formula, activations, Share::kEach});
    serving.items.push_back({"engine", "CUDA graphs and communication",
                             low || high ? "an end of the published range" : "the middle of the published 0.35-1.8 GiB",
                             FromGiB(low    ? 0.35
                                     : high ? 1.8
                                            : 1.05),
                             Share::kEach});
    return {serving};
  }

  void AddAttention(std::vector<Moment>& moments) {
    if (runtime_.attention == Attention::kFlash || !arch_.heads || !arch_.head_dim) return;
    if (runtime_.profile == RunProfile::kPreallocating) return;
    const bool grouped = arch_.kv_heads && *arch_.kv_heads < *arch_.heads;
    for (Moment& moment : moments) {
      const int64_t tokens = moment.name == "prompt" || moment.name == "first new token" ? run_.context : tokens_;
      if (grouped) {
        moment.items.push_back(
            {"attention", "repeated keys and values",
             fmt::format("4 x {} heads x {} x {} tokens, one layer", *arch_.heads, *arch_.head_dim, tokens_),
             Times({4, *arch_.heads, *arch_.head_dim, tokens_, run_.batch}), Share::kEach});
      }
      if (runtime_.attention == Attention::kEager && moment.name == "prompt") {
        moment.items.push_back({"attention_scores", "attention scores",
                                fmt::format("6 x {} heads x {} x {} tokens, one layer", *arch_.heads, tokens, tokens),
                                Times({6, *arch_.heads, tokens, tokens, run_.batch}), Share::kEach});
      }
    }
  }

  void AddDearestMoment() {
    std::vector<Moment> moments;
    switch (runtime_.profile) {
      case RunProfile::kLegacy:
        moments = LegacyMoments();
        break;
      case RunProfile::kCurrent:
        moments = CurrentMoments();
        break;
      case RunProfile::kPreallocating:
        moments = EngineMoments();
        break;
      default:
        moments = {{"last new token", {KvItem(tokens_)}}};
    }
    if (!arch_.kv_known) {
      peak_.complete = false;
      for (Moment& moment : moments) {
        std::erase_if(moment.items, [](const Item& item) { return item.id.starts_with("kv_"); });
      }
    }
    AddAttention(moments);
    const auto dearest = std::max_element(moments.begin(), moments.end(),
                                          [](const Moment& a, const Moment& b) { return a.total() < b.total(); });
    const bool loading = weights_.load_extra > dearest->total();
    peak_.moment = loading ? "loading" : dearest->name;
    for (const Item& item : dearest->items) Add(item, SourceOf(item), !loading);
    if (weights_.load_extra > 0) {
      Add({"load_transient", "stored copy of the tied head", "read, then dropped for the embedding",
           weights_.load_extra, Share::kOnce},
          kHeaders, loading);
    }
  }

  std::string_view SourceOf(const Item& item) const {
    return item.id == "kv_cache" && !arch_.from_tensors ? kConfig : runtime_.source;
  }

  void AddState() {
    if (arch_.state_bytes == 0) return;
    Add({"kv_state", "state of linear-attention layers", "constant a sequence", Times({arch_.state_bytes, run_.batch}),
         Share::kSplit},
        kConfig);
  }

  const PricedWeights& weights_;
  const ArchFacts& arch_;
  const RuntimeRow& runtime_;
  const RunShape& run_;
  std::vector<std::string>* left_out_;
  int64_t tokens_ = 0, total_ = 0, per_gpu_ = 0;
  MemoryPeak peak_;
};

}  // namespace

MemoryPeak ComputePeak(const PricedWeights& weights, const ArchFacts& arch, const RuntimeRow& runtime,
                       const RunShape& run, std::vector<std::string>* left_out) {
  return Ledger(weights, arch, runtime, run, left_out).Run();
}

}  // namespace gptq_doctor

#ifndef GPTQ_DOCTOR_MEMORY_H_
#define GPTQ_DOCTOR_MEMORY_H_

// GPU memory of a model directory, as plain data: what was asked, and a ledger of named lines that add up. Every line
// says how it was computed and where the rule comes from. Bytes unless a name says otherwise; GiB = 2^30. A term that
// cannot be computed is not in the sum: it stands in `left_out`, and what was assumed in its place in `assumptions`.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gptq_doctor {

struct GpuSpec {
  std::string name;                // "RTX 4090"; "8.00 GiB" for a plain size
  int64_t total = 0;               // what the label or the driver says
  int64_t visible = 0;             // what a program can allocate
  std::optional<int64_t> free;     // at this moment, where a driver was asked
  std::optional<int64_t> process;  // measured overhead of one process; unset: the general figure
  bool estimated = false;          // `visible` follows from the label and not from a measurement of this card
  std::string source;
};

struct MemoryQuery {
  std::optional<int64_t> context;     // tokens of the prompt, per sequence
  std::optional<int64_t> new_tokens;  // generated after it; unset: the answer lies within the context
  int64_t batch = 1;
  std::string runtime;                // "transformers@4.55", "vllm", "legacy"; empty: not known
  std::string kernel, attention;      // empty: what the runtime takes
  std::string kv_dtype = "auto";      // auto, fp16, bf16, fp32, fp8, int8, int4
  std::string precision = "all";      // auto, none, fp16, int8, int4, as-is, all
  std::vector<GpuSpec> gpu;           // one spec for all cards, or one a card
  int64_t gpus = 1;                   // cards
  bool tensor_parallel = false;       // every matrix is cut; otherwise layers are dealt out
  double margin = 0.10;               // of the visible memory, kept free
  std::optional<double> utilization;  // of the visible memory, instead of the margin
  std::optional<int64_t> observed;    // what the user measured
};

struct LedgerLine {
  std::string id;       // "kv_cache"; stable
  std::string title;    // "KV cache"
  int64_t bytes = 0;    // over all cards
  int64_t per_gpu = 0;  // on the fullest card
  std::string formula;  // in words, with the numbers
  std::string source;
  bool at_peak = true;  // false: a transient that is over when the peak is reached; not in the sum
};

// One way to run the model. The lines at the peak add up to `device_peak`.
struct MemoryPeak {
  std::string runtime;  // as asked, or the profile's name
  std::string profile;  // "legacy", "current", "chunked", "token-loop", "preallocating"
  std::string kernel, attention;
  std::string moment;  // when the peak is reached: "prompt", "first new token", "last new token", "loading"
  std::vector<LedgerLine> lines;
  int64_t weights = 0;
  int64_t torch_peak = 0;   // what torch.cuda.max_memory_allocated would say, summed over the cards
  int64_t device_peak = 0;  // with the process, summed over the cards
  int64_t per_gpu = 0;      // device peak of the fullest card
  bool complete = true;     // false: see left_out
};

enum class Fit { kUnknown, kFits, kTight, kDoesNotFit };
const char* ToString(Fit fit);

struct MemoryLevel {
  std::string name;   // "none", "fp16", "int8", "int4", "as-is", "fallback"
  std::string title;  // what it is, in words
  std::optional<int64_t> weights;
  std::optional<int64_t> device_peak, per_gpu;
  Fit fit = Fit::kUnknown;
  std::optional<int64_t> largest_context;  // tokens that fit the card; 0: none
  bool context_capped = false;             // more would fit than the model can take
};

struct MemoryFallback {
  std::string dtype;  // "float16", "float32"
  int64_t bytes = 0;
  double excess = 0;  // over the weights as they are: 1.985 stands for 198.5 % more
  std::string when;
};

struct MemoryExplanation {
  std::string text;  // "weights as they are + rope tables"
  int64_t low = 0, high = 0;
  double score = 0;  // log density of the observation; larger is better
};

struct MemoryShare {  // one row of --by
  std::string name;
  int64_t count = 0;  // tensors
  int64_t bytes = 0;
  int64_t largest = 0;  // one of them
  std::string note;     // what it is, why it stays 16-bit
};

struct MemorySaving {
  std::string what;
  int64_t bytes = 0;
};

struct MemoryEstimate {
  int64_t context = 0, new_tokens = 0, batch = 1, gpus = 1;
  std::string precision;  // the level that the ledger prices
  MemoryPeak expected;
  std::optional<MemoryPeak> low, high;  // where the runtime was not given
  std::optional<int64_t> kv_bytes_per_token;
  std::vector<MemoryLevel> levels;
  std::vector<MemoryFallback> fallback;
  std::vector<GpuSpec> gpu;
  std::optional<int64_t> usable;    // of the smallest card
  std::optional<int64_t> capacity;  // KV tokens of an engine that fills its share of the card
  Fit fit = Fit::kUnknown;          // of the ledger's level
  std::string recommended;          // a level
  std::string reason;
  int64_t read_bytes = 0;            // of the weight files
  std::optional<int64_t> host_peak;  // while loading, where the runtime's way is known
  std::string host_note;
  std::vector<std::string> assumptions, left_out;
  std::vector<MemoryExplanation> observed;  // best first
  std::vector<MemoryShare> shares;
  std::vector<MemorySaving> savings;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_H_

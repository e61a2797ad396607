#ifndef GPTQ_DOCTOR_MEMORY_RUNTIME_TABLE_H_
#define GPTQ_DOCTOR_MEMORY_RUNTIME_TABLE_H_

// How programs use memory while they run a model: five profiles, and which program in which version follows which.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "gptq_doctor/result.h"

namespace gptq_doctor {

enum class RunProfile : uint8_t {
  kLegacy,         // logits of every position, the cache rebuilt by concatenation at every step
  kCurrent,        // logits of the last position, the cache extended in place
  kChunked,        // the prompt is processed in chunks
  kTokenLoop,      // one token at a time from the start
  kPreallocating,  // a server that takes its share of the card for the cache at start
};
const char* ToString(RunProfile profile);

enum class Kernel : uint8_t { kNone, kExllamaV1, kExllamaV2 };
enum class Attention : uint8_t { kFlash, kSdpa, kEager };
const char* ToString(Kernel kernel);
const char* ToString(Attention attention);

struct RuntimeRow {
  std::string_view name;
  std::string_view since, before;  // versions; empty: no bound
  std::string_view model_type;     // the row holds for this family alone; empty: for all
  RunProfile profile;
  Kernel kernel;          // for 4-bit GPTQ, unless told otherwise
  Attention attention;    // likewise
  bool rope_tables;       // keeps float32 cosines and sines of every position in every layer
  bool latent_cache;      // keeps DeepSeek's latent cache, not the expanded heads
  int latent_padding;     // of its width, in elements
  std::string_view host;  // what loading takes in host memory: "shard", "" unknown
  std::string_view source;
};
std::span<const RuntimeRow> RuntimeTable();

// "transformers@4.55", "transformers==4.55.1", "vllm", or a profile's own name. Without a version the newest row.
// `model_type` picks rows for one family.
Result<RuntimeRow> FindRuntime(std::string_view text, std::string_view model_type);
std::optional<Kernel> ParseKernel(std::string_view text);
std::optional<Attention> ParseAttention(std::string_view text);
// Dotted numbers; a missing or non-numeric part counts as 0. Negative where `a` is older.
int CompareVersions(std::string_view a, std::string_view b);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_RUNTIME_TABLE_H_

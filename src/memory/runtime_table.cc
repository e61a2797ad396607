#include "memory/runtime_table.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.h"

namespace gptq_doctor {
namespace {

using enum RunProfile;
constexpr std::string_view kTransformersOld =
    "huggingface/transformers before 4.45, modeling_llama.py and modeling_qwen2.py: lm_head over all positions, "
    ".float(), torch.cat of the cache";
constexpr std::string_view kTransformersNew =
    "huggingface/transformers 4.45, num_logits_to_keep in generation/utils.py and modeling_*.py";
constexpr std::string_view kMeasured = "the published measurements of docs/memory.md";

constexpr RuntimeRow kRuntimes[] = {
    // Profiles by name, without the choices of a program.
    {"legacy", "", "", "", kLegacy, Kernel::kExllamaV1, Attention::kFlash, true, false, 0, "", kTransformersOld},
    {"legacy-v1", "", "", "", kLegacy, Kernel::kExllamaV1, Attention::kFlash, true, false, 0, "", kTransformersOld},
    {"current", "", "", "", kCurrent, Kernel::kExllamaV1, Attention::kFlash, false, false, 0, "", kTransformersNew},
    {"chunked", "", "", "", kChunked, Kernel::kNone, Attention::kFlash, false, true, 0, "", kMeasured},
    {"token-loop", "", "", "", kTokenLoop, Kernel::kNone, Attention::kFlash, true, false, 0, "", kMeasured},
    {"preallocating", "", "", "", kPreallocating, Kernel::kNone, Attention::kFlash, false, true, 0, "", kMeasured},
    // Qwen2-VL computed all logits one version longer (QwenLM/Qwen2-VL README, measured with a 4.45 development tree).
    {"transformers", "", "4.46", "qwen2_vl", kLegacy, Kernel::kExllamaV1, Attention::kSdpa, true, false, 0, "shard",
     kTransformersOld},
    {"transformers", "", "4.36", "", kLegacy, Kernel::kExllamaV1, Attention::kEager, true, false, 0, "shard",
     kTransformersOld},
    {"transformers", "4.36", "4.45", "", kLegacy, Kernel::kExllamaV1, Attention::kSdpa, true, false, 0, "shard",
     kTransformersOld},
    {"transformers", "4.45", "", "", kCurrent, Kernel::kExllamaV1, Attention::kSdpa, false, false, 0, "shard",
     kTransformersNew},
    {"optimum", "", "", "", kCurrent, Kernel::kExllamaV1, Attention::kSdpa, false, false, 0, "shard",
     "huggingface/optimum optimum/gptq/quantizer.py, under a current transformers"},
    {"autogptq", "", "0.5", "", kLegacy, Kernel::kExllamaV1, Attention::kEager, true, false, 0, "shard",
     "AutoGPTQ/AutoGPTQ 0.4, auto_gptq/modeling/_base.py: exllama unless disabled"},
    {"autogptq", "0.5", "", "", kLegacy, Kernel::kExllamaV2, Attention::kSdpa, true, false, 0, "shard",
     "AutoGPTQ/AutoGPTQ 0.5 to 0.7.1, auto_gptq/modeling/_base.py: exllama v2 unless disabled"},
    {"gptqmodel", "", "", "", kCurrent, Kernel::kNone, Attention::kSdpa, false, false, 0, "",
     "ModelCloud/GPTQModel: Marlin kernels under a current transformers"},
    {"vllm", "", "", "", kPreallocating, Kernel::kNone, Attention::kFlash, false, true, 128, "",
     "vllm-project/vllm: published start-up logs"},
    {"sglang", "", "", "", kPreallocating, Kernel::kNone, Attention::kFlash, false, true, 0, "",
     "sgl-project/sglang: preallocates as vLLM does"},
    {"tgi", "", "", "", kPreallocating, Kernel::kNone, Attention::kFlash, false, true, 0, "",
     "huggingface/text-generation-inference: preallocates as vLLM does"},
    {"lmdeploy", "", "", "", kPreallocating, Kernel::kNone, Attention::kFlash, false, true, 0, "",
     "InternLM/lmdeploy: cache_max_entry_count of the free memory"},
    {"exllamav2", "", "", "", kChunked, Kernel::kNone, Attention::kFlash, false, false, 0, "",
     "turboderp/exllamav2 exllamav2/cache.py: the cache is allocated for its whole length, prompts run in chunks"},
    {"gptq-for-llama", "", "", "", kTokenLoop, Kernel::kNone, Attention::kFlash, true, false, 0, "",
     "qwopqwop200/GPTQ-for-LLaMa llama.py: benchmark() feeds one token at a time"},
};

std::vector<int> Parts(std::string_view version) {
  std::vector<int> parts;
  while (!version.empty() && parts.size() < 6) {
    int part = 0;
    std::from_chars(version.data(), version.data() + version.size(), part);
    parts.push_back(part);
    const size_t dot = version.find('.');
    version = dot == std::string_view::npos ? std::string_view() : version.substr(dot + 1);
  }
  return parts;
}

bool Holds(const RuntimeRow& row, std::string_view version, std::string_view model_type) {
  if (!row.model_type.empty() && row.model_type != model_type) return false;
  if (version.empty()) return row.before.empty();
  return (row.since.empty() || CompareVersions(version, row.since) >= 0) &&
         (row.before.empty() || CompareVersions(version, row.before) < 0);
}

}  // namespace

const char* ToString(RunProfile profile) {
  switch (profile) {
    case kLegacy:
      return "legacy";
    case kCurrent:
      return "current";
    case kChunked:
      return "chunked";
    case kTokenLoop:
      return "token-loop";
    case kPreallocating:
      break;
  }
  return "preallocating";
}

const char* ToString(Kernel kernel) {
  return kernel == Kernel::kExllamaV1 ? "exllama_v1" : kernel == Kernel::kExllamaV2 ? "exllama_v2" : "none";
}

const char* ToString(Attention attention) {
  return attention == Attention::kFlash ? "fa2" : attention == Attention::kSdpa ? "sdpa" : "eager";
}

std::span<const RuntimeRow> RuntimeTable() { return kRuntimes; }

int CompareVersions(std::string_view a, std::string_view b) {
  std::vector<int> left = Parts(a), right = Parts(b);
  const size_t size = std::max(left.size(), right.size());
  left.resize(size);
  right.resize(size);
  return left < right ? -1 : left > right ? 1 : 0;
}

Result<RuntimeRow> FindRuntime(std::string_view text, std::string_view model_type) {
  const size_t mark = text.find_first_of("@= ");
  const std::string_view name = text.substr(0, mark);
  std::string_view version = mark == std::string_view::npos ? std::string_view() : text.substr(mark);
  while (!version.empty() && (version.front() < '0' || version.front() > '9')) version.remove_prefix(1);
  std::vector<std::string_view> names;
  for (const RuntimeRow& row : kRuntimes) {
    if (row.name == name && Holds(row, version, model_type)) return row;
    if (names.empty() || names.back() != row.name) names.push_back(row.name);
  }
  const std::string nearest = Nearest(name, names);
  std::string known;
  for (const std::string_view candidate : names) known += (known.empty() ? "" : ", ") + std::string(candidate);
  return Error{.kind = ErrorKind::kUsage,
               .path = "",
               .message = "no memory profile of a runtime '" + std::string(text) + "'" +
                          (nearest.empty() || nearest == name ? "" : "; did you mean " + nearest + "?") + " (" + known +
                          ")"};
}

std::optional<Kernel> ParseKernel(std::string_view text) {
  if (text == "exllama" || text == "exllama_v1" || text == "exllamav1") return Kernel::kExllamaV1;
  if (text == "exllama_v2" || text == "exllamav2") return Kernel::kExllamaV2;
  for (const std::string_view word : {"none", "marlin", "triton", "cuda", "cuda_old", "cuda-old", "torch"}) {
    if (text == word) return Kernel::kNone;
  }
  return std::nullopt;
}

std::optional<Attention> ParseAttention(std::string_view text) {
  if (text == "fa2" || text == "flash" || text == "flash_attention_2") return Attention::kFlash;
  if (text == "sdpa") return Attention::kSdpa;
  if (text == "eager") return Attention::kEager;
  return std::nullopt;
}

}  // namespace gptq_doctor

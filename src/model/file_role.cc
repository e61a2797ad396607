#include <algorithm>
#include <cctype>

#include "model/model_dir.h"

#include "base/text.h"

namespace gptq_doctor {
namespace {

template <size_t kCount>
bool IsOneOf(std::string_view name, const std::string_view (&names)[kCount]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}
template <size_t kCount>
bool EndsInOneOf(std::string_view name, const std::string_view (&ends)[kCount]) {
  return std::any_of(std::begin(ends), std::end(ends), [&](std::string_view end) { return name.ends_with(end); });
}

// huggingface_hub (.incomplete), browsers (.part, .crdownload), aria2, wget and rsync habits (.tmp).
constexpr std::string_view kPartialEnds[] = {".incomplete",      ".part",       ".partial",
                                             ".aria2",           ".crdownload", ".download",
                                             ".safetensors.tmp", ".bin.tmp",    ".json.tmp"};
// What AutoGPTQ, GPTQModel, AutoRound, llm-awq, autoawq and ModelOpt call it.
constexpr std::string_view kQuantConfigNames[] = {"quant_config.json", "quantization_config.json",
                                                  "quant_cfg.json",    "hf_quant_config.json",
                                                  "quant_log.json",    "gptq_config.json"};
constexpr std::string_view kTokenizerNames[] = {
    "tokenizer.json",     "tokenizer_config.json",   "tokenizer.model",   "vocab.json",
    "merges.txt",         "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "spiece.model",       "sentencepiece.bpe.model", "tekken.json",       "chat_template.jinja",
    "chat_template.json", "tokenizer.model.v3",      "qwen.tiktoken",     "tokenization_config.json",
    "tokenizer.tiktoken"};
constexpr std::string_view kPreprocessorNames[] = {"preprocessor_config.json", "processor_config.json",
                                                   "image_processor_config.json", "video_preprocessor_config.json",
                                                   "feature_extractor_config.json"};
constexpr std::string_view kPickleEnds[] = {".pt", ".pth", ".ckpt", ".pkl"};
// .bin files that are no weights.
constexpr std::string_view kOtherBins[] = {"training_args.bin", "optimizer.bin", "scheduler.bin", "scaler.bin"};

}  // namespace

const char* ToString(FileRole role) {
  switch (role) {
    case FileRole::kWeights:
      return "weights";
    case FileRole::kIndex:
      return "index";
    case FileRole::kPickleWeights:
      return "pickle-weights";
    case FileRole::kPickleIndex:
      return "pickle-index";
    case FileRole::kGguf:
      return "gguf";
    case FileRole::kOnnx:
      return "onnx";
    case FileRole::kConfig:
      return "config";
    case FileRole::kQuantizeConfig:
    case FileRole::kQuantConfig:
      return "quantize-config";
    case FileRole::kGenerationConfig:
      return "generation";
    case FileRole::kTokenizer:
      return "tokenizer";
    case FileRole::kPreprocessor:
      return "preprocessor";
    case FileRole::kAdapter:
      return "adapter";
    case FileRole::kCode:
      return "code";
    case FileRole::kPartial:
      return "partial";
    case FileRole::kDownloadMetadata:
      return "download-metadata";
    case FileRole::kOther:
      return "other";
  }
  return "other";
}

FileRole RoleOf(std::string_view name) {
  const std::string lower_path = LowerAscii(name);
  const size_t slash = lower_path.rfind('/');
  const std::string_view lower = std::string_view(lower_path).substr(slash == std::string::npos ? 0 : slash + 1);
  if (EndsInOneOf(lower, kPartialEnds)) return FileRole::kPartial;
  if (name.starts_with(".cache/huggingface/") || name.find("/.cache/huggingface/") != std::string_view::npos)
    return FileRole::kDownloadMetadata;
  if (lower == "adapter_config.json" || lower.starts_with("adapter_model.")) return FileRole::kAdapter;
  if (lower.ends_with(".safetensors")) return FileRole::kWeights;
  if (lower.ends_with(".safetensors.index.json")) return FileRole::kIndex;
  if (lower.ends_with(".bin.index.json")) return FileRole::kPickleIndex;
  if (lower.ends_with(".gguf") || (lower.starts_with("ggml-") && lower.ends_with(".bin")) || lower.ends_with(".ggml"))
    return FileRole::kGguf;
  if (lower.ends_with(".onnx") || lower.ends_with(".onnx_data") || lower.ends_with(".onnx.data"))
    return FileRole::kOnnx;
  if (lower.ends_with(".bin") && !IsOneOf(lower, kOtherBins)) return FileRole::kPickleWeights;
  if (EndsInOneOf(lower, kPickleEnds)) {
    const bool state =
        lower.starts_with("optimizer") || lower.starts_with("scheduler") || lower.starts_with("rng_state");
    return state ? FileRole::kOther : FileRole::kPickleWeights;
  }
  if (lower == "config.json") return FileRole::kConfig;
  if (lower == "quantize_config.json") return FileRole::kQuantizeConfig;
  if (IsOneOf(lower, kQuantConfigNames)) return FileRole::kQuantConfig;
  if (lower == "generation_config.json") return FileRole::kGenerationConfig;
  if (IsOneOf(lower, kTokenizerNames)) return FileRole::kTokenizer;
  if (IsOneOf(lower, kPreprocessorNames)) return FileRole::kPreprocessor;
  if (lower.ends_with(".py")) return FileRole::kCode;
  return FileRole::kOther;
}

}  // namespace gptq_doctor

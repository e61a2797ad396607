#include <algorithm>

#include "base/text.h"
#include "gptq/key_table.h"
#include "gptq/quant_config_file.h"

namespace gptq_doctor {
namespace {

// Configuration files are a few KB; calibration texts inside can make them some MB.
constexpr uint64_t kMaxConfigBytes = 64 << 20;

// Where settings may stand in config.json: transformers reads the first, vLLM and mlx-lm nested ones too, vLLM
// compression_config (vllm-project/vllm 017e9f44, transformers_utils/config.py).
constexpr std::string_view kPointers[] = {
    "/quantization_config",
    "/text_config/quantization_config",
    "/llm_config/quantization_config",
    "/language_config/quantization_config",
    "/thinker_config/text_config/quantization_config",
    "/compression_config",
};

std::optional<std::string> Read(Source& source, const ModelFile* file, std::vector<Error>& errors) {
  if (file == nullptr) return std::nullopt;
  Result<std::string> text = ReadWhole(source, file->entry, kMaxConfigBytes);
  if (text.ok()) return std::move(text).value();
  if (text.error().kind != ErrorKind::kNotFound) errors.push_back(text.error());  // a link to nothing
  return std::nullopt;
}

// mlx-lm writes its settings twice, as `quantization` and as `quantization_config`, without a method.
bool IsMlx(const JsonValue& root, const QuantConfigFile& file) {
  const JsonValue* block = root.Find("quantization");
  return block != nullptr && block->IsObject() && !file.quant_method && block->Find("group_size") != nullptr;
}

void AddSections(const ModelConfig& model, std::vector<QuantConfigFile>& files) {
  if (!model.present) return;
  const size_t before = files.size();
  for (const std::string_view pointer : kPointers) {
    if (!model.json.root || FindPointer(*model.json.root, pointer) == nullptr) continue;
    QuantConfigFile file = ReadQuantConfig("config.json", model.text, std::string(pointer));
    if (IsMlx(*model.json.root, file)) {
      file.reading = ConfigReading::kForeign;
      file.method_family = "mlx";
      file.detail = "its keys repeat the block `quantization` of mlx-lm";
      file.problems.clear();
    }
    files.push_back(std::move(file));
  }
  // What cannot be read may hold the section.
  if (files.size() == before && !model.json.valid) {
    files.push_back(ReadQuantConfig("config.json", model.text, std::string(kPointers[0])));
  }
}

}  // namespace

const QuantConfigFile* ConfigSet::Get(std::string_view file) const {
  const auto found = std::ranges::find(files, file, &QuantConfigFile::file);
  return found == files.end() ? nullptr : &*found;
}

ConfigSet ReadConfigs(Source& source, const ModelDir& dir, std::vector<Error>& errors) {
  ConfigSet set;
  if (auto text = Read(source, dir.Find("quantize_config.json"), errors)) {
    set.files.push_back(ReadQuantConfig("quantize_config.json", std::move(*text), ""));
  }
  if (auto text = Read(source, dir.Find("config.json"), errors)) {
    set.model = ReadModelConfig(std::move(*text));
    AddSections(set.model, set.files);
  }
  for (const ModelFile& file : dir.files) {
    if (file.role != FileRole::kQuantConfig || file.entry.name.find('/') != std::string::npos) continue;
    if (auto text = Read(source, &file, errors)) {
      set.files.push_back(ReadQuantConfig(file.entry.name, std::move(*text), ""));
    }
  }
  return set;
}

}  // namespace gptq_doctor

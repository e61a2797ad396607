#ifndef GPTQ_DOCTOR_MODEL_MODEL_DIR_H_
#define GPTQ_DOCTOR_MODEL_MODEL_DIR_H_

// A model directory as a list of files with roles. Never reads tensor data or headers.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/storage.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

enum class FileRole {
  kWeights,        // .safetensors
  kIndex,          // *.safetensors.index.json
  kPickleWeights,  // pytorch_model*.bin, .pt, .pth, .ckpt
  kPickleIndex,
  kGguf,
  kOnnx,
  kConfig,          // config.json
  kQuantizeConfig,  // quantize_config.json
  kQuantConfig,     // quant_config.json, quantization_config.json, quant_cfg.json and other names of the same thing
  kGenerationConfig,
  kTokenizer,  // tokenizer.json, tokenizer_config.json, tokenizer.model, vocab.json, merges.txt,
               // special_tokens_map.json, ...
  kPreprocessor,
  kAdapter,           // adapter_config.json, adapter_model.*
  kCode,              // *.py
  kPartial,           // *.incomplete, *.part, *.aria2, *.crdownload, *.tmp of a download
  kDownloadMetadata,  // .cache/huggingface/download/*
  kOther,
};
const char* ToString(FileRole role);  // the words of FileRow::role

struct ModelFile {
  FileEntry entry;
  FileRole role = FileRole::kOther;
};

struct ModelDir {
  std::vector<ModelFile> files;  // sorted bytewise by name
  bool truncated = false;        // the listing hit its cap
  // The weight files to examine, positions in `files`: every .safetensors at the top, and deeper ones that an index
  // names or that sit in per-layer folders (GPTQModel split_by=layer). Adapters and other models' weights in
  // sub-folders are left out.
  std::vector<size_t> weights;
  std::vector<size_t> indexes;  // best first: model.safetensors.index.json, then by name
  bool single_file = false;     // restricted to one weight file or index by the caller
  const ModelFile* Find(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
};

FileRole RoleOf(std::string_view name);
// `only_file` empty: the whole directory. Error kNotAModel with what is there instead (an empty directory, a directory
// of models with their names, pickles only, ...) where no weight file, index or config exists.
Result<ModelDir> ListModel(Source& source, std::string_view only_file);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_MODEL_DIR_H_

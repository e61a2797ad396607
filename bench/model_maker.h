#ifndef GPTQ_DOCTOR_BENCH_MODEL_MAKER_H_
#define GPTQ_DOCTOR_BENCH_MODEL_MAKER_H_

// Writes model directories that are full size for a header reader and small on disk: real headers and index, data as
// holes in sparse files. Layout, names, shapes and order are those of published GPTQ checkpoints: compact JSON padded
// to 8 bytes, tensors sorted by dtype (widest first) and name as the reference writer does, an index with indent 2 and
// sorted keys as huggingface_hub and GPTQModel write it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace gptq_doctor::bench {

struct MadeTensor {
  std::string name;
  const char* dtype = "F16";  // I32, F16, BF16, F32
  std::vector<uint64_t> shape;
  uint64_t bytes() const;
};

struct MadeModel {
  std::string config;  // config.json
  std::vector<MadeTensor> tensors;
  uint64_t shards = 1;
};

// Qwen2.5-3B and -72B with a bias on every quantized module; a DeepSeek-R1 with 61 layers and 256 routed experts in 80
// shards.
MadeModel Qwen3B();
MadeModel Qwen72B();
// `shrink` divides hidden size, widths and vocabulary, for who reads the data as well.
MadeModel DeepSeekR1(uint64_t shrink = 1);
// Layers of Llama-2-7B, 405 MB each in F16, with its embedding and head.
MadeModel Llama(uint64_t layers, uint64_t shrink = 1);
// An embedding [vocab, 16384] and one quantized module.
MadeModel OneLinear(uint64_t in, uint64_t out, uint64_t vocab);
// Mixture-of-experts layers of about 260 shapes' worth until `tensors` are there; shards of about 2,250 tensors as in
// the model above, or one file.
MadeModel OfSize(uint64_t tensors, bool one_file = false);

struct Written {
  std::vector<std::string> files;  // shards
  uint64_t tensors = 0, header_bytes = 0, index_bytes = 0;
};
Written WriteModel(const MadeModel& model, const std::filesystem::path& directory);

}  // namespace gptq_doctor::bench

#endif  // GPTQ_DOCTOR_BENCH_MODEL_MAKER_H_

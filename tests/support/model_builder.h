#ifndef GPTQ_DOCTOR_TESTS_SUPPORT_MODEL_BUILDER_H_
#define GPTQ_DOCTOR_TESTS_SUPPORT_MODEL_BUILDER_H_

// Builds small model directories in code: a complete tiny GPTQ model takes ten lines. The packer here is written from
// the format's definition, independent of src/gptq/packing.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/storage.h"

namespace gptq_doctor::testing {

struct TestTensor {
  std::string name, dtype;
  std::vector<uint64_t> shape;
  std::string data;  // exactly the bytes of shape x dtype; empty: zeros
};

// A safetensors file with the header the reference writer produces (compact JSON, padded to 8).
std::string MakeSafetensors(const std::vector<TestTensor>& tensors,
                            const std::vector<std::pair<std::string, std::string>>& metadata = {{"format", "pt"}});

struct GptqOptions {
  int bits = 4;
  int64_t group_size = 128;  // -1: one group
  bool sym = true;
  bool desc_act = false;  // a permuted g_idx
  bool v2 = false;        // stored zero = z instead of z - 1
  bool planar = false;    // gptq_p: v2 zeros in bit planes
  bool g_idx = true;
  bool bias = false;
  std::string scales_dtype = "F16";
  int pack_bits = 32;
  uint64_t seed = 1;
};

// The tensors of one quantized module with bell-shaped codes and plausible scales.
std::vector<TestTensor> GptqModule(const std::string& stem, int64_t in_features, int64_t out_features,
                                   const GptqOptions& options = {});
// A dense tensor with plausible values (F16, BF16, F32).
TestTensor DenseTensor(const std::string& name, std::vector<uint64_t> shape, const std::string& dtype = "F16");

// A whole directory: files by name. Llama-like names.
class ModelBuilder {
 public:
  ModelBuilder& Layers(int layers);                                                                // default 2
  ModelBuilder& Sizes(int64_t hidden, int64_t intermediate, int64_t kv = 0, int64_t vocab = 256);  // default 128, 256
  ModelBuilder& Quant(const GptqOptions& options);  // all linears of the blocks
  ModelBuilder& Dense();                            // nothing quantized
  // Same settings for every module whose stem contains `part`.
  ModelBuilder& Override(const std::string& part, const GptqOptions& options);
  ModelBuilder& LmHead(const GptqOptions& options);  // quantized head
  ModelBuilder& Tied(bool tied);
  ModelBuilder& Shards(int count);  // with index; default 1 file model.safetensors
  ModelBuilder& Metadata(std::vector<std::pair<std::string, std::string>> metadata);
  ModelBuilder& WeightName(const std::string& name);
  ModelBuilder& File(const std::string& name, const std::string& content);  // adds or replaces
  ModelBuilder& Remove(const std::string& name);
  ModelBuilder& Tensor(const TestTensor& tensor);  // adds or replaces by name
  ModelBuilder& RemoveTensor(const std::string& name);
  // Writes matching quantize_config.json and config.json's quantization_config (official style), with tokenizer stubs.
  ModelBuilder& WithConfigs();
  std::map<std::string, std::string> Build() const;  // config.json without quantization_config unless WithConfigs
  std::unique_ptr<MemorySource> Memory() const;
  void WriteTo(const std::filesystem::path& directory) const;
  ModelBuilder();
  ~ModelBuilder();
  ModelBuilder(const ModelBuilder&);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A directory under the system's temporary directory, removed with the object.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::filesystem::path& path() const { return path_; }
  std::string str() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

struct RunResult {
  int exit_code = -1;  // 128 + signal when killed
  std::string out, err;
};
// Runs the built gptq-doctor with these arguments (no shell), standard input closed.
RunResult RunTool(const std::vector<std::string>& arguments,
                  const std::map<std::string, std::string>& environment = {});
// The same without rights over files that are closed to others; as itself where it is not the superuser.
RunResult RunToolAsNobody(const std::vector<std::string>& arguments);

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_SUPPORT_MODEL_BUILDER_H_

#include "fill_model.h"

#include <cstring>
#include <fstream>
#include <string>

#include "measure.h"
#include "model/model_dir.h"
#include "model/tensor_index.h"

namespace gptq_doctor::bench {
namespace {

// Bytes that a dequantizer accepts in place of the holes that the maker leaves.
std::string Filling(const TensorRecord& tensor) {
  const std::string_view name = tensor.name();
  std::string out(tensor.bytes(), '\x77');
  if (name.ends_with(".g_idx")) {
    for (uint32_t k = 0; k < out.size() / 4; ++k) {
      const uint32_t group = k / 128;
      std::memcpy(&out[4 * size_t{k}], &group, 4);
    }
  } else if (!name.ends_with(".qzeros")) {
    uint64_t state = tensor.begin + 1;
    for (size_t i = 0; i + 4 <= out.size(); i += 4) {
      const auto word = static_cast<uint32_t>((state = state * 6364136223846793005 + 1) >> 32);
      const uint32_t kept = name.ends_with(".qweight") ? word : (word & 0x03FF03FF) | 0x18001800;  // small floats
      std::memcpy(&out[i], &kept, 4);
    }
  }
  return out;
}

}  // namespace

void FillModel(const std::filesystem::path& directory) {
  const auto source = OpenLocalDirectory(directory.string());
  Require(source.ok(), "no model");
  const auto dir = ListModel(**source, "");
  const TensorIndex tensors = BuildTensorIndex(**source, *dir, {}, nullptr);
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const TensorRecord& tensor = tensors.at(i);
    std::fstream file(directory / tensors.shard_of(tensor).file, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(tensors.file_offset(tensor)));
    const std::string bytes = Filling(tensor);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    Require(file.good(), "cannot write the model");
  }
  sync();
}

}  // namespace gptq_doctor::bench

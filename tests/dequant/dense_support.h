#ifndef GPTQ_DOCTOR_TESTS_DEQUANT_DENSE_SUPPORT_H_
#define GPTQ_DOCTOR_TESTS_DEQUANT_DENSE_SUPPORT_H_

// Runs of the writing plans over models built in code, and a reader of what they wrote that shares nothing with the
// library's.

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dequant/dequantize.h"
#include "infer/examination.h"
#include "support/model_builder.h"

namespace gptq_doctor::testing {

struct Model {
  std::unique_ptr<Source> source;
  std::unique_ptr<Examination> exam;
};

inline Model ExamineSource(std::unique_ptr<Source> source, bool deep = false) {
  Model out{std::move(source), nullptr};
  ExamineOptions options;
  options.deep = deep;
  auto exam = ReadExamination(*out.source, options, {});
  EXPECT_TRUE(exam.ok()) << (exam.ok() ? "" : exam.error().message);
  if (exam.ok()) out.exam = std::move(exam).value();
  return out;
}
inline Model ExamineModel(const ModelBuilder& model, bool deep = false) { return ExamineSource(model.Memory(), deep); }

// All bytes of a planned tensor.
inline std::string Produced(const OutTensor& tensor) {
  std::string bytes(tensor.bytes, '\0');
  const PieceWriter writer = [&](uint64_t offset, std::span<const char> part) {
    std::copy(part.begin(), part.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return Ok();
  };
  for (int64_t piece = 0; piece < tensor.pieces; ++piece) EXPECT_TRUE(tensor.produce(piece, writer).ok());
  return bytes;
}

struct ReadTensor {
  std::string file, dtype;
  std::vector<uint64_t> shape;
  std::string data;
};
struct ReadDirectory {
  std::map<std::string, ReadTensor> tensors;
  std::map<std::string, std::string> files;  // all but weights
  std::map<std::string, nlohmann::json> metadata;
};

inline std::map<std::string, ReadTensor> ReadSafetensors(const std::string& file, const std::string& bytes,
                                                         nlohmann::json* metadata = nullptr) {
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  nlohmann::json header = nlohmann::json::parse(bytes.substr(8, length));
  if (metadata != nullptr) *metadata = header.value("__metadata__", nlohmann::json::object());
  header.erase("__metadata__");
  std::map<std::string, ReadTensor> out;
  for (const auto& [name, entry] : header.items()) {
    const uint64_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    EXPECT_LE(8 + length + end, bytes.size());
    out[name] = {file, entry["dtype"], entry["shape"], bytes.substr(8 + length + begin, end - begin)};
  }
  return out;
}

inline ReadDirectory ReadBack(const std::filesystem::path& root) {
  ReadDirectory out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = std::filesystem::relative(entry.path(), root).string();
    std::string bytes(entry.file_size(), '\0');
    std::ifstream(entry.path(), std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!name.ends_with(".safetensors")) {
      out.files[name] = std::move(bytes);
      continue;
    }
    for (auto& [tensor, data] : ReadSafetensors(name, bytes, &out.metadata[name])) {
      EXPECT_TRUE(out.tensors.emplace(tensor, std::move(data)).second) << tensor << " stands twice";
    }
  }
  return out;
}

// The tensors of a model as it was built.
inline std::map<std::string, ReadTensor> BuiltTensors(const ModelBuilder& model) {
  std::map<std::string, ReadTensor> out;
  for (const auto& [name, bytes] : model.Build()) {
    if (name.ends_with(".safetensors")) out.merge(ReadSafetensors(name, bytes));
  }
  return out;
}

// The index lists exactly what is there, where it is.
inline void CheckIndex(const ReadDirectory& directory) {
  const auto text = directory.files.find("model.safetensors.index.json");
  ASSERT_NE(text, directory.files.end());
  const nlohmann::json index = nlohmann::json::parse(text->second);
  uint64_t total = 0;
  for (const auto& [name, tensor] : directory.tensors) {
    EXPECT_EQ(index["weight_map"].value(name, ""), tensor.file) << name;
    total += tensor.data.size();
  }
  EXPECT_EQ(index["weight_map"].size(), directory.tensors.size());
  EXPECT_EQ(index["metadata"]["total_size"], total);
}

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_DEQUANT_DENSE_SUPPORT_H_

#include "fuzz/records.h"

#include <algorithm>
#include <iterator>

namespace gptq_doctor::fuzz {
namespace {

// seeds.py reads this table.
constexpr const char* kNames[] = {"model.safetensors",
                                  "config.json",
                                  "quantize_config.json",
                                  "model.safetensors.index.json",
                                  "model-00001-of-00002.safetensors",
                                  "model-00002-of-00002.safetensors",
                                  "tokenizer_config.json",
                                  "quant_config.json",
                                  "generation_config.json",
                                  "adapter_config.json",
                                  "gptq_model-4bit-128g.safetensors",
                                  "adapter_model.safetensors",
                                  "pytorch_model.bin",
                                  "model.gguf",
                                  "tokenizer.json",
                                  ".cache/huggingface/download/model.safetensors.metadata",
                                  ".gptq-doctor.journal.json",
                                  "preprocessor_config.json"};

constexpr size_t kHead = 5;  // bytes of a record before its content

uint32_t Number(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void Append(std::string& out, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i));
}

std::string WeightFile(const Record& record) {
  const size_t text = std::min(record.content.find('\0'), record.content.size());
  std::string file = WithLength(std::string_view(record.content).substr(0, text));
  if (text < record.content.size()) file.append(record.content, text + 1);
  for (size_t i = file.size() - 8 - text; i < size_t{record.data} * 16; ++i) file += static_cast<char>(i * 37 % 251);
  return file;
}

}  // namespace

std::string WithLength(std::string_view text) {
  std::string out;
  Append(out, text.size(), 8);
  return out.append(text);
}

std::vector<Record> ReadRecords(std::string_view input) {
  std::vector<Record> out;
  while (!input.empty() && out.size() < 64) {
    const std::string_view head = input.substr(0, kHead);
    const size_t size = head.size() < kHead ? 0 : Number(head.substr(3));
    out.push_back({static_cast<uint8_t>(head[0]),
                   static_cast<uint16_t>(head.size() < kHead ? 0 : Number(head.substr(1, 2))),
                   std::string(input.substr(head.size(), size))});
    input.remove_prefix(head.size() + out.back().content.size());
  }
  return out;
}

std::string WriteRecords(const std::vector<Record>& records) {
  std::string out;
  for (const Record& record : records) {
    const std::string_view content = std::string_view(record.content).substr(0, 65535);
    Append(out, record.name, 1);
    Append(out, record.data, 2);
    Append(out, content.size(), 2);
    out += content;
  }
  return out;
}

void AddFiles(std::string_view input, MemorySource& source) {
  const std::vector<Record> records = ReadRecords(input);
  for (size_t i = 0; i < std::min<size_t>(records.size(), 8); ++i) {
    const Record& record = records[i];
    const size_t name = (record.name & ~Record::kHeader) % std::size(kNames);
    source.Add(kNames[name], (record.name & Record::kHeader) != 0 ? WeightFile(record) : record.content);
  }
}

}  // namespace gptq_doctor::fuzz

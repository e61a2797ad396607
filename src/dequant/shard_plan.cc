#include "dequant/shard_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/json.h"

namespace gptq_doctor {
namespace {

std::string PrefixedHeader(const std::string& json) {
  std::string out;
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>((json.size() >> shift) & 0xFF));
  return out + json;
}

// In the files that the tensors name, in order of first appearance.
std::vector<PlannedShard> ByName(const OutModel& model) {
  std::vector<PlannedShard> shards;
  std::map<std::string_view, size_t> position;
  for (const OutTensor& tensor : model.tensors) {
    const auto [at, fresh] = position.emplace(tensor.file, shards.size());
    if (fresh) shards.emplace_back().file = tensor.file;
    shards[at->second].tensors.push_back(&tensor);
  }
  return shards;
}

// As many as fit, in the order given.
std::vector<PlannedShard> BySize(const OutModel& model) {
  std::vector<PlannedShard> shards(1);
  uint64_t filled = 0;
  for (const OutTensor& tensor : model.tensors) {
    if (!shards.back().tensors.empty() && filled + tensor.bytes > model.max_shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().tensors.push_back(&tensor);
    filled += tensor.bytes;
  }
  constexpr std::string_view kEnding = ".safetensors";
  const std::string stem = model.weight_name.substr(0, model.weight_name.size() - kEnding.size());
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].file = shards.size() == 1 ? model.weight_name
                                        : fmt::format("{}-{:05}-of-{:05}{}", stem, i + 1, shards.size(), kEnding);
  }
  return shards;
}

}  // namespace

std::string HeaderText(std::span<const OutTensor* const> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::string out = "{";
  if (!metadata.empty()) {
    out += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) out += JsonQuote(key) + ":" + JsonQuote(value) + ",";
    out.back() = '}';
    out += ",";
  }
  uint64_t at = 0;
  for (const OutTensor* tensor : tensors) {
    out += JsonQuote(tensor->name);
    out += fmt::format(":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}},", ToString(tensor->dtype),
                       fmt::join(tensor->shape, ","), at, at + tensor->bytes);
    at += tensor->bytes;
  }
  if (out.back() == ',') out.pop_back();
  out += "}";
  out.append((8 - out.size() % 8) % 8, ' ');
  return out;
}

std::vector<PlannedShard> PlanShards(const OutModel& model) {
  const bool named = !model.tensors.empty() && !model.tensors.front().file.empty();
  std::vector<PlannedShard> shards = named ? ByName(model) : BySize(model);
  for (PlannedShard& shard : shards) {
    if (!model.keep_order) {
      std::sort(shard.tensors.begin(), shard.tensors.end(), [](const OutTensor* a, const OutTensor* b) {
        return a->dtype != b->dtype ? a->dtype > b->dtype : a->name < b->name;
      });
    }
    const auto own = model.file_metadata.find(shard.file);
    shard.header =
        PrefixedHeader(HeaderText(shard.tensors, own == model.file_metadata.end() ? model.metadata : own->second));
    shard.bytes = shard.header.size();
    for (const OutTensor* tensor : shard.tensors) {
      shard.offsets.push_back(shard.bytes);
      shard.bytes += tensor->bytes;
    }
  }
  return shards;
}

std::string IndexText(const OutModel& model, const std::vector<PlannedShard>& shards) {
  if (model.index_name.empty() || (shards.size() <= 1 && !model.always_index)) return "";
  std::map<std::string_view, std::string_view> map;  // sorted, as huggingface_hub writes it
  uint64_t total = 0;
  for (const PlannedShard& shard : shards) {
    for (const OutTensor* tensor : shard.tensors) {
      map.emplace(tensor->name, shard.file);
      total += tensor->bytes;
    }
  }
  std::string out = fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{\n", total);
  size_t left = map.size();
  for (const auto& [name, file] : map) {
    out += "    " + JsonQuote(name) + ": " + JsonQuote(file) + (--left > 0 ? ",\n" : "\n");
  }
  return out + "  }\n}\n";
}

}  // namespace gptq_doctor

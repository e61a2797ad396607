#include "loaders/support.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "gtest/gtest.h"

namespace gptq_doctor::testing {
namespace {

Examined Read(std::unique_ptr<Source> source) {
  Examined examined;
  examined.source = std::move(source);
  auto exam = ReadExamination(*examined.source, {}, {});
  EXPECT_TRUE(exam.ok()) << exam.error().message;
  if (exam.ok()) examined.exam = std::move(exam).value();
  return examined;
}

// One large weight file whose bytes follow from their position, and small files that are held.
class ComputedSource : public Source {
 public:
  explicit ComputedSource(std::map<std::string, std::string> files) {
    for (auto& [name, text] : files) small_.Add(name, text);
    Layout();
  }
  const std::string& DisplayPath() const override { return path_; }
  Result<Listing> List() override {
    auto listing = small_.List();
    if (listing.ok()) listing->entries.push_back(Entry());
    if (listing.ok()) {
      std::sort(listing->entries.begin(), listing->entries.end(),
                [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
    }
    return listing;
  }
  Result<FileEntry> Stat(std::string_view file) override { return file == kWeights ? Entry() : small_.Stat(file); }
  void ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) override {
    for (size_t i = 0; i < requests.size(); ++i) {
      if (requests[i].file != kWeights) {
        small_.ReadMany(requests.subspan(i, 1), outcomes.subspan(i, 1));
        continue;
      }
      outcomes[i].identity = Entry().identity;
      const uint64_t size = head_.size() + data_;
      const uint64_t begin = std::min(requests[i].offset, size);
      outcomes[i].bytes = static_cast<size_t>(std::min<uint64_t>(requests[i].into.size(), size - begin));
      for (size_t k = 0; k < outcomes[i].bytes; ++k) requests[i].into[k] = ByteAt(begin + k);
    }
  }

 private:
  static constexpr std::string_view kWeights = "model.safetensors";
  enum Kind { kCodes, kZeros, kScales, kIndex, kBias, kHalves };
  struct Range {
    uint64_t begin;
    Kind kind;
  };

  FileEntry Entry() const {
    FileEntry entry;
    entry.name = std::string(kWeights);
    entry.identity.size = static_cast<int64_t>(head_.size() + data_);
    return entry;
  }

  char ByteAt(uint64_t at) const {
    if (at < head_.size()) return head_[at];
    at -= head_.size();
    const auto range = std::prev(std::upper_bound(ranges_.begin(), ranges_.end(), at,
                                                  [](uint64_t offset, const Range& r) { return offset < r.begin; }));
    const uint64_t local = at - range->begin;
    const uint64_t hash = (local * 0x9E3779B97F4A7C15u) >> 20;
    const auto nibble = [](uint64_t bits) { return 4 + (bits & 3) + ((bits >> 2) & 3) + ((bits >> 4) & 1); };
    switch (range->kind) {
      case kCodes:
        return static_cast<char>(nibble(hash) | (nibble(hash >> 8) << 4));
      case kZeros:
        return 0x77;
      case kScales:
        return local % 2 == 0 ? static_cast<char>(hash) : 0x21;  // about 0.01 as a half
      case kIndex:
        return static_cast<char>((local / 4 / 128) >> (8 * (local % 4)));
      case kBias:
        return 0;
      case kHalves:
        return local % 2 == 0 ? static_cast<char>(hash) : static_cast<char>(0x21 | (hash & 0x80));
    }
    return 0;
  }

  void Add(const std::string& name, const char* dtype, uint64_t width, std::vector<uint64_t> shape, Kind kind) {
    uint64_t bytes = width;
    std::string dims;
    for (const uint64_t dim : shape) {
      bytes *= dim;
      dims += (dims.empty() ? "" : ",") + std::to_string(dim);
    }
    json_ += ",\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + dims + "],\"data_offsets\":[" +
             std::to_string(data_) + "," + std::to_string(data_ + bytes) + "]}";
    ranges_.push_back({data_, kind});
    data_ += bytes;
  }
  void Linear(const std::string& stem, uint64_t in, uint64_t out) {
    Add(stem + ".qweight", "I32", 4, {in / 8, out}, kCodes);
    Add(stem + ".qzeros", "I32", 4, {in / 128, out / 8}, kZeros);
    Add(stem + ".scales", "F16", 2, {in / 128, out}, kScales);
    Add(stem + ".g_idx", "I32", 4, {in}, kIndex);
    Add(stem + ".bias", "F16", 2, {out}, kBias);
  }
  void Layout() {
    json_ = "{\"__metadata__\":{\"format\":\"pt\"}";
    Add("model.embed_tokens.weight", "F16", 2, {151936, 2048}, kHalves);
    for (int layer = 0; layer < 36; ++layer) {
      const std::string p = "model.layers." + std::to_string(layer) + ".";
      Linear(p + "self_attn.q_proj", 2048, 2048);
      Linear(p + "self_attn.k_proj", 2048, 256);
      Linear(p + "self_attn.v_proj", 2048, 256);
      Linear(p + "self_attn.o_proj", 2048, 2048);
      Linear(p + "mlp.gate_proj", 2048, 11008);
      Linear(p + "mlp.up_proj", 2048, 11008);
      Linear(p + "mlp.down_proj", 11008, 2048);
      Add(p + "input_layernorm.weight", "F16", 2, {2048}, kHalves);
      Add(p + "post_attention_layernorm.weight", "F16", 2, {2048}, kHalves);
    }
    Add("model.norm.weight", "F16", 2, {2048}, kHalves);
    json_ += "}";
    while (json_.size() % 8 != 0) json_ += ' ';
    head_.assign(8, '\0');
    for (size_t i = 0; i < 8; ++i) head_[i] = static_cast<char>(json_.size() >> (8 * i));
    head_ += json_;
  }

  std::string path_ = "Qwen2.5-3B-GPTQ";
  MemorySource small_;
  std::string json_, head_;
  uint64_t data_ = 0;
  std::vector<Range> ranges_;
};

}  // namespace

Examined ExamineModel(const ModelBuilder& builder) { return Read(builder.Memory()); }

Examined ExamineDirectory(const std::string& path) {
  auto source = OpenLocalDirectory(path);
  EXPECT_TRUE(source.ok());
  return source.ok() ? Read(std::move(source).value()) : Examined{};
}

// A loader that has stopped goes no further; what it would meet next is marked as such.
void ExpectNothingBehindTheStop(const LoaderOutcome& outcome) {
  if (outcome.outcome != Outcome::kRejects) return;
  bool stopped = false;
  for (const LoaderStep& step : outcome.steps) {
    EXPECT_TRUE(!stopped || step.detail.starts_with("behind that: ")) << Describe(outcome);
    stopped = stopped || step.deciding;
  }
  EXPECT_TRUE(stopped) << Describe(outcome);
}

LoaderOutcome Ask(const Examination& exam, const std::string& selector, SimulateOptions options) {
  const size_t slash = selector.find('/');
  options.selectors = {selector.substr(0, slash)};
  const std::string backend = slash == std::string::npos ? "" : selector.substr(slash + 1);
  EXPECT_TRUE(CheckSimulateOptions(options).ok()) << selector;
  for (LoaderOutcome& outcome : SimulateLoaders(exam, options)) {
    ExpectNothingBehindTheStop(outcome);
    if (backend.empty() || outcome.backend == backend) return std::move(outcome);
  }
  ADD_FAILURE() << "no outcome for " << selector;
  return {};
}

LoaderOutcome Ask(const ModelBuilder& builder, const std::string& selector, SimulateOptions options) {
  const Examined examined = ExamineModel(builder);
  return examined.exam == nullptr ? LoaderOutcome{} : Ask(*examined.exam, selector, std::move(options));
}

std::string Describe(const LoaderOutcome& outcome) {
  std::string text = outcome.loader + "@" + outcome.version + "/" + outcome.backend + " " + ToString(outcome.outcome) +
                     ": " + outcome.summary + "\n  message: " + outcome.message + "\n";
  for (const LoaderStep& step : outcome.steps)
    text += (step.deciding ? "  * " : "  - ") + step.step + ": " + step.detail + "\n";
  return text;
}

bool HasAssumption(const LoaderOutcome& outcome, const std::string& part) {
  for (const std::string& text : outcome.assumptions) {
    if (text.find(part) != std::string::npos) return true;
  }
  return false;
}

Examined ExamineQwen3b(const std::string& config_section, const std::string& quantize_config) {
  std::string config =
      R"({"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
 "num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": true, "torch_dtype": "float16")";
  if (!config_section.empty()) config += ", \"quantization_config\": " + config_section;
  std::map<std::string, std::string> files = {{"config.json", config + "}\n"}};
  if (!quantize_config.empty()) files["quantize_config.json"] = quantize_config;
  return Read(std::make_unique<ComputedSource>(std::move(files)));
}

}  // namespace gptq_doctor::testing

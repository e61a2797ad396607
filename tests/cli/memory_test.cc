// `memory` as users and scripts meet it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_support.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;
using nlohmann::json;

// Qwen2.5-3B as GPTQ with 4 bits and groups of 128: a header of full size, the data a hole in the file.
class FullSizeHeader {
 public:
  FullSizeHeader() {
    Add("model.embed_tokens.weight", "F16", {kVocab, kHidden});
    Add("model.norm.weight", "F16", {kHidden});
    for (int layer = 0; layer < 36; ++layer) {
      const std::string stem = "model.layers." + std::to_string(layer) + ".";
      Add(stem + "input_layernorm.weight", "F16", {kHidden});
      Add(stem + "post_attention_layernorm.weight", "F16", {kHidden});
      Linear(stem + "self_attn.q_proj", kHidden, 2048, true);
      Linear(stem + "self_attn.k_proj", kHidden, 256, true);
      Linear(stem + "self_attn.v_proj", kHidden, 256, true);
      Linear(stem + "self_attn.o_proj", 2048, kHidden, false);
      Linear(stem + "mlp.gate_proj", kHidden, 11008, false);
      Linear(stem + "mlp.up_proj", kHidden, 11008, false);
      Linear(stem + "mlp.down_proj", 11008, kHidden, false);
    }
  }

  void WriteTo(const fs::path& directory) const {
    std::string header = header_.dump();
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char*>(&length), 8);
    WriteFile(directory / "model.safetensors", bytes + header);
    fs::resize_file(directory / "model.safetensors", 8 + length + offset_);
    WriteFile(directory / "config.json",
              R"({"model_type":"qwen2","hidden_size":2048,"num_hidden_layers":36,"num_attention_heads":16,
                  "num_key_value_heads":2,"intermediate_size":11008,"vocab_size":151936,
                  "max_position_embeddings":32768,"tie_word_embeddings":true,"torch_dtype":"float16"})");
  }

 private:
  static constexpr uint64_t kHidden = 2048, kVocab = 151936;

  void Add(const std::string& name, const std::string& dtype, const std::vector<uint64_t>& shape) {
    uint64_t bytes = dtype == "I32" ? 4 : 2;
    for (const uint64_t dim : shape) bytes *= dim;
    header_[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {offset_, offset_ + bytes}}};
    offset_ += bytes;
  }
  void Linear(const std::string& stem, uint64_t in, uint64_t out, bool bias) {
    Add(stem + ".qweight", "I32", {in / 8, out});
    Add(stem + ".qzeros", "I32", {in / 128, out / 8});
    Add(stem + ".scales", "F16", {in / 128, out});
    Add(stem + ".g_idx", "I32", {in});
    if (bias) Add(stem + ".bias", "F16", {out});
  }

  json header_;
  uint64_t offset_ = 0;
};

class MemoryCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    FullSizeHeader().WriteTo(directory_.path() / "qwen");
    qwen_ = (directory_.path() / "qwen").string();
  }
  json Memory(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"memory", qwen_});
    const JsonRun run = RunJson(arguments);
    EXPECT_EQ(run.run.exit_code, 0) << run.run.err;
    return run.json.is_object() ? run.json["models"][0]["memory"] : json();
  }
  static json Level(const json& memory, const std::string& name) {
    for (const json& level : memory["levels"]) {
      if (level["name"] == name) return level;
    }
    return json();
  }

  TempDir directory_;
  std::string qwen_;
};

TEST_F(MemoryCommand, BytesOfAFullSizeModel) {
  const json memory = Memory({"--gpu", "8GiB"});
  EXPECT_EQ(memory["weights"], 2'067'623'936);
  EXPECT_EQ(memory["kv_bytes_per_token"], 36'864);
  EXPECT_EQ(memory["fallback"][0]["bytes"], 6'171'877'376);
  EXPECT_EQ(memory["fallback"][1]["bytes"], 12'343'754'752);
  EXPECT_EQ(memory["usable"], 7'730'941'132);
  EXPECT_EQ(Level(memory, "int8")["weights"], 3'465'728'000);
  EXPECT_EQ(Level(memory, "as-is")["fit"], "fits");
  int64_t sum = 0;
  for (const json& line : memory["expected"]["lines"]) {
    if (line["at_peak"].get<bool>()) sum += line["bytes"].get<int64_t>();
  }
  EXPECT_EQ(memory["expected"]["device_peak"], sum);
  EXPECT_EQ(RunJson({"inspect", qwen_}).json["models"][0]["memory"]["weights"], 2'067'623'936);
}

TEST_F(MemoryCommand, TextSaysItInWords) {
  const RunResult run = RunTool({"memory", qwen_, "--gpu", "RTX 4090"});
  EXPECT_EQ(run.exit_code, 0);
  for (const char* words :
       {"if the config is missing you will see 5.75 GiB at float16, 11.50 GiB at float32, not 1.93 GiB", "+199 %",
        "GiB = 2^30 bytes", "KV cache", "fits", "no --runtime", "low", "high"}) {
    EXPECT_THAT(run.out, HasSubstr(words));
  }
  EXPECT_THAT(run.out, Not(HasSubstr("\x1b")));
  EXPECT_EQ(run.err, "");
}

TEST_F(MemoryCommand, QuestionsChangeTheAnswer) {
  EXPECT_EQ(Memory({"--context", "1000"})["context"], 1000);
  const auto line = [](const json& memory, const char* id) {
    for (const json& candidate : memory["expected"]["lines"]) {
      if (candidate["id"] == id) return candidate["bytes"].get<int64_t>();
    }
    return int64_t{-1};
  };
  EXPECT_EQ(line(Memory({"--context", "1000"}), "kv_cache"), 36'864'000);
  EXPECT_EQ(line(Memory({"--context", "1000", "--batch", "3"}), "kv_cache"), 3 * 36'864'000);
  EXPECT_EQ(line(Memory({"--context", "1000", "--kv-dtype", "fp8"}), "kv_cache"), 36'864'000 / 2);
  EXPECT_EQ(line(Memory({"--runtime", "transformers@4.40"}), "rope_tables"), int64_t{4} * 36 * 32768 * 128);
  EXPECT_EQ(line(Memory({"--runtime", "transformers@4.55"}), "rope_tables"), -1);
  EXPECT_EQ(Memory({"--runtime", "transformers@4.55"}).contains("low"), false);
  EXPECT_EQ(Memory({"--margin", "0", "--gpu", "8GiB"})["usable"], int64_t{8} << 30);
  EXPECT_EQ(Memory({"--utilization", "0.5", "--gpu", "8GiB"})["usable"], int64_t{4} << 30);
  const json two = Memory({"--gpus", "2", "--gpu", "8GiB"});
  EXPECT_LT(two["expected"]["per_gpu"], Memory({"--gpu", "8GiB"})["expected"]["per_gpu"]);
  EXPECT_EQ(Memory({"--precision", "auto", "--gpu", "8GiB"})["levels"].size(), 1u);
  EXPECT_EQ(Memory({"--precision", "INT8"})["precision"], "int8");
  EXPECT_EQ(Memory({"--observed", "5.76GiB"})["observed"][0]["text"],
            "fallback at 16 bits: the quantized tensors ignored, dense layers built");
}

TEST_F(MemoryCommand, WhereTheBytesGo) {
  for (const char* by : {"tensor", "layer", "kind"}) {
    const json shares = Memory({"--by", by})["shares"];
    ASSERT_FALSE(shares.empty()) << by;
    if (std::string(by) != "tensor") {
      int64_t sum = 0;
      for (const json& share : shares) sum += share["bytes"].get<int64_t>();
      EXPECT_EQ(sum, 2'067'623'936) << by;
    }
  }
  EXPECT_EQ(Memory({"--by", "tensor"})["shares"][0]["name"], "model.embed_tokens.weight");
}

TEST_F(MemoryCommand, ExitCodes) {
  EXPECT_EQ(RunTool({"memory", qwen_, "--gpu", "8GiB", "--fail-on", "no-fit"}).exit_code, 0);
  EXPECT_EQ(RunTool({"memory", qwen_, "--gpu", "1GiB", "--fail-on", "no-fit"}).exit_code, 1);
  EXPECT_EQ(RunTool({"memory", qwen_, "--gpu", "1GiB"}).exit_code, 0);
  EXPECT_EQ(RunTool({"memory", (directory_.path() / "absent").string()}).exit_code, 2);
}

struct Refusal {
  std::vector<std::string> arguments;
  const char* says;
};

TEST_F(MemoryCommand, WrongQuestionsExitTwoWithWords) {
  const Refusal kRefusals[] = {
      {{"--gpu", "RTX 4909"}, "did you mean RTX 4090"},
      {{"--runtime", "vlm"}, "did you mean vllm"},
      {{"--kv-dtype", "fp7"}, "--kv-dtype"},
      {{"--observed", "much"}, "--observed"},
      {{"--fail-on", "no-fit"}, "needs --gpu"},
      {{"--gpus", "2", "--tp", "2"}, "--tp"},
      {{"--precision", "int5"}, "--precision"},
      {{"--context", "-1"}, "--context"},
      {{"--margin", "200"}, "--margin"},
  };
  for (const Refusal& refusal : kRefusals) {
    std::vector<std::string> arguments = {"memory", qwen_};
    arguments.insert(arguments.end(), refusal.arguments.begin(), refusal.arguments.end());
    const RunResult run = RunTool(arguments);
    EXPECT_EQ(run.exit_code, 2) << refusal.says;
    EXPECT_THAT(run.err, HasSubstr(refusal.says));
    EXPECT_EQ(run.out, "");
  }
}

TEST(MemoryOfOddModels, ArePartialAndNeverFail) {
  TempDir directory;
  const auto make = [&](const std::string& name, const ModelBuilder& model) {
    model.WriteTo(directory.path() / name);
    return (directory.path() / name).string();
  };
  const std::string models[] = {
      make("no-config", SickModel().Remove("config.json")),
      make("hybrid", SickModel().File("config.json", R"({"model_type":"new","num_hidden_layers":2,
                                                         "layer_types":["hyena","hyena"]})")),
      make("packed", SickModel().Tensor({"model.layers.0.mlp.experts.gate_up_proj", "U8", {4, 64, 128}, ""})),
      make("broken", SickModel().File("config.json", "\xff{")),
      make("numbers", SickModel().File("config.json", R"({"model_type":"llama","num_hidden_layers":9223372036854775807,
                                                          "hidden_size":-1,"num_attention_heads":0})")),
      make("pointer", HealthyModel().File("model.safetensors", kLfsPointer)),
  };
  for (const std::string& model : models) {
    for (const char* runtime : {"legacy", "current", "vllm"}) {
      const JsonRun run = RunJson({"memory", model, "--runtime", runtime, "--gpu", "8GiB", "--by", "layer"});
      EXPECT_EQ(run.run.exit_code, 0) << model << run.run.err;
      ASSERT_TRUE(run.json.is_object()) << model;
      const json& memory = run.json["models"][0]["memory"];
      EXPECT_TRUE(!memory["left_out"].empty() || !memory["assumptions"].empty()) << model;
      EXPECT_EQ(RunTool({"memory", model, "--runtime", runtime}).exit_code, 0) << model;
    }
  }
}

}  // namespace
}  // namespace gptq_doctor::testing

#include <cstring>

#include "rules/rule_cases.h"

namespace gptq_doctor::testing {
namespace {

constexpr Severity kError = Severity::kError, kWarning = Severity::kWarning, kNote = Severity::kNote;
const std::string kUp = "model.layers.0.mlp.up_proj";

Directory Healthy() { return GoodFiles(); }

// One component of one module with its bytes changed.
Directory Edited(const GptqOptions& options, const std::string& suffix, const std::function<void(std::string&)>& edit) {
  ModelBuilder builder = GoodWith(options);
  for (TestTensor tensor : GptqModule(kUp, 128, 256, options)) {
    if (tensor.name != kUp + suffix) continue;
    edit(tensor.data);
    builder.Tensor(tensor);
  }
  return builder;
}
std::function<Directory()> With(const std::string& suffix, std::function<void(std::string&)> edit,
                                GptqOptions options = {.group_size = 32}) {
  return [=] { return Edited(options, suffix, edit); };
}

void PutHalf(std::string& data, size_t at, uint16_t value) { std::memcpy(data.data() + 2 * at, &value, 2); }
void PutWord(std::string& data, size_t at, uint32_t value) { std::memcpy(data.data() + 4 * at, &value, 4); }
void Fill(std::string& data, const std::vector<uint32_t>& words) {
  for (size_t i = 0; i < data.size() / 4; ++i) PutWord(data, i, words[i % words.size()]);
}
// g_idx by channel.
std::function<Directory()> Groups(std::function<int32_t(int)> group_of) {
  return With(".g_idx", [group_of](std::string& data) {
    for (size_t i = 0; i < data.size() / 4; ++i) PutWord(data, i, static_cast<uint32_t>(group_of(static_cast<int>(i))));
  });
}

// Every zero word of all modules.
Directory AllZeros(const GptqOptions& options, const std::vector<uint32_t>& words, const std::string& only = "") {
  ModelBuilder builder = GoodWith(options);
  const std::pair<const char*, std::pair<int, int>> parts[] = {
      {"self_attn.q_proj", {128, 128}}, {"self_attn.k_proj", {128, 128}}, {"self_attn.v_proj", {128, 128}},
      {"self_attn.o_proj", {128, 128}}, {"mlp.gate_proj", {128, 256}},    {"mlp.up_proj", {128, 256}},
      {"mlp.down_proj", {256, 128}}};
  for (int layer = 0; layer < 2; ++layer) {
    for (const auto& [part, shape] : parts) {
      if (!only.empty() && only != part) continue;
      const std::string stem = "model.layers." + std::to_string(layer) + "." + part;
      for (TestTensor tensor : GptqModule(stem, shape.first, shape.second, options)) {
        if (!tensor.name.ends_with(".qzeros")) continue;
        Fill(tensor.data, words);
        builder.Tensor(tensor);
      }
    }
  }
  return builder;
}

Directory Shifted(bool shifted) {
  const GptqOptions eight = {.bits = 8, .group_size = 32};
  ModelBuilder builder = Good().Override("down_proj", eight);
  for (int layer = 0; layer < 2; ++layer) {
    for (TestTensor tensor : GptqModule("model.layers." + std::to_string(layer) + ".mlp.down_proj", 256, 128, eight)) {
      if (!tensor.name.ends_with(".qzeros") || !shifted) continue;
      Fill(tensor.data, {0x6F6F6F6Fu});
      builder.Tensor(tensor);
    }
  }
  return EditSettings(builder.Build(), [](Json& json) { json["dynamic"][".*down_proj"] = {{"bits", 8}}; });
}

Directory Biases(bool on_mlp) {
  ModelBuilder builder = Good();
  const std::string stem = on_mlp ? "model.layers.0.mlp.up_proj" : "model.layers.0.self_attn.q_proj";
  return builder.Tensor({stem + ".bias", "F16", {on_mlp ? 256u : 128u}, ""});
}

Directory ActOrder(bool with_g_idx) {
  GptqOptions options = {.group_size = 32, .desc_act = with_g_idx, .g_idx = with_g_idx};
  return EditSettings(GoodWith(options).Build(), [](Json& json) { json["desc_act"] = true; });
}

}  // namespace

std::vector<RuleCase> ValueCases() {
  const GptqOptions three = {.bits = 3, .group_size = 32};
  const GptqOptions asymmetric = {.group_size = 32, .sym = false};
  return {
      // v1 fields of 15 from some place to the top of the word, lower fields ordinary; then one with an ordinary field
      // above.
      {"GD401", "run to the top", kError,
       [=] {
         return AllZeros(asymmetric, {0xFFFFFF67u, 0x67856789u, 0x86789678u});
       },
       [=] { return Directory(GoodWith(asymmetric)); }},
      {"GD402", "lone field", kWarning,
       [=] {
         return AllZeros(asymmetric, {0x75777F67u, 0x67856789u, 0x86789678u});
       },
       [=] { return Directory(GoodWith(asymmetric)); }},
      {"GD403", "swapped constants", kError,
       [=] {
         return AllZeros(three, {0x00000000u, 0xB6DB6DB7u, 0x49249249u});
       },
       [=] { return Directory(GoodWith(three)); }},
      {"GD404", "8 bits under base 4", kError, [] { return Shifted(true); }, [] { return Shifted(false); }},
      {"GD405", "NaN", kError, With(".scales", [](std::string& data) { PutHalf(data, 7, 0x7E00); }),
       With(".scales", [](std::string& data) { PutHalf(data, 7, 0x2000); })},
      {"GD405", "infinity", kError, With(".scales", [](std::string& data) { PutHalf(data, 7, 0xFC00); }), Healthy},
      {"GD406", "one scale", kWarning, With(".scales", [](std::string& data) { PutHalf(data, 0, 0); }), Healthy},
      {"GD407", "scales", kError, With(".scales", [](std::string& data) { data.assign(data.size(), '\0'); }), Healthy},
      {"GD407", "qzeros", kError, With(".qzeros", [](std::string& data) { data.assign(data.size(), '\0'); }), Healthy},
      {"GD408", "60000", kError, With(".scales", [](std::string& data) { PutHalf(data, 3, 0x7B53); }), Healthy},
      {"GD410", "beyond", kError, Groups([](int k) { return k == 5 ? 4 : k / 32; }),
       Groups([](int k) { return k / 32; })},
      {"GD410", "negative", kError, Groups([](int k) { return k == 5 ? -1 : k / 32; }), Healthy},
      {"GD411", "group 2", kWarning, Groups([](int k) { return k / 32 == 2 ? 1 : k / 32; }), Healthy},
      {"GD412", "33 and 31", kWarning, Groups([](int k) { return k == 32 ? 0 : k / 32; }), Healthy},
      {"GD413", "zeros", kError, Groups([](int) { return 0; }), [] { return Directory(GoodWith({.group_size = -1})); }},
      {"GD414", "zeros", kError, With(".qweight", [](std::string& data) { data.assign(data.size(), '\0'); }), Healthy},
      {"GD415", "random", kError,
       With(".qweight",
            [](std::string& data) {
              uint64_t state = 88172645463325252u;
              for (char& c : data) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                c = static_cast<char>(state >> 32);
              }
            }),
       Healthy},
      {"GD417", "MLP of a llama", kNote, [] { return Biases(true); }, [] { return Biases(false); }},
      {"GD419", "no g_idx", kError, [] { return ActOrder(false); }, [] { return ActOrder(true); }},
  };
}

std::vector<RuleCase> LoaderCases() {
  const auto section = [](const char* file) {
    return [file] {
      return Directory(EditJson(GoodFiles(), file, [](Json& json) { json.erase("quantization_config"); }));
    };
  };
  return {
      {"GD501", "config.json without the section", kError, section("config.json"), Healthy},
      {"GD502", "zeros of GPTQModel before 7", kError,
       [] {
         return AllZeros({.bits = 3, .group_size = 32}, {0x00000000u, 0xB6DB6DB7u, 0x49249249u});
       },
       Healthy},
      {"GD503", "3 bits", kNote, [] { return Directory(GoodWith({.bits = 3, .group_size = 32})); }, Healthy,
       "exllamav2 refuses"},
      {"GD504", "2 bits", kNote, [] { return Directory(GoodWith({.bits = 2, .group_size = 32, .desc_act = true})); },
       [] { return Directory(ModelBuilder().Dense()); }},
      // A float32 embedding costs what the packed matrices saved.
      {"GD601", "declared and dense", kWarning,
       [] {
         return Directory(ModelBuilder().Dense().File(
             "quantize_config.json",
             R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true, "quant_method": "gptq"})"));
       },
       Healthy, "compression is 1.0x"},
      {"GD601", "dense copies", kWarning,
       [] {
         ModelBuilder builder = Good();
         for (const char* layer : {"0", "1"})
           builder.Tensor(DenseTensor("model.layers." + std::string(layer) + ".mlp.down_proj.weight", {128, 256}));
         for (const char* layer : {"0", "1"})
           builder.Tensor(DenseTensor("model.layers." + std::string(layer) + ".mlp.up_proj.weight", {256, 128}));
         return Directory(builder);
       },
       [] { return Directory(Good().Sizes(128, 256, 0, 4096)); }},
  };
}

}  // namespace gptq_doctor::testing

#include "rules/rule_cases.h"

namespace gptq_doctor::testing {
namespace {

constexpr Severity kError = Severity::kError, kWarning = Severity::kWarning, kNote = Severity::kNote;
constexpr const char* kShard = "model.safetensors";

Directory Healthy() { return GoodFiles(); }

// The healthy directory with its weight file changed.
std::function<Directory()> Weights(std::function<void(std::string&)> edit) {
  return [edit] {
    Files files = GoodFiles();
    edit(files[kShard]);
    return Directory(files);
  };
}
std::function<Directory()> Content(const std::string& content) {
  return Weights([content](std::string& file) { file = content; });
}
// A weight file of this header alone.
std::function<Directory()> Header(const std::string& header, size_t data_bytes) {
  return Content(RawSafetensors(header, data_bytes));
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}
const std::string kOne = Entry("a", "F32", "[2]", "[0,8]");

std::string Length(uint64_t value) {
  std::string out(8, '\0');
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(value >> (8 * i));
  return out;
}

std::string Padded(std::string header) {
  while (header.size() % 8 != 0) header += ' ';
  return header;
}

Directory Special(FileKind kind) {
  Directory out = Good().Shards(2);
  out.files.erase("model-00002-of-00002.safetensors");
  out.specials["model-00002-of-00002.safetensors"] = kind;
  return out;
}

std::vector<RuleCase> WholeFile() {
  return {
      {"GD201", "three bytes", kError, Content("\1\2\3"), Content(Length(0))},
      {"GD202", "beyond the cap", kError, Content(Length(100'000'001) + "{}"), Content(Length(100'000'000) + "{}")},
      {"GD203", "cut in the header", kError, Weights([](std::string& file) { file.resize(40); }), Healthy},
      {"GD204", "preallocated", kError, Content(std::string(4096, '\0')), Header("{}      ", 0)},
      {"GD205", "HTML", kError, Content("<!DOCTYPE html><html><body>404</body></html>"), Healthy},
      {"GD205", "zip", kError, Content(std::string("PK\x03\x04", 4) + std::string(100, '\x20')), Healthy},
      {"GD206", "pointer", kError,
       Content("version https://git-lfs.github.com/spec/v1\noid "
               "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 7259435192\n"),
       Healthy},
      {"GD207", "cut in the data", kError, Weights([](std::string& file) { file.resize(file.size() - 4); }), Healthy},
      {"GD208", "four bytes more", kError, Weights([](std::string& file) { file += "more"; }), Healthy},
      {"GD209", "FIFO", kError, [] { return Special(FileKind::kSpecial); }, [] { return Directory(Good().Shards(2)); }},
      {"GD210", "link", kError, [] { return Special(FileKind::kDangling); },
       [] { return Directory(Good().Shards(2)); }},
  };
}

std::vector<RuleCase> HeaderText() {
  const auto good = Header("{" + kOne + "}", 8);
  return {
      {"GD211", "stray byte", kError, Header("{" + Entry("a\xff", "F32", "[2]", "[0,8]") + "}", 8), good},
      {"GD212", "lone brace", kError, Header("{", 0), good},
      {"GD212", "second document", kError, Header("{" + kOne + "}{}", 8), Header("{" + kOne + "} \t\r\n", 8)},
      {"GD213", "three NULs", kError, Header("{" + kOne + "}" + std::string(3, '\0'), 8),
       Header("{" + kOne + "}   ", 8)},
      {"GD214", "no dtype", kError, Header("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8), good},
      {"GD214", "fraction", kError, Header("{" + Entry("a", "F32", "[2.0]", "[0,8]") + "}", 8), good},
      {"GD214", "three offsets", kError, Header("{" + Entry("a", "F32", "[2]", "[0,8,9]") + "}", 8), good},
      {"GD214", "end before begin", kError, Header("{" + Entry("a", "F32", "[2]", "[8,0]") + "}", 8), good},
      {"GD215", "number", kError, Header("{\"__metadata__\":{\"format\":1}," + kOne + "}", 8),
       Header("{\"__metadata__\":{\"format\":\"pt\"}," + kOne + "}", 8)},
      {"GD215", "key twice", kWarning, Header("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}," + kOne + "}", 8), good},
      {"GD216", "lower case", kError, Header("{" + Entry("a", "f32", "[2]", "[0,8]") + "}", 8), good},
      {"GD217", "escaped", kError, Header("{" + kOne + "," + Entry("\\u0061", "F32", "[2]", "[0,8]") + "}", 8), good},
      {"GD222", "space before", kNote, Header(" {" + kOne + "}", 8), good},
      {"GD223", "length", kNote, Header("{" + kOne + "}", 8), Header(Padded("{" + kOne + "}"), 8)},
      {"GD225", "25 MB", kNote,
       [] {
         return Directory(Files{{kShard, RawSafetensors("{" + kOne + "}" + std::string(25'000'000, ' '), 8)},
                                {"config.json", "{}"}});
       },
       good},
      {"GD226", "no format", kNote, [] { return Directory(Good().Metadata({})); }, Healthy},
  };
}

std::vector<RuleCase> Layout() {
  const std::string b8 = Entry("b", "F32", "[2]", "[8,16]");
  const auto good = Header("{" + kOne + "," + b8 + "}", 16);
  return {
      {"GD218", "partial", kError, Header("{" + kOne + "," + Entry("b", "F32", "[2]", "[4,12]") + "}", 12), good},
      {"GD219", "in the middle", kError, Header("{" + kOne + "," + Entry("b", "F32", "[2]", "[12,20]") + "}", 20),
       good},
      {"GD220", "product", kError, Header("{" + Entry("a", "F32", "[4294967296,4294967296]", "[0,8]") + "}", 8),
       Header("{" + Entry("a", "F32", "[0,4294967296]", "[0,0]") + "}", 0)},
      {"GD221", "too few bytes", kError, Header("{" + Entry("a", "F32", "[3]", "[0,8]") + "}", 8), good},
      {"GD221", "half a byte", kError, Header("{" + Entry("a", "F4", "[3]", "[0,2]") + "}", 2),
       Header("{" + Entry("a", "F4", "[4]", "[0,2]") + "}", 2)},
      {"GD224", "odd offset", kNote,
       Header(Padded("{" + Entry("a", "U8", "[1]", "[0,1]") + "," + Entry("b", "F32", "[1]", "[1,5]") + "}"), 5),
       Header(Padded("{" + Entry("a", "U8", "[4]", "[0,4]") + "," + Entry("b", "F32", "[1]", "[4,8]") + "}"), 8)},
  };
}

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

std::function<Directory()> Sharded(std::function<void(Files&)> edit) {
  return [edit] {
    static const Files shards = Good().Shards(2).Build();
    Files files = shards;
    edit(files);
    return Directory(files);
  };
}
std::function<Directory()> Index(std::function<void(Json&)> edit) {
  return Sharded([edit](Files& files) { files = EditJson(files, kIndex, edit); });
}
std::function<Directory()> Announcing(const char* base_name) {
  return [base_name] {
    return Directory(EditSettings(GoodFiles(), [&](Json& json) { json["model_file_base_name"] = base_name; }));
  };
}
Directory GoodShards() {
  static const Files shards = Good().Shards(2).Build();
  return shards;
}

}  // namespace

std::vector<RuleCase> FileCases() {
  std::vector<RuleCase> out = WholeFile();
  for (const auto& cases : {HeaderText(), Layout()}) out.insert(out.end(), cases.begin(), cases.end());
  return out;
}

std::vector<RuleCase> IndexCases() {
  const std::string name = "model.layers.0.mlp.up_proj.scales", dense = "model.norm.weight";
  return {
      {"GD230", "no weight_map", kError, Index([](Json& json) { json.erase("weight_map"); }), GoodShards},
      {"GD230", "not JSON", kError, Sharded([](Files& files) { files[kIndex] = "{"; }), GoodShards},
      {"GD231", "parent", kError,
       Index([](Json& json) { json["weight_map"]["x.weight"] = "../other/model.safetensors"; }), GoodShards},
      {"GD232", "second shard", kError, Sharded([](Files& files) { files.erase(kSecond); }), GoodShards, kSecond},
      {"GD233", "promised", kError, Index([](Json& json) { json["weight_map"]["x.weight"] = kFirst; }), GoodShards,
       "x.weight"},
      {"GD234", "dense", kWarning, Index([dense](Json& json) { json["weight_map"].erase(dense); }), GoodShards},
      {"GD234", "quantized", kError, Index([name](Json& json) { json["weight_map"].erase(name); }),
       Index([dense](Json& json) { json["weight_map"].erase(dense); })},
      {"GD235", "both", kError, Sharded([](Files& files) {
         files[kFirst] = MakeSafetensors({DenseTensor("twice.weight", {4, 4})});
         files[kSecond] = MakeSafetensors({DenseTensor("twice.weight", {4, 4})});
         files.erase(kIndex);
       }),
       GoodShards},
      {"GD236", "another sum", kNote, Index([](Json& json) { json["metadata"]["total_size"] = 12345; }), GoodShards},
      {"GD237", "no index", kError, Sharded([](Files& files) {
         files.erase(kSecond);
         files.erase(kIndex);
       }),
       GoodShards},
      {"GD238", "another file", kNote, Sharded([](Files& files) {
         files["extra.safetensors"] = MakeSafetensors({DenseTensor("extra.weight", {4, 4})});
       }),
       GoodShards},
      {"GD239", "single file beside", kWarning, Sharded([](Files& files) {
         files[kShard] = GoodFiles().at(kShard);
         files.erase(kFirst);
         files.erase(kSecond);
       }),
       GoodShards},
      {"GD240", "two", kNote,
       Sharded([](Files& files) { files["consolidated.safetensors.index.json"] = files[kIndex]; }), GoodShards},
      {"GD241", "incomplete", kWarning,
       Sharded([](Files& files) { files["model-00003-of-00003.safetensors.incomplete"] = "x"; }), GoodShards},
      {"GD242", "custom", kNote, [] { return Directory(Good().WeightName("wizard-4bit.safetensors")); }, Healthy},
      {"GD242", "AutoGPTQ", kNote, [] { return Directory(Good().WeightName("gptq_model-4bit-32g.safetensors")); },
       Healthy},
      {"GD242", "announced", kNote, Announcing("Wizard-7B-4bit"), Announcing("model"), "announces Wizard-7B-4bit"},
      {"GD243", "none", kError, [] { return Directory(Good().Remove(kShard)); }, Healthy},
  };
}

}  // namespace gptq_doctor::testing

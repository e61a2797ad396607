// Mapping files as people write them, and as nobody should.

#include "dequant/mapping_file.h"

#include <gmock/gmock.h>

#include <chrono>

#include "support/packer.h"

namespace gptq_doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

MappingFile Parsed(const std::string& text) {
  Result<MappingFile> file = ParseMapping(text, "/models");
  EXPECT_TRUE(file.ok()) << file.error().message;
  return file ? *std::move(file) : MappingFile{};
}
std::string Refused(const std::string& text) {
  const Result<MappingFile> file = ParseMapping(text, "/models");
  if (file.ok()) return "";
  EXPECT_EQ(file.error().kind, ErrorKind::kUsage);
  return file.error().message;
}
// `body` inside model: mixed_precision:, its lines indented by four; its first line is line 3.
std::string Section(const std::string& body) { return "model:\n  mixed_precision:\n" + body; }

TEST(MappingFile, SourcesRulesAndDefault) {
  const MappingFile file =
      Parsed(Section("    int4_path: \"/data/gptq\"\n"
                     "    fp16_path: ../dense # relative to the file\n"
                     "    default: fp16\n"
                     "    weight_mapping:\n"
                     "      \"model.layers.0.mlp.down_proj.weight\": \"int4\"\n"
                     "      'model.layers.*.self_attn.*': int4\n"));
  ASSERT_EQ(file.sources.size(), 2u);
  EXPECT_EQ(file.sources[0].name, "int4");
  EXPECT_EQ(file.sources[0].path, "/data/gptq");
  EXPECT_EQ(file.sources[1].path, "/models/../dense");
  EXPECT_EQ(file.default_source, "fp16");
  ASSERT_EQ(file.rules.size(), 2u);
  EXPECT_EQ(file.rules[0].pattern, "model.layers.0.mlp.down_proj.weight");
  EXPECT_EQ(file.rules[1].pattern, "model.layers.*.self_attn.*");
  EXPECT_EQ(ToString(file.rules[1].place), "line 8, column 7");
  EXPECT_FALSE(IsGlob(file.rules[0].pattern));
  EXPECT_TRUE(IsGlob(file.rules[1].pattern));
  EXPECT_THAT(file.warnings, IsEmpty());
}

TEST(MappingFile, TheDefaultMayBeASourceOrStandAmongTheRules) {
  EXPECT_EQ(Parsed(Section("    default_path: /dense\n")).default_source, "default");
  EXPECT_EQ(Parsed(Section("    a_path: /dense\n    weight_mapping: {default: a}\n")).default_source, "a");
  EXPECT_THAT(Refused(Section("    a_path: /x\n    default: a\n    weight_mapping: {default: a}\n")),
              HasSubstr("default stands twice"));
}

TEST(MappingFile, JsonIsYamlToo) {
  const MappingFile file =
      Parsed(R"({"model": {"mixed_precision": {"x_path": "/x", "weight_mapping": {"a.weight": "x"}}}})");
  EXPECT_EQ(file.rules.size(), 1u);
}

TEST(MappingFile, OtherProgramsKeysArePassedOver) {
  const MappingFile file = Parsed(
      "version: 2\nserver: &s {port: 80, hosts: [a, b]}\nagain: *s\n? [a, b]\n: c\n"
      "model:\n  name: x\n  layers: [1, 2]\n  mixed_precision:\n"
      "    a_path: /x\n    wieght_mapping: {b: c}\n    default: a\n");
  EXPECT_EQ(file.sources.size(), 1u);
  EXPECT_THAT(file.warnings,
              ElementsAre("line 11, column 5: 'wieght_mapping' is not used, did you mean 'weight_mapping'?"));
}

TEST(MappingFile, UnusedSourcesAreTold) {
  const MappingFile file = Parsed(Section("    a_path: /x\n    b_path: /y\n    default: a\n"));
  EXPECT_TRUE(file.sources[0].used);
  EXPECT_FALSE(file.sources[1].used);
  EXPECT_THAT(file.warnings, ElementsAre("line 4, column 5: the source 'b' is not used"));
}

TEST(MappingFile, ErrorsNameLineAndColumn) {
  struct Case {
    std::string text, message;
  };
  const Case cases[] = {
      {"model:\n  mixed_precision:\n    a_path: \"/x\n", "line 3, column 13: the quoted text"},
      {"model: [", "line 1, column 8: 'model' must be a mapping, not a list"},
      {"model: {a", "line 1, column 1: end of map flow not found"},
      {Section("    a_path: /x\n   default: a\n"), "line 4, column 4: "},
      {Section("    a_path: \"/x\n    default: \"a\"\n"), "line 4, column "},
      {Section("    a_path: @x\n"), "line 3, column 13: "},
      {Section("    \"\xff_path\": x\n"), "line 1, column 1: the file is not UTF-8"},
      {"model:\n\tmixed_precision: 1\n", "line 2, column 2: "},
      {Section("    a_path: /x\n    weight_mapping:\n      \"w\": \"b\"\n"),
       "line 5, column 7: there is no source 'b' (b_path)"},
      {Section("    int4_path: /x\n    default: int_4\n"),
       "line 4, column 5: there is no source 'int_4' (int_4_path), did you mean 'int4'?"},
      {Section("    a_path: /x\n    weight_mapping:\n      \"w\": a\n      \"w\": a\n"),
       "line 6, column 7: 'w' stands twice"},
      {Section("    a_path: /x\n    a_path: /y\n"), "line 4, column 5: 'a_path' stands twice"},
      {Section("    a_path: \"/x\\0/y\"\n"), "line 3, column 13: 'a_path' holds a NUL byte"},
      {Section("    a_path: [/x]\n"), "line 3, column 13: 'a_path' must be a string"},
      {Section("    a_path:\n"), "line 3, column 5: 'a_path' needs a path"},
      {Section("    a_path: /x\n    weight_mapping: [w]\n"),
       "line 4, column 21: 'weight_mapping' must be a mapping, not a list"},
      {Section("    a_path: /x\n    weight_mapping: a\n"), "line 4, column 21: 'weight_mapping' must be a mapping"},
      {Section("    a_path: /x\n    weight_mapping:\n      w: [a]\n"),
       "line 5, column 10: 'w' needs the name of a source"},
      {Section("    a_path: &p /x\n    b_path: *p\n"), "line 4, column 13: an alias"},
      {Section("    a_path: /x\n    weight_mapping:\n      <<: *none\n"), "line 5, column 11: "},
      {"- a\n- b\n", "line 1, column 1: the file must be a mapping"},
      {"model: 3\n", "line 1, column 8: 'model' must be a mapping"},
      {"other: 3\n", "line 1, column 1: the file has no model: mixed_precision:"},
      {"", "line 1, column 1: the file has no model: mixed_precision:"},
      {Section("    a_path: /x\n"), "line 1, column 1: model: mixed_precision: maps nothing"},
      {Section("    a_path: /x\n    default: a\n---\nmodel: {}\n"), "line 5, column 1: a second document"},
  };
  for (const Case& c : cases) EXPECT_THAT(Refused(c.text), StartsWith(c.message)) << c.text;
}

std::string Repeated(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// Survived: an answer of either kind, soon.
TEST(MappingFile, HostileFilesAreAnswered) {
  std::string laughs = "a0: &a0 [lol, lol, lol]\n";
  for (int i = 1; i < 60; ++i) {
    const std::string back = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + back + ", " + back + ", " + back + "]\n";
  }
  const std::string inside = Section("    a_path: /x\n    default: a\n");
  std::string many = inside + "    weight_mapping:\n";
  for (int i = 0; i < 100'000; ++i)
    many += "      \"model.layers.0.mlp.experts." + std::to_string(i) + ".weight\": a\n";
  EXPECT_EQ(Parsed(many).rules.size(), 100'000u);
  EXPECT_EQ(Parsed(laughs + inside).sources.size(), 1u);
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& text :
       {Repeated("[", 500'000), Repeated("{", 500'000), Repeated("- ", 500'000), Repeated("? ", 500'000),
        Repeated("a: {", 100'000), Repeated("&a ", 100'000), Repeated("!t ", 100'000), Repeated("*a ", 100'000),
        "a: \"" + std::string(1'000'000, 'x'), std::string(1'000'000, '\0'), "\xff\xfe" + Repeated("[\0", 100'000),
        "a: |\n" + Repeated(" \n", 300'000), Repeated("--- ", 100'000), "model: " + Repeated("[[a], ", 100'000),
        inside + "    &x b_path: {? [*x, *x] : *x}\n", Section("    ? {a: b}\n    : c\n")}) {
    EXPECT_NE(Refused(text), "") << text.substr(0, 20);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

// A sound file with bytes changed, cut and doubled: always an answer, never a crash.
TEST(MappingFile, DamagedFilesAreAnswered) {
  const std::string sound = "top: &a {x: [1, 2], y: \"z\\u0041\"}\nlist:\n- a\n- ? b\n  : c\n" +
                            Section(
                                "    int4_path: \"/x\"\n    default: int4\n    weight_mapping:\n"
                                "      \"model.*\": int4\n      ? lm_head.weight\n      : int4\n");
  testing::TestRandom random(7);
  int parsed = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = sound;
    for (uint64_t edits = random.Next() % 4 + 1; edits > 0; --edits) {
      const size_t at = random.Next() % text.size();
      constexpr std::string_view kBytes =
          "[]{}:,-?&*!|>'\"%@`# \n\t\\\x00\xff"
          "a";
      switch (random.Next() % 4) {
        case 0:
          text[at] = kBytes[random.Next() % kBytes.size()];
          break;
        case 1:
          text.insert(at, 1, kBytes[random.Next() % kBytes.size()]);
          break;
        case 2:
          text.erase(at, random.Next() % 8 + 1);
          break;
        default:
          text.insert(at, text.substr(random.Next() % text.size(), 20));
      }
      if (text.empty()) text = " ";
    }
    parsed += ParseMapping(text, ".").ok() ? 1 : 0;
  }
  EXPECT_GT(parsed, 50);
}

}  // namespace
}  // namespace gptq_doctor

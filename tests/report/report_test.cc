// Renderings of a Diagnosis made by hand: what a hostile or extreme model must not do to a terminal, a page or a
// parser.

#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/style.h"
#include "report/text_sections.h"

namespace gptq_doctor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Finding MakeFinding(Severity severity = Severity::kError) {
  Finding finding{
      .code = "GD101", .name = "config-missing", .severity = severity, .message = "nothing names the format"};
  finding.file = "config.json";
  finding.pointer = "/quantization_config";
  finding.evidence = {"252 modules have qweight"};
  finding.fingerprint = std::string(32, 'a');
  finding.fix = FixHint{"certain", "gptq-doctor fix 'a b' --write", "writes both files"};
  return finding;
}

Diagnosis Sick() {
  Diagnosis d;
  d.path = "a b";
  d.kind = "gptq";
  d.verdict = "GPTQ, 4-bit, group size 128";
  d.missing = {"no file tells a loader that this is GPTQ"};
  d.repair_command = "gptq-doctor fix 'a b' --write";
  d.quantization = Quantization{.bits = 4, .group_size = 128, .sym = true};
  d.evidence = {{.key = "bits",
                 .value = int64_t{4},
                 .confidence = Confidence::kCertain,
                 .facts = {{"tensor shapes", "448 x 8 = 3584", 252}}}};
  d.modules_quantized = 252;
  d.quantized_tensors = 1008;
  d.modules_dense = 83;
  d.settings = {{*d.quantization, 252, {"model.layers.*.mlp.up_proj", "model.layers.*.self_attn.q_proj"}}};
  d.files = {{.name = "model.safetensors", .role = "weights", .state = "present", .note = "weights", .size = 2048},
             {.name = "quantize_config.json", .role = "quantize-config", .state = "needed", .note = "settings"}};
  d.configs = {{.file = "quantize_config.json", .detail = "no such file"},
               {.file = "config.json", .detail = "has no quantization_config"}};
  d.bytes = {.files = 2048,
             .headers = 48,
             .tensors = 2000,
             .quantized = 1500,
             .dense = 500,
             .dense_equivalent = 6000,
             .promised = 1600,
             .ratio = 3,
             .ratio_promised = 3.75};
  d.findings = {MakeFinding()};
  return d;
}

TEST(TextReport, SaysTheVerdictTheGapAndTheCureFirst) {
  const std::string text = RenderText({.models = {Sick()}}, {});
  const size_t verdict = text.find("GPTQ, 4-bit, group size 128"), gap = text.find("no file tells a loader");
  const size_t cure = text.find("gptq-doctor fix 'a b' --write"), files = text.find("Files");
  EXPECT_LT(verdict, gap);
  EXPECT_LT(gap, cure);
  EXPECT_LT(cure, files);
  EXPECT_NE(files, std::string::npos);
  EXPECT_THAT(text, HasSubstr("1,008 tensors in 252 quantized modules"));
  EXPECT_THAT(text, HasSubstr("error[GD101]: nothing names the format"));
  EXPECT_THAT(text, HasSubstr("--> config.json /quantization_config"));
  EXPECT_THAT(text, HasSubstr("1 model: 1 error, 0 warnings, 0 notes"));
}

TEST(TextReport, PlainWithoutColorAsciiWithoutUnicode) {
  const std::string ascii = RenderText({.models = {Sick()}}, {.color = false, .unicode = false});
  for (const char c : ascii) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << static_cast<int>(c);
  const std::string colored = RenderText({.models = {Sick()}}, {.color = true, .unicode = false});
  EXPECT_THAT(colored, HasSubstr("\x1b["));
  std::string stripped;
  for (size_t i = 0; i < colored.size(); ++i) {
    if (colored[i] == '\x1b') {
      i = colored.find('m', i);
    } else {
      stripped += colored[i];
    }
  }
  EXPECT_EQ(stripped, ascii) << "colour must not carry anything that the text does not";
}

TEST(TextReport, FitsTheTerminal) {
  Diagnosis d = Sick();
  d.findings.front().message =
      "a long message of many words, all of which must be read, none of which may be cut off at the edge";
  d.evidence.front().facts.front().detail = d.findings.front().message;
  d.repair_command.clear();  // never broken: it is there to be copied
  d.findings.front().fix.reset();
  for (const int width : {60, 80, 100}) {
    const std::string text = RenderText({.models = {d}}, {.width = width});
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = text.find('\n', begin);
      EXPECT_LE(DisplayWidth(text.substr(begin, end - begin)), width) << text.substr(begin, end - begin);
      begin = end + 1;
    }
    EXPECT_THAT(text, HasSubstr("edge"));
  }
}

TEST(TextReport, EscapesWhatComesFromFiles) {
  Diagnosis d = Sick();
  const std::string evil = "x\x1b[2J\x07\xe2\x80\xae y\xff";
  d.path = evil;
  d.files[0].name = evil;
  d.settings[0].patterns = {evil, evil + "2"};
  d.findings[0].tensors = {evil};
  d.findings[0].pattern = evil;
  d.findings[0].message = evil;
  d.findings[0].evidence = {evil};
  d.configs[0].detail = evil;
  d.evidence[0].value = evil;
  d.evidence[0].facts[0].detail = evil;
  d.kind = d.verdict = d.repair_command = evil;
  d.missing = {evil};
  d.architecture.model_type = d.architecture.torch_dtype = evil;
  d.architecture.architectures = {evil};
  d.formats.push_back({.name = evil, .variant = evil, .why = evil, .modules = 1});
  d.files[0].role = d.files[0].state = d.files[0].note = evil;
  d.configs[0].problems = {evil};
  d.loaders.push_back({.loader = evil, .version = evil, .backend = evil, .summary = evil, .remedy = evil});
  d.memory.assumptions = {evil};
  for (const int verbosity : {0, 1}) {
    const std::string text = RenderText({.models = {d, d}}, {.verbosity = verbosity});
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae")));
    EXPECT_THAT(text, Not(HasSubstr("\xff")));
    EXPECT_THAT(text, Not(HasSubstr("\x07")));
  }
  const std::string json = RenderJson({.models = {d, d}}, {});
  EXPECT_TRUE(nlohmann::json::accept(json));
}

TEST(TextReport, FoldsManyShardsIntoOneLine) {
  Diagnosis d = Sick();
  d.files.clear();
  for (int i = 1; i <= 80; ++i)
    d.files.push_back(
        {.name = "model-" + std::to_string(i) + ".safetensors", .role = "weights", .state = "present", .size = 1024});
  d.files.push_back({.name = "model-81.safetensors", .role = "weights", .state = "missing"});
  const std::vector<FileGroup> groups = GroupFiles(d.files);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].count, 80);
  EXPECT_EQ(groups[0].size, 80 * 1024);
  EXPECT_EQ(MarkOf(groups[1]), Mark::kBad);
}

TEST(TextReport, QuietLeavesVerdictAndFindings) {
  const std::string quiet = RenderText({.models = {Sick()}}, {.verbosity = -1});
  EXPECT_THAT(quiet, HasSubstr("error[GD101]"));
  EXPECT_THAT(quiet, Not(HasSubstr("Settings")));
  EXPECT_THAT(quiet, Not(HasSubstr("1 error")));
  EXPECT_EQ(RenderText({.models = {Sick()}}, {.verbosity = -2}), "");
}

TEST(TextReport, ShowsDissentAndSilentFailuresFirst) {
  Diagnosis d = Sick();
  d.evidence[0].dissent = {{"config.json", "says 8", 0}};
  d.loaders = {{.loader = "vllm", .version = "0.6", .outcome = Outcome::kLoads},
               {.loader = "tgi", .version = "2", .outcome = Outcome::kRejects, .summary = "stops"},
               {.loader = "optimum", .version = "1", .outcome = Outcome::kGarbage, .summary = "noise"}};
  const std::string text = RenderText({.models = {d}}, {});
  EXPECT_THAT(text, HasSubstr("config.json: says 8"));
  EXPECT_LT(text.find("garbage"), text.find("rejects"));
  EXPECT_LT(text.find("rejects"), text.find("loads  "));
}

TEST(JsonReport, HoldsTheContract) {
  Diagnosis d = Sick();
  d.errors = {{ErrorKind::kPermission, "a b/x", "may not be read"}};
  const auto json =
      nlohmann::json::parse(RenderJson({.models = {d}, .errors = {{ErrorKind::kIo, "c", "EIO"}}, .exit_code = 3}, {}));
  EXPECT_EQ(json["schema_version"], "1.0");
  EXPECT_EQ(json["exit_code"], 3);
  EXPECT_EQ(json["models"][0]["quantization"]["bits"], 4);
  EXPECT_TRUE(json["models"][0]["quantization"]["desc_act"].is_null());
  EXPECT_EQ(json["models"][0]["evidence"]["bits"]["facts"][0]["modules"], 252);
  EXPECT_EQ(json["models"][0]["modules"]["settings"][0]["count"], 252);
  EXPECT_EQ(json["models"][0]["config"]["quantize_config.json"]["state"], "absent");
  EXPECT_EQ(json["models"][0]["findings"][0]["fix"]["applicability"], "certain");
  EXPECT_EQ(json["errors"].size(), 2u);
  EXPECT_EQ(json["errors"][0]["kind"], "io");
  EXPECT_EQ(json["errors"][0]["retryable"], true);
  EXPECT_EQ(json["errors"][1]["retryable"], false);
  EXPECT_EQ(json["summary"]["errors"], 1);
  EXPECT_FALSE(json.contains("comparison"));
}

TEST(JsonReport, ForeignModelsHaveNoQuantization) {
  Diagnosis d = Sick();
  d.kind = "awq";
  d.quantization.reset();
  const auto json = nlohmann::json::parse(RenderJson({.models = {d, Sick()}}, {}));
  EXPECT_TRUE(json["models"][0]["quantization"].is_null());
  ASSERT_EQ(json["comparison"].size(), 2u);
  EXPECT_EQ(json["comparison"][0]["format"], "awq");
  EXPECT_EQ(json["comparison"][1]["ratio_to_largest"], 1.0);
}

TEST(MarkdownReport, CannotBeBrokenByNames) {
  Diagnosis d = Sick();
  const std::string evil = "`a|b`\n<script>[x](y) ![z](w)";
  d.path = evil;
  d.files[0].name = evil;
  d.findings[0].message = evil;
  d.findings[0].pattern = evil;
  d.findings[0].tensors = {evil};
  d.configs[0].detail = evil;
  d.evidence[0].facts[0].detail = evil;
  const std::string text = RenderMarkdown({.models = {d, d}}, {});
  for (const char* raw : {"\n<script>", " <script>", "[x](y)", "![z]"}) {
    size_t at = text.find(raw);
    while (at != std::string::npos) {
      // Inside a code span nothing is interpreted.
      const size_t line = text.rfind('\n', at) + 1;
      EXPECT_NE(text.substr(line, at - line).find('`'), std::string::npos) << text.substr(line, 120);
      at = text.find(raw, at + 1);
    }
  }
}

TEST(Report, ToldApartByName) {
  for (const Reporter& reporter : Reporters()) {
    EXPECT_EQ(FindReporter(reporter.name), &reporter);
    EXPECT_FALSE(reporter.render({.models = {Sick()}}, {}).empty());
    EXPECT_FALSE(reporter.render({}, {.verbosity = 1}).empty() && reporter.name != "text");
  }
  EXPECT_EQ(FindReporter("xml"), nullptr);
}

TEST(Style, FoldsNamesByTheirCommonBeginning) {
  EXPECT_EQ(FoldNames({"model.layers.*.mlp.up_proj", "model.layers.*.mlp.gate_proj"}),
            "model.layers.*.mlp.{up_proj, gate_proj}");
  EXPECT_EQ(FoldNames({"a.b"}), "a.b");
  EXPECT_EQ(FoldNames({"ab", "ac"}), "ab, ac");
  EXPECT_EQ(FoldNames({}), "");
}

}  // namespace
}  // namespace gptq_doctor

// Problems that people brought to public threads (C001 to C068 of the collection that docs/rules is written from), run
// as whole directories: what could be told from the files must be named by a finding of the right weight, and a
// directory with nothing wrong in it must not get an error.

#include <gtest/gtest.h>

#include <cstdio>

#include "loaders/models.h"
#include "rules/rule_cases.h"
#include "support/problem_models.h"

namespace gptq_doctor::testing {
namespace {

constexpr Severity kError = Severity::kError, kWarning = Severity::kWarning, kNote = Severity::kNote;

struct KnownCase {
  const char* id;
  const char* thread;
  Directory (*build)();
  const char* code;
  Severity severity;
  const char* message = "";  // a part of it
  const char* loader = "";   // --loader: the thread is about that version alone
};

template <typename Edit>
Directory With(Edit edit, const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  edit(builder);
  return builder;
}
Directory BareOf(const GptqOptions& quant) {
  ModelBuilder builder = Healthy(quant);
  NoSection(builder);
  return NoSideFile(builder);
}
Directory Json2(const char* name, const char* text) {
  return With([&](ModelBuilder& b) { b.File(name, text); });
}

std::vector<KnownCase> Configuration() {
  return {
      {"C001", "vllm#13612", [] { return Directory(ModelBuilder().Layers(2).Sizes(128, 256).Dense()); }, "GD120",
       kNote},
      {"C002", "text-generation-inference#962", [] { return Directory(SectionOnly()); }, "GD102", kNote},
      {"C003", "GPTQModel#1080", [] { return Directory(SectionOnly()); }, "GD102", kNote},
      {"C004", "llm-compressor#959", [] { return Directory(OtherToolUndeclared()); }, "GD101", kError},
      {"C006", "text-generation-webui#761", [] { return Directory(Bare()); }, "GD101", kError},
      {"C007", "optimum#1360", [] { return Directory(SectionOnly()); }, "GD102", kNote},
      {"C008", "Qwen#601, first fault", [] { return Directory(PastedWithoutMethod()); }, "GD104", kError,
       "quant_method"},
      {"C008", "Qwen#601, second fault", [] { return Directory(PastedWithoutMethod()); }, "GD242", kNote},
      {"C009", "Qwen2.5-32B copy with another config", [] { return Directory(WrongArchitecture()); }, "GD143", kError},
      {"C010", "vllm PR 40294", [] { return Directory(Without("desc_act")); }, "GD104", kWarning, "desc_act"},
      {"C011", "AutoGPTQ#22", [] { return Directory(WrongGroup()); }, "GD107", kError, "1024"},
      {"C012", "GPTQModel PR 535", [] { return Directory(Bare()); }, "GD101", kError},
      {"C017", "GPTQModel#1354",
       [] { return With([](ModelBuilder& b) {
              Section(b, {{"use_exllama", true}, {"disable_exllama", true}});
            }); },
       "GD112", kWarning},
      {"C018", "vllm#28843", [] { return Directory(Dtype("float32")); }, "GD148", kWarning, "float32"},
  };
}

std::vector<KnownCase> Kernels() {
  return {
      {"C014", "AutoGPTQ#323", [] { return Directory(Healthy({.desc_act = true})); }, "GD149", kNote},
      {"C015", "LlamaFactory#4677", [] { return Directory(Dtype("bfloat16")); }, "GD148", kNote, "bfloat16"},
      {"C019", "GPTQModel#2824", [] { return Directory(Healthy({.bits = 8, .v2 = true})); }, "GD502", kNote, "gptq_v2"},
      {"C020", "text-generation-webui#3255", [] { return Directory(Healthy({.bits = 3, .group_size = -1})); }, "GD503",
       kNote},
      {"C059", "llm-compressor#57", [] { return Directory(Width(384)); }, "GD313", kNote},
      {"C060", "vllm#5675", [] { return Directory(Width(192)); }, "GD313", kNote},
      {"C061", "lmdeploy#2379", [] { return Directory(Healthy({.group_size = 32})); }, "GD503", kError, "lmdeploy",
       "lmdeploy"},
      {"C062", "vllm#26182", [] { return Directory(Vision("ovis2_5")); }, "GD123", kNote},
  };
}

std::vector<KnownCase> FilesAndHeaders() {
  return {
      {"C021", "vllm#34859", [] { return Directory(ShardMissing()); }, "GD232", kError},
      {"C022", "AutoGPTQ#526", [] { return Directory(Sharded()); }, "GD503", kError, "autogptq", "autogptq@0.6"},
      {"C023", "localGPT#510",
       [] {
         return With([](ModelBuilder& b) { SideFile(b, {{"model_file_base_name", "Wizard-7B-GPTQ-4bit-128g"}}); });
       },
       "GD242", kNote},
      {"C024", "Qwen3-VL#492", [] { return Directory(AutoGptqOutput()); }, "GD103", kWarning},
      {"C024", "Qwen3-VL#492, the name", [] { return Directory(AutoGptqOutput()); }, "GD242", kNote},
      {"C025", "CoSER#3", [] { return Directory(StaleIndex()); }, "GD232", kError},
      {"C026", "club-3090#1036", [] { return Directory(ShardMissing()); }, "GD232", kError},
      {"C027", "GPTQModel PR 3077", [] { return Directory(NoQweight()); }, "GD301", kError, "qweight is missing"},
      {"C028", "Qwen3#170", [] { return Directory(NoWeights()); }, "GD243", kError},
      {"C029", "exllama#242", [] { return Directory(LfsPointer()); }, "GD206", kError},
      {"C030", "Qwen#462", [] { return Directory(Truncated()); }, "GD207", kError},
      {"C031", "accelerate PR 1151", [] { return Directory(NoMetadata()); }, "GD226", kNote},
      {"C032", "BIGRec#8", [] { return Directory(PickleInside()); }, "GD205", kError},
  };
}

std::vector<KnownCase> Layouts() {
  return {
      {"C033", "GPTQ-for-LLaMa#62", [] { return Directory(FloatZerosOfMarch()); }, "GD315", kNote},
      {"C034", "text-generation-inference#601", [] { return Directory(NoGIdx()); }, "GD316", kNote},
      {"C035", "AutoGPTQ#521", [] { return Directory(MarlinTensors()); }, "GD118", kError},
      {"C035", "AutoGPTQ#581", [] { return With([](ModelBuilder& b) {
                                      SideFile(b, {{"is_marlin_format", true}});
                                    }); },
       "GD113", kError},
      {"C036", "text-generation-inference#1322", [] { return Directory(AwqTensors("gptq")); }, "GD118", kError},
      {"C037", "llama.cpp#5139", [] { return Directory(Healthy({.bits = 8})); }, "GD503", kError, "llama.cpp",
       "llama.cpp@2024"},
      {"C038", "text-generation-webui#541", [] { return BareOf({.group_size = -1}); }, "GD101", kError},
      {"C039", "pyllama#102", [] { return Directory(FewerLayersInConfig()); }, "GD143", kError, "num_hidden_layers"},
      {"C057", "pyllama#58", [] { return BareOf({.group_size = 128}); }, "GD101", kError},
  };
}

std::vector<KnownCase> Modules() {
  return {
      {"C040", "vllm#25029", [] { return Directory(Mixture(true)); }, "GD307", kWarning},
      {"C041", "AutoGPTQ#486", [] { return Directory(Mixtral()); }, "GD123", kNote},
      {"C042", "GPTQModel#2271", [] { return Directory(Mixture(false, false)); }, "GD311", kWarning},
      {"C043", "auto-round#2174", [] { return Directory(MixedInsideFused()); }, "GD306", kWarning},
      {"C044", "vllm PR 10169", [] { return Directory(Vision("qwen2_vl")); }, "GD123", kNote},
      {"C045", "vllm#11671", [] { return With([](ModelBuilder& b) { Quantized(b, "score", 256, 2); }); }, "GD312",
       kWarning},
      {"C046", "vllm PR 25455", [] { return Directory(WrongKeepList()); }, "GD122", kError},
      {"C063", "sglang PR 577", [] { return Directory(TiedHeadStored("gemma")); }, "GD309", kWarning},
      {"C064", "Qwen3#714", [] { return Directory(Biases("qwen2")); }, "GD417", kNote},
      {"C065", "vllm#1420", [] { return Directory(Biases("falcon")); }, "GD417", kNote},
  };
}

std::vector<KnownCase> Around() {
  return {
      {"C047", "Qwen#542",
       [] { return Json2("adapter_config.json", R"({"peft_type": "LORA", "base_model_name_or_path": "a/b"})"); },
       "GD147", kWarning},
      {"C048", "GPTQModel PR 302",
       [] {
         return With([](ModelBuilder& b) {
           Config(b, {{"auto_map", {{"AutoModelForCausalLM", "modeling_qwen.QWenLMHeadModel"}}}});
         });
       },
       "GD146", kWarning},
      {"C049", "GPTQ-for-LLaMa#65",
       [] { return With([](ModelBuilder& b) { b.Remove("tokenizer.json").Remove("tokenizer_config.json"); }); },
       "GD144", kWarning},
      {"C050", "LlamaFactory#4677",
       [] { return With([](ModelBuilder& b) {
              Section(b, {{"dataset", {"some text", "more text"}}});
            }); }, "GD114",
       kWarning},
      {"C052", "vllm#26343", [] { return Directory(Healthy({.bits = 2, .v2 = true})); }, "GD504", kNote},
      {"C055", "vllm PR 38966", [] { return Directory(LabelOnly("gptq", {.v2 = true})); }, "GD109", kError},
      {"C056", "GPTQModel#1294", [] { return Directory(ZeroWords()); }, "GD414", kError},
  };
}

bool Names(const Diagnosis& diagnosis, const KnownCase& known) {
  for (const Finding& finding : diagnosis.findings) {
    if (finding.code == known.code && finding.severity == known.severity &&
        finding.message.find(known.message) != std::string::npos)
      return true;
  }
  return false;
}

std::string Said(const Diagnosis& diagnosis) {
  std::string out;
  for (const Finding& finding : diagnosis.findings)
    out += "\n    " + finding.code + " " + ToString(finding.severity) + " " + finding.message;
  return out;
}

// Nothing in the files is wrong: other kernels, other cards, a poor calibration.
TEST(KnownCases, ThatFilesCannotTellGetNoError) {
  const std::pair<const char*, Directory> sound[] = {
      {"C013 AutoGPTQ#406", Healthy()},
      {"C016 vllm#8149", Healthy()},
      {"C051 ms-swift#994", Healthy({.bits = 8})},
      {"C053 AutoGPTQ PR 640, no zero on the wrap", Healthy({.sym = false})},
      {"C054 vllm#9618", Healthy()},
      {"C058 AutoGPTQ#198", Healthy({.desc_act = true})},
      {"C067 llmfit#1045", Healthy()},
      {"C068 huggingface.js PR 1770", Healthy({.bits = 3, .group_size = 32})},
  };
  for (const auto& [name, directory] : sound) {
    const Diagnosis diagnosis = DiagnoseFiles(directory);
    for (const Finding& finding : diagnosis.findings)
      EXPECT_NE(finding.severity, Severity::kError) << name << ": " << finding.code << " " << finding.message;
  }
}

// C067 and C068 are about counting packed words as parameters; `inspect` counts them right and nothing is wrong with
// the files.
TEST(KnownCases, ThatFilesTellAreNamed) {
  int named = 0, all = 0;
  for (const auto& cases : {Configuration(), Kernels(), FilesAndHeaders(), Layouts(), Modules(), Around()}) {
    for (const KnownCase& known : cases) {
      ExamineOptions options;
      if (*known.loader != '\0') options.judge_loaders = {known.loader};
      const Diagnosis diagnosis = DiagnoseFiles(known.build(), options);
      const bool ok = Names(diagnosis, known);
      named += ok ? 1 : 0;
      ++all;
      EXPECT_TRUE(ok) << known.id << " " << known.thread << ": " << known.code << " is not among" << Said(diagnosis);
    }
  }
  std::printf("named: %d of %d\n", named, all);
}

}  // namespace
}  // namespace gptq_doctor::testing

// Which files of a directory are read as configurations, and that un-pulled weights of the same models are recognised.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "gptq/quant_config_file.h"
#include "model/sniff.h"

namespace gptq_doctor {
namespace {

constexpr const char* kGood =
    R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true, "quant_method": "gptq"})";

struct Directory {
  MemorySource source;
  std::vector<Error> errors;
  Directory& Add(const std::string& name, const std::string& text) {
    source.Add(name, text);
    return *this;
  }
  ConfigSet Read() {
    source.Add("model.safetensors", "");
    Result<ModelDir> dir = ListModel(source, "");
    EXPECT_TRUE(dir.ok());
    return ReadConfigs(source, *dir, errors);
  }
};

std::string Section(const std::string& settings) {
  return R"({"model_type": "llama", "quantization_config": )" + settings + "}";
}

TEST(ReadConfigs, OrderIsThatOfLoaders) {
  const ConfigSet set = Directory()
                            .Add("quantization_config.json", kGood)
                            .Add("config.json", Section(kGood))
                            .Add("quantize_config.json", kGood)
                            .Add("deep/quantize_config.json", kGood)
                            .Read();
  ASSERT_EQ(set.files.size(), 3u);
  EXPECT_EQ(set.files[0].file, "quantize_config.json");
  EXPECT_EQ(set.files[1].file, "config.json");
  EXPECT_EQ(set.files[1].pointer, "/quantization_config");
  EXPECT_EQ(set.files[2].file, "quantization_config.json");
  for (const QuantConfigFile& file : set.files) EXPECT_EQ(file.reading, ConfigReading::kValid) << file.detail;
  EXPECT_TRUE(set.model.present);
  EXPECT_EQ(set.Get("config.json"), &set.files[1]);
  EXPECT_EQ(set.Get("quant_config.json"), nullptr);
}

TEST(ReadConfigs, NoSectionIsNoFile) {
  const ConfigSet set = Directory().Add("config.json", R"({"model_type": "llama"})").Read();
  EXPECT_TRUE(set.files.empty());
  EXPECT_TRUE(set.model.readable);
}

TEST(ReadConfigs, NestedSections) {
  const ConfigSet set =
      Directory().Add("config.json", R"({"text_config": {"quantization_config": )" + std::string(kGood) + "}}").Read();
  ASSERT_EQ(set.files.size(), 1u);
  EXPECT_EQ(set.files[0].pointer, "/text_config/quantization_config");
  EXPECT_EQ(set.files[0].settings.bits, 4);
  EXPECT_EQ(set.files[0].Find("group_size")->AsInt(), 128);
}

TEST(ReadConfigs, BrokenConfigJsonIsAFileOfItsOwn) {
  const ConfigSet set = Directory().Add("config.json", "{\"model_type\": \"llama\"").Read();
  ASSERT_EQ(set.files.size(), 1u);
  EXPECT_EQ(set.files[0].reading, ConfigReading::kMalformed);
}

TEST(ReadConfigs, MlxWritesItsSettingsTwice) {
  const std::string settings = R"({"group_size": 64, "bits": 4})";
  const ConfigSet set =
      Directory()
          .Add("config.json", R"({"quantization": )" + settings + R"(, "quantization_config": )" + settings + "}")
          .Read();
  ASSERT_EQ(set.files.size(), 1u);
  EXPECT_EQ(set.files[0].reading, ConfigReading::kForeign);
  EXPECT_EQ(set.files[0].method_family, "mlx");
}

TEST(ReadConfigs, UnreadableFilesAreErrors) {
  Directory directory;
  directory.source.AddSpecial("quantize_config.json", FileKind::kUnreadable);
  const ConfigSet set = directory.Add("config.json", Section(kGood)).Read();
  EXPECT_EQ(set.files.size(), 1u);
  EXPECT_EQ(directory.errors.size(), 1u);
}

TEST(ReadConfigs, ForeignSideFilesAreTold) {
  const ConfigSet set =
      Directory()
          .Add("config.json", Section(kGood))
          .Add("quant_config.json", R"({"zero_point": true, "q_group_size": 64, "w_bit": 8, "version": "GEMM"})")
          .Read();
  ASSERT_EQ(set.files.size(), 2u);
  EXPECT_EQ(set.files[1].reading, ConfigReading::kForeign);
}

TEST(LfsPointers, AreRecognisedWithTheSizeOfTheirModel) {
  const std::pair<const char*, uint64_t> pointers[] = {
      {"001_mythomax-l2-13b_4b128g__model.safetensors", 7259435192},
      {"002_mythomax-l2-13b_4b32g-act__model.safetensors", 8002859672},
      {"003_mythomax-l2-13b_8b-1g-act__model.safetensors", 13361903336},
      {"004_mythomax-l2-13b_8b128g-act__model.safetensors", 13652883824},
      {"005_genz-70b_3b-1g-act__model.safetensors", 26774982616},
      {"006_genz-70b_3b128g-act__model.safetensors", 28029117672},
      {"007_genz-70b_4b128g-act__model.safetensors", 36652345792},
      {"008_wizard-vicuna-30b_3b128g-noact__model.safetensors", 13509985048},
      {"009_wizard-vicuna-30b_4b-1g-act__model.safetensors", 16940128464},
      {"011_wizard-mega-13b_oldname__wizard-mega-13B-GPTQ-4bit-128g.no-act.order.safetensors", 0},
      {"012_wizard-vicuna-30b_fp32cfg__Wizard-Vicuna-30B-Uncensored-GPTQ-4bit.act.order.safetensors", 0},
      {"013_wizardcoder-15b_gptbigcode__gptq_model-4bit-128g.safetensors", 0},
  };
  for (const auto& [name, size] : pointers) {
    std::ifstream file(std::filesystem::path(GPTQ_DOCTOR_TEST_DATA) / "lfs_pointers" / name, std::ios::binary);
    ASSERT_TRUE(file) << name;
    std::stringstream text;
    text << file.rdbuf();
    const Sniffed sniffed = Sniff(text.str(), text.str().size());
    EXPECT_EQ(sniffed.kind, ContentKind::kLfsPointer) << name;
    EXPECT_THAT(text.str(), ::testing::HasSubstr("size " + std::to_string(sniffed.lfs_size) + "\n")) << name;
    if (size != 0) {
      EXPECT_EQ(sniffed.lfs_size, size) << name;
    }
    EXPECT_EQ(sniffed.lfs_sha256.size(), 64u) << name;
  }
}

}  // namespace
}  // namespace gptq_doctor

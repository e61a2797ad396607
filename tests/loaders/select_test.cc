// Selectors, and what every row of the tables must have.

#include <set>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "loaders/simulate.h"

namespace gptq_doctor {
namespace {

std::vector<std::string> Names(const std::vector<std::string>& selectors) {
  std::vector<std::string> names;
  const auto rows = SelectProfiles(selectors);
  EXPECT_TRUE(rows.ok());
  if (rows.ok()) {
    for (const Profile* row : *rows) names.push_back(std::string(row->loader) + "@" + std::string(row->version));
  }
  return names;
}

using Strings = std::vector<std::string>;

TEST(Selectors, NameVersionAndRange) {
  EXPECT_EQ(Names({"vllm@0.10"}), Strings{"vllm@0.10"});
  EXPECT_EQ(Names({"vllm@0.10.1.1"}), Strings{"vllm@0.10"});
  EXPECT_EQ(Names({"vllm@0.15"}), Strings{"vllm@0.15"});
  EXPECT_EQ(Names({"vllm@main"}), Strings{"vllm@main"});
  EXPECT_EQ(Names({"vllm>=0.9"}), (Strings{"vllm@0.9", "vllm@0.10", "vllm@0.15", "vllm@main"}));
  EXPECT_EQ(Names({"vllm>=0.9", "<0.15"}), (Strings{"vllm@0.9", "vllm@0.10", "vllm@0.15"}));  // 0.11 to 0.14 too
  EXPECT_EQ(Names({"vllm>=0.9", "<0.10", "exllamav2"}), (Strings{"vllm@0.9", "exllamav2@0.3"}));
  EXPECT_EQ(Names({"vllm<0.9"}), (Strings{"vllm@0.1", "vllm@0.2", "vllm@0.3", "vllm@0.6", "vllm@0.7"}));
  EXPECT_EQ(Names({"autogptq@0.7.1"}), Strings{"autogptq@0.7.1"});
  EXPECT_EQ(Names({"autogptq@0.4.2"}), Strings{"autogptq@0.4"});
  EXPECT_EQ(Names({"gptqmodel@1.6"}), Strings{"gptqmodel@1.6"});
  EXPECT_EQ(Names({"gptqmodel@5.x"}), (Strings{"gptqmodel@5.0", "gptqmodel@5.2", "gptqmodel@5.7"}));
  EXPECT_EQ(Names({"gptqmodel@7.3.4"}), Strings{"gptqmodel@7.3.4"});
  EXPECT_EQ(Names({"transformers@4.55"}).size(), 2u);
  EXPECT_EQ(Names({"transformers@4.44.2"}), Strings{"transformers@4.44"});
  EXPECT_EQ(Names({"transformers@5.7.0.dev0"}), Strings{"transformers@5.0"});
}

TEST(Selectors, UnknownOnesSayWhatIsNear) {
  const auto rows = SelectProfiles({"vlllm"});
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().kind, ErrorKind::kUsage);
  EXPECT_NE(rows.error().message.find("did you mean vllm?"), std::string::npos) << rows.error().message;
  EXPECT_FALSE(SelectProfiles({"vllm@"}).ok());
  EXPECT_FALSE(SelectProfiles({"<0.15"}).ok());
  EXPECT_FALSE(SelectProfiles({""}).ok());
  EXPECT_FALSE(SelectProfiles({"vllm>=0.9", "<x"}).ok());
  EXPECT_NE(SelectProfiles({"vllm>=0.15", "<0.9"}).error().message.find("nothing is known of vllm>=0.15,<0.9"),
            std::string::npos);
  EXPECT_FALSE(SelectProfiles({"vllm@abc"}).ok());
  EXPECT_FALSE(SelectProfiles({"autogptq@0.1"}).ok());
  EXPECT_FALSE(CheckSimulateOptions({.tp = 0}).ok());
  EXPECT_FALSE(CheckSimulateOptions({.gpu_arch = "fast"}).ok());
  EXPECT_FALSE(CheckSimulateOptions({.dtype = "int4"}).ok());
  EXPECT_TRUE(CheckSimulateOptions({.tp = 8, .gpu_arch = "sm_75", .dtype = "bfloat16"}).ok());
}

TEST(Profiles, EveryRowIsComplete) {
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> seen;
  std::set<std::string_view> loaders;
  for (const Profile* row : AllProfiles()) {
    SCOPED_TRACE(row->title);
    EXPECT_TRUE(seen.insert({row->loader, row->version, row->backend}).second);
    loaders.insert(row->loader);
    EXPECT_FALSE(row->title.empty());
    EXPECT_FALSE(row->versions.empty());
    EXPECT_FALSE(row->revision.empty());
    ASSERT_EQ(row->as_of.size(), 7u);
    EXPECT_EQ(row->as_of[4], '-');
    EXPECT_LT(row->since, row->until);
    EXPECT_FALSE(row->stages.empty());
    EXPECT_FALSE(row->tensors.source.empty());
    for (const KernelRow& kernel : row->kernels) {
      EXPECT_FALSE(kernel.name.empty());
      EXPECT_FALSE(kernel.source.empty()) << kernel.name;
      EXPECT_NE(kernel.bits, 0u) << kernel.name;
    }
  }
  for (const std::string_view loader :
       {"autogptq", "gptqmodel", "transformers", "optimum", "vllm", "sglang", "tgi", "exllamav2", "exllamav3",
        "llama.cpp", "lmdeploy", "mlx-lm", "ktransformers", "text-generation-webui", "tensorrt-llm"}) {
    EXPECT_TRUE(loaders.contains(loader)) << loader;
  }
}

}  // namespace
}  // namespace gptq_doctor

#include "faults/cases.h"

#include "base/sha256.h"

namespace gptq_doctor::testing {
namespace {

Files NoFiles() { return {}; }

// Two shards with an index.
ModelBuilder Model() { return ModelBuilder().Layers(1).Quant(GptqOptions{}).Shards(2); }

Files Sick() { return Below("model", Model().Build()); }
Files Healthy() { return Below("model", Model().WithConfigs().Build()); }

// A Python environment with one loader beside the model.
Files WithEnvironment() {
  Files files = Healthy();
  files["env/pyvenv.cfg"] = "home = /nowhere/bin\ninclude-system-site-packages = false\n";
  files["env/lib/python3.11/site-packages/vllm-0.10.0.dist-info/METADATA"] = "Name: vllm\nVersion: 0.10.0\n";
  return files;
}

Files WithSettings() {
  Files files = Sick();
  files["gptq-doctor.toml"] = "[check]\nfail-on = \"warning\"\n";
  return files;
}

Files WithBase() {
  Files files = Healthy();
  files.merge(Below("base", ModelBuilder().Layers(1).Dense().Build()));
  return files;
}

// What huggingface_hub notes beside a download: commit, etag, time.
Files WithHashes() {
  Files files = Healthy();
  const std::string shard = "model-00001-of-00002.safetensors";
  files["model/.cache/huggingface/download/" + shard + ".metadata"] =
      "0123456789abcdef0123456789abcdef01234567\n" + Sha256(files["model/" + shard]) + "\n1700000000.0\n";
  return files;
}

Files WithMapping() {
  Files files = WithBase();
  files["mix.yaml"] =
      "model:\n  mixed_precision:\n    int4_path: \"model\"\n    weight_mapping:\n"
      "      \"model.layers.0.mlp.*.weight\": \"int4\"\n";
  return files;
}

}  // namespace

const std::vector<FaultCase>& FaultCases() {
  static const std::vector<FaultCase> cases = {
      {"inspect", {"inspect", "{w}/model"}, Sick},
      {"inspect --deep", {"inspect", "--deep", "{w}/model"}, Healthy},
      {"config", {"config", "{w}/model"}, Sick},
      {"config --check", {"config", "{w}/model", "--check"}, Healthy},
      {"fix", {"fix", "{w}/model"}, Sick},
      {"fix --plan", {"fix", "{w}/model", "--plan", "{w}/plan.json"}, Sick},
      {"fix --write", {"fix", "{w}/model", "--write"}, Sick, {}, {}, true},
      {"fix --undo", {"fix", "{w}/model", "--undo"}, Sick, {{"fix", "{w}/model", "--write"}}},
      {"fix --out", {"fix", "{w}/model", "--out", "{w}/out"}, Sick},
      {"apply", {"apply", "{w}/plan.json"}, Sick, {{"fix", "{w}/model", "--plan", "{w}/plan.json"}}, {}, true},
      {"check", {"check", "{w}/model"}, WithSettings},
      {"check -o", {"check", "{w}/model", "--isolated", "-o", "{w}/report.json"}, Sick},
      {"check --write-baseline", {"check", "{w}/model", "--isolated", "--write-baseline", "{w}/known.json"}, Sick},
      {"check --baseline",
       {"check", "{w}/model", "--isolated", "--baseline", "{w}/known.json"},
       Sick,
       {{"check", "{w}/model", "--isolated", "--write-baseline", "{w}/known.json"}}},
      {"why", {"why", "{w}/model"}, Healthy},
      {"why --env", {"why", "{w}/model", "--env", "{w}/env"}, WithEnvironment},
      {"tensors", {"tensors", "{w}/model"}, Healthy},
      {"memory", {"memory", "{w}/model"}, Healthy},
      {"verify", {"verify", "{w}/model"}, Healthy},
      {"verify --hashes", {"verify", "{w}/model", "--hashes"}, WithHashes},
      {"verify --against", {"verify", "{w}/model", "--against", "{w}/base", "--fail-on", "never"}, WithBase},
      {"loaders", {"loaders"}, NoFiles},
      {"rules", {"rules"}, NoFiles},
      {"explain", {"explain", "GD101"}, NoFiles},
      {"completions", {"completions", "bash"}, NoFiles, {}, {}, false, false},
      {"dequantize",
       {"dequantize", "{w}/model", "-o", "{w}/dense", "--max-shard-size", "150KB"},
       Healthy,
       {},
       {"dequantize", "{w}/model", "-o", "{w}/dense", "--max-shard-size", "150KB", "--resume"},
       true},
      {"convert",
       {"convert", "{w}/model", "-o", "{w}/v2", "--checkpoint-format", "gptq_v2"},
       Healthy,
       {},
       {"convert", "{w}/model", "-o", "{w}/v2", "--checkpoint-format", "gptq_v2", "--resume"},
       true},
      {"dequantize --mapping",
       {"dequantize", "{w}/base", "--mapping", "{w}/mix.yaml", "-o", "{w}/mixed"},
       WithMapping,
       {},
       {"dequantize", "{w}/base", "--mapping", "{w}/mix.yaml", "-o", "{w}/mixed", "--resume"}},
  };
  return cases;
}

}  // namespace gptq_doctor::testing

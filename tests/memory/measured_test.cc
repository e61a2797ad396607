// The ledger against published measurements: the rows with a stated loader, context and unit, each with its profile.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "memory/arith.h"
#include "memory/described_model.h"

namespace gptq_doctor::testing {
namespace {

using Row = std::map<std::string, std::string>;

std::vector<std::string> Split(const std::string& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

std::vector<Row> ReadRows() {
  std::ifstream file(GPTQ_DOCTOR_TEST_DATA "/memory/memory_measured.csv");
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> header = Split(line);
  std::vector<Row> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = Split(line);
    Row row;
    for (size_t i = 0; i < header.size() && i < cells.size(); ++i) row[header[i]] = cells[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

int64_t Int(const Row& row, const std::string& key) {
  const std::string& text = row.at(key);
  return text.empty() ? 0 : std::stoll(text);
}

ModelSpec SpecOf(const Row& row) {
  return {.precision = row.at("precision"),
          .hidden = Int(row, "hidden_size"),
          .layers = Int(row, "num_hidden_layers"),
          .heads = Int(row, "num_attention_heads"),
          .kv_heads = Int(row, "num_key_value_heads"),
          .head_dim = Int(row, "head_dim"),
          .intermediate = Int(row, "intermediate_size"),
          .vocab = Int(row, "vocab_size"),
          .max_position = Int(row, "max_position_embeddings"),
          .tied = Int(row, "tie_word_embeddings") == 1,
          .qkv_bias = Int(row, "qkv_bias") == 1,
          .qk_norm = Int(row, "qk_norm") == 1,
          .stored_copy = Int(row, "lm_head_stored_although_tied") == 1,
          .mlp_matrices = Int(row, "mlp_matrices"),
          .group = row.at("group_size").empty() ? 128 : Int(row, "group_size"),
          .extra_params = Int(row, "unquantized_extra_params"),
          .experts = Int(row, "num_experts"),
          .expert_intermediate = Int(row, "moe_intermediate_size")};
}

int64_t Estimated(const Row& row) {
  const MemoryModel model = Describe(SpecOf(row));
  const std::string& profile = row.at("loader_profile");
  if (profile == "weights") return PriceWeights(model.weights, model.arch, Precision::kAsIs).total;
  MemoryQuery query;
  query.runtime = profile == "awq-fused" || profile == "exllama" ? "legacy" : profile;
  query.context = Int(row, "input_len");
  query.new_tokens = Int(row, "new_tokens");
  query.batch = Int(row, "batch");
  query.gpus = std::max<int64_t>(Int(row, "gpus"), 1);
  const std::string& kernel = row.at("kernel");
  if (!kernel.starts_with("awq")) query.kernel = kernel;
  query.attention = row.at("attention");
  // The rows that count the process come from A100 cards.
  query.gpu = {GpuSpec{.name = "A100", .total = 80 * kGiB, .visible = 79 * kGiB, .free = {}, .process = FromGiB(1.2)}};
  const Result<MemoryEstimate> estimate = EstimateMemory(model, query);
  if (!estimate) throw std::runtime_error(estimate.error().message);
  const bool process = row.at("metric") == "torch_peak+process";
  return process ? estimate->expected.device_peak : estimate->expected.torch_peak;
}

struct Errors {
  std::vector<double> percent;
  double MeanAbs() const {
    double sum = 0;
    for (const double e : percent) sum += std::abs(e);
    return sum / static_cast<double>(percent.size());
  }
  double Bias() const {
    double sum = 0;
    for (const double e : percent) sum += e;
    return sum / static_cast<double>(percent.size());
  }
  double Quantile(double q) const {
    std::vector<double> sorted;
    for (const double e : percent) sorted.push_back(std::abs(e));
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))];
  }
  double Within(double limit) const {
    const auto inside = std::count_if(percent.begin(), percent.end(), [&](double e) { return std::abs(e) <= limit; });
    return static_cast<double>(inside) / static_cast<double>(percent.size());
  }
  double Lowest() const { return *std::min_element(percent.begin(), percent.end()); }
  void Print(const std::string& name) const {
    std::printf("%-22s %4zu rows  bias %+6.2f  mean %5.2f  median %5.2f  p90 %5.2f  within 5%% %5.1f  lowest %+6.2f\n",
                name.c_str(), percent.size(), Bias(), MeanAbs(), Quantile(0.5), Quantile(0.9), 100 * Within(5),
                Lowest());
  }
};

double ErrorOf(const Row& row) {
  const double measured = std::stod(row.at("measured_gib"));
  return (ToGiB(Estimated(row)) / measured - 1) * 100;
}

bool IsApart(const Row& row) {
  return row.at("loader_profile") == "awq-fused" || row.at("loader_profile") == "exllama";
}

TEST(MeasuredTest, ExactRowsWithTheirProfile) {
  Errors all;
  std::map<std::string, Errors> by_precision, by_profile, apart;
  for (const Row& row : ReadRows()) {
    if (row.at("quality") != "exact") continue;
    const double error = ErrorOf(row);
    if (IsApart(row)) {
      apart[row.at("loader_profile")].percent.push_back(error);
      continue;
    }
    all.percent.push_back(error);
    by_precision[row.at("precision")].percent.push_back(error);
    by_profile[row.at("loader_profile")].percent.push_back(error);
  }
  all.Print("this ledger");
  for (const auto& [name, errors] : by_precision) errors.Print(name);
  for (const auto& [name, errors] : by_profile) errors.Print(name);
  for (const auto& [name, errors] : apart) errors.Print("apart: " + name);
  EXPECT_EQ(all.percent.size(), 311u);
  EXPECT_LE(all.Quantile(0.5), 1.0);
  EXPECT_GE(all.Within(5), 0.95);
  EXPECT_GE(all.Lowest(), -10.0);
}

TEST(MeasuredTest, SeveralCardsInSum) {
  Errors current, legacy;
  for (const Row& row : ReadRows()) {
    if (row.at("quality") != "multi_gpu" || IsApart(row)) continue;
    (row.at("loader_profile") == "current" ? current : legacy).percent.push_back(ErrorOf(row));
  }
  current.Print("several cards, current");
  legacy.Print("several cards, legacy");
  EXPECT_LE(current.MeanAbs(), 1.0);
  EXPECT_GE(current.Lowest(), -10.0);
  EXPECT_LE(legacy.MeanAbs(), 6.0);
}

TEST(MeasuredTest, RangeHoldsTheRowsWhenTheRuntimeIsUnknown) {
  int64_t inside = 0, rows = 0;
  for (const Row& row : ReadRows()) {
    if (row.at("quality") != "exact" || IsApart(row) || row.at("loader_profile") == "weights") continue;
    if (row.at("metric") == "torch_peak+process") continue;
    const MemoryModel model = Describe(SpecOf(row));
    MemoryQuery query;
    query.context = Int(row, "input_len");
    query.new_tokens = Int(row, "new_tokens");
    query.batch = Int(row, "batch");
    const Result<MemoryEstimate> estimate = EstimateMemory(model, query);
    ASSERT_TRUE(estimate && estimate->low && estimate->high);
    const double measured = std::stod(row.at("measured_gib"));
    ++rows;
    inside +=
        measured >= ToGiB(estimate->low->torch_peak) * 0.98 && measured <= ToGiB(estimate->high->torch_peak) * 1.02;
  }
  std::printf("inside low..high +-2 %%: %.1f %% of %ld rows\n",
              100.0 * static_cast<double>(inside) / static_cast<double>(rows), static_cast<long>(rows));
  EXPECT_GE(static_cast<double>(inside), 0.95 * static_cast<double>(rows));
}

// What the rules of thumb give for a row, in GiB: a multiple of the dense size by level, parameters times bits
// (huggingface/accelerate commands/estimate.py, with and without the advised 20 %), the checkpoint with the cache.
std::map<std::string, double> RulesOfThumb(const Row& row) {
  const double dense = ToGiB(Int(row, "fp16_weights_bytes")), stored = ToGiB(Int(row, "weights_bytes"));
  const double kv =
      ToGiB(Int(row, "kv_bytes_per_token") * Int(row, "batch") * (Int(row, "input_len") + Int(row, "new_tokens")));
  const double bits = static_cast<double>(Int(row, "bits"));
  const double by_bits = dense * bits / 16;
  const double level = bits >= 16 ? 1.4 : bits >= 8 ? 0.4 * 1.3 : 0.25 * 1.25;
  return {{"multiple of dense size", dense * level},
          {"parameters x bits", by_bits},
          {"parameters x bits x1.2", by_bits * 1.2},
          {"the same + KV", by_bits * 1.2 + kv},
          {"checkpoint x1.2", stored * 1.2},
          {"checkpoint + KV", stored + kv},
          {"the same + 650 MiB", stored + kv + 650.0 / 1024}};
}

// docs/memory.md quotes what this prints.
TEST(MeasuredTest, RulesOfThumbAreWorse) {
  std::map<std::string, Errors> rules;
  for (const Row& row : ReadRows()) {
    if (row.at("quality") != "exact" || IsApart(row) || row.at("loader_profile") == "weights") continue;
    const double measured = std::stod(row.at("measured_gib"));
    for (const auto& [name, gib] : RulesOfThumb(row)) rules[name].percent.push_back((gib / measured - 1) * 100);
  }
  for (const auto& [name, errors] : rules) {
    errors.Print(name);
    EXPECT_GT(errors.MeanAbs(), 15) << name;
    EXPECT_LT(errors.Bias(), -10) << name;  // they understate, which is the dangerous side
  }
}

}  // namespace
}  // namespace gptq_doctor::testing

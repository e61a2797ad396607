#include "gptq/format_table.h"

#include <gtest/gtest.h>

#include <set>

#include "gptq/suffix_table.h"
#include "tensor_list.h"

namespace gptq_doctor {
namespace {

using testing::ListedTensor;
using testing::TensorList;

struct Part {
  const char* suffix;
  Dtype dtype;
  std::vector<uint64_t> shape;
};

struct Case {
  const char* variant;  // "" where no row matches
  std::vector<Part> parts;
  const char* note = "";
};

std::string Detect(const std::vector<Part>& parts) {
  std::vector<ListedTensor> tensors;
  for (const Part& part : parts)
    tensors.push_back({std::string("model.layers.0.mlp.down_proj.") + part.suffix, part.dtype, part.shape});
  const TensorList list(tensors);
  const Inventory inventory = BuildInventory(list.index());
  EXPECT_EQ(inventory.classes.size(), 1u) << parts[0].suffix;
  const int format = inventory.classes[0].format;
  return format < 0 ? "" : std::string(FormatTable()[static_cast<size_t>(format)].variant);
}

constexpr Dtype I8 = Dtype::kI8, U8 = Dtype::kU8, I16 = Dtype::kI16, I32 = Dtype::kI32, I64 = Dtype::kI64,
                F16 = Dtype::kF16, F32 = Dtype::kF32, BF16 = Dtype::kBF16, F8 = Dtype::kF8E4M3, U32 = Dtype::kU32;

// K = 512 in_features, N = 256 out_features, g = 64 unless a note says otherwise.
const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"gptq",
       {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 32}}, {"scales", F16, {8, 256}}, {"g_idx", I32, {512}}}},
      {"gptq",
       {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 32}}, {"scales", F16, {8, 256}}},
       "AutoRound, no g_idx"},
      {"gptq",
       {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 32}}, {"scales", F32, {8, 256}}, {"bias", F32, {256}}}},
      {"gptq",
       {{"qweight", I32, {32, 256}}, {"qzeros", I32, {32, 16}}, {"scales", BF16, {32, 256}}},
       "2 bits, g = 16: R == G"},
      {"gptq",
       {{"qweight", I32, {64, 64}}, {"qzeros", I32, {64, 8}}, {"scales", F16, {64, 64}}},
       "4 bits, g = 8: R == G"},
      {"gptq",
       {{"qweight", I32, {48, 256}}, {"qzeros", I32, {8, 24}}, {"scales", F16, {8, 256}}, {"g_idx", I32, {512}}},
       "3 bits"},
      {"gptq",
       {{"qweight", I32, {128, 256}}, {"qzeros", I32, {1, 64}}, {"scales", F16, {1, 256}}},
       "8 bits, one group"},
      {"gptq", {{"qweight", I16, {128, 256}}, {"qzeros", I16, {8, 64}}, {"scales", F16, {8, 256}}}, "int16 words"},
      {"gptq",
       {{"qweight", I8, {512, 256}}, {"qzeros", I8, {8, 256}}, {"scales", F16, {8, 256}}},
       "int8 words, 8 bits"},
      {"gptq",
       {{"qweight", I8, {256, 256}}, {"qzeros", I8, {8, 128}}, {"scales", F16, {8, 256}}},
       "int8 words, 4 bits"},
      {"gptq",
       {{"qweight", I32, {12, 100}}, {"qzeros", I32, {4, 12}}, {"scales", F16, {4, 100}}},
       "N = 100 cut by floor division"},
      {"gptq",
       {{"qweight", I32, {64, 256}}, {"qzeros", I32, {4, 32}}, {"scales", F16, {8, 256}}},
       "group counts contradict"},
      {"gptq", {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 31}}, {"scales", F16, {8, 256}}}, "qzeros too narrow"},
      {"gptq", {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 32}}, {"scales", F16, {8, 128}}}, "scales too narrow"},
      {"gptq",
       {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 32}}, {"scales", F16, {4, 128}}, {"g_idx", I32, {512}}}},
      {"gptq",
       {{"qweight", I32, {64, 256}}, {"qzeros", F16, {8, 32}}, {"scales", F16, {8, 256}}},
       "qzeros of a wrong dtype"},
      {"gptq",
       {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 32}}, {"scales", I32, {8, 256}}},
       "scales of a wrong dtype"},
      {"gptq",
       {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 32}}, {"scales", F16, {8, 256}}, {"weight", F16, {256, 512}}}},
      {"gptq-no-qzeros", {{"qweight", I32, {64, 256}}, {"scales", F16, {8, 256}}}},
      {"gptq-no-qzeros", {{"qweight", I32, {64, 256}}, {"scales", F16, {8, 256}}, {"g_idx", I32, {512}}}},
      {"gptq-float-zeros",
       {{"qweight", I32, {64, 256}}, {"zeros", F32, {256, 1}}, {"scales", F32, {256, 1}}, {"bias", F32, {256}}}},
      {"gptq-incomplete", {{"qweight", I32, {64, 256}}, {"qzeros", I32, {8, 32}}}},
      {"gptq-incomplete", {{"qweight", I32, {64, 256}}, {"g_idx", I32, {512}}}},
      {"gptq-incomplete", {{"qzeros", I32, {8, 32}}, {"scales", F16, {8, 256}}, {"g_idx", I32, {512}}}},
      {"", {{"qweight", I32, {64, 256}}}, "could be anything"},
      {"", {{"qweight", I32, {512, 32}}, {"qzeros", I32, {8, 32}}}, "AWQ GEMM without scales"},
      {"", {{"qweight", I32, {256, 32}}, {"qzeros", I32, {256, 4}}}, "AWQ GEMV without scales"},
      {"", {{"qzeros", I32, {8, 32}}, {"scales", F16, {8, 256}}}, "GPTQ or AWQ GEMM"},
      {"", {{"qweight", I32, {64, 100}}, {"scales", F16, {8, 256}}}, "no relation"},
      {"", {{"scales", F16, {8, 256}}, {"g_idx", I32, {512}}}},

      {"awq-gemm", {{"qweight", I32, {512, 32}}, {"qzeros", I32, {8, 32}}, {"scales", F16, {8, 256}}}},
      {"awq-gemm",
       {{"qweight", I32, {512, 32}}, {"qzeros", I32, {8, 32}}, {"scales", F16, {8, 256}}, {"bias", F16, {256}}}},
      {"awq-gemv", {{"qweight", I32, {256, 64}}, {"qzeros", I32, {256, 2}}, {"scales", F16, {256, 16}}}},
      {"awq-gemv-fast", {{"qweight", I16, {64, 512}}, {"qzeros", F16, {8, 256}}, {"scales", F16, {8, 256}}}},
      {"llm-awq", {{"qweight", I16, {64, 512}}, {"scaled_zeros", F16, {8, 256}}, {"scales", F16, {8, 256}}}},
      {"awq-marlin", {{"qweight", I32, {32, 512}}, {"scales", F16, {8, 256}}}},
      {"paroquant",
       {{"qweight", I32, {512, 32}},
        {"qzeros", I32, {8, 32}},
        {"scales", F16, {8, 256}},
        {"theta", F16, {8, 256}},
        {"pairs", I16, {8, 512}},
        {"channel_scales", F16, {1, 512}}}},
      {"marlin", {{"B", I32, {32, 512}}, {"s", F16, {8, 256}}}},
      {"marlin", {{"B", I32, {32, 512}}, {"s", F16, {8, 256}}, {"bias", F16, {256}}}},
      {"gptq-marlin-24", {{"B_24", I32, {16, 512}}, {"B_meta", I16, {32, 512}}, {"s", F16, {8, 256}}}},
      {"qqq", {{"B", I32, {32, 512}}, {"s_channel", F32, {1, 256}}, {"s_group", F16, {8, 256}}}},
      {"", {{"B", I32, {32, 500}}, {"s", F16, {8, 256}}}, "unrelated tensors of these names"},
      {"bitblas", {{"qweight", I8, {256, 256}}, {"scales", F16, {256, 8}}, {"zeros", F16, {256, 8}}}},
      {"bitblas", {{"qweight", I8, {256, 256}}, {"scales", F16, {256, 8}}, {"qzeros", I8, {8, 128}}}},
      {"bitblas", {{"qweight", I8, {512, 512}}, {"scales", F16, {512, 8}}, {"qzeros", I8, {8, 512}}}, "square, 8 bits"},
      {"fp-quant",
       {{"qweight", U8, {256, 256}},
        {"scales", U8, {256, 16}},
        {"forward_hadamard_matrix", F16, {32, 32}},
        {"weight_global_scale", F32, {1}}}},
      {"eetq", {{"weight", I8, {512, 256}}, {"weight_scales", F16, {256}}}},
      {"eetq-qweight", {{"qweight", I8, {512, 256}}, {"weight_scales", F16, {256}}}},
      {"gguf-tensor", {{"qweight", U8, {256, 288}}}},

      {"ct-pack-quantized",
       {{"weight_packed", I32, {256, 64}}, {"weight_scale", F16, {256, 8}}, {"weight_shape", I64, {2}}}},
      {"ct-pack-quantized",
       {{"weight_packed", I32, {256, 64}},
        {"weight_scale", BF16, {256, 8}},
        {"weight_shape", I64, {2}},
        {"weight_zero_point", I32, {32, 8}},
        {"weight_g_idx", I32, {512}}}},
      {"ct-marlin-24", {{"weight_packed", I32, {16, 512}}, {"scale_packed", F16, {8, 256}}, {"meta", I16, {32, 512}}}},
      {"ct-nvfp4",
       {{"weight_packed", U8, {256, 256}}, {"weight_scale", F8, {256, 32}}, {"weight_global_scale", F32, {1}}}},
      {"ct-mxfp4", {{"weight_packed", U8, {256, 256}}, {"weight_scale", U8, {256, 16}}}},
      {"ct-int-quantized", {{"weight", I8, {256, 512}}, {"weight_scale", F16, {256, 1}}}},
      {"modelopt-nvfp4",
       {{"weight", U8, {256, 256}},
        {"weight_scale", F8, {256, 32}},
        {"weight_scale_2", F32, {}},
        {"input_scale", F32, {}}}},
      {"fp8", {{"weight", F8, {256, 512}}, {"weight_scale", F32, {}}, {"input_scale", F32, {}}}},
      {"fp8", {{"weight", F8, {256, 512}}, {"weight_scale", BF16, {256, 1}}}},
      {"fp8-block", {{"weight", F8, {256, 512}}, {"weight_scale_inv", F32, {2, 4}}}},
      {"bitnet", {{"weight", U8, {64, 512}}, {"weight_scale", BF16, {1}}}},
      {"", {{"weight", U8, {64, 512}}, {"weight_scale", BF16, {64}}}, "neither BitNet nor ModelOpt"},
      {"bnb-nf4",
       {{"weight", U8, {65536, 1}},
        {"weight.absmax", U8, {2048}},
        {"weight.quant_map", F32, {16}},
        {"weight.nested_absmax", F32, {8}},
        {"weight.nested_quant_map", F32, {256}},
        {"weight.quant_state.bitsandbytes__nf4", U8, {80}}}},
      {"bnb-fp4",
       {{"weight", U8, {65536, 1}},
        {"weight.absmax", F32, {2048}},
        {"weight.quant_map", F32, {16}},
        {"weight.quant_state.bitsandbytes__fp4", U8, {80}}}},
      {"bnb-int8", {{"weight", I8, {256, 512}}, {"SCB", F32, {256}}, {"weight_format", U8, {}}}},
      {"gptqmodel-bnb-4bit",
       {{"weight", U8, {65536, 1}},
        {"weight_absmax", F32, {2048}},
        {"weight_quant_map", F32, {16}},
        {"weight_quant_state", U8, {80}}}},
      {"gptqmodel-bnb-int8", {{"weight", I8, {256, 512}}, {"weight_scb", F32, {256}}}},

      {"hqq", {{"W_q", U8, {256, 256}}, {"scale", F16, {2048, 1}}, {"zero", F16, {2048, 1}}, {"nbits", I32, {1}}}},
      {"quanto", {{"weight._data", I8, {256, 512}}, {"weight._scale", F16, {256, 1}}, {"input_scale", F32, {}}}},
      {"torchao", {{"_weight_qdata", I8, {256, 512}}, {"_weight_scale", F32, {256, 1}}}},
      {"aqlm", {{"codes", I16, {256, 64, 1}}, {"codebooks", F16, {1, 65536, 1, 8}}, {"scales", F16, {256, 1, 1, 1}}}},
      {"quip-sharp",
       {{"Qidxs", I64, {256, 64}},
        {"SU", F16, {512}},
        {"SV", F16, {256}},
        {"Wscale", F32, {}},
        {"codebook_id", I32, {}}}},
      {"vptq", {{"indices", I32, {1, 64, 256}}, {"centroids.weight", F16, {1, 65536}}, {"perm", I16, {512}}}},
      {"spqr", {{"dense_weights", I64, {256, 16}}, {"row_offsets", I32, {257}}, {"col_vals", I32, {100}}}},
      {"exl2",
       {{"q_weight", I32, {68, 256}},
        {"q_scale", I32, {8, 32}},
        {"q_scale_max", F16, {8}},
        {"q_groups", I16, {16}},
        {"q_invperm", I32, {512}}}},
      {"exl3", {{"trellis", I16, {32, 16, 64}}, {"suh", F16, {512}}, {"svh", F16, {256}}}},
      {"exl3", {{"trellis", I16, {32, 16, 64}}, {"su", I16, {32}}, {"sv", I16, {16}}, {"mcg", I32, {}}}},
      {"mlx-affine", {{"weight", U32, {256, 64}}, {"scales", F16, {256, 8}}, {"biases", F16, {256, 8}}}},
      {"mlx-mx", {{"weight", U32, {256, 64}}, {"scales", U8, {256, 16}}}},
      {"mxfp4",
       {{"gate_up_proj_blocks", U8, {4, 64, 16, 16}},
        {"gate_up_proj_scales", U8, {4, 64, 16}},
        {"down_proj_blocks", U8, {4, 64, 16, 16}},
        {"down_proj_scales", U8, {4, 64, 16}}}},
      {"mxfp4-down", {{"down_proj_blocks", U8, {4, 64, 16, 16}}, {"down_proj_scales", U8, {4, 64, 16}}}},

      {"", {{"weight", F16, {256, 512}}}, "dense"},
      {"", {{"weight", F16, {256, 512}}, {"bias", F16, {256}}}, "dense"},
      {"", {{"weight", F16, {256}}, {"scale", F16, {256}}}, "a norm"},
      {"", {{"weight", I8, {256, 512}}}, "bare bytes"},
      {"", {{"weight", F16, {256, 512}}, {"scales", F16, {256, 8}}}, "not MLX"},
      {"", {{"gate_up_proj_blocks", F16, {4, 64, 16, 16}}, {"gate_up_proj_scales", F16, {4, 64, 16}}}},
  };
  return cases;
}

TEST(FormatTable, EveryFingerprintAndCloseCall) {
  for (const Case& c : Cases()) EXPECT_EQ(Detect(c.parts), c.variant) << c.parts[0].suffix << " " << c.note;
}

TEST(FormatTable, EveryRowHasAPositive) {
  std::set<std::string_view> tested, rows;
  for (const Case& c : Cases()) tested.insert(c.variant);
  for (const FormatRow& row : FormatTable()) {
    EXPECT_TRUE(tested.contains(row.variant)) << row.variant;
    EXPECT_TRUE(rows.insert(row.variant).second) << row.variant << " twice";
    EXPECT_FALSE(row.family.empty() || row.title.empty() || row.why.empty() || row.source.empty()) << row.variant;
  }
  EXPECT_GE(rows.size(), 40u);
}

TEST(FormatTable, SuffixesOfRowsAreKnown) {
  for (const FormatRow& row : FormatTable()) {
    for (const auto* list : {&row.must, &row.must_not, &row.any}) {
      for (const std::string_view suffix : *list) {
        const auto match = MatchSuffix(suffix);
        EXPECT_TRUE(match && match->begin == 0) << row.variant << " " << suffix;
      }
    }
  }
}

TEST(FormatTable, OnlyTheGptqFamilyUnpacksAsGptq) {
  for (size_t i = 0; i < FormatTable().size(); ++i) {
    const std::string_view variant = FormatTable()[i].variant;
    const bool gptq = variant.starts_with("gptq") && variant != "gptq-marlin-24" && !variant.starts_with("gptqmodel");
    EXPECT_EQ(IsGptq(static_cast<int>(i)), gptq) << variant;
  }
  EXPECT_FALSE(IsGptq(-1));
  EXPECT_FALSE(IsGptq(1000));
}

TEST(FormatTable, AMixedModelIsMixed) {
  const TensorList list({{"a.qweight", I32, {64, 256}},
                         {"a.qzeros", I32, {8, 32}},
                         {"a.scales", F16, {8, 256}},
                         {"b.qweight", I32, {512, 32}},
                         {"b.qzeros", I32, {8, 32}},
                         {"b.scales", F16, {8, 256}}});
  const Inventory inventory = BuildInventory(list.index());
  ASSERT_EQ(inventory.classes.size(), 2u);
  EXPECT_TRUE(IsGptq(inventory.classes[0].format));
  EXPECT_FALSE(IsGptq(inventory.classes[1].format));
}

}  // namespace
}  // namespace gptq_doctor

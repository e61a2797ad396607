#include "gptq/format_table.h"

#include <array>
#include <cassert>

#include "gptq/format_predicates.h"
#include "gptq/suffix_table.h"

namespace gptq_doctor {
namespace {

// Order decides close calls: a row whose marks are a subset of another's comes after it.
const std::vector<FormatRow>& Rows() {
  static const std::vector<FormatRow> rows = {
      // qweight with tensors that GPTQ never has.
      {.variant = "paroquant",
       .family = "paroquant",
       .title = "ParoQuant",
       .must = {"qweight", "scales", "theta", "pairs", "channel_scales"},
       .why = "theta, pairs and channel_scales hold learned rotations beside AWQ-shaped codes",
       .config_methods = {"paroquant"},
       .source = "ModelCloud/GPTQModel f4c327a1 (paroquant)"},
      {.variant = "fp-quant",
       .family = "fp-quant",
       .title = "FP-Quant",
       .must = {"qweight", "scales", "forward_hadamard_matrix"},
       .test = LooksFpQuant,
       .why = "qweight is U8 and forward_hadamard_matrix is stored beside it",
       .config_methods = {"fp_quant"},
       .source = "vllm-project/vllm 017e9f44 (fp_quant.py)"},
      {.variant = "llm-awq",
       .family = "awq",
       .title = "llm-awq (original AWQ)",
       .must = {"qweight", "scales", "scaled_zeros"},
       .test = LooksLlmAwq,
       .why = "zero points are stored multiplied by the scales, in scaled_zeros, and qweight is I16 [N/4, K]",
       .config_methods = {"awq"},
       .source = "mit-han-lab/llm-awq d6e797a4, awq/quantize/qmodule.py"},
      {.variant = "eetq",
       .family = "eetq",
       .title = "EETQ (8-bit)",
       .must = {"weight", "weight_scales"},
       .test = LooksEetq,
       .why = "an I8 weight [K, N] with one weight_scales a column",
       .config_methods = {"eetq"},
       .source = "NetEase-FuXi/EETQ 465e9726; huggingface/transformers, integrations/eetq.py"},
      {.variant = "eetq-qweight",
       .family = "eetq",
       .title = "EETQ (8-bit)",
       .must = {"qweight", "weight_scales"},
       .must_not = {"qzeros", "scales"},
       .test = LooksEetq,
       .why = "an I8 qweight [K, N] with one weight_scales a column and no qzeros",
       .config_methods = {"eetq"},
       .source = "NetEase-FuXi/EETQ 465e9726"},
      {.variant = "bitblas",
       .family = "bitblas",
       .title = "BitBLAS",
       .must = {"qweight", "scales"},
       .test = LooksBitblas,
       .why = "qweight is I8 with one row an output channel, and scales are [N, K/g], transposed to GPTQ's",
       .config_methods = {"gptq", "bitblas"},
       .source = "microsoft/BitBLAS 0c51e34a; ModelCloud/GPTQModel f4c327a1, nn_modules/qlinear/bitblas.py"},
      // qweight, qzeros, scales: orientation decides.
      {.variant = "awq-gemm",
       .family = "awq",
       .title = "AWQ (GEMM layout)",
       .must = {"qweight", "qzeros", "scales"},
       .must_not = {"g_idx"},
       .test = LooksAwqGemm,
       .why = "qweight [K, N/8] and qzeros [K/g, N/8] are packed along the same axis, the output channels",
       .config_methods = {"awq"},
       .source = "casper-hansen/AutoAWQ 88e4c76b, awq/modules/linear/gemm.py"},
      {.variant = "awq-gemv",
       .family = "awq",
       .title = "AWQ (GEMV layout)",
       .must = {"qweight", "qzeros", "scales"},
       .must_not = {"g_idx"},
       .test = LooksAwqGemv,
       .why = "qweight [N, K/8], qzeros and scales have one row an output channel",
       .config_methods = {"awq"},
       .source = "casper-hansen/AutoAWQ 88e4c76b, awq/modules/linear/gemv.py"},
      {.variant = "awq-gemv-fast",
       .family = "awq",
       .title = "AWQ (GEMV-fast layout)",
       .must = {"qweight", "qzeros", "scales"},
       .test = LooksAwqGemvFast,
       .why = "qweight is I16 [N/4, K] and qzeros are floating point",
       .config_methods = {"awq"},
       .source = "casper-hansen/AutoAWQ 88e4c76b, awq/modules/linear/gemv_fast.py"},
      {.variant = "gptq",
       .family = "gptq",
       .title = "GPTQ",
       .must = {"qweight", "qzeros", "scales"},
       .test = LooksGptq,
       .why = "qweight [K*b/P, N] is packed along the input channels, qzeros [K/g, N*b/P] along the output channels",
       .config_methods = {"gptq", "auto-round", "auto_round"},
       .source = "ModelCloud/GPTQModel f4c327a1, nn_modules/qlinear/__init__.py; AutoGPTQ/AutoGPTQ 9f7d3707, "
                 "nn_modules/qlinear/qlinear_cuda.py"},
      {.variant = "gptq-float-zeros",
       .family = "gptq",
       .title = "GPTQ (dialect of March 2023 with float zeros)",
       .must = {"qweight", "zeros", "scales"},
       .must_not = {"qzeros"},
       .test = LooksGptqFloatZeros,
       .why = "zeros and scales are F32 [N, 1] beside qweight [K*b/32, N]",
       .config_methods = {"gptq"},
       .source = "qwopqwop200/GPTQ-for-LLaMa 1eb985a, quant.py"},
      {.variant = "awq-marlin",
       .family = "awq",
       .title = "AWQ (Marlin layout)",
       .must = {"qweight", "scales"},
       .must_not = {"qzeros", "zeros", "g_idx"},
       .test = LooksAwqMarlin,
       .why = "qweight [K/16, 2N] is tiled for the Marlin kernel and there are no qzeros",
       .config_methods = {"awq"},
       .source = "casper-hansen/AutoAWQ 88e4c76b, awq/modules/linear/marlin.py"},
      {.variant = "gptq-no-qzeros",
       .family = "gptq",
       .title = "GPTQ without qzeros",
       .must = {"qweight", "scales"},
       .must_not = {"qzeros", "zeros"},
       .test = LooksGptqWithoutZeros,
       .why = "qweight and scales have one column an output channel; qzeros are missing",
       .config_methods = {"gptq", "auto-round", "auto_round"},
       .source = "ModelCloud/GPTQModel f4c327a1, nn_modules/qlinear/__init__.py"},
      {.variant = "gptq-incomplete",
       .family = "gptq",
       .title = "GPTQ, incomplete",
       .any = {"qweight", "qzeros"},
       .test = LooksGptqIncomplete,
       .why = "the shapes of the remaining members agree with GPTQ and with no other format",
       .config_methods = {"gptq", "auto-round", "auto_round"},
       .source = "ModelCloud/GPTQModel f4c327a1, nn_modules/qlinear/__init__.py"},
      {.variant = "gguf-tensor",
       .family = "gguf",
       .title = "GGUF blocks inside safetensors",
       .must = {"qweight"},
       .must_not = {"qzeros", "scales", "zeros"},
       .test = LooksGgufTensor,
       .why = "qweight is U8 [N, bytes of a row] without scales: they lie inside the blocks",
       .config_methods = {"gguf"},
       .source = "ModelCloud/GPTQModel f4c327a1 (gguf)"},
      // Marlin and its kin.
      {.variant = "gptq-marlin-24",
       .family = "marlin",
       .title = "GPTQ-Marlin-24 (2:4 sparse)",
       .must = {"B_24", "B_meta", "s"},
       .test = LooksMarlin24,
       .why = "B_24 and B_meta hold 2:4 sparse codes tiled for the Marlin kernel",
       .config_methods = {"gptq"},
       .source = "neuralmagic/nm-vllm 04da6631, gptq_marlin_24.py"},
      {.variant = "qqq",
       .family = "qqq",
       .title = "QQQ (W4A8)",
       .must = {"B", "s_channel"},
       .test = LooksQqq,
       .why = "B [K/16, 2N] goes with F32 s_channel [1, N]",
       .config_methods = {"qqq"},
       .source = "HandH1998/QQQ 54c5c990; ModelCloud/GPTQModel f4c327a1, nn_modules/qlinear/qqq.py"},
      {.variant = "marlin",
       .family = "marlin",
       .title = "GPTQ repacked for Marlin",
       .must = {"B", "s"},
       .must_not = {"s_channel"},
       .test = LooksMarlin,
       .why = "B [K/16, 2N] and s are permuted into tiles of the Marlin kernel; there is no qweight",
       .config_methods = {"gptq", "marlin"},
       .source = "IST-DASLab/marlin 2f6d7c10; AutoGPTQ/AutoGPTQ 9f7d3707, nn_modules/qlinear/qlinear_marlin.py"},
      // compressed-tensors.
      {.variant = "ct-marlin-24",
       .family = "compressed-tensors",
       .title = "compressed-tensors (marlin-24)",
       .must = {"weight_packed", "scale_packed", "meta"},
       .why = "weight_packed, scale_packed and meta hold 2:4 sparse codes",
       .config_methods = {"compressed-tensors"},
       .source = "neuralmagic/compressed-tensors 52792be0 (marlin_24)"},
      {.variant = "ct-nvfp4",
       .family = "compressed-tensors",
       .title = "compressed-tensors (nvfp4-pack-quantized)",
       .must = {"weight_packed", "weight_scale"},
       .test = LooksCtNvfp4,
       .why = "weight_packed is U8 and weight_scale is 8-bit floating point",
       .config_methods = {"compressed-tensors"},
       .source = "neuralmagic/compressed-tensors 52792be0 (nvfp4)"},
      {.variant = "ct-mxfp4",
       .family = "compressed-tensors",
       .title = "compressed-tensors (mxfp4-pack-quantized)",
       .must = {"weight_packed", "weight_scale"},
       .must_not = {"weight_global_scale"},
       .test = LooksCtMxfp4,
       .why = "weight_packed is U8 and weight_scale holds 8-bit exponents",
       .config_methods = {"compressed-tensors"},
       .source = "neuralmagic/compressed-tensors 52792be0 (mxfp4)"},
      {.variant = "ct-pack-quantized",
       .family = "compressed-tensors",
       .title = "compressed-tensors (pack-quantized)",
       .must = {"weight_packed", "weight_scale"},
       .test = LooksCtPacked,
       .why = "weight_packed is I32 [N, K*b/32] with weight_scale, and weight_shape keeps the dense shape",
       .config_methods = {"compressed-tensors"},
       .source = "neuralmagic/compressed-tensors 52792be0 (pack_quantized)"},
      // `weight` of a small dtype with scales.
      {.variant = "fp8-block",
       .family = "fp8",
       .title = "FP8 (blocks of 128 x 128)",
       .must = {"weight", "weight_scale_inv"},
       .test = LooksFp8Block,
       .why = "weight is 8-bit floating point with one weight_scale_inv a block",
       .config_methods = {"fp8"},
       .source = "vllm-project/vllm 017e9f44 (fp8.py, weight_block_size)"},
      {.variant = "modelopt-nvfp4",
       .family = "modelopt",
       .title = "ModelOpt NVFP4",
       .must = {"weight", "weight_scale", "weight_scale_2"},
       .test = LooksModelOptNvfp4,
       .why = "weight is U8, weight_scale is 8-bit floating point a group of 16, weight_scale_2 is global",
       .config_methods = {"modelopt", "modelopt_fp4"},
       .source = "vllm-project/vllm 017e9f44 (modelopt.py)"},
      {.variant = "fp8",
       .family = "fp8",
       .title = "FP8 (one scale a tensor or channel)",
       .must = {"weight", "weight_scale"},
       .must_not = {"weight_scale_2"},
       .test = LooksFp8Scaled,
       .why = "weight is 8-bit floating point with weight_scale",
       .config_methods = {"fp8", "fbgemm_fp8", "modelopt", "compressed-tensors"},
       .source = "vllm-project/vllm 017e9f44 (fp8.py); neuralmagic/compressed-tensors 52792be0 (float-quantized)"},
      {.variant = "ct-int-quantized",
       .family = "compressed-tensors",
       .title = "compressed-tensors (int-quantized)",
       .must = {"weight", "weight_scale"},
       .test = LooksInt8Scaled,
       .why = "weight is I8 with weight_scale",
       .config_methods = {"compressed-tensors"},
       .source = "neuralmagic/compressed-tensors 52792be0 (int-quantized)"},
      {.variant = "bitnet",
       .family = "bitnet",
       .title = "BitNet (ternary)",
       .must = {"weight", "weight_scale"},
       .must_not = {"weight_scale_2"},
       .test = LooksBitnet,
       .why = "weight is U8 [N/4, K] with a single weight_scale",
       .config_methods = {"bitnet"},
       .source = "huggingface/transformers, integrations/bitnet.py"},
      // bitsandbytes.
      {.variant = "bnb-nf4",
       .family = "bitsandbytes",
       .title = "bitsandbytes NF4",
       .must = {"weight", "weight.absmax", "weight.quant_state.bitsandbytes__nf4"},
       .test = LooksByteWeight,
       .why = "weight is U8 [N*K/2, 1] with weight.absmax and an nf4 quant_state",
       .config_methods = {"bitsandbytes"},
       .source = "bitsandbytes-foundation/bitsandbytes 95f9af30, functional.py (QuantState)"},
      {.variant = "bnb-fp4",
       .family = "bitsandbytes",
       .title = "bitsandbytes FP4",
       .must = {"weight", "weight.absmax", "weight.quant_state.bitsandbytes__fp4"},
       .test = LooksByteWeight,
       .why = "weight is U8 [N*K/2, 1] with weight.absmax and an fp4 quant_state",
       .config_methods = {"bitsandbytes"},
       .source = "bitsandbytes-foundation/bitsandbytes 95f9af30, functional.py (QuantState)"},
      {.variant = "bnb-int8",
       .family = "bitsandbytes",
       .title = "bitsandbytes LLM.int8()",
       .must = {"weight", "SCB"},
       .test = LooksInt8Weight,
       .why = "weight is I8 with SCB, the scale of each row",
       .config_methods = {"bitsandbytes"},
       .source = "bitsandbytes-foundation/bitsandbytes 95f9af30, nn/modules.py"},
      {.variant = "gptqmodel-bnb-4bit",
       .family = "bitsandbytes",
       .title = "bitsandbytes 4-bit as GPTQModel stores it",
       .must = {"weight", "weight_absmax", "weight_quant_map"},
       .test = LooksByteWeight,
       .why = "weight_absmax and weight_quant_map (with underscores) go with a U8 weight",
       .config_methods = {"bitsandbytes"},
       .source = "ModelCloud/GPTQModel f4c327a1 (bitsandbytes)"},
      {.variant = "gptqmodel-bnb-int8",
       .family = "bitsandbytes",
       .title = "bitsandbytes 8-bit as GPTQModel stores it",
       .must = {"weight", "weight_scb"},
       .test = LooksInt8Weight,
       .why = "weight_scb goes with an I8 weight",
       .config_methods = {"bitsandbytes"},
       .source = "ModelCloud/GPTQModel f4c327a1 (bitsandbytes)"},
      // Formats with names of their own.
      {.variant = "hqq",
       .family = "hqq",
       .title = "HQQ",
       .must = {"W_q", "scale"},
       .test = LooksHqq,
       .why = "W_q with scale, and its settings stored as tensors",
       .config_methods = {"hqq"},
       .source = "mobiusml/hqq e0b1d00e, core/quantize.py"},
      {.variant = "quanto",
       .family = "quanto",
       .title = "Quanto",
       .must = {"weight._data", "weight._scale"},
       .why = "weight._data and weight._scale are the parts of a Quanto tensor",
       .config_methods = {"quanto"},
       .source = "huggingface/optimum-quanto e33f8202, tensor/qtensor.py"},
      {.variant = "torchao",
       .family = "torchao",
       .title = "torchao",
       .must = {"_weight_qdata"},
       .why = "_weight_qdata holds the data of a torchao tensor subclass",
       .config_methods = {"torchao"},
       .source = "pytorch/ao 36027d82, prototype/safetensors"},
      {.variant = "aqlm",
       .family = "aqlm",
       .title = "AQLM",
       .must = {"codes", "codebooks", "scales"},
       .test = LooksAqlm,
       .why = "codes point into additive codebooks",
       .config_methods = {"aqlm"},
       .source = "Vahe1994/AQLM e79a896e, inference module"},
      {.variant = "quip-sharp",
       .family = "quip",
       .title = "QuIP#",
       .must = {"Qidxs", "SU", "SV"},
       .why = "Qidxs are lattice codes between the sign vectors SU and SV",
       .config_methods = {"quip"},
       .source = "Cornell-RelaxML/quip-sharp 1d8f873e, inference module"},
      {.variant = "vptq",
       .family = "vptq",
       .title = "VPTQ",
       .must = {"indices", "centroids.weight"},
       .why = "indices point into centroids.weight",
       .config_methods = {"vptq"},
       .source = "microsoft/VPTQ 950716d7, inference module"},
      {.variant = "spqr",
       .family = "spqr",
       .title = "SpQR",
       .must = {"dense_weights", "row_offsets", "col_vals"},
       .why = "dense_weights with a sparse part in row_offsets and col_vals",
       .config_methods = {"spqr"},
       .source = "Vahe1994/SpQR 543d10e5, inference module"},
      {.variant = "exl2",
       .family = "exl2",
       .title = "EXL2",
       .must = {"q_weight", "q_scale", "q_scale_max", "q_groups"},
       .why = "q_weight with q_groups, whose bits differ from group to group",
       .config_methods = {"exl2"},
       .source = "turboderp-org/exllamav2 da07facd, exllamav2/ext.py"},
      {.variant = "exl3",
       .family = "exl3",
       .title = "EXL3",
       .must = {"trellis"},
       .any = {"suh", "svh", "su", "sv"},
       .test = LooksExl3,
       .why = "trellis is I16 [K/16, N/16, 16*bits] with sign vectors",
       .config_methods = {"exl3"},
       .source = "turboderp-org/exllamav3 4f8ad012"},
      {.variant = "mlx-affine",
       .family = "mlx",
       .title = "MLX (affine)",
       .must = {"weight", "scales", "biases"},
       .test = LooksMlxAffine,
       .why = "weight is U32 [N, K*b/32] with scales and biases [N, K/g]",
       .config_methods = {},
       .source = "ml-explore/mlx 846d1762, nn/layers/quantized.py"},
      {.variant = "mlx-mx",
       .family = "mlx",
       .title = "MLX (mxfp4 or nvfp4)",
       .must = {"weight", "scales"},
       .must_not = {"biases"},
       .test = LooksMlxMx,
       .why = "weight is U32 and scales are U8",
       .config_methods = {},
       .source = "ml-explore/mlx 846d1762, nn/layers/quantized.py"},
      {.variant = "mxfp4",
       .family = "mxfp4",
       .title = "MXFP4 (gpt-oss)",
       .must = {"gate_up_proj_blocks", "gate_up_proj_scales"},
       .test = LooksGptOssMxfp4,
       .why = "gate_up_proj_blocks [E, 2I, K/32, 16] and gate_up_proj_scales are U8",
       .config_methods = {"mxfp4"},
       .source = "huggingface/transformers 0189b1d0, integrations/mxfp4.py"},
      {.variant = "mxfp4-down",
       .family = "mxfp4",
       .title = "MXFP4 (gpt-oss)",
       .must = {"down_proj_blocks", "down_proj_scales"},
       .must_not = {"gate_up_proj_blocks"},
       .test = LooksGptOssMxfp4,
       .why = "down_proj_blocks and down_proj_scales are U8",
       .config_methods = {"mxfp4"},
       .source = "huggingface/transformers 0189b1d0, integrations/mxfp4.py"},
  };
  return rows;
}

// A set of known suffixes.
struct SuffixSet {
  std::array<uint64_t, 4> bits{};
  void Add(SuffixId id) { bits[id / 64] |= uint64_t{1} << (id % 64); }
  bool Contains(const SuffixSet& other) const {
    for (size_t i = 0; i < bits.size(); ++i) {
      if ((other.bits[i] & ~bits[i]) != 0) return false;
    }
    return true;
  }
  bool Meets(const SuffixSet& other) const {
    for (size_t i = 0; i < bits.size(); ++i) {
      if ((other.bits[i] & bits[i]) != 0) return true;
    }
    return false;
  }
};

// A row's suffixes as sets, so that the many classes of a strange model cost little each.
struct RowSets {
  SuffixSet must, must_not, any;
};

SuffixSet SetOf(const std::vector<std::string_view>& suffixes) {
  SuffixSet set;
  for (const std::string_view suffix : suffixes) {
    const auto match = MatchSuffix(suffix);
    assert(match && match->begin == 0);  // every suffix of a row stands in suffix_table.cc
    set.Add(match->id);
  }
  return set;
}

const std::vector<RowSets>& Sets() {
  static const std::vector<RowSets> sets = [] {
    std::vector<RowSets> out;
    for (const FormatRow& row : Rows()) {
      out.push_back({.must = SetOf(row.must), .must_not = SetOf(row.must_not), .any = SetOf(row.any)});
    }
    return out;
  }();
  return sets;
}

}  // namespace

const TensorRecord* ModuleView::Get(std::string_view suffix) const {
  for (const Component& component : inventory.components(module)) {
    if (inventory.SuffixName(component.suffix) == suffix) return &tensors.at(component.tensor);
  }
  return nullptr;
}

std::span<const FormatRow> FormatTable() { return Rows(); }

int DetectFormat(const ModuleView& module) {
  SuffixSet present;
  bool known = false;
  for (const Component& component : module.inventory.components(module.module)) {
    if (component.suffix >= FirstUnknownSuffix()) continue;
    present.Add(component.suffix);
    known |= component.suffix != kWeight && component.suffix != kBias;
  }
  if (!known) return -1;  // dense, or nothing that any format stores
  const auto& rows = Rows();
  const auto& sets = Sets();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!present.Contains(sets[i].must) || present.Meets(sets[i].must_not)) continue;
    if (!rows[i].any.empty() && !present.Meets(sets[i].any)) continue;
    if (rows[i].test == nullptr || rows[i].test(module)) return static_cast<int>(i);
  }
  return -1;
}

bool IsGptq(int format) {
  return format >= 0 && static_cast<size_t>(format) < Rows().size() &&
         Rows()[static_cast<size_t>(format)].family == "gptq";
}

}  // namespace gptq_doctor

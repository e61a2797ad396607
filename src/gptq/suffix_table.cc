#include "gptq/suffix_table.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace gptq_doctor {
namespace {

// One name a component; the writers are those of the rows in format_rows.cc that ask for it.
constexpr std::string_view kSuffixes[] = {
    // KnownSuffix, in its order. `zeros` is that of GPTQ-for-LLaMa before 2023-03-20 and of BitBLAS.
    "qweight",
    "qzeros",
    "scales",
    "g_idx",
    "bias",
    "weight",
    "zeros",
    // Marlin, GPTQ-Marlin-24, QQQ.
    "B",
    "s",
    "B_24",
    "B_meta",
    "s_channel",
    "s_group",
    "workspace",
    // AWQ variants, ParoQuant, FP-Quant, EETQ.
    "scaled_zeros",
    "theta",
    "pairs",
    "channel_scales",
    "forward_hadamard_matrix",
    "backward_hadamard_matrix",
    "weight_global_scale",
    "act_global_scale",
    "weight_scales",
    "qscale",
    // compressed-tensors, ModelOpt, FP8.
    "weight_packed",
    "weight_scale",
    "weight_shape",
    "weight_zero_point",
    "weight_g_idx",
    "scale_packed",
    "meta",
    "input_scale",
    "input_zero_point",
    "input_global_scale",
    "output_scale",
    "weight_scale_2",
    "weight_scale_inv",
    "pre_quant_scale",
    "k_scale",
    "v_scale",
    "bitmask",
    "compressed",
    "row_offsets",
    "shape",
    // bitsandbytes, and GPTQModel's spelling of it with underscores.
    "weight.absmax",
    "weight.quant_map",
    "weight.nested_absmax",
    "weight.nested_quant_map",
    "weight.nested_quant_state",
    "weight.quant_state",
    "weight.quant_state.bitsandbytes__nf4",
    "weight.quant_state.bitsandbytes__fp4",
    "SCB",
    "weight_format",
    "weight_absmax",
    "weight_quant_map",
    "weight_quant_state",
    "weight_nested_absmax",
    "weight_nested_quant_map",
    "weight_scb",
    // HQQ.
    "W_q",
    "scale",
    "zero",
    "nbits",
    "group_size",
    "axis",
    "channel_wise",
    "optimize",
    "round_zero",
    "packing",
    "view_as_float",
    "unpack_view_dtype",
    "compute_dtype",
    "quant_scale",
    "quant_zero",
    "stores_quant_config",
    "offload_meta",
    "encoded_state_dict",
    // Quanto, torchao.
    "weight._data",
    "weight._scale",
    "weight._shift",
    "_weight_qdata",
    "_weight_scale",
    "_weight_zero_point",
    // AQLM, QuIP#, VPTQ, SpQR.
    "codes",
    "codebooks",
    "Qidxs",
    "SU",
    "SV",
    "Wscale",
    "codebook_id",
    "indices",
    "res_indices",
    "outlier_indices",
    "centroids.weight",
    "res_centroids.weight",
    "outlier_centroids.weight",
    "perm",
    "weight_bias",
    "dense_weights",
    "col_vals",
    "in_perm",
    // EXL2, EXL3.
    "q_weight",
    "q_scale",
    "q_scale_max",
    "q_groups",
    "q_group_map",
    "q_invperm",
    "q_perm",
    "trellis",
    "suh",
    "svh",
    "su",
    "sv",
    "mcg",
    "mul1",
    // MLX, MXFP4 of gpt-oss.
    "biases",
    "gate_up_proj_blocks",
    "gate_up_proj_scales",
    "gate_up_proj_bias",
    "down_proj_blocks",
    "down_proj_scales",
    "down_proj_bias",
};
constexpr size_t kCount = std::size(kSuffixes);
constexpr size_t kSlots = 512;
constexpr uint8_t kNone = 0xFF;
static_assert(kCount < kNone);  // format_table.cc keeps sets of them in 256 bits

constexpr size_t SlotOf(std::string_view word) {
  const auto first = static_cast<unsigned char>(word.front());
  const auto last = static_cast<unsigned char>(word.back());
  const auto middle = static_cast<unsigned char>(word[word.size() / 2]);
  return (word.size() * 131 + first * 31u + last * 7u + middle * 61u) % kSlots;
}

constexpr std::array<uint8_t, kSlots> BuildSlots() {
  std::array<uint8_t, kSlots> slots{};
  slots.fill(kNone);
  for (size_t i = 0; i < kCount; ++i) {
    size_t slot = SlotOf(kSuffixes[i]);
    while (slots[slot] != kNone) slot = (slot + 1) % kSlots;
    slots[slot] = static_cast<uint8_t>(i);
  }
  return slots;
}
constexpr std::array<uint8_t, kSlots> kSlotTable = BuildSlots();

std::optional<SuffixId> Lookup(std::string_view word) {
  if (word.empty()) return std::nullopt;
  for (size_t slot = SlotOf(word); kSlotTable[slot] != kNone; slot = (slot + 1) % kSlots) {
    if (kSuffixes[kSlotTable[slot]] == word) return kSlotTable[slot];
  }
  return std::nullopt;
}

// True where the last part may be the end of a compound suffix.
bool MayBeCompound(std::string_view part) {
  return part == "weight" || part.ends_with("absmax") || part.ends_with("quant_map") || part.ends_with("quant_state") ||
         part.starts_with("bitsandbytes__") || (part.size() >= 5 && part.front() == '_');
}

}  // namespace

std::span<const std::string_view> SuffixTable() { return kSuffixes; }
SuffixId FirstUnknownSuffix() { return static_cast<SuffixId>(kCount); }

std::optional<SuffixMatch> MatchSuffix(std::string_view name) {
  const size_t dot = name.rfind('.');
  size_t begin = dot == std::string_view::npos ? 0 : dot + 1;
  std::optional<SuffixMatch> match;
  if (const auto id = Lookup(name.substr(begin))) match = SuffixMatch{.id = *id, .begin = begin};
  if (begin == 0 || !MayBeCompound(name.substr(begin))) return match;
  // The longest known suffix wins: up to three parts ("weight.quant_state.bitsandbytes__nf4").
  for (int part = 1; part < 3 && begin > 1; ++part) {
    const size_t before = name.rfind('.', begin - 2);
    begin = before == std::string_view::npos ? 0 : before + 1;
    if (const auto id = Lookup(name.substr(begin))) match = SuffixMatch{.id = *id, .begin = begin};
  }
  return match;
}

}  // namespace gptq_doctor

#include "dequant/module_slab.h"

#include <algorithm>

namespace gptq_doctor {
namespace {

Error Refuse(const ModuleLayout& layout, const std::string& why) {
  return Error{ErrorKind::kRefused, "", layout.stem + " cannot be read: " + why};
}

// The rows of a row-major tensor cut to a range of its bytes per row.
struct RowCut {
  const TensorRecord* tensor;
  uint64_t rows, row_bytes, cut_begin, cut_bytes;
  std::vector<char>* into;
};

// One request where rows are whole, one a row otherwise.
void AddRequests(const Examination& exam, const RowCut& cut, std::vector<ReadRequest>& requests) {
  cut.into->resize(cut.rows * cut.cut_bytes);
  const std::string_view file = exam.tensors.shard_of(*cut.tensor).file;
  const uint64_t at = exam.tensors.file_offset(*cut.tensor);
  if (cut.cut_bytes == cut.row_bytes) {
    requests.push_back({file, at, std::span(*cut.into)});
    return;
  }
  for (uint64_t row = 0; row < cut.rows; ++row) {
    requests.push_back({file, at + row * cut.row_bytes + cut.cut_begin,
                        std::span(*cut.into).subspan(row * cut.cut_bytes, cut.cut_bytes)});
  }
}

Status Fetch(const Examination& exam, const ModuleLayout& layout, std::span<const ReadRequest> requests) {
  std::vector<ReadOutcome> outcomes(requests.size());
  exam.source->ReadMany(requests, outcomes);
  for (size_t i = 0; i < requests.size(); ++i) {
    const bool gone = outcomes[i].error && outcomes[i].error->kind == ErrorKind::kNotFound;
    if (outcomes[i].error && !gone) return *outcomes[i].error;
    if (gone || outcomes[i].bytes != requests[i].into.size()) {
      return Error{ErrorKind::kChanged, std::string(requests[i].file),
                   "the file ends inside " + layout.stem + "; it became shorter or vanished while it was read"};
    }
    const auto& shards = exam.tensors.shards;
    const auto shard = std::find_if(shards.begin(), shards.end(),
                                    [&](const ShardHeader& header) { return header.file == requests[i].file; });
    if (shard != shards.end() && !(shard->identity == outcomes[i].identity)) {
      return Error{ErrorKind::kChanged, std::string(requests[i].file),
                   "the file changed after its header was read; run again when nothing writes to it"};
    }
  }
  return Ok();
}

uint64_t RowBytes(const TensorRecord& tensor) {
  return tensor.rank == 0 || tensor.dims()[0] == 0 ? 0 : tensor.bytes() / tensor.dims()[0];
}

Status FillLayout(const Examination& exam, ModuleLayout& out) {
  const Module& module = exam.inventory.modules[out.module];
  const ClassFacts& facts = exam.quant.classes[module.class_id];
  if (!facts.gptq) return Refuse(out, "it is not a GPTQ module");
  if (!facts.contradiction.empty()) return Refuse(out, facts.contradiction);
  if (facts.floor_truncated) return Refuse(out, "channels past the last whole word were not stored by its packer");
  if (!facts.bits || facts.in_features <= 0) return Refuse(out, "its bits cannot be told from its tensors");
  const auto find = [&](SuffixId suffix) { return exam.inventory.Find(exam.tensors, module, suffix); };
  out.qweight = find(kQweight);
  out.qzeros = find(facts.float_zeros ? kZeros : kQzeros);
  out.scales = find(kScales);
  out.g_idx = find(kGIdx);
  out.bias = find(kBias);
  if (out.qweight == nullptr || out.qzeros == nullptr || out.scales == nullptr) {
    return Refuse(out, std::string(out.qweight == nullptr  ? "qweight"
                                   : out.qzeros == nullptr ? (facts.float_zeros ? "zeros" : "qzeros")
                                                           : "scales") +
                           " is missing");
  }
  PackedModule& packed = out.packed;
  const ZeroReading zeros = ZeroReadingOf(exam.quant, facts);
  packed.bits = *facts.bits;
  packed.pack_bits = facts.pack_bits;
  packed.layout = *facts.bits == 3 || *facts.bits > 4 ? exam.quant.layout : CodeLayout::kContinuous;
  if (*facts.bits == 8) packed.layout = CodeLayout::kContinuous;
  packed.zero_rule = zeros.rule;
  packed.base_bits = zeros.base_bits;
  packed.in_features = facts.in_features;
  packed.out_features = facts.out_features;
  packed.groups = facts.groups;
  packed.group_size = facts.groups <= 1 ? -1 : facts.group_size.value_or(-1);
  packed.scales_dtype = out.scales->dtype;
  out.zero_rule_assumed = zeros.assumed;
  if (out.g_idx == nullptr && facts.groups > 1 && !facts.group_size) {
    return Refuse(out, "it has no g_idx and its group_size cannot be told");
  }
  // All zero with several groups: exllama-type readers and the format's intent take it as absent (ExLlamaV2 ext.py, TGI
  // layers/gptq/exllama.py).
  const ModuleData* data = exam.quant.DataOf(out.module);
  if (data != nullptr && data->g_idx == GIdxKind::kAllZero && facts.groups > 1 && facts.group_size) out.g_idx = nullptr;
  return Ok();
}

}  // namespace

ZeroReading ZeroReadingOf(const InferredQuant& quant, const ClassFacts& facts) {
  ZeroReading out;
  if (facts.float_zeros) {
    out.rule = ZeroRule::kFloat;
    return out;
  }
  if (quant.broken_3bit_zeros && facts.bits == 3) {
    out.rule = ZeroRule::kBroken3Bit;
    return out;
  }
  if (quant.shifted_base_bits != 0) {
    out.rule = ZeroRule::kShiftedBase;
    out.base_bits = quant.shifted_base_bits;
    return out;
  }
  switch (quant.zero_format) {
    case ZeroFormat::kV1:
      out.rule = ZeroRule::kPlusOne;
      break;
    case ZeroFormat::kV2:
    case ZeroFormat::kPlanar:
      out.rule = ZeroRule::kStored;
      break;
    case ZeroFormat::kUnknown:
      out.assumed = true;
      out.rule = quant.base.checkpoint_format == "gptq_v2" || quant.base.checkpoint_format == "gptq_p"
                     ? ZeroRule::kStored
                     : ZeroRule::kPlusOne;
      break;
  }
  return out;
}

Result<ModuleLayout> LayoutOf(const Examination& exam, uint32_t module) {
  ModuleLayout out;
  out.module = module;
  out.stem = std::string(exam.inventory.modules[module].stem);
  if (Status filled = FillLayout(exam, out); !filled) return filled.error();
  return out;
}

Result<ModuleSlab> ReadSlab(const Examination& exam, const ModuleLayout& layout, int64_t first, int64_t count) {
  const PackedModule& whole = layout.packed;
  assert(first % 64 == 0 && first >= 0 && count > 0 && first + count <= whole.out_features);
  ModuleSlab slab;
  slab.first = first;
  slab.count = count;
  const auto word = static_cast<uint64_t>(whole.pack_bits) / 8;
  const auto from = static_cast<uint64_t>(first), take = static_cast<uint64_t>(count);
  const bool all = count == whole.out_features;
  const bool float_zeros = whole.zero_rule == ZeroRule::kFloat;
  const auto cut = [&](const TensorRecord* tensor, uint64_t begin, uint64_t bytes, std::vector<char>* into) {
    const uint64_t row_bytes = RowBytes(*tensor);
    const uint64_t rows = tensor->rank == 0 ? 0 : tensor->dims()[0];
    return all || begin + bytes > row_bytes ? RowCut{tensor, rows, row_bytes, 0, row_bytes, into}
                                            : RowCut{tensor, rows, row_bytes, begin, bytes, into};
  };
  const auto zero_words = [&](int64_t n) { return static_cast<uint64_t>(PackedWords(n, whole.bits, whole.pack_bits)); };
  const uint64_t scale = static_cast<uint64_t>(BitsOf(layout.scales->dtype)) / 8;
  std::vector<ReadRequest> requests;
  AddRequests(exam, cut(layout.qweight, from * word, take * word, &slab.qweight), requests);
  AddRequests(exam, cut(layout.scales, from * scale, take * scale, &slab.scales), requests);
  AddRequests(exam,
              float_zeros ? cut(layout.qzeros, from * 4, take * 4, &slab.qzeros)
                          : cut(layout.qzeros, zero_words(first) * word, zero_words(count) * word, &slab.qzeros),
              requests);
  if (layout.g_idx != nullptr) {
    slab.g_idx.resize(layout.g_idx->bytes());
    requests.push_back(
        {exam.tensors.shard_of(*layout.g_idx).file, exam.tensors.file_offset(*layout.g_idx), std::span(slab.g_idx)});
  }
  if (Status fetched = Fetch(exam, layout, requests); !fetched) return fetched.error();
  slab.packed = whole;
  slab.packed.out_features = count;
  slab.packed.qweight = slab.qweight;
  slab.packed.qzeros = slab.qzeros;
  slab.packed.scales = slab.scales;
  slab.packed.g_idx = slab.g_idx;
  if (Status sound = CheckModule(slab.packed); !sound) return Refuse(layout, sound.error().message);
  return slab;
}

int64_t SlabColumns(const ModuleLayout& layout, uint64_t budget) {
  const int64_t columns = layout.packed.out_features;
  const uint64_t bytes = layout.PackedBytes();
  if (bytes <= budget) return columns;
  const uint64_t per_column = std::max<uint64_t>(1, bytes / static_cast<uint64_t>(columns));
  return std::clamp<int64_t>(static_cast<int64_t>(budget / per_column) / 64 * 64, 64, columns);
}

}  // namespace gptq_doctor

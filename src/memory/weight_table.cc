#include "memory/weight_table.h"

#include <algorithm>
#include <utility>

#include "memory/arith.h"
#include "model/family_biases.h"
#include "model/sizes.h"

namespace gptq_doctor {
namespace {

int64_t ElementsOf(const TensorRecord& tensor) {
  int64_t count = 1;
  for (const uint64_t dim : tensor.dims()) count = Times({count, ClampToInt64(dim)});
  return count;
}

int64_t Dim(const TensorRecord& tensor, size_t i) {
  return i < tensor.dims().size() ? ClampToInt64(tensor.dims()[i]) : 1;
}

// How the codes of other formats lie: the component that holds them and how many weights one of its elements stands
// for. `in_first`: rows run along in_features. `factor_axis`: 0 rows, 1 columns are packed, -1: the shape is lost.
struct CodeRow {
  std::string_view variant, component;
  int64_t factor;
  bool in_first;
  int factor_axis;
  int bits;
};
// Shapes from the fingerprints of gptq/format_rows.cc and the sources named there.
constexpr CodeRow kCodeTable[] = {
    {"awq-gemm", "qweight", 8, true, 1, 4},
    {"awq-gemv", "qweight", 8, false, 1, 4},
    {"awq-gemv-fast", "qweight", 4, false, 0, 4},
    {"llm-awq", "qweight", 4, false, 0, 4},
    {"eetq", "weight", 1, true, 0, 8},
    {"eetq-qweight", "qweight", 1, true, 0, 8},
    {"fp8-block", "weight", 1, false, 0, 8},
    {"fp8", "weight", 1, false, 0, 8},
    {"ct-int-quantized", "weight", 1, false, 0, 8},
    {"bnb-int8", "weight", 1, false, 0, 8},
    {"bnb-nf4", "weight", 2, false, -1, 4},
    {"bnb-fp4", "weight", 2, false, -1, 4},
    {"ct-nvfp4", "weight_packed", 2, false, 1, 4},
    {"ct-mxfp4", "weight_packed", 2, false, 1, 4},
    {"modelopt-nvfp4", "weight", 2, false, 1, 4},
    {"mxfp4", "gate_up_proj_blocks", 2, false, -1, 4},
    {"mxfp4-down", "down_proj_blocks", 2, false, -1, 4},
    // Marlin permutes 4-bit codes into tiles; 2:4 sparse ones keep half of the weights.
    {"marlin", "B", 8, true, -1, 4},
    {"gptq-marlin-24", "B_24", 16, true, -1, 4},
    // Words of 32 bits whose bits only config.json tells.
    {"ct-pack-quantized", "weight_packed", 0, false, 1, 0},
    {"mlx-affine", "weight", 0, false, 1, 0},
};

class Reader {
 public:
  explicit Reader(const WeightSource& source) : source_(source) {}

  WeightTable Run() {
    for (uint32_t id = 0; id < source_.inventory.classes.size(); ++id) table_.classes.push_back(ReadClass(id));
    for (const ShardHeader& shard : source_.tensors.shards) {
      const int64_t size = std::max<int64_t>(shard.identity.size, 0);
      table_.read_bytes = SaturatingAdd(table_.read_bytes, size);
      table_.largest_file = std::max(table_.largest_file, size);
    }
    for (const ShardHeader& shard : source_.tensors.shards) table_.missing_files += !shard.readable;
    for (const Defect& defect : source_.tensors.defects)
      table_.missing_files += defect.kind == DefectKind::kShardMissing;
    Explain();
    return std::move(table_);
  }

 private:
  WeightClass ReadClass(uint32_t id) {
    const ModuleClass& from = source_.inventory.classes[id];
    const Module& module = source_.inventory.modules[from.representative];
    WeightClass c{.pattern = from.pattern, .role = WeightRoleOf(from.pattern), .count = from.count};
    for (const Component& component : source_.inventory.components(module)) {
      c.stored = SaturatingAdd(c.stored, ClampToInt64(source_.tensors.at(component.tensor).bytes()));
    }
    if (from.format < 0) {
      ReadDense(module, c);
    } else {
      ReadQuantized(id, module, c);
    }
    const bool matrix = c.in_features >= 32 && c.out_features >= 32;
    const bool layer = c.role == WeightRole::kLinear || c.role == WeightRole::kExpert;
    c.linear = layer && (c.quantized || matrix);
    if (layer && !c.linear) c.role = WeightRole::kOther;
    return c;
  }

  void ReadDense(const Module& module, WeightClass& c) {
    int64_t largest = 0;
    for (const Component& component : source_.inventory.components(module)) {
      const TensorRecord& tensor = source_.tensors.at(component.tensor);
      const int64_t elements = ElementsOf(tensor);
      const int64_t bytes = ClampToInt64(tensor.bytes());
      if (!IsFloat(tensor.dtype)) {
        c.other_bytes = SaturatingAdd(c.other_bytes, bytes);
        // Codes that no fingerprint knows: what they stand for cannot be told.
        const bool packed = tensor.rank >= 2 && c.role != WeightRole::kOther && tensor.dtype != Dtype::kBool;
        if (packed) c.elements.reset();
      } else if (tensor.rank >= 2) {
        if (c.elements) c.elements = SaturatingAdd(*c.elements, elements);
        if (elements > largest) TakeShape(tensor, c);
        largest = std::max(largest, elements);
        c.float_bytes = BitsOf(tensor.dtype) / 8;
      } else {
        c.vector_elements = SaturatingAdd(c.vector_elements, elements);
        if (largest == 0) c.float_bytes = BitsOf(tensor.dtype) / 8;
      }
    }
    c.bits = c.float_bytes * 8;
  }

  void TakeShape(const TensorRecord& tensor, WeightClass& c) {
    const size_t rank = tensor.dims().size();
    if (rank == 3 && c.role != WeightRole::kExpert) return;  // a convolution
    if (rank > 3) return;
    c.matrices = rank == 3 ? Dim(tensor, 0) : 1;
    c.out_features = Dim(tensor, rank - 2);
    c.in_features = Dim(tensor, rank - 1);
    // GPT-2's Conv1D keeps [in, out]; packed experts of transformers do too (modeling_llama4.py, modeling_gpt_oss.py).
    const bool in_first = rank == 3 || (source_.config.model_type == "gpt2" && c.role == WeightRole::kLinear);
    if (in_first) std::swap(c.in_features, c.out_features);
  }

  void ReadQuantized(uint32_t id, const Module& module, WeightClass& c) {
    const ModuleClass& from = source_.inventory.classes[id];
    c.quantized = true;
    c.format = FormatTable()[static_cast<size_t>(from.format)].variant;
    c.elements.reset();
    c.bits = 0;
    const bool facts = id < source_.quant.classes.size() && source_.quant.classes[id].gptq;
    if (facts) {
      const ClassFacts& known = source_.quant.classes[id];
      c.bits = known.bits.value_or(0);
      c.in_features = std::max<int64_t>(known.in_features, 0);
      c.out_features = std::max<int64_t>(known.out_features, 0);
      if (c.in_features > 0 && c.out_features > 0) c.elements = Times({c.in_features, c.out_features});
    } else {
      ReadCodes(module, c);
    }
    if (const TensorRecord* scales = source_.inventory.Find(source_.tensors, module, kScales);
        scales != nullptr && IsFloat(scales->dtype)) {
      c.float_bytes = BitsOf(scales->dtype) / 8;
    }
    ReadBias(id, module, c);
  }

  void ReadCodes(const Module& module, WeightClass& c) {
    for (const CodeRow& row : kCodeTable) {
      if (row.variant != c.format) continue;
      for (const Component& component : source_.inventory.components(module)) {
        if (source_.inventory.SuffixName(component.suffix) != row.component) continue;
        const TensorRecord& tensor = source_.tensors.at(component.tensor);
        const int64_t bits = row.bits > 0 ? row.bits : ConfigBits();
        const int64_t factor = row.factor > 0 || bits == 0 ? row.factor : 32 / bits;
        if (factor == 0) return;
        c.elements = Times({ElementsOf(tensor), factor});
        c.bits = static_cast<int>(bits);
        if (row.factor_axis < 0 || tensor.rank != 2) return;
        const int64_t rows = Times({Dim(tensor, 0), row.factor_axis == 0 ? factor : 1});
        const int64_t columns = Times({Dim(tensor, 1), row.factor_axis == 1 ? factor : 1});
        c.in_features = row.in_first ? rows : columns;
        c.out_features = row.in_first ? columns : rows;
        return;
      }
    }
  }

  // The one number of bits that compressed-tensors or MLX declare; 0 where there is none or several.
  int64_t ConfigBits() const {
    std::vector<const JsonValue*> sections;
    if (const JsonValue* mlx = source_.config.Find("quantization")) sections.push_back(mlx->Find("bits"));
    const JsonValue* declared = source_.config.Find("quantization_config");
    const JsonValue* groups = declared == nullptr ? nullptr : declared->Find("config_groups");
    if (groups != nullptr) {
      for (const JsonMember& group : groups->members) {
        const JsonValue* weights = group.value.Find("weights");
        if (weights != nullptr) sections.push_back(weights->Find("num_bits"));
      }
    }
    int64_t bits = 0;
    for (const JsonValue* value : sections) {
      const std::optional<int64_t> number = value == nullptr ? std::nullopt : value->AsInt();
      if (!number || (*number != 2 && *number != 4 && *number != 8) || (bits != 0 && bits != *number)) return 0;
      bits = *number;
    }
    return bits;
  }

  void ReadBias(uint32_t id, const Module& module, WeightClass& c) {
    const TensorRecord* bias = source_.inventory.Find(source_.tensors, module, kBias);
    if (bias == nullptr) return;
    std::optional<bool> real = LikelyBias(source_.config, c.pattern);
    if (!real && IsZeroBias(id)) real = false;
    if (real == false) {
      c.artefact_bytes = ClampToInt64(bias->bytes());
      artefacts_ = SaturatingAdd(artefacts_, Times({c.artefact_bytes, c.count}));
      return;
    }
    c.vector_elements = ElementsOf(*bias);
    unsure_ = unsure_ || !real;
  }

  // C-24 of the value checks: read, and all zero.
  bool IsZeroBias(uint32_t id) const {
    return std::any_of(source_.quant.value_defects.begin(), source_.quant.value_defects.end(),
                       [&](const ValueDefect& defect) {
                         return defect.catalogue == 24 && defect.module < source_.inventory.modules.size() &&
                                source_.inventory.modules[defect.module].class_id == id;
                       });
  }

  void Explain() {
    if (artefacts_ > 0) {
      table_.assumptions.push_back(
          "biases that this architecture lacks are stored (" + std::to_string(artefacts_) +
          " bytes, written by packers for every layer): they count as stored, not in dense sizes");
    }
    if (unsure_) {
      table_.assumptions.push_back("stored biases of layers whose architecture is not known count as real ones");
    }
    int64_t unknown = 0;
    std::string first;
    for (const WeightClass& c : table_.classes) {
      if (c.elements) continue;
      unknown += c.count;
      if (first.empty()) first = c.pattern;
    }
    if (unknown > 0) {
      table_.left_out.push_back("dense size of " + std::to_string(unknown) + " modules, as " + first +
                                ": their shapes do not tell it");
    }
    if (table_.missing_files > 0) {
      table_.left_out.push_back("weights of " + std::to_string(table_.missing_files) +
                                " files that are missing or cannot be read");
    } else if (table_.classes.empty()) {
      table_.left_out.push_back("weights: there is no weight file");
    }
  }

  const WeightSource& source_;
  WeightTable table_;
  int64_t artefacts_ = 0;
  bool unsure_ = false;
};

// A matrix stored as GPTQ with groups of 128, 16-bit scales and g_idx, which is what the common packers write.
int64_t GptqBytes(const WeightClass& c, int bits) {
  if (c.in_features > 0 && c.out_features > 0) {
    return Times({c.matrices, QuantizedBytes({.in_features = c.in_features,
                                              .out_features = c.out_features,
                                              .bits = bits,
                                              .group_size = 128,
                                              .g_idx = true,
                                              .bias = false})});
  }
  const int64_t codes = BitsToBytes(*c.elements, bits);
  return SaturatingAdd(codes, BitsToBytes(*c.elements / 128, 16 + bits));
}

int64_t FloatBytes(const WeightClass& c, int64_t width) {
  return SaturatingAdd(Times({SaturatingAdd(*c.elements, c.vector_elements), width}), c.other_bytes);
}

}  // namespace

WeightTable ReadWeights(const WeightSource& source) { return Reader(source).Run(); }

std::optional<int64_t> BytesAt(const WeightClass& c, Precision precision) {
  if (precision == Precision::kAsIs) return Times({c.count, c.stored});
  if (precision == Precision::kNone && !c.quantized) return Times({c.count, c.stored});
  if (!c.elements) return std::nullopt;
  switch (precision) {
    case Precision::kNone:
      return Times({c.count, FloatBytes(c, c.float_bytes)});
    case Precision::kFallback32:
      return Times({c.count, FloatBytes(c, 4)});
    case Precision::kInt8:
    case Precision::kInt4:
      if (c.linear) {
        const int64_t matrix = GptqBytes(c, precision == Precision::kInt8 ? 8 : 4);
        return Times({c.count, SaturatingAdd(matrix, SaturatingAdd(Times({c.vector_elements, 2}), c.other_bytes))});
      }
      [[fallthrough]];
    default:
      return Times({c.count, FloatBytes(c, 2)});
  }
}

}  // namespace gptq_doctor

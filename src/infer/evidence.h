#ifndef GPTQ_DOCTOR_INFER_EVIDENCE_H_
#define GPTQ_DOCTOR_INFER_EVIDENCE_H_

// What everything but the tensors' shapes and values says about the settings, with its source, and how such statements
// are weighed against a value: those that agree become facts, those that do not become dissent.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "infer/infer.h"

namespace gptq_doctor {

enum class Voice { kMetadata, kConfig, kName };  // falling trust: written with the tensors, beside them, around them

struct Declaration {
  Voice voice = Voice::kConfig;
  std::string source;  // "quantize_config.json", "__metadata__", "file name", "directory name", "tensor gptq_bits"
  Quantization settings;
  std::optional<std::string> damp_percent;  // as spelled
  std::string quantizer;                    // "gptqmodel:2.2.0"
  bool speaks_gptq = false;
};

// Most trusted first. Scalar tensors of TGI's quantizer are read from `source`; everything else is at hand.
std::vector<Declaration> CollectDeclarations(const InferInput& input, std::vector<Error>& errors);

// Settings that a file name or directory name holds: "gptq_model-4bit-128g.safetensors", "...-GPTQ-Int4".
Quantization SettingsInName(std::string_view name);
// True for "gptqmodel:V" with V below `version`; false where there is no such version.
bool QuantizerBelow(std::string_view quantizer, std::string_view version);

using Getter = std::function<Value(const Quantization&)>;
Value BitsIn(const Quantization& settings);
Value GroupSizeIn(const Quantization& settings);
Value SymIn(const Quantization& settings);
Value DescActIn(const Quantization& settings);
Value FormatIn(const Quantization& settings);
Value PackDtypeIn(const Quantization& settings);
Value LmHeadIn(const Quantization& settings);
Value StaticGroupsIn(const Quantization& settings);
std::string SpellSetting(const Value& value);

// Sorts every declaration of a value into facts or dissent of `evidence`. `same` decides; null: equality.
void Weigh(std::span<const Declaration> declarations, const Getter& get, Evidence& evidence,
           const std::function<bool(const Value&)>& same = nullptr);
// The most trusted declaration of a value by metadata or configs; null if none. Names are hints and never decide.
const Declaration* FirstWith(std::span<const Declaration> declarations, const Getter& get);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_EVIDENCE_H_

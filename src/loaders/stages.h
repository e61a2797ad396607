#ifndef GPTQ_DOCTOR_LOADERS_STAGES_H_
#define GPTQ_DOCTOR_LOADERS_STAGES_H_

// The steps that loaders have in common, each driven by the profile's row. A profile lists them in its loader's own
// order, between stages of its own. All return false once the outcome is decided.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/profile.h"
#include "loaders/python_value.h"
#include "loaders/walk.h"

namespace gptq_doctor {

// config.json as transformers' AutoConfig reads it: it must exist, be JSON and name a model_type.
bool StageModelConfig(Walk& walk);
// Stops at a config.json that is no JSON, in transformers' words.
bool RejectInvalidConfig(Walk& walk);
// config.json as json.load reads it; it need not name a model_type.
bool StageRawConfig(Walk& walk);
// Takes the quantization settings from the first place that has them; fills walk.declared.
bool StageConfig(Walk& walk);
// quant_method against the accepted names.
bool StageMethod(Walk& walk);
// bits, group_size and checkpoint_format against LimitFacts.
bool StageLimits(Walk& walk);
// Which weight files are read, and whether their headers are accepted.
bool StageFiles(Walk& walk);
// __metadata__ of their headers.
bool StageMetadata(Walk& walk);
// A plain model was decided on: tells the fallback and ends the walk.
bool StageFallback(Walk& walk);
// model_type against the loader's list, then what each module class becomes.
bool StageModelType(Walk& walk);
bool StageModules(Walk& walk);
// The first kernel that takes every quantized layer; reports speed.
bool StageKernel(Walk& walk);
// Plain layers without a weight in the files: what they keep; the outcome becomes garbage.
void CheckAbsent(Walk& walk, std::string_view keeps);
// Tensors that fit nothing, layers without tensors, shapes.
bool StageTensors(Walk& walk);
// What the kernel does with zero points and g_idx, and values that were read and found broken.
bool StageValues(Walk& walk);

// The dense build that ignores the quantized tensors; ends the walk.
bool FallBack(Walk& walk, std::string_view step, std::string why, std::string_view source, std::string message);

// ---- helpers that several stages share ----
// The settings object of one place, null where file or section is absent; `broken` is set for malformed JSON.
const JsonValue* FindSection(const ConfigSet& configs, const ConfigPlace& place, bool* file_exists, bool* broken);
// Fills walk.declared from an object by the profile's aliases and defaults.
void ReadDeclared(Walk& walk, const JsonValue& section, std::string_view file);
bool CheckRequired(Walk& walk, uint16_t required, std::string_view message);

// Missing shards of the index, by name.
std::vector<std::string> MissingShards(const Examination& exam);
bool CheckHeaders(Walk& walk);
// False at an index that no json.load gets past, or that gets past it and is no index.
bool CheckIndexText(Walk& walk);

struct Refusal {
  enum What {
    kNone,
    kBits,
    kGroupSize,
    kSym,
    kDescAct,
    kInFeatures,
    kInByGroup,
    kOutFeatures,
    kGpu,
    kDtype,
    kFormat
  } what = kNone;
  int64_t value = 0;
  const ClassDigest* at = nullptr;
};
// Why `row` cannot serve the layers built as quantized; kNone where it can. `only` restricts the test to one class.
Refusal TestKernel(const Walk& walk, const KernelRow& row, int only = -1);
std::string RefusalText(const Refusal& refusal, const KernelRow& row);

// Entries of modules_in_block_to_quantize, flattened; empty where absent or null.
std::vector<std::string_view> KeepList(const Declared& read);
// vLLM's reading of the list: an entry is any part of a module's name.
bool ListedAsPart(const std::vector<std::string_view>& keep, std::string_view stem);

// The bits and group_size this loader gives to a class, its `dynamic` applied where it reads it.
struct ClassSettings {
  int64_t bits = 0, group_size = 0;
  bool certain = true;  // false: members differ, or a pattern cannot be judged
};
ClassSettings SettingsOf(const Walk& walk, size_t class_index);

// First class (in tensor name order) whose stored shapes are not those of the declared bits and group_size.
struct ShapeClash {
  const ClassDigest* at = nullptr;
  bool bits = false;  // else the number of groups
  std::string leaf;   // "qweight", "qzeros"
  int64_t stored_rows = 0, stored_columns = 0, built_rows = 0, built_columns = 0;
};
std::optional<ShapeClash> FindShapeClash(const Walk& walk);
std::optional<ShapeClash> ClashOf(const Walk& walk, size_t class_index, int64_t bits, int64_t group_size);
int64_t GroupsFor(int64_t in_features, int64_t group_size);

// A few names of tensors for a message, in natural order.
std::string NameList(const Walk& walk, std::string_view suffix, bool gptq_only, int limit);
std::string Modules(int64_t count);  // "252 modules", "1 module"

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_STAGES_H_

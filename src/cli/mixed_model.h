#ifndef GPTQ_DOCTOR_CLI_MIXED_MODEL_H_
#define GPTQ_DOCTOR_CLI_MIXED_MODEL_H_

// `dequantize --mapping`: opens the file and the sources it uses, resolves every name, and tells what came of it.

#include <string>
#include <vector>

#include "cli/session.h"
#include "dequant/mapping.h"

namespace gptq_doctor {

class JsonWriter;

struct MixedModel {
  std::vector<ReadModel> read;
  std::vector<MappingModel> models;  // in the order of `read`
  ResolvedMapping resolved;
  std::string text;  // of the mapping file
};

// `model`: MODEL, may be empty. Errors: kUsage with line and column for the file, those of opening the models, and
// kRefused where a source is neither GPTQ nor dense, or is not whole.
Result<MixedModel> ReadMixedModel(Session& session, const std::string& mapping, const std::string& model,
                                  bool keep_zero_bias);

// Why nothing may be written; Ok where something may.
Status CheckResolved(const MixedModel& mixed, bool allow_missing);

// Tensors by source, missing components, mismatches: lines of text, and keys into an open object.
std::string MappingText(const MixedModel& mixed);
void PutMapping(JsonWriter& json, const MixedModel& mixed);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_MIXED_MODEL_H_

#ifndef GPTQ_DOCTOR_DEQUANT_MAPPING_H_
#define GPTQ_DOCTOR_DEQUANT_MAPPING_H_

// Which tensor of which model each name of a mixed-precision model is, by a mapping file. A rule with a tensor's exact
// name wins over globs, of globs the first. What no rule maps comes from the default source, else from MODEL; without
// either, every unmapped name is an error. Reads headers, and biases that may be artefacts.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dequant/dequantize.h"
#include "dequant/mapping_file.h"

namespace gptq_doctor {

struct MappingModel {
  std::string name;  // NAME of NAME_path; "MODEL" for the one that the command line names
  std::string path;
  const Examination* exam = nullptr;
};

struct MappingProblem {
  std::string name, source;
  std::string detail;  // one sentence
};

struct MappingTally {
  int64_t tensors = 0, modules = 0;  // modules: those of the tensors that are dequantized
};

struct ResolvedMapping {
  std::vector<Offers> offers;  // one a model; what the choices point into
  std::vector<Choice> choices;
  std::vector<MappingTally> tallies;       // one a model
  const Examination* companion = nullptr;  // gives config.json and the other files
  std::vector<std::string> unmapped;       // no rule, no base: an error
  // Stop the work unless the user allows them. Their names are then taken as if nothing mapped them, or left out.
  std::vector<MappingProblem> missing, mismatched;
  std::vector<std::string> dropped_biases, warnings;
};

// `models`: every source that is used, and MODEL where it is given. `defaults`: positions in it, in the order in which
// they are asked for what nothing maps: the default source, MODEL. The last one is the companion. Errors: those of
// reading.
Result<ResolvedMapping> ResolveMapping(const MappingFile& file, std::span<const MappingModel> models,
                                       std::span<const size_t> defaults, bool keep_zero_bias);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_MAPPING_H_

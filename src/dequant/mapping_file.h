#ifndef GPTQ_DOCTOR_DEQUANT_MAPPING_FILE_H_
#define GPTQ_DOCTOR_DEQUANT_MAPPING_FILE_H_

// The file of `dequantize --mapping`: which source each tensor of a mixed-precision model comes from. YAML:
//
//   model:
//     mixed_precision:
//       int4_path: "/path/to/gptq-model"       # NAME_path: a source called NAME
//       fp16_path: "../dense-model"            # relative to the file
//       default: "fp16"                        # for names that nothing maps; also as a source, default_path
//       weight_mapping:
//         "model.layers.0.mlp.*": "int4"       # a tensor's name or a glob, and the source's NAME
//
// Keys elsewhere in the file belong to other programs. Knows no model.

#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/result.h"

namespace gptq_doctor {

struct MappingPlace {
  int line = 0, column = 0;  // from 1
};

struct MappingFile {
  struct Source {
    std::string name, path;  // the path as it can be opened
    MappingPlace place;
    bool used = false;  // by a rule or as the default
  };
  struct Rule {
    std::string pattern, source;
    MappingPlace place;
  };
  std::vector<Source> sources;
  std::vector<Rule> rules;     // in the file's order
  std::string default_source;  // a source's name; empty: none
  std::vector<std::string> warnings;
};

// "line 3, column 7".
std::string ToString(MappingPlace place);
// Whether a rule's pattern is a glob, not one tensor's name.
bool IsGlob(std::string_view pattern);

// `directory` is the one that holds the file. Errors (kUsage) begin with the line and column. Aliases are refused where
// they would matter and nowhere expanded; nesting is bounded.
Result<MappingFile> ParseMapping(std::string_view text, const std::string& directory);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_MAPPING_FILE_H_

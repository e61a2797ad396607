#ifndef GPTQ_DOCTOR_INFER_EXAMINATION_H_
#define GPTQ_DOCTOR_INFER_EXAMINATION_H_

// Everything known about one model before it is judged: what loaders/, rules/, memory/ (through its own narrower
// input), repair/ and dequant/ look at. Plain data over a Source that outlives it.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "infer/infer.h"

namespace gptq_doctor {

struct Examination {
  Source* source = nullptr;
  ExamineOptions options;
  ModelDir dir;
  TensorIndex tensors;
  Inventory inventory;
  ConfigSet configs;
  InferredQuant quant;
  // Texts beside the weights that rules look into, by name; of a large tokenizer.json the beginning.
  std::map<std::string, std::string, std::less<>> side_files;
  std::vector<Error> errors;  // inputs that could not be read

  // The format with most quantized bytes: "gptq" whenever GPTQ modules exist; "dense" where none is quantized;
  // "unknown", "empty".
  std::string kind() const;
  bool IsQuantizedClass(uint32_t class_id) const { return inventory.classes[class_id].format >= 0; }
};

// Everything up to and including inference. The only way to make one.
Result<std::unique_ptr<Examination>> ReadExamination(Source& source, const ExamineOptions& options,
                                                     const ExamineContext& context);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_EXAMINATION_H_

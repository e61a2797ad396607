#ifndef GPTQ_DOCTOR_DEQUANT_PRODUCERS_H_
#define GPTQ_DOCTOR_DEQUANT_PRODUCERS_H_

// Makers of output tensors: a copy of a source tensor, a dequantized module, a copied file. Each holds a pointer to the
// Examination, which must outlive it.

#include <string>

#include "dequant/model_writer.h"
#include "dequant/module_slab.h"
#include "dequant/read_range.h"

namespace gptq_doctor {

// Byte for byte.
OutTensor CopyTensor(const Examination& exam, const TensorRecord& tensor, std::string name);
// `orientation`: nn.Linear keeps [out_features, in_features], transformers' Conv1D (GPT-2 family) [in_features,
// out_features].
enum class Orientation { kOutIn, kInOut };
OutTensor DequantizedWeight(const Examination& exam, const ModuleLayout& layout, std::string name, Dtype dtype,
                            Orientation orientation);
// A whole file of the model directory, streamed.
OutFile CopyFile(const Examination& exam, const FileEntry& entry);

// True where every byte of the tensor is zero. Reads it.
Result<bool> IsAllZero(const Examination& exam, const TensorRecord& tensor);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_PRODUCERS_H_

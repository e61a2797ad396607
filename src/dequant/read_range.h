#ifndef GPTQ_DOCTOR_DEQUANT_READ_RANGE_H_
#define GPTQ_DOCTOR_DEQUANT_READ_RANGE_H_

// Reads all bytes of a range or fails: kIo and kPermission as the source gives them, kChanged where the file became
// shorter or is not the one whose header was read.

#include <span>
#include <string>

#include "infer/examination.h"

namespace gptq_doctor {

Status ReadRange(const Examination& exam, const std::string& file, uint64_t offset, std::span<char> into,
                 const FileIdentity& identity);
// From byte `offset` of the tensor on.
Status ReadTensor(const Examination& exam, const TensorRecord& tensor, uint64_t offset, std::span<char> into);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_READ_RANGE_H_

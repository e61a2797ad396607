#ifndef GPTQ_DOCTOR_INFER_UNREAD_H_
#define GPTQ_DOCTOR_INFER_UNREAD_H_

// What an examination that is not complete must not be asked: nothing follows from what an unread file seems to lack.

#include <initializer_list>

#include "infer/examination.h"

namespace gptq_doctor {

// Whether a file of one of these roles, or a part of the directory, could not be read or changed meanwhile.
bool IsUnread(const Examination& exam, std::initializer_list<FileRole> roles);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_UNREAD_H_

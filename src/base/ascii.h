#ifndef GPTQ_DOCTOR_BASE_ASCII_H_
#define GPTQ_DOCTOR_BASE_ASCII_H_

// Classes of ASCII characters, without the locale.

namespace gptq_doctor {

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_ASCII_H_

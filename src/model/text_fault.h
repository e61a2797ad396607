#ifndef GPTQ_DOCTOR_MODEL_TEXT_FAULT_H_
#define GPTQ_DOCTOR_MODEL_TEXT_FAULT_H_

// In what way a text is not the JSON that is wanted: readers differ in what they take all the same.

#include <cstdint>

namespace gptq_doctor {

enum class TextFault : uint8_t {
  kNone,
  kSyntax,
  kUtf8,           // bytes that are no UTF-8
  kHalfSurrogate,  // \ud800 alone: Python's json takes it
  kNonFinite,      // NaN, Infinity, -Infinity: Python's json takes them
  kNumberRange,    // beyond a double: infinite to Python's json
  kDepth,          // JSON, nested deeper than is read here
  kNoObject,       // not an object: JSON where it is another value
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_TEXT_FAULT_H_

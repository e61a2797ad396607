#ifndef GPTQ_DOCTOR_LOADERS_PYTHON_VALUE_H_
#define GPTQ_DOCTOR_LOADERS_PYTHON_VALUE_H_

// JSON values as the loaders' Python sees them: types, truth, numbers, and what a message prints of them.

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace gptq_doctor {

// "NoneType", "bool", "int", "float", "str", "list", "dict".
std::string_view PythonType(const JsonValue& value);
// The number that Python compares equal to the value: of numbers and booleans (true is 1), else nothing.
std::optional<double> PythonNumber(const JsonValue& value);
// The same, and of strings of digits.
std::optional<double> DigitsOrNumber(const JsonValue& value);
bool Truthy(const JsonValue& value);
// As f"{value}" prints it; of lists and objects the first eight.
std::string PythonRepr(const JsonValue& value);
// repr() of an object, cut where it gets long; "{}" for null.
std::string PythonDict(const JsonValue* object);
// What json.load raises for a text that is no JSON.
std::string PythonJsonError(std::string_view text);
// The last member of that name, or (with `fold_case`) the last whose lower-cased name it is; null where absent.
const JsonValue* FindKey(const JsonValue& section, std::string_view key, bool fold_case);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_PYTHON_VALUE_H_

// What --assume takes.

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "repair/settled_settings.h"

namespace gptq_doctor {
namespace {

enum class KeyType { kInteger, kBool, kFormat, kPackDtype, kFraction };
struct AssumableKey {
  std::string_view key;
  KeyType type;
};
// Keys of `Quantization` first; the others pass through as they are spelled.
constexpr std::array kAssumable = {
    AssumableKey{"bits", KeyType::kInteger},
    AssumableKey{"group_size", KeyType::kInteger},
    AssumableKey{"sym", KeyType::kBool},
    AssumableKey{"desc_act", KeyType::kBool},
    AssumableKey{"checkpoint_format", KeyType::kFormat},
    AssumableKey{"pack_dtype", KeyType::kPackDtype},
    AssumableKey{"lm_head", KeyType::kBool},
    AssumableKey{"static_groups", KeyType::kBool},
    AssumableKey{"true_sequential", KeyType::kBool},
    AssumableKey{"damp_percent", KeyType::kFraction},
};

bool IsOneOf(std::string_view value, std::initializer_list<std::string_view> allowed) {
  return std::find(allowed.begin(), allowed.end(), value) != allowed.end();
}

// What a value must look like; empty where it is right.
std::string TypeProblem(KeyType type, std::string_view value) {
  switch (type) {
    case KeyType::kInteger: {
      int64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      return error == std::errc() && end == value.data() + value.size() ? "" : "an integer";
    }
    case KeyType::kBool:
      return IsOneOf(value, {"true", "false"}) ? "" : "true or false";
    case KeyType::kFormat:
      return IsOneOf(value, {"gptq", "gptq_v2", "gptq_p"}) ? "" : "gptq, gptq_v2 or gptq_p";
    case KeyType::kPackDtype:
      return IsOneOf(value, {"int8", "int16", "int32", "int64"}) ? "" : "int8, int16, int32 or int64";
    case KeyType::kFraction:
      return IsFraction(value) ? "" : "a number between 0 and 1";
  }
  return "";
}

}  // namespace

bool IsFraction(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::general);
  const bool json = !text.empty() && text.front() >= '0' && text.front() <= '9' && text.back() != '.';
  return json && error == std::errc() && end == text.data() + text.size() && value > 0 && value < 1;
}

Result<Assumption> ParseAssumption(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return Error{ErrorKind::kUsage, "", "--assume takes KEY=VALUE, not '" + EscapeTerminal(text) + "'"};
  }
  const std::string_view key = text.substr(0, equals), value = text.substr(equals + 1);
  std::vector<std::string_view> names;
  for (const AssumableKey& row : kAssumable) {
    names.push_back(row.key);
    if (row.key != key) continue;
    const std::string problem = TypeProblem(row.type, value);
    if (problem.empty()) return Assumption{std::string(key), std::string(value)};
    return Error{ErrorKind::kUsage, "",
                 "--assume " + std::string(key) + " takes " + problem + ", not '" + EscapeTerminal(value) + "'"};
  }
  const std::string nearest = Nearest(key, names);
  std::string all;
  for (std::string_view name : names) all += (all.empty() ? "" : ", ") + std::string(name);
  return Error{ErrorKind::kUsage, "",
               "--assume knows no key '" + EscapeTerminal(key) + "'" +
                   (nearest.empty() ? "" : "; did you mean " + nearest + "?") + " It takes " + all};
}

}  // namespace gptq_doctor

#include "cli/number_options.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

namespace gptq_doctor {
namespace {

// What follows the digits that `text` begins with; null where there are none, or more than 64 bits hold.
const char* EndOfNumber(const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? end : nullptr;
}

}  // namespace

CLI::Validator NumberIn(double low, double high) {
  const CLI::Range range(low, high);
  return CLI::Validator(
      [range](std::string& text) {
        double number = 0;
        const bool nan = CLI::detail::lexical_cast(text, number) && std::isnan(number);
        return nan ? "'" + text + "' is no number" : range(text);
      },
      range.get_description());
}

CLI::Validator WholeNumber() {
  return CLI::Validator(
      [](std::string& text) {
        return EndOfNumber(text) == text.data() + text.size() ? std::string()
                                                              : "'" + text + "' is no whole number from 0 to 2^64 - 1";
      },
      "");
}

void TakeSize(CLI::Option* option) {
  option->transform(CLI::AsSizeValue(true));
  option->transform(CLI::Validator(  // the last one is the first to be asked
      [](std::string& text) {
        return EndOfNumber(text) != nullptr ? std::string()
                                            : "'" + text + "' is no size; write it as 500MB, 5GB or 5GiB";
      },
      ""));
}

}  // namespace gptq_doctor

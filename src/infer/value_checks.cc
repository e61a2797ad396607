#include "infer/value_checks.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace gptq_doctor {
namespace {

constexpr size_t kEnoughCodes = 8192;
constexpr size_t kEnoughWords = 64;

std::string Count(int64_t number, const char* one, const char* many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

bool CodesLookRandom(std::span<const uint8_t> codes, int bits) {
  std::array<uint64_t, 256> histogram{};
  for (uint8_t code : codes) ++histogram[code];
  return LooksRandom(histogram, bits);
}

}  // namespace

// Within 8 standard deviations of the chi-square that independent random numbers would show. Quantized weights are
// bell-shaped and miss it by orders of magnitude.
bool LooksRandom(std::span<const uint64_t> histogram, int bits) {
  const size_t values = size_t{1} << bits;
  uint64_t count = 0;
  for (size_t code = 0; code < values; ++code) count += histogram[code];
  if (count < kEnoughCodes) return false;
  const double bins = static_cast<double>(values), expected = static_cast<double>(count) / bins;
  double chi = 0;
  for (size_t code = 0; code < values; ++code) {
    const double off = static_cast<double>(histogram[code]) - expected;
    chi += off * off / expected;
  }
  return chi < bins - 1 + 8 * std::sqrt(2 * (bins - 1));
}

void CheckWindow(const ModuleWindow& m, std::vector<ValueDefect>& defects) {
  const auto add = [&](int catalogue, const char* variant, std::string detail, int64_t affected) {
    defects.push_back({.catalogue = catalogue,
                       .variant = variant,
                       .module = m.module,
                       .detail = std::move(detail),
                       .affected = affected});
  };
  const ScaleReport& s = m.scales;
  const std::string of_read = " of " + std::to_string(s.read) + " scales read";
  if (s.not_finite > 0) add(4, "", std::to_string(s.not_finite) + of_read + " are NaN or infinite", s.not_finite);
  if (s.read > 0 && s.zero == s.read) {
    add(20, "scales", "all " + std::to_string(s.read) + " scales read are 0", s.zero);
  } else if (s.zero_in_use > 0) {
    add(5, "", Count(s.zero_in_use, "scale of 0 stands", "scales of 0 stand") + " for groups of different codes",
        s.zero_in_use);
  }
  if (s.overflow > 0)
    add(6, "", std::to_string(s.overflow) + of_read + " give weights beyond 65504, the largest F16", s.overflow);
  const std::vector<uint8_t>& codes = m.window.codes;
  if (m.constant_words && codes.size() * static_cast<size_t>(m.window.bits) / 32 >= kEnoughWords) {
    add(18, m.zero_words ? "zero" : "constant",
        m.zero_words ? "every word of qweight that was read is 0" : "every word of qweight that was read is the same",
        static_cast<int64_t>(codes.size()));
  } else if (CodesLookRandom(codes, m.window.bits) &&
             (m.planar_codes.empty() || CodesLookRandom(m.planar_codes, m.window.bits))) {
    add(19, "", "the codes of " + std::to_string(codes.size()) + " weights are as even as random bits",
        static_cast<int64_t>(codes.size()));
  }
}

void CheckReport(const ModuleReport& r, std::vector<ValueDefect>& defects) {
  const auto add = [&](int catalogue, const char* variant, std::string detail, int64_t affected) {
    defects.push_back({.catalogue = catalogue,
                       .variant = variant,
                       .module = r.module,
                       .detail = std::move(detail),
                       .affected = affected});
  };
  const GIdxReport& g = r.g_idx;
  if (g.kind == GIdxKind::kInvalid) {
    add(8, "", Count(g.out_of_range, "entry of g_idx names", "entries of g_idx name") + " a group that does not exist",
        g.out_of_range);
  } else if (g.kind == GIdxKind::kAllZero) {
    add(11, "", "g_idx is all zero although there are several groups", 0);
  } else if (!g.padded) {
    if (g.empty_groups > 0) {
      add(9, "", Count(g.empty_groups, "group is", "groups are") + " named by no entry of g_idx", g.empty_groups);
    } else if (g.uneven_groups > 0) {
      add(10, "",
          Count(g.uneven_groups, "group has", "groups have") + " another size than the common " +
              std::to_string(g.group_size.value_or(0)),
          g.uneven_groups);
    }
  }
  if (r.zeros.all_zero && r.zeros.fields >= 32)
    add(20, "qzeros", "every word of qzeros that was read is 0", r.zeros.fields);
}

void CheckDtypes(const TensorIndex& tensors, const Inventory& inventory, std::span<const ClassFacts> classes,
                 std::vector<ValueDefect>& defects) {
  for (size_t c = 0; c < classes.size(); ++c) {
    if (!classes[c].gptq) continue;
    const ModuleClass& one = inventory.classes[c];
    const ModuleTensors t = TensorsOf(tensors, inventory, one.representative);
    const auto add = [&](const char* variant, Dtype found, const char* wanted) {
      defects.push_back({.catalogue = 12,
                         .variant = variant,
                         .module = one.representative,
                         .detail = std::string(variant) + " is " + ToString(found) + " instead of " + wanted,
                         .affected = static_cast<int64_t>(one.count)});
    };
    if (t.g_idx != nullptr && t.g_idx->dtype != Dtype::kI32) add("g_idx", t.g_idx->dtype, "I32");
    if (t.qzeros != nullptr && t.qweight != nullptr && t.qzeros->dtype != t.qweight->dtype) {
      add("qzeros", t.qzeros->dtype, ToString(t.qweight->dtype));
    }
    if (t.scales != nullptr && !IsFloat(t.scales->dtype)) add("scales", t.scales->dtype, "F16");
  }
}

void CheckUnderflow(std::span<const ModuleReport> reports, std::vector<ValueDefect>& defects) {
  // OR-ed words never hold a lone field, so one of them anywhere means the whole-word subtraction, whose borrow loses
  // nothing.
  const bool borrow = std::ranges::any_of(reports, [](const ModuleReport& r) { return r.zeros.lone_fields > 0; });
  for (const ModuleReport& r : reports) {
    const int64_t fields = r.zeros.lone_fields + r.zeros.run_fields + r.zeros.top_fields;
    if (r.zeros.kind != ZeroKind::kVaried || fields == 0) continue;
    const bool lost = !borrow && r.zeros.run_fields > 0;
    defects.push_back(
        {.catalogue = 1,
         .variant = borrow ? "borrow"
                    : lost ? "or"
                           : "",
         .module = r.module,
         .detail =
             Count(fields, "zero field", "zero fields") + " of " + std::to_string(r.zeros.fields) +
             (lost ? " are all ones up to the top of their word: the zero points above are lost"
                   : " are all ones: zero points of 0 that wrapped, restored by adding the constant to the whole word"),
         .affected = fields});
  }
}

}  // namespace gptq_doctor

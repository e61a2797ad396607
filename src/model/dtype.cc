#include "model/safetensors.h"

namespace gptq_doctor {
namespace {

struct DtypeRow {
  const char* name;
  int bits;
};
// In the order of Dtype: safetensors `Dtype` (safetensors/src/tensor.rs), 22 names.
constexpr DtypeRow kDtypes[] = {
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
};
static_assert(std::size(kDtypes) == static_cast<size_t>(Dtype::kUnknown));

}  // namespace

const char* ToString(Dtype dtype) {
  return dtype == Dtype::kUnknown ? "unknown" : kDtypes[static_cast<int>(dtype)].name;
}

int BitsOf(Dtype dtype) { return dtype == Dtype::kUnknown ? 0 : kDtypes[static_cast<int>(dtype)].bits; }

Dtype DtypeFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kDtypes); ++i) {
    if (name == kDtypes[i].name) return static_cast<Dtype>(i);
  }
  return Dtype::kUnknown;
}

bool IsInteger(Dtype dtype) {
  switch (dtype) {
    case Dtype::kI8:
    case Dtype::kU8:
    case Dtype::kI16:
    case Dtype::kU16:
    case Dtype::kI32:
    case Dtype::kU32:
    case Dtype::kI64:
    case Dtype::kU64:
      return true;
    default:
      return false;
  }
}

bool IsFloat(Dtype dtype) {
  return dtype == Dtype::kF16 || dtype == Dtype::kBF16 || dtype == Dtype::kF32 || dtype == Dtype::kF64;
}

}  // namespace gptq_doctor

#ifndef GPTQ_DOCTOR_MODEL_HEADER_FAST_PATH_H_
#define GPTQ_DOCTOR_MODEL_HEADER_FAST_PATH_H_

// One tensor's entry in the layout that the reference writer, GPTQModel and every other common writer produce:
//   "name":{"dtype":"I32","shape":[a,b],"data_offsets":[c,d]}
// or the same with the blanks of Python's json.dumps. Anything else, including an entry that breaks a rule, is left to
// the generic path, so there is nothing to report here.

#include <cstddef>
#include <cstdint>

#include "model/json_scan.h"
#include "model/safetensors.h"

namespace gptq_doctor {

struct FastEntry {
  static constexpr uint32_t kMaxRank = 8;
  const char* name;
  uint32_t name_size;
  uint32_t rank;
  Dtype dtype;
  uint32_t bits;  // of the dtype
  uint64_t begin, end;
  uint64_t dims[kMaxRank];
};

struct CompactLayout {
  static constexpr char kDtype[] = "\":{\"dtype\":\"";
  static constexpr char kShape[] = "\",\"shape\":[";
  static constexpr char kOffsets[] = "],\"data_offsets\":[";
  static constexpr char kComma[] = ",";
};
struct SpacedLayout {
  static constexpr char kDtype[] = "\": {\"dtype\": \"";
  static constexpr char kShape[] = "\", \"shape\": [";
  static constexpr char kOffsets[] = "], \"data_offsets\": [";
  static constexpr char kComma[] = ", ";
};

// Moves past the dtype's name; false where it is none of the 22.
inline bool FastDtype(const char*& p, FastEntry* entry) {
  const auto word = [](const char(&text)[5]) {
    uint32_t value = 0;
    std::memcpy(&value, text, 4);
    return value;
  };
  uint32_t found = 0;
  std::memcpy(&found, p, 4);
  if (found == word("I32\"")) {
    entry->dtype = Dtype::kI32;
    entry->bits = 32;
    p += 3;
  } else if (found == word("F16\"")) {
    entry->dtype = Dtype::kF16;
    entry->bits = 16;
    p += 3;
  } else if (found == word("BF16")) {
    entry->dtype = Dtype::kBF16;
    entry->bits = 16;
    p += 4;
  } else {
    size_t size = 0;
    while (size < 12 && p[size] != '"' && p[size] != '\0') ++size;
    entry->dtype = DtypeFromName({p, size});
    if (entry->dtype == Dtype::kUnknown) return false;
    entry->bits = static_cast<uint32_t>(BitsOf(entry->dtype));
    p += size;
  }
  return true;
}

// `p` is at the name's opening quote. Returns the byte after the entry, null where the layout is another or a rule of
// the single tensor is broken: sizes within 64 bits, whole bytes, end - begin as shape and dtype say.
template <typename Layout>
inline const char* ParseFastEntry(const char* p, FastEntry* entry) {
  entry->name = ++p;
  p = ScanString(p);
  entry->name_size = static_cast<uint32_t>(p - entry->name);
  if (!StartsWith(p, Layout::kDtype)) return nullptr;
  p += sizeof(Layout::kDtype) - 1;
  if (!FastDtype(p, entry)) return nullptr;
  if (!StartsWith(p, Layout::kShape)) return nullptr;
  p += sizeof(Layout::kShape) - 1;
  uint64_t elements = 1;
  uint32_t rank = 0;
  if (*p != ']') {
    for (;;) {
      uint64_t dim = 0;
      p = ScanDigits(p, &dim);
      if (p == nullptr || rank == FastEntry::kMaxRank || __builtin_mul_overflow(elements, dim, &elements))
        return nullptr;
      entry->dims[rank++] = dim;
      if (!StartsWith(p, Layout::kComma)) break;
      p += sizeof(Layout::kComma) - 1;
    }
  }
  entry->rank = rank;
  if (!StartsWith(p, Layout::kOffsets)) return nullptr;
  p = ScanDigits(p + sizeof(Layout::kOffsets) - 1, &entry->begin);
  if (p == nullptr || !StartsWith(p, Layout::kComma)) return nullptr;
  p = ScanDigits(p + sizeof(Layout::kComma) - 1, &entry->end);
  if (p == nullptr || !StartsWith(p, "]}")) return nullptr;
  uint64_t bits = 0;
  if (__builtin_mul_overflow(elements, uint64_t{entry->bits}, &bits) || bits % 8 != 0) return nullptr;
  if (entry->end < entry->begin || entry->end - entry->begin != bits / 8) return nullptr;
  return p + 2;
}

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_HEADER_FAST_PATH_H_

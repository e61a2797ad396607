#ifndef GPTQ_DOCTOR_MODEL_SNIFF_H_
#define GPTQ_DOCTOR_MODEL_SNIFF_H_

// Tells by its first bytes what a file really is, whatever its name says.

#include <cstdint>
#include <string>
#include <string_view>

namespace gptq_doctor {

enum class ContentKind {
  kUnknown,
  kSafetensors,
  kEmpty,
  kLfsPointer,
  kHtml,
  kXml,
  kJsonText,
  kPlainText,
  kZip,
  kPickle,
  kGguf,
  kGzip,
  kNumpy,
  kZeros,
};

struct Sniffed {
  ContentKind kind = ContentKind::kUnknown;
  std::string what;        // "git-lfs pointer", "HTML page", ..., for a message
  uint64_t lfs_size = 0;   // announced by an LFS pointer
  std::string lfs_sha256;  // 64 hex digits, likewise
};

// `head` is the first 512 bytes or all there is.
Sniffed Sniff(std::string_view head, uint64_t file_size);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_SNIFF_H_

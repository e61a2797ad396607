// The plain functions: OpenSSL 3 calls them deprecated, but fetching a digest through EVP starts the whole library,
// which takes as long as examining a small model.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <openssl/sha.h>

#include <array>
#include <vector>

#include "base/os_error.h"

namespace gptq_doctor {
namespace {

constexpr size_t kPiece = 1 << 20;  // bytes read at a time

class Hasher {
 public:
  Hasher() { SHA256_Init(&context_); }
  void Add(std::string_view data) { SHA256_Update(&context_, data.data(), data.size()); }
  std::string Finish() {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256_Final(digest.data(), &context_);
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (const unsigned char byte : digest) {
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
    return out;
  }

 private:
  SHA256_CTX context_;
};

}  // namespace

std::string Sha256(std::string_view data) {
  Hasher hasher;
  hasher.Add(data);
  return hasher.Finish();
}

Result<std::string> Sha256OfFile(Source& source, std::string_view file,
                                 const std::function<bool(uint64_t bytes)>& step) {
  const auto changed = [&](const char* how) {
    return Error{ErrorKind::kChanged, JoinPath(source.DisplayPath(), file),
                 "'" + std::string(file) + "' " + how + " while it was read"};
  };
  const Result<FileEntry> entry = source.Stat(file);
  if (!entry) return entry.error().kind == ErrorKind::kNotFound ? changed("vanished") : entry.error();
  Hasher hasher;
  std::vector<char> buffer(kPiece);
  uint64_t offset = 0;
  for (;;) {
    const ReadRequest request{.file = file, .offset = offset, .into = buffer};
    ReadOutcome outcome;
    source.ReadMany({&request, 1}, {&outcome, 1});
    if (outcome.error && outcome.error->kind == ErrorKind::kNotFound) return changed("vanished");
    if (outcome.error) return *outcome.error;
    if (outcome.identity != entry->identity) return changed("changed");
    hasher.Add({buffer.data(), outcome.bytes});
    offset += outcome.bytes;
    if (step && !step(outcome.bytes)) return Error{ErrorKind::kInterrupted, std::string(file), "interrupted"};
    if (outcome.bytes < buffer.size()) return hasher.Finish();
  }
}

}  // namespace gptq_doctor

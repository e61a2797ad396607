#include "repair/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <vector>

namespace gptq_doctor {
namespace {

constexpr size_t kPiece = 1 << 20;  // bytes read at a time

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new()) {
    if (context_ == nullptr || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  }
  void Add(std::string_view data) {
    if (EVP_DigestUpdate(context_.get(), data.data(), data.size()) != 1) throw std::bad_alloc();
  }
  std::string Finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) throw std::bad_alloc();
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
      out += kHex[digest[i] >> 4];
      out += kHex[digest[i] & 15];
    }
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
};

}  // namespace

std::string Sha256(std::string_view data) {
  Hasher hasher;
  hasher.Add(data);
  return hasher.Finish();
}

Result<std::string> Sha256OfFile(Source& source, std::string_view file,
                                 const std::function<bool(uint64_t bytes)>& step) {
  const Result<FileEntry> entry = source.Stat(file);
  if (!entry) return entry.error();
  Hasher hasher;
  std::vector<char> buffer(kPiece);
  uint64_t offset = 0;
  for (;;) {
    const ReadRequest request{.file = file, .offset = offset, .into = buffer};
    ReadOutcome outcome;
    source.ReadMany({&request, 1}, {&outcome, 1});
    if (outcome.error) return *outcome.error;
    hasher.Add({buffer.data(), outcome.bytes});
    offset += outcome.bytes;
    if (step && !step(outcome.bytes)) return Error{ErrorKind::kInterrupted, std::string(file), "interrupted"};
    if (outcome.bytes < buffer.size()) return hasher.Finish();
  }
}

}  // namespace gptq_doctor

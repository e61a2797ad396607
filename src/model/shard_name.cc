#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "model/shard_index.h"

namespace gptq_doctor {
namespace {

constexpr size_t kLongestName = 4095;  // PATH_MAX of Linux less the final NUL
constexpr std::string_view kExtension = ".safetensors";

// "%2e", "%2f" and "%5c": dots and slashes to whoever decodes the name as part of a URL.
bool HasEncodedPath(std::string_view name) {
  for (size_t i = 0; i + 2 < name.size(); ++i) {
    if (name[i] != '%') continue;
    const char high = name[i + 1];
    const char low = static_cast<char>(std::tolower(static_cast<unsigned char>(name[i + 2])));
    if ((high == '2' && (low == 'e' || low == 'f' || low == '5')) || (high == '5' && low == 'c') ||
        (high == '0' && low == '0'))
      return true;
  }
  return false;
}

const char* Objection(std::string_view name) {
  if (name.empty()) return "the name is empty";
  if (name.size() > kLongestName) return "the name is longer than 4,095 bytes";
  if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) {
    return "the name holds a control character";
  }
  if (!IsValidUtf8(name)) return "the name is not valid UTF-8";
  if (name.front() == '/') return "the name is an absolute path";
  if (name.find('\\') != std::string_view::npos) return "the name holds a backslash";
  if (name.size() >= 2 && name[1] == ':' && std::isalpha(static_cast<unsigned char>(name[0])))
    return "the name begins with a drive letter";
  if (HasEncodedPath(name)) return "the name holds percent-encoded path characters";
  for (size_t begin = 0; begin <= name.size();) {
    const size_t slash = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, slash - begin);
    if (part.empty()) return "the path has an empty part";
    if (part == "." || part == "..") return "the path has a part \".\" or \"..\"";
    begin = slash + 1;
  }
  if (!name.ends_with(kExtension)) return "the name does not end in .safetensors";
  return nullptr;
}

}  // namespace

bool IsSafeShardName(std::string_view name, std::string* why) {
  const char* const objection = Objection(name);
  if (objection != nullptr && why != nullptr) *why = objection;
  return objection == nullptr;
}

}  // namespace gptq_doctor

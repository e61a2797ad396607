#include "model/sniff.h"

#include <algorithm>
#include <cctype>

#include "base/bytes.h"
#include "base/text.h"
#include "model/defect_list.h"
#include "model/json_cursor.h"

namespace gptq_doctor {
namespace {

struct Magic {
  std::string_view bytes;
  ContentKind kind;
  const char* what;
};
using namespace std::string_view_literals;
constexpr Magic kMagics[] = {
    {"GGUF"sv, ContentKind::kGguf, "a GGUF file (llama.cpp)"},
    {"tjgg"sv, ContentKind::kGguf, "a GGML file, the predecessor of GGUF"},
    {"lmgg"sv, ContentKind::kGguf, "a GGML file, the predecessor of GGUF"},
    {"fmgg"sv, ContentKind::kGguf, "a GGML file, the predecessor of GGUF"},
    {"\x1f\x8b"sv, ContentKind::kGzip, "a gzip archive"},
    {"\x93NUMPY"sv, ContentKind::kNumpy, "a NumPy array"},
    {"\x28\xb5\x2f\xfd"sv, ContentKind::kUnknown, "a zstd archive"},
    {"\xfd"
     "7zXZ\0"sv,
     ContentKind::kUnknown, "an xz archive"},
    {"7z\xbc\xaf"sv, ContentKind::kUnknown, "a 7-zip archive"},
    {"Rar!\x1a"sv, ContentKind::kUnknown, "a RAR archive"},
    {"\x89HDF\r\n"sv, ContentKind::kUnknown, "an HDF5 file"},
    {"%PDF-"sv, ContentKind::kUnknown, "a PDF document"},
    {"\x89PNG"sv, ContentKind::kUnknown, "a PNG image"},
    {"\x7f"
     "ELF"sv,
     ContentKind::kUnknown, "an ELF binary"},
};

std::string_view SkipBlank(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty() && IsJsonSpace(text.front())) text.remove_prefix(1);
  return text;
}

// Printable text to its end; a sequence cut by the end of `head` is let pass.
bool IsText(std::string_view head) {
  const char* p = head.data();
  const char* const end = p + head.size();
  while (p < end) {
    const auto byte = static_cast<unsigned char>(*p);
    if (byte >= 0x80) {
      const size_t length = Utf8Sequence(p, end);
      if (length == 0) return end - p < 4;
      p += length;
    } else if (byte == 0x7F || (byte < 0x20 && !IsJsonSpace(*p) && byte != 0x1B)) {
      return false;
    } else {
      ++p;
    }
  }
  return !head.empty();
}

// The first line's beginning, for a message; the sink escapes it.
std::string Excerpt(std::string_view text) {
  text = SkipBlank(text);
  text = text.substr(0, text.find_first_of("\r\n"));
  size_t size = std::min<size_t>(text.size(), 60);
  while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return Concat({"\"", text.substr(0, size), size < text.size() ? "...\"" : "\""});
}

// The text between <tag> and </tag>.
std::string_view Element(std::string_view text, std::string_view tag) {
  const size_t open = text.find(Concat({"<", tag, ">"}));
  if (open == std::string_view::npos) return {};
  const size_t begin = open + tag.size() + 2;
  const size_t end = text.find('<', begin);
  return end == std::string_view::npos || end - begin > 64 ? std::string_view() : text.substr(begin, end - begin);
}

// https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: key, blank, value a line; `version` first.
bool SniffLfs(std::string_view head, Sniffed* out) {
  constexpr std::string_view kVersions[] = {"version https://git-lfs.github.com/spec/",
                                            "version https://hawser.github.com/spec/",
                                            "version http://git-media.io/v/"};
  if (std::none_of(std::begin(kVersions), std::end(kVersions), [&](std::string_view v) { return head.starts_with(v); }))
    return false;
  out->kind = ContentKind::kLfsPointer;
  while (!head.empty()) {
    const size_t newline = head.find('\n');
    std::string_view line = head.substr(0, newline);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("size ")) {
      if (!ParsePlainUint(line.substr(5), &out->lfs_size)) out->lfs_size = 0;
    } else if (line.starts_with("oid sha256:")) {
      const std::string_view digits = line.substr(11);
      const bool hex = digits.size() == 64 && std::all_of(digits.begin(), digits.end(), [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                       });
      if (hex) out->lfs_sha256 = digits;
    }
    if (newline == std::string_view::npos) break;
    head.remove_prefix(newline + 1);
  }
  out->what = "a git-lfs pointer";
  if (out->lfs_size != 0) out->what += Concat({" to ", FormatCount(out->lfs_size), " bytes"});
  return true;
}

bool SniffZip(std::string_view head, Sniffed* out) {
  if (!head.starts_with("PK\x03\x04") && !head.starts_with("PK\x05\x06") && !head.starts_with("PK\x07\x08") &&
      !(head.size() >= 4 && head.starts_with("PK\0\0"sv))) {
    return false;
  }
  out->kind = ContentKind::kZip;
  out->what = "a zip archive";
  if (head.size() < 30) return true;
  const std::string_view name = head.substr(30, LoadLe16(head.data() + 26));
  if (name.ends_with(".npy")) {
    out->kind = ContentKind::kNumpy;
    out->what = "a NumPy archive (.npz)";
  } else if (name.ends_with("/data.pkl") || name.ends_with("data.pkl") || name.starts_with("archive/")) {
    out->what = "a PyTorch checkpoint (zip with a pickle)";
  }
  return true;
}

bool SniffText(std::string_view head, Sniffed* out) {
  if (!IsText(head)) return false;
  const std::string_view text = SkipBlank(head);
  const std::string lower = LowerAscii(text.substr(0, 64));
  if (lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.starts_with("<head")) {
    out->kind = ContentKind::kHtml;
    out->what = "an HTML page";
    if (const auto title = Element(text, "title"); !title.empty()) out->what += Concat({" titled ", Quoted(title)});
  } else if (lower.starts_with("<?xml") || lower.starts_with("<error")) {
    out->kind = ContentKind::kXml;
    out->what = "an XML document";
    if (const auto code = Element(text, "Code"); !code.empty())
      out->what = Concat({"an XML error message (", code, ")"});
  } else if (lower.starts_with("{") || lower.starts_with("[")) {
    out->kind = ContentKind::kJsonText;
    out->what =
        Concat({lower.starts_with("{\"error") ? "a JSON error message: " : "JSON text without a length before it: ",
                Excerpt(text)});
  } else {
    out->kind = ContentKind::kPlainText;
    out->what = Concat({"plain text: ", Excerpt(text)});
  }
  return true;
}

bool LooksLikeSafetensors(std::string_view head, uint64_t file_size) {
  if (head.size() < 9 || file_size < 8) return false;
  if (LoadLe64(head.data()) > file_size - 8) return false;
  const std::string_view text = head.substr(8);
  const auto first = std::find_if_not(text.begin(), text.end(), IsJsonSpace);
  return first != text.end() && *first == '{';
}

}  // namespace

Sniffed Sniff(std::string_view head, uint64_t file_size) {
  Sniffed out;
  if (file_size == 0 || head.empty()) {
    out.kind = ContentKind::kEmpty;
    out.what = "an empty file";
    return out;
  }
  if (LooksLikeSafetensors(head, file_size)) {
    out.kind = ContentKind::kSafetensors;
    out.what = "safetensors";
    return out;
  }
  if (SniffLfs(head, &out) || SniffZip(head, &out)) return out;
  for (const Magic& magic : kMagics) {
    if (!head.starts_with(magic.bytes)) continue;
    out.kind = magic.kind;
    out.what = magic.what;
    return out;
  }
  // torch.save before 1.6 begins with a pickle of protocol 2; Python's default is 4 or 5. No pickle is followed by a
  // small 64-bit number.
  if (head.size() >= 3 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5 && head[2] != '\0') {
    out.kind = ContentKind::kPickle;
    out.what = "a Python pickle (an old PyTorch checkpoint)";
    return out;
  }
  if (std::all_of(head.begin(), head.end(), [](char c) { return c == '\0'; })) {
    out.kind = ContentKind::kZeros;
    out.what = "zeros, as in a download that was preallocated and never filled";
    return out;
  }
  SniffText(head, &out);
  return out;
}

}  // namespace gptq_doctor

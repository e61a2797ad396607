#include "model/defect_list.h"

#include "base/text.h"

namespace gptq_doctor {

static_assert(static_cast<size_t>(DefectKind::kUnusualName) < 64);

DefectList::~DefectList() {
  for (size_t kind = 0; kind < counts_.size(); ++kind) {
    if (counts_[kind] <= kCap) continue;
    for (auto defect = out_.rbegin(); defect != out_.rend(); ++defect) {
      if (static_cast<size_t>(defect->kind) != kind || defect->file != file_) continue;
      defect->detail += Concat({" (and ", FormatCount(counts_[kind] - kCap), " more of this kind)"});
      break;
    }
  }
}

void DefectList::Add(DefectKind kind, uint64_t offset, std::string_view tensor, std::string detail,
                     const char* reference) {
  std::string name(tensor.substr(0, kNameLimit));
  if (tensor.size() > kNameLimit) name += "...";
  out_.push_back({.kind = kind,
                  .file = file_,
                  .offset = offset,
                  .tensor = std::move(name),
                  .detail = std::move(detail),
                  .reference = reference});
}

bool DefectList::refused() const {
  for (size_t kind = 0; kind < counts_.size(); ++kind) {
    if (counts_[kind] != 0 && IsRefusal(static_cast<DefectKind>(kind))) return true;
  }
  return false;
}

std::string Concat(std::initializer_list<std::string_view> parts) {
  size_t size = 0;
  for (std::string_view part : parts) size += part.size();
  std::string out;
  out.reserve(size);
  for (std::string_view part : parts) out += part;
  return out;
}

std::string Quoted(std::string_view name) {
  if (name.size() <= 256) return Concat({"\"", name, "\""});
  return Concat({"\"", name.substr(0, 256), "...\""});
}

}  // namespace gptq_doctor

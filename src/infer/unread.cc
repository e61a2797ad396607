#include "infer/unread.h"

#include <algorithm>

namespace gptq_doctor {

bool IsUnread(const Examination& exam, std::initializer_list<FileRole> roles) {
  return std::ranges::any_of(exam.errors, [&](const Error& error) {
    const std::string& root = exam.source->DisplayPath();
    const bool below = error.path.size() > root.size() && error.path.starts_with(root);
    const size_t begin = below ? error.path.find_first_not_of('/', root.size()) : std::string::npos;
    const ModelFile* file =
        begin == std::string::npos ? nullptr : exam.dir.Find(std::string_view(error.path).substr(begin));
    return file == nullptr || file->entry.kind == FileKind::kDirectory ||
           std::ranges::find(roles, file->role) != roles.end();
  });
}

}  // namespace gptq_doctor

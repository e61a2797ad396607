#ifndef GPTQ_DOCTOR_REPAIR_DRAFT_H_
#define GPTQ_DOCTOR_REPAIR_DRAFT_H_

// A plan in the making. Several repairs may change one file: each sees the text as the ones before left it, and the
// plan has one edit a file. Reads files, writes none.

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/examination.h"
#include "repair/plan.h"

namespace gptq_doctor {

struct DraftFile {
  std::string name;
  bool existed = false;
  std::string before;
  std::optional<std::string> after;  // empty optional: not there
  Applicability applicability = Applicability::kCertain;
  std::vector<std::string> codes, reasons;
};

class Draft {
 public:
  explicit Draft(const Examination& exam) : exam_(exam) {}
  const Examination& exam() const { return exam_; }

  // The file as it stands in the draft. Error where it exists and cannot be read.
  Result<DraftFile*> Open(const std::string& name);
  // Notes that `file` changed, and why.
  static void Explain(DraftFile* file, std::string_view code, std::string reason, Applicability applicability);
  void Rename(Edit edit) { renames_.push_back(std::move(edit)); }
  void Manual(std::string file, std::string text) { plan_.manual.push_back({std::move(file), std::move(text)}); }
  Plan& plan() { return plan_; }

  // Takes back everything since the last Checkpoint().
  void Checkpoint() { saved_ = {plan_, files_, renames_}; }
  void RollBack() {
    plan_ = saved_.plan;
    files_ = saved_.files;
    renames_ = saved_.renames;
  }

  // Edits for everything that differs, in the order in which files were opened, renames last.
  Plan Finish();

 private:
  // The file as the examination saw it; nullopt where there was none.
  Result<std::optional<FileEntry>> Seen(const std::string& name) const;

  struct State {
    Plan plan;
    std::deque<DraftFile> files;
    std::vector<Edit> renames;
  };
  State saved_;
  const Examination& exam_;
  Plan plan_;
  std::deque<DraftFile> files_;  // stable addresses
  std::vector<Edit> renames_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_DRAFT_H_

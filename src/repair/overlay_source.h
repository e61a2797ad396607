#ifndef GPTQ_DOCTOR_REPAIR_OVERLAY_SOURCE_H_
#define GPTQ_DOCTOR_REPAIR_OVERLAY_SOURCE_H_

// A model as it would be after a plan, without writing anything: created and replaced files come from the plan,
// everything else from the model. Renamed files keep their old names.

#include <map>
#include <string>

#include "base/storage.h"
#include "repair/plan.h"

namespace gptq_doctor {

class OverlaySource : public Source {
 public:
  // Both must outlive it.
  OverlaySource(Source& below, const Plan& plan);
  const std::string& DisplayPath() const override { return below_.DisplayPath(); }
  Result<Listing> List() override;
  Result<FileEntry> Stat(std::string_view file) override;
  void ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) override;

 private:
  Source& below_;
  std::map<std::string, const Edit*, std::less<>> edits_;  // all but renames
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_OVERLAY_SOURCE_H_

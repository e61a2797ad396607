#include "gptq/module_drafts.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/bytes.h"
#include "gptq/suffix_table.h"
#include "gptq/tensor_grouper.h"
#include "model/header_layout.h"
#include "model/name_hash.h"

namespace gptq_doctor {
namespace {

constexpr uint32_t kStretch = 32 << 10;  // tensors that one thread groups at a time; the result does not hang on it

// Makes one list of what the stretches hold, in their order.
class DraftJoiner {
 public:
  DraftJoiner(std::span<const TensorGrouper> stretches, ModuleDrafts& out) : stretches_(stretches), out_(out) {}

  void Run(ThreadPool* pool) {
    size_t drafts = 0;
    for (const TensorGrouper& stretch : stretches_) drafts += stretch.drafts().size();
    out_.drafts.reserve(drafts);
    out_.tags.reserve(drafts);
    std::vector<uint32_t> first_draft;
    std::vector<std::vector<uint32_t>> form_numbers;
    for (const TensorGrouper& stretch : stretches_) {
      first_draft.push_back(static_cast<uint32_t>(out_.drafts.size()));
      out_.drafts.insert(out_.drafts.end(), stretch.drafts().begin(), stretch.drafts().end());
      out_.tags.insert(out_.tags.end(), stretch.tags().begin(), stretch.tags().end());
      form_numbers.push_back(AddForms(stretch));
    }
    for (const std::string_view name : unknown_.names()) out_.unknown_suffixes.emplace_back(name);
    const std::vector<uint32_t> number = JoinCopies();
    ParallelFor(pool, stretches_.size(), [&](size_t s) { Renumber(s, first_draft[s], number, form_numbers[s]); });
  }

 private:
  // The number in the whole list of each form of the stretch.
  std::vector<uint32_t> AddForms(const TensorGrouper& stretch) {
    std::vector<uint32_t> numbers;
    for (uint32_t form = 0; form < stretch.forms().size(); ++form) {
      SuffixId suffix = stretch.forms().SuffixOf(form);
      if (suffix >= FirstUnknownSuffix() && suffix != kOverflowSuffix) {
        suffix = unknown_.Intern(stretch.unknown_suffixes().names()[suffix - FirstUnknownSuffix()]);
      }
      numbers.push_back(out_.forms.Intern(suffix, stretch.forms().ExemplarOf(form)));
    }
    return numbers;
  }

  // Joins the drafts of one module to the first of them. The new number of every draft, empty where all stay.
  std::vector<uint32_t> JoinCopies() {
    std::vector<std::pair<uint32_t, uint32_t>> copies;  // later, earlier
    FindEqualNames(
        out_.tags,
        [this](uint32_t a, uint32_t b) {
          return out_.drafts[a].own == out_.drafts[b].own && out_.drafts[a].key() == out_.drafts[b].key();
        },
        [&](uint32_t earlier, uint32_t later) { copies.emplace_back(later, earlier); });
    if (copies.empty()) return {};
    std::vector<uint32_t> number(out_.drafts.size());
    std::iota(number.begin(), number.end(), 0u);
    for (const auto& [later, earlier] : copies) number[later] = earlier;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < out_.drafts.size(); ++i) {
      if (number[i] == i) {
        out_.drafts[kept] = out_.drafts[i];
        out_.tags[kept] = out_.tags[i];
        number[i] = kept++;
      } else {
        number[i] = number[number[i]];
        ModuleDraft& first = out_.drafts[number[i]];
        first.bytes = SaturatingAdd(first.bytes, out_.drafts[i].bytes);
      }
    }
    out_.drafts.resize(kept);
    out_.tags.resize(kept);
    return number;
  }

  void Renumber(size_t stretch, uint32_t first_draft, std::span<const uint32_t> number,
                std::span<const uint32_t> form_numbers) {
    const size_t begin = stretch * kStretch;
    const size_t size = std::min<size_t>(kStretch, out_.module_of.size() - begin);
    for (uint32_t& module : std::span(out_.module_of).subspan(begin, size)) {
      module += first_draft;
      if (!number.empty()) module = number[module];
    }
    for (uint32_t& form : std::span(out_.form_of).subspan(begin, size)) form = form_numbers[form];
  }

  const std::span<const TensorGrouper> stretches_;
  ModuleDrafts& out_;
  UnknownSuffixes unknown_;
};

}  // namespace

int64_t BytesOf(const TensorRecord& tensor) {
  if (tensor.end < tensor.begin) return 0;
  return ClampToInt64(tensor.bytes());
}

ModuleDrafts GroupTensors(const TensorIndex& tensors, ThreadPool* pool, const GroupingMemory& memory) {
  ModuleDrafts out(memory.result);
  out.module_of.resize(tensors.size());
  out.form_of.resize(tensors.size());
  std::vector<TensorGrouper> stretches;
  stretches.reserve(tensors.size() / kStretch + 1);
  for (uint64_t begin = 0; begin < tensors.size(); begin += kStretch) {
    const auto end = static_cast<uint32_t>(std::min<uint64_t>(begin + kStretch, tensors.size()));
    stretches.emplace_back(tensors, static_cast<uint32_t>(begin), end, memory.on_the_way);
  }
  ParallelFor(pool, stretches.size(), [&](size_t s) { stretches[s].Run(out.module_of, out.form_of); });
  DraftJoiner(stretches, out).Run(pool);
  return out;
}

}  // namespace gptq_doctor

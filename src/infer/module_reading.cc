#include "infer/module_reading.h"

#include <algorithm>

#include "base/bytes.h"
#include "infer/batch_reader.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kDeepBatch = 16 << 20;  // bytes of small tensors in memory at a time
// Part of the budget for qzeros and g_idx where not all of them fit; the rest is for scales and codes.
constexpr uint64_t kSmallTensorsShare = 5, kShareOf = 8;
constexpr uint64_t kLeastZeroBytes = 1024;  // of one module: less settles nothing

struct Cost {
  uint64_t zeros = 0, g_idx = 0, row = 0;
};

Cost CostOf(const ModuleTensors& t) {
  Cost cost;
  // Zeros in another type than the codes (a defect of its own) are not packed words.
  const bool packed = t.qzeros != nullptr && t.qweight != nullptr && IsInteger(t.qzeros->dtype) &&
                      BitsOf(t.qzeros->dtype) == BitsOf(t.qweight->dtype);
  if (packed && t.qzeros->rank == 2) {
    cost.zeros = SoundBytes(*t.qzeros);
    cost.row = t.qzeros->dims()[0] == 0 ? 0 : cost.zeros / t.qzeros->dims()[0];
  }
  if (t.g_idx != nullptr && t.g_idx->rank == 1) cost.g_idx = SoundBytes(*t.g_idx);
  return cost;
}

bool Readable(const ClassFacts& facts) { return facts.gptq && facts.bits.has_value() && facts.in_features > 0; }

// First, last and middle member, without repetition.
std::vector<uint32_t> Strata(std::span<const uint32_t> members) {
  std::vector<uint32_t> out = {members.front()};
  if (members.size() > 1) out.push_back(members.back());
  if (members.size() > 2) out.push_back(members[members.size() / 2]);
  return out;
}

class Planner {
 public:
  Planner(const InferInput& input, std::span<const ClassFacts> classes, const ExamineOptions& options)
      : in_(input), classes_(classes), options_(options) {}

  SamplePlan Run() {
    uint64_t total = 0;
    for (size_t c = 0; c < classes_.size(); ++c) {
      if (!Readable(classes_[c])) continue;
      const Cost cost = ClassCost(c);
      total += (cost.zeros + cost.g_idx) * in_.inventory.classes[c].count;
    }
    plan_.complete = options_.deep || total <= options_.sample_bytes;
    plan_.small = total <= options_.sample_bytes || !plan_.complete;
    plan_.complete ? PlanAll() : PlanStrata();
    std::ranges::sort(plan_.modules, {}, &PlannedModule::module);
    return std::move(plan_);
  }

 private:
  Cost ClassCost(size_t c) const {
    return CostOf(TensorsOf(in_.tensors, in_.inventory, in_.inventory.classes[c].representative));
  }

  void PlanAll() {
    for (size_t c = 0; c < classes_.size(); ++c) {
      if (!Readable(classes_[c])) continue;
      const Cost cost = ClassCost(c);
      const auto members = in_.inventory.members(in_.inventory.classes[c]);
      const std::vector<uint32_t> strata = Strata(members);
      for (const uint32_t module : members) {
        const bool keep = plan_.small || std::ranges::count(strata, module) > 0;
        plan_.modules.push_back({.module = module, .zero_bytes = cost.zeros, .g_idx = cost.g_idx > 0, .keep = keep});
        plan_.bytes += cost.zeros + cost.g_idx;
      }
    }
  }

  // Round by round, so that a small budget still sees every class once.
  void PlanStrata() {
    const uint64_t limit = options_.sample_bytes / kShareOf * kSmallTensorsShare;
    uint64_t modules = 0, first_g_idx = 0;
    for (size_t c = 0; c < classes_.size(); ++c) {
      if (!Readable(classes_[c])) continue;
      modules += std::min<uint64_t>(in_.inventory.classes[c].count, 3);
      first_g_idx += ClassCost(c).g_idx;
    }
    if (modules == 0) return;
    const uint64_t share = std::max(kLeastZeroBytes, (limit - std::min(limit, first_g_idx)) / modules);
    for (size_t round = 0; round < 3; ++round) {
      for (size_t c = 0; c < classes_.size(); ++c) {
        if (!Readable(classes_[c])) continue;
        const std::vector<uint32_t> strata = Strata(in_.inventory.members(in_.inventory.classes[c]));
        if (round < strata.size()) Take(c, strata[round], share, limit);
      }
    }
  }

  void Take(size_t c, uint32_t module, uint64_t share, uint64_t limit) {
    const Cost cost = ClassCost(c);
    PlannedModule planned{.module = module, .zero_bytes = std::min(cost.zeros, share)};
    if (planned.zero_bytes < cost.zeros && cost.row > 0) {
      const uint64_t block = 4 * static_cast<uint64_t>(*classes_[c].bits);  // 32 fields
      planned.zero_bytes -= planned.zero_bytes % (planned.zero_bytes >= cost.row ? cost.row : block);
    }
    if (plan_.bytes + planned.zero_bytes > limit) return;
    plan_.bytes += planned.zero_bytes;
    planned.g_idx = cost.g_idx > 0 && plan_.bytes + cost.g_idx <= limit;
    if (planned.g_idx) plan_.bytes += cost.g_idx;
    if (planned.zero_bytes > 0 || planned.g_idx) plan_.modules.push_back(planned);
  }

  const InferInput& in_;
  std::span<const ClassFacts> classes_;
  const ExamineOptions& options_;
  SamplePlan plan_;
};

void Judge(const ClassFacts& facts, const ModuleTensors& t, const PlannedModule& planned, std::span<const char> g_idx,
           std::span<const char> zeros, ModuleReport& report) {
  report.module = planned.module;
  report.read = !g_idx.empty() || !zeros.empty();
  if (t.g_idx == nullptr) {
    report.g_idx.kind = GIdxKind::kAbsent;
  } else if (!g_idx.empty()) {
    const int entry = BitsOf(t.g_idx->dtype) / 8;
    if (entry == 4 || entry == 8) report.g_idx = ReadGIdx(g_idx, entry, facts.groups);
  }
  if (!zeros.empty()) {
    const uint64_t whole = SoundBytes(*t.qzeros);
    report.whole_zeros = zeros.size() == whole;
    report.zeros = ReadZeros({.bytes = zeros,
                              .row_bytes = static_cast<int64_t>(whole / t.qzeros->dims()[0]),
                              .out_features = facts.out_features,
                              .bits = *facts.bits,
                              .pack_bits = facts.pack_bits});
  }
  report.zero_size = zeros.size();
  report.kept = planned.keep && report.read;
  if (!report.kept) return;
  const GIdxKind order = report.g_idx.kind;
  const bool listed = order == GIdxKind::kSequential || order == GIdxKind::kActOrder;
  if (listed && !report.g_idx.even) report.g_idx_bytes = g_idx;
  if (report.zeros.kind == ZeroKind::kVaried) report.zero_bytes = zeros;
}

// Copies what is kept of a batch, whose buffer serves the next one.
void CopyKept(std::span<ModuleReport> reports, std::vector<std::unique_ptr<char[]>>& kept) {
  size_t size = 0;
  for (const ModuleReport& report : reports) size += report.g_idx_bytes.size() + report.zero_bytes.size();
  if (size == 0) return;
  char* to = kept.emplace_back(std::make_unique_for_overwrite<char[]>(size)).get();
  for (ModuleReport& report : reports) {
    for (std::span<const char>* bytes : {&report.g_idx_bytes, &report.zero_bytes}) {
      char* const begin = to;
      to = std::copy(bytes->begin(), bytes->end(), to);
      *bytes = {begin, to};
    }
  }
}

}  // namespace

SamplePlan PlanSample(const InferInput& input, std::span<const ClassFacts> classes, const ExamineOptions& options) {
  return Planner(input, classes, options).Run();
}

SampleReports ReadSample(const InferInput& input, std::span<const ClassFacts> classes, const SamplePlan& plan,
                         const ExamineContext& context, std::vector<Error>& errors) {
  SampleReports out;
  out.modules.resize(plan.modules.size());
  const uint64_t batch = plan.small ? kSmallBatch : kDeepBatch;
  ReadBuffer buffer;
  for (size_t from = 0; from < plan.modules.size();) {
    if (context.cancelled != nullptr && context.cancelled->load()) break;
    BatchReader reader(input.source, input.tensors, context.pool, buffer);
    std::vector<std::pair<size_t, size_t>> slots;  // g_idx, qzeros; equal to the reader's size where there is none
    size_t to = from;
    for (; to < plan.modules.size() && (to == from || reader.bytes() < batch); ++to) {
      const PlannedModule& planned = plan.modules[to];
      const ModuleTensors t = TensorsOf(input.tensors, input.inventory, planned.module);
      const size_t g_idx = planned.g_idx && t.g_idx != nullptr ? reader.AddWhole(*t.g_idx) : SIZE_MAX;
      const size_t zeros =
          planned.zero_bytes > 0 && t.qzeros != nullptr ? reader.Add(*t.qzeros, 0, planned.zero_bytes) : SIZE_MAX;
      slots.emplace_back(g_idx, zeros);
    }
    reader.Run(errors);
    ParallelFor(reader.bytes() > (4 << 20) ? context.pool : nullptr, to - from, [&](size_t i) {
      const PlannedModule& planned = plan.modules[from + i];
      const auto get = [&](size_t slot) { return slot == SIZE_MAX ? std::span<const char>() : reader.Get(slot); };
      Judge(classes[input.inventory.modules[planned.module].class_id],
            TensorsOf(input.tensors, input.inventory, planned.module), planned, get(slots[i].first),
            get(slots[i].second), out.modules[from + i]);
    });
    CopyKept(std::span(out.modules).subspan(from, to - from), out.kept);
    out.bytes += reader.bytes();
    from = to;
    if (context.progress) context.progress(out.bytes, plan.bytes);
  }
  std::erase_if(out.modules, [](const ModuleReport& report) { return !report.read; });
  return out;
}

}  // namespace gptq_doctor

// What has to be read of a model before it is known that its conversion loses nothing.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <unordered_map>

#include "base/bytes.h"
#include "dequant/convert.h"
#include "dequant/zeros.h"

namespace gptq_doctor {
namespace {

// Zero points of 0 among the columns of the module.
Result<int64_t> CountZeroPointsOf0(const Examination& exam, const ModuleLayout& layout) {
  const PackedModule& m = layout.packed;
  std::vector<uint8_t> codes(static_cast<size_t>(m.out_features));
  int64_t count = 0;
  const Status read = ForZeroRows(exam, layout, [&](std::span<const char> row) {
    UnpackRow(ZerosAsV2(row, m), m.bits, m.pack_bits, m.layout, codes);
    count += std::ranges::count(codes, uint8_t{0});
    return Ok();
  });
  if (!read) return read.error();
  return count;
}

struct ScaleSurvey {
  int64_t overflowing = 0, underflowing = 0, rounded = 0;
};

// F16 holds normal numbers from 2^-14 to 65504. Below, what is not held exactly has lost digits.
Result<ScaleSurvey> SurveyScales(const Examination& exam, const TensorRecord& scales) {
  constexpr float kSmallestNormal = 0x1p-14f;
  ScaleSurvey out;
  const Status read = ForFloats(exam, scales, [&](std::span<const float> values) {
    for (const float value : values) {
      if (!std::isfinite(value)) continue;  // stays what it is
      const float half = HalfToFloat(FloatToHalf(value));
      if (half == value) continue;
      if (std::isinf(half)) {
        ++out.overflowing;
      } else if (std::fabs(value) < kSmallestNormal) {
        ++out.underflowing;
      } else {
        ++out.rounded;
      }
    }
    return Ok();
  });
  if (!read) return read.error();
  return out;
}

class Checker {
 public:
  Checker(const Examination& exam, std::span<const ModuleToConvert> modules) : exam_(exam), modules_(modules) {}

  Status Run(const ExamineContext& context) {
    zeros_.resize(modules_.size());
    scales_.resize(modules_.size());
    ParallelFor(context.pool, modules_.size(), [&](size_t i) {
      const bool cancelled = context.cancelled != nullptr && context.cancelled->load();
      const Status read =
          cancelled ? Status(Error{ErrorKind::kInterrupted, "", "interrupted; nothing was left behind"}) : Read(i);
      if (read) return;
      const std::scoped_lock lock(failing_);
      if (!failure_) failure_ = read.error();
    });
    return failure_ ? Status(*failure_) : Ok();
  }

  void AddLosses(std::vector<ZeroLoss>& losses) const {
    for (size_t i = 0; i < modules_.size(); ++i) {
      const ModuleToConvert& m = modules_[i];
      if (zeros_[i] > 0) losses.push_back({.module = m.layout.stem, .zeros = zeros_[i], .before = false});
    }
  }

  Status JudgeScales(std::vector<std::string>& warnings) const {
    ScaleSurvey all;
    std::string first;
    int64_t bad = 0;
    for (size_t i = 0; i < modules_.size(); ++i) {
      all.overflowing += scales_[i].overflowing;
      all.underflowing += scales_[i].underflowing;
      all.rounded += scales_[i].rounded;
      if (scales_[i].overflowing + scales_[i].underflowing == 0) continue;
      if (++bad == 1) first = modules_[i].layout.stem;
    }
    if (bad > 0) {
      return Error{
          ErrorKind::kRefused, "",
          fmt::format("F16 cannot hold the scales of {}{}: {} overflow beyond 65504, {} underflow below 2^-14", first,
                      bad > 1 ? fmt::format(" and {} more modules", bad - 1) : "", all.overflowing, all.underflowing)};
    }
    if (all.rounded > 0) warnings.push_back(fmt::format("{} scales were rounded to F16", all.rounded));
    return Ok();
  }

 private:
  Status Read(size_t i) {
    const ModuleToConvert& m = modules_[i];
    if (m.zeros && m.to.v1) {
      const Result<int64_t> count = CountZeroPointsOf0(exam_, m.layout);
      if (!count) return count.error();
      zeros_[i] = *count;
    }
    if (m.scales) {
      const Result<ScaleSurvey> survey = SurveyScales(exam_, *m.layout.scales);
      if (!survey) return survey.error();
      scales_[i] = *survey;
    }
    return Ok();
  }

  const Examination& exam_;
  std::span<const ModuleToConvert> modules_;
  std::vector<int64_t> zeros_;
  std::vector<ScaleSurvey> scales_;
  std::mutex failing_;
  std::optional<Error> failure_;
};

// Fields of 2^b - 1 in v1 words (C-1) that become v2: lost by the writer, or whole again by whole-word addition.
void JudgeEarlierZeros(const Examination& exam, std::span<const ModuleToConvert> modules, ConvertPlan& plan) {
  std::unordered_map<uint32_t, const ModuleToConvert*> made;
  for (const ModuleToConvert& m : modules) {
    if (m.zeros && !m.to.v1) made.emplace(m.layout.module, &m);
  }
  int64_t whole = 0, whole_modules = 0;
  for (const ValueDefect& defect : exam.quant.value_defects) {
    const auto at = made.find(defect.module);
    if (defect.catalogue != 1 || at == made.end()) continue;
    if (defect.variant == "or") {
      plan.losses.push_back({.module = at->second->layout.stem, .zeros = defect.affected, .before = true});
    } else {
      whole += defect.affected;
      ++whole_modules;
    }
  }
  if (whole == 0) return;
  plan.warnings.push_back(
      fmt::format("{} zero points of 0 in {} modules, for which gptq has no place, are whole in gptq_v2; the way back "
                  "needs --allow-loss",
                  whole, whole_modules));
}

}  // namespace

Status CheckValues(const Examination& exam, std::span<const ModuleToConvert> modules, const ExamineContext& context,
                   ConvertPlan& plan) {
  Checker checker(exam, modules);
  if (Status read = checker.Run(context); !read) return read;
  checker.AddLosses(plan.losses);
  JudgeEarlierZeros(exam, modules, plan);
  return checker.JudgeScales(plan.warnings);
}

Status CheckLossless(const ConvertPlan& plan) {
  if (plan.losses.empty()) return Ok();
  constexpr size_t kNamed = 3;
  std::string names;
  int64_t zeros = 0;
  for (size_t i = 0; i < plan.losses.size(); ++i) {
    if (i < kNamed) names += (i > 0 ? ", " : "") + plan.losses[i].module;
    zeros += plan.losses[i].zeros;
  }
  if (plan.losses.size() > kNamed) names += fmt::format(" and {} more", plan.losses.size() - kNamed);
  const std::string what =
      plan.losses.front().before
          ? "zero points of {} were lost when the file was written ({} fields of all ones), and gptq_v2 would hide it"
          : "gptq has no place for the zero points of 0 in {} ({} of them), which most loaders would misread";
  return Error{ErrorKind::kRefused, "",
               fmt::format(fmt::runtime(what + "; --allow-loss goes on all the same"), names, zeros)};
}

}  // namespace gptq_doctor

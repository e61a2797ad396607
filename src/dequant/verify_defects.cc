#include "dequant/verify_defects.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "base/text.h"
#include "infer/verified_defects.h"

namespace gptq_doctor {
namespace {

constexpr int64_t kEnoughCodes = 8192;   // below it a histogram says nothing
constexpr double kManyDeadShare = 0.25;  // of a module's channels; pruned rows are rarer
constexpr double kLayoutMargin = 0.1;    // bits of entropy; right and wrong differ by 0.3 or more (gptq-format B.6)

std::string Number(int64_t count) { return FormatCount(static_cast<uint64_t>(count)); }
// "3 of 128 scales"
std::string Part(int64_t count, int64_t all, std::string_view what) {
  return Number(count) + " of " + Number(all) + " " + std::string(what);
}
std::string Bits(double value) {
  const auto hundredths = static_cast<int64_t>(value * 100 + 0.5);
  const std::string rest = std::to_string(hundredths % 100);
  return std::to_string(hundredths / 100) + "." + (rest.size() < 2 ? "0" : "") + rest;
}

// What inference says from samples and verification from everything.
bool IsRejudged(const ValueDefect& defect) {
  constexpr int kNumbers[] = {4, 5, 6, 18, 19};
  return std::ranges::find(kNumbers, defect.catalogue) != std::end(kNumbers) ||
         (defect.catalogue == 20 && defect.variant == "scales");
}

class Recorder {
 public:
  Recorder(Examination& exam, const VerifyReport& report) : exam_(exam), report_(report) {}

  void Run(bool chosen_only) {
    std::set<uint32_t> read;
    for (const ModuleCheck& check : report_.modules) read.insert(check.module);
    std::erase_if(exam_.quant.value_defects, [&](const ValueDefect& defect) {
      if (defect.catalogue >= kPartUnfilled) return false;
      return read.contains(defect.module) ? IsRejudged(defect) : chosen_only;
    });
    for (const ModuleCheck& check : report_.modules) {
      module_ = check.module;
      Scales(check);
      Codes(check);
      Columns(check);
      if (check.base) Base(*check.base);
    }
    if (report_.base) {
      for (const DenseCheck& dense : report_.base->dense_differ)
        AddFor(dense.module, kBaseDenseDiffers, "", dense.name + " " + dense.detail, 1);
    }
    for (const HashCheck& hash : report_.hashes) Hash(hash);
  }

 private:
  void AddFor(uint32_t module, int catalogue, const char* variant, std::string detail, int64_t affected) {
    exam_.quant.value_defects.push_back({.catalogue = catalogue,
                                         .variant = variant,
                                         .module = module,
                                         .detail = std::move(detail),
                                         .affected = affected});
  }
  void Add(int catalogue, const char* variant, std::string detail, int64_t affected) {
    AddFor(module_, catalogue, variant, std::move(detail), affected);
  }

  void Scales(const ModuleCheck& check) {
    const ScaleReport& s = check.scales;
    if (s.not_finite > 0) Add(4, "", Part(s.not_finite, s.read, "scales are NaN or infinite"), s.not_finite);
    if (s.read > 0 && s.zero == s.read) {
      Add(20, "scales", "all " + Number(s.read) + " scales are 0", s.zero);
    } else if (s.zero_in_use > 0) {
      Add(5, "", Part(s.zero_in_use, s.read, "scales are 0 over different codes"), s.zero_in_use);
    }
    if (s.overflow > 0)
      Add(6, "", Part(s.overflow, s.read, "scales give weights beyond 65504, the largest F16"), s.overflow);
  }

  void Codes(const ModuleCheck& check) {
    const auto codes = static_cast<int64_t>(check.codes);
    const bool enough = codes >= kEnoughCodes;
    if (enough && check.levels == 1) {
      const bool zero = check.zero_bytes > 0;
      return Add(18, zero ? "zero" : "constant",
                 zero ? "every byte of qweight is 0" : "every code of qweight is the same", codes);
    }
    const bool other_fits = check.other_entropy && *check.other_entropy < check.entropy - kLayoutMargin;
    if (enough && other_fits) {
      Add(kWrongLayout, "",
          "codes have an entropy of " + Bits(check.entropy) + " bits as the layout reads them and of " +
              Bits(*check.other_entropy) + " in the other 3-bit layout",
          codes);
    } else if (check.random) {
      return Add(19, "",
                 Number(codes) + " codes are as even as random bits: entropy " + Bits(check.entropy) + " of " +
                     std::to_string(check.bits) + " bits",
                 codes);
    }
    Parts(check);
    if (enough && check.bits >= 3 && check.bits <= 4 && check.levels <= 1 << (check.bits - 1)) {
      Add(kLevelsUnused, "", Part(check.levels, 1 << check.bits, "codes occur in ") + Number(codes) + " weights",
          check.levels);
    }
  }

  void Parts(const ModuleCheck& check) {
    if (!check.random && check.random_codes > 0) {
      Add(kPartUnfilled, "random",
          Part(check.random_codes, static_cast<int64_t>(check.codes), "codes lie in pieces as even as random bits"),
          check.random_codes);
    }
    if (check.zero_bytes == 0) return;
    Add(kPartUnfilled, "zero",
        FormatBytes(static_cast<uint64_t>(check.zero_bytes)) +
            " of qweight are runs of zero bytes, as data that never "
            "arrived leave them",
        check.zero_bytes);
  }

  void Columns(const ModuleCheck& check) {
    const int64_t constant = check.dead_outputs + check.constant_columns, outputs = check.out_features;
    if (check.saturated_columns > constant) {
      Add(kColumnsSaturated, "",
          Part(check.saturated_columns, outputs, "outputs have nearly all their codes at the ends of the range"),
          check.saturated_columns);
    }
    if (check.constant_columns > 0 && check.levels > 1) {
      Add(kColumnsConstant, "",
          Part(check.constant_columns, outputs, "outputs have one code everywhere, which is not their zero point"),
          check.constant_columns);
    }
    const int64_t dead_inputs = check.dead_inputs.value_or(0);
    const auto share = [](int64_t part, int64_t all) { return static_cast<double>(part) / static_cast<double>(all); };
    if (share(check.dead_outputs, outputs) >= kManyDeadShare ||
        share(dead_inputs, check.in_features) >= kManyDeadShare) {
      Add(kManyDead, "",
          Part(check.dead_outputs, outputs, "outputs and ") +
              Part(dead_inputs, check.in_features, "inputs have no weight but 0"),
          check.dead_outputs + dead_inputs);
    }
  }

  void Base(const Comparison& base) {
    switch (base.relation) {
      case Relation::kClose:
      case Relation::kAbsent:
      case Relation::kNotCompared:
        return;
      case Relation::kCoarse:
        return Add(kBaseCoarse, "", base.detail, 1);
      case Relation::kSwapped:
        return Add(kBaseSwapped, "", base.detail, 1);
      case Relation::kTransposed:
        return Add(kBaseTransposed, "", base.detail, 1);
      case Relation::kUnrelated:
        return Add(kBaseUnrelated, "", base.detail, 1);
      case Relation::kOtherShape:
        return Add(kBaseOtherShape, "", base.detail, 1);
    }
  }

  void Hash(const HashCheck& hash) {
    if (hash.found.empty() || hash.matches()) return;
    AddFor(kNoModule, kHashDiffers, hash.file.c_str(),
           "sha256 is " + hash.found + ", the " + hash.source + " records " + hash.expected, 1);
  }

  Examination& exam_;
  const VerifyReport& report_;
  uint32_t module_ = 0;
};

}  // namespace

void RecordDefects(Examination& exam, VerifyReport& report, bool chosen_only) {
  Recorder(exam, report).Run(chosen_only);
  std::map<uint32_t, int64_t> count;
  for (const ValueDefect& defect : exam.quant.value_defects) ++count[defect.module];
  for (ModuleCheck& check : report.modules) check.defects = count[check.module];
}

void RecordBadDense(Examination& exam, uint32_t module, const TensorRecord& tensor, int64_t count) {
  exam.quant.value_defects.push_back(
      {.catalogue = kDenseNotFinite,
       .variant = {},
       .module = module,
       .detail = std::string(tensor.name()) + " holds " + Number(count) + " values that are NaN or infinite",
       .affected = count});
}

}  // namespace gptq_doctor

// Families 5 (loaders), 6 (size) and 9 (the run itself).

#include "rules/checks.h"
#include "rules/families.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kSimulated =
    "The simulation of the loader's own steps over this directory; `gptq-doctor why MODEL --loader NAME` prints them "
    "with their sources.";
constexpr std::string_view kSeverity =
    " Without `--loader`, silent outcomes of the newest transformers, gptqmodel, vllm and sglang are errors and "
    "everything else is a note; with `--loader`, every failure of "
    "the selected loaders is an error.";

constexpr Rule kLoaderRules[] = {
    {.code = "GD501",
     .name = "loader-falls-back",
     .severity = Severity::kError,
     .title = "A loader ignores the quantized tensors",
     .what = "The loader builds dense layers, reports at most that some weights were not used, and runs with whatever "
             "the layers were initialised to.",
     .why = kSeverity.substr(1),
     .evidence = kSimulated,
     .fix = "The message names the deciding step and what would change it.",
     .since = "0.1.0"},
    {.code = "GD502",
     .name = "loader-garbage",
     .severity = Severity::kError,
     .title = "A loader computes wrong weights",
     .what = "The loader builds quantized layers, but some weights are read wrongly or stay uninitialised; no error is "
             "shown.",
     .why = kSeverity.substr(1),
     .evidence = kSimulated,
     .fix = "The message names the deciding step and what would change it.",
     .since = "0.1.0"},
    {.code = "GD503",
     .name = "loader-rejects",
     .severity = Severity::kError,
     .title = "A loader stops with an error",
     .what = "The loader refuses the directory.",
     .why = kSeverity.substr(1),
     .evidence = kSimulated,
     .fix = "The message names the deciding step and what would change it.",
     .since = "0.1.0"},
    {.code = "GD504",
     .name = "loader-slow",
     .severity = Severity::kNote,
     .title = "A loader takes a slower way than it could",
     .what = "The loader runs the model rightly, but with a slower kernel or more memory than need be.",
     .why = "Speed only.",
     .evidence = kSimulated,
     .fix = "The message names the deciding step and what would change it.",
     .since = "0.1.0"},
};

constexpr Rule kSizeRules[] = {
    {.code = "GD601",
     .name = "compression-missed",
     .severity = Severity::kWarning,
     .title = "The model is larger than its settings promise",
     .what = "The ratio of the 16-bit size to the actual size is below 0.8 of what bits and group_size promise "
             "(`--min-compression` moves the line).",
     .why = "Dense copies, unquantized layers, 32-bit scales or a model that was never quantized: disk and GPU memory "
            "are paid for nothing.",
     .evidence = "The bytes of all tensors, the 16-bit equivalent from the real shapes, and the size that the settings "
                 "give the same matrices.",
     .fix = "The message says where the bytes are; `gptq-doctor inspect MODEL` shows the table.",
     .since = "0.1.0",
     .check = CheckCompression},
};

constexpr Rule kRunRules[] = {
    {.code = "GD901",
     .name = "input-unreadable",
     .severity = Severity::kError,
     .title = "A file could not be read",
     .what = "Permission was denied or the disk reported an error. Nothing is said about the content.",
     .why = "The examination is incomplete: exit code 3.",
     .evidence = "The system's error.",
     .fix = "Grant access or check the disk, then run again.",
     .since = "0.1.0"},
    {.code = "GD902",
     .name = "input-changed",
     .severity = Severity::kError,
     .title = "A file changed while it was read",
     .what = "Size, time or identity of the file differed before and after.",
     .why = "The examination mixes two states of the file: exit code 3.",
     .evidence = "The file's identity at both times.",
     .fix = "Run again when nothing writes to the directory.",
     .since = "0.1.0"},
    {.code = "GD903",
     .name = "listing-incomplete",
     .severity = Severity::kNote,
     .title = "The directory has more files than are listed",
     .what = "The listing stops at 200,000 entries.",
     .why = "Files beyond are not seen.",
     .evidence = "The number of entries.",
     .fix = "Name the model's own directory.",
     .since = "0.1.0",
     .check = CheckListing},
    {.code = "GD904",
     .name = "baseline-stale",
     .severity = Severity::kWarning,
     .title = "The baseline lists findings that are gone",
     .what = "Entries of the baseline match no finding of this run.",
     .why = "A stale entry would hide the same defect when it comes back.",
     .evidence = "The fingerprints of the baseline and of this run.",
     .fix = "`gptq-doctor check MODEL --baseline FILE --prune-baseline` removes them.",
     .since = "0.1.0"},
    {.code = "GD905",
     .name = "ignore-unused",
     .severity = Severity::kWarning,
     .title = "An [[ignore]] entry matches nothing",
     .what = "No finding of this run matches the entry of gptq-doctor.toml.",
     .why = "It hides nothing today and may hide a new defect tomorrow.",
     .evidence = "The entry's rule, path and module.",
     .fix = "Remove the entry.",
     .since = "0.1.0"},
    {.code = "GD906",
     .name = "ignore-expired",
     .severity = Severity::kWarning,
     .title = "An [[ignore]] entry has expired",
     .what = "The entry's `expires` lies in the past, so the findings that it hid are shown again.",
     .why = "An expiry is a promise to look again.",
     .evidence = "The entry's date and today's.",
     .fix = "Repair the finding, or renew the date with a reason.",
     .since = "0.1.0"},
};

}  // namespace

std::span<const Rule> LoaderRules() { return kLoaderRules; }
std::span<const Rule> SizeRules() { return kSizeRules; }
std::span<const Rule> RunRuleRows() { return kRunRules; }

}  // namespace gptq_doctor

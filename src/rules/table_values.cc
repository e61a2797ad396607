// Family 4: tensor values. The defects are recognised while the settings are inferred; the numbers in `evidence` are
// those of the modules that were read.

#include "rules/checks.h"
#include "rules/families.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kZeros = "The qzeros of the modules that were read; `--deep` reads all of them.";
constexpr std::string_view kScales = "The scales of the modules that were read; `--deep` reads all of them.";
constexpr std::string_view kGIdxData = "The g_idx of the modules that were read; `--deep` reads all of them.";
constexpr std::string_view kCodes = "A few slabs of qweight of the modules that were read; `--deep` reads more.";
constexpr std::string_view kQuantizeAgain = "Quantize again with a current version of the tool.";

constexpr Rule kRules[] = {
    {.code = "GD401",
     .name = "zero-underflow-or",
     .severity = Severity::kError,
     .title = "Zero points of 0 wiped out their neighbours when they were stored",
     .what = "The v1 layout stores zero - 1. For a zero point of 0 the packer stored -1 and ORed it in, which set "
             "every higher field of the 32-bit word to all ones.",
     .why = "The zero points of the columns above in the same word are lost: no reader recovers them, and the outputs "
            "of those columns are wrong. Loaders do not notice.",
     .evidence = kZeros,
     .fix =
         "Quantize again with sym=True or checkpoint_format gptq_v2. (GPTQ-for-LLaMa and AutoGPTQ write this defect.)",
     .since = "0.1.0"},
    {.code = "GD402",
     .name = "zero-underflow-borrow",
     .severity = Severity::kWarning,
     .title = "Zero points of 0 borrowed from their neighbours when they were stored",
     .what = "The v1 layout stores zero - 1. The packer subtracted one constant from the whole word, so a zero point "
             "of 0 borrowed one from the field above.",
     .why = "Nothing is lost, but readers that take field by field see the neighbour one too low; only readers that "
            "add the constant to the whole word get it right.",
     .evidence = kZeros,
     .fix = "`gptq-doctor convert MODEL --checkpoint-format gptq_v2 -o DIR` writes the exact zero points for loaders "
            "that read gptq_v2.",
     .since = "0.1.0"},
    {.code = "GD403",
     .name = "broken-3bit-zeros",
     .severity = Severity::kError,
     .title = "3-bit zero points carry the constants of GPTQModel before 7.0.0",
     .what = "GPTQModel from 0.9.0 to 6.x subtracted the words 24924924 92492492 49249249 where 49249249 92492492 "
             "24924924 were right, so the zero points are "
             "scrambled within each 32.",
     .why = "Only the versions that wrote the file read it back as meant. AutoGPTQ, vLLM and GPTQModel from 7.0.0 "
            "produce garbage without a message.",
     .evidence = kZeros,
     .fix = "`gptq-doctor convert MODEL -o DIR` adds the wrong constants back; or quantize again.",
     .since = "0.1.0"},
    {.code = "GD404",
     .name = "shifted-zeros",
     .severity = Severity::kError,
     .title = "Modules of other bits carry the zero shift of the base bits",
     .what = "On saving as v1 GPTQModel up to 7.3.1 subtracted the constant of the model-wide bits from every module, "
             "overrides and lm_head included.",
     .why = "The writer's own version adds the same constant back. AutoGPTQ, vLLM and GPTQModel from 7.3.2 dequantize "
            "those modules wrongly without a message.",
     .evidence = kZeros,
     .fix = "`gptq-doctor convert MODEL -o DIR` repairs the words; or quantize again with GPTQModel 7.3.2 or later.",
     .since = "0.1.0"},
    {.code = "GD405",
     .name = "scales-not-finite",
     .severity = Severity::kError,
     .title = "Scales hold NaN or infinity",
     .what = "Some scales are NaN or infinite.",
     .why = "The weights of those groups are NaN: loaders print NaN or \"probability tensor contains either inf, nan "
            "or element < 0\".",
     .evidence = kScales,
     .fix = kQuantizeAgain,
     .since = "0.1.0"},
    {.code = "GD406",
     .name = "scales-zero",
     .severity = Severity::kWarning,
     .title = "Scales are zero although their codes differ",
     .what = "Some scales are 0 while the codes of the group are not all the zero point. (Where they are, the weights "
             "are 0 and nothing is wrong.)",
     .why = "The weights of those groups become 0.",
     .evidence = kScales,
     .fix = kQuantizeAgain,
     .since = "0.1.0"},
    {.code = "GD407",
     .name = "tensor-never-filled",
     .severity = Severity::kError,
     .title = "Scales or qzeros of a module are all zero",
     .what = "Every word of the tensor is 0: space that was reserved and never written.",
     .why = "The module's weights are 0 or NaN in every loader.",
     .evidence = kScales,
     .fix = "Fetch the file again; if it is the same, quantize again.",
     .since = "0.1.0"},
    {.code = "GD408",
     .name = "scales-overflow",
     .severity = Severity::kError,
     .title = "Dequantized weights overflow half precision",
     .what = "max |scale| x max |code - zero| is above 65504, the largest F16.",
     .why = "Loaders that dequantize to F16 get infinite weights.",
     .evidence = kScales,
     .fix = "Run in bfloat16 where the loader can; otherwise quantize again.",
     .since = "0.1.0"},
    {.code = "GD410",
     .name = "g-idx-out-of-range",
     .severity = Severity::kError,
     .title = "g_idx points outside the groups",
     .what = "Entries of g_idx are negative or not below the number of groups.",
     .why = "Kernels read out of bounds: garbage or a crash.",
     .evidence = kGIdxData,
     .fix = "Fetch the file again; if it is the same, quantize again.",
     .since = "0.1.0"},
    {.code = "GD411",
     .name = "group-unused",
     .severity = Severity::kWarning,
     .title = "Groups are referenced by no channel",
     .what = "Some group numbers never occur in g_idx.",
     .why = "Kernels that sort by group compute other group borders than kernels that gather.",
     .evidence = kGIdxData,
     .fix = kQuantizeAgain,
     .since = "0.1.0"},
    {.code = "GD412",
     .name = "group-counts-unequal",
     .severity = Severity::kWarning,
     .title = "Groups have unequal numbers of channels",
     .what = "g_idx gives groups other numbers of channels than group_size (the last group may be shorter).",
     .why = "Kernels that permute rows and then cut equal groups (Marlin, ExLlama) use wrong scales.",
     .evidence = kGIdxData,
     .fix = kQuantizeAgain,
     .since = "0.1.0"},
    {.code = "GD413",
     .name = "g-idx-all-zero",
     .severity = Severity::kError,
     .title = "g_idx is all zero with several groups",
     .what = "Every channel points to group 0 although the module has several groups.",
     .why = "ExLlamaV2 and TGI take it for an absent g_idx, kernels that gather use the first group's scales for "
            "everything.",
     .evidence = kGIdxData,
     .fix = "If the model was quantized without act-order, remove g_idx or write i // group_size.",
     .since = "0.1.0"},
    {.code = "GD414",
     .name = "qweight-constant",
     .severity = Severity::kError,
     .title = "qweight was never filled",
     .what = "Every word read of qweight is 0 or one constant.",
     .why = "The layer's weights are constant: fluent text is impossible. A packer of GPTQModel did this for "
            "group_size -1 (ModelCloud/GPTQModel#1294).",
     .evidence = kCodes,
     .fix = "Fetch the file again; if it is the same, quantize again.",
     .since = "0.1.0"},
    {.code = "GD415",
     .name = "qweight-random",
     .severity = Severity::kError,
     .title = "qweight looks like random words",
     .what = "The codes have the entropy of uniform random words, which no quantized matrix has.",
     .why = "The layer was never initialised: the output is noise.",
     .evidence = kCodes,
     .fix = "Fetch the file again; if it is the same, quantize again.",
     .since = "0.1.0"},
    {.code = "GD417",
     .name = "bias-zero",
     .severity = Severity::kNote,
     .title = "Biases are all zero",
     .what = "AutoGPTQ 0.2.0 to 0.7.1 stored a zero-filled bias for every quantized layer, also where the architecture "
             "has none.",
     .why = "Harmless. transformers prints that the biases were not used; vLLM 0.2 stopped with a KeyError.",
     .evidence = "The bias tensors and the architecture.",
     .fix = "Nothing needs to be done.",
     .since = "0.1.0",
     .check = CheckExtraBiases},
    {.code = "GD419",
     .name = "act-order-without-g-idx",
     .severity = Severity::kError,
     .title = "desc_act is true and modules have no g_idx",
     .what = "The configuration says that channels were reordered, but no tensor says how.",
     .why = "Loaders allocate g_idx and leave it as it is: uninitialised or zero. If the model was not reordered, "
            "desc_act must be false.",
     .evidence = "The configuration's desc_act and the names of the tensors.",
     .fix = "Set desc_act to false if the model was quantized without act-order or with static groups.",
     .since = "0.1.0",
     .check = CheckActOrderWithoutGIdx},
};

}  // namespace

std::span<const Rule> ValueRules() { return kRules; }

}  // namespace gptq_doctor

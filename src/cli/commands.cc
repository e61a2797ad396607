#include "cli/command.h"

namespace gptq_doctor {
namespace {

constexpr CommandRow kCommands[] = {
    {"inspect", "say what a model is, what is wrong with it and what repairs it", MakeInspect},
    {"config", "print the quantize_config.json that the tensors prove", MakeConfig},
    {"fix", "show, apply or undo the repairs as a diff", MakeFix},
    {"apply", "carry out a plan that fix --plan wrote, exactly", MakeApply},
    {"memory", "what it costs on a GPU, and whether it fits", MakeMemory},
    {"tensors", "list tensors: names, dtypes, shapes, files, offsets", MakeTensors},
    {"dequantize", "write a dense model directory (f16, bf16, f32)", MakeDequantize},
    {"why", "walk through what each loader does with a model, and why", MakeWhy},
    {"check", "judge model directories by rules, for CI", MakeCheck},
    {"explain", "say what a rule means and what to do about it", MakeExplain},
    {"rules", "list every rule", MakeRules},
    {"loaders", "list what is known of loaders, for which versions and since when", MakeLoaders},
};

}  // namespace

std::span<const CommandRow> Commands() { return kCommands; }

}  // namespace gptq_doctor

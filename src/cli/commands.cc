#include "cli/command.h"

namespace gptq_doctor {

namespace {

constexpr std::string_view kDiagnose = "Diagnose";
constexpr std::string_view kRepair = "Repair";
constexpr std::string_view kNumbers = "Work with the tensors";
constexpr std::string_view kLookUp = "Look up";

constexpr CommandRow kCommands[] = {
    {"inspect", kDiagnose, "say what a model is, what is wrong with it and what repairs it",
     "inspect MODEL\n"
     "inspect A B C                        compare several\n"
     "inspect MODEL --format markdown      to paste into a bug report",
     MakeInspect},
    {"why", kDiagnose, "walk through what each loader does with a model, and why",
     "why MODEL\n"
     "why MODEL --loader vllm@0.15         one loader's steps\n"
     "why MODEL --env                      only what is installed here\n"
     "why --symptom 'the message'          who prints it, and what it means",
     MakeWhy},
    {"check", kDiagnose, "judge model directories by rules, for CI",
     "check MODELS/*\n"
     "check MODELS/* --loader vllm         every failure of vLLM is an error\n"
     "check MODELS/* --format sarif -o report.sarif\n"
     "check MODELS/* --write-baseline known.json",
     MakeCheck},
    {"memory", kDiagnose, "what it costs on a GPU, and whether it fits",
     "memory MODEL --gpu 'RTX 4090'\n"
     "memory MODEL --gpu 24GiB --context 32768\n"
     "memory MODEL --observed 5.76GiB      what explains a measured size",
     MakeMemory},
    {"fix", kRepair, "show, apply or undo the repairs as a diff",
     "fix MODEL                            show what would change\n"
     "fix MODEL --write                    change it; what is replaced is kept\n"
     "fix MODEL --undo                     take the last --write back\n"
     "fix MODEL --assume sym=false         settle what no tensor tells",
     MakeFix},
    {"config", kRepair, "print the quantize_config.json that the tensors prove",
     "config MODEL\n"
     "config MODEL --for config.json       the quantization_config section\n"
     "config MODEL --check                 compare with what is there",
     MakeConfig},
    {"apply", kRepair, "carry out a plan that fix --plan wrote, exactly",
     "fix MODEL --plan plan.json && gptq-doctor apply plan.json", MakeApply},
    {"tensors", kNumbers, "list tensors: names, dtypes, shapes, files, offsets",
     "tensors MODEL '*.g_idx'\n"
     "tensors MODEL model.layers.0.mlp.down_proj.weight",
     MakeTensors},
    {"verify", kNumbers, "read the tensor data: are the numbers sound, and those of the base model?",
     "verify MODEL\n"
     "verify MODEL --against BASE          every module's error, swapped modules by name\n"
     "verify MODEL --hashes                against what was recorded at the download",
     MakeVerify},
    {"dequantize", kNumbers, "write a dense model directory (f16, bf16, f32)",
     "dequantize MODEL -o DENSE --dtype bf16\n"
     "dequantize MODEL -o DENSE --resume   go on after an interruption",
     MakeDequantize},
    {"convert", kNumbers, "write the same model with other zero points, words, scales or files",
     "convert MODEL -o DIR --checkpoint-format gptq_v2\n"
     "convert MODEL -o DIR --rename --add-g-idx    what more loaders read\n"
     "convert MODEL -o DIR --reshard --max-shard-size 2GB\n"
     "convert MODEL -o DIR                         only undo what an old writer did wrong",
     MakeConvert},
    {"explain", kLookUp, "say what a rule means and what to do about it", "explain GD101", MakeExplain},
    {"rules", kLookUp, "list every rule", "rules --format json", MakeRules},
    {"loaders", kLookUp, "list what is known of loaders, for which versions and since when", "loaders --format json",
     MakeLoaders},
    {"completions", kLookUp, "print what completes commands and options in a shell",
     "completions bash > /etc/bash_completion.d/gptq-doctor\n"
     "completions zsh > \"${fpath[1]}/_gptq-doctor\"\n"
     "completions fish > ~/.config/fish/completions/gptq-doctor.fish",
     MakeCompletions},
};

}  // namespace

std::span<const CommandRow> Commands() { return kCommands; }

}  // namespace gptq_doctor

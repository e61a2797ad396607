#ifndef GPTQ_DOCTOR_LOADERS_FAMILIES_H_
#define GPTQ_DOCTOR_LOADERS_FAMILIES_H_

// The rows of each family, and the stages that are only some loader's: what a row cannot say.

#include <span>
#include <string_view>

#include "loaders/profile.h"

namespace gptq_doctor {

class Walk;

std::span<const Profile* const> AutoGptqProfiles();
std::span<const Profile* const> GptqModelProfiles();
std::span<const Profile* const> TransformersProfiles();  // transformers and optimum
std::span<const Profile* const> VllmProfiles();
std::span<const Profile* const> SglangProfiles();
std::span<const Profile* const> TgiProfiles();
std::span<const Profile* const> ExllamaProfiles();    // v2 and v3
std::span<const Profile* const> ConverterProfiles();  // llama.cpp, lmdeploy, mlx-lm, ktransformers, tensorrt-llm
std::span<const Profile* const> LegacyProfiles();     // programs of 2023, text-generation-webui

// autogptq.cc
bool StageAutoGptqFormat(Walk& walk);  // is_marlin_format, version GEMM, method against format
// gptqmodel.cc
bool StageGptqModelGate(Walk& walk);    // quantized or plain, before anything else
bool StageGptqModelValues(Walk& walk);  // keys of the quantization run
bool StageGptqModelKeys(Walk& walk);    // a key that rejects before any value does
bool StageGptqModelWords(Walk& walk);   // pack_dtype
bool StageGptqModelFormat(Walk& walk);  // formats, keys that reject
bool StageGptqModelSym(Walk& walk);     // sym=false needs a known quantizer, checked after the weights
// transformers.cc
bool StageBitsAndBytes(Walk& walk);   // flags that make the settings another quantizer's
bool StageGptqFormats(Walk& walk);    // what GPTQConfig lower-cases first
bool StageGptqConfig(Walk& walk);     // GPTQConfig's own checks
bool StageBlockPattern(Walk& walk);   // optimum's block prefix
bool StageOptimumConfig(Walk& walk);  // load_quantized_model
// foreign.cc: packed tensors of another layout under a gptq label
bool StageForeign(Walk& walk);
// vllm.cc
bool StageVllmMethod(Walk& walk);
bool StageVllmDtype(Walk& walk);
bool StageVllmModules(Walk& walk);
bool StageVllmKernels(Walk& walk);
bool StageVllmTensors(Walk& walk);
// vllm_old.cc
bool StageVllmWithoutGptq(Walk& walk);
bool CheckOldExperts(Walk& walk);
// sglang.cc
bool StageSglangMethod(Walk& walk);
bool StageSglangLayers(Walk& walk);
bool StageSglangTensors(Walk& walk);
// tgi.cc
bool StageTgiConfig(Walk& walk);
bool StageTgiTensors(Walk& walk);
bool StageOldTgi(Walk& walk);
// exllama.cc
bool StageExllamaV2(Walk& walk);
bool StageRefusesGptq(Walk& walk);  // exllamav3, tensorrt-llm
// lmdeploy.cc, mlx.cc
bool StageLmdeploy(Walk& walk);
bool StageMlx(Walk& walk);
// converters.cc
bool StageLlamaCppConfig(Walk& walk);
bool StageLlamaCpp(Walk& walk);
// Biases of the architecture and plain weights that no file holds: what comes of them is unknown.
void DoubtIncomplete(Walk& walk, std::string_view consequence);
bool StageKtransformers(Walk& walk);
bool StageTensorRt(Walk& walk);
// legacy.cc
bool StageGptqForLlama(Walk& walk);
bool StageExllamaV1(Walk& walk);
bool StageWebuiAutoGptq(Walk& walk);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_FAMILIES_H_

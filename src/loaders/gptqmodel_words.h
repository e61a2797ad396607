#ifndef GPTQ_DOCTOR_LOADERS_GPTQMODEL_WORDS_H_
#define GPTQ_DOCTOR_LOADERS_GPTQMODEL_WORDS_H_

// What GPTQModel looks for and what it prints, by version: names, places, formats, methods and messages that its
// profiles (profiles_gptqmodel.cc) are made of. `{...}` stands for what a walk fills in.

#include <string_view>

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor::gptqmodel {

inline constexpr std::string_view kConfigSource = "ModelCloud/GPTQModel gptqmodel/quantization/config.py";
inline constexpr std::string_view kImporter = "ModelCloud/GPTQModel gptqmodel/utils/importer.py";
inline constexpr std::string_view kModels = "ModelCloud/GPTQModel gptqmodel/models/auto.py, models/loader.py";
inline constexpr std::string_view kFilesSource = "ModelCloud/GPTQModel gptqmodel/utils/model.py";

inline constexpr ConfigPlace kOnlyFirst[] = {{"quantize_config.json", ""}};
inline constexpr ConfigPlace kAllPlaces[] = {
    {"quantize_config.json", ""}, {"quant_config.json", ""}, {"config.json", "/quantization_config", true}};
inline constexpr std::string_view kNoFile =
    "FileNotFoundError: [Errno 2] No such file or directory: '{dir}/quantize_config.json'";
inline constexpr std::string_view kNoneFound =
    "ValueError: No quantize_config.json, quant_config.json or config.json file was found in the model repository.";
inline constexpr KeyAlias kNames[] = {{"w_bit", "bits"}, {"q_group_size", "group_size"}};
inline constexpr KeyAlias kNames5[] = {
    {"w_bit", "bits"}, {"wbits", "bits"}, {"q_group_size", "group_size"}, {"zero_point", "not sym"}};
inline constexpr KeyAlias kNames6[] = {{"w_bit", "bits"},
                                       {"wbits", "bits"},
                                       {"q_group_size", "group_size"},
                                       {"zero_point", "not sym"},
                                       {"method", "quant_method"}};
inline constexpr std::string_view kBases[] = {"gptq_model-{bits}bit-{group_size}g", "model"};
inline constexpr std::string_view kNotFound =
    "FileNotFoundError: Could not find a model in {dir} with a name in {names}. Please specify the argument "
    "model_basename to use a custom file name.";
inline constexpr std::string_view kNotSupported = "TypeError: {model_type} isn't supported yet.";
inline constexpr std::string_view kBitsMessage =
    "ValueError: QuantizeConfig: `bits` must be in the set of `[2, 3, 4, 8]`.";
inline constexpr std::string_view kBitsMessage6 =
    "ValueError: QuantizeConfig: `bits` must resolve to one of `[2, 3, 4, 5, 6, 8]`.";
inline constexpr std::string_view kBitsMessage7 =
    "ValueError: QuantizeConfig: `bits` must resolve to one of `[1, 2, 3, 4, 5, 6, 8]`.";
inline constexpr std::string_view kBitsMessage734 =
    "ValueError: QuantizeConfig: `bits` must resolve to one of `[1, 2, 3, 4, 5, 6, 7, 8]`.";
inline constexpr std::string_view kOneBit7 =
    "ValueError: QuantizeConfig: `bits` must be in the set of `[2, 3, 4, 5, 6, 8]`.";
inline constexpr std::string_view kOneBit734 =
    "ValueError: QuantizeConfig: `bits` must be in the set of `[2, 3, 4, 5, 6, 7, 8]`.";
inline constexpr std::string_view kBitsType6 = "ValueError: QuantizeConfig: unsupported bits specification `{b}`.";
inline constexpr std::string_view kBitsWord6 = "ValueError: Unsupported GGUF bits `{b}`. Supported values: ";
inline constexpr std::string_view kGroupMessage =
    "ValueError: QuantizeConfig: `group_size` must in the value set of `[-1, 16, 32, 64, 128]`.";
inline constexpr std::string_view kGroupMessage5 =
    "ValueError: QuantizeConfig: `group_size` must be one of `[-1, 16, 32, 64, 128, 256, 512, 1024]`.";
inline constexpr std::string_view kFormats[] = {"gptq", "gptq_v2", "marlin", "bitblas", "ipex", "qqq"};
inline constexpr std::string_view kFormats5[] = {"gptq", "gptq_v2", "marlin",    "bitblas", "qqq",
                                                 "gemm", "gemv",    "gemv_fast", "llm-awq"};
inline constexpr std::string_view kFormats734[] = {"gptq", "gptq_v2", "gptq_p", "marlin",    "bitblas",
                                                   "qqq",  "gemm",    "gemv",   "gemv_fast", "llm-awq"};
inline constexpr std::string_view kFormats1[] = {"gptq", "gptq_v2", "marlin", "bitblas", "ipex"};
inline constexpr std::string_view kFormatMessage1 =
    "ValueError: The checkpoint format used is {v}, and the quantization method is {m}. ";
inline constexpr std::string_view kFormatMessage2 =
    "ValueError: QuantizeConfig: checkpoint `format` used is {v}, and the quantization method is {m}. ";
inline constexpr std::string_view kFormatMessage6 = "ValueError: QuantizeConfig: Unknown quantization format: `{v}`.";
inline constexpr std::string_view kMethods1[] = {"gptq", "auto_round", "marlin", "bitblas"};
inline constexpr std::string_view kMethods2[] = {"gptq", "auto_round", "qqq", "marlin", "bitblas"};
inline constexpr std::string_view kMethods5[] = {"gptq", "qqq", "awq", "marlin", "bitblas"};
inline constexpr std::string_view kMethods7[] = {"gptq",         "marlin", "bitblas", "gguf", "fp8",
                                                 "bitsandbytes", "qqq",    "awq",     "exl3", "paroquant"};
inline constexpr std::string_view kMethodMessage = "ValueError: QuantizeConfig: Unknown quantization method: `{v}`.";
inline constexpr std::string_view kMethodMessage1 = "ValueError: Unknown quantization method: {v}.";
inline constexpr std::string_view kNoLower = "AttributeError: '{t}' object has no attribute 'lower'";
inline constexpr std::string_view kMethodType6 = "ValueError: QuantizeConfig: Unsupported `method`: {v}";
inline constexpr std::string_view kDamp1 = "ValueError: damp_percent must between 0 and 1.";
inline constexpr std::string_view kDamp = "ValueError: QuantizeConfig: `damp_percent` must between 0 and 1.";
inline constexpr std::string_view kStep1 = "ValueError: damp_auto_increment must greater than 0.";
inline constexpr std::string_view kStep = "ValueError: QuantizeConfig:: `damp_auto_increment` must greater than 0.";
inline constexpr std::string_view kMeta1 = "ValueError: meta must be a dictionary";
inline constexpr std::string_view kMeta = "ValueError: QuantizeConfig: `meta` must be a dictionary";
inline constexpr std::string_view kLayerBits1 = "ValueError: Layer {k}: only support quantize to [2, 3, 4, 8] bits.";
inline constexpr std::string_view kLayerBits =
    "ValueError: QuantizeConfig: Layer `{k}` only support quantization of  `[2, 3, 4, 8]` bits.";
inline constexpr std::string_view kLayerBits6 =
    "ValueError: QuantizeConfig: Layer `{k}` only support quantization of `[2, 3, 4, 5, 6, 8]` bits.";
inline constexpr std::string_view kLayerBits734 =
    "ValueError: QuantizeConfig: Layer `{k}` only support quantization of `[2, 3, 4, 5, 6, 7, 8]` bits.";

}  // namespace gptq_doctor::gptqmodel

#endif  // GPTQ_DOCTOR_LOADERS_GPTQMODEL_WORDS_H_

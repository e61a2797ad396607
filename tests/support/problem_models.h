#ifndef GPTQ_DOCTOR_TESTS_SUPPORT_PROBLEM_MODELS_H_
#define GPTQ_DOCTOR_TESTS_SUPPORT_PROBLEM_MODELS_H_

// Directories as people brought them to public threads, each spoilt in one way. The tests of loaders and of rules look
// at the same ones.

#include <string>

#include "support/model_builder.h"

namespace gptq_doctor::testing {

ModelBuilder SectionOnly();
ModelBuilder Bare();
ModelBuilder Without(const char* key);
ModelBuilder PastedWithoutMethod();
ModelBuilder WrongArchitecture();
ModelBuilder WrongGroup();
ModelBuilder AutoGptqOutput();
ModelBuilder Sharded();
ModelBuilder ShardMissing();
ModelBuilder StaleIndex();
ModelBuilder NoQweight();
ModelBuilder NoWeights();
ModelBuilder LfsPointer();
ModelBuilder Truncated();
ModelBuilder NoMetadata();
ModelBuilder PickleInside();
ModelBuilder WithKey(const char* key, const char* value);
ModelBuilder Dtype(const char* dtype, const GptqOptions& quant = {});
ModelBuilder Mixture(bool quantized_router, bool quantized_experts = true);
ModelBuilder Mixtral();
ModelBuilder Vision(const char* model_type);
ModelBuilder MixedInsideFused();
ModelBuilder PlainPart();
ModelBuilder PlainDown();
ModelBuilder WrongKeepList();
ModelBuilder ScoreHead();
ModelBuilder TiedHeadStored(const char* model_type);
ModelBuilder Biases(const char* model_type);
ModelBuilder LabelOnly(const char* label, const GptqOptions& quant);
ModelBuilder ZeroWords();
ModelBuilder Width(int64_t intermediate);
ModelBuilder MarlinTensors(const char* checkpoint_format = "gptq");
ModelBuilder NoGIdx();
ModelBuilder FewerLayersInConfig();
ModelBuilder FloatZerosOfMarch();  // GPTQ-for-LLaMa of March 2023: `zeros` in F32, scales as [out, 1]
// AWQ's GEMM layout, qweight packed along the output axis, under a quant_method of choice.
ModelBuilder AwqTensors(const std::string& method);
ModelBuilder OtherToolUndeclared();  // int8 weights with weight_scale, no settings anywhere

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_SUPPORT_PROBLEM_MODELS_H_

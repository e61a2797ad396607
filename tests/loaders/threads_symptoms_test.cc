// Messages as people pasted them into public threads: which loader and step they are laid to, whether a directory
// explains them, and texts that are none of a GPTQ loader's.

#include "gtest/gtest.h"
#include "loaders/models.h"
#include "loaders/support.h"
#include "loaders/symptom.h"
#include "support/problem_models.h"

namespace gptq_doctor::testing {
namespace {

struct Pasted {
  const char* thread;
  const char* text;
  const char* loader;  // empty: nothing is known of it
  const char* step;
  ModelBuilder (*build)() = nullptr;
  std::optional<bool> explains = {};
};

ModelBuilder Good() { return Healthy(); }
ModelBuilder EightBits() { return Healthy({.bits = 8}); }
ModelBuilder SmallGroups() { return Healthy({.group_size = 32}); }
ModelBuilder NoIndex() { return Healthy({.g_idx = false}); }
ModelBuilder PlainModel() {
  ModelBuilder builder;
  return builder.Layers(2).Sizes(256, 512, 128, 128).Dense();
}
ModelBuilder OddGroups() {
  ModelBuilder builder;
  return builder.Layers(2).Sizes(256, 384, 128, 128).Quant({}).WithConfigs();
}
ModelBuilder AllExperts() { return Mixture(false); }

constexpr const char* kInput =
    "ValueError: The input size is not aligned with the quantized weight shape. This can be caused by too large tensor "
    "parallel size.";
constexpr const char* kTile =
    "Weight input_size_per_partition = 192 is not divisible by min_thread_k = 128. Consider reducing "
    "tensor_parallel_size or running with --quantization gptq.";
constexpr const char* kPackedKey = "KeyError: 'model.layers.0.self_attn.q_proj.qweight'";

const Pasted kThreads[] = {
    {"vllm-project/vllm#2699", kInput, "any", "kernel", OddGroups, true},
    {"QwenLM/Qwen3#360", kInput, "any", "kernel", SmallGroups, false},
    {"QwenLM/Qwen3#986", kTile, "vllm", "kernel", OddGroups, true},
    {"QwenLM/Qwen3#986", kTile, "vllm", "kernel", Good, false},
    {"1b5d/llm-api#8", "Missing key(s) in state_dict: \"model.layers.0.self_attn.k_proj.g_idx\"", "any", "tensors",
     NoIndex, true},
    {"1b5d/llm-api#8", "Missing key(s) in state_dict: \"model.layers.0.self_attn.k_proj.g_idx\"", "any", "tensors",
     Good, false},
    {"AutoGPTQ/AutoGPTQ#335",
     "TypeError: BaseQuantizeConfig.__init__() got an unexpected keyword argument 'static_groups'", "autogptq",
     "config", Good, false},
    {"AutoGPTQ/AutoGPTQ#222",
     "size mismatch for model.layers.78.self_attn.k_proj.weight: copying a param with shape torch.Size([1024, 8192]) "
     "from "
     "checkpoint, the shape in current model is torch.Size([8192, 8192]).",
     "any", "tensors", Good, false},
    {"AutoGPTQ/AutoGPTQ#307", "ValueError: QuantLinear() does not have a parameter or a buffer named weight.",
     "autogptq", "tensors", Good, false},
    {"turboderp-org/exllamav2#563", "RuntimeError: q_weight and gptq_qzeros have incompatible shapes", "any", "tensors",
     EightBits, true},
    {"turboderp-org/exllamav2#763", "ValueError: ## Could not find lm_head.* in model", "exllamav2", "tensors", Good,
     false},
    {"oobabooga/text-generation-webui#4981", "ValueError: ## Could not find model.layers.0.mlp.down_proj.* in model",
     "exllamav2", "tensors"},
    {"oobabooga/text-generation-webui#2918", kPackedKey, "exllama", "tensors", PlainModel, true},
    {"intel/auto-round#982", "KeyError: 'model.layers.0.mlp.down_proj.qweight'", "sglang", "tensors"},
    {"hiyouga/LlamaFactory#10275", "KeyError: 'layers.0.mlp.down_proj.g_idx'", "vllm", "tensors", Good, false},
    {"hiyouga/LlamaFactory#10275", "KeyError: 'layers.0.mlp.down_proj.g_idx'", "vllm", "tensors", Bare, true},
    {"sgl-project/sglang#6249", "KeyError: 'intermediate_size_full'", "sglang", "modules", AllExperts, true},
    {"sgl-project/sglang#6249", "KeyError: 'intermediate_size_full'", "sglang", "modules", Good, false},
    {"QwenLM/Qwen3#506",
     "AttributeError: 'MergedColumnParallelLinear' object has no attribute 'weight'. Did you mean: 'qweight'", "vllm",
     "modules", Good, false},
    {"vllm-project/vllm#24217",
     "cannot access local variable 'GPTQMarlinMoEMethod' where it is not associated with a value", "any", "method",
     Good, false},
    {"huggingface/text-generation-inference#1407", "NotImplementedError: Only 2,4,8 bits are supported.", "any",
     "kernel", Good, false},
    {"ModelCloud/GPTQModel#328",
     "Cannot load `gptq` weight for GPTQ -> Marlin repacking, make sure the model is already quantized", "tgi",
     "tensors", Good, false},
    {"huggingface/text-generation-inference#1006",
     "ImportError: Loading GPTQ quantized model requires optimum library : `pip install optimum` and auto-gptq library",
     "transformers", "environment", Good, std::nullopt},
    {"huggingface/transformers#34765", "ModuleNotFoundError: No module named 'optimum'", "transformers", "environment",
     Good, std::nullopt},
    {"hiyouga/LlamaFactory#3516",
     "importlib.metadata.PackageNotFoundError: The 'optimum>=1.16.0' distribution was not found", "transformers",
     "environment", Good, std::nullopt},
    {"axolotl-ai-cloud/axolotl#838", "ImportError: Found an incompatible version of auto-gptq. Found version 0.4.2",
     "transformers", "environment", Good, std::nullopt},
    {"ggml-org/llama.cpp#8134", "ValueError: Can not map tensor 'model.layers.0.mlp.down_proj.qweight'", "llama.cpp",
     "tensors", Good, true},
    {"ggml-org/llama.cpp#12923", "ValueError: Can not map tensor 'model.layers.0.mlp.down_proj.SCB'", "llama.cpp",
     "tensors", Good, false},
    {"ggml-org/llama.cpp#9211", "ValueError: Can not map tensor 'blk.embed.weight'", "llama.cpp", "tensors", Good,
     false},
    {"xusenlinzy/api-for-open-llm#196",
     "ValueError: Unknown quantization method: gptq. Must be one of ['awq', 'squeezellm'].", "any", "method", Good,
     true},
    {"ModelCloud/GPTQModel#1654", "ValueError: Cannot find any of ['wbits'] in the model's quantization config.", "any",
     "config", Good, false},
    {"vllm-project/vllm#49137",
     "ValueError: There is no module or parameter named 'lm_head.qweight' in Qwen3_5ForCausalLM.", "vllm", "tensors",
     Good, false},
    {"vllm-project/vllm#10207", "the GPTQ-Int4 model consumes a lot of video memory", "any", "memory", Good,
     std::nullopt},
    {"QwenLM/Qwen3-VL#1520", "VLLM Qwen3-Vl Thinking model output garbled text", "any", "values", Good, false},
    {"InternLM/lmdeploy#2694", "AssertionError: unsupported quant_config: {'bits': 4, 'desc_act': True}", "lmdeploy",
     "config", Good, false},
    {"ml-explore/mlx-lm#146", "ValueError: Received 420 parameters not in model: model.layers.0.mlp.down_proj.qweight",
     "mlx-lm", "tensors", Bare, true},
    {"vllm-project/vllm#40358", "KeyError: 'layers.0.mlp.experts.w13_bias'", "", ""},
    {"intel/auto-round#1464", "KeyError: 'layers.0.mlp.experts.w2_weight.0.qweight'", "", "", AllExperts},
    {"vllm-project/vllm#9595", "KeyError: 'layers.0.self_attn.qkv_proj.weight'", "", "", Good},
    {"AutoGPTQ/AutoGPTQ#343", "RuntimeError: FWD: Unsupported hidden_size or types: 4096BFloat16FloatFloatFloatFloat",
     "", "", Good},
    {"AutoGPTQ/AutoGPTQ#428", "TypeError: __init__() got an unexpected keyword argument 'weight_dtype'", "", "", Good},
    {"casper-hansen/AutoAWQ#255", "TypeError: QWenBlock.forward() got an unexpected keyword argument 'past_key_values'",
     "", "", Good},
    {"meta-pytorch/gpt-fast#88",
     "size mismatch for layers.0.feed_forward.w2.scales_and_zeros: copying a param with shape torch.Size([352, 4096, "
     "2]) from "
     "checkpoint",
     "", "", Good},
    {"ModelCloud/GPTQModel#1625", "RuntimeError: b_q_weight type is not kInt", "", "", Good},
    {"ModelCloud/GPTQModel#1361", "RuntimeError: Invalid MNK = [0, 1408, 2048]", "", "", Good},
    {"EricLBuehler/mistral.rs#2348", "Missing required tensor(s) for gptq_awq_linear at prefix lm_head", "", "", Good},
    {"InternLM/lmdeploy#2032", "KeyError: 'model.layers.0.mlp.gate_proj.scales'", "", "", Good}};

TEST(Threads, PastedMessages) {
  for (const Pasted& row : kThreads) {
    SCOPED_TRACE(std::string(row.thread) + ": " + row.text);
    const Examined model = row.build == nullptr ? Examined{} : ExamineModel(row.build());
    const auto matches = MatchSymptom(row.text, model.exam.get());
    EXPECT_EQ(matches.empty(), *row.loader == 0);
    if (matches.empty() || *row.loader == 0) continue;
    EXPECT_EQ(matches.front().loader, row.loader);
    EXPECT_EQ(matches.front().step, row.step);
    EXPECT_EQ(matches.front().verdict.explains, row.explains) << matches.front().verdict.evidence;
  }
}

TEST(Threads, WhatIsNoGptqLoadersMessage) {
  for (const char* text :
       {"requests.exceptions.ConnectionError: HTTPSConnectionPool(host='huggingface.co', port=443): Max retries "
        "exceeded",
        "OSError: We couldn't connect to 'https://huggingface.co' to load this file",
        "OSError: You are trying to access a gated repo. Make sure to have access to it",
        "OSError: Error no file named diffusion_pytorch_model.bin found in directory ./unet.",
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "RuntimeError: CUDA error: an illegal memory access was encountered",
        "RuntimeError: NCCL error in: ProcessGroupNCCL.cpp:1275, unhandled system error",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x4096 and 1x22544384)",
        "RuntimeError: expected mat1 and mat2 to have the same dtype, but got: float != c10::Half",
        "ImportError: LlamaTokenizer requires the SentencePiece library but it was not found in your environment",
        "ImportError: Using `bitsandbytes` 8-bit quantization requires Accelerate and the latest version of "
        "bitsandbytes",
        "ValueError: Some modules are dispatched on the CPU or the disk. Make sure you have enough GPU RAM",
        "AssertionError: Tried to load weights of size torch.Size([3096576, 1])to a parameter of size "
        "torch.Size([5376])",
        "ValueError: AWQ is only available on GPU",
        "ValueError: Unknown AWQ version: gemv_fast",
        "ValueError: Cannot find the config file for awq",
        "ValueError: torch.bfloat16 is not supported for quantization method awq. Supported dtypes: [torch.float16]",
        "gguf_init_from_file_impl: failed to read tensor info",
        "llama_model_loader: failed to load model from model.gguf: invalid magic characters: 'PK'",
        "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens in KV cache (17536).",
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        "ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).",
        "ValueError: rope_scaling must be a dictionary with two fields, type and factor",
        "TypeError: LlamaForCausalLM.__init__() got an unexpected keyword argument 'load_in_4bit'",
        "TypeError: LlamaRotaryEmbedding.forward() missing 1 required positional argument: 'position_ids'",
        "AttributeError: 'NoneType' object has no attribute 'get_seq_length'",
        "AttributeError: module 'torch' has no attribute 'float8_e4m3fn'",
        "KeyError: 'Qwen2ForCausalLM'",
        "KeyError: 'model_max_length'",
        "KeyError: 'Key output.weight not found in Safetensor files'",
        "KeyError: 'model.layers.19.mlp.shared_experts.gate_up_proj.input_scale'",
        "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel: Missing key(s) in state_dict: "
        "\"conv_in\"",
        "FileNotFoundError: [Errno 2] No such file or directory: '/models/x/tokenizer.model'",
        "subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit status 1.",
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "INFO: gc: garbage collector freed 1024 objects",
        "RuntimeError: Insufficient size of temp_dq buffer"}) {
    const auto matches = MatchSymptom(text, nullptr);
    EXPECT_TRUE(matches.empty()) << text << " is taken for " << matches.front().message;
  }
}

TEST(Threads, NamesOfOtherModelsAreNotExplained) {
  for (const char* text :
       {"Some weights of BertForSequenceClassification were not initialized from the model checkpoint at x and are "
        "newly "
        "initialized: ['classifier.bias', 'classifier.weight']",
        "KeyError: 'model.layers.18.mlp.down_proj.weight_scale'",
        "RuntimeError: The size of tensor a (9) must match the size of tensor b (5120) at non-singleton dimension 2"}) {
    const Examined model = ExamineModel(Bare());
    const auto matches = MatchSymptom(text, model.exam.get());
    ASSERT_FALSE(matches.empty()) << text;
    EXPECT_EQ(matches.front().verdict.explains, false) << text << "\n" << matches.front().verdict.evidence;
  }
}

// Messages that no row holds are found in the profiles, and those that a loader composes in its walk.
TEST(Threads, EveryMessageThatIsPrintedIsRecognised) {
  ModelBuilder builder = Healthy();
  Both(builder, {{"bits", 5}});
  const Examined model = ExamineModel(builder);
  ASSERT_NE(model.exam, nullptr);
  int printed = 0;
  for (const LoaderOutcome& outcome : SimulateLoaders(*model.exam, {.selectors = {"all"}})) {
    if (outcome.message.empty()) continue;
    ++printed;
    const auto matches = MatchSymptom("ERROR 07-31 [core.py:667] " + outcome.message, model.exam.get());
    ASSERT_FALSE(matches.empty()) << Describe(outcome);
    EXPECT_EQ(matches.front().verdict.explains, true) << Describe(outcome);
  }
  EXPECT_GT(printed, 10);
}

TEST(Threads, TemplatesNameTheirLoaders) {
  const auto matches =
      MatchSymptom("ValueError: QuantizeConfig: `bits` must be in the set of `[2, 3, 4, 8]`.", nullptr);
  ASSERT_FALSE(matches.empty());
  EXPECT_EQ(matches.front().loader, "gptqmodel");
  EXPECT_EQ(matches.front().step, "settings");
}

}  // namespace
}  // namespace gptq_doctor::testing

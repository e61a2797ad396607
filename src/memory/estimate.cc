#include "memory/estimate.h"

#include <algorithm>

#include "base/text.h"
#include "memory/arith.h"

namespace gptq_doctor {
namespace {

constexpr int64_t kDefaultContext = 4096, kLongestContext = int64_t{1} << 24;

Error Usage(std::string message) { return {.kind = ErrorKind::kUsage, .path = "", .message = std::move(message)}; }

std::optional<int64_t> KvBits(std::string_view dtype) {
  if (dtype == "auto" || dtype == "fp16" || dtype == "bf16" || dtype == "float16" || dtype == "bfloat16") return 16;
  if (dtype == "fp32" || dtype == "float32") return 32;
  if (dtype.starts_with("fp8") || dtype == "int8" || dtype == "8") return 8;
  if (dtype == "int4" || dtype == "4") return 4;
  return std::nullopt;
}

class Estimator {
 public:
  Estimator(const MemoryModel& model, const MemoryQuery& query) : model_(model), query_(query) {}

  Result<MemoryEstimate> Run() {
    if (Result<Unit> ready = Prepare(); !ready) return ready.error();
    out_.usable = UsableBytes(query_);
    out_.gpu = query_.gpu;
    FillLevels();
    Recommend(model_, out_);
    ChooseLedger();
    FillFallback();
    FillHost();
    ListAssumptions();
    if (query_.observed) out_.observed = Explain(model_, *query_.observed, out_.context);
    return std::move(out_);
  }

 private:
  Result<Unit> Prepare() {
    const std::string& type = model_.arch.model_type;
    Result<RuntimeRow> row = FindRuntime(query_.runtime.empty() ? "transformers" : query_.runtime, type);
    if (!row) return row.error();
    runtime_ = *row;
    if (Result<Unit> choices = ReadChoices(); !choices) return choices;
    const auto bits = KvBits(query_.kv_dtype);
    if (!bits) return Usage("--kv-dtype '" + query_.kv_dtype + "' is none of auto, fp16, bf16, fp32, fp8, int8, int4");
    const auto known = {"all", "auto", "none", "fp16", "int8", "int4", "as-is"};
    if (std::find(known.begin(), known.end(), query_.precision) == known.end()) {
      return Usage("--precision '" + query_.precision + "' is none of auto, none, fp16, int8, int4, as-is, all");
    }
    run_.kv_bits = *bits;
    run_.context =
        query_.context.value_or(std::min(kDefaultContext, model_.arch.max_position.value_or(kDefaultContext)));
    run_.new_tokens = query_.new_tokens.value_or(0);
    run_.generates = !query_.new_tokens || *query_.new_tokens > 1;
    run_.batch = query_.batch;
    run_.gpus = query_.gpus;
    run_.tensor_parallel = query_.tensor_parallel;
    run_.process = FromGiB(kProcessGiB);
    if (!query_.gpu.empty() && query_.gpu.front().process) run_.process = *query_.gpu.front().process;
    out_.context = run_.context;
    out_.new_tokens = run_.new_tokens;
    out_.batch = run_.batch;
    out_.gpus = run_.gpus;
    if (model_.arch.kv_known) {
      out_.kv_bytes_per_token = model_.arch.KvPerToken(run_.kv_bits, runtime_.latent_cache);
    }
    return Unit{};
  }

  Result<Unit> ReadChoices() {
    if (!query_.kernel.empty()) {
      const auto kernel = ParseKernel(query_.kernel);
      if (!kernel)
        return Usage("--kernel '" + query_.kernel +
                     "' is none of exllama_v1, exllama_v2, marlin, triton, cuda_old, none");
      runtime_.kernel = *kernel;
    }
    if (!query_.attention.empty()) {
      const auto attention = ParseAttention(query_.attention);
      if (!attention) return Usage("--attention '" + query_.attention + "' is none of fa2, sdpa, eager");
      runtime_.attention = *attention;
    }
    return Unit{};
  }

  PeakMaker Maker() const { return {model_, runtime_, run_}; }
  int64_t ContextCap() const {
    return model_.arch.max_position_assumed ? kLongestContext : model_.arch.max_position.value_or(kLongestContext);
  }

  void FillLevels() {
    for (const LevelInfo& info : LevelsOf(model_)) {
      const PricedWeights weights = PriceWeights(model_.weights, model_.arch, info.precision);
      MemoryLevel level{.name = std::string(info.name), .title = std::string(info.title)};
      const bool known = weights.complete;
      if (known) {
        const MemoryPeak peak = Maker().At(weights, run_.context);
        level.weights = weights.total;
        level.device_peak = peak.device_peak;
        level.per_gpu = peak.per_gpu;
      }
      if (known && out_.usable) {
        level.fit = JudgeFit(Maker(), weights, *out_.usable);
        if (model_.arch.kv_known) {
          level.largest_context =
              LargestContext(Maker(), weights, *out_.usable, std::min(ContextCap(), kLongestContext));
          level.context_capped =
              !model_.arch.max_position_assumed && *level.largest_context == model_.arch.max_position;
        }
      }
      out_.levels.push_back(std::move(level));
    }
  }

  // The level that the ledger prices: what was asked for, the recommended one for "auto", the directory otherwise.
  void ChooseLedger() {
    out_.precision = query_.precision == "all"    ? "as-is"
                     : query_.precision == "auto" ? out_.recommended
                                                  : query_.precision;
    Precision precision = Precision::kAsIs;
    for (const LevelInfo& info : LevelsOf(model_)) {
      if (info.name == out_.precision) precision = info.precision;
    }
    const PricedWeights weights = PriceWeights(model_.weights, model_.arch, precision);
    out_.expected = ComputePeak(weights, model_.arch, runtime_, run_, &out_.left_out);
    if (!query_.runtime.empty()) out_.expected.runtime = query_.runtime;
    for (const MemoryLevel& level : out_.levels) {
      if (level.name == out_.precision) out_.fit = level.fit;
    }
    if (query_.runtime.empty()) FillRange(weights);
    if (runtime_.profile == RunProfile::kPreallocating && out_.usable && out_.kv_bytes_per_token) {
      FillCapacity(weights);
    }
    const bool keep_all = query_.precision == "all";
    if (!keep_all) std::erase_if(out_.levels, [&](const MemoryLevel& level) { return level.name != out_.precision; });
  }

  // An engine gives everything that is left of its share to the cache.
  void FillCapacity(const PricedWeights& weights) {
    const int64_t without = Maker().At(weights, 0).per_gpu;
    const int64_t one = std::max<int64_t>(Maker().At(weights, 1).per_gpu - without, 1);
    out_.capacity = std::max<int64_t>(*out_.usable - without, 0) / one;
  }

  // Published rows lie between chunked prefill and old transformers with the exllama v2 buffers (97 % of them, +-2 %).
  void FillRange(const PricedWeights& weights) {
    const bool measured = !query_.gpu.empty() && query_.gpu.front().process.has_value();
    const auto bound = [&](std::string_view profile, Bound side) {
      RuntimeRow row = *FindRuntime(profile, model_.arch.model_type);
      if (side == Bound::kHigh) row.kernel = Kernel::kExllamaV2;
      RunShape shape = run_;
      shape.bound = side;
      if (!measured) shape.process = FromGiB(side == Bound::kLow ? kProcessLowGiB : kProcessHighGiB);
      return ComputePeak(weights, model_.arch, row, shape, nullptr);
    };
    out_.low = bound("chunked", Bound::kLow);
    out_.high = bound("legacy", Bound::kHigh);
    if (out_.high->device_peak < out_.expected.device_peak) {
      RunShape shape = run_;
      if (!measured) shape.process = FromGiB(kProcessHighGiB);
      out_.high = ComputePeak(weights, model_.arch, runtime_, shape, nullptr);
    }
  }

  void FillFallback() {
    if (!model_.quantized) return;
    const MemoryBrief brief = BriefMemory(model_);
    for (const FallbackCost& cost : brief.fallback) {
      const double as_is = static_cast<double>(brief.weights.value_or(0));
      out_.fallback.push_back({.dtype = cost.dtype,
                               .bytes = cost.bytes,
                               .excess = as_is > 0 ? static_cast<double>(cost.bytes) / as_is - 1 : 0,
                               .when = cost.when});
    }
  }

  void FillHost() {
    out_.read_bytes = model_.weights.read_bytes;
    if (runtime_.host != "shard" || query_.runtime.empty()) {
      out_.host_note = "how much host memory loading takes is not known for this runtime";
      return;
    }
    out_.host_peak = model_.weights.largest_file;
    out_.host_note =
        "with a device map, one weight file at a time (huggingface/accelerate, load_checkpoint_in_model); "
        "without one, all of them";
  }

  void ListAssumptions() {
    std::vector<std::string>& list = out_.assumptions;
    if (query_.runtime.empty()) {
      list.push_back(
          "no --runtime: transformers 4.45 or later with SDPA; low is chunked prefill, high transformers "
          "before 4.45 with the exllama v2 buffers");
    } else if (query_.runtime.find_first_of("0123456789") == std::string::npos && !runtime_.since.empty()) {
      list.push_back("no version of " + query_.runtime + ": " + std::string(runtime_.since) + " or later");
    }
    if (!query_.context)
      list.push_back("no --context: " + FormatCount(static_cast<uint64_t>(run_.context)) + " tokens");
    if (!query_.new_tokens) list.push_back("no --new-tokens: the answer lies within the context");
    if (query_.kv_dtype == "auto") list.push_back("no --kv-dtype: 16 bits an element of the KV cache");
    if (model_.arch.max_position && !model_.arch.max_position_assumed &&
        SaturatingAdd(run_.context, run_.new_tokens) > *model_.arch.max_position) {
      list.push_back("the context is longer than the model's " +
                     FormatCount(static_cast<uint64_t>(*model_.arch.max_position)) + " positions");
    }
    for (const GpuSpec& gpu : query_.gpu) {
      if (gpu.estimated) list.push_back(gpu.name + ": the memory a program sees is not measured; " + gpu.source);
      if (gpu.name == query_.gpu.back().name) break;
    }
    list.insert(list.end(), model_.weights.assumptions.begin(), model_.weights.assumptions.end());
    list.insert(list.end(), model_.arch.assumptions.begin(), model_.arch.assumptions.end());
    std::vector<std::string>& open = out_.left_out;
    open.insert(open.begin(), model_.arch.left_out.begin(), model_.arch.left_out.end());
    open.insert(open.begin(), model_.weights.left_out.begin(), model_.weights.left_out.end());
    list.push_back(
        "nvidia-smi reads higher than this: PyTorch keeps freed memory for reuse, and engines take a fixed "
        "share of the card");
  }

  const MemoryModel& model_;
  const MemoryQuery& query_;
  RuntimeRow runtime_{};
  RunShape run_;
  MemoryEstimate out_;
};

}  // namespace

MemoryModel DescribeMemory(const Examination& exam) {
  MemoryModel model;
  model.weights = ReadWeights({exam.configs.model, exam.tensors, exam.inventory, exam.quant});
  model.arch = ReadArchFacts(exam.configs.model, model.weights);
  for (const WeightClass& c : model.weights.classes) model.quantized = model.quantized || c.quantized;
  model.gptq = exam.quant.is_gptq;
  return model;
}

Result<MemoryEstimate> EstimateMemory(const MemoryModel& model, const MemoryQuery& query) {
  return Estimator(model, query).Run();
}

MemoryBrief BriefMemory(const MemoryModel& model) {
  MemoryBrief brief;
  const PricedWeights as_is = PriceWeights(model.weights, model.arch, Precision::kAsIs);
  if (as_is.complete) brief.weights = as_is.total;
  if (model.arch.kv_known) brief.kv_bytes_per_token = model.arch.KvPerToken(16, true);
  if (model.quantized) {
    const PricedWeights half = PriceWeights(model.weights, model.arch, Precision::kFallback16);
    const PricedWeights single = PriceWeights(model.weights, model.arch, Precision::kFallback32);
    if (half.complete) {
      brief.fallback.push_back({"float16", half.total, "loaded as dense layers, torch_dtype float16 or bfloat16"});
      brief.fallback.push_back(
          {"float32", single.total, "loaded as dense layers by transformers 4 without torch_dtype"});
    }
  }
  brief.assumptions = model.weights.assumptions;
  brief.assumptions.insert(brief.assumptions.end(), model.arch.assumptions.begin(), model.arch.assumptions.end());
  for (const std::vector<std::string>* list : {&model.weights.left_out, &model.arch.left_out}) {
    for (const std::string& what : *list) brief.assumptions.push_back("left out: " + what);
  }
  return brief;
}

MemoryBrief BriefMemory(const Examination& exam) { return BriefMemory(DescribeMemory(exam)); }

}  // namespace gptq_doctor

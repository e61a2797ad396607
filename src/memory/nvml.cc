#include "memory/nvml.h"

#include <dlfcn.h>

#include <memory>

#include "memory/arith.h"
#include "memory/gpu_table.h"

namespace gptq_doctor {
namespace {

// The part of nvml.h that is called here (NVIDIA Management Library API, stable since driver 319).
using Device = void*;
struct Memory {
  unsigned long long total, free, used;
};
using InitCall = int (*)();
using CountCall = int (*)(unsigned*);
using HandleCall = int (*)(unsigned, Device*);
using NameCall = int (*)(Device, char*, unsigned);
using MemoryCall = int (*)(Device, Memory*);

struct CloseLibrary {
  void operator()(void* library) const { dlclose(library); }
};
using Library = std::unique_ptr<void, CloseLibrary>;

template <typename Call>
Call Resolve(const Library& library, const char* name) {
  return reinterpret_cast<Call>(dlsym(library.get(), name));
}

Error Missing(std::string why) {
  return {.kind = ErrorKind::kUsage,
          .path = "",
          .message =
              "--gpu auto: " + std::move(why) + "; name the card or its memory, as --gpu \"RTX 4090\" or --gpu 24GiB"};
}

}  // namespace

Result<std::vector<GpuSpec>> QueryGpus(const std::string& library) {
  const Library nvml(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!nvml) return Missing("no NVIDIA driver library (" + library + ") on this machine");
  const auto init = Resolve<InitCall>(nvml, "nvmlInit_v2");
  const auto shutdown = Resolve<InitCall>(nvml, "nvmlShutdown");
  const auto count = Resolve<CountCall>(nvml, "nvmlDeviceGetCount_v2");
  const auto handle = Resolve<HandleCall>(nvml, "nvmlDeviceGetHandleByIndex_v2");
  const auto name = Resolve<NameCall>(nvml, "nvmlDeviceGetName");
  const auto memory = Resolve<MemoryCall>(nvml, "nvmlDeviceGetMemoryInfo");
  if (!init || !shutdown || !count || !handle || !name || !memory) return Missing(library + " lacks a call of NVML");
  if (init() != 0) return Missing("the NVIDIA driver does not answer");
  std::vector<GpuSpec> gpus;
  unsigned cards = 0;
  if (count(&cards) != 0) cards = 0;
  for (unsigned i = 0; i < cards; ++i) {
    Device device = nullptr;
    Memory info{};
    char text[96] = {};
    if (handle(i, &device) != 0 || memory(device, &info) != 0) continue;
    GpuSpec spec{.name = name(device, text, sizeof text - 1) == 0 ? std::string(text) : "card " + std::to_string(i)};
    spec.total = spec.visible = ClampToInt64(info.total);
    spec.free = ClampToInt64(info.free);
    spec.source = "NVML";
    if (const Result<GpuSpec> row = FindGpu(spec.name)) spec.process = row->process;
    gpus.push_back(std::move(spec));
  }
  shutdown();
  if (gpus.empty()) return Missing("the NVIDIA driver knows no card");
  return gpus;
}

}  // namespace gptq_doctor

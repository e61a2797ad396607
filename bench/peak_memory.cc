#include "peak_memory.h"

#include <cstdio>

#include "measure.h"
#include "model_maker.h"

namespace gptq_doctor::bench {

bool PeaksHold(const std::filesystem::path& root, bool quick,
               const std::function<std::vector<std::string>(const std::filesystem::path& model,
                                                            const std::filesystem::path& out)>& command) {
  constexpr double kLimitMib = 400;
  const std::filesystem::path model = root / "model", out = root / "out";
  const auto holds = [&](const char* what, const MadeModel& made) {
    WriteModel(made, model);
    const ChildRun run = RunChild(command(model, out));
    std::filesystem::remove_all(out);
    std::filesystem::remove_all(model);
    return PrintLimit(what, static_cast<double>(run.peak_kib) / 1024, kLimitMib, " MiB");
  };
  std::printf("peak memory of the command\n");
  const uint64_t part = quick ? 4 : 1;
  const bool one = holds("a dense tensor of 1 GiB, a qweight of 1 GiB", OneLinear(32768, 65536 / part, 32768 / part));
  return holds("the layout of 180,000 tensors", DeepSeekR1(32)) && one;
}

}  // namespace gptq_doctor::bench

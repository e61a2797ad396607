// What each further model directory costs `check` and `inspect` in one process, from 1 to 10,000.
//   directories_bench [--quick]

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "measure.h"
#include "model_maker.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRounds = 5;

std::vector<std::string> Command(const char* name, const std::vector<std::string>& models, size_t count) {
  std::vector<std::string> out = {GPTQ_DOCTOR_BINARY, name, "--format", "json"};
  if (std::strcmp(name, "check") == 0) out.insert(out.end(), {"--isolated", "--exit-zero"});
  out.insert(out.end(), models.begin(), models.begin() + static_cast<std::ptrdiff_t>(count));
  return out;
}

// Below 100 directories start-up is all there is to see.
bool Bench(const char* name, const std::vector<std::string>& models) {
  std::vector<size_t> counts;
  std::vector<std::vector<std::string>> commands;
  for (size_t count = 1; count <= models.size(); count *= 10) {
    counts.push_back(count);
    commands.push_back(Command(name, models, count));
  }
  RunChild(commands.back());  // fills the page cache
  std::printf("%s, processor time\n", name);
  return PrintSlopes(counts, RunInTurn(commands, kRounds, 1), "directories", 100);
}

int Run(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot root;
  const MadeModel tiny = Llama(1, 32);  // the samples of 10,000 larger ones would not stay in the page cache
  std::vector<std::string> models;
  for (int i = 0; i < (quick ? 100 : 10'000); ++i) {
    models.push_back((root.path() / std::to_string(i)).string());
    WriteModel(tiny, models.back());
  }
  const bool inspect = Bench("inspect", models);
  return Bench("check", models) && inspect ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }

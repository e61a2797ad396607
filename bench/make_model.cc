// make_model DIRECTORY KIND: one of the models of model_maker.h, to try the tool on.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "model_maker.h"

int main(int argc, char** argv) {
  using namespace gptq_doctor::bench;
  const std::string kind = argc == 3 ? argv[2] : "";
  const uint64_t count = std::strtoull(kind.c_str(), nullptr, 10);
  MadeModel model;
  if (kind == "3b")
    model = Qwen3B();
  else if (kind == "72b")
    model = Qwen72B();
  else if (kind == "deepseek-r1")
    model = DeepSeekR1();
  else if (kind == "tiny")
    model = Llama(1);
  else if (count != 0)
    model = OfSize(count, kind.ends_with("-one-file"));
  if (model.tensors.empty()) {
    std::fprintf(stderr, "usage: make_model DIRECTORY 3b|72b|deepseek-r1|tiny|TENSORS|TENSORS-one-file\n");
    return 2;
  }
  const Written written = WriteModel(model, argv[1]);
  std::printf("%llu tensors, %zu files, headers %llu bytes, index %llu bytes\n",
              static_cast<unsigned long long>(written.tensors), written.files.size(),
              static_cast<unsigned long long>(written.header_bytes),
              static_cast<unsigned long long>(written.index_bytes));
  return 0;
}

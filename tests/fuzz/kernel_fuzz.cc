// The dequantization kernels with hostile shapes.

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "dequant/kernel.h"
#include "fuzz/fuzz_target.h"

namespace gptq_doctor::fuzz {
namespace {

class Bytes {
 public:
  explicit Bytes(std::string_view input) : left_(input) {}
  bool empty() const { return left_.empty(); }
  size_t size() const { return left_.size(); }
  uint32_t Number(size_t width) {
    uint32_t value = 0;
    for (size_t i = 0; i < width && !left_.empty(); ++i) {
      value |= uint32_t{static_cast<unsigned char>(left_.front())} << (8 * i);
      left_.remove_prefix(1);
    }
    return value;
  }
  std::string_view Take(size_t size) {
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view left_;
};

}  // namespace

void Kernel(std::string_view input) {
  Bytes bytes(input);
  constexpr int kBits[] = {2, 3, 4, 5, 6, 7, 8, 0, 1, 9, 16, -1};
  constexpr int kPacks[] = {32, 16, 8, 64};
  PackedModule module;
  module.bits = kBits[bytes.Number(1) % std::size(kBits)];
  module.pack_bits = kPacks[bytes.Number(1) % std::size(kPacks)];
  module.layout = bytes.Number(1) % 2 != 0 ? CodeLayout::kPlanar : CodeLayout::kContinuous;
  module.zero_rule = static_cast<ZeroRule>(bytes.Number(1) % 5);
  module.base_bits = static_cast<int>(bytes.Number(1) % 10);
  module.in_features = bytes.Number(2);
  module.out_features = bytes.Number(2);
  module.groups = bytes.Number(1);
  module.group_size = static_cast<int64_t>(bytes.Number(2)) - 1;
  constexpr Dtype kScales[] = {Dtype::kF16, Dtype::kBF16, Dtype::kF32, Dtype::kI32};
  module.scales_dtype = kScales[bytes.Number(1) % std::size(kScales)];
  // Sizes that fit, unless the input says otherwise: hostile ones are refused at once.
  const bool fitting = bytes.Number(1) % 4 != 0;
  const auto size_of = [&](int64_t rows, int64_t columns, int64_t width) {
    const int64_t size = std::clamp<int64_t>(rows * columns * width, 0, 1 << 20);
    return static_cast<size_t>(fitting ? size : static_cast<int64_t>(bytes.Number(2)));
  };
  const int64_t pack = module.pack_bits, bits = module.bits, width = pack / 8;
  const int64_t rows = (module.in_features * bits + pack - 1) / pack;
  const int64_t zero_words = (module.out_features * bits + pack - 1) / pack;
  const bool floats = module.zero_rule == ZeroRule::kFloat;
  std::vector<char> qweight(size_of(rows, module.out_features, width));
  std::vector<char> qzeros(floats ? size_of(module.groups, module.out_features, 4)
                                  : size_of(module.groups, zero_words, width));
  std::vector<char> scales(size_of(module.groups, module.out_features, module.scales_dtype == Dtype::kF32 ? 4 : 2));
  std::vector<char> g_idx(bytes.Number(1) % 2 != 0 ? size_of(module.in_features, 1, 4) : 0);
  for (std::vector<char>* buffer : {&g_idx, &qweight, &qzeros, &scales}) {
    const std::string_view content = bytes.Take(buffer->size());
    std::copy(content.begin(), content.end(), buffer->begin());
  }
  module.qweight = qweight;
  module.qzeros = qzeros;
  module.scales = scales;
  module.g_idx = g_idx;
  if (!CheckModule(module)) return;
  const DequantPlan vector(module), scalar(module, CpuPath::kScalar);
  const auto elements = static_cast<size_t>(module.in_features * module.out_features);
  if (elements > 1 << 18) return;
  std::vector<float> exact(elements);
  scalar.Rows(0, module.out_features, Dtype::kF32, {reinterpret_cast<char*>(exact.data()), elements * 4});
  // NaN has many spellings.
  const bool numbers = std::none_of(exact.begin(), exact.end(), [](float value) { return value != value; });
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    std::vector<char> a(elements * static_cast<size_t>(BitsOf(dtype)) / 8), b(a.size());
    vector.Rows(0, module.out_features, dtype, a);
    scalar.Rows(0, module.out_features, dtype, b);
    if (numbers) Require(a == b, "the vector path makes the scalar path's bytes");
  }
}

}  // namespace gptq_doctor::fuzz

#include "memory/gpu_table.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "base/text.h"
#include "memory/arith.h"

namespace gptq_doctor {
namespace {

// Totals as PyTorch prints them in out-of-memory messages ("GPU 0; 23.70 GiB total capacity") where a thread is named.
// Process overhead: NVML used minus torch reserved, 1.2 on the A100s of huggingface/optimum tests/benchmark/README.md.
constexpr GpuRow kGpus[] = {
    {"GTX 1080 Ti", 11, 0, 'g', 0, "label"},
    {"RTX 2060", 6, 0, 'g', 0, "label"},
    {"RTX 2070", 8, 0, 'g', 0, "label"},
    {"RTX 2080", 8, 0, 'g', 0, "label"},
    {"RTX 2080 Ti", 11, 10.76, 'g', 0, "RenYurui/StructureFlow#35"},
    {"RTX 3050", 8, 0, 'g', 0, "label"},
    {"RTX 3060", 12, 11.6, 'g', 0, "total as torch sees it; 11.75 in smy20011/dreambooth-gui#78"},
    {"RTX 3060 Ti", 8, 0, 'g', 0, "label"},
    {"RTX 3070", 8, 0, 'g', 0, "label"},
    {"RTX 3070 Ti", 8, 0, 'g', 0, "label"},
    {"RTX 3080", 10, 9.78, 'g', 0, "zai-org/CogVideo#34"},
    {"RTX 3080 12GB", 12, 0, 'g', 0, "label"},
    {"RTX 3080 Ti", 12, 0, 'g', 0, "label"},
    {"RTX 3090", 24, 23.70, 'g', 0, "GaoLii/DSP#10"},
    {"RTX 3090 Ti", 24, 0, 'g', 0, "label"},
    {"RTX 4050", 6, 0, 'g', 0, "label"},
    {"RTX 4060", 8, 0, 'g', 0, "label"},
    {"RTX 4060 Ti", 8, 0, 'g', 0, "label"},
    {"RTX 4060 Ti 16GB", 16, 0, 'g', 0, "label"},
    {"RTX 4070", 12, 0, 'g', 0, "label"},
    {"RTX 4070 Super", 12, 0, 'g', 0, "label"},
    {"RTX 4070 Ti", 12, 11.73, 'g', 0, "OpenLMLab/LOMO#17"},
    {"RTX 4070 Ti Super", 16, 0, 'g', 0, "label"},
    {"RTX 4080", 16, 0, 'g', 0, "label"},
    {"RTX 4080 Super", 16, 0, 'g', 0, "label"},
    {"RTX 4090", 24, 23.6, 'g', 0, "total as torch sees it; 23.64 in 3DTopia/Phidias-Diffusion#8"},
    {"RTX 5060", 8, 0, 'g', 0, "label"},
    {"RTX 5060 Ti", 16, 0, 'g', 0, "label"},
    {"RTX 5070", 12, 0, 'g', 0, "label"},
    {"RTX 5070 Ti", 16, 0, 'g', 0, "label"},
    {"RTX 5080", 16, 0, 'g', 0, "label"},
    {"RTX 5090", 32, 0, 'g', 0, "label"},
    {"Quadro RTX 4000", 8, 7.80, 'g', 0, "CompVis/stable-diffusion#485"},
    {"RTX A2000 12GB", 12, 11.53, 'e', 0, "vllm-project/vllm#12030"},
    {"RTX A4000", 16, 15.61, 'g', 0, "DengKaiCQ/VGGT-Long#6"},
    {"RTX A5000", 24, 0, 'e', 0, "label"},
    {"RTX A6000", 48, 44.5, 'e', 0, "48 GB cards with error correction"},
    {"RTX 6000 Ada", 48, 44.5, 'e', 0, "48 GB cards with error correction"},
    {"T4", 16, 14.74, 'e', 0, "total as torch sees it; 14.75 in hpcaitech/Open-Sora#697"},
    {"A10", 24, 21.99, 'e', 0, "zai-org/CogVLM#236"},
    {"A10G", 24, 0, 'e', 0, "label"},
    {"L4", 24, 0, 'e', 0, "label"},
    {"A40", 48, 44.5, 'e', 0, "48 GB cards with error correction"},
    {"L20", 48, 44.5, 'e', 0, "48 GB cards with error correction"},
    {"L40", 48, 44.40, 'e', 0, "QwenLM/Qwen3-VL#2097"},
    {"L40S", 48, 44.5, 'e', 0, "48 GB cards with error correction"},
    {"P100", 16, 0, 'h', 0, "label"},
    {"V100", 16, 0, 'h', 0, "label"},
    {"V100 32GB", 32, 0, 'h', 0, "label"},
    {"A100", 40, 39.5, 'h', 1.2, "TianheWu/CoSeR#10; 39.6 elsewhere"},
    {"A100 40GB", 40, 39.5, 'h', 1.2, "TianheWu/CoSeR#10; 39.6 elsewhere"},
    {"A100 80GB", 80, 79.2, 'h', 1.2, "total as torch sees it; 79.25 in levihsu/OOTDiffusion#235"},
    {"A800 80GB", 80, 79.2, 'h', 0, "as A100 80GB"},
    {"H100", 80, 79.2, 'h', 0, "as A100 80GB"},
    {"H100 80GB", 80, 79.2, 'h', 0, "as A100 80GB"},
    {"H20", 96, 0, 'h', 0, "label"},
    {"H200", 141, 0, 'h', 0, "label"},
    {"B200", 180, 0, 'h', 0, "label"},
    {"Arc Pro B70", 32, 31.9, 'g', 0, "total as torch sees it on Arc cards of 32 GB"},
    {"RX 7900 XTX", 24, 0, 'g', 0, "label"},
    {"MI210", 64, 0, 'h', 0, "label"},
    {"MI250X", 128, 0, 'h', 0, "label"},
    {"MI300X", 192, 0, 'h', 0, "label"},
};

// The smallest share of its label that a measured card of the kind shows: RTX 3060, A10 and T4 (0.916), A100 40GB.
double VisibleShare(char kind) { return kind == 'e' ? 0.916 : kind == 'h' ? 0.98 : 0.967; }

std::string Simplify(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  for (const std::string_view word : {"nvidia", "geforce", "tesla", "amd", "radeon", "intel", "pcie", "sxm4", "sxm5",
                                      "sxm2", "sxm", "hbm3", "generation"}) {
    for (size_t at = out.find(word); at != std::string::npos; at = out.find(word)) out.erase(at, word.size());
  }
  return out;
}

}  // namespace

std::span<const GpuRow> GpuTable() { return kGpus; }

std::optional<int64_t> ParseSize(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number <= 0) return std::nullopt;
  std::string unit;
  for (const char c : text.substr(static_cast<size_t>(end - text.data()))) {
    if (c != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  double scale = 0;
  if (unit.empty() || unit == "g" || unit == "gb" || unit == "gib") scale = 1024.0 * 1024 * 1024;
  if (unit == "m" || unit == "mb" || unit == "mib") scale = 1024.0 * 1024;
  if (unit == "t" || unit == "tb" || unit == "tib") scale = 1024.0 * 1024 * 1024 * 1024;
  if (unit == "b" || unit == "bytes") scale = 1;
  if (scale == 0 || number * scale > 1e18) return std::nullopt;
  return static_cast<int64_t>(std::llround(number * scale));
}

Result<GpuSpec> FindGpu(std::string_view text) {
  if (const std::optional<int64_t> size = ParseSize(text)) {
    if (*size < kGiB / 4) {
      return Error{.kind = ErrorKind::kUsage,
                   .path = "",
                   .message = "--gpu " + std::string(text) + " is less than a quarter of a GiB"};
    }
    return GpuSpec{.name = FormatGiB(static_cast<double>(*size), 2),
                   .total = *size,
                   .visible = *size,
                   .free = {},
                   .process = {},
                   .estimated = false,
                   .source = "as given"};
  }
  const std::string wanted = Simplify(text);
  for (const GpuRow& row : kGpus) {
    if (wanted.empty() || Simplify(row.name) != wanted) continue;
    const bool measured = row.visible_gib > 0;
    GpuSpec spec{.name = std::string(row.name), .total = FromGiB(row.label_gib)};
    spec.visible = FromGiB(measured ? row.visible_gib : row.label_gib * VisibleShare(row.kind));
    if (row.process_gib > 0) spec.process = FromGiB(row.process_gib);
    spec.estimated = !measured;
    spec.source =
        measured ? std::string(row.source) : "from the label: the smallest share that measured cards of its kind show";
    return spec;
  }
  std::vector<std::string_view> names;
  for (const GpuRow& row : kGpus) names.push_back(row.name);
  const std::string nearest = Nearest(text, names);
  return Error{.kind = ErrorKind::kUsage,
               .path = "",
               .message = "no card '" + std::string(text) + "'" +
                          (nearest.empty() ? "; give" : "; did you mean " + nearest + "? Or give") +
                          " its memory, as --gpu 24GiB"};
}

}  // namespace gptq_doctor

#include "dequant/declared_bits.h"

#include <map>

#include "gptq/module_pattern.h"

namespace gptq_doctor {
namespace {

constexpr size_t kEnoughModules = 8;

const QuantConfigFile* Declaring(const Examination& exam) {
  for (const QuantConfigFile& file : exam.configs.files) {
    const bool gptq = file.reading == ConfigReading::kValid || file.reading == ConfigReading::kIncomplete ||
                      file.reading == ConfigReading::kConflicting;
    if (gptq && file.settings.bits) return &file;
  }
  return nullptr;
}

std::string Bits(int bits) { return std::to_string(bits) + " bits"; }

std::vector<std::string> AgainstConfig(const QuantConfigFile& file, const std::vector<ModuleLayout>& layouts) {
  std::vector<std::string> out(layouts.size());
  const SettingsByName settings(file.settings);
  size_t differ = 0;
  for (size_t i = 0; i < layouts.size(); ++i) {
    const std::optional<SettingsByName::Setting> declared = settings.Of(layouts[i].stem);
    if (!declared || declared->excluded || !declared->bits || *declared->bits == layouts[i].packed.bits) continue;
    out[i] = "it has " + Bits(layouts[i].packed.bits) + " where the configuration says " +
             std::to_string(*declared->bits) + " (" + file.file + ")";
    ++differ;
  }
  if (2 * differ >= layouts.size()) out.assign(layouts.size(), "");
  return out;
}

}  // namespace

std::vector<std::string> OtherBits(const Examination& exam, const std::vector<ModuleLayout>& layouts) {
  if (const QuantConfigFile* file = Declaring(exam)) return AgainstConfig(*file, layouts);
  std::vector<std::string> out(layouts.size());
  std::map<int, size_t> count;
  for (const ModuleLayout& layout : layouts) ++count[layout.packed.bits];
  if (layouts.size() < kEnoughModules || count.size() != 2) return out;
  for (size_t i = 0; i < layouts.size(); ++i) {
    const int bits = layouts[i].packed.bits;
    if (count[bits] != 1 || layouts[i].stem.ends_with("lm_head")) continue;
    out[i] = "it is the only module of " + Bits(bits) + ", and no configuration declares it";
  }
  return out;
}

}  // namespace gptq_doctor

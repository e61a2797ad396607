#include "infer/evidence.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "base/bytes.h"
#include "infer/batch_reader.h"

namespace gptq_doctor {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::optional<int64_t> ParseInt(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// AutoGPTQ writes str() of Python values: "True", "128".
std::optional<bool> ParseBool(std::string_view text) {
  if (text == "True" || text == "true") return true;
  if (text == "False" || text == "false") return false;
  return std::nullopt;
}

std::optional<int> AsBits(std::optional<int64_t> value) {
  if (!value || *value < 1 || *value > 16) return std::nullopt;
  return static_cast<int>(*value);
}

bool IsEmpty(const Quantization& q) {
  return !q.bits && !q.group_size && !q.sym && !q.desc_act && !q.checkpoint_format && !q.pack_dtype && !q.lm_head &&
         !q.static_groups;
}

// Keys of AutoGPTQ's save_quantized, 0.3.2 and later (modeling/_base.py).
void AddMetadata(const InferInput& input, std::vector<Declaration>& out) {
  for (const ShardHeader& shard : input.tensors.shards) {
    Declaration d{.voice = Voice::kMetadata, .source = "__metadata__", .speaks_gptq = true};
    for (const auto& [key, value] : shard.metadata) {
      if (key == "gptq_bits") d.settings.bits = AsBits(ParseInt(value));
      if (key == "gptq_group_size") d.settings.group_size = ParseInt(value);
      if (key == "gptq_desc_act") d.settings.desc_act = ParseBool(value);
      if (key == "gptq_checkpoint_format") d.settings.checkpoint_format = value;
      if (key == "gptq_damp_percent") d.damp_percent = value;
    }
    if (IsEmpty(d.settings) && !d.damp_percent) continue;
    out.push_back(std::move(d));
    return;  // every shard repeats them
  }
}

// Scalar tensors of TGI's quantizer (layers/gptq/__init__.py, _get_gptq_params): no gptq_sym means asymmetric.
void AddScalars(const InferInput& input, std::vector<Declaration>& out, std::vector<Error>& errors) {
  static constexpr std::string_view kNames[] = {"gptq_bits", "gptq_groupsize", "gptq_sym"};
  std::optional<int64_t> values[3];
  bool any = false;
  for (const ModuleClass& c : input.inventory.classes) {
    const auto found = std::ranges::find(kNames, std::string_view(c.pattern));
    if (found == std::end(kNames)) continue;
    const Module& module = input.inventory.modules[c.representative];
    const TensorRecord& tensor = input.tensors.at(input.inventory.components(module).front().tensor);
    const int bytes = BitsOf(tensor.dtype) / 8;
    if (!IsInteger(tensor.dtype) || SoundBytes(tensor) != static_cast<uint64_t>(bytes)) continue;
    ReadBuffer buffer;
    BatchReader reader(input.source, input.tensors, nullptr, buffer);
    const size_t slot = reader.AddWhole(tensor);
    reader.Run(errors);
    const std::span<const char> data = reader.Get(slot);
    if (data.empty()) continue;
    values[found - std::begin(kNames)] = bytes == 8   ? static_cast<int64_t>(LoadLe64(data.data()))
                                         : bytes == 4 ? static_cast<int32_t>(LoadLe32(data.data()))
                                         : bytes == 2 ? static_cast<int16_t>(LoadLe16(data.data()))
                                                      : static_cast<int64_t>(data[0]);
    any = true;
  }
  if (!any) return;
  Declaration d{.voice = Voice::kMetadata, .source = "scalar tensors gptq_*", .speaks_gptq = true};
  d.settings.bits = AsBits(values[0]);
  d.settings.group_size = values[1];
  if (values[2]) d.settings.sym = *values[2] != 0;
  out.push_back(std::move(d));
}

// AutoRound's packing formats that store z - 1 or z (inference/backend.py); its configs state no checkpoint_format.
std::optional<std::string> FormatOfPacking(std::string_view packing) {
  if (packing == "auto_round:auto_gptq") return "gptq";
  if (packing == "auto_round" || packing == "auto_round:gptqmodel") return "gptq_v2";
  return std::nullopt;
}

void AddConfigs(const InferInput& input, std::vector<Declaration>& out) {
  for (const QuantConfigFile& file : input.configs.files) {
    const bool usable = file.reading == ConfigReading::kValid || file.reading == ConfigReading::kIncomplete ||
                        file.reading == ConfigReading::kConflicting || file.reading == ConfigReading::kMalformed;
    if (!usable || (IsEmpty(file.settings) && file.keys.empty())) continue;
    Declaration d{.voice = Voice::kConfig, .source = file.file, .settings = file.settings, .quantizer = file.quantizer};
    d.speaks_gptq = file.method_family == "gptq" || (file.method_family.empty() && file.settings.bits.has_value());
    const JsonValue* packing = file.Find("packing_format");
    if (packing != nullptr && packing->AsString() != nullptr && !d.settings.checkpoint_format) {
      d.settings.checkpoint_format = FormatOfPacking(*packing->AsString());
    }
    out.push_back(std::move(d));
  }
}

void AddNames(const InferInput& input, std::vector<Declaration>& out) {
  for (size_t position : input.dir.weights) {
    const std::string& name = input.dir.files[position].entry.name;
    Declaration d{.voice = Voice::kName, .source = "file name", .settings = SettingsInName(name)};
    if (IsEmpty(d.settings)) continue;
    out.push_back(std::move(d));
    break;
  }
  std::string_view path = input.source.DisplayPath();
  while (path.ends_with('/')) path.remove_suffix(1);
  Declaration d{
      .voice = Voice::kName, .source = "directory name", .settings = SettingsInName(path.substr(path.rfind('/') + 1))};
  if (!IsEmpty(d.settings)) out.push_back(std::move(d));
}

template <typename T>
Value ToValue(const std::optional<T>& field) {
  if (!field) return {};
  return Value(*field);
}

}  // namespace

Quantization SettingsInName(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(), Lower);
  Quantization out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsDigit(text[i]) || (i > 0 && (IsDigit(text[i - 1]) || text[i - 1] == '.'))) continue;
    size_t end = i;
    while (end < text.size() && IsDigit(text[end])) ++end;
    const std::optional<int64_t> number = ParseInt(std::string_view(text).substr(i, end - i));
    const std::string_view after = std::string_view(text).substr(end);
    const std::string_view before = std::string_view(text).substr(0, i);
    const bool bits = after.starts_with("bit") || after.starts_with("-bit") ||
                      (before.ends_with("int") && (after.empty() || !IsDigit(after[0])));
    if (number && bits && *number >= 2 && *number <= 8 && !out.bits) out.bits = static_cast<int>(*number);
    const bool ends =
        after.size() == 1 || (after.size() > 1 && (after[1] == '.' || after[1] == '-' || after[1] == '_'));
    if (!number || !after.starts_with("g") || !ends || !out.bits || out.group_size) continue;
    const bool minus = before.ends_with("--");
    if (minus && *number == 1) out.group_size = -1;
    if (!minus && *number >= 8 && *number <= 4096) out.group_size = *number;
  }
  return out;
}

bool QuantizerBelow(std::string_view quantizer, std::string_view version) {
  const size_t colon = quantizer.find(':');
  if (colon == std::string_view::npos || quantizer.substr(0, colon) != "gptqmodel") return false;
  const auto next = [](std::string_view& text) {
    int64_t value = 0;
    size_t i = 0;
    while (i < text.size() && IsDigit(text[i]) && i < 9) value = value * 10 + (text[i++] - '0');
    while (i < text.size() && text[i] != '.') ++i;
    text.remove_prefix(std::min(text.size(), i + 1));
    return value;
  };
  std::string_view have = quantizer.substr(colon + 1);
  if (have.empty() || !IsDigit(have[0])) return false;
  for (int part = 0; part < 3; ++part) {
    const int64_t left = next(have), right = next(version);
    if (left != right) return left < right;
  }
  return false;
}

std::vector<Declaration> CollectDeclarations(const InferInput& input, std::vector<Error>& errors) {
  std::vector<Declaration> out;
  AddMetadata(input, out);
  AddScalars(input, out, errors);
  AddConfigs(input, out);
  AddNames(input, out);
  return out;
}

Value BitsIn(const Quantization& q) { return q.bits ? Value(int64_t{*q.bits}) : Value(); }
Value GroupSizeIn(const Quantization& q) { return ToValue(q.group_size); }
Value SymIn(const Quantization& q) { return ToValue(q.sym); }
Value DescActIn(const Quantization& q) { return ToValue(q.desc_act); }
Value FormatIn(const Quantization& q) { return ToValue(q.checkpoint_format); }
Value PackDtypeIn(const Quantization& q) { return ToValue(q.pack_dtype); }
Value LmHeadIn(const Quantization& q) { return ToValue(q.lm_head); }
Value StaticGroupsIn(const Quantization& q) { return ToValue(q.static_groups); }

std::string SpellSetting(const Value& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const int64_t* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const std::string* text = std::get_if<std::string>(&value)) return *text;
  return "unknown";
}

void Weigh(std::span<const Declaration> declarations, const Getter& get, Evidence& evidence,
           const std::function<bool(const Value&)>& same) {
  for (const Declaration& declaration : declarations) {
    const Value said = get(declaration.settings);
    if (std::holds_alternative<std::monostate>(said)) continue;
    const bool agrees = same ? same(said) : said == evidence.value;
    (agrees ? evidence.facts : evidence.dissent)
        .push_back({.source = declaration.source, .detail = "says " + SpellSetting(said)});
  }
}

const Declaration* FirstWith(std::span<const Declaration> declarations, const Getter& get) {
  for (const Declaration& declaration : declarations) {
    if (declaration.voice != Voice::kName && !std::holds_alternative<std::monostate>(get(declaration.settings))) {
      return &declaration;
    }
  }
  return nullptr;
}

}  // namespace gptq_doctor

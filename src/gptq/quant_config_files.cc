#include <algorithm>

#include "base/text.h"
#include "gptq/key_table.h"
#include "gptq/quant_config_file.h"

namespace gptq_doctor {
namespace {

// Configuration files are a few KB; calibration texts inside can make them some MB.
constexpr uint64_t kMaxConfigBytes = 64 << 20;

// Where settings may stand in config.json: transformers reads the first, vLLM and mlx-lm nested ones too, vLLM
// compression_config (vllm-project/vllm 017e9f44, transformers_utils/config.py).
constexpr std::string_view kPointers[] = {
    "/quantization_config",
    "/text_config/quantization_config",
    "/llm_config/quantization_config",
    "/language_config/quantization_config",
    "/thinker_config/text_config/quantization_config",
    "/compression_config",
};

std::optional<std::string> Read(Source& source, const ModelFile* file, std::vector<Error>& errors) {
  if (file == nullptr) return std::nullopt;
  Result<std::string> text = ReadWhole(source, file->entry, kMaxConfigBytes);
  if (text.ok()) return std::move(text).value();
  if (text.error().kind != ErrorKind::kNotFound) errors.push_back(text.error());  // a link to nothing
  return std::nullopt;
}

// mlx-lm writes its settings twice, as `quantization` and as `quantization_config`, without a method.
bool IsMlx(const JsonValue& root, const QuantConfigFile& file) {
  const JsonValue* block = root.Find("quantization");
  return block != nullptr && block->IsObject() && !file.quant_method && block->Find("group_size") != nullptr;
}

void AddSections(const ModelConfig& model, std::vector<QuantConfigFile>& files) {
  if (!model.present) return;
  const size_t before = files.size();
  for (const std::string_view pointer : kPointers) {
    if (!model.json.root || FindPointer(*model.json.root, pointer) == nullptr) continue;
    QuantConfigFile file = ReadQuantConfig("config.json", model.text, std::string(pointer));
    if (IsMlx(*model.json.root, file)) {
      file.reading = ConfigReading::kForeign;
      file.method_family = "mlx";
      file.detail = "its keys repeat the block `quantization` of mlx-lm";
      file.problems.clear();
    }
    files.push_back(std::move(file));
  }
  // What cannot be read may hold the section.
  if (files.size() == before && !model.json.valid) {
    files.push_back(ReadQuantConfig("config.json", model.text, std::string(kPointers[0])));
  }
}

bool Declares(const QuantConfigFile& file) {
  return file.section && (file.method_family.empty() || file.method_family == "gptq") &&
         file.reading != ConfigReading::kNamesake && file.reading != ConfigReading::kForeign;
}

// Equal to every reader: 4 and 4.0 are, and the order of an object's keys says nothing.
bool SameValue(const JsonValue& a, const JsonValue& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case JsonKind::kNull:
      return true;
    case JsonKind::kBool:
      return a.boolean == b.boolean;
    case JsonKind::kNumber:
      return a.text == b.text || (a.AsDouble() && a.AsDouble() == b.AsDouble());
    case JsonKind::kString:
      return a.text == b.text;
    case JsonKind::kArray:
      return std::ranges::equal(a.items, b.items, SameValue);
    case JsonKind::kObject:
      return a.members.size() == b.members.size() && std::ranges::all_of(a.members, [&b](const JsonMember& member) {
               const JsonValue* other = b.Find(member.key);
               return other != nullptr && SameValue(member.value, *other);
             });
  }
  return false;
}

std::string Spell(const std::optional<int>& value) { return value ? std::to_string(*value) : ""; }
std::string Spell(const std::optional<int64_t>& value) { return value ? std::to_string(*value) : ""; }
std::string Spell(const std::optional<bool>& value) { return !value ? "" : *value ? "true" : "false"; }
std::string Spell(const std::optional<std::string>& value) { return value ? JsonQuote(*value) : ""; }

class Comparer {
 public:
  Comparer(const QuantConfigFile& first, const QuantConfigFile& second, std::vector<ConfigDifference>& out)
      : first_(first), second_(second), out_(out) {}

  void Compare() {
    const Quantization &a = first_.settings, &b = second_.settings;
    Setting(ConfigField::kBits, Spell(a.bits), Spell(b.bits));
    Setting(ConfigField::kGroupSize, Spell(a.group_size), Spell(b.group_size));
    Setting(ConfigField::kSym, Spell(a.sym), Spell(b.sym));
    Setting(ConfigField::kDescAct, Spell(a.desc_act), Spell(b.desc_act));
    Setting(ConfigField::kCheckpointFormat, Spell(a.checkpoint_format), Spell(b.checkpoint_format));
    Setting(ConfigField::kPackDtype, Spell(a.pack_dtype), Spell(b.pack_dtype));
    Setting(ConfigField::kLmHead, Spell(a.lm_head), Spell(b.lm_head));
    Setting(ConfigField::kStaticGroups, Spell(a.static_groups), Spell(b.static_groups));
    Setting(ConfigField::kMethod, Spell(first_.quant_method), Spell(second_.quant_method));
    Others();
  }

 private:
  // The last member in either spelling.
  static const JsonMember* MemberOf(const QuantConfigFile& file, ConfigField field) {
    const JsonValue* object = FindPointer(*file.json.root, file.pointer);
    const JsonMember* found = nullptr;
    for (const JsonMember& member : object->members) {
      const KeyRow* row = FindKeyRow(member.key);
      if (row == nullptr || row->field != field) continue;
      if (found == nullptr || found->key != CanonicalKey(field)) found = &member;
    }
    return found;
  }

  static JsonPlace PlaceIn(const QuantConfigFile& file, const JsonMember* member) {
    return PlaceOf(file.text, member == nullptr ? file.section->begin : member->value.range.begin);
  }

  void Setting(ConfigField field, const std::string& a, const std::string& b) {
    if (a.empty() || b.empty() || a == b) return;
    Add(CanonicalKey(field), MemberOf(first_, field), MemberOf(second_, field), a, b, true);
  }

  void Others() {
    const JsonValue* object = FindPointer(*second_.json.root, second_.pointer);
    const JsonValue* other = FindPointer(*first_.json.root, first_.pointer);
    for (const JsonMember& member : object->members) {
      const KeyRow* row = FindKeyRow(member.key);
      if (row != nullptr && (row->provenance || (row->field != ConfigField::kNone && row->key != "dynamic"))) continue;
      for (const JsonMember& counterpart : other->members) {
        if (counterpart.key != member.key || SameValue(counterpart.value, member.value)) continue;
        Add(member.key, &counterpart, &member, Cut(first_, counterpart.value), Cut(second_, member.value),
            row != nullptr && row->key == "dynamic");
        break;
      }
    }
  }

  static std::string Cut(const QuantConfigFile& file, const JsonValue& value) {
    return file.text.substr(value.range.begin, value.range.end - value.range.begin);
  }

  static std::string PlaceName(const QuantConfigFile& file) {
    return file.pointer.empty() ? file.file : file.file + " at " + file.pointer;
  }

  void Add(std::string_view key, const JsonMember* a, const JsonMember* b, const std::string& first_value,
           const std::string& second_value, bool setting) {
    ConfigDifference difference{.key = std::string(key),
                                .first = &first_,
                                .second = &second_,
                                .first_value = first_value,
                                .second_value = second_value,
                                .first_place = PlaceIn(first_, a),
                                .second_place = PlaceIn(second_, b),
                                .setting = setting,
                                .message = ""};
    difference.message = EscapeTerminal(key, 60) + " is " + EscapeTerminal(first_value, 60) + " in " +
                         PlaceName(first_) + " and " + EscapeTerminal(second_value, 60) + " in " + PlaceName(second_);
    out_.push_back(std::move(difference));
  }

  const QuantConfigFile& first_;
  const QuantConfigFile& second_;
  std::vector<ConfigDifference>& out_;
};

}  // namespace

const QuantConfigFile* ConfigSet::Get(std::string_view file) const {
  const auto found = std::ranges::find(files, file, &QuantConfigFile::file);
  return found == files.end() ? nullptr : &*found;
}

ConfigSet ReadConfigs(Source& source, const ModelDir& dir, std::vector<Error>& errors) {
  ConfigSet set;
  if (auto text = Read(source, dir.Find("quantize_config.json"), errors)) {
    set.files.push_back(ReadQuantConfig("quantize_config.json", std::move(*text), ""));
  }
  if (auto text = Read(source, dir.Find("config.json"), errors)) {
    set.model = ReadModelConfig(std::move(*text));
    AddSections(set.model, set.files);
  }
  for (const ModelFile& file : dir.files) {
    if (file.role != FileRole::kQuantConfig || file.entry.name.find('/') != std::string::npos) continue;
    if (auto text = Read(source, &file, errors)) {
      set.files.push_back(ReadQuantConfig(file.entry.name, std::move(*text), ""));
    }
  }
  return set;
}

std::vector<ConfigDifference> CompareConfigs(const ConfigSet& configs) {
  std::vector<ConfigDifference> out;
  const auto first = std::ranges::find_if(configs.files, Declares);
  if (first == configs.files.end()) return out;
  for (auto other = first + 1; other != configs.files.end(); ++other) {
    if (Declares(*other)) Comparer(*first, *other, out).Compare();
  }
  return out;
}

}  // namespace gptq_doctor

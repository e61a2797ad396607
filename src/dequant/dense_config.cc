// What goes beside the weights of a dense directory.

#include <algorithm>
#include <array>

#include "dequant/dequantize.h"

namespace gptq_doctor {
namespace {

std::string_view TorchName(Dtype dtype) {
  return dtype == Dtype::kF32 ? "float32" : dtype == Dtype::kBF16 ? "bfloat16" : "float16";
}

struct Edit {
  JsonRange range;
  std::string text;
};

// A member with the comma that goes with it: the one after it, or where it is the last the one before it.
JsonRange WithComma(std::string_view text, const JsonMember& member) {
  size_t begin = member.key_range.begin, end = member.value.range.end;
  const size_t after = text.find_first_not_of(" \t\r\n", end);
  const size_t before = begin == 0 ? std::string_view::npos : text.find_last_not_of(" \t\r\n", begin - 1);
  if (after != std::string_view::npos && text[after] == ',') {
    end = text.find_first_not_of(" \t\r\n", after + 1);
    if (end == std::string_view::npos) end = after + 1;
  } else if (before != std::string_view::npos && text[before] == ',') {
    begin = before;
  }
  return {begin, end};
}

void EditObject(std::string_view text, const JsonValue& object, Dtype dtype, bool top, std::vector<Edit>& edits) {
  bool dtype_said = false;
  for (const JsonMember& member : object.members) {
    if (member.key == "quantization_config") {
      edits.push_back({WithComma(text, member), ""});
    } else if ((member.key == "torch_dtype" || member.key == "dtype") && member.value.kind == JsonKind::kString) {
      edits.push_back({member.value.range, "\"" + std::string(TorchName(dtype)) + "\""});
      dtype_said = true;
    } else if (member.value.IsObject() && (member.key == "text_config" || member.key == "llm_config")) {
      EditObject(text, member.value, dtype, false, edits);
    }
  }
  if (top && !dtype_said) {
    const bool empty = std::all_of(object.members.begin(), object.members.end(),
                                   [](const JsonMember& member) { return member.key == "quantization_config"; });
    edits.push_back({{object.range.begin + 1, object.range.begin + 1},
                     "\n  \"torch_dtype\": \"" + std::string(TorchName(dtype)) + "\"" + (empty ? "\n" : ",")});
  }
}

}  // namespace

std::optional<std::string> DenseConfig(const ModelConfig& config, Dtype dtype) {
  if (!config.readable || !config.json.root || !config.json.root->IsObject()) return std::nullopt;
  std::string text = config.text;
  JsonDocument document;
  const JsonValue* root = &*config.json.root;
  if (!config.json.valid) {
    if (!config.json.repairable) return std::nullopt;
    text = ApplyRepairs(text, config.json);
    document = ParseJson(text);
    if (!document.valid || !document.root) return std::nullopt;
    root = &*document.root;
  }
  std::vector<Edit> edits;
  EditObject(text, *root, dtype, true, edits);
  std::sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) { return a.range.begin > b.range.begin; });
  for (const Edit& edit : edits) text.replace(edit.range.begin, edit.range.end - edit.range.begin, edit.text);
  return text;
}

std::vector<OutFile> CompanionFiles(const Examination& exam) {
  constexpr std::array kKept = {FileRole::kGenerationConfig, FileRole::kTokenizer, FileRole::kPreprocessor,
                                FileRole::kCode, FileRole::kOther};
  std::vector<OutFile> out;
  for (const ModelFile& file : exam.dir.files) {
    if (file.entry.kind != FileKind::kRegular) continue;
    if (std::find(kKept.begin(), kKept.end(), file.role) == kKept.end()) continue;
    const std::string& name = file.entry.name;
    // What a packer or this tool left about the quantization, and hidden files of version control or a hub.
    if (name[0] == '.' || name == "quant_log.csv" || name.find(".gptq-doctor") != std::string::npos) continue;
    out.push_back(CopyFile(exam, file.entry));
  }
  return out;
}

}  // namespace gptq_doctor

// Family 1: what else a model directory needs: tokenizer, remote code, adapters.

#include <algorithm>
#include <string>

#include "base/dotted_name.h"
#include "base/text.h"
#include "rules/checks.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

bool HoldsVocabulary(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "tokenizer.json",          "tokenizer.model", "vocab.json",  "vocab.txt",      "spiece.model",
      "sentencepiece.bpe.model", "merges.txt",      "tekken.json", "ice_text.model", "vocab.bpe"};
  if (std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames)) return true;
  return name.ends_with(".tiktoken") || name.ends_with(".model") || name.ends_with("tokenizer.json");
}

// Rows of the input embedding; 0 if there is none or more than one.
int64_t EmbeddingRows(const Examination& exam) {
  int64_t rows = 0;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const std::string_view last = LastPart(exam.inventory.classes[c].pattern);
    if (last != "embed_tokens" && last != "wte" && last != "word_embeddings") continue;
    const TensorRecord* weight = exam.inventory.Find(exam.tensors, Representative(exam, c), kWeight);
    if (weight == nullptr || weight->rank != 2 || rows > 0 || exam.inventory.classes[c].count != 1) return 0;
    rows = static_cast<int64_t>(weight->dims()[0]);
  }
  return rows;
}

struct TopId {
  int64_t id = -1;
  std::string file, token;
};

void Raise(TopId& top, int64_t id, const std::string& file, const std::string& token) {
  if (id > top.id) top = {id, file, token};
}

// Highest id among added_tokens of tokenizer.json, whose first bytes hold them; the text may be cut, so it is scanned,
// not parsed.
void ScanTokenizerHead(const std::string& text, TopId& top) {
  const size_t added = text.find("\"added_tokens\"");
  if (added == std::string::npos) return;
  size_t end = text.find("\"normalizer\"", added);
  if (end == std::string::npos) end = text.size();
  for (size_t at = text.find("\"id\":", added); at != std::string::npos && at < end;
       at = text.find("\"id\":", at + 1)) {
    size_t digit = at + 5;
    while (digit < text.size() && text[digit] == ' ') ++digit;
    int64_t id = 0;
    size_t digits = 0;
    for (; digit < text.size() && text[digit] >= '0' && text[digit] <= '9' && digits < 12; ++digit, ++digits)
      id = id * 10 + (text[digit] - '0');
    // A number cut by the end of the text is not one.
    if (digits > 0 && digit < text.size()) Raise(top, id, "tokenizer.json", "");
  }
}

void ScanIds(const JsonValue& object, bool keys_are_ids, const std::string& file, TopId& top) {
  for (const JsonMember& member : object.members) {
    if (keys_are_ids) {
      JsonValue number;
      number.kind = JsonKind::kNumber;
      number.text = member.key;
      Raise(top, number.AsInt().value_or(-1), file, "");
    } else {
      Raise(top, member.value.AsInt().value_or(-1), file, member.key);
    }
  }
}

std::optional<JsonDocument> ReadSmallJson(const Examination& exam, std::string_view name) {
  const auto text = exam.side_files.find(name);
  if (text == exam.side_files.end()) return std::nullopt;
  JsonDocument json = ParseJson(text->second);
  if (!json.root || !json.root->IsObject()) return std::nullopt;
  return json;
}

TopId HighestId(const Examination& exam) {
  TopId top;
  if (const auto added = ReadSmallJson(exam, "added_tokens.json"))
    ScanIds(*added->root, false, "added_tokens.json", top);
  if (const auto config = ReadSmallJson(exam, "tokenizer_config.json")) {
    const JsonValue* decoder = config->root->Find("added_tokens_decoder");
    if (decoder != nullptr) ScanIds(*decoder, true, "tokenizer_config.json", top);
  }
  const auto head = exam.side_files.find("tokenizer.json");
  if (head != exam.side_files.end()) ScanTokenizerHead(head->second, top);
  return top;
}

void CheckTokenizerSize(const RuleInput& input, FindingSink& sink) {
  const int64_t rows = EmbeddingRows(input.exam);
  if (rows <= 0) return;
  const TopId top = HighestId(input.exam);
  if (top.id < rows) return;
  Observation report;
  report.file = top.file;
  report.cause = "ids";
  report.value = std::to_string(top.id);
  report.message = "the tokenizer goes up to id " + std::to_string(top.id) + " and the embedding has " +
                   std::to_string(rows) + " rows";
  if (!top.token.empty()) report.evidence.push_back("token " + top.token);
  sink.Add("GD145", std::move(report));
}

void AddMissingModules(const RuleInput& input, const JsonValue& auto_map, const std::string& file, FindingSink& sink) {
  const auto check = [&](const JsonValue& value) {
    const std::string* text = value.AsString();
    // "other/repository--module.Class" is fetched from there.
    if (text == nullptr || text->find("--") != std::string::npos) return;
    const size_t dot = text->rfind('.');
    if (dot == std::string::npos || dot == 0) return;
    std::string module = text->substr(0, dot);
    std::replace(module.begin(), module.end(), '.', '/');
    module += ".py";
    if (input.exam.dir.Has(module)) return;
    Observation report;
    report.file = file;
    report.pointer = "/auto_map";
    report.cause = "auto_map";
    report.unit = "file";
    report.names.push_back(module);
    report.message = "{names}: named by auto_map in " + file + " and not in the directory";
    sink.Add(std::move(report));
  };
  std::vector<std::string> seen;
  for (const JsonMember& member : auto_map.members) {
    const JsonValue& value = member.value;
    for (const JsonValue* one : {&value}) {
      const std::string* text = one->AsString();
      const std::string module = text == nullptr ? std::string() : std::string(ParentPart(*text));
      if (!module.empty() && std::find(seen.begin(), seen.end(), module) != seen.end()) continue;
      if (!module.empty()) seen.push_back(module);
      check(*one);
    }
    for (const JsonValue& item : value.items) check(item);
  }
}

}  // namespace

void CheckTokenizer(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!WholeDirectory(input) || !exam.configs.model.present || exam.inventory.classes.empty()) return;
  const bool vocabulary = std::any_of(exam.dir.files.begin(), exam.dir.files.end(),
                                      [](const ModelFile& file) { return HoldsVocabulary(file.entry.name); });
  if (!vocabulary) {
    const bool config = exam.dir.Has("tokenizer_config.json");
    Observation report;
    report.cause = config ? "vocabulary" : "all";
    if (config) report.severity = Severity::kNote;
    report.message =
        config ? "tokenizer_config.json is here without a vocabulary (tokenizer.json, tokenizer.model, vocab.json)"
               : "no tokenizer files: \"Can't load tokenizer for ...\"; copy those of the base model";
    sink.Add("GD144", std::move(report));
  }
  CheckTokenizerSize(input, sink);
}

void CheckRemoteCode(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!WholeDirectory(input)) return;
  const JsonValue* auto_map = exam.configs.model.json.root ? exam.configs.model.json.root->Find("auto_map") : nullptr;
  if (auto_map != nullptr) AddMissingModules(input, *auto_map, "config.json", sink);
  if (const auto config = ReadSmallJson(exam, "tokenizer_config.json")) {
    const JsonValue* map = config->root->Find("auto_map");
    if (map != nullptr) AddMissingModules(input, *map, "tokenizer_config.json", sink);
  }
}

void CheckAdapter(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const auto adapter = ReadSmallJson(exam, "adapter_config.json");
  if (!adapter) return;
  const JsonValue* base = adapter->root->Find("base_model_name_or_path");
  std::string name = base != nullptr && base->AsString() != nullptr ? *base->AsString() : std::string();
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  const bool named = lower.find("gptq") != std::string::npos;
  if (!exam.quant.is_gptq && !named) return;
  Observation report;
  report.file = "adapter_config.json";
  report.cause = "adapter";
  report.confidence = exam.quant.is_gptq ? Confidence::kCertain : Confidence::kInferred;
  report.message = "an adapter for a GPTQ base" + (name.empty() ? std::string() : " (" + name + ")") +
                   ": it cannot be merged (\"Cannot merge LORA layers when the model is gptq quantized\"); serve it "
                   "beside the base, or dequantize the base first";
  sink.Add(std::move(report));
}

}  // namespace gptq_doctor

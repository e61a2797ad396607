#include "rules/rule_cases.h"
#include "support/problem_models.h"

namespace gptq_doctor::testing {
namespace {

constexpr Severity kError = Severity::kError, kWarning = Severity::kWarning, kNote = Severity::kNote;

std::function<Directory()> Settings(std::function<void(Json&)> edit) {
  return [edit] { return Directory(EditSettings(GoodFiles(), edit)); };
}
std::function<Directory()> SettingsOf(const GptqOptions& options, std::function<void(Json&)> edit) {
  return [options, edit] { return Directory(EditSettings(GoodWith(options).Build(), edit)); };
}
std::function<Directory()> Dynamic(const std::string& pattern, Json value) {
  return Settings([pattern, value](Json& json) { json["dynamic"][pattern] = value; });
}
Directory Healthy() { return GoodFiles(); }

Json ModuleList(const std::vector<std::string>& names) {
  Json list = Json::array();
  for (const std::string& name : names) list.push_back(Json::array({name}));
  return list;
}

const std::vector<std::string> kAllModules = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                              "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                              "mlp.down_proj"};

Directory WithDenseExtra(bool declared) {
  ModelBuilder builder = Good();
  for (const char* layer : {"0", "1"})
    builder.Tensor(DenseTensor("model.layers." + std::string(layer) + ".mlp.extra_proj.weight", {128, 128}));
  if (!declared) return builder;
  return EditSettings(builder.Build(), [](Json& json) { json["dynamic"]["-:.*extra_proj"] = Json::object(); });
}

Files Malformed() {
  Files files = GoodFiles();
  std::string& text = files["quantize_config.json"];
  const size_t at = text.find("true");
  text.replace(at, 4, "True");
  return files;
}

Files DuplicateKey(const char* second) {
  Files files = GoodFiles();
  files["quantize_config.json"] =
      std::string("{\"bits\": 4, \"bits\": ") + second +
      ", \"group_size\": 32, \"desc_act\": false, \"sym\": true, \"quant_method\": \"gptq\"}";
  return files;
}

std::vector<RuleCase> Presence() {
  return {
      {"GD101", "no settings at all", kError, [] { return Directory(ModelBuilder().Quant({.group_size = 32})); },
       Healthy},
      {"GD101", "another tool's tensors", kError, [] { return Directory(OtherToolUndeclared()); },
       [] { return Directory(AwqTensors("awq")); }, "compressed-tensors"},
      {"GD102", "section only", kNote, [] { return Directory(Good().Remove("quantize_config.json")); }, Healthy},
      {"GD103", "separate file only", kWarning,
       [] {
         return Directory(EditJson(GoodFiles(), "config.json", [](Json& json) { json.erase("quantization_config"); }));
       },
       Healthy},
      {"GD104", "bits", kError, Settings([](Json& json) { json.erase("bits"); }),
       Settings([](Json& json) { json.erase("pack_dtype"); }), "lacks bits"},
      {"GD104", "group_size", kError, Settings([](Json& json) { json.erase("group_size"); }), Healthy,
       "lacks group_size"},
      {"GD104", "desc_act", kWarning, Settings([](Json& json) { json.erase("desc_act"); }), Healthy, "lacks desc_act"},
      {"GD104", "quant_method", kError, Settings([](Json& json) { json.erase("quant_method"); }), Healthy,
       "lacks quant_method"},
      {"GD105", "Python literal", kError, [] { return Directory(Malformed()); }, Healthy, "line 5, column 10"},
      {"GD105", "config.json", kError,
       [] {
         Files files = GoodFiles();
         files["config.json"].insert(1, "oops");
         return Directory(files);
       },
       Healthy, "config.json is not valid JSON at line 1"},
      {"GD111", "bits", kError,
       [] { return Directory(EditJson(GoodFiles(), "quantize_config.json", [](Json& json) { json["bits"] = 8; })); },
       [] {
         return Directory(
             EditJson(GoodFiles(), "quantize_config.json", [](Json& json) { json["damp_percent"] = 0.01; }));
       },
       "bits is 8"},
      {"GD111", "exllama switches", kWarning,
       [] {
         Files files = EditSettings(GoodFiles(), [](Json& json) { json["disable_exllama"] = true; });
         return Directory(EditJson(files, "quantize_config.json", [](Json& json) { json["disable_exllama"] = false; }));
       },
       Settings([](Json& json) { json["disable_exllama"] = true; }), "disable_exllama"},
      {"GD112", "duplicate key", kError, [] { return Directory(DuplicateKey("8")); }, Healthy},
      {"GD112", "exllama switches", kWarning, Settings([](Json& json) {
         json["use_exllama"] = true;
         json["disable_exllama"] = true;
       }),
       Settings([](Json& json) {
         json["use_exllama"] = true;
         json["disable_exllama"] = false;
       })},
      {"GD113", "is_marlin_format", kError, Settings([](Json& json) { json["is_marlin_format"] = true; }),
       Settings([](Json& json) { json["is_marlin_format"] = false; })},
      {"GD113", "quoted number", kError, Settings([](Json& json) { json["bits"] = "4"; }), Healthy,
       "the text \"4\", where loaders want a number"},
      {"GD113", "quoted boolean", kError, Settings([](Json& json) { json["desc_act"] = "false"; }),
       Settings([](Json& json) { json["comment"] = "false"; }), "want a boolean"},
      {"GD113", "capitals", kWarning, Settings([](Json& json) { json["quant_method"] = "GPTQ"; }),
       Settings([](Json& json) { json["quant_method"] = "gptq"; }), "quant_method GPTQ"},
      {"GD113", "alias", kWarning, Settings([](Json& json) {
         json.erase("bits");
         json["w_bit"] = 4;
       }),
       Healthy, "w_bit"},
      {"GD114", "list", kWarning, Settings([](Json& json) {
         json["dataset"] = {"a calibration text", "another"};
       }),
       Settings([](Json& json) { json["dataset"] = "wikitext2"; })},
      {"GD121", "ONNX exporter", kNote,
       [] {
         return Directory(Good().File(
             "quantize_config.json",
             R"({"per_channel": false, "reduce_range": false, "per_model_config": {"decoder_model": {"op_types": ["Add"], "weight_type": "QInt8"}}})"));
       },
       Healthy},
  };
}

std::vector<RuleCase> AgainstTensors() {
  return {
      {"GD106", "base", kError, Settings([](Json& json) { json["bits"] = 8; }), Healthy,
       "says bits 8, the tensors say 4"},
      {"GD106", "undeclared override", kError,
       [] { return Directory(Good().Override("down_proj", {.bits = 8, .group_size = 32})); },
       [] {
         return Directory(
             EditSettings(Good().Override("down_proj", {.bits = 8, .group_size = 32}).Build(), [](Json& json) {
               json["dynamic"][".*\\.down_proj"] = {{"bits", 8}};
             }));
       },
       "tensors say 8"},
      {"GD107", "other size", kError, Settings([](Json& json) { json["group_size"] = 64; }),
       SettingsOf({.group_size = 128}, [](Json& json) { json["desc_act"] = false; })},
      {"GD107", "folklore 1024", kError, SettingsOf({.group_size = -1}, [](Json& json) { json["group_size"] = 32; }),
       SettingsOf({.group_size = -1}, [](Json&) {})},
      {"GD108", "asymmetric", kError,
       SettingsOf({.group_size = 32, .sym = false}, [](Json& json) { json["sym"] = true; }),
       SettingsOf({.group_size = 32, .sym = false}, [](Json&) {})},
      {"GD108", "symmetric", kError, Settings([](Json& json) { json["sym"] = false; }), Healthy},
      {"GD109", "v2 under v1", kError,
       SettingsOf({.group_size = 32, .v2 = true}, [](Json& json) { json["checkpoint_format"] = "gptq"; }),
       SettingsOf({.group_size = 32, .v2 = true}, [](Json&) {})},
      {"GD109", "v2 without a label", kError,
       SettingsOf({.group_size = 32, .v2 = true}, [](Json& json) { json.erase("checkpoint_format"); }),
       SettingsOf({.group_size = 32}, [](Json& json) { json.erase("checkpoint_format"); })},
      {"GD109", "v1 under v2", kError, Settings([](Json& json) { json["checkpoint_format"] = "gptq_v2"; }), Healthy},
      {"GD110", "permuted", kError,
       SettingsOf({.group_size = 32, .desc_act = true}, [](Json& json) { json["desc_act"] = false; }),
       Settings([](Json& json) {
         json["desc_act"] = true;
         json["static_groups"] = true;
       })},
      {"GD124", "int16", kError, Settings([](Json& json) { json["pack_dtype"] = "int16"; }), Healthy},
      {"GD125", "denied", kError,
       [] {
         return Directory(
             EditSettings(Good().LmHead({.group_size = 32}).Build(), [](Json& json) { json["lm_head"] = false; }));
       },
       [] { return Directory(Good().LmHead({.group_size = 32})); }},
      {"GD125", "claimed", kError, Settings([](Json& json) { json["lm_head"] = true; }), Healthy},
  };
}

std::vector<RuleCase> ModuleSets() {
  return {
      {"GD115", "nothing", kWarning, Dynamic("+:.*\\.no_such_proj", {{"bits", 8}}),
       Dynamic("+:.*\\.down_proj", {{"bits", 4}})},
      {"GD115", "excludes nothing", kNote, Dynamic("-:.*\\.visual\\..*", Json::object()), Healthy},
      {"GD116", "mlp.gate hits gate_proj", kError, Dynamic("-:.*mlp.gate.*", Json::object()),
       Dynamic("-:.*mlp\\.gate$", Json::object()), "excludes it"},
      {"GD116", "wrong bits", kError, Dynamic("+:.*down_proj", {{"bits", 8}}), Dynamic("+:.*down_proj", {{"bits", 4}})},
      {"GD117", "q_proj alone", kWarning, Dynamic("+:.*\\.q_proj", {{"bits", 4}}),
       Dynamic("+:.*\\.(q|k|v|qkv)_proj", {{"bits", 4}})},
      {"GD126", "an open group", kError, Dynamic("+:.*\\.(down_proj", {{"bits", 4}}),
       Dynamic("+:.*\\.(down_proj)", {{"bits", 4}}), "missing ), unterminated subpattern at position 4"},
      {"GD118", "AWQ under gptq", kError, [] { return Directory(AwqTensors("gptq")); },
       [] { return Directory(AwqTensors("awq")); }},
      {"GD118", "Marlin under gptq", kError, [] { return Directory(MarlinTensors("gptq")); },
       [] { return Directory(MarlinTensors("marlin")); }, "the tensors are marlin"},
      {"GD119", "dense", kError,
       [] {
         return Directory(ModelBuilder().Dense().File(
             "quantize_config.json",
             R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true, "quant_method": "gptq"})"));
       },
       [] { return Directory(ModelBuilder().Dense()); }},
      {"GD120", "dense", kNote, [] { return Directory(ModelBuilder().Dense()); }, Healthy},
      {"GD122", "not listed", kError, Settings([](Json& json) {
         json["modules_in_block_to_quantize"] = ModuleList({"self_attn.q_proj", "self_attn.k_proj"});
       }),
       Settings([](Json& json) { json["modules_in_block_to_quantize"] = ModuleList(kAllModules); }),
       "does not list it"},
      {"GD123", "one projection", kWarning, [] { return WithDenseExtra(false); }, [] { return WithDenseExtra(true); }},
      {"GD123", "router", kNote,
       [] {
         return Directory(Good()
                              .Tensor(DenseTensor("model.layers.0.mlp.gate.weight", {8, 128}))
                              .Tensor(DenseTensor("model.layers.1.mlp.gate.weight", {8, 128})));
       },
       Healthy},
  };
}

}  // namespace

std::vector<RuleCase> ConfigCases() {
  std::vector<RuleCase> out = Presence();
  for (const auto& cases : {AgainstTensors(), ModuleSets()}) out.insert(out.end(), cases.begin(), cases.end());
  return out;
}

std::vector<RuleCase> ModelCases() {
  const auto config = [](std::function<void(Json&)> edit) {
    return [edit] { return Directory(EditJson(GoodFiles(), "config.json", edit)); };
  };
  return {
      {"GD140", "absent", kError, [] { return Directory(Good().Remove("config.json")); }, Healthy},
      {"GD141", "absent", kError, config([](Json& json) { json.erase("model_type"); }), Healthy},
      {"GD142", "absent", kWarning, config([](Json& json) { json.erase("architectures"); }), Healthy},
      {"GD143", "layers", kError, config([](Json& json) { json["num_hidden_layers"] = 4; }), config([](Json& json) {
         json["num_hidden_layers"] = 1;
         json["num_nextn_predict_layers"] = 1;
       }),
       "num_hidden_layers 4"},
      {"GD143", "hidden size", kError, config([](Json& json) { json["hidden_size"] = 256; }), Healthy,
       "hidden_size 256"},
      {"GD143", "MLP size", kError, config([](Json& json) { json["intermediate_size"] = 512; }), Healthy,
       "intermediate_size 512"},
      {"GD143", "vocabulary", kError, config([](Json& json) { json["vocab_size"] = 300; }),
       config([](Json& json) { json["vocab_size"] = 250; }), "vocab_size 300"},
      {"GD144", "none", kWarning,
       [] { return Directory(Good().Remove("tokenizer.json").Remove("tokenizer_config.json")); }, Healthy},
      {"GD144", "no vocabulary", kNote, [] { return Directory(Good().Remove("tokenizer.json")); }, Healthy},
      {"GD145", "added token", kWarning, [] { return Directory(Good().File("added_tokens.json", "{\"<x>\": 256}")); },
       [] { return Directory(Good().File("added_tokens.json", "{\"<x>\": 255}")); }},
      {"GD145", "tokenizer.json", kWarning,
       [] {
         return Directory(Good().File("tokenizer.json",
                                      "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 999, \"content\": \"<x>\"}], "
                                      "\"normalizer\": null, \"model\": {}}"));
       },
       [] {
         return Directory(Good().File("tokenizer.json",
                                      "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 9, \"content\": \"<x>\"}], "
                                      "\"normalizer\": null, \"model\": {\"id\": 999}}"));
       }},
      {"GD146", "missing module", kWarning, config([](Json& json) {
         json["auto_map"] = {{"AutoConfig", "configuration_x.XConfig"}};
       }),
       config([](Json& json) {
         json["auto_map"] = {{"AutoConfig", "other/repo--configuration_x.XConfig"}};
       }),
       "configuration_x.py"},
      {"GD147", "beside the base", kWarning,
       [] { return Directory(Good().File("adapter_config.json", "{\"peft_type\": \"LORA\"}")); },
       [] {
         return Directory(ModelBuilder().Dense().File(
             "adapter_config.json", "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"org/model\"}"));
       }},
      {"GD148", "bfloat16", kNote, config([](Json& json) { json["torch_dtype"] = "bfloat16"; }), Healthy},
      {"GD148", "float32", kWarning, config([](Json& json) { json["torch_dtype"] = "float32"; }), Healthy},
      {"GD149", "act-order", kNote, [] { return Directory(GoodWith({.group_size = 32, .desc_act = true})); }, Healthy},
  };
}

}  // namespace gptq_doctor::testing

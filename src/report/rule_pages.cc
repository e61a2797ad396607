#include "report/rule_pages.h"

#include "base/text.h"
#include "report/json_writer.h"
#include "report/style.h"

namespace gptq_doctor {
namespace {

struct Family {
  char digit;
  std::string_view name;
};
constexpr Family kFamilies[] = {{'1', "configuration"}, {'2', "files and shards"}, {'3', "tensor structure"},
                                {'4', "tensor values"}, {'5', "loaders"},          {'6', "memory and size"},
                                {'9', "the run itself"}};

struct Section {
  std::string_view title;
  std::string text;
};

std::vector<Section> SectionsOf(const Rule& rule) {
  std::vector<Section> sections = {{"What", std::string(rule.what)}, {"Why it matters", std::string(rule.why)}};
  if (!rule.example.empty())
    sections.push_back({"Example", std::string(ToString(rule.severity)) + "[" + std::string(rule.code) +
                                       "]: " + std::string(rule.example)});
  sections.push_back({"Evidence", std::string(rule.evidence)});
  sections.push_back({"Fix", std::string(rule.fix)});
  sections.push_back({"Suppress", SuppressionText(rule)});
  return sections;
}

}  // namespace

std::string_view FamilyOf(const Rule& rule) {
  for (const Family& family : kFamilies) {
    if (rule.code.size() > 2 && rule.code[2] == family.digit) return family.name;
  }
  return "";
}

std::string SuppressionText(const Rule& rule) {
  const std::string code(rule.code);
  return "For a run: `gptq-doctor check --ignore " + code + " MODEL`. For good: an `[[ignore]]` entry with `rule = \"" +
         code + "\"` and a `reason` in gptq-doctor.toml, narrowed by `path` and `module`.";
}

std::string RulePageText(const Rule& rule, const RenderOptions& options) {
  const Style style(options);
  std::string out = style.Paint(Tone::kStrong, rule.code) + " " + std::string(rule.name) + "  " +
                    style.Paint(Style::ToneOf(rule.severity), ToString(rule.severity)) + ", " +
                    std::string(FamilyOf(rule)) + ", since " + std::string(rule.since) + "\n" +
                    std::string(rule.title) + ".\n";
  for (const Section& section : SectionsOf(rule)) {
    out += "\n" + style.Paint(Tone::kStrong, section.title) + "\n  " + style.Wrap(section.text, 2) + "\n";
  }
  return out;
}

std::string RulePageMarkdown(const Rule& rule) {
  std::string out =
      "# " + std::string(rule.code) + " " + std::string(rule.name) + "\n\n" + std::string(rule.title) + ".\n\n";
  out += "Severity: " + std::string(ToString(rule.severity)) + ". Family: " + std::string(FamilyOf(rule)) + ". Since " +
         std::string(rule.since) + ".\n";
  for (const Section& section : SectionsOf(rule)) {
    out += "\n## " + std::string(section.title) + "\n\n";
    out += section.title == "Example" ? "```text\n" + section.text + "\n```\n" : section.text + "\n";
  }
  return out;
}

std::string RuleListText(std::span<const Rule> rules, const RenderOptions& options) {
  const Style style(options);
  std::string out;
  for (const Family& family : kFamilies) {
    Grid grid;
    for (const Rule& rule : rules) {
      if (FamilyOf(rule) != family.name) continue;
      grid.Add({{.text = std::string(rule.code), .tone = Tone::kStrong},
                {.text = std::string(ToString(rule.severity)), .tone = Style::ToneOf(rule.severity)},
                {.text = std::string(rule.name)},
                {.text = std::string(rule.title)}});
    }
    if (grid.empty()) continue;
    if (!out.empty()) out += "\n";
    out += style.Paint(Tone::kStrong, family.name) + "\n" + grid.Render(style);
  }
  return out;
}

std::string RuleListMarkdown(std::span<const Rule> rules) {
  std::string out =
      "# Rules\n\nOne page a rule; `gptq-doctor explain CODE` prints the same offline. Codes are never renumbered and "
      "never reused.\nThe pages are written from the table of rules by "
      "`./dev docs`.\n";
  for (const Family& family : kFamilies) {
    out += "\n## " + std::string(1, family.digit) + "xx: " + std::string(family.name) +
           "\n\n| code | name | severity | what |\n|---|---|---|---|\n";
    for (const Rule& rule : rules) {
      if (FamilyOf(rule) != family.name) continue;
      out += "| [" + std::string(rule.code) + "](" + std::string(rule.code) + ".md) | " + std::string(rule.name) +
             " | " + ToString(rule.severity) + " | " + EscapeMarkdown(rule.title) + " |\n";
    }
  }
  return out;
}

std::string RulesJson(std::span<const Rule> rules) {
  JsonWriter json;
  json.BeginObject().Field("schema_version", "1.0");
  json.Key("tool")
      .BeginObject(JsonWriter::Layout::kCompact)
      .Field("name", "gptq-doctor")
      .Field("version", GPTQ_DOCTOR_VERSION)
      .EndObject();
  json.Field("exit_code", 0).Key("rules").BeginArray();
  for (const Rule& rule : rules) {
    json.BeginObject()
        .Field("code", rule.code)
        .Field("name", rule.name)
        .Field("severity", ToString(rule.severity))
        .Field("family", FamilyOf(rule));
    json.Field("title", rule.title).Field("what", rule.what).Field("why", rule.why).Field("example", rule.example);
    json.Field("evidence", rule.evidence)
        .Field("fix", rule.fix)
        .Field("suppress", SuppressionText(rule))
        .Field("since", rule.since);
    json.EndObject();
  }
  json.EndArray();
  return json.EndObject().Take();
}

}  // namespace gptq_doctor

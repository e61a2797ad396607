// gptq-doctor rules, gptq-doctor explain CODE|NAME: the catalogue, offline.

#include <CLI/CLI.hpp>

#include <span>

#include "base/sink.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/session.h"
#include "report/rule_pages.h"

namespace gptq_doctor {
namespace {

std::vector<std::string_view> CatalogueFormats() { return {"text", "json", "markdown"}; }

Status WritePage(Sink& sink, const std::string& name, const std::string& text) {
  Result<std::unique_ptr<SinkFile>> file = sink.Create(name, {.replace = true});
  if (!file) return file.error();
  const Status written = (*file)->Write(std::span(text.data(), text.size()));
  return written ? (*file)->Commit() : written;
}

// One page a rule and the list of them.
Status WritePages(const std::string& directory) {
  Result<std::unique_ptr<Sink>> sink = OpenLocalSink(directory);
  if (!sink) return sink.error();
  for (const Rule& rule : RuleTable()) {
    const Status written = WritePage(**sink, std::string(rule.code) + ".md", RulePageMarkdown(rule));
    if (!written) return written;
  }
  return WritePage(**sink, "README.md", RuleListMarkdown(RuleTable()));
}

class Rules : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("--output-dir", directory_, "write the pages of the documentation into this directory (markdown)");
  }
  std::vector<std::string_view> Formats() const override { return CatalogueFormats(); }
  int Run(Session& session) override {
    if (!directory_.empty()) {
      const Status written = WritePages(directory_);
      if (!written) return session.Fail(written.error());
      return kExitClean;
    }
    const std::string& format = session.options().format;
    if (format == "json") return session.Finish(RulesJson(RuleTable()), {}, kExitClean);
    if (format == "markdown") return session.Finish(RuleListMarkdown(RuleTable()), {}, kExitClean);
    return session.Finish(RuleListText(RuleTable(), session.render_options()), {}, kExitClean);
  }

 private:
  std::string directory_;
};

std::string NoSuchRule(const std::string& word) {
  std::vector<std::string_view> known;
  for (const Rule& rule : RuleTable()) {
    known.push_back(rule.code);
    known.push_back(rule.name);
  }
  const std::string nearest = Nearest(word, known);
  return "no rule '" + word + "'" + (nearest.empty() ? "" : "; did you mean " + nearest + "?") +
         " (gptq-doctor rules lists them)";
}

class Explain : public Command {
 public:
  void Setup(CLI::App& app) override { app.add_option("RULE", rules_, "codes or names of rules")->required(); }
  std::vector<std::string_view> Formats() const override { return CatalogueFormats(); }
  int Run(Session& session) override {
    std::vector<Rule> chosen;
    for (const std::string& word : rules_) {
      std::string upper = word;
      for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
      const Rule* rule = FindRule(upper);
      if (rule == nullptr) rule = FindRule(word);
      if (rule == nullptr) return session.Fail({.kind = ErrorKind::kUsage, .path = "", .message = NoSuchRule(word)});
      chosen.push_back(*rule);
    }
    if (session.json()) return session.Finish(RulesJson(chosen), {}, kExitClean);
    std::string out;
    for (const Rule& rule : chosen) {
      if (!out.empty()) out += "\n";
      out += session.options().format == "markdown" ? RulePageMarkdown(rule)
                                                    : RulePageText(rule, session.render_options());
    }
    return session.Finish(out, {}, kExitClean);
  }

 private:
  std::vector<std::string> rules_;
};

}  // namespace

std::unique_ptr<Command> MakeRules() { return std::make_unique<Rules>(); }
std::unique_ptr<Command> MakeExplain() { return std::make_unique<Explain>(); }

}  // namespace gptq_doctor

// The only file that includes toml++: it takes seconds to compile.

#include "rules/settings.h"

#define TOML_EXCEPTIONS 0
// toml++ 3.3 asserts, or in a release build assumes, what a wrong file breaks before it reports it: "[%" has no key.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <algorithm>
#include <span>

#include "base/text.h"

namespace gptq_doctor {
namespace {

// Collects the first problem; every reader returns at once when there is one.
class Reader {
 public:
  Reader(const std::string& name, CheckSettings& out) : name_(name), out_(out) {}

  void Read(const toml::table& root) {
    constexpr std::string_view kKeys[] = {"check", "levels", "ignore"};
    CheckKeys(root, kKeys);
    if (const toml::table* check = Table(root, "check")) ReadCheck(*check);
    if (const toml::table* levels = Table(root, "levels")) ReadLevels(*levels);
    if (const toml::node* ignore = root.get("ignore")) ReadIgnores(*ignore);
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  void Fail(const toml::node& node, const std::string& message) {
    if (error_) return;
    error_ = Error{ErrorKind::kUsage, name_,
                   "line " + std::to_string(node.source().begin.line) + ", column " +
                       std::to_string(node.source().begin.column) + ": " + message};
  }

  void CheckKeys(const toml::table& table, std::span<const std::string_view> known) {
    for (const auto& [key, node] : table) {
      const std::string_view word = key.str();
      if (std::find(known.begin(), known.end(), word) != known.end()) continue;
      const std::string nearest = Nearest(word, known);
      Fail(node,
           "unknown key '" + std::string(word) + "'" + (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
    }
  }

  const toml::table* Table(const toml::table& parent, std::string_view key) {
    const toml::node* node = parent.get(key);
    if (node == nullptr) return nullptr;
    if (!node->is_table()) Fail(*node, "'" + std::string(key) + "' must be a table: [" + std::string(key) + "]");
    return node->as_table();
  }

  std::vector<std::string> Words(const toml::table& table, std::string_view key) {
    std::vector<std::string> out;
    const toml::node* node = table.get(key);
    if (node == nullptr) return out;
    const toml::array* array = node->as_array();
    if (array == nullptr) {
      Fail(*node, "'" + std::string(key) + "' must be a list of strings");
      return out;
    }
    for (const toml::node& item : *array) {
      const std::optional<std::string> word = item.value<std::string>();
      if (!item.is_string() || !word) {
        Fail(item, "'" + std::string(key) + "' must be a list of strings");
        return out;
      }
      out.push_back(*word);
    }
    return out;
  }

  std::vector<std::string> Selectors(const toml::table& table, std::string_view key) {
    std::vector<std::string> out = Words(table, key);
    const std::string unknown = UnknownSelector(out);
    if (!unknown.empty()) Fail(*table.get(key), unknown);
    return out;
  }

  std::optional<std::string> Word(const toml::table& table, std::string_view key) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return std::nullopt;
    if (!node->is_string()) Fail(*node, "'" + std::string(key) + "' must be a string");
    return node->value<std::string>();
  }

  void ReadCheck(const toml::table& table) {
    constexpr std::string_view kKeys[] = {"select",  "extend-select",   "ignore",  "loaders",
                                          "fail-on", "min-compression", "baseline"};
    CheckKeys(table, kKeys);
    out_.policy.select = Selectors(table, "select");
    out_.policy.extend_select = Selectors(table, "extend-select");
    out_.policy.ignore = Selectors(table, "ignore");
    out_.loaders = Words(table, "loaders");
    out_.baseline = Word(table, "baseline");
    if (out_.baseline && out_.baseline->find('\0') != std::string::npos) {
      Fail(*table.get("baseline"), "'baseline' holds a NUL byte, which no path can");
    }
    out_.fail_on = Word(table, "fail-on");
    if (out_.fail_on && *out_.fail_on != "never" && !SeverityFromName(*out_.fail_on)) {
      Fail(*table.get("fail-on"), "'fail-on' must be error, warning, note or never");
    }
    if (const toml::node* node = table.get("min-compression")) {
      out_.min_compression = node->value<double>();
      if (!node->is_number() || !(*out_.min_compression >= 0 && *out_.min_compression <= 1))
        Fail(*node, "'min-compression' must be a number from 0 to 1");
    }
  }

  void ReadLevels(const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string selector(key.str());
      const std::string unknown = UnknownSelector({selector});
      if (!unknown.empty()) Fail(node, unknown);
      const std::optional<std::string> word = node.value<std::string>();
      const std::optional<Severity> severity = word ? SeverityFromName(*word) : std::nullopt;
      if (!severity) {
        Fail(node, "the level of " + selector + " must be \"error\", \"warning\" or \"note\"");
        continue;
      }
      out_.policy.levels.emplace_back(selector, *severity);
    }
  }

  void ReadIgnores(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array == nullptr) return Fail(node, "'ignore' must be a list of tables: [[ignore]]");
    for (const toml::node& item : *array) {
      const toml::table* table = item.as_table();
      if (table == nullptr) return Fail(item, "'ignore' must be a list of tables: [[ignore]]");
      ReadIgnore(*table);
    }
  }

  void ReadIgnore(const toml::table& table) {
    constexpr std::string_view kKeys[] = {"rule", "path", "module", "reason", "expires"};
    CheckKeys(table, kKeys);
    IgnoreEntry entry;
    entry.line = static_cast<int>(table.source().begin.line);
    entry.rule = Word(table, "rule").value_or("");
    entry.path = Word(table, "path").value_or("");
    entry.module = Word(table, "module").value_or("");
    entry.reason = Word(table, "reason").value_or("");
    if (entry.rule.empty()) Fail(table, "an [[ignore]] entry needs a rule");
    if (entry.reason.empty()) Fail(table, "an [[ignore]] entry needs a reason");
    const std::string unknown = UnknownSelector({entry.rule});
    if (!entry.rule.empty() && !unknown.empty()) Fail(*table.get("rule"), unknown);
    if (const toml::node* node = table.get("expires")) entry.expires = Date(*node);
    out_.policy.ignores.push_back(std::move(entry));
  }

  // A TOML date or a string of the same form.
  std::string Date(const toml::node& node) {
    std::string out;
    if (const std::optional<toml::date> date = node.value<toml::date>()) {
      const auto pad = [](int value, size_t width) {
        std::string digits = std::to_string(value);
        return std::string(width > digits.size() ? width - digits.size() : 0, '0') + digits;
      };
      out = pad(date->year, 4) + "-" + pad(date->month, 2) + "-" + pad(date->day, 2);
    } else if (node.is_string()) {
      out = node.value<std::string>().value_or("");
    }
    if (!IsDate(out)) Fail(node, "'expires' must be a date such as 2027-01-31");
    return out;
  }

  const std::string& name_;
  CheckSettings& out_;
  std::optional<Error> error_;
};

}  // namespace

Result<CheckSettings> ParseSettings(std::string_view text, const std::string& name) {
  toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Error{ErrorKind::kUsage, name,
                 "line " + std::to_string(error.source().begin.line) + ", column " +
                     std::to_string(error.source().begin.column) + ": " + std::string(error.description())};
  }
  CheckSettings settings;
  settings.policy.settings_file = name;
  Reader reader(name, settings);
  reader.Read(parsed.table());
  if (reader.error()) return *reader.error();
  return settings;
}

}  // namespace gptq_doctor

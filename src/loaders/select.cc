// The rows together, and the selectors that name them.

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"
#include "loaders/families.h"
#include "loaders/simulate.h"

namespace gptq_doctor {
namespace {

struct Table {
  std::array<const Profile*, 64> rows{};
  size_t count = 0;
};

Table MakeTable() {
  Table table;
  for (const auto family :
       {AutoGptqProfiles(), GptqModelProfiles(), TransformersProfiles(), VllmProfiles(), SglangProfiles(),
        TgiProfiles(), ExllamaProfiles(), ConverterProfiles(), LegacyProfiles()}) {
    for (const Profile* row : family) {
      if (table.count < table.rows.size()) table.rows[table.count++] = row;
    }
  }
  return table;
}

struct Selector {
  std::string loader, op;
  Version version;
  int parts = 0;
};

// "vllm", "vllm@0.10", "vllm==0.10", "vllm>=0.9", "vllm<0.9".
bool ParseSelector(std::string_view text, Selector* selector) {
  const size_t at = text.find_first_of("@<>=");
  selector->loader = std::string(text.substr(0, at));
  if (at == std::string_view::npos) return true;
  size_t end = at;
  while (end < text.size() && (text[end] == '@' || text[end] == '<' || text[end] == '>' || text[end] == '=')) ++end;
  selector->op = std::string(text.substr(at, end - at));
  if (selector->op == "==" || selector->op == "=") selector->op = "@";
  static constexpr std::string_view kOps[] = {"@", ">=", ">", "<=", "<"};
  if (std::find(std::begin(kOps), std::end(kOps), selector->op) == std::end(kOps)) return false;
  return ParseVersion(text.substr(end), &selector->version, &selector->parts);
}

// The first version after all those that `version` with `parts` parts stands for.
Version After(Version version, int parts) {
  if (version == kMainVersion) return {kMainVersion.major + 1, 0, 0};
  if (parts <= 1) return {version.major + 1, 0, 0};
  if (parts == 2) return {version.major, version.minor + 1, 0};
  return {version.major, version.minor, version.patch + 1};
}

bool Selects(const Selector& selector, const Profile& row) {
  if (selector.op.empty()) return true;
  if (selector.op == "@" && selector.version == kMainVersion) return row.version == "main";
  const Version end = After(selector.version, selector.parts);
  if (selector.op == "@") {
    // A named release takes the row it lies in; the row's own name always does.
    return selector.parts >= 2 ? row.since <= selector.version && selector.version < row.until
                               : row.since < end && selector.version < row.until;
  }
  if (selector.op == ">=") return selector.version < row.until;
  if (selector.op == ">") return selector.version < row.until && end <= row.until;
  if (selector.op == "<=") return row.since < end;
  return row.since < selector.version;
}

std::string Known() {
  std::string text;
  std::string_view last;
  for (const Profile* row : AllProfiles()) {
    if (row->loader == last) continue;
    last = row->loader;
    if (text.find(std::string(last) + ",") == std::string::npos) text += std::string(last) + ", ";
  }
  if (!text.empty()) text.resize(text.size() - 2);
  return text;
}

Error Unknown(std::string_view text, std::string_view loader) {
  std::vector<std::string_view> names;
  for (const Profile* row : AllProfiles()) names.push_back(row->loader);
  names.push_back("all");
  const std::string nearest = Nearest(loader, names);
  std::string message = "no loader is called " + EscapeTerminal(text);
  message += nearest.empty() ? "; known are " + Known() : "; did you mean " + nearest + "?";
  return {ErrorKind::kUsage, "", std::move(message)};
}

}  // namespace

bool ParseVersion(std::string_view text, Version* version, int* parts) {
  *version = {};
  *parts = 0;
  if (text == "main" || text == "dev" || text == "latest") {
    *version = kMainVersion;
    *parts = 3;
    return true;
  }
  if (text.starts_with("v")) text.remove_prefix(1);
  int* fields[] = {&version->major, &version->minor, &version->patch};
  while (!text.empty() && *parts < 3) {
    if (*parts > 0 && (text == "x" || text == "*")) return true;
    int value = 0, digits = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      if (++digits > 6) return false;
      value = value * 10 + (text.front() - '0');
      text.remove_prefix(1);
    }
    if (digits == 0) return false;
    *fields[(*parts)++] = value;
    // Anything after the number of a part ends the release: ".dev0", "rc1", "+cu121", "post1".
    if (text.empty() || text.front() != '.') return true;
    text.remove_prefix(1);
    if (text.empty()) return false;
    if (*parts < 3 && (text.front() < '0' || text.front() > '9') && text != "x" && text != "*") return true;
  }
  return *parts > 0;
}

std::span<const Profile* const> AllProfiles() {
  static const Table table = MakeTable();
  return {table.rows.data(), table.count};
}

Result<std::vector<const Profile*>> SelectProfiles(const std::vector<std::string>& selectors) {
  const auto all = AllProfiles();
  std::vector<bool> taken(all.size(), false);
  for (const std::string& text : selectors) {
    if (text == "all") {
      taken.assign(all.size(), true);
      continue;
    }
    Selector selector;
    if (!ParseSelector(text, &selector)) {
      return Error{ErrorKind::kUsage, "",
                   EscapeTerminal(text) + " is no loader selector; write vllm, vllm@0.10, vllm>=0.9 or all"};
    }
    bool known = false, any = false;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i]->loader != selector.loader) continue;
      known = true;
      const bool named = selector.op == "@" && text.substr(text.find_first_of("@=") + 1) == all[i]->version;
      if (!named && !Selects(selector, *all[i])) continue;
      any = true;
      taken[i] = true;
    }
    if (!known) return Unknown(text, selector.loader);
    if (!any) {
      std::string versions;
      for (const Profile* row : all) {
        if (row->loader == selector.loader) versions += (versions.empty() ? "" : "; ") + std::string(row->versions);
      }
      return Error{ErrorKind::kUsage, "", "nothing is known of " + EscapeTerminal(text) + "; known are " + versions};
    }
  }
  std::vector<const Profile*> rows;
  for (size_t i = 0; i < all.size(); ++i) {
    if (selectors.empty() ? all[i]->brief : taken[i]) rows.push_back(all[i]);
  }
  return rows;
}

}  // namespace gptq_doctor

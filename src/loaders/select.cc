// The rows together, and the selectors that name them.

#include <algorithm>
#include <array>
#include <span>
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

constexpr std::string_view kOperators = "@<>=";

// "vllm", "vllm@0.10", "vllm==0.10", "vllm>=0.9", "vllm<0.9".
bool ParseSelector(std::string_view text, Selector* selector) {
  const size_t at = text.find_first_of(kOperators);
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

// "vllm@0.15" for the row of that name.
bool IsNamed(std::string_view text, const Selector& selector, const Profile& row) {
  return row.loader == selector.loader && selector.op == "@" &&
         text.substr(text.find_first_of("@=") + 1) == row.version;
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
  std::string message = "no loader is called '" + EscapeTerminal(text) + "'";
  message += nearest.empty() ? "; known are " + Known() : "; did you mean " + nearest + "?";
  return {ErrorKind::kUsage, "", std::move(message)};
}

// "<0.15": what is left out is the loader of the selector before it.
bool IsBound(std::string_view text) { return !text.empty() && kOperators.find(text.front()) != std::string_view::npos; }

// A selector and further bounds: the rows that satisfy all.
Result<std::vector<size_t>> Select(std::span<const std::string> parts) {
  std::vector<Selector> bounds;
  for (const std::string& text : parts) {
    Selector& bound = bounds.emplace_back();
    if (!ParseSelector(text, &bound)) {
      return Error{ErrorKind::kUsage, "",
                   EscapeTerminal(text) + " is no loader selector; write vllm, vllm@0.10, vllm>=0.9,<0.15 or all"};
    }
  }
  const std::string& loader = bounds.front().loader;
  std::vector<size_t> rows;
  std::string versions;
  const auto all = AllProfiles();
  // A row's own name takes that row alone, where another holds the release of that number as well.
  const bool own = parts.size() == 1 && std::any_of(all.begin(), all.end(), [&](const Profile* row) {
                     return IsNamed(parts.front(), bounds.front(), *row);
                   });
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i]->loader != loader) continue;
    versions += (versions.empty() ? "" : "; ") + std::string(all[i]->versions);
    bool every = true;
    for (size_t k = 0; k < bounds.size() && every; ++k) {
      every = IsNamed(parts[k], bounds[k], *all[i]) || (!own && Selects(bounds[k], *all[i]));
    }
    if (every) rows.push_back(i);
  }
  if (versions.empty()) return Unknown(parts.front(), loader);
  if (rows.empty()) {
    std::string asked;
    for (const std::string& text : parts) asked += (asked.empty() ? "" : ",") + text;
    return Error{ErrorKind::kUsage, "", "nothing is known of " + EscapeTerminal(asked) + "; known are " + versions};
  }
  return rows;
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
  for (size_t at = 0; at < selectors.size();) {
    if (selectors[at] == "all") {
      taken.assign(all.size(), true);
      ++at;
      continue;
    }
    // "vllm>=0.9" and, because lists are separated as ranges are, "<0.15" behind it.
    size_t end = at + 1;
    while (end < selectors.size() && IsBound(selectors[end])) ++end;
    const Result<std::vector<size_t>> found = Select(std::span(selectors).subspan(at, end - at));
    if (!found) return found.error();
    for (const size_t row : *found) taken[row] = true;
    at = end;
  }
  std::vector<const Profile*> rows;
  for (size_t i = 0; i < all.size(); ++i) {
    if (selectors.empty() ? all[i]->brief : taken[i]) rows.push_back(all[i]);
  }
  return rows;
}

}  // namespace gptq_doctor

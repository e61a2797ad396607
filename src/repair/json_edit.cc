#include "repair/json_edit.h"

#include <algorithm>
#include <optional>

namespace gptq_doctor {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Blanks directly before `at`, back to the line's start; nullopt where something else stands there.
std::optional<std::string> IndentBefore(std::string_view text, size_t at) {
  size_t begin = at;
  while (begin > 0 && (text[begin - 1] == ' ' || text[begin - 1] == '\t')) --begin;
  if (begin > 0 && text[begin - 1] != '\n') return std::nullopt;
  return std::string(text.substr(begin, at - begin));
}

// The whitespace between two members, with the comma: "," or ", ".
std::string CommaOf(std::string_view text, const JsonValue& object) {
  if (object.members.size() < 2) return ", ";
  const size_t begin = object.members[0].value.range.end, end = object.members[1].key_range.begin;
  return std::string(text.substr(begin, end - begin));
}

std::string Indented(const JsonLayout& layout, int depth) {
  std::string out = layout.newline + layout.member_indent;
  for (int i = 0; i < depth; ++i) out += layout.unit;
  return out;
}

void Render(std::string_view source, const JsonValue& value, const JsonLayout& layout, int depth, std::string* out) {
  const bool object = value.kind == JsonKind::kObject;
  if (!object && value.kind != JsonKind::kArray) {
    out->append(source.substr(value.range.begin, value.range.end - value.range.begin));
    return;
  }
  const size_t count = object ? value.members.size() : value.items.size();
  out->push_back(object ? '{' : '[');
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) *out += layout.multiline ? "," : layout.comma;
    if (layout.multiline) *out += Indented(layout, depth + 1);
    if (object) {
      const JsonRange key = value.members[i].key_range;
      out->append(source.substr(key.begin, key.end - key.begin));
      *out += layout.colon;
    }
    Render(source, object ? value.members[i].value : value.items[i], layout, depth + 1, out);
  }
  if (layout.multiline && count > 0) *out += Indented(layout, depth);
  out->push_back(object ? '}' : ']');
}

// Three sorted keys are taken for a habit: transformers writes config.json so.
bool AreSorted(const JsonValue& object) {
  if (object.members.size() < 3) return false;
  return std::is_sorted(object.members.begin(), object.members.end(),
                        [](const JsonMember& a, const JsonMember& b) { return a.key < b.key; });
}

}  // namespace

JsonLayout LayoutOf(std::string_view text, const JsonValue& object, const JsonValue& root) {
  JsonLayout layout;
  if (text.find("\r\n") != std::string_view::npos) layout.newline = "\r\n";
  if (!root.members.empty()) {
    if (const auto unit = IndentBefore(text, root.members[0].key_range.begin)) {
      layout.unit = *unit;
    } else {
      layout.multiline = false;
    }
    const JsonMember& first = root.members[0];
    layout.colon = text.substr(first.key_range.end, first.value.range.begin - first.key_range.end);
    if (layout.colon.find('\n') != std::string::npos) layout.colon = ": ";
    if (!layout.multiline) layout.comma = CommaOf(text, root);
  }
  if (object.members.empty()) {
    // The line on which the object opens tells its depth.
    size_t line = object.range.begin;
    while (line > 0 && text[line - 1] != '\n') --line;
    size_t end = line;
    while (end < object.range.begin && IsSpace(text[end])) ++end;
    layout.close_indent = text.substr(line, end - line);
    layout.member_indent = layout.close_indent + layout.unit;
    return layout;
  }
  const auto indent = IndentBefore(text, object.members[0].key_range.begin);
  layout.multiline = indent.has_value();
  if (indent) {
    layout.member_indent = *indent;
    layout.close_indent = IndentBefore(text, object.range.end - 1).value_or("");
  } else {
    layout.comma = CommaOf(text, object);
  }
  return layout;
}

std::string RenderJson(std::string_view source, const JsonValue& value, const JsonLayout& layout) {
  std::string out;
  Render(source, value, layout, 0, &out);
  return out;
}

JsonEditor::ObjectChange& JsonEditor::ChangeOf(const JsonValue& object) {
  ObjectChange& change = changes_[object.range.begin];
  change.object = &object;
  change.removed.resize(object.members.size(), false);
  return change;
}

void JsonEditor::Add(const JsonValue& object, std::string key, std::string json) {
  const JsonDocument document = ParseJson(json);
  const JsonLayout layout = LayoutOf(text_, object, root_);
  std::string rendered = document.root ? RenderJson(json, *document.root, layout) : std::move(json);
  ChangeOf(object).added.emplace_back(std::move(key), std::move(rendered));
}

void JsonEditor::Remove(const JsonValue& object, size_t member) { ChangeOf(object).removed[member] = true; }

void JsonEditor::Finish(const ObjectChange& change) {
  const JsonValue& object = *change.object;
  const JsonLayout layout = LayoutOf(text_, object, root_);
  const size_t count = object.members.size();
  size_t last = count;  // the last member that stays
  for (size_t i = 0; i < count; ++i) {
    if (!change.removed[i]) last = i;
  }
  const std::string separator = layout.multiline ? "," + layout.newline + layout.member_indent : layout.comma;
  const auto written = [&](const auto& added) { return JsonQuote(added.first) + layout.colon + added.second; };
  if (last == count) {  // nothing stays: the object is written anew
    std::string body;
    for (const auto& added : change.added) body += (body.empty() ? "" : separator) + written(added);
    if (!body.empty() && layout.multiline) {
      body = layout.newline + layout.member_indent + body + layout.newline + layout.close_indent;
    }
    splices_.push_back({object.range.begin, object.range.end, "{" + body + "}"});
    return;
  }
  const bool sorted = AreSorted(object);
  auto all_added = change.added;
  if (sorted) std::sort(all_added.begin(), all_added.end());
  for (const auto& added : all_added) {
    size_t before = count;
    for (size_t i = 0; sorted && i < count && before == count; ++i) {
      if (!change.removed[i] && object.members[i].key > added.first) before = i;
    }
    if (before < count) {
      const size_t at = object.members[before].key_range.begin;
      splices_.push_back({at, at, written(added) + separator});
    } else {
      const size_t at = object.members[last].value.range.end;
      splices_.push_back({at, at, separator + written(added)});
    }
  }
  for (size_t i = 0; i < last; ++i) {
    if (change.removed[i]) {
      splices_.push_back({object.members[i].key_range.begin, object.members[i + 1].key_range.begin, ""});
    }
  }
  if (last + 1 < count) {
    splices_.push_back({object.members[last].value.range.end, object.members[count - 1].value.range.end, ""});
  }
}

std::string JsonEditor::Apply() {
  for (const auto& [begin, change] : changes_) Finish(change);
  changes_.clear();
  std::stable_sort(splices_.begin(), splices_.end(), [](const Splice& a, const Splice& b) {
    return a.begin != b.begin ? a.begin < b.begin : (a.end == a.begin) > (b.end == b.begin);
  });
  std::string out;
  size_t at = 0;
  for (const Splice& splice : splices_) {
    if (splice.begin < at) continue;  // inside a range that was replaced
    out.append(text_.substr(at, splice.begin - at));
    out += splice.with;
    at = splice.end;
  }
  out.append(text_.substr(at));
  splices_.clear();
  return out;
}

}  // namespace gptq_doctor

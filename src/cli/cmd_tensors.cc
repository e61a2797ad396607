// gptq-doctor tensors MODEL [PATTERN]

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"
#include "cli/command.h"
#include "cli/session.h"
#include "diagnose.h"
#include "report/json_writer.h"
#include "report/style.h"

namespace gptq_doctor {
namespace {

// Which tensors PATTERN means: the tensor of that name, else the components of the module whose weight (or stem) it
// names, else a glob over both kinds of name.
std::vector<TensorRow> Select(const std::vector<TensorRow>& rows, const std::string& pattern) {
  const auto keep = [&](const auto& wanted) {
    std::vector<TensorRow> kept;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(kept), wanted);
    return kept;
  };
  std::vector<TensorRow> found = keep([&](const TensorRow& row) { return row.name == pattern; });
  if (found.empty()) found = keep([&](const TensorRow& row) { return row.logical == pattern; });
  if (found.empty()) {
    found = keep([&](const TensorRow& row) { return std::string_view(SplitTensorName(row.name).stem) == pattern; });
  }
  if (!found.empty()) return found;
  return keep([&](const TensorRow& row) {
    return GlobMatch(pattern, row.name) || (!row.logical.empty() && GlobMatch(pattern, row.logical));
  });
}

Error NoMatch(const std::string& path, const std::vector<TensorRow>& rows, const std::string& pattern) {
  std::vector<std::string_view> names;
  for (const TensorRow& row : rows) {
    names.push_back(row.name);
    if (!row.logical.empty() && (names.size() < 2 || names[names.size() - 2] != row.logical))
      names.push_back(row.logical);
  }
  std::string message = "no tensor matches '" + pattern + "'";
  const std::string nearest = Nearest(pattern, names);
  message += nearest.empty() ? "; gptq-doctor tensors MODEL lists them, PATTERN may be a glob as '*.qweight'"
                             : "; did you mean " + nearest + "?";
  return {.kind = ErrorKind::kUsage, .path = path, .message = message};
}

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::string out = "[";
  for (const uint64_t dim : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(dim);
  return out + "]";
}

std::string TextList(const std::vector<TensorRow>& rows, const Style& style) {
  Grid grid(0);
  uint64_t bytes = 0;
  const auto head = [](const char* text, bool right = false) {
    return Grid::Cell{.text = text, .tone = Tone::kDim, .right = right};
  };
  grid.Add({head("name"), head("dtype"), head("shape"), head("bytes", true), head("offset", true), head("file")});
  for (const TensorRow& row : rows) {
    bytes += row.end - row.begin;
    grid.Add({{.text = EscapeTerminal(row.name)},
              {.text = row.dtype},
              {.text = ShapeText(row.shape)},
              {.text = FormatCount(row.end - row.begin), .right = true},
              {.text = std::to_string(row.begin), .right = true},
              {.text = EscapeTerminal(row.file), .tone = Tone::kDim}});
  }
  std::string out = grid.Render(style);
  if (style.verbosity() < 0) return out;
  return out + "\n" + Counted(static_cast<int64_t>(rows.size()), "tensor", "tensors") + ", " + FormatBytes(bytes) +
         "\n";
}

void PutTensors(JsonWriter& json, const std::vector<TensorRow>& rows) {
  constexpr JsonWriter::Layout kCompact = JsonWriter::Layout::kCompact;
  json.Key("tensors").BeginArray();
  for (const TensorRow& row : rows) {
    json.BeginObject(kCompact).Field("name", row.name).Field("dtype", row.dtype).Key("shape").BeginArray(kCompact);
    for (const uint64_t dim : row.shape) json.Put(dim);
    json.EndArray().Field("file", row.file).Field("begin", row.begin).Field("end", row.end);
    json.Key("logical");
    if (row.logical.empty()) {
      json.Put(nullptr);
    } else {
      json.Put(row.logical);
    }
    json.EndObject();
  }
  json.EndArray();
}

class Tensors : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", model_, "model directory, .safetensors file or index.json")->required();
    app.add_option("PATTERN", pattern_, "a tensor's name, a module's X.weight, or a glob as '*.qweight'");
  }

  int Run(Session& session) override {
    ExamineOptions options = session.examine_options();
    options.simulate_loaders = false;
    options.estimate_memory = false;
    const Result<ReadModel> model = OpenAndRead(session, model_, options);
    if (!model) return session.Fail(model.error());
    std::vector<TensorRow> rows = ListTensors(*model->exam);
    if (!pattern_.empty()) {
      std::vector<TensorRow> selected = Select(rows, pattern_);
      if (selected.empty()) return session.Fail(NoMatch(model_, rows, pattern_));
      rows = std::move(selected);
    }
    if (!session.json()) {
      const std::vector<Error>& unread = model->exam->errors;
      return session.Finish(TextList(rows, Style(session.render_options())), unread, ExitCodeOf(unread));
    }
    Report report{.models = {Diagnose(*model->exam)}, .errors = {}};
    report.models.front().path = model_;
    return session.FinishJson(report, kExitClean, {}, [&](JsonWriter& json, size_t) { PutTensors(json, rows); });
  }

 private:
  std::string model_, pattern_;
};

}  // namespace

std::unique_ptr<Command> MakeTensors() { return std::make_unique<Tensors>(); }

}  // namespace gptq_doctor

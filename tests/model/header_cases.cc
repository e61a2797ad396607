#include "model/header_cases.h"

#include <algorithm>
#include <stdexcept>

namespace gptq_doctor::testing {

std::string FileOf(uint64_t length, std::string_view text, uint64_t data) {
  std::string out(8, '\0');
  for (int i = 0; i < 8; ++i) out[static_cast<size_t>(i)] = static_cast<char>(length >> (8 * i));
  out += text;
  out.append(data, '\0');
  return out;
}

std::string FileOf(std::string_view text, uint64_t data) { return FileOf(text.size(), text, data); }

std::string Entry(std::string_view name, std::string_view dtype, std::string_view shape, uint64_t begin, uint64_t end) {
  std::string out = "\"";
  out.append(name).append("\":{\"dtype\":\"").append(dtype).append("\",\"shape\":").append(shape);
  return out + ",\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

ShardHeader Read(const std::string& content, const HeaderOptions& options, const std::string& name) {
  MemorySource source;
  source.Add(name, content);
  const auto entry = source.Stat(name);
  if (!entry.ok()) throw std::runtime_error("no such file");
  return ReadHeader(source, *entry, options);
}

std::vector<DefectKind> Kinds(const ShardHeader& header) {
  std::vector<DefectKind> out;
  for (const Defect& defect : header.defects) out.push_back(defect.kind);
  return out;
}

bool Has(const ShardHeader& header, DefectKind kind) {
  return std::any_of(header.defects.begin(), header.defects.end(), [kind](const Defect& d) { return d.kind == kind; });
}

const Defect& Get(const ShardHeader& header, DefectKind kind) {
  for (const Defect& defect : header.defects) {
    if (defect.kind == kind) return defect;
  }
  throw std::runtime_error("no such defect");
}

}  // namespace gptq_doctor::testing

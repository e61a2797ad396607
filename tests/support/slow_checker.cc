#include "support/slow_checker.h"

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gptq_doctor::testing {
namespace {

struct Node {
  enum Kind { kNull, kUnsigned, kString, kOther, kArray, kObject } kind = kNull;
  uint64_t number = 0;
  std::string text;
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> children;  // keys empty in arrays; repeated keys all kept
};

// A tree with repeated keys, at most 127 deep.
class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::unique_ptr<Node> root;

  bool null() override { return Put(Node::kNull); }
  bool boolean(bool) override { return Put(Node::kOther); }
  bool number_integer(number_integer_t) override { return Put(Node::kOther); }
  bool number_float(number_float_t, const string_t&) override { return Put(Node::kOther); }
  bool number_unsigned(number_unsigned_t value) override {
    if (!Put(Node::kUnsigned)) return false;
    last_->number = value;
    return true;
  }
  bool string(string_t& value) override {
    if (!Put(Node::kString)) return false;
    last_->text = value;
    return true;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(Node::kObject); }
  bool start_array(std::size_t) override { return Open(Node::kArray); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override {
    key_ = value;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  bool Put(Node::Kind kind) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    last_ = node.get();
    if (open_.empty())
      root = std::move(node);
    else
      open_.back()->children.emplace_back(key_, std::move(node));
    key_.clear();
    return true;
  }
  bool Open(Node::Kind kind) {
    Put(kind);
    open_.push_back(last_);
    return open_.size() <= 127;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }
  std::vector<Node*> open_;
  Node* last_ = nullptr;
  std::string key_;
};

const std::map<std::string, unsigned>& BitsByName() {
  static const std::map<std::string, unsigned> bits = {
      {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
      {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
      {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
  return bits;
}

struct Tensor {
  uint64_t begin = 0, end = 0, bytes = 0;
};

// The only child of that name.
const Node* Only(const Node& object, const char* name) {
  const Node* found = nullptr;
  for (const auto& [key, child] : object.children) {
    if (key != name) continue;
    if (found != nullptr) return nullptr;
    found = child.get();
  }
  return found;
}

std::optional<Tensor> ReadTensor(const Node& entry) {
  if (entry.kind != Node::kObject) return std::nullopt;
  const Node* const dtype = Only(entry, "dtype");
  const Node* const shape = Only(entry, "shape");
  const Node* const offsets = Only(entry, "data_offsets");
  if (dtype == nullptr || shape == nullptr || offsets == nullptr) return std::nullopt;
  if (dtype->kind != Node::kString || shape->kind != Node::kArray || offsets->kind != Node::kArray) return std::nullopt;
  const auto bits = BitsByName().find(dtype->text);
  if (bits == BitsByName().end() || offsets->children.size() != 2) return std::nullopt;
  const auto all_sizes = [](const Node& array) {
    return std::all_of(array.children.begin(), array.children.end(),
                       [](const auto& child) { return child.second->kind == Node::kUnsigned; });
  };
  if (!all_sizes(*shape) || !all_sizes(*offsets)) return std::nullopt;
  __extension__ using Wide = unsigned __int128;
  constexpr Wide kMost = ~uint64_t{0};
  Wide product = 1;
  for (const auto& child : shape->children) {
    product *= child.second->number;
    if (product > kMost) return std::nullopt;
  }
  product *= bits->second;
  if (product > kMost || product % 8 != 0) return std::nullopt;
  return Tensor{offsets->children[0].second->number, offsets->children[1].second->number,
                static_cast<uint64_t>(product / 8)};
}

bool MetadataHolds(const Node& metadata) {
  if (metadata.kind == Node::kNull) return true;
  return metadata.kind == Node::kObject &&
         std::all_of(metadata.children.begin(), metadata.children.end(),
                     [](const auto& child) { return child.second->kind == Node::kString; });
}

}  // namespace

bool SlowlyAccepts(std::string_view file) {
  if (file.size() < 8) return false;
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(file[i]);
  if (length > 100'000'000 || length > file.size() - 8) return false;
  const std::string_view text = file.substr(8, length);
  if (text.find('\0') != std::string_view::npos || text.starts_with("\xEF\xBB\xBF")) return false;
  TreeBuilder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder) || builder.root == nullptr ||
      builder.root->kind != Node::kObject)
    return false;
  std::vector<Tensor> tensors;
  std::map<std::string, int> seen;
  for (const auto& [name, entry] : builder.root->children) {
    if (++seen[name] > 1) return false;
    if (name == "__metadata__") {
      if (!MetadataHolds(*entry)) return false;
      continue;
    }
    const auto tensor = ReadTensor(*entry);
    if (!tensor) return false;
    tensors.push_back(*tensor);
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const Tensor& a, const Tensor& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  uint64_t at = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.begin != at || tensor.end < tensor.begin || tensor.end - tensor.begin != tensor.bytes) return false;
    at = tensor.end;
  }
  return at == file.size() - 8 - length;
}

}  // namespace gptq_doctor::testing

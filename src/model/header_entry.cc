// The generic path of HeaderParser: any order of fields, white space, unknown fields, and everything that has to be
// reported.

#include <algorithm>

#include "base/text.h"
#include "model/header_parser.h"

namespace gptq_doctor {

struct HeaderParser::Entry {
  TensorRecord record;
  uint64_t offset = 0;  // of the name, in the file
  bool seen[3] = {false, false, false};
  bool bad = false;  // a field is wrong, and reported
  uint64_t rank = 0;
  uint64_t elements = 1;
  bool overflow = false;
  std::string_view name() const { return record.name(); }
};

namespace {

constexpr const char* kFieldNames[] = {"dtype", "shape", "data_offsets"};
constexpr size_t kMaxStoredDims = 254;
constexpr int kEntryDepth = 2;  // containers around a field's value

const char* KindOfValue(char first) {
  switch (first) {
    case '{':
      return "an object";
    case '[':
      return "an array";
    case '"':
      return "a string";
    case 't':
    case 'f':
      return "a boolean";
    case 'n':
      return "null";
    default:
      return "a number";
  }
}

}  // namespace

bool HeaderParser::GenericEntry() {
  if (*cursor_.p != '"') {
    cursor_.Fail(cursor_.p, Concat({"expected a tensor's name in double quotes, found ", cursor_.Describe(cursor_.p)}));
    return false;
  }
  const uint64_t offset = FileOffset(cursor_.p);
  RawString key;
  if (!cursor_.ReadString(&key) || !cursor_.Expect(':', "after a name")) return false;
  const std::string_view name = Decode(key);
  cursor_.SkipSpace();
  if (name == "__metadata__") return ReadMetadata(offset);
  Entry entry;
  entry.offset = offset;
  entry.record.name_data = name.data();
  entry.record.name_size = static_cast<uint32_t>(name.size());
  const char first = *cursor_.p;
  if (first == '{') {
    if (!ReadFields(&entry)) return false;
  } else if (first == '[') {
    if (!ReadArrayForm(&entry)) return false;
  } else {
    if (!cursor_.SkipValue(1)) return false;
    header_.complete = false;
    defects_.Report(
        DefectKind::kMissingField, offset, name,
        Concat({"the entry is ", KindOfValue(first), ", not an object with dtype, shape and data_offsets"}));
    return true;
  }
  FinishEntry(&entry);
  return true;
}

bool HeaderParser::ReadFields(Entry* entry) {
  ++cursor_.p;
  if (cursor_.Accept('}')) return true;
  do {
    cursor_.SkipSpace();
    if (*cursor_.p != '"') {
      cursor_.Fail(cursor_.p,
                   Concat({"expected a field's name in double quotes, found ", cursor_.Describe(cursor_.p)}));
      return false;
    }
    RawString key;
    if (!cursor_.ReadString(&key) || !cursor_.Expect(':', "after a field's name")) return false;
    cursor_.SkipSpace();
    const auto matches = [&](const char* field) {
      // Six bytes of text at most make one of the name, so a longer key is none of the three.
      return key.escaped ? key.size <= 72 && Unescaped(key) == field : key.view() == field;
    };
    const size_t field = static_cast<size_t>(std::find_if(std::begin(kFieldNames), std::end(kFieldNames), matches) -
                                             std::begin(kFieldNames));
    if (field < 3 && entry->seen[field]) {
      entry->bad = true;
      defects_.Report(DefectKind::kDuplicateField, FileOffset(key.data - 1), entry->name(),
                      Concat({kFieldNames[field], " stands twice in the entry"}));
      if (!cursor_.SkipValue(kEntryDepth)) return false;
    } else if (!ReadFieldValue(static_cast<Field>(field), entry)) {
      return false;
    }
  } while (cursor_.Accept(','));
  return cursor_.Expect('}', "or ',' after a field");
}

bool HeaderParser::ReadFieldValue(Field field, Entry* entry) {
  if (field == Field::kUnknown) return cursor_.SkipValue(kEntryDepth);
  entry->seen[static_cast<size_t>(field)] = true;
  switch (field) {
    case Field::kDtype:
      return ReadDtype(entry);
    case Field::kShape:
      return ReadShape(entry);
    default:
      return ReadOffsets(entry);
  }
}

// ["I32",[2,2],[0,16]]: the reference's deserializer takes it by accident, the format does not know it.
bool HeaderParser::ReadArrayForm(Entry* entry) {
  const char* const start = cursor_.p;
  ++cursor_.p;
  size_t fields = 0;
  if (!cursor_.Accept(']')) {
    do {
      cursor_.SkipSpace();
      if (!ReadFieldValue(static_cast<Field>(std::min<size_t>(fields, 3)), entry)) return false;
      ++fields;
    } while (cursor_.Accept(','));
    if (!cursor_.Expect(']', "or ',' in an array")) return false;
  }
  const bool like_reference = fields == 3 && !entry->bad;
  if (fields != 3) entry->bad = true;
  defects_.Report(DefectKind::kEntryForm, FileOffset(start), entry->name(),
                  "the entry is an array; an object with dtype, shape and data_offsets is required",
                  like_reference ? nullptr : "InvalidHeaderDeserialization");
  return true;
}

bool HeaderParser::ReadDtype(Entry* entry) {
  const char* const start = cursor_.p;
  if (*start == '{') return ReadDtypeMap(entry);
  if (*start != '"') {
    if (!cursor_.SkipValue(kEntryDepth)) return false;
    entry->bad = true;
    defects_.Report(DefectKind::kUnknownDtype, FileOffset(start), entry->name(),
                    Concat({"the dtype is ", KindOfValue(*start), ", not a string"}));
    return true;
  }
  RawString raw;
  if (!cursor_.ReadString(&raw)) return false;
  entry->record.dtype =
      raw.escaped ? (raw.size <= 72 ? DtypeFromName(Unescaped(raw)) : Dtype::kUnknown) : DtypeFromName(raw.view());
  if (entry->record.dtype == Dtype::kUnknown) {
    entry->bad = true;
    defects_.Report(DefectKind::kUnknownDtype, FileOffset(start), entry->name(),
                    Concat({"the format has no dtype ", Quoted(raw.view().substr(0, 256))}));
  }
  return true;
}

// {"I32":null}: likewise.
bool HeaderParser::ReadDtypeMap(Entry* entry) {
  const char* const start = cursor_.p;
  if (!cursor_.SkipValue(kEntryDepth)) return false;
  const char* const after = cursor_.p;
  JsonCursor inner(header_.text.get(), cursor_.end());
  inner.p = start + 1;
  RawString raw;
  inner.SkipSpace();
  bool like_reference = false;
  if (*inner.p == '"' && inner.ReadString(&raw) && raw.size <= 72 && inner.Accept(':')) {
    entry->record.dtype = DtypeFromName(Unescaped(raw));
    inner.SkipSpace();
    like_reference = entry->record.dtype != Dtype::kUnknown && StartsWith(inner.p, "null") &&
                     inner.SkipValue(kEntryDepth + 1) && inner.Accept('}') && inner.p == after;
  }
  if (!like_reference) entry->bad = true;
  defects_.Report(DefectKind::kEntryForm, FileOffset(start), entry->name(),
                  "the dtype is an object; a string is required",
                  like_reference ? nullptr : "InvalidHeaderDeserialization");
  return true;
}

// One value where a size belongs. False: the text is broken. `is_size` false: a value of another kind, and past it.
bool HeaderParser::ReadSize(int depth, uint64_t* value, bool* is_size) {
  cursor_.SkipSpace();
  const char* const start = cursor_.p;
  if (const char* const after = ScanDigits(start, value); after != nullptr && (*after == ',' || *after == ']')) {
    cursor_.p = after;
    *is_size = true;
    return true;
  }
  *is_size = false;
  if (*start != '-' && (*start < '0' || *start > '9')) return cursor_.SkipValue(depth);
  std::string_view spelling;
  if (!cursor_.ReadNumber(&spelling)) return false;
  *is_size = ParsePlainUint(spelling, value);
  return true;
}

bool HeaderParser::ReadShape(Entry* entry) {
  const char* const start = cursor_.p;
  dims_.clear();
  entry->rank = 0;
  const char* wrong = nullptr;
  if (*start != '[') {
    if (!cursor_.SkipValue(kEntryDepth)) return false;
    wrong = start;
  } else {
    ++cursor_.p;
    if (cursor_.Accept(']')) return true;
    do {
      cursor_.SkipSpace();
      const char* const at = cursor_.p;
      uint64_t dim = 0;
      bool is_size = false;
      if (!ReadSize(kEntryDepth + 1, &dim, &is_size)) return false;
      if (!is_size && wrong == nullptr) wrong = at;
      if (dims_.size() < kMaxStoredDims) dims_.push_back(dim);
      ++entry->rank;
      if (!entry->overflow && __builtin_mul_overflow(entry->elements, dim, &entry->elements)) entry->overflow = true;
    } while (cursor_.Accept(','));
    if (!cursor_.Expect(']', "or ',' in a shape")) return false;
  }
  if (wrong != nullptr) {
    entry->bad = true;
    const auto size = static_cast<size_t>(std::min<ptrdiff_t>(cursor_.p - wrong, 32));
    defects_.Report(DefectKind::kInvalidShape, FileOffset(wrong), entry->name(),
                    Concat({"a shape is an array of plain unsigned integers; found ", std::string_view(wrong, size)}));
  }
  return true;
}

bool HeaderParser::ReadOffsets(Entry* entry) {
  const char* const start = cursor_.p;
  uint64_t offsets[2] = {0, 0};
  uint64_t count = 0;
  bool good = *start == '[';
  if (!good) {
    if (!cursor_.SkipValue(kEntryDepth)) return false;
  } else {
    ++cursor_.p;
    if (!cursor_.Accept(']')) {
      do {
        uint64_t value = 0;
        bool is_size = false;
        if (!ReadSize(kEntryDepth + 1, &value, &is_size)) return false;
        if (count < 2) offsets[count] = value;
        good = good && is_size;
        ++count;
      } while (cursor_.Accept(','));
      if (!cursor_.Expect(']', "or ',' in data_offsets")) return false;
    }
    good = good && count == 2;
  }
  entry->record.begin = offsets[0];
  entry->record.end = offsets[1];
  if (!good) {
    entry->bad = true;
    const auto size = static_cast<size_t>(std::min<ptrdiff_t>(cursor_.p - start, 32));
    defects_.Report(DefectKind::kInvalidOffsets, FileOffset(start), entry->name(),
                    Concat({"data_offsets are two plain unsigned integers; found ", std::string_view(start, size)}));
  }
  return true;
}

void HeaderParser::FinishEntry(Entry* entry) {
  for (size_t field = 0; field < 3; ++field) {
    if (entry->seen[field]) continue;
    if (entry->bad) break;
    entry->bad = true;
    defects_.Report(DefectKind::kMissingField, entry->offset, entry->name(),
                    Concat({"the entry has no ", kFieldNames[field]}));
  }
  TensorRecord& record = entry->record;
  if (!entry->bad && record.end < record.begin) {
    entry->bad = true;
    defects_.Report(DefectKind::kEndBeforeBegin, entry->offset, entry->name(),
                    Concat({"data_offsets end at ", FormatCount(record.end), ", before they begin at ",
                            FormatCount(record.begin)}));
  }
  if (entry->bad) {
    header_.complete = false;
    return;
  }
  uint64_t bits = 0;
  const auto width = static_cast<uint64_t>(BitsOf(record.dtype));
  if (entry->overflow || __builtin_mul_overflow(entry->elements, width, &bits)) {
    defects_.Report(DefectKind::kShapeOverflow, entry->offset, entry->name(),
                    Concat({"the size of shape and dtype ", ToString(record.dtype), " does not fit 64 bits"}));
  } else if (bits % 8 != 0) {
    defects_.Report(
        DefectKind::kMisalignedSlice, entry->offset, entry->name(),
        Concat({FormatCount(entry->elements), " elements of ", ToString(record.dtype), " do not fill whole bytes"}));
  } else if (record.bytes() != bits / 8) {
    if (defects_.Wants(DefectKind::kSizeMismatch)) {
      defects_.Add(DefectKind::kSizeMismatch, entry->offset, entry->name(),
                   Concat({"shape and dtype ", ToString(record.dtype), " make ", FormatCount(bits / 8),
                           " bytes, data_offsets span ", FormatCount(record.bytes())}));
    }
  }
  AddRecord(record, dims_.data(), std::min<size_t>(dims_.size(), entry->rank), entry->rank);
}

bool HeaderParser::ReadMetadata(uint64_t offset) {
  const char first = *cursor_.p;
  if (metadata_seen_) {
    defects_.Report(DefectKind::kDuplicateMetadata, offset, {}, "__metadata__ stands twice in the header");
    return cursor_.SkipValue(1);
  }
  metadata_seen_ = true;
  if (first != '{') {
    const char* const start = cursor_.p;
    if (!cursor_.SkipValue(1)) return false;
    if (first == 'n') return true;
    defects_.Report(DefectKind::kMetadataType, FileOffset(start), {},
                    Concat({"__metadata__ is ", KindOfValue(first), ", not an object of strings"}));
    return true;
  }
  ++cursor_.p;
  if (cursor_.Accept('}')) return true;
  do {
    if (!ReadMetadataPair()) return false;
  } while (cursor_.Accept(','));
  if (!cursor_.Expect('}', "or ',' in __metadata__")) return false;
  DropRepeatedMetadata(offset);
  return true;
}

bool HeaderParser::ReadMetadataPair() {
  cursor_.SkipSpace();
  if (*cursor_.p != '"') {
    cursor_.Fail(cursor_.p,
                 Concat({"expected a key in double quotes in __metadata__, found ", cursor_.Describe(cursor_.p)}));
    return false;
  }
  RawString key;
  if (!cursor_.ReadString(&key) || !cursor_.Expect(':', "after a key")) return false;
  cursor_.SkipSpace();
  const char first = *cursor_.p;
  if (first != '"') {
    const char* const start = cursor_.p;
    if (!cursor_.SkipValue(kEntryDepth)) return false;
    defects_.Report(DefectKind::kMetadataType, FileOffset(start), {},
                    Concat({"the value of ", Quoted(key.view().substr(0, 257)), " in __metadata__ is ",
                            KindOfValue(first), ", not a string"}));
    return true;
  }
  RawString value;
  if (!cursor_.ReadString(&value)) return false;
  if (++metadata_pairs_ <= kMaxMetadata) header_.metadata.emplace_back(Unescaped(key), Unescaped(value));
  return true;
}

// Keeps the last of equal keys, as the reference does, and says so.
void HeaderParser::DropRepeatedMetadata(uint64_t offset) {
  auto& pairs = header_.metadata;
  std::vector<uint32_t> order(pairs.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int compared = pairs[a].first.compare(pairs[b].first);
    return compared != 0 ? compared < 0 : a < b;
  });
  std::vector<bool> drop(pairs.size());
  for (size_t i = 1; i < order.size(); ++i) {
    if (pairs[order[i - 1]].first != pairs[order[i]].first) continue;
    drop[order[i - 1]] = true;
    defects_.Report(
        DefectKind::kDuplicateMetadataKey, offset, {},
        Concat({"the key ", Quoted(pairs[order[i]].first), " stands twice in __metadata__; readers take the last"}));
  }
  if (std::find(drop.begin(), drop.end(), true) == drop.end()) return;
  size_t kept = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (drop[i]) continue;
    if (kept != i) pairs[kept] = std::move(pairs[i]);
    ++kept;
  }
  pairs.resize(kept);
}

}  // namespace gptq_doctor

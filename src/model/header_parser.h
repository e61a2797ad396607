#ifndef GPTQ_DOCTOR_MODEL_HEADER_PARSER_H_
#define GPTQ_DOCTOR_MODEL_HEADER_PARSER_H_

// The text of one header: entries and metadata, rules 4 to 10 and 12 to 14 of the reference reader. How the tensors lie
// together is header_layout's; files and reading are safetensors.cc's.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/defect_list.h"
#include "model/json_cursor.h"
#include "model/name_hash.h"
#include "model/safetensors.h"

namespace gptq_doctor {

struct FastEntry;

class HeaderParser {
 public:
  static constexpr size_t kMaxMetadata = 10'000;  // pairs that are kept

  // Fills tensors, name_tags, name_sum, metadata and arena of `header`, whose text and header_bytes are set.
  HeaderParser(ShardHeader& header, DefectList& defects);
  void Run();

  // Every tensor begins where the one before it in the text ends, the first at 0.
  bool sequential() const { return sequential_; }
  // Some tensor begins at an odd place for its dtype, counted from the start of the data.
  bool misaligned() const { return misaligned_; }
  bool document_read() const { return document_read_; }  // the text is one JSON object

 private:
  struct Entry;
  enum class Field { kDtype, kShape, kOffsets, kUnknown };

  void ReadEntries();
  bool GenericEntry();
  bool ReadFields(Entry* entry);
  bool ReadFieldValue(Field field, Entry* entry);
  bool ReadArrayForm(Entry* entry);
  bool ReadDtype(Entry* entry);
  bool ReadDtypeMap(Entry* entry);
  bool ReadShape(Entry* entry);
  bool ReadOffsets(Entry* entry);
  bool ReadSize(int depth, uint64_t* value, bool* is_size);
  void FinishEntry(Entry* entry);
  bool ReadMetadata(uint64_t offset);
  bool ReadMetadataPair();
  void DropRepeatedMetadata(uint64_t offset);
  void CheckEnd();
  void ReportText();

  void AddFast(const FastEntry& entry);
  void AddRecord(TensorRecord record, const uint64_t* dims, size_t count, uint64_t rank);
  void Grow();
  const uint64_t* StoreDims(const uint64_t* dims, size_t count);
  std::string_view Decode(const RawString& raw);
  char* Allocate(size_t bytes);
  uint64_t FileOffset(const char* at) const { return 8 + static_cast<uint64_t>(at - header_.text.get()); }

  ShardHeader& header_;
  DefectList& defects_;
  const HashKey& key_;
  JsonCursor cursor_;
  uint64_t last_end_ = 0;
  bool sequential_ = true;
  bool misaligned_ = false;
  bool document_read_ = false;
  bool metadata_seen_ = false;
  uint64_t metadata_pairs_ = 0;
  char* arena_next_ = nullptr;
  size_t arena_left_ = 0;
  uint64_t dims_stored_ = 0;
  std::vector<uint64_t> dims_;  // of the entry being read
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_HEADER_PARSER_H_

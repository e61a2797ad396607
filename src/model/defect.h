#ifndef GPTQ_DOCTOR_MODEL_DEFECT_H_
#define GPTQ_DOCTOR_MODEL_DEFECT_H_

// What can be wrong with weight files and their index. Parsers collect these and go on; rules/ turns each kind into a
// finding. The reference error names are those of huggingface/safetensors (tensor.rs, SafeTensorError), so that
// users can search for them.

#include <cstdint>
#include <string>

namespace gptq_doctor {

enum class DefectKind : uint8_t {
  // Whole file.
  kHeaderTooSmall,  // shorter than 8 bytes
  kHeaderTooLarge,  // length above the cap
  kHeaderLength,    // header reaches past the end of the file: InvalidHeaderLength
  kEmptyHeader,     // N == 0 or zeros: a preallocated download
  kNotSafetensors,  // sniffed as something else; `detail` names it
  kLfsPointer,      // git-lfs pointer; `detail` has the announced size
  kTruncated,       // data missing at the end: MetadataIncompleteBuffer
  kTrailingBytes,   // data past the last tensor: MetadataIncompleteBuffer
  kUnreadable,      // permission or I/O: the run's error, not the model's
  kSpecialFile,     // FIFO, device, directory
  kDangling,        // link to nothing
  kChangedWhileRead,
  // Header text.
  kInvalidUtf8,  // InvalidHeader
  kInvalidJson,  // InvalidHeaderDeserialization
  kNulPadding,   // NUL bytes after the document: InvalidHeaderDeserialization
  kEntryForm,    // array-form entry or map-form dtype
  kMissingField,
  kDuplicateField,
  kDuplicateMetadata,
  kDuplicateMetadataKey,  // warning
  kMetadataType,
  kUnknownDtype,
  kInvalidShape,
  kInvalidOffsets,
  kDuplicateTensor,
  // Layout.
  kOverlap,          // InvalidOffset
  kHole,             // InvalidOffset
  kEndBeforeBegin,   // InvalidOffset
  kShapeOverflow,    // ValidationOverflow
  kMisalignedSlice,  // MisalignedSlice
  kSizeMismatch,     // TensorInvalidInfo
  // Notes.
  kLeadingWhitespace,
  kUnpaddedHeader,  // header length no multiple of 8
  kMisalignedData,  // tensor data not aligned for its dtype
  kLargeHeader,     // above 25,000,000 bytes, which both hub clients refuse to read
  // Index and shards.
  kIndexMalformed,
  kIndexTooLarge,
  kIndexDuplicateKey,
  kIndexUnsafePath,  // `..`, absolute, backslash, NUL, ...: refused by name, never opened
  kIndexWrongType,
  kShardMissing,      // named by the index, not on disk
  kTensorNotInShard,  // in the index, absent from the shard it names
  kTensorNotInIndex,  // in a shard, absent from the index
  kTensorInTwoShards,
  kTotalSizeMismatch,   // note
  kShardCountMismatch,  // "-of-00005" and another number of files
  kStrayWeights,        // weight file that no index names
  kStaleIndex,          // single file plus an index that names others
  kSeveralIndexes,
  kPartialDownload,  // *.incomplete, .part, .aria2
  kUnusualName,      // loaders look for other names
};

struct Defect {
  DefectKind kind = DefectKind::kInvalidJson;
  std::string file;
  uint64_t offset = 0;  // byte in the file
  std::string tensor;   // unescaped name as in the file; empty where none
  std::string detail;   // numbers and the reason, one sentence
  // The reference's error where it differs from that of the kind (what is no safetensors file fails in several ways).
  const char* reference = nullptr;
};

// The reference reader's error, "" where it has none.
std::string ReferenceError(const Defect& defect);
// True where the reference reader refuses the file for it, or our documented extra refusals do.
bool IsRefusal(DefectKind kind);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_DEFECT_H_

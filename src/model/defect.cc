#include "model/defect.h"

namespace gptq_doctor {
namespace {

// Of most defects of the kind.
const char* ErrorOfKind(DefectKind kind) {
  switch (kind) {
    case DefectKind::kHeaderTooSmall:
      return "HeaderTooSmall";
    case DefectKind::kHeaderTooLarge:
    case DefectKind::kNotSafetensors:
    case DefectKind::kLfsPointer:
      return "HeaderTooLarge";
    case DefectKind::kHeaderLength:
      return "InvalidHeaderLength";
    case DefectKind::kInvalidUtf8:
      return "InvalidHeader";
    case DefectKind::kEmptyHeader:
    case DefectKind::kInvalidJson:
    case DefectKind::kNulPadding:
    case DefectKind::kMissingField:
    case DefectKind::kDuplicateField:
    case DefectKind::kDuplicateMetadata:
    case DefectKind::kMetadataType:
    case DefectKind::kUnknownDtype:
    case DefectKind::kInvalidShape:
    case DefectKind::kInvalidOffsets:
      return "InvalidHeaderDeserialization";
    case DefectKind::kOverlap:
    case DefectKind::kHole:
    case DefectKind::kEndBeforeBegin:
      return "InvalidOffset";
    case DefectKind::kShapeOverflow:
      return "ValidationOverflow";
    case DefectKind::kMisalignedSlice:
      return "MisalignedSlice";
    case DefectKind::kSizeMismatch:
      return "TensorInvalidInfo";
    case DefectKind::kTruncated:
    case DefectKind::kTrailingBytes:
      return "MetadataIncompleteBuffer";
    default:
      return "";
  }
}

}  // namespace

std::string ReferenceError(const Defect& defect) {
  return defect.reference != nullptr ? defect.reference : ErrorOfKind(defect.kind);
}

bool IsRefusal(DefectKind kind) {
  switch (kind) {
    case DefectKind::kUnreadable:
    case DefectKind::kSpecialFile:
    case DefectKind::kDangling:
    case DefectKind::kChangedWhileRead:
    case DefectKind::kEntryForm:        // the reference accepts it by an accident of its deserializer
    case DefectKind::kDuplicateTensor:  // the format's description forbids it, the reference takes the last
      return true;
    default:
      return *ErrorOfKind(kind) != '\0';
  }
}

}  // namespace gptq_doctor

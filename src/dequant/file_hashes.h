#ifndef GPTQ_DOCTOR_DEQUANT_FILE_HASHES_H_
#define GPTQ_DOCTOR_DEQUANT_FILE_HASHES_H_

// SHA-256 of the files of a model whose hash somebody recorded when they were made or fetched: the name of the hub
// cache's blob that a snapshot links to, the etag that `hf download --local-dir` keeps, the oid of a git-lfs clone.

#include <algorithm>
#include <string>
#include <vector>

#include "infer/examination.h"

namespace gptq_doctor {

struct HashCheck {
  std::string file;
  std::string source;                     // "hub cache", "local-dir metadata", "git-lfs"
  std::string expected;                   // 64 hex digits
  std::vector<std::string> alternatives;  // git-lfs keeps no names: hashes of other objects of the same size
  std::string found;                      // empty until it was computed
  int64_t bytes = 0;
  bool matches() const {
    return expected == found || std::find(alternatives.begin(), alternatives.end(), found) != alternatives.end();
  }
};

// What is recorded, without reading the files; sorted by name. Files without a record are not listed. Records that
// cannot be read go to `errors`.
std::vector<HashCheck> RecordedHashes(const Examination& exam, std::vector<Error>& errors);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_FILE_HASHES_H_

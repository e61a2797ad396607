#ifndef GPTQ_DOCTOR_MODEL_HEADER_READER_H_
#define GPTQ_DOCTOR_MODEL_HEADER_READER_H_

// Reads the headers of many files in two rounds: the first bytes of all, which tell what each file is and how long its
// header, then the headers, one task each. The caller decides what runs concurrently with what.

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "model/defect_list.h"
#include "model/safetensors.h"

namespace gptq_doctor {

class HeaderReader {
 public:
  // `files` and `options` outlive it. At most 65,535 files are taken (TensorRecord::shard).
  HeaderReader(Source& source, std::span<const FileEntry> files, const HeaderOptions& options);
  void ReadHeads();
  uint64_t body_bytes() const { return body_bytes_; }  // of all headers, after ReadHeads()
  size_t size() const { return headers_.size(); }
  // Thread-safe for different files.
  void ReadBody(size_t file);
  std::vector<ShardHeader>& headers() { return headers_; }

 private:
  struct Pending {
    uint64_t length = 0;  // of the header; 0: there is nothing left to read
    uint64_t file_size = 0;
  };
  void LookAtHead(size_t file, const ReadOutcome& outcome, std::string_view head);
  void Parse(size_t file, std::unique_ptr<char[]> text, DefectList& defects);
  std::unique_ptr<char[]> BorrowBuffer();
  void ReturnBuffer(std::unique_ptr<char[]> buffer);

  Source& source_;
  std::span<const FileEntry> files_;
  const HeaderOptions& options_;
  std::vector<ShardHeader> headers_;
  std::vector<Pending> pending_;
  uint64_t body_bytes_ = 0;
  std::shared_ptr<BulkMemory> bulk_;  // for records and names; null where there are few
  std::mutex mutex_;
  std::vector<std::unique_ptr<char[]>> buffers_;  // for headers up to kShort bytes, under mutex_
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_HEADER_READER_H_

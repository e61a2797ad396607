#include "dequant/read_range.h"

namespace gptq_doctor {

Status ReadRange(const Examination& exam, const std::string& file, uint64_t offset, std::span<char> into,
                 const FileIdentity& identity) {
  const ReadRequest request{file, offset, into};
  ReadOutcome outcome;
  exam.source->ReadMany({&request, 1}, {&outcome, 1});
  if (outcome.error && outcome.error->kind != ErrorKind::kNotFound) return *outcome.error;
  if (outcome.error || outcome.bytes != into.size() || !(outcome.identity == identity)) {
    return Error{ErrorKind::kChanged, file, "the file changed while it was read; run again when nothing writes to it"};
  }
  return Ok();
}

Status ReadTensor(const Examination& exam, const TensorRecord& tensor, uint64_t offset, std::span<char> into) {
  const ShardHeader& shard = exam.tensors.shard_of(tensor);
  return ReadRange(exam, shard.file, exam.tensors.file_offset(tensor) + offset, into, shard.identity);
}

}  // namespace gptq_doctor

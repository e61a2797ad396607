#ifndef GPTQ_DOCTOR_MODEL_DEFECT_LIST_H_
#define GPTQ_DOCTOR_MODEL_DEFECT_LIST_H_

// Collects the defects of one file, at most 100 of a kind, so that a hostile file cannot make the report grow with its
// size. What was left out is counted and said in the last one kept.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/defect.h"

namespace gptq_doctor {

class DefectList {
 public:
  static constexpr uint32_t kCap = 100;
  static constexpr size_t kNameLimit = 1024;  // bytes of a tensor name that are kept

  DefectList(std::string file, std::vector<Defect>& out) : file_(std::move(file)), out_(out) {}
  DefectList(const DefectList&) = delete;
  DefectList& operator=(const DefectList&) = delete;
  ~DefectList();

  // Counts one; true where it is to be added with Add(), so that its sentence is made only if wanted.
  bool Wants(DefectKind kind) { return ++counts_[static_cast<size_t>(kind)] <= kCap; }
  void Add(DefectKind kind, uint64_t offset, std::string_view tensor, std::string detail,
           const char* reference = nullptr);
  // Wants() and Add() in one, for sentences that cost nothing.
  void Report(DefectKind kind, uint64_t offset, std::string_view tensor, std::string detail,
              const char* reference = nullptr) {
    if (Wants(kind)) Add(kind, offset, tensor, std::move(detail), reference);
  }
  // Counts `more` that are not to be added.
  void CountMore(DefectKind kind, uint32_t more) { counts_[static_cast<size_t>(kind)] += more; }
  uint32_t count(DefectKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  bool refused() const;

 private:
  std::string file_;
  std::vector<Defect>& out_;
  std::array<uint32_t, 64> counts_{};
};

// The parts one after another.
std::string Concat(std::initializer_list<std::string_view> parts);
// A tensor's name for a sentence: in double quotes, at most 256 bytes of it.
std::string Quoted(std::string_view name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_DEFECT_LIST_H_

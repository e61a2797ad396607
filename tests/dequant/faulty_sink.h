#ifndef GPTQ_DOCTOR_TESTS_DEQUANT_FAULTY_SINK_H_
#define GPTQ_DOCTOR_TESTS_DEQUANT_FAULTY_SINK_H_

// A sink over a real directory whose n-th step fails, or at which the process dies: what was written up to then stays,
// temporary files included.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/sink.h"

namespace gptq_doctor::testing {

class FaultySink : public Sink {
 public:
  struct Dead {};  // thrown where the process would be gone

  explicit FaultySink(const std::string& directory) : inner_(std::move(OpenLocalSink(directory)).value()) {}
  std::atomic<int64_t> steps{0};  // counted so far
  int64_t fail_at = -1;           // number of the failing step; -1: none
  bool die = false;               // there instead of failing
  ErrorKind kind = ErrorKind::kNoSpace;
  int64_t free_bytes = -2;  // -2: those of the disk

  Result<std::unique_ptr<SinkFile>> Create(std::string_view name, const SinkOptions& options) override {
    if (Status step = Step(name); !step) return step.error();
    Result<std::unique_ptr<SinkFile>> file = inner_->Create(name, options);
    if (!file) return file.error();
    return std::unique_ptr<SinkFile>(std::make_unique<File>(*this, std::string(name), std::move(*file)));
  }
  Status Remove(std::string_view name) override {
    Status step = Step(name);
    return step ? inner_->Remove(name) : step;
  }
  Status MakeDirectory(std::string_view name) override {
    Status step = Step(name);
    return step ? inner_->MakeDirectory(name) : step;
  }
  Status Rename(std::string_view from, std::string_view to) override {
    Status step = Step(to);
    return step ? inner_->Rename(from, to) : step;
  }
  int64_t FreeBytes() override { return free_bytes == -2 ? inner_->FreeBytes() : free_bytes; }

 private:
  class File : public SinkFile {
   public:
    File(FaultySink& sink, std::string name, std::unique_ptr<SinkFile> inner)
        : sink_(sink), name_(std::move(name)), inner_(std::move(inner)) {}
    ~File() override {
      if (sink_.Died()) Bury(std::move(inner_));  // its temporary file stays
    }
    Status Write(std::span<const char> data) override {
      Status step = sink_.Step(name_);
      return step ? inner_->Write(data) : step;
    }
    Status WriteAt(uint64_t offset, std::span<const char> data) override {
      Status step = sink_.Step(name_);
      return step ? inner_->WriteAt(offset, data) : step;
    }
    Status Commit() override {
      Status step = sink_.Step(name_);
      return step ? inner_->Commit() : step;
    }

   private:
    // Reachable for good: nothing is destroyed when a process dies, and nothing of it is a leak.
    static void Bury(std::unique_ptr<SinkFile> file) {
      static std::mutex mutex;
      static auto& graves = *new std::vector<std::unique_ptr<SinkFile>>;
      const std::lock_guard lock(mutex);
      graves.push_back(std::move(file));
    }
    FaultySink& sink_;
    std::string name_;
    std::unique_ptr<SinkFile> inner_;
  };

  bool Died() const { return die && fail_at >= 0 && steps > fail_at; }
  Status Step(std::string_view name) {
    const int64_t number = steps++;
    if (die && fail_at >= 0 && number >= fail_at) throw Dead{};
    if (number == fail_at) return Error{kind, std::string(name), "injected"};
    return Ok();
  }

  std::unique_ptr<Sink> inner_;
};

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_DEQUANT_FAULTY_SINK_H_

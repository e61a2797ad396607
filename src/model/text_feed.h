#ifndef GPTQ_DOCTOR_MODEL_TEXT_FEED_H_
#define GPTQ_DOCTOR_MODEL_TEXT_FEED_H_

// A long text read through a window that stays in the cache, instead of as a whole. A token may run into the window's
// end; the cursor then fails, and the caller reads the whole text instead. So a window never decides that a text is
// wrong.

#include <cstdint>
#include <memory>

#include "base/storage.h"
#include "model/json_cursor.h"

namespace gptq_doctor {

class TextFeed {
 public:
  static constexpr uint64_t kLeast = 256 << 10;  // shorter texts are not worth a window

  // `file` outlives it.
  TextFeed(Source& source, const FileEntry& file);
  // Moves what is not yet read to the front and reads on behind it. False where nothing more came: the text is at its
  // end, or failed().
  bool Refill(JsonCursor& cursor);
  // Call before each piece that fits the margin.
  void Ensure(JsonCursor& cursor) {
    if (cursor.p > mark_ && !final_) Refill(cursor);
  }
  bool final() const { return final_; }    // the window reaches the end of the text
  bool failed() const { return failed_; }  // an I/O error, or the file changed

 private:
  static constexpr uint64_t kMargin = 8 << 10;

  Source& source_;
  const FileEntry& file_;
  uint64_t window_;
  std::unique_ptr<char[]> buffer_;
  uint64_t next_ = 0;  // offset in the file of the byte behind the window
  const char* mark_ = nullptr;
  bool final_ = false, failed_ = false;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_TEXT_FEED_H_

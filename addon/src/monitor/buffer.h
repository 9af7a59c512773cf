// Owns growing byte buffers. Their memory goes back to the kernel when they are empty: a monitor idles for days.
#pragma once

#include <stddef.h>

namespace tsd {

/// Bytes that wait: appended at the end, consumed from the front.
class Queue {
 public:
  Queue() = default;
  ~Queue() { clear(); }
  Queue(const Queue &) = delete;
  Queue &operator=(const Queue &) = delete;

  /// False when there is no memory; nothing was appended then.
  bool append(const void *bytes, size_t count);
  char *data() { return data_ + start_; }
  size_t size() const { return end_ - start_; }
  bool empty() const { return start_ == end_; }
  void consume(size_t count);
  void clear();

 private:
  char *data_ = nullptr;
  size_t start_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

/// Page-aligned room for one read, shared by everything in this single-threaded program: never held over a return to the loop.
constexpr size_t kScratchSize = 64 * 1024;
extern char scratch[kScratchSize];

/// Gives the pages of large static buffers and of the program's own text back; they come again when they are touched.
void release_idle_memory();
/// Registers a page-aligned static buffer for release_idle_memory (at most 4).
void register_idle_buffer(void *address, size_t size);

}  // namespace tsd

// Owns making short texts without stdio and without the heap.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace tsd {

/// A text of at most Size - 1 bytes on the stack. What does not fit is cut, and truncated() says so.
template <size_t Size>
class Text {
 public:
  Text() { bytes_[0] = 0; }

  Text &add(const char *text) { return add(text, strlen(text)); }

  Text &add(const char *text, size_t count) {
    size_t room = Size - 1 - length_;
    if (count > room) {
      truncated_ = true;
      count = room;
    }
    memcpy(bytes_ + length_, text, count);
    length_ += count;
    bytes_[length_] = 0;
    return *this;
  }

  Text &add_number(uint64_t number, unsigned least_digits = 1) {
    char digits[20];
    size_t at = sizeof digits;
    do {
      digits[--at] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    while (sizeof digits - at < least_digits) digits[--at] = '0';
    return add(digits + at, sizeof digits - at);
  }

  const char *text() const { return bytes_; }
  size_t length() const { return length_; }
  bool truncated() const { return truncated_; }

 private:
  char bytes_[Size];
  size_t length_ = 0;
  bool truncated_ = false;
};

/// Reads a decimal number up to the first other byte.
inline uint64_t parse_number(const char *text) {
  uint64_t number = 0;
  while (*text >= '0' && *text <= '9') number = number * 10 + static_cast<uint64_t>(*text++ - '0');
  return number;
}

}  // namespace tsd

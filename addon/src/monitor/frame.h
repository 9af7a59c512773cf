// Owns frames as bytes: reading fields of a received one, building one to send. It knows no socket.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

namespace tsd {

/// A received frame's payload; the bytes belong to whoever received it and are valid while it is handled.
class Fields {
 public:
  Fields(const char *payload, size_t size) : payload_(payload), size_(size) {}

  /// False when a field is cut short.
  bool well_formed() const;
  /// The bytes of the field; nullptr when it is absent.
  const char *bytes(uint16_t tag, size_t *size) const;
  /// A number; `absent` when it is not there or not 8 bytes long.
  uint64_t number(uint16_t tag, uint64_t absent = 0) const;

 private:
  const char *payload_;
  size_t size_;
};

/// Builds a frame. Texts are cut at 64 KiB.
class FrameWriter {
 public:
  explicit FrameWriter(uint16_t type);
  FrameWriter &number(uint16_t tag, uint64_t value);
  FrameWriter &text(uint16_t tag, const char *text);
  FrameWriter &bytes(uint16_t tag, const char *bytes, size_t size);
  /// The whole frame, header included; nullptr when memory ran out.
  const char *finish(size_t *size);

 private:
  void put(const void *bytes, size_t count);
  Queue bytes_;
  bool failed_ = false;
};

}  // namespace tsd

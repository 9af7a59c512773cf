// Owns frames as bytes. This machine is little endian like the wire; memcpy is the conversion.
#include "frame.h"

#include <string.h>

#include "protocol.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the protocol is little endian");

namespace tsd {

bool Fields::well_formed() const {
  size_t at = 0;
  while (at < size_) {
    if (size_ - at < 6) return false;
    uint32_t length;
    memcpy(&length, payload_ + at + 2, 4);
    at += 6;
    if (size_ - at < length) return false;
    at += length;
  }
  return true;
}

const char *Fields::bytes(uint16_t tag, size_t *size) const {
  size_t at = 0;
  while (size_ - at >= 6) {
    uint16_t here;
    uint32_t length;
    memcpy(&here, payload_ + at, 2);
    memcpy(&length, payload_ + at + 2, 4);
    at += 6;
    if (size_ - at < length) return nullptr;
    if (here == tag) {
      *size = length;
      return payload_ + at;
    }
    at += length;
  }
  return nullptr;
}

uint64_t Fields::number(uint16_t tag, uint64_t absent) const {
  size_t size;
  const char *found = bytes(tag, &size);
  if (!found || size != 8) return absent;
  uint64_t value;
  memcpy(&value, found, 8);
  return value;
}

FrameWriter::FrameWriter(uint16_t type) {
  char header[kFrameHeader] = {};
  memcpy(header + 4, &type, 2);
  memcpy(header + 6, &kProtocolVersion, 2);
  put(header, sizeof header);
}

void FrameWriter::put(const void *bytes, size_t count) {
  if (!bytes_.append(bytes, count)) failed_ = true;
}

FrameWriter &FrameWriter::number(uint16_t tag, uint64_t value) {
  char field[14];
  uint32_t length = 8;
  memcpy(field, &tag, 2);
  memcpy(field + 2, &length, 4);
  memcpy(field + 6, &value, 8);
  put(field, sizeof field);
  return *this;
}

FrameWriter &FrameWriter::text(uint16_t tag, const char *text) { return bytes(tag, text, strnlen(text, 65536)); }

FrameWriter &FrameWriter::bytes(uint16_t tag, const char *bytes, size_t size) {
  auto length = static_cast<uint32_t>(size);
  char field[6];
  memcpy(field, &tag, 2);
  memcpy(field + 2, &length, 4);
  put(field, sizeof field);
  put(bytes, length);
  return *this;
}

const char *FrameWriter::finish(size_t *size) {
  if (failed_) return nullptr;
  uint32_t length = static_cast<uint32_t>(bytes_.size() - kFrameHeader);
  memcpy(bytes_.data(), &length, 4);
  *size = bytes_.size();
  return bytes_.data();
}

}  // namespace tsd

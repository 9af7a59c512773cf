// Owns the tar format: ustar, V7, star, GNU (long names, sparse) and pax (with GNU sparse 0.0, 0.1, 1.0), read from an
// Input. Touches no file: what an entry means on disk is archive_unpack's. Names stay the bytes they are.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "archive_input.h"

namespace tsd::archive {

struct Segment {
  int64_t offset;
  int64_t length;
};

struct Entry {
  /// '0' file, '1' hard link, '2' symbolic link, '3' character device, '4' block device, '5' directory, '6' fifo.
  char type = '0';
  std::string name;
  std::string link;
  uint32_t mode = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  /// Bytes of the file on disk.
  int64_t size = 0;
  /// Bytes that follow the header in the archive.
  int64_t payload = 0;
  int64_t mtime = 0;
  long mtime_ns = 0;
  bool has_atime = false;
  int64_t atime = 0;
  long atime_ns = 0;
  uint32_t major = 0;
  uint32_t minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
  /// Where the payload goes; one segment for a plain file.
  std::vector<Segment> segments;
  /// Position of the payload in the plain stream.
  uint64_t position = 0;
};

/// Hears of every byte that is not written to a file: what is needed to build the same archive again.
class RawSink {
 public:
  virtual bool raw(const uint8_t *data, size_t length, Failure &failure) = 0;
  virtual ~RawSink() = default;
};

class TarReader {
 public:
  TarReader(Input &input, RawSink *sink) : input_(input), sink_(sink) {}

  /// The next entry. `*end` is set at the end of the archive; everything behind it has then been read.
  bool next(Entry &entry, bool *end, Failure &failure);
  /// A piece of the entry's payload, at most `wanted` bytes, told to nobody else. Never empty unless an error.
  bool payload(const uint8_t** data, size_t *length, size_t wanted, Failure &failure);

 private:
  using Records = std::vector<std::pair<std::string, std::string>>;

  bool more(Failure &failure);
  bool take(uint8_t *target, size_t length, Failure &failure);
  bool take_text(std::string &target, int64_t length, int64_t limit, Failure &failure);
  bool skip(uint64_t length, Failure &failure);
  bool finish(Failure &failure);
  bool parse_header(const uint8_t *block, Entry &entry, bool *gnu, Failure &failure);
  bool parse_pax(const std::string &text, Records &records, Failure &failure);
  bool apply_pax(const Records &records, Entry &entry, Failure &failure);
  bool pax_sparse(const Records &records, Entry &entry, Failure &failure);
  bool old_sparse(const uint8_t *block, Entry &entry, Failure &failure);
  bool check_segments(Entry &entry, Failure &failure);

  Input &input_;
  RawSink *sink_;
  const uint8_t *block_ = nullptr;
  size_t available_ = 0;
  bool ended_ = false;
  uint64_t consumed_ = 0;
  uint64_t payload_left_ = 0;
  uint64_t padding_ = 0;
};

}  // namespace tsd::archive

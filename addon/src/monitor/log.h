// Owns a container's json-file log: records, rotation, what could not be written. It never reads a log.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../sys/result.h"
#include "../sys/unique_fd.h"

namespace tsd {

/// Longest text of one record, as in Docker.
constexpr size_t kLogPiece = 16 * 1024;

class Log {
 public:
  /// Opens `<id>-json.log` in `directory` (taken over). `max_size` 0: unlimited. `attrs`: a JSON text or empty.
  int open(UniqueFd directory, const char *id, uint64_t max_size, uint64_t max_files, const char *attrs, size_t attrs_size,
           Failure &failure);
  /// A piece of output as it was read. `error` picks stderr. `now`: ns since 1970.
  void output(bool error, const char *bytes, size_t count, uint64_t now);
  /// The last pieces without a newline.
  void finish(uint64_t now);

  /// Bytes of records that could not be written so far, and why the last ones were not.
  uint64_t lost() const { return lost_; }
  int lost_error() const { return lost_error_; }

  ~Log();

 private:
  struct Partial {
    char *bytes = nullptr;
    size_t count = 0;
  };

  void record(bool error, const char *bytes, size_t count, uint64_t now);
  void flush();
  void rotate();
  bool open_file();

  UniqueFd directory_;
  UniqueFd file_;
  char name_[300] = "";
  char *attrs_ = nullptr;
  size_t attrs_size_ = 0;
  uint64_t max_size_ = 0;
  uint64_t max_files_ = 1;
  uint64_t size_ = 0;
  size_t pending_ = 0;
  Partial partial_[2];
  uint64_t lost_ = 0;
  int lost_error_ = 0;
};

/// ns since 1970.
uint64_t now_ns();

/// RFC 3339 in UTC with nanoseconds, trailing zeros cut, as Go prints it. Needs room for 31 bytes; returns the length.
size_t format_time(uint64_t ns, char *out);

/// The bytes as the inside of a JSON text, in Docker's way of escaping. `out` has room for 6 * count. Returns the length.
size_t escape_json(const char *bytes, size_t count, char *out);

}  // namespace tsd

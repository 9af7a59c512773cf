// Owns the record from which a layer's tar can be built again, byte for byte, out of its unpacked directory: all bytes
// that are not file contents, and references to the contents by path. Stored compressed beside the layer.
//
// Format (inside of one zstd stream): records that begin with a byte. 1: u32 length, bytes. 2: u64 offset, u64 length,
// u32 path length, path (below the layer's directory). 0: end. Numbers are little-endian.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "archive_fd.h"
#include "archive_tar.h"

struct archive;

namespace tsd::archive {

class SplitWriter : public RawSink {
 public:
  SplitWriter() = default;
  ~SplitWriter() override;
  SplitWriter(const SplitWriter&) = delete;
  SplitWriter &operator=(const SplitWriter&) = delete;

  /// Takes no descriptor over.
  bool open(int fd, Failure &failure);
  bool raw(const uint8_t *data, size_t length, Failure &failure) override;
  bool reference(const std::string &path, int64_t offset, int64_t length, Failure &failure);
  bool close(Failure &failure);

 private:
  bool flush_raw(Failure &failure);
  bool write(const void *data, size_t length, Failure &failure);

  struct archive *writer_ = nullptr;
  std::vector<uint8_t> pending_;
};

struct Assembled {
  std::string digest;
  uint64_t size = 0;
};

/// Writes the tar to `target` (file, pipe or socket; blocking or not). Call it in a jail whose root is the layer's
/// directory: `split` was opened before.
bool assemble_layer(int split, int directory, int target, Assembled &result, Failure &failure);

/// Writes all, waiting for room where the descriptor does not block.
bool write_fully(int fd, const uint8_t *data, size_t length, Failure &failure);

}  // namespace tsd::archive

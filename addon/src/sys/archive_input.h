// Owns the way from a descriptor to plain bytes: reading a range or a pipe, hashing what is read, decompressing in
// process (libarchive's filters alone, none of its formats), hashing what comes out. Never starts a program and never
// converts characters: code conversion loads modules from the file system, which in a jail is the image's.
#pragma once

#include <nettle/sha2.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct archive;

namespace tsd::archive {

/// What went wrong: the step that was tried, its errno (EBADMSG for malformed data), and the name or reason.
struct Failure {
  std::string step;
  int error = 0;
  std::string detail;

  /// Records the first failure only and returns false, so that it can end a function.
  bool set(std::string at, int number, std::string what) {
    if (error == 0) {
      step = std::move(at);
      error = number == 0 ? EBADMSG : number;
      detail = std::move(what);
    }
    return false;
  }
};

class Sha256 {
 public:
  Sha256();
  void update(const uint8_t *data, size_t length);
  /// `sha256:` and 64 hexadecimal digits. Ends the computation.
  std::string digest();

 private:
  struct sha256_ctx context_;
};

/// A range of a regular file, or everything that a pipe or socket gives (`offset` -1). Does not own the descriptors.
/// `follow` is a stream socket of whoever still writes that file: a byte that arrives says that there is more to read, its
/// end that nothing more will come. How far the source has been read goes back through it (64 bits, host order), now and then.
struct Source {
  int fd = -1;
  int64_t offset = -1;
  int64_t length = -1;
  int follow = -1;
};

struct InputLimits {
  /// Bytes after decompression; 0 is unlimited.
  uint64_t bytes = 0;
  /// Decompressed to compressed, looked at after the first 64 MiB of output; 0 is unlimited.
  uint64_t ratio = 0;
};

/// Plain bytes of a source, block by block. One thread uses it.
class Input {
 public:
  Input(Source source, InputLimits limits);
  ~Input();
  Input(const Input&) = delete;
  Input &operator=(const Input&) = delete;

  bool open(Failure &failure);
  /// The next block; `*length` 0 at the end. The block lives until the next call.
  bool next(const uint8_t** block, size_t *length, Failure &failure);
  /// Reads what is left behind the end of the compressed data, so that the digest covers the whole source.
  bool drain(Failure &failure);

  std::string compressed_digest();
  std::string plain_digest();
  uint64_t compressed_bytes() const { return compressed_bytes_; }
  uint64_t plain_bytes() const { return plain_bytes_; }
  /// none, gzip, zstd, xz, bzip2.
  const std::string &compression() const { return compression_; }

 private:
  long fill(Failure &failure);
  bool await_more();
  void tell_position();
  static long read_callback(struct archive*, void *self, const void** block);

  Source source_;
  InputLimits limits_;
  struct archive *reader_ = nullptr;
  std::vector<uint8_t> buffer_;
  Sha256 compressed_;
  Sha256 plain_;
  std::string compressed_text_;
  uint64_t compressed_bytes_ = 0;
  uint64_t plain_bytes_ = 0;
  uint64_t position_ = 0;
  uint64_t told_ = 0;
  std::string compression_ = "none";
  Failure read_failure_;
  bool ended_ = false;
  bool source_ended_ = false;
};

}  // namespace tsd::archive

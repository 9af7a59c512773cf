// Owns the reading, hashing and decompression of archives; see archive_input.h.
#include "archive_input.h"

#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tsd::archive {

namespace {
constexpr size_t BUFFER_BYTES = 256 * 1024;
constexpr uint64_t RATIO_FREE_BYTES = 64ull << 20;
constexpr uint64_t TELL_BYTES = 1ull << 20;
}  // namespace

Sha256::Sha256() { sha256_init(&context_); }

void Sha256::update(const uint8_t *data, size_t length) { sha256_update(&context_, length, data); }

std::string Sha256::digest() {
  uint8_t raw[SHA256_DIGEST_SIZE];
  sha256_digest(&context_, sizeof raw, raw);
  static const char digits[] = "0123456789abcdef";
  std::string text = "sha256:";
  for (uint8_t byte : raw) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

Input::Input(Source source, InputLimits limits) : source_(source), limits_(limits), buffer_(BUFFER_BYTES) {}

Input::~Input() {
  if (reader_ != nullptr) archive_read_free(reader_);
}

/// Waits until the writer of the followed file says that there is more. False when it has gone.
bool Input::await_more() {
  for (;;) {
    uint8_t words[256];
    const ssize_t got = recv(source_.follow, words, sizeof words, 0);
    if (got > 0) return true;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      struct pollfd ready = {source_.follow, POLLIN, 0};
      poll(&ready, 1, -1);
      continue;
    }
    return false;
  }
}

/// For people who look at a progress bar: what does not fit into the socket is not missed.
void Input::tell_position() {
  if (source_.follow < 0 || (position_ - told_ < TELL_BYTES && position_ != static_cast<uint64_t>(source_.length))) return;
  told_ = position_;
  (void)!send(source_.follow, &position_, sizeof position_, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/// Reads one buffer and hashes it. Returns its length, 0 at the end, -1 on failure.
long Input::fill(Failure &failure) {
  if (source_ended_) return 0;
  size_t wanted = buffer_.size();
  if (source_.length >= 0) {
    const uint64_t left = static_cast<uint64_t>(source_.length) - position_;
    if (left < wanted) wanted = static_cast<size_t>(left);
  }
  ssize_t got = 0;
  while (wanted > 0) {
    got = source_.offset >= 0
              ? pread(source_.fd, buffer_.data(), wanted, static_cast<off_t>(source_.offset + position_))
              : read(source_.fd, buffer_.data(), wanted);
    // The writer goes behind its last byte: what it wrote before is still looked at once more.
    if (got == 0 && source_.follow >= 0) {
      if (await_more()) continue;
      source_.follow = -1;
      continue;
    }
    if (got >= 0) break;
    if (errno == EAGAIN) {
      struct pollfd ready = {source_.fd, POLLIN, 0};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      failure.set("read archive", errno, "");
      return -1;
    }
  }
  if (got == 0) {
    source_ended_ = true;
    if (source_.length >= 0 && position_ < static_cast<uint64_t>(source_.length)) {
      failure.set("read archive", EBADMSG, "unexpected EOF");
      return -1;
    }
    return 0;
  }
  position_ += static_cast<uint64_t>(got);
  compressed_bytes_ += static_cast<uint64_t>(got);
  compressed_.update(buffer_.data(), static_cast<size_t>(got));
  tell_position();
  return static_cast<long>(got);
}

long Input::read_callback(struct archive*, void *self, const void** block) {
  auto *input = static_cast<Input*>(self);
  const long got = input->fill(input->read_failure_);
  *block = input->buffer_.data();
  return got;
}

bool Input::open(Failure &failure) {
  reader_ = archive_read_new();
  if (reader_ == nullptr) return failure.set("open archive", ENOMEM, "");
  // A filter that libarchive would hand to an external program answers ARCHIVE_WARN: then this build is not fit.
  if (archive_read_support_filter_gzip(reader_) != ARCHIVE_OK || archive_read_support_filter_zstd(reader_) != ARCHIVE_OK ||
      archive_read_support_filter_xz(reader_) != ARCHIVE_OK || archive_read_support_filter_bzip2(reader_) != ARCHIVE_OK) {
    return failure.set("open archive", ENOSYS, "libarchive lacks gzip, zstd, xz or bzip2");
  }
  archive_read_support_format_raw(reader_);
  archive_read_support_format_empty(reader_);
  if (archive_read_open(reader_, this, nullptr, read_callback, nullptr) != ARCHIVE_OK) {
    if (read_failure_.error != 0) return failure.set(read_failure_.step, read_failure_.error, read_failure_.detail);
    const char *reason = archive_error_string(reader_);
    return failure.set("open archive", EBADMSG, reason == nullptr ? "unreadable" : reason);
  }
  struct archive_entry *entry = nullptr;
  const int status = archive_read_next_header(reader_, &entry);
  if (read_failure_.error != 0) return failure.set(read_failure_.step, read_failure_.error, read_failure_.detail);
  if (status == ARCHIVE_EOF) {
    ended_ = true;
  } else if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
    const char *reason = archive_error_string(reader_);
    return failure.set("decompress", EBADMSG, reason == nullptr ? "unreadable" : reason);
  }
  const char *name = archive_filter_count(reader_) > 1 ? archive_filter_name(reader_, 0) : nullptr;
  if (name != nullptr) compression_ = name;
  return true;
}

bool Input::next(const uint8_t** block, size_t *length, Failure &failure) {
  *length = 0;
  while (!ended_) {
    const void *data = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(reader_, &data, &size, &offset);
    if (read_failure_.error != 0) return failure.set(read_failure_.step, read_failure_.error, read_failure_.detail);
    if (status == ARCHIVE_EOF) {
      ended_ = true;
      break;
    }
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
      const char *reason = archive_error_string(reader_);
      return failure.set("decompress", EBADMSG, reason == nullptr ? "unreadable" : reason);
    }
    if (size == 0) continue;
    plain_bytes_ += size;
    if (limits_.bytes != 0 && plain_bytes_ > limits_.bytes) {
      return failure.set("decompress", EFBIG, "archive exceeds the limit of " + std::to_string(limits_.bytes) + " bytes");
    }
    if (limits_.ratio != 0 && plain_bytes_ > RATIO_FREE_BYTES && plain_bytes_ / limits_.ratio > compressed_bytes_) {
      return failure.set("decompress", EFBIG,
                         "archive expands more than " + std::to_string(limits_.ratio) + " times: refused as a decompression bomb");
    }
    if (compression_ != "none") plain_.update(static_cast<const uint8_t*>(data), size);
    *block = static_cast<const uint8_t*>(data);
    *length = size;
    return true;
  }
  return true;
}

bool Input::drain(Failure &failure) {
  for (;;) {
    const long got = fill(failure);
    if (got < 0) return false;
    if (got == 0) return true;
  }
}

std::string Input::compressed_digest() {
  if (compressed_text_.empty()) compressed_text_ = compressed_.digest();
  return compressed_text_;
}

std::string Input::plain_digest() { return compression_ == "none" ? compressed_digest() : plain_.digest(); }

}  // namespace tsd::archive

// Owns the reading and writing of split records; see archive_split.h.
#include "archive_split.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tsd::archive {

namespace {
constexpr size_t PENDING_BYTES = 256 * 1024;
constexpr uint32_t MAX_RECORD_BYTES = 1 << 20;
}  // namespace

bool write_fully(int fd, const uint8_t *data, size_t length, Failure &failure) {
  while (length > 0) {
    const ssize_t put = ::write(fd, data, length);
    if (put >= 0) {
      data += put;
      length -= static_cast<size_t>(put);
    } else if (errno == EAGAIN) {
      struct pollfd ready = {fd, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return failure.set("write", errno, "archive");
    }
  }
  return true;
}

SplitWriter::~SplitWriter() {
  if (writer_ != nullptr) archive_write_free(writer_);
}

bool SplitWriter::open(int fd, Failure &failure) {
  writer_ = archive_write_new();
  if (writer_ == nullptr) return failure.set("open split", ENOMEM, "");
  archive_write_set_bytes_in_last_block(writer_, 1);
  if (archive_write_set_format_raw(writer_) != ARCHIVE_OK || archive_write_add_filter_zstd(writer_) != ARCHIVE_OK ||
      archive_write_set_filter_option(writer_, "zstd", "compression-level", "1") != ARCHIVE_OK ||
      archive_write_open_fd(writer_, fd) != ARCHIVE_OK) {
    return failure.set("open split", EIO, archive_error_string(writer_) == nullptr ? "" : archive_error_string(writer_));
  }
  struct archive_entry *entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  const int status = archive_write_header(writer_, entry);
  archive_entry_free(entry);
  if (status != ARCHIVE_OK) return failure.set("open split", EIO, "");
  pending_.reserve(PENDING_BYTES);
  return true;
}

bool SplitWriter::write(const void *data, size_t length, Failure &failure) {
  if (archive_write_data(writer_, data, length) != static_cast<la_ssize_t>(length)) {
    const int number = archive_errno(writer_);
    return failure.set("write split", number == 0 ? EIO : number, "");
  }
  return true;
}

bool SplitWriter::flush_raw(Failure &failure) {
  if (pending_.empty()) return true;
  uint8_t head[5] = {1};
  const uint32_t length = htole32(static_cast<uint32_t>(pending_.size()));
  memcpy(head + 1, &length, 4);
  const bool good = write(head, sizeof head, failure) && write(pending_.data(), pending_.size(), failure);
  pending_.clear();
  return good;
}

bool SplitWriter::raw(const uint8_t *data, size_t length, Failure &failure) {
  while (length > 0) {
    const size_t piece = std::min(length, PENDING_BYTES - pending_.size());
    pending_.insert(pending_.end(), data, data + piece);
    data += piece;
    length -= piece;
    if (pending_.size() == PENDING_BYTES && !flush_raw(failure)) return false;
  }
  return true;
}

bool SplitWriter::reference(const std::string &path, int64_t offset, int64_t length, Failure &failure) {
  if (!flush_raw(failure)) return false;
  uint8_t head[21] = {2};
  const uint64_t at = htole64(static_cast<uint64_t>(offset));
  const uint64_t size = htole64(static_cast<uint64_t>(length));
  const uint32_t name = htole32(static_cast<uint32_t>(path.size()));
  memcpy(head + 1, &at, 8);
  memcpy(head + 9, &size, 8);
  memcpy(head + 17, &name, 4);
  return write(head, sizeof head, failure) && write(path.data(), path.size(), failure);
}

bool SplitWriter::close(Failure &failure) {
  const uint8_t end = 0;
  if (!flush_raw(failure) || !write(&end, 1, failure)) return false;
  if (archive_write_close(writer_) != ARCHIVE_OK) {
    const int number = archive_errno(writer_);
    return failure.set("write split", number == 0 ? EIO : number, "");
  }
  return true;
}

namespace {

/// Exact reads from an Input.
class Stream {
 public:
  explicit Stream(Input &input) : input_(input) {}
  bool take(void *target, size_t length, Failure &failure) {
    auto *out = static_cast<uint8_t*>(target);
    while (length > 0) {
      if (left_ == 0 && !input_.next(&block_, &left_, failure)) return false;
      if (left_ == 0) return failure.set("read split", EBADMSG, "unexpected EOF");
      const size_t piece = std::min(left_, length);
      memcpy(out, block_, piece);
      out += piece;
      block_ += piece;
      left_ -= piece;
      length -= piece;
    }
    return true;
  }

 private:
  Input &input_;
  const uint8_t *block_ = nullptr;
  size_t left_ = 0;
};

}  // namespace

bool assemble_layer(int split, int directory, int target, Assembled &result, Failure &failure) {
  Input input({split, 0, -1}, {});
  if (!input.open(failure)) return false;
  Stream stream(input);
  Sha256 hash;
  std::vector<uint8_t> buffer(PENDING_BYTES);
  std::string open_name;
  Descriptor file;
  auto emit = [&](const uint8_t *data, size_t length) {
    hash.update(data, length);
    result.size += length;
    return write_fully(target, data, length, failure);
  };
  for (;;) {
    uint8_t kind = 0;
    if (!stream.take(&kind, 1, failure)) return false;
    if (kind == 0) break;
    if (kind == 1) {
      uint32_t length = 0;
      if (!stream.take(&length, 4, failure)) return false;
      length = le32toh(length);
      if (length > buffer.size()) return failure.set("read split", EBADMSG, "record too long");
      if (!stream.take(buffer.data(), length, failure) || !emit(buffer.data(), length)) return false;
      continue;
    }
    uint64_t offset = 0;
    uint64_t length = 0;
    uint32_t name_length = 0;
    if (kind != 2 || !stream.take(&offset, 8, failure) || !stream.take(&length, 8, failure) ||
        !stream.take(&name_length, 4, failure)) {
      return failure.set("read split", EBADMSG, "unknown record");
    }
    offset = le64toh(offset);
    length = le64toh(length);
    name_length = le32toh(name_length);
    if (name_length > MAX_RECORD_BYTES) return failure.set("read split", EBADMSG, "name too long");
    std::string name(name_length, '\0');
    if (!stream.take(name.data(), name.size(), failure)) return false;
    if (!file.valid() || name != open_name) {
      file.reset(open_beneath(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
      struct stat info;
      if (!file.valid() || fstat(file.get(), &info) != 0) return failure.set("open", errno, printable(name));
      if (!S_ISREG(info.st_mode)) return failure.set("open", EBADMSG, printable(name));
      open_name = name;
    }
    while (length > 0) {
      const ssize_t got = pread(file.get(), buffer.data(), std::min<uint64_t>(buffer.size(), length), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return failure.set("read", got < 0 ? errno : EBADMSG, printable(name));
      if (!emit(buffer.data(), static_cast<size_t>(got))) return false;
      offset += static_cast<uint64_t>(got);
      length -= static_cast<uint64_t>(got);
    }
  }
  result.digest = hash.digest();
  return true;
}

}  // namespace tsd::archive

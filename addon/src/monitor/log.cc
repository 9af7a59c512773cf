// Owns a container's json-file log. Records are collected in one static buffer and written with one call for each read of output.
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../sys/text.h"
#include "buffer.h"

namespace tsd {

namespace {

constexpr size_t kAttrsLimit = 32 * 1024;
// A record is at most 6 bytes for each of the piece's plus its frame.
constexpr size_t kRecordLimit = 6 * kLogPiece + kAttrsLimit + 256;
constexpr size_t kFlushAt = 128 * 1024;
alignas(4096) char out[(kFlushAt + kRecordLimit + 4095) / 4096 * 4096];

// Bytes that go into a JSON text as they are: printable ASCII without `"`, `\`, `<`, `>`, `&`.
bool plain(unsigned char byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\' && byte != '<' && byte != '>' && byte != '&';
}

// Length of the valid UTF-8 sequence at `bytes` (2 to 4), 0 when it is not one. RFC 3629: no surrogates, nothing overlong.
size_t sequence_length(const unsigned char *bytes, size_t count) {
  unsigned char first = bytes[0];
  size_t length;
  unsigned char low = 0x80, high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (count < length || bytes[1] < low || bytes[1] > high) return 0;
  for (size_t i = 2; i < length; i++) {
    if (bytes[i] < 0x80 || bytes[i] > 0xbf) return 0;
  }
  return length;
}

// Where to cut a piece of `count` bytes that goes on: before a character that would be torn.
size_t whole_characters(const char *bytes, size_t count) {
  for (size_t back = 1; back <= 3 && back < count; back++) {
    auto byte = static_cast<unsigned char>(bytes[count - back]);
    if ((byte & 0xc0) == 0x80) continue;
    size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? count - back : count;
  }
  return count;
}

char *put(char *at, const char *text, size_t count) {
  memcpy(at, text, count);
  return at + count;
}

}  // namespace

uint64_t now_ns() {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

size_t format_time(uint64_t ns, char *to) {
  uint64_t seconds = ns / 1000000000;
  uint64_t fraction = ns % 1000000000;
  uint64_t day = seconds / 86400, second = seconds % 86400;
  // Days since 1970 to a date: years begin in March, so the leap day is the last of its year.
  uint64_t shifted = day + 719468;
  uint64_t era = shifted / 146097, of_era = shifted % 146097;
  uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint64_t month_from_march = (5 * of_year + 2) / 153;
  uint64_t of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
  uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  uint64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  Text<40> text;
  text.add_number(year, 4).add("-").add_number(month, 2).add("-").add_number(of_month, 2).add("T");
  text.add_number(second / 3600, 2).add(":").add_number(second / 60 % 60, 2).add(":").add_number(second % 60, 2);
  if (fraction > 0) {
    unsigned digits = 9;
    while (fraction % 10 == 0) {
      fraction /= 10;
      digits--;
    }
    text.add(".").add_number(fraction, digits);
  }
  text.add("Z");
  memcpy(to, text.text(), text.length());
  return text.length();
}

size_t escape_json(const char *source, size_t count, char *to) {
  static const char hex[] = "0123456789abcdef";
  const auto *bytes = reinterpret_cast<const unsigned char *>(source);
  char *at = to;
  size_t i = 0;
  while (i < count) {
    size_t run = i;
    while (run < count && plain(bytes[run])) run++;
    at = put(at, source + i, run - i);
    i = run;
    if (i == count) break;
    unsigned char byte = bytes[i];
    if (byte < 0x80) {
      *at++ = '\\';
      if (byte == '"' || byte == '\\') {
        *at++ = static_cast<char>(byte);
      } else if (byte == '\n') {
        *at++ = 'n';
      } else if (byte == '\r') {
        *at++ = 'r';
      } else {
        at = put(at, "u00", 3);
        *at++ = hex[byte >> 4];
        *at++ = hex[byte & 15];
      }
      i++;
      continue;
    }
    size_t length = sequence_length(bytes + i, count - i);
    if (length == 0) {
      at = put(at, "\\ufffd", 6);
      i++;
    } else if (length == 3 && byte == 0xe2 && bytes[i + 1] == 0x80 && (bytes[i + 2] & 0xfe) == 0xa8) {
      // U+2028 and U+2029 end a line in JavaScript.
      at = put(at, bytes[i + 2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
      i += 3;
    } else {
      at = put(at, source + i, length);
      i += length;
    }
  }
  return static_cast<size_t>(at - to);
}

Log::~Log() {
  free(attrs_);
  free(partial_[0].bytes);
  free(partial_[1].bytes);
}

int Log::open(UniqueFd directory, const char *id, uint64_t max_size, uint64_t max_files, const char *attrs, size_t attrs_size,
              Failure &failure) {
  register_idle_buffer(out, sizeof out);
  directory_ = static_cast<UniqueFd &&>(directory);
  Text<sizeof name_> name;
  name.add(id).add("-json.log");
  if (name.truncated()) return failure.set("log", ENAMETOOLONG, id);
  memcpy(name_, name.text(), name.length() + 1);
  max_size_ = max_size;
  max_files_ = max_files < 1 ? 1 : max_files > 1000 ? 1000 : max_files;
  if (attrs_size > kAttrsLimit) return failure.set("log", E2BIG, "log-attrs of more than 32 KiB");
  if (attrs_size > 0) {
    attrs_ = static_cast<char *>(malloc(attrs_size));
    if (!attrs_) return failure.set("log", ENOMEM, "log-attrs");
    memcpy(attrs_, attrs, attrs_size);
    attrs_size_ = attrs_size;
  }
  if (!open_file()) return failure.set("log", errno, name_);
  return 0;
}

bool Log::open_file() {
  file_.reset(openat(directory_.get(), name_, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!file_.valid()) return false;
  struct stat status;
  size_ = fstat(file_.get(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  return true;
}

void Log::output(bool error, const char *bytes, size_t count, uint64_t now) {
  if (name_[0] == 0) return;
  Partial &partial = partial_[error ? 1 : 0];
  while (count > 0) {
    size_t room = kLogPiece - partial.count;
    size_t span = count < room ? count : room;
    const auto *newline = static_cast<const char *>(memchr(bytes, '\n', span));
    size_t take = newline ? static_cast<size_t>(newline - bytes) + 1 : span;
    bool full = !newline && take == room;
    if (partial.count == 0 && (newline || full)) {
      size_t whole = full ? whole_characters(bytes, take) : take;
      record(error, bytes, whole, now);
      bytes += whole;
      count -= whole;
      continue;
    }
    if (!partial.bytes) partial.bytes = static_cast<char *>(malloc(kLogPiece));
    if (!partial.bytes) {
      // No memory for a line's beginning: it becomes a record of its own.
      record(error, bytes, take, now);
      bytes += take;
      count -= take;
      continue;
    }
    memcpy(partial.bytes + partial.count, bytes, take);
    partial.count += take;
    bytes += take;
    count -= take;
    if (!newline && !full) continue;
    size_t whole = full ? whole_characters(partial.bytes, partial.count) : partial.count;
    record(error, partial.bytes, whole, now);
    memmove(partial.bytes, partial.bytes + whole, partial.count - whole);
    partial.count -= whole;
    if (partial.count == 0) {
      free(partial.bytes);
      partial.bytes = nullptr;
    }
  }
  flush();
}

void Log::finish(uint64_t now) {
  for (int i = 0; i < 2; i++) {
    if (partial_[i].count == 0) continue;
    record(i == 1, partial_[i].bytes, partial_[i].count, now);
    free(partial_[i].bytes);
    partial_[i] = Partial();
  }
  flush();
}

void Log::record(bool error, const char *bytes, size_t count, uint64_t now) {
  char *start = out + pending_;
  char *at = put(start, "{\"log\":\"", 8);
  at += escape_json(bytes, count, at);
  at = put(at, error ? "\",\"stream\":\"stderr\"" : "\",\"stream\":\"stdout\"", 19);
  if (attrs_size_ > 0) {
    at = put(at, ",\"attrs\":", 9);
    at = put(at, attrs_, attrs_size_);
  }
  at = put(at, ",\"time\":\"", 9);
  at += format_time(now, at);
  at = put(at, "\"}\n", 3);
  auto length = static_cast<size_t>(at - start);
  if (max_size_ > 0 && size_ + pending_ + length > max_size_ && size_ + pending_ > 0) {
    flush();
    rotate();
    memmove(out, start, length);
  }
  pending_ += length;
  if (pending_ >= kFlushAt) flush();
}

void Log::flush() {
  size_t done = 0;
  if (pending_ > 0 && !file_.valid()) open_file();
  while (done < pending_) {
    ssize_t count = file_.valid() ? write(file_.get(), out + done, pending_ - done) : (errno = EBADF, -1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      lost_error_ = count < 0 ? errno : EIO;
      // A record is whole or absent: cut the torn one off again.
      size_t torn = 0;
      while (torn < done && out[done - torn - 1] != '\n') torn++;
      if (torn > 0 && ftruncate(file_.get(), static_cast<off_t>(size_ + done - torn)) == 0) done -= torn;
      lost_ += pending_ - done;
      break;
    }
    done += static_cast<size_t>(count);
  }
  size_ += done;
  pending_ = 0;
}

void Log::rotate() {
  if (max_files_ < 2) {
    if (ftruncate(file_.get(), 0) == 0) size_ = 0;
    return;
  }
  for (uint64_t i = max_files_ - 1; i > 0; i--) {
    Text<330> from, to;
    from.add(name_);
    if (i > 1) from.add(".").add_number(i - 1);
    to.add(name_).add(".").add_number(i);
    renameat(directory_.get(), from.text(), directory_.get(), to.text());
  }
  if (!open_file()) lost_error_ = errno;
}

}  // namespace tsd

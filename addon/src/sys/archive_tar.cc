// Owns the parsing of tar; see archive_tar.h. Formats: POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU tar's manual ("Tar Internals").
#include "archive_tar.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tsd::archive {

namespace {

constexpr size_t BLOCK = 512;
constexpr int64_t MAX_PAX_BYTES = 4 << 20;
constexpr int64_t MAX_NAME_BYTES = 64 << 10;
constexpr size_t MAX_SEGMENTS = 1 << 20;
constexpr const char *BAD = "archive/tar: invalid tar header";
constexpr const char *STEP = "read tar";

/// A field up to its first NUL.
std::string text(const uint8_t *field, size_t length) {
  const auto *start = reinterpret_cast<const char*>(field);
  return std::string(start, strnlen(start, length));
}

/// Octal digits with spaces and NULs around, or base 256 when the top bit is set. False when neither.
bool number(const uint8_t *field, size_t length, int64_t *value) {
  if ((field[0] & 0x80) != 0) {
    const bool negative = (field[0] & 0x40) != 0;
    const uint8_t invert = negative ? 0xff : 0;
    uint64_t result = 0;
    for (size_t i = 0; i < length; i++) {
      uint8_t byte = field[i] ^ invert;
      if (i == 0) byte &= 0x7f;
      if ((result >> 56) != 0) return false;
      result = (result << 8) | byte;
    }
    if ((result >> 63) != 0) return false;
    *value = negative ? static_cast<int64_t>(~result) : static_cast<int64_t>(result);
    return true;
  }
  size_t at = 0;
  while (at < length && (field[at] == ' ' || field[at] == 0)) at++;
  uint64_t result = 0;
  for (; at < length && field[at] >= '0' && field[at] <= '7'; at++) {
    if ((result >> 60) != 0) return false;
    result = (result << 3) | static_cast<uint64_t>(field[at] - '0');
  }
  while (at < length && (field[at] == ' ' || field[at] == 0)) at++;
  *value = static_cast<int64_t>(result);
  return at == length;
}

bool checksum_holds(const uint8_t *block) {
  int64_t expected = 0;
  if (!number(block + 148, 8, &expected)) return false;
  int64_t plain = 0;
  int64_t with_sign = 0;
  for (size_t i = 0; i < BLOCK; i++) {
    const uint8_t byte = i >= 148 && i < 156 ? ' ' : block[i];
    plain += byte;
    with_sign += static_cast<int8_t>(byte);
  }
  return expected == plain || expected == with_sign;
}

bool decimal(const std::string &value, int64_t *result) {
  if (value.empty() || value.size() > 19) return false;
  uint64_t sum = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return false;
    sum = sum * 10 + static_cast<uint64_t>(c - '0');
  }
  if ((sum >> 63) != 0) return false;
  *result = static_cast<int64_t>(sum);
  return true;
}

/// pax time: decimal seconds with an optional sign and fraction.
bool pax_time(const std::string &value, int64_t *seconds, long *nanoseconds) {
  const bool negative = !value.empty() && value[0] == '-';
  const std::string rest = negative ? value.substr(1) : value;
  const size_t dot = rest.find('.');
  if (!decimal(rest.substr(0, dot), seconds)) return false;
  long fraction = 0;
  if (dot != std::string::npos) {
    long unit = 100'000'000;
    for (size_t i = dot + 1; i < rest.size(); i++, unit /= 10) {
      if (rest[i] < '0' || rest[i] > '9') return false;
      fraction += (rest[i] - '0') * unit;
    }
  }
  if (negative) {
    *seconds = -*seconds;
    if (fraction > 0) {
      *seconds -= 1;
      fraction = 1'000'000'000 - fraction;
    }
  }
  *nanoseconds = fraction;
  return true;
}

bool is_header_only(char type) { return type >= '1' && type <= '6'; }

}  // namespace

bool TarReader::more(Failure &failure) {
  if (available_ > 0) return true;
  if (ended_) return true;
  if (!input_.next(&block_, &available_, failure)) return false;
  if (available_ == 0) ended_ = true;
  return true;
}

/// Exactly `length` raw bytes; `failure` with "unexpected EOF" when there are fewer.
bool TarReader::take(uint8_t *target, size_t length, Failure &failure) {
  size_t done = 0;
  while (done < length) {
    if (!more(failure)) return false;
    if (available_ == 0) return failure.set(STEP, EBADMSG, "unexpected EOF");
    const size_t piece = std::min(available_, length - done);
    memcpy(target + done, block_, piece);
    block_ += piece;
    available_ -= piece;
    done += piece;
  }
  consumed_ += length;
  return sink_ == nullptr || sink_->raw(target, length, failure);
}

bool TarReader::take_text(std::string &target, int64_t length, int64_t limit, Failure &failure) {
  if (length < 0 || length > limit) return failure.set(STEP, EBADMSG, BAD);
  target.resize(static_cast<size_t>(length));
  if (!take(reinterpret_cast<uint8_t*>(target.data()), target.size(), failure)) return false;
  return skip((BLOCK - target.size() % BLOCK) % BLOCK, failure);
}

bool TarReader::skip(uint64_t length, Failure &failure) {
  while (length > 0) {
    if (!more(failure)) return false;
    if (available_ == 0) return failure.set(STEP, EBADMSG, "unexpected EOF");
    const size_t piece = static_cast<size_t>(std::min<uint64_t>(available_, length));
    if (sink_ != nullptr && !sink_->raw(block_, piece, failure)) return false;
    block_ += piece;
    available_ -= piece;
    consumed_ += piece;
    length -= piece;
  }
  return true;
}

bool TarReader::payload(const uint8_t** data, size_t *length, size_t wanted, Failure &failure) {
  if (!more(failure)) return false;
  if (available_ == 0) return failure.set(STEP, EBADMSG, "unexpected EOF");
  *data = block_;
  *length = static_cast<size_t>(std::min<uint64_t>(std::min<uint64_t>(available_, wanted), payload_left_));
  block_ += *length;
  available_ -= *length;
  consumed_ += *length;
  payload_left_ -= *length;
  return true;
}

/// Reads what is behind the end marker (the filling of the last record, or junk): it belongs to the digest.
bool TarReader::finish(Failure &failure) {
  for (;;) {
    if (!more(failure)) return false;
    if (available_ == 0) return input_.drain(failure);
    if (!skip(available_, failure)) return false;
  }
}

bool TarReader::parse_header(const uint8_t *block, Entry &entry, bool *gnu, Failure &failure) {
  if (!checksum_holds(block)) return failure.set(STEP, EBADMSG, BAD);
  int64_t mode = 0;
  int64_t size = 0;
  bool good = number(block + 100, 8, &mode) && number(block + 108, 8, &entry.uid) && number(block + 116, 8, &entry.gid) &&
              number(block + 124, 12, &size) && number(block + 136, 12, &entry.mtime);
  if (!good || size < 0) return failure.set(STEP, EBADMSG, BAD);
  entry.type = static_cast<char>(block[156]);
  entry.name = text(block, 100);
  entry.link = text(block + 157, 100);
  entry.mode = static_cast<uint32_t>(mode) & 07777;
  entry.size = size;
  const bool ustar = memcmp(block + 257, "ustar\0", 6) == 0;
  *gnu = memcmp(block + 257, "ustar  \0", 8) == 0;
  if (entry.type == '3' || entry.type == '4') {
    int64_t major = 0;
    int64_t minor = 0;
    if (!number(block + 329, 8, &major) || !number(block + 337, 8, &minor) || major < 0 || minor < 0) {
      return failure.set(STEP, EBADMSG, BAD);
    }
    entry.major = static_cast<uint32_t>(major);
    entry.minor = static_cast<uint32_t>(minor);
  }
  if (ustar) {
    const bool star = memcmp(block + 508, "tar\0", 4) == 0;
    const std::string prefix = text(block + 345, star ? 131 : 155);
    if (!prefix.empty()) entry.name = prefix + "/" + entry.name;
  }
  return true;
}

bool TarReader::parse_pax(const std::string &body, Records &records, Failure &failure) {
  size_t at = 0;
  while (at < body.size()) {
    const size_t space = body.find(' ', at);
    int64_t length = 0;
    if (space == std::string::npos || !decimal(body.substr(at, space - at), &length) || length < 5 ||
        static_cast<uint64_t>(length) > body.size() - at || body[at + static_cast<size_t>(length) - 1] != '\n') {
      return failure.set(STEP, EBADMSG, BAD);
    }
    const size_t end = at + static_cast<size_t>(length) - 1;
    const size_t equals = body.find('=', space);
    if (space >= end || equals == std::string::npos || equals >= end || equals == space + 1) {
      return failure.set(STEP, EBADMSG, BAD);
    }
    records.emplace_back(body.substr(space + 1, equals - space - 1), body.substr(equals + 1, end - equals - 1));
    at = end + 1;
  }
  return true;
}

bool TarReader::apply_pax(const Records &records, Entry &entry, Failure &failure) {
  for (const auto& [key, value] : records) {
    bool good = true;
    if (key.rfind("SCHILY.xattr.", 0) == 0) {
      entry.xattrs.emplace_back(key.substr(13), value);
    } else if (value.empty()) {
      continue;  // an empty value takes an earlier one back; the header's holds
    } else if (key == "path") {
      entry.name = value;
    } else if (key == "linkpath") {
      entry.link = value;
    } else if (key == "size") {
      good = decimal(value, &entry.size);
    } else if (key == "uid") {
      good = decimal(value, &entry.uid);
    } else if (key == "gid") {
      good = decimal(value, &entry.gid);
    } else if (key == "mtime") {
      good = pax_time(value, &entry.mtime, &entry.mtime_ns);
    } else if (key == "atime") {
      good = pax_time(value, &entry.atime, &entry.atime_ns);
      entry.has_atime = true;
    }
    if (!good) return failure.set(STEP, EBADMSG, BAD);
  }
  return true;
}

/// GNU sparse files in pax: 0.0 repeats offset and numbytes, 0.1 has one list, 1.0 puts the list before the data.
bool TarReader::pax_sparse(const Records &records, Entry &entry, Failure &failure) {
  std::string major;
  std::string minor;
  std::vector<int64_t> list;
  bool sparse = false;
  int64_t real_size = -1;
  for (const auto& [key, value] : records) {
    if (key.rfind("GNU.sparse.", 0) != 0) continue;
    const std::string name = key.substr(11);
    bool good = true;
    if (name == "major") {
      major = value;
    } else if (name == "minor") {
      minor = value;
    } else if (name == "name") {
      entry.name = value;
    } else if (name == "size" || name == "realsize") {
      good = decimal(value, &real_size);
    } else if (name == "offset" || name == "numbytes") {
      sparse = true;
      list.push_back(0);
      good = decimal(value, &list.back());
    } else if (name == "map") {
      sparse = true;
      for (size_t at = 0; good && at <= value.size();) {
        const size_t comma = std::min(value.find(',', at), value.size());
        list.push_back(0);
        good = decimal(value.substr(at, comma - at), &list.back());
        at = comma + 1;
      }
    }
    if (!good || list.size() > 2 * MAX_SEGMENTS) return failure.set(STEP, EBADMSG, BAD);
  }
  if (major == "1" && minor == "0") {
    sparse = true;
    list.clear();
    // Decimal lines, the first one their count, filled up to whole blocks; they count as payload.
    std::string line;
    int64_t expected = -1;
    uint8_t block[BLOCK];
    int64_t used = 0;
    while (expected < 0 || static_cast<int64_t>(list.size()) < expected * 2) {
      if (used + static_cast<int64_t>(BLOCK) > entry.payload) return failure.set(STEP, EBADMSG, BAD);
      if (!take(block, BLOCK, failure)) return false;
      used += static_cast<int64_t>(BLOCK);
      for (const uint8_t byte : block) {
        if (expected >= 0 && static_cast<int64_t>(list.size()) >= expected * 2) break;
        if (byte != '\n') {
          line += static_cast<char>(byte);
          if (line.size() > 20) return failure.set(STEP, EBADMSG, BAD);
          continue;
        }
        int64_t value = 0;
        if (!decimal(line, &value)) return failure.set(STEP, EBADMSG, BAD);
        line.clear();
        if (expected < 0) {
          expected = value;
          if (expected > static_cast<int64_t>(MAX_SEGMENTS)) return failure.set(STEP, EBADMSG, BAD);
        } else {
          list.push_back(value);
        }
      }
    }
    entry.payload -= used;
  }
  if (!sparse) return true;
  if (real_size < 0 || list.size() % 2 != 0 || entry.type != '0') return failure.set(STEP, EBADMSG, BAD);
  entry.size = real_size;
  entry.segments.clear();
  for (size_t i = 0; i < list.size(); i += 2) entry.segments.push_back({list[i], list[i + 1]});
  return check_segments(entry, failure);
}

bool TarReader::old_sparse(const uint8_t *header, Entry &entry, Failure &failure) {
  uint8_t block[BLOCK];
  memcpy(block, header, BLOCK);
  if (!number(block + 483, 12, &entry.size)) return failure.set(STEP, EBADMSG, BAD);
  entry.segments.clear();
  size_t at = 386;
  size_t count = 4;
  size_t flag = 482;
  for (;;) {
    for (size_t i = 0; i < count; i++, at += 24) {
      if (block[at] == 0) break;
      Segment segment{};
      if (!number(block + at, 12, &segment.offset) || !number(block + at + 12, 12, &segment.length)) {
        return failure.set(STEP, EBADMSG, BAD);
      }
      entry.segments.push_back(segment);
    }
    if (block[flag] == 0) break;
    if (entry.segments.size() > MAX_SEGMENTS) return failure.set(STEP, EBADMSG, BAD);
    if (!take(block, BLOCK, failure)) return false;
    at = 0;
    count = 21;
    flag = 504;
  }
  entry.type = '0';
  return check_segments(entry, failure);
}

bool TarReader::check_segments(Entry &entry, Failure &failure) {
  int64_t end = 0;
  int64_t sum = 0;
  for (const Segment &segment : entry.segments) {
    if (segment.offset < end || segment.length < 0 || segment.length > entry.size || segment.offset > entry.size - segment.length) {
      return failure.set(STEP, EBADMSG, BAD);
    }
    end = segment.offset + segment.length;
    sum += segment.length;
  }
  if (sum != entry.payload) return failure.set(STEP, EBADMSG, BAD);
  return true;
}

bool TarReader::next(Entry &entry, bool *end, Failure &failure) {
  *end = false;
  if (!skip(payload_left_ + padding_, failure)) return false;
  payload_left_ = padding_ = 0;
  Records records;
  std::string long_name;
  std::string long_link;
  bool pending = false;
  for (;;) {
    if (!more(failure)) return false;
    if (available_ == 0) {
      if (pending) return failure.set(STEP, EBADMSG, "unexpected EOF");
      *end = true;  // archives without an end marker are read by every tar
      return input_.drain(failure);
    }
    uint8_t block[BLOCK];
    if (!take(block, BLOCK, failure)) return false;
    if (std::all_of(block, block + BLOCK, [](uint8_t byte) { return byte == 0; })) {
      if (pending) return failure.set(STEP, EBADMSG, BAD);
      *end = true;
      return finish(failure);
    }
    entry = Entry();
    bool gnu = false;
    if (!parse_header(block, entry, &gnu, failure)) return false;
    if (entry.type == 'x' || entry.type == 'g' || entry.type == 'L' || entry.type == 'K') {
      std::string body;
      const bool pax = entry.type == 'x' || entry.type == 'g';
      const char type = entry.type;
      if (!take_text(body, entry.size, pax ? MAX_PAX_BYTES : MAX_NAME_BYTES, failure)) return false;
      if (type == 'x') {
        records.clear();
        if (!parse_pax(body, records, failure)) return false;
      }
      // Global headers are read over, as Go's archive/tar leaves them to its caller and Docker ignores them.
      if (type == 'L') long_name = body.c_str();
      if (type == 'K') long_link = body.c_str();
      if (type != 'g') pending = true;
      continue;
    }
    if (!long_name.empty()) entry.name = long_name;
    if (!long_link.empty()) entry.link = long_link;
    if (!apply_pax(records, entry, failure)) return false;
    // V7 archives had no type for directories but a slash behind the name.
    if (entry.type == 0) entry.type = !entry.name.empty() && entry.name.back() == '/' ? '5' : '0';
    if (entry.type == '7') entry.type = '0';
    if (is_header_only(entry.type)) entry.size = 0;
    entry.payload = entry.size;
    const uint64_t whole = static_cast<uint64_t>(entry.payload);
    if (entry.payload < 0) return failure.set(STEP, EBADMSG, BAD);
    entry.segments.push_back({0, entry.size});
    if (entry.type == 'S') {
      if (!gnu || !old_sparse(block, entry, failure)) return failure.set(STEP, EBADMSG, BAD);
    } else if (!pax_sparse(records, entry, failure)) {
      return false;
    }
    if (entry.name.find('\0') != std::string::npos || entry.link.find('\0') != std::string::npos) {
      return failure.set(STEP, EBADMSG, BAD);
    }
    payload_left_ = static_cast<uint64_t>(entry.payload);
    padding_ = (BLOCK - whole % BLOCK) % BLOCK;
    entry.position = consumed_;
    return true;
  }
}

}  // namespace tsd::archive

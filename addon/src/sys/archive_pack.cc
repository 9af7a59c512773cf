// Owns the writing of tar; see archive_pack.h. Formats: POSIX.1-1988 ustar and POSIX.1-2001 pax.
#include "archive_pack.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "archive_split.h"

namespace tsd::archive {

namespace {

constexpr size_t BLOCK = 512;
constexpr size_t BUFFER_BYTES = 256 * 1024;
constexpr uint64_t MAX_OCTAL_SIZE = 077777777777;
constexpr uint64_t MAX_OCTAL_ID = 07777777;
constexpr int MAX_DEPTH = 2048;

struct Header {
  std::string name;
  std::string link;
  char type = '0';
  struct stat info = {};
  uint64_t size = 0;
  std::vector<std::pair<std::string, std::string>> records;
};

void octal(uint8_t *field, size_t length, uint64_t value) {
  field[length - 1] = 0;
  for (size_t i = length - 1; i-- > 0; value >>= 3) field[i] = static_cast<uint8_t>('0' + (value & 7));
}

bool is_ascii(const std::string &text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

/// `length key=value\n`, where length counts its own digits.
std::string pax_record(const std::string &key, const std::string &value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

class Packer {
 public:
  Packer(const PackOptions &options, Packed &result, Failure &failure)
      : options_(options), result_(result), failure_(failure), buffer_(BUFFER_BYTES) {}

  bool run() {
    struct stat info;
    if (fstat(options_.source, &info) != 0) return failure_.set("stat", errno, "directory");
    if (!S_ISDIR(info.st_mode)) return failure_.set("pack", ENOTDIR, "directory");
    if (!options_.base.empty()) {
      struct stat there;
      if (fstatat(options_.source, options_.base.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
        return failure_.set("stat", errno, printable(options_.base));
      }
      if (!entry(options_.source, options_.base, "", 0)) return false;
    } else {
      if (!options_.prefix.empty() && !directory_header(options_.source, options_.prefix, info)) return false;
      if (!contents(options_.source, options_.prefix, 0)) return false;
    }
    const std::vector<uint8_t> end(2 * BLOCK);
    if (!emit(end.data(), end.size())) return false;
    result_.digest = hash_.digest();
    return true;
  }

 private:
  bool emit(const uint8_t *data, size_t length) {
    hash_.update(data, length);
    result_.size += length;
    return write_fully(options_.target, data, length, failure_);
  }

  bool pad(uint64_t size) {
    static const uint8_t zeros[BLOCK] = {};
    return emit(zeros, (BLOCK - size % BLOCK) % BLOCK);
  }

  bool block_of(const Header &header, const std::string &name, char type, uint64_t size) {
    uint8_t block[BLOCK] = {};
    memcpy(block, name.data(), std::min<size_t>(name.size(), 100));
    octal(block + 100, 8, header.info.st_mode & 07777);
    octal(block + 108, 8, std::min<uint64_t>(header.info.st_uid, MAX_OCTAL_ID));
    octal(block + 116, 8, std::min<uint64_t>(header.info.st_gid, MAX_OCTAL_ID));
    octal(block + 124, 12, std::min(size, MAX_OCTAL_SIZE));
    octal(block + 136, 12, static_cast<uint64_t>(std::max<int64_t>(0, header.info.st_mtim.tv_sec)));
    block[156] = static_cast<uint8_t>(type);
    memcpy(block + 157, header.link.data(), std::min<size_t>(header.link.size(), 100));
    memcpy(block + 257, "ustar\00000", 8);
    if (type == '3' || type == '4') {
      octal(block + 329, 8, major(header.info.st_rdev));
      octal(block + 337, 8, minor(header.info.st_rdev));
    }
    memset(block + 148, ' ', 8);
    uint64_t sum = 0;
    for (const uint8_t byte : block) sum += byte;
    octal(block + 148, 7, sum);
    return emit(block, BLOCK);
  }

  /// The header, with a pax one before it when ustar cannot hold everything.
  bool header(Header &header) {
    auto &records = header.records;
    if (header.name.size() > 100 || !is_ascii(header.name)) records.emplace_back("path", header.name);
    if (header.link.size() > 100 || !is_ascii(header.link)) records.emplace_back("linkpath", header.link);
    if (header.size > MAX_OCTAL_SIZE) records.emplace_back("size", std::to_string(header.size));
    if (header.info.st_uid > MAX_OCTAL_ID) records.emplace_back("uid", std::to_string(header.info.st_uid));
    if (header.info.st_gid > MAX_OCTAL_ID) records.emplace_back("gid", std::to_string(header.info.st_gid));
    if (header.info.st_mtim.tv_sec < 0) records.emplace_back("mtime", std::to_string(header.info.st_mtim.tv_sec));
    if (!records.empty()) {
      std::sort(records.begin(), records.end());
      std::string body;
      for (const auto &[key, value] : records) body += pax_record(key, value);
      const std::string name = "PaxHeaders.0/" + header.name.substr(0, 80);
      Header extended;
      extended.info.st_mode = 0644;
      if (!block_of(extended, name, 'x', body.size())) return false;
      if (!emit(reinterpret_cast<const uint8_t *>(body.data()), body.size()) || !pad(body.size())) return false;
    }
    return block_of(header, header.name, header.type, header.size);
  }

  /// What a container's files carry with meaning elsewhere: capabilities, users' own. Labels of this host's SELinux do not travel.
  bool attributes(int fd, Header &target) {
    std::vector<char> list(65536);
    const ssize_t length = flistxattr(fd, list.data(), list.size());
    if (length < 0) return errno == ENOTSUP || failure_.set("listxattr", errno, printable(target.name));
    std::vector<char> value(65536);
    for (const char *key = list.data(); key < list.data() + length; key += strlen(key) + 1) {
      if (strcmp(key, "security.capability") != 0 && strncmp(key, "user.", 5) != 0) continue;
      const ssize_t size = fgetxattr(fd, key, value.data(), value.size());
      if (size >= 0) target.records.emplace_back(std::string("SCHILY.xattr.") + key, std::string(value.data(), static_cast<size_t>(size)));
    }
    return true;
  }

  bool directory_header(int fd, const std::string &name, const struct stat &info) {
    Header entry;
    entry.name = name == "/" ? name : name + "/";
    entry.type = '5';
    entry.info = info;
    return attributes(fd, entry) && header(entry);
  }

  bool marker(const std::string &name) {
    Header entry;
    entry.name = name;
    entry.info.st_mode = 0600;
    return header(entry);
  }

  bool contents(int fd, const std::string &path, int depth) {
    if (depth > MAX_DEPTH) return failure_.set("pack", ELOOP, "directories are nested too deeply");
    std::vector<std::string> names;
    {
      const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      DIR *stream = copy < 0 ? nullptr : fdopendir(copy);
      if (stream == nullptr) {
        if (copy >= 0) close(copy);
        return failure_.set("open", errno, printable(path));
      }
      while (const struct dirent *entry = readdir(stream)) names.emplace_back(entry->d_name);
      closedir(stream);
    }
    std::sort(names.begin(), names.end());
    const std::string before = path.empty() ? "" : path == "/" ? path : path + "/";
    char mark = 0;
    if (options_.overlay_whiteouts && fgetxattr(fd, "trusted.overlay.opaque", &mark, 1) == 1 && mark == 'y') {
      if (!marker(before + ".wh..wh..opq")) return false;
    }
    for (const std::string &name : names) {
      if (name != "." && name != ".." && !entry(fd, name, before, depth)) return false;
    }
    return true;
  }

  bool entry(int parent, const std::string &base, const std::string &before, int depth) {
    struct stat info;
    if (fstatat(parent, base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT || failure_.set("stat", errno, printable(before + base));
    }
    if (S_ISSOCK(info.st_mode)) return true;
    if (S_ISCHR(info.st_mode) && info.st_rdev == 0 && options_.overlay_whiteouts) return marker(before + ".wh." + base);
    if (S_ISDIR(info.st_mode)) {
      Descriptor fd(openat(parent, base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!fd.valid()) return failure_.set("open", errno, printable(before + base));
      return directory_header(fd.get(), before + base, info) && contents(fd.get(), before + base, depth + 1);
    }
    Header target;
    target.name = before + base;
    target.info = info;
    if (info.st_nlink > 1) {
      const auto [known, fresh] = links_.emplace(std::make_pair(info.st_dev, info.st_ino), target.name);
      if (!fresh) {
        target.type = '1';
        target.link = known->second;
        return header(target);
      }
    }
    if (S_ISREG(info.st_mode)) return file(parent, base, target);
    if (S_ISLNK(info.st_mode)) {
      std::string link(static_cast<size_t>(info.st_size) + 4096, '\0');
      const ssize_t length = readlinkat(parent, base.c_str(), link.data(), link.size());
      if (length < 0) return failure_.set("readlink", errno, printable(target.name));
      link.resize(static_cast<size_t>(length));
      target.type = '2';
      target.link = link;
      return header(target);
    }
    target.type = S_ISCHR(info.st_mode) ? '3' : S_ISBLK(info.st_mode) ? '4' : '6';
    return header(target);
  }

  bool file(int parent, const std::string &base, Header &target) {
    Descriptor fd(openat(parent, base.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) return failure_.set("open", errno, printable(target.name));
    target.size = static_cast<uint64_t>(target.info.st_size);
    if (!attributes(fd.get(), target) || !header(target)) return false;
    for (uint64_t left = target.size; left > 0;) {
      const size_t wanted = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), left));
      const ssize_t got = read(fd.get(), buffer_.data(), wanted);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failure_.set("read", errno, printable(target.name));
      // It has become shorter since its header was written.
      if (got == 0) memset(buffer_.data(), 0, wanted);
      const size_t length = got == 0 ? wanted : static_cast<size_t>(got);
      if (!emit(buffer_.data(), length)) return false;
      left -= length;
    }
    return pad(target.size);
  }

  const PackOptions &options_;
  Packed &result_;
  Failure &failure_;
  std::vector<uint8_t> buffer_;
  Sha256 hash_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

bool pack_tree(const PackOptions &options, Packed &result, Failure &failure) { return Packer(options, result, failure).run(); }

}  // namespace tsd::archive

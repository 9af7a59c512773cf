// Owns the unpacking of layers; see archive.h. Behaviour follows Docker's: a name is taken as below the target whatever
// it begins with, `..` that leads out is an error, a later entry replaces an earlier one, directories merge.
#include "archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "archive_split.h"

namespace tsd::archive {

bool clean_name(const std::string &name, std::string &result) {
  std::vector<std::string> parts;
  const bool absolute = !name.empty() && name[0] == '/';
  for (size_t at = 0; at < name.size();) {
    const size_t slash = std::min(name.find('/', at), name.size());
    const std::string part = name.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    } else if (!absolute) {
      return false;
    }
  }
  result.clear();
  for (const std::string &part : parts) result += (result.empty() ? "" : "/") + part;
  return true;
}

namespace {

constexpr size_t MAX_NAME_BYTES = 4095;
constexpr int64_t MAX_ID = 0xfffffffe;  // -1 would mean "leave as it is"

class Unpacker {
 public:
  Unpacker(const UnpackOptions &options, TarReader &reader, SplitWriter *split, Unpacked &result, Failure &failure)
      : options_(options), reader_(reader), split_(split), result_(result), failure_(failure) {}

  bool run() {
    Entry entry;
    for (;;) {
      bool end = false;
      if (!reader_.next(entry, &end, failure_)) return false;
      if (end) return directory_times();
      result_.entries++;
      if (options_.max_entries != 0 && result_.entries > options_.max_entries) {
        return failure_.set("unpack", EFBIG, "archive has more than " + std::to_string(options_.max_entries) + " entries");
      }
      if (!apply(entry)) return false;
    }
  }

 private:
  struct Times {
    std::string path;
    struct timespec values[2];
  };

  bool bad(const std::string &what) { return failure_.set("unpack", EBADMSG, what); }

  bool apply(const Entry &entry) {
    if (entry.name.size() > MAX_NAME_BYTES || entry.link.size() > MAX_NAME_BYTES) {
      return failure_.set("unpack", ENAMETOOLONG, printable(entry.name));
    }
    std::string path;
    if (!clean_name(entry.name, path)) return bad("\"" + printable(entry.name) + "\" is outside of the layer");
    if (path.empty() && !options_.base.empty()) return entry.type == '5' || bad("the top of the archive is not a directory");
    if (path.empty()) {
      // Docker leaves the root as it is: 0755, root's. An archive of a private directory must not lock users out.
      return entry.type == '5' || bad("the root of the layer is not a directory");
    }
    if (entry.uid < 0 || entry.uid > MAX_ID || entry.gid < 0 || entry.gid > MAX_ID) {
      return bad("\"" + printable(entry.name) + "\" has an owner out of range");
    }
    if (!options_.base.empty()) path = options_.base + "/" + path;
    const size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    const std::string base = slash == std::string::npos ? path : path.substr(slash + 1);
    if (!open_parent(parent)) return false;
    if (options_.keep_kinds && !same_kind(entry, path, base)) return false;
    if (options_.overlay_whiteouts && base.compare(0, 4, ".wh.") == 0) return whiteout(base);
    switch (entry.type) {
      case '0':
        return file(entry, path, base);
      case '1':
        return hard_link(entry, base);
      case '2':
        return symbolic_link(entry, path, base);
      case '3':
      case '4':
      case '6':
        return node(entry, path, base);
      case '5':
        return directory(entry, path, base);
      default:
        return bad("unhandled tar header type " + std::to_string(static_cast<int>(static_cast<uint8_t>(entry.type))));
    }
  }

  /// Opens the directory that the entry stands in; what is missing of it is made, 0755, as Docker does.
  bool open_parent(const std::string &parent) {
    if (parent_.valid() && !stale_ && parent == parent_path_) return true;
    parent_path_ = parent;
    stale_ = false;
    const int flags = O_PATH | O_DIRECTORY;
    parent_.reset(open_beneath(options_.target, parent, flags));
    if (parent_.valid()) return true;
    if (errno != ENOENT) return failure_.set("open", errno, printable(parent));
    for (size_t at = 0; at <= parent.size();) {
      const size_t slash = std::min(parent.find('/', at), parent.size());
      const std::string above = at == 0 ? "" : parent.substr(0, at - 1);
      const std::string name = parent.substr(at, slash - at);
      at = slash + 1;
      Descriptor fd(open_beneath(options_.target, above, flags));
      if (!fd.valid()) return failure_.set("open", errno, printable(above));
      if (mkdirat(fd.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
        return failure_.set("mkdir", errno, printable(parent));
      }
    }
    parent_.reset(open_beneath(options_.target, parent, flags));
    return parent_.valid() || failure_.set("open", errno, printable(parent));
  }

  /// Docker's refusal of `noOverwriteDirNonDir`.
  bool same_kind(const Entry &entry, const std::string &path, const std::string &base) {
    struct stat there;
    if (fstatat(parent_.get(), base.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return true;
    const bool is_directory = S_ISDIR(there.st_mode);
    if (is_directory == (entry.type == '5')) return true;
    const char *was = is_directory ? "directory" : "non-directory";
    const char *comes = is_directory ? "non-directory" : "directory";
    return bad(std::string("cannot overwrite ") + was + " \"/" + printable(path) + "\" with " + comes + " \"/" + printable(options_.base) +
               "\"");
  }

  /// Takes away what has the entry's name. `*was_whiteout`: an earlier entry of this layer hid the lower one.
  bool clear(const std::string &base, bool *was_whiteout) {
    struct stat info;
    *was_whiteout = false;
    if (fstatat(parent_.get(), base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT || failure_.set("stat", errno, printable(base));
    }
    *was_whiteout = S_ISCHR(info.st_mode) && info.st_rdev == 0;
    if (S_ISREG(info.st_mode) && info.st_nlink == 1) {
      result_.content_bytes -= std::min(result_.content_bytes, static_cast<uint64_t>(info.st_size));
    }
    // What went may have been part of the way to the directory that is kept open.
    if (S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode)) stale_ = true;
    bool lost = false;
    if (!remove_tree_at(parent_.get(), base.c_str(), &lost, failure_)) return false;
    if (lost) result_.reproducible = false;
    return true;
  }

  bool whiteout(const std::string &base) {
    if (base == ".wh..wh..opq") return opaque(".");
    // Other names of this kind are AUFS's own bookkeeping; Docker leaves them out too.
    if (base.compare(0, 8, ".wh..wh.") == 0) return true;
    const std::string hidden = base.substr(4);
    if (hidden.empty() || hidden == "." || hidden == "..") return bad("whiteout of \"" + printable(hidden) + "\"");
    struct stat info;
    if (fstatat(parent_.get(), hidden.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
      // The layer has both: the whiteout is about what lies below, whichever came first.
      return !S_ISDIR(info.st_mode) || opaque(hidden);
    }
    if (mknodat(parent_.get(), hidden.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
      return failure_.set("mknod", errno, printable(hidden));
    }
    return true;
  }

  /// Hides what lower layers have in the directory `name` of the entry's own one.
  bool opaque(const std::string &name) {
    Descriptor fd(openat(parent_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return failure_.set("open", errno, printable(name));
    return fsetxattr(fd.get(), "trusted.overlay.opaque", "y", 1, 0) == 0 || failure_.set("setxattr", errno, printable(name));
  }

  static uid_t owner(int64_t own, int64_t instead) { return static_cast<uid_t>(instead >= 0 ? instead : own); }

  void times_of(const Entry &entry, struct timespec *values) {
    values[1] = {static_cast<time_t>(entry.mtime), entry.mtime_ns};
    values[0] = entry.has_atime ? timespec{static_cast<time_t>(entry.atime), entry.atime_ns} : values[1];
  }

  /// Attributes by descriptor, or by path for what cannot be opened. Owner first: chown takes capabilities off.
  bool attributes(const Entry &entry, int fd, const std::string &path) {
    for (const auto& [key, value] : entry.xattrs) {
      // The overlay's own marks decide what is seen of other layers: an image must not write them.
      if (key.compare(0, 16, "trusted.overlay.") == 0 || key.compare(0, 13, "user.overlay.") == 0) continue;
      const int done = fd >= 0 ? fsetxattr(fd, key.c_str(), value.data(), value.size(), 0)
                               : lsetxattr(("/" + path).c_str(), key.c_str(), value.data(), value.size(), 0);
      if (done == 0) continue;
      if (errno != ENOTSUP && errno != EPERM) return failure_.set("setxattr " + printable(key), errno, printable(path));
      result_.skipped_attributes++;
    }
    return true;
  }

  bool file(const Entry &entry, const std::string &path, const std::string &base) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    Descriptor fd(openat(parent_.get(), base.c_str(), flags, 0600));
    if (!fd.valid() && errno == EEXIST) {
      bool was_whiteout = false;
      if (!clear(base, &was_whiteout)) return false;
      fd.reset(openat(parent_.get(), base.c_str(), flags, 0600));
    }
    if (!fd.valid()) return failure_.set("create", errno, printable(path));
    if (!contents(entry, fd.get(), path)) return false;
    result_.content_bytes += static_cast<uint64_t>(entry.size);
    if (fchown(fd.get(), owner(entry.uid, options_.owner_uid), owner(entry.gid, options_.owner_gid)) != 0) {
      return failure_.set("chown", errno, printable(path));
    }
    if (fchmod(fd.get(), entry.mode) != 0) return failure_.set("chmod", errno, printable(path));
    if (!attributes(entry, fd.get(), path)) return false;
    struct timespec times[2];
    times_of(entry, times);
    return futimens(fd.get(), times) == 0 || failure_.set("utimens", errno, printable(path));
  }

  bool contents(const Entry &entry, int fd, const std::string &path) {
    int64_t end = 0;
    for (const Segment &segment : entry.segments) {
      if (segment.length == 0) continue;
      if (split_ != nullptr && !split_->reference(path, segment.offset, segment.length, failure_)) return false;
      int64_t at = segment.offset;
      int64_t left = segment.length;
      while (left > 0) {
        const uint8_t *data = nullptr;
        size_t length = 0;
        const size_t wanted = static_cast<size_t>(std::min<int64_t>(left, 1 << 30));
        if (!reader_.payload(&data, &length, wanted, failure_)) return false;
        for (size_t done = 0; done < length;) {
          const ssize_t put = pwrite(fd, data + done, length - done, at + static_cast<int64_t>(done));
          if (put < 0 && errno == EINTR) continue;
          if (put < 0) return failure_.set("write", errno, printable(path));
          done += static_cast<size_t>(put);
        }
        at += static_cast<int64_t>(length);
        left -= static_cast<int64_t>(length);
      }
      end = at;
    }
    return end == entry.size || ftruncate(fd, entry.size) == 0 || failure_.set("truncate", errno, printable(path));
  }

  bool directory(const Entry &entry, const std::string &path, const std::string &base) {
    bool hides = false;
    if (mkdirat(parent_.get(), base.c_str(), 0700) != 0) {
      struct stat info;
      if (errno != EEXIST || fstatat(parent_.get(), base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return failure_.set("mkdir", errno, printable(path));
      }
      if (!S_ISDIR(info.st_mode)) {
        if (!clear(base, &hides)) return false;
        if (mkdirat(parent_.get(), base.c_str(), 0700) != 0) return failure_.set("mkdir", errno, printable(path));
      }
    }
    Descriptor fd(openat(parent_.get(), base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return failure_.set("open", errno, printable(path));
    if (fchown(fd.get(), owner(entry.uid, options_.owner_uid), owner(entry.gid, options_.owner_gid)) != 0) {
      return failure_.set("chown", errno, printable(path));
    }
    if (fchmod(fd.get(), entry.mode) != 0) return failure_.set("chmod", errno, printable(path));
    if (!attributes(entry, fd.get(), path)) return false;
    if (hides && fsetxattr(fd.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) {
      return failure_.set("setxattr", errno, printable(path));
    }
    Times times{path, {}};
    times_of(entry, times.values);
    times_.push_back(std::move(times));
    return true;
  }

  bool hard_link(const Entry &entry, const std::string &base) {
    std::string target;
    if (!clean_name(entry.link, target) || target.empty()) {
      return bad("invalid hardlink \"" + printable(entry.name) + "\" -> \"" + printable(entry.link) + "\"");
    }
    if (!options_.base.empty()) target = options_.base + "/" + target;
    const size_t slash = target.rfind('/');
    const std::string above = slash == std::string::npos ? "" : target.substr(0, slash);
    const std::string name = slash == std::string::npos ? target : target.substr(slash + 1);
    Descriptor from(open_beneath(options_.target, above, O_PATH | O_DIRECTORY));
    if (!from.valid()) return failure_.set("link", errno, printable(entry.name) + " -> " + printable(entry.link));
    struct stat source;
    if (fstatat(from.get(), name.c_str(), &source, AT_SYMLINK_NOFOLLOW) != 0) {
      return failure_.set("link", errno, printable(entry.name) + " -> " + printable(entry.link));
    }
    struct stat there;
    if (fstatat(parent_.get(), base.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
      if (there.st_dev == source.st_dev && there.st_ino == source.st_ino) return true;
      bool was_whiteout = false;
      if (!clear(base, &was_whiteout)) return false;
    }
    return linkat(from.get(), name.c_str(), parent_.get(), base.c_str(), 0) == 0 ||
           failure_.set("link", errno, printable(entry.name) + " -> " + printable(entry.link));
  }

  bool symbolic_link(const Entry &entry, const std::string &path, const std::string &base) {
    if (symlinkat(entry.link.c_str(), parent_.get(), base.c_str()) != 0) {
      bool was_whiteout = false;
      if (errno != EEXIST) return failure_.set("symlink", errno, printable(path));
      if (!clear(base, &was_whiteout)) return false;
      if (symlinkat(entry.link.c_str(), parent_.get(), base.c_str()) != 0) {
        return failure_.set("symlink", errno, printable(path));
      }
    }
    result_.content_bytes += entry.link.size();
    return by_name(entry, path, base);
  }

  bool node(const Entry &entry, const std::string &path, const std::string &base) {
    const mode_t kind = entry.type == '3' ? S_IFCHR : entry.type == '4' ? S_IFBLK : S_IFIFO;
    const dev_t device = entry.type == '6' ? 0 : makedev(entry.major, entry.minor);
    if (mknodat(parent_.get(), base.c_str(), kind | 0600, device) != 0) {
      bool was_whiteout = false;
      if (errno != EEXIST) return failure_.set("mknod", errno, printable(path));
      if (!clear(base, &was_whiteout)) return false;
      if (mknodat(parent_.get(), base.c_str(), kind | 0600, device) != 0) return failure_.set("mknod", errno, printable(path));
    }
    return by_name(entry, path, base);
  }

  /// Owner, mode, attributes and times of what must not be opened.
  bool by_name(const Entry &entry, const std::string &path, const std::string &base) {
    if (fchownat(parent_.get(), base.c_str(), owner(entry.uid, options_.owner_uid), owner(entry.gid, options_.owner_gid),
                 AT_SYMLINK_NOFOLLOW) != 0) {
      return failure_.set("chown", errno, printable(path));
    }
    // Just made by this thread and not a link: fchmodat cannot be led elsewhere.
    if (entry.type != '2' && fchmodat(parent_.get(), base.c_str(), entry.mode, 0) != 0) {
      return failure_.set("chmod", errno, printable(path));
    }
    if (!attributes(entry, -1, path)) return false;
    struct timespec times[2];
    times_of(entry, times);
    return utimensat(parent_.get(), base.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0 ||
           failure_.set("utimens", errno, printable(path));
  }

  /// Last, because entries made in a directory change its times. One that has been replaced since is passed over.
  bool directory_times() {
    for (const Times &times : times_) {
      Descriptor fd(open_beneath(options_.target, times.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      if (!fd.valid()) continue;
      if (futimens(fd.get(), times.values) != 0) return failure_.set("utimens", errno, printable(times.path));
    }
    return true;
  }

  const UnpackOptions &options_;
  TarReader &reader_;
  SplitWriter *split_;
  Unpacked &result_;
  Failure &failure_;
  Descriptor parent_;
  std::string parent_path_;
  bool stale_ = false;
  std::vector<Times> times_;
};

/// Writes every byte of a scan to the spool, contents included.
class Spool : public RawSink {
 public:
  explicit Spool(int fd) : fd_(fd) {}
  bool raw(const uint8_t *data, size_t length, Failure &failure) override {
    return fd_ < 0 || write_fully(fd_, data, length, failure);
  }

 private:
  int fd_;
};

}  // namespace

bool unpack_layer(const UnpackOptions &options, Unpacked &result, Failure &failure) {
  Input input(options.source, options.limits);
  if (!input.open(failure)) return false;
  SplitWriter split;
  if (options.split >= 0 && !split.open(options.split, failure)) return false;
  if (!enter_jail(options.target, failure)) return false;
  SplitWriter *kept = options.split >= 0 ? &split : nullptr;
  TarReader reader(input, kept);
  if (!Unpacker(options, reader, kept, result, failure).run()) return false;
  if (kept != nullptr && !kept->close(failure)) return false;
  result.digest = input.compressed_digest();
  result.diff_id = input.plain_digest();
  result.compression = input.compression();
  result.compressed_bytes = input.compressed_bytes();
  result.tar_bytes = input.plain_bytes();
  return true;
}

bool scan_archive(Source source, int spool, uint64_t max_entries, InputLimits limits, Scanned &result, Failure &failure) {
  Input input(source, limits);
  if (!input.open(failure)) return false;
  Spool sink(spool);
  TarReader reader(input, &sink);
  for (;;) {
    Entry entry;
    bool end = false;
    if (!reader.next(entry, &end, failure)) return false;
    if (end) break;
    if (max_entries != 0 && result.entries.size() >= max_entries) {
      return failure.set("read archive", EFBIG, "archive has more than " + std::to_string(max_entries) + " entries");
    }
    result.entries.push_back(
        {entry.name, entry.link, entry.type, static_cast<uint64_t>(entry.payload), entry.position});
  }
  result.digest = input.compressed_digest();
  result.compression = input.compression();
  result.compressed_bytes = input.compressed_bytes();
  result.plain_bytes = input.plain_bytes();
  return true;
}

}  // namespace tsd::archive

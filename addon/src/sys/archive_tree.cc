// Owns walks over trees by descriptors: remove, measure, copy, and the jail. A walk opens one component at a time with
// O_NOFOLLOW, so no link in the tree can lead it elsewhere.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "archive_fd.h"
#include "path_in_root.h"

namespace tsd::archive {

bool enter_jail(int directory, Failure &failure) {
  if (unshare(CLONE_FS) != 0) return failure.set("unshare", errno, "file system context");
  if (fchdir(directory) != 0) return failure.set("fchdir", errno, "jail");
  if (chroot(".") != 0) return failure.set("chroot", errno, "jail");
  if (chdir("/") != 0) return failure.set("chdir", errno, "jail");
  umask(0);
  return true;
}

int open_beneath(int root, const std::string &path, int flags) {
  tsd::Failure why;
  const int fd = open_in_root(root, path.empty() ? "." : path.c_str(), flags, why);
  if (fd < 0) errno = why.error;
  return fd;
}

std::string printable(const std::string &name) {
  static const char digits[] = "0123456789abcdef";
  std::string result;
  for (const char c : name.substr(0, 300)) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      result += c;
    } else {
      result += "\\x";
      result += digits[byte >> 4];
      result += digits[byte & 15];
    }
  }
  return result;
}

namespace {

class Directory {
 public:
  /// Takes the descriptor over.
  explicit Directory(int fd) : stream_(fd < 0 ? nullptr : fdopendir(fd)) {
    if (stream_ == nullptr && fd >= 0) close(fd);
  }
  ~Directory() {
    if (stream_ != nullptr) closedir(stream_);
  }
  Directory(const Directory&) = delete;
  Directory &operator=(const Directory&) = delete;
  bool valid() const { return stream_ != nullptr; }
  int fd() const { return dirfd(stream_); }
  /// The names that are there now; a snapshot, because what is removed while reading may hide others.
  std::vector<std::string> names() {
    std::vector<std::string> result;
    for (;;) {
      const struct dirent *entry = readdir(stream_);
      if (entry == nullptr) return result;
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) result.emplace_back(entry->d_name);
    }
  }

 private:
  DIR *stream_;
};

int open_without_links(int root, const std::string &path) {
  struct open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
}

int open_directory(int parent, const char *name) {
  return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/// One level of a removal: the directory, and the names in it that are still there. Kept on a heap-allocated stack, so
/// that a tree of any depth (a chain of directories longer than a path may be) does not exhaust the thread's own.
struct Level {
  Descriptor fd;
  std::string name;
  std::vector<std::string> names;
};

}  // namespace

bool remove_tree_at(int parent, const char *name, bool *lost_data, Failure &failure) {
  struct stat info;
  if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT || failure.set("stat", errno, printable(name));
  }
  if (!S_ISDIR(info.st_mode)) {
    if (S_ISREG(info.st_mode) && info.st_size > 0 && info.st_nlink == 1 && lost_data != nullptr) *lost_data = true;
    return unlinkat(parent, name, 0) == 0 || errno == ENOENT || failure.set("unlink", errno, printable(name));
  }
  // Only the innermost descriptors stay open: deep levels are reached again through "..", which cannot be moved by
  // anyone here (the tree is ours while it is removed), and depth is then bounded by memory, not by open files.
  std::vector<Level> levels;
  auto enter = [&](int at, const std::string &child) -> bool {
    const int fd = open_directory(at, child.c_str());
    if (fd < 0) return errno == ENOENT || failure.set("open", errno, printable(child));
    Directory directory(dup(fd));
    Level level{Descriptor(fd), child, {}};
    if (!directory.valid()) return failure.set("open", errno, printable(child));
    level.names = directory.names();
    levels.push_back(std::move(level));
    if (levels.size() > 64) levels[levels.size() - 64].fd.reset();
    return true;
  };
  if (!enter(parent, name)) return false;
  while (!levels.empty()) {
    Level &level = levels.back();
    if (level.names.empty()) {
      const std::string gone = level.name;
      Descriptor inner = std::move(level.fd);
      levels.pop_back();
      int above = parent;
      if (!levels.empty()) {
        if (!levels.back().fd.valid()) levels.back().fd.reset(open_directory(inner.get(), ".."));
        above = levels.back().fd.get();
      }
      inner.reset();
      if (unlinkat(above, gone.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        return failure.set("rmdir", errno, printable(gone));
      }
      continue;
    }
    const std::string child = std::move(level.names.back());
    level.names.pop_back();
    const int fd = level.fd.get();
    if (fstatat(fd, child.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return failure.set("stat", errno, printable(child));
    }
    if (S_ISDIR(info.st_mode)) {
      if (!enter(fd, child)) return false;
      continue;
    }
    if (S_ISREG(info.st_mode) && info.st_size > 0 && lost_data != nullptr) *lost_data = true;
    if (unlinkat(fd, child.c_str(), 0) == 0 || errno == ENOENT) continue;
    // Immutable or append-only files (chattr) are in the way of root too, until the flag is taken off.
    if (errno == EPERM && S_ISREG(info.st_mode)) {
      Descriptor file(openat(fd, child.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
      int flags = 0;
      if (file.valid() && ioctl(file.get(), FS_IOC_GETFLAGS, &flags) == 0) {
        flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
        if (ioctl(file.get(), FS_IOC_SETFLAGS, &flags) == 0 && unlinkat(fd, child.c_str(), 0) == 0) continue;
      }
      errno = EPERM;
    }
    return failure.set("unlink", errno, printable(child));
  }
  return true;
}

bool measure_tree(int directory, TreeUsage &usage, Failure &failure) {
  std::set<std::pair<dev_t, ino_t>> linked;
  std::vector<std::vector<std::string>> pending;
  std::vector<Descriptor> open;
  auto enter = [&](int fd) -> bool {
    if (fd < 0) return errno == ENOENT || failure.set("open", errno, "directory");
    struct stat info;
    if (fstat(fd, &info) == 0) {
      usage.allocated += static_cast<uint64_t>(info.st_blocks) * 512;
      usage.inodes++;
    }
    Directory stream(dup(fd));
    if (!stream.valid()) {
      close(fd);
      return failure.set("open", errno, "directory");
    }
    pending.push_back(stream.names());
    open.emplace_back(fd);
    return true;
  };
  if (!enter(open_directory(directory, "."))) return false;
  while (!open.empty()) {
    if (pending.back().empty()) {
      pending.pop_back();
      open.pop_back();
      continue;
    }
    const std::string name = std::move(pending.back().back());
    pending.back().pop_back();
    struct stat info;
    // A tree in use changes while it is measured: what has gone is not counted.
    if (fstatat(open.back().get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      if (!enter(open_directory(open.back().get(), name.c_str()))) return false;
      continue;
    }
    if (info.st_nlink > 1 && !linked.emplace(info.st_dev, info.st_ino).second) continue;
    usage.inodes++;
    usage.allocated += static_cast<uint64_t>(info.st_blocks) * 512;
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) usage.bytes += static_cast<uint64_t>(info.st_size);
  }
  return true;
}

namespace {

class TreeCopy {
 public:
  TreeCopy(int root, Failure &failure) : root_(root), failure_(failure) {}

  /// Owner, mode, times and attributes of the directory itself come last: entries would change its times.
  bool directory(int source, int target, int depth) {
    // A path in the kernel holds 4096 bytes: what is deeper could not have been made by name. It bounds the recursion.
    if (depth > 2048) return failure_.set("copy", ELOOP, "directories are nested too deeply");
    std::vector<std::string> names;
    {
      Directory stream(open_directory(source, "."));
      if (!stream.valid()) return failure_.set("open", errno, "directory");
      names = stream.names();
    }
    const size_t above = path_.size();
    for (const std::string &name : names) {
      path_ += (path_.empty() ? "" : "/") + name;
      if (!entry(source, target, name, depth)) return false;
      path_.resize(above);
    }
    struct stat info;
    if (fstat(source, &info) != 0) return failure_.set("stat", errno, "directory");
    return attributes(source, target, "directory") && finish(target, info, "directory");
  }

 private:
  bool finish(int fd, const struct stat &info, const std::string &name) {
    if (fchown(fd, info.st_uid, info.st_gid) != 0) return failure_.set("chown", errno, printable(name));
    if (fchmod(fd, info.st_mode & 07777) != 0) return failure_.set("chmod", errno, printable(name));
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    if (futimens(fd, times) != 0) return failure_.set("utimens", errno, printable(name));
    return true;
  }

  /// After chown would be right for security.capability: chown takes it off. So owner first, here too.
  bool attributes(int source, int target, const std::string &name) {
    struct stat info;
    if (fstat(source, &info) == 0 && fchown(target, info.st_uid, info.st_gid) != 0) {
      return failure_.set("chown", errno, printable(name));
    }
    std::vector<char> list(65536);
    const ssize_t length = flistxattr(source, list.data(), list.size());
    if (length < 0) return errno == ENOTSUP || failure_.set("listxattr", errno, printable(name));
    std::vector<char> value(65536);
    for (const char *key = list.data(); key < list.data() + length; key += strlen(key) + 1) {
      // An overlay's own marks mean nothing in the copy, and could mislead one made of it.
      if (strncmp(key, "trusted.overlay.", 16) == 0) continue;
      const ssize_t size = fgetxattr(source, key, value.data(), value.size());
      if (size < 0) continue;
      if (fsetxattr(target, key, value.data(), static_cast<size_t>(size), 0) != 0 && errno != ENOTSUP && errno != EPERM) {
        return failure_.set("setxattr", errno, printable(name));
      }
    }
    return true;
  }

  bool contents(int source, int target, int64_t size, const std::string &name) {
    // Extents only: a hole stays a hole. copy_file_range shares blocks where the file system can.
    int64_t at = 0;
    while (at < size) {
      int64_t start = lseek(source, at, SEEK_DATA);
      if (start < 0) {
        if (errno == ENXIO) break;
        start = at;
      }
      int64_t end = lseek(source, start, SEEK_HOLE);
      if (end < 0) end = size;
      if (end > size) end = size;
      off_t from = start;
      off_t to = start;
      while (from < end) {
        const ssize_t moved = copy_file_range(source, &from, target, &to, static_cast<size_t>(end - from), 0);
        if (moved > 0) continue;
        if (moved == 0) break;
        if (errno == EINTR) continue;
        if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
          return failure_.set("copy", errno, printable(name));
        }
        if (!plain_copy(source, target, from, end, name)) return false;
        break;
      }
      at = end > start ? end : size;
    }
    if (ftruncate(target, size) != 0) return failure_.set("truncate", errno, printable(name));
    return true;
  }

  bool plain_copy(int source, int target, off_t from, off_t end, const std::string &name) {
    std::vector<uint8_t> buffer(256 * 1024);
    while (from < end) {
      const size_t wanted = static_cast<size_t>(std::min<off_t>(static_cast<off_t>(buffer.size()), end - from));
      const ssize_t got = pread(source, buffer.data(), wanted, from);
      if (got < 0) return failure_.set("read", errno, printable(name));
      if (got == 0) return true;
      for (ssize_t done = 0; done < got;) {
        const ssize_t put = pwrite(target, buffer.data() + done, static_cast<size_t>(got - done), from + done);
        if (put < 0) return failure_.set("write", errno, printable(name));
        done += put;
      }
      from += got;
    }
    return true;
  }

  bool regular(int source, int target, const std::string &name, const struct stat &info) {
    Descriptor from(openat(source, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!from.valid()) return failure_.set("open", errno, printable(name));
    Descriptor to(openat(target, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!to.valid()) return failure_.set("create", errno, printable(name));
    return contents(from.get(), to.get(), info.st_size, name) && attributes(from.get(), to.get(), name) &&
           finish(to.get(), info, name);
  }

  bool special(int source, int target, const std::string &name, const struct stat &info) {
    if (S_ISLNK(info.st_mode)) {
      std::string link(static_cast<size_t>(info.st_size) + 4096, '\0');
      const ssize_t length = readlinkat(source, name.c_str(), link.data(), link.size());
      if (length < 0) return failure_.set("readlink", errno, printable(name));
      link.resize(static_cast<size_t>(length));
      if (symlinkat(link.c_str(), target, name.c_str()) != 0) return failure_.set("symlink", errno, printable(name));
    } else if (mknodat(target, name.c_str(), info.st_mode, info.st_rdev) != 0) {
      return failure_.set("mknod", errno, printable(name));
    }
    if (fchownat(target, name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return failure_.set("chown", errno, printable(name));
    }
    if (!S_ISLNK(info.st_mode) && fchmodat(target, name.c_str(), info.st_mode & 07777, 0) != 0) {
      return failure_.set("chmod", errno, printable(name));
    }
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    return utimensat(target, name.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0 || failure_.set("utimens", errno, printable(name));
  }

  bool entry(int source, int target, const std::string &name, int depth) {
    struct stat info;
    if (fstatat(source, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT || failure_.set("stat", errno, printable(name));
    }
    if (S_ISSOCK(info.st_mode)) return true;  // a socket is nothing without its process
    if (S_ISDIR(info.st_mode)) {
      Descriptor from(open_directory(source, name.c_str()));
      if (!from.valid()) return failure_.set("open", errno, printable(name));
      if (mkdirat(target, name.c_str(), 0700) != 0 && errno != EEXIST) return failure_.set("mkdir", errno, printable(name));
      Descriptor to(open_directory(target, name.c_str()));
      if (!to.valid()) return failure_.set("open", errno, printable(name));
      return directory(from.get(), to.get(), depth + 1);
    }
    if (info.st_nlink > 1) {
      const auto known = links_.find({info.st_dev, info.st_ino});
      if (known != links_.end()) return link(known->second, target, name);
    }
    if (!(S_ISREG(info.st_mode) ? regular(source, target, name, info) : special(source, target, name, info))) return false;
    if (info.st_nlink > 1) links_.emplace(std::make_pair(info.st_dev, info.st_ino), path_);
    return true;
  }

  /// The first copy is reached from the target's root without following any link.
  bool link(const std::string &first, int target, const std::string &name) {
    const size_t slash = first.rfind('/');
    Descriptor parent(open_without_links(root_, slash == std::string::npos ? "." : first.substr(0, slash)));
    if (!parent.valid()) return failure_.set("open", errno, printable(first));
    const std::string base = slash == std::string::npos ? first : first.substr(slash + 1);
    return linkat(parent.get(), base.c_str(), target, name.c_str(), 0) == 0 || failure_.set("link", errno, printable(name));
  }

  const int root_;
  Failure &failure_;
  /// Of the entry at hand, below the root of the copy.
  std::string path_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

bool copy_tree_at(int source, int target, Failure &failure) { return TreeCopy(target, failure).directory(source, target, 0); }

}  // namespace tsd::archive

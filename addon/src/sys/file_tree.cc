#include "file_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "archive_fd.h"

namespace tsd::archive {

namespace {

/// A path in the kernel holds 4096 bytes: what is deeper could not have been made by name. It bounds the recursion.
constexpr int kDepthLimit = 2048;
constexpr size_t kBuffer = 256 * 1024;

bool read_link(int parent, const char *name, std::string &value, Failure &failure) {
  value.resize(4096);
  const ssize_t length = readlinkat(parent, name, value.data(), value.size());
  if (length < 0) return failure.set("readlink", errno, printable(name));
  value.resize(static_cast<size_t>(length));
  return true;
}

TreeEntry entry_of(const std::string &path, const struct stat &info) {
  TreeEntry entry;
  entry.path = path;
  entry.mode = info.st_mode;
  entry.uid = info.st_uid;
  entry.gid = info.st_gid;
  entry.size = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
  entry.mtime = info.st_mtim.tv_sec;
  return entry;
}

bool list_below(int directory, const std::string &path, int depth, std::vector<TreeEntry> &entries, Failure &failure) {
  if (depth > kDepthLimit) return failure.set("list", ELOOP, "directories are nested too deeply");
  std::vector<std::string> names;
  DIR *stream = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (stream == nullptr) return failure.set("open", errno, printable(path));
  while (const struct dirent *item = readdir(stream)) {
    if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0) names.emplace_back(item->d_name);
  }
  closedir(stream);
  std::sort(names.begin(), names.end());
  for (const std::string &name : names) {
    struct stat info;
    if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return failure.set("stat", errno, printable(name));
    }
    entries.push_back(entry_of(path.empty() ? name : path + "/" + name, info));
    if (S_ISLNK(info.st_mode) && !read_link(directory, name.c_str(), entries.back().link, failure)) return false;
    if (!S_ISDIR(info.st_mode)) continue;
    const std::string below = entries.back().path;
    Descriptor child(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child.valid()) return failure.set("open", errno, printable(below));
    if (!list_below(child.get(), below, depth + 1, entries, failure)) return false;
  }
  return true;
}

/// Directory part and last component; false when there is none (`/`, `a/..`).
bool split_path(const std::string &path, std::string &directory, std::string &name) {
  size_t end = path.size();
  while (end > 0 && path[end - 1] == '/') end--;
  const size_t slash = path.rfind('/', end == 0 ? 0 : end - 1);
  const size_t start = slash == std::string::npos || slash >= end ? 0 : slash + 1;
  directory = path.substr(0, start);
  name = path.substr(start, end - start);
  return !name.empty() && name != "." && name != "..";
}

class Placer {
 public:
  Placer(const PlaceOptions &options, Failure &failure) : options_(options), failure_(failure) {}

  bool place(const Placement &placement) {
    if (placement.make) return make(placement);
    Descriptor source_parent;
    std::string name;
    struct stat info;
    int from = -1;
    Descriptor opened;
    if (placement.follow) {
      opened.reset(open_beneath(options_.source, placement.from, O_PATH));
      if (!opened.valid()) return failure_.set("open", errno, printable(placement.from));
      if (fstat(opened.get(), &info) != 0) return failure_.set("stat", errno, printable(placement.from));
    } else {
      std::string directory;
      if (!split_path(placement.from, directory, name)) return failure_.set("open", EINVAL, printable(placement.from));
      if (directory != source_directory_ || !source_.valid()) {
        source_.reset(open_beneath(options_.source, directory, O_PATH | O_DIRECTORY));
        source_directory_ = directory;
      }
      if (!source_.valid()) return failure_.set("open", errno, printable(placement.from));
      from = source_.get();
      if (fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return failure_.set("stat", errno, printable(placement.from));
    }
    if (S_ISSOCK(info.st_mode)) return true;  // a socket is nothing without its process
    if (options_.uid >= 0) info.st_uid = static_cast<uid_t>(options_.uid);
    if (options_.gid >= 0) info.st_gid = static_cast<gid_t>(options_.gid);
    if (placement.mode >= 0 && !S_ISLNK(info.st_mode)) {
      info.st_mode = (info.st_mode & S_IFMT) | static_cast<mode_t>(placement.mode & 07777);
    }
    if (options_.mtime >= 0) {
      info.st_mtim = {options_.mtime, 0};
      info.st_atim = info.st_mtim;
    }
    if (S_ISDIR(info.st_mode)) {
      Descriptor source_fd(opened.valid() ? reopen(opened.get()) : openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!source_fd.valid()) return failure_.set("open", errno, printable(placement.from));
      return directory(source_fd.get(), info, placement);
    }
    return entry(opened, from, name, info, placement);
  }

  /// Times of directories, which entries have changed meanwhile.
  bool finish() {
    for (auto at = directories_.rbegin(); at != directories_.rend(); ++at) {
      Descriptor fd(open_beneath(options_.target, at->path, O_RDONLY | O_DIRECTORY));
      if (!fd.valid()) return failure_.set("open", errno, printable(at->path));
      if (futimens(fd.get(), at->times) != 0) return failure_.set("utimens", errno, printable(at->path));
    }
    return true;
  }

 private:
  struct DirectoryTimes {
    std::string path;
    struct timespec times[2];
  };

  static int reopen(int path_descriptor) { return openat(path_descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

  uid_t maker() const { return options_.uid >= 0 ? static_cast<uid_t>(options_.uid) : 0; }
  gid_t group() const { return options_.gid >= 0 ? static_cast<gid_t>(options_.gid) : 0; }

  /// Opens a directory of the target, making what is missing. A dangling link is replaced by nothing: it is an error, as for mkdir -p.
  int target_directory(const std::string &path) {
    const int whole = open_beneath(options_.target, path, O_RDONLY | O_DIRECTORY);
    if (whole >= 0 || errno != ENOENT) return whole;
    std::string above, name;
    if (!split_path(path, above, name)) {
      errno = EINVAL;
      return -1;
    }
    Descriptor parent(target_directory(above));
    if (!parent.valid()) return -1;
    if (mkdirat(parent.get(), name.c_str(), 0755) != 0) return -1;
    Descriptor made(openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made.valid() || fchown(made.get(), maker(), group()) != 0 || fchmod(made.get(), 0755) != 0) return -1;
    if (options_.mtime >= 0) {
      const struct timespec time = {options_.mtime, 0};
      directories_.push_back({path, {time, time}});
    }
    return made.release();
  }

  bool make(const Placement &placement) {
    Descriptor known(open_beneath(options_.target, placement.to, O_PATH | O_DIRECTORY));
    if (known.valid()) return true;
    Descriptor fd(target_directory(placement.to));
    if (!fd.valid()) return failure_.set("mkdir", errno, printable(placement.to));
    return placement.mode < 0 || fchmod(fd.get(), static_cast<mode_t>(placement.mode & 07777)) == 0 ||
           failure_.set("chmod", errno, printable(placement.to));
  }

  bool directory(int source, const struct stat &info, const Placement &placement) {
    Descriptor fd(open_beneath(options_.target, placement.to, O_RDONLY | O_DIRECTORY));
    const bool existed = fd.valid();
    if (!existed) {
      if (errno != ENOENT) return failure_.set("mkdir", errno, printable(placement.to));
      fd.reset(target_directory(placement.to));
      if (!fd.valid()) return failure_.set("mkdir", errno, printable(placement.to));
    }
    if (existed && placement.keep) return true;
    if (fchown(fd.get(), info.st_uid, info.st_gid) != 0) return failure_.set("chown", errno, printable(placement.to));
    if (!attributes(source, fd.get(), placement.to)) return false;
    if (fchmod(fd.get(), info.st_mode & 07777) != 0) return failure_.set("chmod", errno, printable(placement.to));
    directories_.push_back({placement.to, {info.st_atim, info.st_mtim}});
    return true;
  }

  bool entry(const Descriptor &opened, int from, const std::string &name, const struct stat &info, const Placement &placement) {
    std::string above, base;
    if (!split_path(placement.to, above, base)) return failure_.set("create", EISDIR, printable(placement.to));
    if (above != target_directory_ || !target_.valid()) {
      target_.reset(target_directory(above));
      target_directory_ = above;
    }
    if (!target_.valid()) return failure_.set("mkdir", errno, printable(above));
    const int target = target_.get();
    if (unlinkat(target, base.c_str(), 0) != 0 && errno != ENOENT) {
      return failure_.set("create", errno == EISDIR || errno == EPERM ? EISDIR : errno, printable(placement.to));
    }
    const std::pair<dev_t, ino_t> identity{info.st_dev, info.st_ino};
    if (info.st_nlink > 1) {
      const auto known = links_.find(identity);
      if (known != links_.end() && link(known->second, target, base)) return true;
    }
    const bool good = S_ISREG(info.st_mode)
                          ? regular(opened, from, name, target, base, info)
                          : special(from, name, target, base, info);
    if (!good) return false;
    if (info.st_nlink > 1) links_.emplace(identity, placement.to);
    return true;
  }

  bool link(const std::string &first, int target, const std::string &base) {
    std::string above, name;
    if (!split_path(first, above, name)) return false;
    Descriptor parent(open_beneath(options_.target, above, O_PATH | O_DIRECTORY));
    return parent.valid() && linkat(parent.get(), name.c_str(), target, base.c_str(), 0) == 0;
  }

  bool regular(const Descriptor &opened, int from, const std::string &name, int target, const std::string &base, const struct stat &info) {
    char again[64];
    snprintf(again, sizeof again, "/proc/self/fd/%d", opened.valid() ? opened.get() : 0);
    // Through its own descriptor's link: the file that was looked at, a regular one, and none that took its name.
    Descriptor source(opened.valid() ? open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                                     : openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!source.valid()) return failure_.set("open", errno, printable(base));
    Descriptor made(openat(target, base.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!made.valid()) return failure_.set("create", errno, printable(base));
    if (!contents(source.get(), made.get(), info.st_size, base)) return false;
    // The owner first: chown takes set-user-id bits and capabilities off.
    if (fchown(made.get(), info.st_uid, info.st_gid) != 0) return failure_.set("chown", errno, printable(base));
    if (!attributes(source.get(), made.get(), base)) return false;
    if (fchmod(made.get(), info.st_mode & 07777) != 0) return failure_.set("chmod", errno, printable(base));
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    return futimens(made.get(), times) == 0 || failure_.set("utimens", errno, printable(base));
  }

  bool special(int from, const std::string &name, int target, const std::string &base, const struct stat &info) {
    if (S_ISLNK(info.st_mode)) {
      std::string value;
      if (!read_link(from, name.c_str(), value, failure_)) return false;
      if (symlinkat(value.c_str(), target, base.c_str()) != 0) return failure_.set("symlink", errno, printable(base));
    } else if (mknodat(target, base.c_str(), info.st_mode, info.st_rdev) != 0) {
      return failure_.set("mknod", errno, printable(base));
    }
    if (fchownat(target, base.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return failure_.set("chown", errno, printable(base));
    }
    if (!S_ISLNK(info.st_mode) && fchmodat(target, base.c_str(), info.st_mode & 07777, 0) != 0) {
      return failure_.set("chmod", errno, printable(base));
    }
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    return utimensat(target, base.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0 || failure_.set("utimens", errno, printable(base));
  }

  bool contents(int source, int target, int64_t size, const std::string &name) {
    bool range = true;
    for (int64_t done = 0; done < size;) {
      ssize_t moved = -1;
      if (range) {
        moved = copy_file_range(source, nullptr, target, nullptr, static_cast<size_t>(size - done), 0);
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
          return failure_.set("copy", errno, printable(name));
        }
        range = moved > 0;
      }
      if (moved <= 0) {
        if (buffer_.empty()) buffer_.resize(kBuffer);
        moved = read(source, buffer_.data(), buffer_.size());
        if (moved < 0) return failure_.set("read", errno, printable(name));
        if (moved == 0) return true;
        for (ssize_t put = 0; put < moved;) {
          const ssize_t count = write(target, buffer_.data() + put, static_cast<size_t>(moved - put));
          if (count < 0) return failure_.set("write", errno, printable(name));
          put += count;
        }
      }
      done += moved;
    }
    return true;
  }

  bool attributes(int source, int target, const std::string &name) {
    char list[8192];
    const ssize_t length = flistxattr(source, list, sizeof list);
    if (length < 0) return errno == ENOTSUP || errno == ERANGE || failure_.set("listxattr", errno, printable(name));
    for (const char *key = list; key < list + length; key += strlen(key) + 1) {
      // An overlay's own marks mean nothing in a copy, and could mislead one made of it.
      if (strncmp(key, "trusted.", 8) == 0) continue;
      if (buffer_.empty()) buffer_.resize(kBuffer);
      const ssize_t size = fgetxattr(source, key, buffer_.data(), buffer_.size());
      if (size < 0) continue;
      if (fsetxattr(target, key, buffer_.data(), static_cast<size_t>(size), 0) != 0 && errno != ENOTSUP && errno != EPERM) {
        return failure_.set("setxattr", errno, printable(name));
      }
    }
    return true;
  }

  const PlaceOptions options_;
  Failure &failure_;
  std::vector<uint8_t> buffer_;
  std::string source_directory_;
  Descriptor source_;
  std::string target_directory_;
  Descriptor target_;
  std::vector<DirectoryTimes> directories_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

bool list_tree(int root, const std::string &path, bool *found, std::vector<TreeEntry> &entries, Failure &failure) {
  Descriptor top(open_beneath(root, path, O_PATH));
  if (!top.valid()) {
    *found = false;
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || failure.set("open", errno, printable(path));
  }
  *found = true;
  struct stat info;
  if (fstat(top.get(), &info) != 0) return failure.set("stat", errno, printable(path));
  entries.push_back(entry_of("", info));
  return !S_ISDIR(info.st_mode) || list_below(top.get(), "", 0, entries, failure);
}

bool hash_files(int root, const std::vector<std::string> &paths, std::vector<std::string> &digests, Failure &failure) {
  std::vector<uint8_t> buffer(kBuffer);
  for (const std::string &path : paths) {
    Descriptor file(open_beneath(root, path, O_RDONLY | O_NONBLOCK));
    struct stat info;
    if (!file.valid()) return failure.set("open", errno, printable(path));
    if (fstat(file.get(), &info) != 0) return failure.set("stat", errno, printable(path));
    if (!S_ISREG(info.st_mode)) {
      digests.emplace_back();
      continue;
    }
    Sha256 hash;
    for (;;) {
      const ssize_t got = read(file.get(), buffer.data(), buffer.size());
      if (got < 0) return failure.set("read", errno, printable(path));
      if (got == 0) break;
      hash.update(buffer.data(), static_cast<size_t>(got));
    }
    digests.push_back(hash.digest());
  }
  return true;
}

bool place_files(const PlaceOptions &options, const std::vector<Placement> &placements, Failure &failure) {
  Placer placer(options, failure);
  for (const Placement &placement : placements) {
    if (!placer.place(placement)) return false;
  }
  return placer.finish();
}

}  // namespace tsd::archive

// Owns the walk of a comparison; see archive_compare.h. Whiteouts and opaque directories are those of Documentation/filesystems/overlayfs.rst.
#include "archive_compare.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tsd::archive {

namespace {

constexpr int MAX_DEPTH = 2048;

class Comparison {
 public:
  Comparison(std::vector<Change> &changes, Failure &failure) : changes_(changes), failure_(failure) {}

  /// `lower` is -1 where nothing lies below.
  bool directory(int upper, int lower, const std::string &path, int depth) {
    if (depth > MAX_DEPTH) return failure_.set("compare", ELOOP, "directories are nested too deeply");
    std::vector<std::string> names;
    if (!names_of(upper, names)) return failure_.set("open", errno, printable(path));
    if (lower >= 0 && is_opaque(upper) && !hidden(lower, names, path)) return false;
    for (const std::string &name : names) {
      if (!entry(upper, lower, name, path, depth)) return false;
    }
    return true;
  }

 private:
  static bool names_of(int directory, std::vector<std::string> &names) {
    const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? nullptr : fdopendir(copy);
    if (stream == nullptr) {
      if (copy >= 0) close(copy);
      return false;
    }
    while (const struct dirent *found = readdir(stream)) {
      if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0) names.emplace_back(found->d_name);
    }
    closedir(stream);
    std::sort(names.begin(), names.end());
    return true;
  }

  static bool is_opaque(int directory) {
    char mark = 0;
    return fgetxattr(directory, "trusted.overlay.opaque", &mark, 1) == 1 && mark == 'y';
  }

  static bool same(const struct stat &a, const struct stat &b) {
    return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
           a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
  }

  /// An opaque directory took away what was below and has not come again.
  bool hidden(int lower, const std::vector<std::string> &names, const std::string &path) {
    std::vector<std::string> before;
    if (!names_of(lower, before)) return failure_.set("open", errno, printable(path));
    for (const std::string &name : before) {
      if (!std::binary_search(names.begin(), names.end(), name)) changes_.push_back({path + "/" + name, ChangeKind::deleted});
    }
    return true;
  }

  void told(const std::string &parent) {
    if (parent.empty()) return;
    // Its own entry, if it has one, was made just before its children's.
    for (size_t i = changes_.size(); i-- > 0;) {
      if (changes_[i].path == parent) return;
      if (changes_[i].path.compare(0, parent.size() + 1, parent + "/") != 0) break;
    }
    changes_.push_back({parent, ChangeKind::modified});
  }

  /// `before` is what was there, whether an opaque directory hides it now or not: it tells a change from an addition.
  bool entry(int upper, int before, const std::string &name, const std::string &parent, int depth) {
    const std::string path = parent + "/" + name;
    struct stat now;
    if (fstatat(upper, name.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT || failure_.set("stat", errno, printable(path));
    }
    struct stat then;
    const bool existed = before >= 0 && fstatat(before, name.c_str(), &then, AT_SYMLINK_NOFOLLOW) == 0;
    if (S_ISCHR(now.st_mode) && now.st_rdev == 0) {
      if (!existed) return true;
      told(parent);
      changes_.push_back({path, ChangeKind::deleted});
      return true;
    }
    const bool both = existed && S_ISDIR(now.st_mode) && S_ISDIR(then.st_mode);
    if (!existed) {
      told(parent);
      changes_.push_back({path, ChangeKind::added});
    } else if (!both || !same(now, then)) {
      changes_.push_back({path, ChangeKind::modified});
    }
    if (!S_ISDIR(now.st_mode)) return true;
    Descriptor child(openat(upper, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child.valid()) return errno == ENOENT || failure_.set("open", errno, printable(path));
    Descriptor under(both ? openat(before, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1);
    return directory(child.get(), under.get(), path, depth + 1);
  }

  std::vector<Change> &changes_;
  Failure &failure_;
};

}  // namespace

bool compare_layers(int upper, int lower, std::vector<Change> &changes, Failure &failure) {
  if (!Comparison(changes, failure).directory(upper, lower, "", 0)) return false;
  std::stable_sort(changes.begin(), changes.end(), [](const Change &a, const Change &b) { return a.path < b.path; });
  return true;
}

}  // namespace tsd::archive

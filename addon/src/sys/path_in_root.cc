// Owns reaching a path inside of a directory tree that somebody else controls. Every step goes through openat2 with
// RESOLVE_IN_ROOT, so neither `..` nor a symbolic link, nor an exchange of one for the other meanwhile, leads outside.
#include "path_in_root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unique_fd.h"

namespace tsd {

namespace {

constexpr int kLinkLimit = 40;

int openat2_in_root(int root, const char *path, int flags, mode_t mode, uint64_t resolve) {
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve;
  // EAGAIN: something was renamed while `..` was resolved; the kernel asks to try again.
  for (int attempt = 0;; attempt++) {
    long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN || attempt == 128) return static_cast<int>(fd);
  }
}

// Splits off the first component of `path`; empty components and `.` are skipped. False at the end.
bool next_component(const char *&path, const char *&start, size_t &length) {
  for (;;) {
    while (*path == '/') path++;
    if (*path == 0) return false;
    start = path;
    while (*path != 0 && *path != '/') path++;
    length = static_cast<size_t>(path - start);
    if (length == 1 && start[0] == '.') continue;
    return true;
  }
}

// A path under construction.
struct PathBuffer {
  char text[PATH_MAX];
  size_t length = 0;

  bool append(const char *component, size_t count) {
    if (length + count + 2 > sizeof text) return false;
    if (length > 0) text[length++] = '/';
    memcpy(text + length, component, count);
    length += count;
    text[length] = 0;
    return true;
  }
  void cut(size_t to) {
    length = to;
    text[length] = 0;
  }
};

// Puts the value of the link `parent`/`name` in front of `rest`; `done` becomes where the walk goes on from.
int splice_link(int parent, const char *name, const char *rest, PathBuffer &done, size_t done_before, char *remaining,
                size_t capacity) {
  char value[PATH_MAX];
  ssize_t count = readlinkat(parent, name, value, sizeof value - 1);
  if (count < 0) return -1;
  value[count] = 0;
  size_t rest_length = strlen(rest);
  if (static_cast<size_t>(count) + rest_length + 2 > capacity) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memmove(remaining + count + 1, rest, rest_length + 1);
  memcpy(remaining, value, static_cast<size_t>(count));
  remaining[count] = '/';
  done.cut(value[0] == '/' ? 0 : done_before);
  return 0;
}

}  // namespace

int open_in_root(int root, const char *path, int flags, Failure &failure, uint64_t resolve) {
  int fd = openat2_in_root(root, *path ? path : ".", flags, 0, resolve);
  if (fd < 0) return failure.set("openat2", errno, path);
  return fd;
}

int make_directory_in_root(int root, const char *path, Failure &failure) {
  int whole = openat2_in_root(root, *path ? path : ".", O_PATH | O_DIRECTORY, 0, 0);
  if (whole >= 0) return whole;
  if (errno != ENOENT) return failure.set("openat2", errno, path);

  char remaining[PATH_MAX];
  size_t path_length = strlen(path);
  if (path_length >= sizeof remaining) return failure.set("mkdir", ENAMETOOLONG, path);
  memcpy(remaining, path, path_length + 1);

  PathBuffer done;
  done.cut(0);
  UniqueFd current(openat2_in_root(root, ".", O_PATH | O_DIRECTORY, 0, 0));
  if (!current.valid()) return failure.set("openat2", errno, path);
  const char *rest = remaining;
  const char *component;
  size_t length;
  int links = 0;
  while (next_component(rest, component, length)) {
    char name[NAME_MAX + 1];
    if (length > NAME_MAX) return failure.set("mkdir", ENAMETOOLONG, path);
    memcpy(name, component, length);
    name[length] = 0;
    size_t before = done.length;
    if (!done.append(name, length)) return failure.set("mkdir", ENAMETOOLONG, path);
    int next = openat2_in_root(root, done.text, O_PATH | O_DIRECTORY, 0, 0);
    if (next < 0 && errno == ENOENT) {
      if (mkdirat(current.get(), name, 0755) != 0) {
        if (errno != EEXIST) return failure.set("mkdir", errno, path);
        // It exists and yet leads nowhere: a dangling link, or somebody was quicker.
        if (++links > kLinkLimit) return failure.set("mkdir", ELOOP, path);
        if (splice_link(current.get(), name, rest, done, before, remaining, sizeof remaining) != 0) {
          if (errno != EINVAL && errno != ENOENT) return failure.set("readlink", errno, path);
          // Not a link (any more): try this component again.
          done.cut(before);
          rest = component;
          continue;
        }
        rest = remaining;
        current.reset(openat2_in_root(root, done.length > 0 ? done.text : ".", O_PATH | O_DIRECTORY, 0, 0));
        if (!current.valid()) return failure.set("openat2", errno, path);
        continue;
      }
      next = openat2_in_root(root, done.text, O_PATH | O_DIRECTORY, 0, 0);
    }
    if (next < 0) return failure.set("openat2", errno, path);
    current.reset(next);
  }
  return current.release();
}

int make_parent_in_root(int root, const char *path, char (&name)[256], Failure &failure) {
  size_t end = strlen(path);
  while (end > 0 && path[end - 1] == '/') end--;
  size_t start = end;
  while (start > 0 && path[start - 1] != '/') start--;
  size_t length = end - start;
  if (length == 0 || (length == 1 && path[start] == '.') || (length == 2 && path[start] == '.' && path[start + 1] == '.')) {
    return failure.set("path", EINVAL, path);
  }
  if (length > NAME_MAX || start >= PATH_MAX) return failure.set("path", ENAMETOOLONG, path);
  memcpy(name, path + start, length);
  name[length] = 0;
  char parent[PATH_MAX];
  memcpy(parent, path, start);
  parent[start] = 0;
  return make_directory_in_root(root, parent, failure);
}

int make_file_in_root(int root, const char *path, Failure &failure) {
  char current[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof current) return failure.set("open", ENAMETOOLONG, path);
  memcpy(current, path, length + 1);
  for (int links = 0; links <= kLinkLimit; links++) {
    int fd = openat2_in_root(root, current, O_PATH, 0, 0);
    if (fd >= 0) return fd;
    if (errno != ENOENT) return failure.set("openat2", errno, path);
    char name[256];
    UniqueFd parent(make_parent_in_root(root, current, name, failure));
    if (!parent.valid()) return -1;
    UniqueFd made(openat(parent.get(), name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0755));
    if (made.valid()) {
      // The descriptor itself, not the name: the name may already be another file.
      int again = openat(parent.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
      if (again < 0) return failure.set("open", errno, path);
      struct stat first, second;
      if (fstat(made.get(), &first) != 0 || fstat(again, &second) != 0 || first.st_ino != second.st_ino ||
          first.st_dev != second.st_dev) {
        ::close(again);
        continue;
      }
      return again;
    }
    if (errno != EEXIST) return failure.set("open", errno, path);
    // A dangling link: its value is resolved inside of the root, relative to where it stands.
    char value[PATH_MAX];
    ssize_t count = readlinkat(parent.get(), name, value, sizeof value - 1);
    if (count < 0) continue;
    value[count] = 0;
    char next[PATH_MAX];
    size_t head = 0;
    if (value[0] != '/') {
      const char *slash = strrchr(current, '/');
      head = slash ? static_cast<size_t>(slash - current) + 1 : 0;
    }
    if (head + static_cast<size_t>(count) >= sizeof next) return failure.set("open", ENAMETOOLONG, path);
    memcpy(next, current, head);
    memcpy(next + head, value, static_cast<size_t>(count) + 1);
    memcpy(current, next, head + static_cast<size_t>(count) + 1);
  }
  return failure.set("open", ELOOP, path);
}

}  // namespace tsd

// Owns reaching a file of procfs that is proven to be one.
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "mount.h"
#include "path_in_root.h"
#include "unique_fd.h"

namespace tsd {

int private_procfs(Failure &failure) {
  UniqueFd context(filesystem_open("proc", failure));
  if (!context.valid()) return -1;
  return filesystem_mount(context.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, failure);
}

int open_in_procfs(int proc, const char *path, int flags, Failure &failure) {
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  long fd = syscall(SYS_openat2, proc, path, &how, sizeof how);
  if (fd < 0) return failure.set("openat2", errno, path);
  return static_cast<int>(fd);
}

int proven_procfs(int root, Failure &failure) {
  UniqueFd proc(open_in_root(root, "/proc", O_PATH | O_DIRECTORY, failure, RESOLVE_NO_SYMLINKS));
  if (!proc.valid()) return -1;
  struct statfs system;
  struct stat status;
  if (fstatfs(proc.get(), &system) != 0 || fstat(proc.get(), &status) != 0) return failure.set("fstatfs", errno, "/proc");
  if (system.f_type != PROC_SUPER_MAGIC || status.st_ino != 1) return failure.set("procfs", EXDEV, "/proc is not a procfs");
  return proc.release();
}

int write_in_procfs(int proc, const char *path, const char *value, Failure &failure) {
  UniqueFd file(open_in_procfs(proc, path, O_WRONLY, failure));
  if (!file.valid()) return -1;
  size_t length = strlen(value);
  ssize_t count;
  do {
    count = write(file.get(), value, length);
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(length)) return failure.set("write", count < 0 ? errno : EIO, path);
  return 0;
}

}  // namespace tsd

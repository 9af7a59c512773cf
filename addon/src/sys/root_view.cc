// Owns the making of a root view; see root_view.h.
#include "root_view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount.h"
#include "path_in_root.h"

namespace tsd {

namespace {

int open_target(int root, const ViewBind &bind, bool is_directory, bool make, Failure &failure) {
  if (!make) return open_in_root(root, bind.target.c_str(), O_PATH, failure);
  return is_directory ? make_directory_in_root(root, bind.target.c_str(), failure)
                      : make_file_in_root(root, bind.target.c_str(), failure);
}

bool attach_bind(int root, const ViewBind &bind, bool make, Failure &failure) {
  UniqueFd tree(clone_tree(AT_FDCWD, bind.source.c_str(), bind.recursive, failure));
  // A source that has gone is an empty place, as it would be after the next start fails.
  if (!tree.valid()) return failure.error == ENOENT;
  struct stat info;
  if (fstat(tree.get(), &info) != 0) return failure.set("fstat", errno, bind.source.c_str()) == 0;
  UniqueFd target(open_target(root, bind, S_ISDIR(info.st_mode), make, failure));
  if (!target.valid()) return !make && (failure.error == ENOENT || failure.error == ENOTDIR);
  if (bind.read_only && set_mount_attributes(tree.get(), MOUNT_ATTR_RDONLY, 0, 0, bind.recursive, failure) != 0) return false;
  return attach_mount(tree.get(), target.get(), failure) == 0;
}

}  // namespace

bool make_root_view(int root, const std::string &staging, const std::vector<ViewBind> &binds, bool make_targets, RootView &view,
                    Failure &failure) {
  if (unshare(CLONE_NEWNS) != 0) return failure.set("unshare", errno, "mount namespace") == 0;
  view.mount_namespace.reset(open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC));
  if (!view.mount_namespace.valid()) return failure.set("open", errno, "/proc/thread-self/ns/mnt") == 0;
  UniqueFd host(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!host.valid() || set_mount_attributes(host.get(), 0, 0, MS_PRIVATE, true, failure) != 0) return false;
  UniqueFd place(open(staging.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place.valid()) return failure.set("open", errno, staging.c_str()) == 0;
  if (attach_mount(root, place.get(), failure) != 0) return false;
  for (const ViewBind &bind : binds) {
    if (!attach_bind(root, bind, make_targets, failure)) {
      failure.prefix(bind.target.c_str());
      return false;
    }
  }
  if (pivot_to(root, failure) != 0) return false;
  view.root.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return view.root.valid() || failure.set("open", errno, "/") == 0;
}

bool copy_root_view(int mount_namespace, const std::vector<std::string> &without, bool bare, RootView &view, Failure &failure) {
  // Through the host's procfs: the process's own does not know this thread.
  UniqueFd own(open("/proc/thread-self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) return failure.set("open", errno, "/proc/thread-self/ns") == 0;
  if (unshare(CLONE_FS) != 0) return failure.set("unshare", errno, "file system context") == 0;
  if (setns(mount_namespace, CLONE_NEWNS) != 0) return failure.set("setns", errno, "mount namespace") == 0;
  if (unshare(CLONE_NEWNS) != 0) return failure.set("unshare", errno, "mount namespace") == 0;
  view.mount_namespace.reset(openat(own.get(), "mnt", O_RDONLY | O_CLOEXEC));
  if (!view.mount_namespace.valid()) return failure.set("open", errno, "mnt") == 0;
  UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return failure.set("open", errno, "/") == 0;
  // Before anything is taken away: nothing of it may reach the process's own mounts.
  if (set_mount_attributes(root.get(), 0, 0, MS_PRIVATE, true, failure) != 0) return false;
  if (bare) {
    view.root.reset(clone_tree_of(root.get(), false, failure));
    return view.root.valid();
  }
  for (const std::string &name : without) {
    const std::string path = "/" + name;
    if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT && errno != ENOTDIR) {
      return failure.set("umount2", errno, path.c_str()) == 0;
    }
  }
  view.root = std::move(root);
  return true;
}

}  // namespace tsd

// Owns the plan's lines that shape the container's file system. Every target is reached inside of the root at the time of use, every
// mount goes by descriptor.
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../sys/mount.h"
#include "../sys/path_in_root.h"
#include "../sys/procfs.h"
#include "../sys/text.h"
#include "../sys/unique_fd.h"
#include "plan.h"

namespace tsd {

namespace {

// Fails with the target in the detail, where the mount calls know only descriptors.
int about(const char *target, Failure &failure) {
  if (failure.detail[0] == 0) return failure.set(failure.step, failure.error, target);
  return -1;
}

// /dev/null of the container, proven by its device number, kept by descriptor: what takes its place later is not used.
int proven_null(PlanContext &context, int root, Failure &failure) {
  if (context.null_device >= 0) return context.null_device;
  UniqueFd device(open_in_root(root, "/dev/null", O_PATH | O_NOFOLLOW, failure));
  if (!device.valid()) return -1;
  struct stat status;
  if (fstat(device.get(), &status) != 0) return failure.set("fstat", errno, "/dev/null");
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)) {
    return failure.set("mask", ENODEV, "/dev/null of the container is not the null device");
  }
  return context.null_device = device.release();
}

int empty_directory(PlanContext &context, Failure &failure) {
  if (context.empty >= 0) return context.empty;
  UniqueFd system(filesystem_open("tmpfs", failure));
  if (!system.valid()) return -1;
  if (filesystem_set(system.get(), "source", "tmpfs", failure) != 0 || filesystem_set(system.get(), "ro", nullptr, failure) != 0 ||
      filesystem_set(system.get(), "size", "0k", failure) != 0) {
    return -1;
  }
  return context.empty = filesystem_mount(system.get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, failure);
}

uint64_t mount_id(int fd) {
  struct statx status = {};
  return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) == 0 && (status.stx_mask & STATX_MNT_ID) ? status.stx_mnt_id : 0;
}

// A mount over a part of /proc feeds the engine and the container false kernel files. Which ones below /proc may be asked for by name is
// the spec's decision; a link of the image or of a volume must not lead there by another name.
int refuse_procfs(int root, int place, const char *target, Failure &failure) {
  if (strncmp(target, "/proc", 5) == 0 && (target[5] == 0 || target[5] == '/')) return 0;
  struct statfs system;
  if (fstatfs(place, &system) != 0) return failure.set("fstatfs", errno, target);
  if (system.f_type != PROC_SUPER_MAGIC) return 0;
  Failure none;
  UniqueFd proc(open_in_root(root, "/proc", O_PATH | O_DIRECTORY, none));
  // The host's procfs, bound somewhere else by the client, is no concern here.
  if (!proc.valid() || mount_id(proc.get()) != mount_id(place)) return 0;
  Text<512> about;
  about.add(target).add(": a link leads inside /proc");
  return failure.set("attach", EPERM, about.text());
}

// The target of a mask or a read-only line. What is below /proc is opened below a proven procfs without following a link; a mount that
// covers it already is covered again. -1 with ENOENT when it is missing.
int open_guarded(int root, const char *path, Failure &failure) {
  if (strncmp(path, "/proc/", 6) == 0) {
    UniqueFd proc(proven_procfs(root, failure));
    if (!proc.valid()) return -1;
    return open_in_root(proc.get(), path + 6, O_PATH, failure, RESOLVE_NO_SYMLINKS);
  }
  return open_in_root(root, path, O_PATH, failure);
}

bool missing(const Failure &failure) { return failure.error == ENOENT || failure.error == ENOTDIR; }

}  // namespace

int op_propagation(PlanContext &, const Line &line, Failure &failure) {
  if (mount(nullptr, "/", nullptr, line.number(0), nullptr) != 0) return failure.set("mount", errno, "/");
  return 0;
}

int op_root(PlanContext &context, const Line &line, Failure &failure) {
  int root = slot_of(context, line.number(0), failure);
  if (root < 0) return -1;
  if (move_mount(root, "", AT_FDCWD, line.text(1), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return failure.set("move_mount", errno, line.text(1));
  }
  context.root = root;
  return 0;
}

int op_filesystem(PlanContext &context, const Line &line, Failure &failure) {
  const char *type = line.text(0), *source = line.text(1), *target = line.text(2);
  int root = root_of(context, failure);
  if (root < 0) return -1;
  // A kernel file system behind a symbolic link of the image would leave the true place to the image.
  bool kernel = strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0;
  UniqueFd place;
  if (kernel) {
    place.reset(open_in_root(root, target, O_PATH | O_NOFOLLOW, failure, RESOLVE_NO_SYMLINKS));
    struct stat status;
    if (place.valid() && (fstat(place.get(), &status) != 0 || !S_ISDIR(status.st_mode))) {
      return failure.set("openat2", ENOTDIR, target);
    }
    if (!place.valid() && failure.error != ENOENT) return -1;
  }
  if (!place.valid()) place.reset(make_directory_in_root(root, target, failure));
  if (!place.valid() || refuse_procfs(root, place.get(), target, failure) != 0) return -1;
  UniqueFd system(filesystem_open(type, failure));
  if (!system.valid()) return -1;
  if (*source && filesystem_set(system.get(), "source", source, failure) != 0) return -1;
  for (unsigned i = 4; i < line.count; i++) {
    if (filesystem_set_text(system.get(), line.text(i), failure) != 0) return -1;
  }
  UniqueFd made(filesystem_mount(system.get(), line.number(3), failure));
  if (!made.valid()) return about(target, failure);
  if (attach_mount(made.get(), place.get(), failure) != 0) return about(target, failure);
  return 0;
}

int op_attach(PlanContext &context, const Line &line, Failure &failure) {
  const char *target = line.text(1);
  uint64_t attributes = line.number(2), propagation = line.number(3);
  bool recursive = line.number(4) != 0, directory = line.number(5) != 0;
  int tree = slot_of(context, line.number(0), failure);
  int root = tree < 0 ? -1 : root_of(context, failure);
  if (root < 0) return -1;
  UniqueFd place(directory ? make_directory_in_root(root, target, failure) : make_file_in_root(root, target, failure));
  if (!place.valid() || refuse_procfs(root, place.get(), target, failure) != 0) return -1;
  if (propagation != 0) {
    bool whole = recursive || (propagation & MS_REC);
    if (set_mount_attributes(tree, 0, 0, propagation & ~uint64_t{MS_REC}, whole, failure) != 0) return about(target, failure);
  }
  if (attributes != 0 && set_mount_attributes(tree, attributes, 0, 0, recursive, failure) != 0) return about(target, failure);
  if (attach_mount(tree, place.get(), failure) != 0) return about(target, failure);
  return 0;
}

int op_mount_attributes(PlanContext &context, const Line &line, Failure &failure) {
  int root = root_of(context, failure);
  if (root < 0) return -1;
  UniqueFd place(open_in_root(root, line.text(0), O_PATH, failure));
  if (!place.valid()) return -1;
  uint64_t propagation = line.number(3);
  bool recursive = line.number(4) != 0;
  if (propagation != 0) {
    bool whole = recursive || (propagation & MS_REC);
    if (set_mount_attributes(place.get(), 0, 0, propagation & ~uint64_t{MS_REC}, whole, failure) != 0) return about(line.text(0), failure);
  }
  if (set_mount_attributes(place.get(), line.number(1), line.number(2), 0, recursive, failure) != 0) return about(line.text(0), failure);
  return 0;
}

int op_mkdir(PlanContext &context, const Line &line, Failure &failure) {
  int root = root_of(context, failure);
  if (root < 0) return -1;
  UniqueFd there(open_in_root(root, line.text(0), O_PATH | O_DIRECTORY, failure));
  if (there.valid()) return 0;
  char name[256];
  UniqueFd parent(make_parent_in_root(root, line.text(0), name, failure));
  if (!parent.valid()) return -1;
  if (mkdirat(parent.get(), name, static_cast<mode_t>(line.number(1) & 07777)) != 0) {
    if (errno != EEXIST) return failure.set("mkdir", errno, line.text(0));
    UniqueFd made(make_directory_in_root(root, line.text(0), failure));
    return made.valid() ? 0 : -1;
  }
  if (fchownat(parent.get(), name, static_cast<uid_t>(line.number(2)), static_cast<gid_t>(line.number(3)), AT_SYMLINK_NOFOLLOW) != 0) {
    return failure.set("chown", errno, line.text(0));
  }
  return 0;
}

int op_device(PlanContext &context, const Line &line, Failure &failure) {
  const char *path = line.text(0);
  auto mode = static_cast<mode_t>(line.number(1));
  dev_t number = makedev(static_cast<unsigned>(line.number(2)), static_cast<unsigned>(line.number(3)));
  int root = root_of(context, failure);
  if (root < 0) return -1;
  char name[256];
  UniqueFd parent(make_parent_in_root(root, path, name, failure));
  if (!parent.valid()) return -1;
  if (mknodat(parent.get(), name, mode, number) != 0) {
    if (errno != EEXIST) return failure.set("mknod", errno, path);
    struct stat status;
    if (fstatat(parent.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) return failure.set("stat", errno, path);
    if ((status.st_mode & S_IFMT) != (mode & S_IFMT) || (!S_ISFIFO(mode) && status.st_rdev != number)) {
      return failure.set("mknod", EEXIST, path);
    }
  }
  if (fchownat(parent.get(), name, static_cast<uid_t>(line.number(4)), static_cast<gid_t>(line.number(5)), AT_SYMLINK_NOFOLLOW) != 0) {
    return failure.set("chown", errno, path);
  }
  // After the owner: a change of owner drops set-id bits.
  if (fchmodat(parent.get(), name, mode & 07777, 0) != 0) return failure.set("chmod", errno, path);
  return 0;
}

int op_symlink(PlanContext &context, const Line &line, Failure &failure) {
  const char *value = line.text(0), *path = line.text(1);
  int root = root_of(context, failure);
  if (root < 0) return -1;
  char name[256];
  UniqueFd parent(make_parent_in_root(root, path, name, failure));
  if (!parent.valid()) return -1;
  if (symlinkat(value, parent.get(), name) == 0) return 0;
  int error = errno;
  char old[4096];
  ssize_t count = error == EEXIST ? readlinkat(parent.get(), name, old, sizeof old) : -1;
  if (count == static_cast<ssize_t>(strlen(value)) && memcmp(old, value, static_cast<size_t>(count)) == 0) return 0;
  return failure.set("symlink", error, path);
}

int op_mask(PlanContext &context, const Line &line, Failure &failure) {
  const char *path = line.text(0);
  int root = root_of(context, failure);
  if (root < 0) return -1;
  UniqueFd place(open_guarded(root, path, failure));
  if (!place.valid()) return missing(failure) ? 0 : -1;
  struct stat status;
  if (fstat(place.get(), &status) != 0) return failure.set("fstat", errno, path);
  int cover = S_ISDIR(status.st_mode) ? empty_directory(context, failure) : proven_null(context, root, failure);
  if (cover < 0) return -1;
  UniqueFd copy(clone_tree_of(cover, false, failure));
  if (!copy.valid()) return about(path, failure);
  if (attach_mount(copy.get(), place.get(), failure) != 0) return about(path, failure);
  return 0;
}

int op_readonly(PlanContext &context, const Line &line, Failure &failure) {
  const char *path = line.text(0);
  int root = root_of(context, failure);
  if (root < 0) return -1;
  UniqueFd place(open_guarded(root, path, failure));
  if (!place.valid()) return missing(failure) ? 0 : -1;
  UniqueFd copy(clone_tree_of(place.get(), true, failure));
  if (!copy.valid()) return about(path, failure);
  if (set_mount_attributes(copy.get(), MOUNT_ATTR_RDONLY, 0, 0, false, failure) != 0) return about(path, failure);
  if (attach_mount(copy.get(), place.get(), failure) != 0) return about(path, failure);
  return 0;
}

int op_pivot_root(PlanContext &context, const Line &, Failure &failure) {
  if (context.root < 0) return failure.set("root", EINVAL, "no line root before");
  if (pivot_to(context.root, failure) != 0) return -1;
  context.pivoted = true;
  return 0;
}

int op_remount_root(PlanContext &context, const Line &line, Failure &failure) {
  int root = root_of(context, failure);
  if (root < 0) return -1;
  if (set_mount_attributes(root, line.number(0), 0, 0, false, failure) != 0) return about("/", failure);
  return 0;
}

}  // namespace tsd

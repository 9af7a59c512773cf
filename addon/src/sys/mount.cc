// Owns mounts by descriptor. glibc 2.36 has the calls; pivot_root has no wrapper.
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unique_fd.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

namespace tsd {

namespace {

// The kernel explains a refused mount in lines `e overlay: ...` that are read from the context. The first one is enough.
void explain(int context, const char *about, int error, Failure &failure) {
  char line[200];
  ssize_t count = read(context, line, sizeof line - 1);
  if (count > 2) {
    while (count > 0 && line[count - 1] == '\n') count--;
    line[count] = 0;
    failure.set("fsconfig", error, line + 2);
    failure.prefix(about);
    return;
  }
  failure.set("fsconfig", error, about);
}

}  // namespace

int filesystem_open(const char *type, Failure &failure) {
  int context = fsopen(type, FSOPEN_CLOEXEC);
  if (context < 0) return failure.set("fsopen", errno, type);
  return context;
}

int filesystem_set(int context, const char *key, const char *value, Failure &failure) {
  int outcome = value ? fsconfig(context, FSCONFIG_SET_STRING, key, value, 0)
                      : fsconfig(context, FSCONFIG_SET_FLAG, key, nullptr, 0);
  if (outcome != 0) {
    explain(context, key, errno, failure);
    return -1;
  }
  return 0;
}

int filesystem_set_text(int context, const char *option, Failure &failure) {
  const char *equals = strchr(option, '=');
  if (!equals) return filesystem_set(context, option, nullptr, failure);
  char key[64];
  size_t length = static_cast<size_t>(equals - option);
  if (length >= sizeof key) return failure.set("fsconfig", ENAMETOOLONG, option);
  memcpy(key, option, length);
  key[length] = 0;
  return filesystem_set(context, key, equals + 1, failure);
}

int filesystem_mount(int context, uint64_t attributes, Failure &failure) {
  if (fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    explain(context, "create", errno, failure);
    return -1;
  }
  int mount = fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
  if (mount < 0) return failure.set("fsmount", errno);
  return mount;
}

int clone_tree(int directory, const char *path, bool recursive, Failure &failure) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0u);
  int tree = open_tree(directory, path, flags);
  if (tree < 0) return failure.set("open_tree", errno, path);
  return tree;
}

int clone_tree_of(int fd, bool recursive, Failure &failure) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
  int tree = open_tree(fd, "", flags);
  if (tree < 0) return failure.set("open_tree", errno);
  return tree;
}

int attach_mount(int from, int to, Failure &failure) {
  if (move_mount(from, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return failure.set("move_mount", errno);
  }
  return 0;
}

int set_mount_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive, Failure &failure) {
  struct mount_attr attributes = {};
  attributes.attr_set = set;
  attributes.attr_clr = clear;
  attributes.propagation = propagation;
  unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
  if (mount_setattr(fd, "", flags, &attributes, sizeof attributes) != 0) return failure.set("mount_setattr", errno);
  return 0;
}

int pivot_to(int root, Failure &failure) {
  if (fchdir(root) != 0) return failure.set("fchdir", errno);
  // The new root on top of the old one in the same place: no directory for the old one is needed inside of the container.
  if (syscall(SYS_pivot_root, ".", ".") != 0) return failure.set("pivot_root", errno);
  if (umount2(".", MNT_DETACH) != 0) return failure.set("umount2", errno, "old root");
  if (chdir("/") != 0) return failure.set("chdir", errno, "/");
  return 0;
}

int mount_overlay(const OverlayRequest &request, Failure &failure) {
  uint64_t attributes = request.readonly ? MOUNT_ATTR_RDONLY : 0;
  if (request.lower_count == 0) return failure.set("overlay", EINVAL, "no lower directory");
  if (!request.upper && request.lower_count == 1) {
    // overlayfs wants two layers when nothing is written; a copy of the one directory's mount is the same view.
    UniqueFd tree(clone_tree(AT_FDCWD, request.lower[0], false, failure));
    if (!tree.valid()) return -1;
    if (set_mount_attributes(tree.get(), MOUNT_ATTR_RDONLY, 0, MS_PRIVATE, false, failure) != 0) return -1;
    return tree.release();
  }
  UniqueFd context(filesystem_open("overlay", failure));
  if (!context.valid()) return -1;
  if (filesystem_set(context.get(), "source", "overlay", failure) != 0) return -1;
  bool appended = true;
  for (unsigned i = 0; i < request.lower_count; i++) {
    if (fsconfig(context.get(), FSCONFIG_SET_STRING, "lowerdir+", request.lower[i], 0) == 0) continue;
    if (i == 0 && errno == EINVAL && faccessat(AT_FDCWD, request.lower[0], F_OK, 0) == 0) {
      appended = false;
      break;
    }
    int error = errno;
    explain(context.get(), request.lower[i], error, failure);
    return -1;
  }
  constexpr unsigned kJoinedLimit = 16;
  UniqueFd layers[kJoinedLimit];
  if (!appended) {
    // Before Linux 6.7 `lowerdir` takes all layers in one text of at most 255 bytes: name them by short descriptor paths.
    char joined[256];
    size_t used = 0;
    for (unsigned i = 0; i < request.lower_count; i++) {
      if (i == kJoinedLimit) return failure.set("overlay", E2BIG, "this kernel takes no more layers (lowerdir+ needs Linux 6.7)");
      layers[i].reset(open(request.lower[i], O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!layers[i].valid()) return failure.set("open", errno, request.lower[i]);
      int count = snprintf(joined + used, sizeof joined - used, "%s/proc/self/fd/%d", i ? ":" : "", layers[i].get());
      if (count < 0 || used + static_cast<size_t>(count) >= sizeof joined) {
        return failure.set("overlay", E2BIG, "this kernel takes no more layers (lowerdir+ needs Linux 6.7)");
      }
      used += static_cast<size_t>(count);
    }
    // A fresh context: the refused key may have left a mark.
    context.reset(filesystem_open("overlay", failure));
    if (!context.valid()) return -1;
    if (filesystem_set(context.get(), "source", "overlay", failure) != 0) return -1;
    if (filesystem_set(context.get(), "lowerdir", joined, failure) != 0) return -1;
  }
  if (request.upper && filesystem_set(context.get(), "upperdir", request.upper, failure) != 0) return -1;
  if (request.upper && request.work && filesystem_set(context.get(), "workdir", request.work, failure) != 0) return -1;
  for (unsigned i = 0; i < request.option_count; i++) {
    if (filesystem_set_text(context.get(), request.options[i], failure) != 0) return -1;
  }
  return filesystem_mount(context.get(), attributes, failure);
}

}  // namespace tsd

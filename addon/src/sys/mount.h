// Owns mounts by descriptor: fsopen, fsmount, open_tree, move_mount, mount_setattr, pivot_root. It knows no path of its own.
#pragma once

#include <stdint.h>

#include "result.h"

namespace tsd {

/// One `key=value` or flag for fsconfig(2).
struct FilesystemOption {
  const char *key;
  const char *value;  // nullptr: a flag
};

/// fsopen(2). Returns the configuration context or -1.
int filesystem_open(const char *type, Failure &failure);

/// fsconfig(2) of one option. The kernel's own explanation (read from the context) goes into the detail.
int filesystem_set(int context, const char *key, const char *value, Failure &failure);

/// Sets an option given as `key=value` or `key`, at most 4095 bytes.
int filesystem_set_text(int context, const char *option, Failure &failure);

/// FSCONFIG_CMD_CREATE and fsmount(2) with MOUNT_ATTR_* `attributes`. Returns a detached mount or -1.
int filesystem_mount(int context, uint64_t attributes, Failure &failure);

/// A detached copy of the mount or directory at `path` (open_tree with OPEN_TREE_CLONE).
int clone_tree(int directory, const char *path, bool recursive, Failure &failure);

/// The same of what `fd` refers to.
int clone_tree_of(int fd, bool recursive, Failure &failure);

/// move_mount(2) of the detached mount `from` onto what `to` refers to.
int attach_mount(int from, int to, Failure &failure);

/// mount_setattr(2) on the mount of `fd`. `propagation` is an MS_* value or 0.
int set_mount_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive, Failure &failure);

/// Makes `root` the root of this mount namespace, drops the old one and stands in `/`.
int pivot_to(int root, Failure &failure);

/// An overlay mount that no mount namespace has. `lower`: top-most first; `upper` and `work` may be null (read-only view).
struct OverlayRequest {
  const char *const *lower;
  unsigned lower_count;
  const char *upper;
  const char *work;
  const char *const *options;
  unsigned option_count;
  bool readonly;
};
int mount_overlay(const OverlayRequest &request, Failure &failure);

}  // namespace tsd

// Owns reaching a file of procfs that is proven to be one. Another engine wrote through what a container had put in its place.
#pragma once

#include "result.h"

namespace tsd {

/// A procfs instance of this process's pid namespace that nobody else has: a detached mount. Needs CAP_SYS_ADMIN.
int private_procfs(Failure &failure);

/// Opens `path` below the procfs root `proc` without following any link or leaving that mount.
int open_in_procfs(int proc, const char *path, int flags, Failure &failure);

/// Opens `/proc` as it is seen in `root` and proves it to be the root of a procfs.
int proven_procfs(int root, Failure &failure);

/// Writes `value` with one call to the file `path` below `proc`.
int write_in_procfs(int proc, const char *path, const char *value, Failure &failure);

}  // namespace tsd

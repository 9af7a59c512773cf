// Owns reaching a path inside of a directory tree that somebody else controls. Nothing else may resolve such a path.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "result.h"

namespace tsd {

/// openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS below `root`. `resolve` adds more RESOLVE_* flags.
/// Returns a close-on-exec descriptor, or -1 (step `openat2`, detail: the path).
int open_in_root(int root, const char *path, int flags, Failure &failure, uint64_t resolve = 0);

/// Opens the directory `path` (O_PATH) and makes what is missing of it, 0755, owned by the caller. Dangling symbolic links are
/// followed inside of the root. Returns a descriptor or -1.
int make_directory_in_root(int root, const char *path, Failure &failure);

/// Opens the directory that holds the last component of `path`, making missing ones, and copies that component to `name`.
/// A path without a last component (`/`, `a/..`) is EINVAL.
int make_parent_in_root(int root, const char *path, char (&name)[256], Failure &failure);

/// Opens `path` (O_PATH), following a final symbolic link inside of the root; makes an empty regular file (0755) when it is
/// missing.
int make_file_in_root(int root, const char *path, Failure &failure);

}  // namespace tsd

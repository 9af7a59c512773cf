// Owns what the archive files share: the jail and walks over trees by descriptors. Knows no archive.
#pragma once

#include <string>

#include "archive_input.h"
#include "unique_fd.h"

namespace tsd::archive {

using Descriptor = UniqueFd;

/// Makes the directory the calling thread's root for good: no name and no link leads out of it. The thread must be a
/// fresh one that ends after the work, because its root, working directory and umask (0) are its own from here on.
bool enter_jail(int directory, Failure &failure);

/// openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS; -1 and errno.
int open_beneath(int root, const std::string &path, int flags);

/// Removes a file, or a directory with all that is below it, without following a link. Missing is no error.
/// `*lost_data` is set when a regular file with content goes.
bool remove_tree_at(int parent, const char *name, bool *lost_data, Failure &failure);

struct TreeUsage {
  /// Apparent sizes of everything but directories, hard links once.
  uint64_t bytes = 0;
  /// Allocated bytes (512 times st_blocks), directories included, hard links once.
  uint64_t allocated = 0;
  uint64_t inodes = 0;
};

bool measure_tree(int directory, TreeUsage &usage, Failure &failure);

/// Copies what is below `source` into `target` (both open directories): owners, modes, times, extended attributes, hard
/// links, sparse files, devices, fifos; the directory's own owner, mode and times too. Links are copied, never followed.
/// Nothing is executed or resolved by path. `overlay` attributes and whiteouts of an overlay are not seen through a mount.
bool copy_tree_at(int source, int target, Failure &failure);

/// A name for messages, with bytes outside of ASCII's printable ones escaped.
std::string printable(const std::string &name);

}  // namespace tsd::archive

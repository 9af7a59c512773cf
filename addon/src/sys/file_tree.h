// Owns listing, hashing and placing files of trees that somebody else controls, for builds: what COPY takes and where it goes. Every path is
// reached beneath a root descriptor. Knows no Dockerfile: which file goes where, with which owner and mode, is the caller's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "archive_input.h"

namespace tsd::archive {

struct TreeEntry {
  /// Below what was listed; empty: that itself.
  std::string path;
  /// st_mode, type included.
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;
  int64_t mtime = 0;
  /// Of a symbolic link.
  std::string link;
};

/// Lists `path` beneath `root`, a final link followed, and all that is below it, no link followed: names sorted by bytes, a directory before
/// what it holds. `*found` is false when there is nothing.
bool list_tree(int root, const std::string &path, bool *found, std::vector<TreeEntry> &entries, Failure &failure);

/// `sha256:` of the contents of regular files; empty for anything else.
bool hash_files(int root, const std::vector<std::string> &paths, std::vector<std::string> &digests, Failure &failure);

struct Placement {
  /// Beneath the source root; a final link is followed when `follow`. Empty with `make`.
  std::string from;
  /// Beneath the target root. Links in its directories are followed inside of the root; what its last component is gets replaced, but for a
  /// directory (or a link to one) that meets a directory.
  std::string to;
  /// Permission bits; -1: the source's.
  int64_t mode = -1;
  bool follow = false;
  /// Make a directory, without a source, when there is none.
  bool make = false;
  /// An existing directory keeps its owner and mode.
  bool keep = false;
};

struct PlaceOptions {
  int source = -1;
  int target = -1;
  /// -1: the source's (0 for directories that are made on the way).
  int64_t uid = -1;
  int64_t gid = -1;
  /// Seconds since 1970 for everything that is placed; -1: the source's times.
  int64_t mtime = -1;
};

/// Places one after another. Hard links among the sources stay hard links. ENOTDIR and EISDIR when the kinds do not fit.
bool place_files(const PlaceOptions &options, const std::vector<Placement> &placements, Failure &failure);

}  // namespace tsd::archive

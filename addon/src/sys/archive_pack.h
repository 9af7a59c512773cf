// Owns the making of a tar out of a directory: pax where ustar is too small, names sorted, so that the same tree gives the same bytes.
#pragma once

#include <string>

#include "archive_fd.h"

namespace tsd::archive {

struct PackOptions {
  /// The directory to pack, or the one that holds `base`.
  int source = -1;
  /// A single entry of `source` instead of all that is below it: of any kind, links as links. Its name is the entry's; `prefix` is not used.
  std::string base;
  /// What stands before every name: empty, or `name` (`.` and `/` too) for an archive whose top entry is that name.
  std::string prefix;
  /// Turn an overlay's whiteouts (character device 0:0) and opaque directories into `.wh.` names.
  bool overlay_whiteouts = false;
  /// File, pipe or socket.
  int target = -1;
};

struct Packed {
  std::string digest;
  uint64_t size = 0;
};

/// Walks by descriptors, follows no link, opens nothing but regular files and directories. Sockets are left out. A file that changes its
/// size while it is read is cut or filled up with zeros to the size in its header.
bool pack_tree(const PackOptions &options, Packed &result, Failure &failure);

}  // namespace tsd::archive

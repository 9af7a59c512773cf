// Owns views of a container's files for the host side: its root with mounts on it, in a mount namespace that nobody lives in. It decides
// nothing about which mounts there are.
#pragma once

#include <string>
#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace tsd {

struct ViewBind {
  std::string source;  // host path
  std::string target;  // below the root
  bool read_only = false;
  bool recursive = true;
};

/// The mounts live as long as `mount_namespace` is open; paths below `root` lead through them.
struct RootView {
  UniqueFd root;
  UniqueFd mount_namespace;
};

/// Attaches the detached mount `root` and the binds in a fresh mount namespace and makes it the root there. Targets are reached beneath
/// the root; missing ones are made when `make_targets`, else the bind is left out. `staging` is an empty directory of the host. Must run
/// on a thread of its own that ends afterwards: it leaves the host's mount namespace for good.
bool make_root_view(int root, const std::string &staging, const std::vector<ViewBind> &binds, bool make_targets, RootView &view,
                    Failure &failure);

/// A copy of the mounts of a process, by its mount namespace: what the process sees, without the mounts `without` (names in `/`, with what
/// is on them). `bare`: the mount of the root alone. Thread as above.
bool copy_root_view(int mount_namespace, const std::vector<std::string> &without, bool bare, RootView &view, Failure &failure);

}  // namespace tsd

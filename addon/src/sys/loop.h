// Owns loop devices: a regular file as a block device (loop(4)). It mounts nothing.
#pragma once

#include <string>

#include "result.h"
#include "unique_fd.h"

namespace tsd {

/// Attaches `file` to a free loop device, whose path goes to `path`. The device goes by itself when nothing has it open or mounted any more:
/// the caller holds the descriptor until it is mounted. -1 on failure.
int attach_loop(const char *file, std::string &path, Failure &failure);

}  // namespace tsd

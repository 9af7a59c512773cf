// Owns the comparison of an overlay's upper directory with what lies below it. Reads by descriptors, follows no link, changes nothing.
#pragma once

#include <string>
#include <vector>

#include "archive_fd.h"

namespace tsd::archive {

enum class ChangeKind { modified = 0, added = 1, deleted = 2 };

struct Change {
  std::string path;  // from the root, with a slash
  ChangeKind kind;
};

/// What `upper` (an overlay's upper directory, not the mount) changes of `lower` (a view of the layers below). Sorted by path; a directory
/// that only leads to a change is told when something came or went in it.
bool compare_layers(int upper, int lower, std::vector<Change> &changes, Failure &failure);

}  // namespace tsd::archive

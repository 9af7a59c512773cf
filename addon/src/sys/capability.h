// Owns capability sets of the calling thread, as bit masks. It knows no names.
#pragma once

#include <stdint.h>

#include "result.h"

namespace tsd {

/// Drops from the bounding set what is not in `keep`. What it has not got already stays out.
int limit_bounding_set(uint64_t keep, Failure &failure);

/// capset(2) and the ambient set, which is emptied first.
int set_capabilities(uint64_t permitted, uint64_t effective, uint64_t inheritable, uint64_t ambient, Failure &failure);

}  // namespace tsd

// Owns the making of a process from a plan: host lines, standard streams, clone, and the child's run down to the exec.
#pragma once

#include "monitor.h"
#include "plan.h"

namespace tsd {

/// What of the launch failed.
struct LaunchFailure {
  uint32_t index = 0;
  const char *step = "plan";
  Failure failure;
};

/// Runs the plan's host lines and clones. `session` has its streams, pidfd and channel then, nothing is watched yet. The slots of
/// `context` are closed in this process. 0 or -1.
int launch(Session &session, PlanContext &context, LaunchFailure &failure);

}  // namespace tsd

// Owns the `--init` face: PID 1 of a container that passes signals on and reaps orphans, with the real program as its child.
#pragma once

#include <sys/types.h>

#include "plan.h"

namespace tsd {

/// Remembers where argv stands, so that the init face can show what it runs.
void remember_arguments(int argc, char **argv);

/// In PID 1: passes on every signal to `child`, reaps everybody, ends as `child` ends. `program` is the plan's exec line.
[[noreturn]] void run_init(pid_t child, const Line &program);

/// In the child of PID 1, before the rest of the plan: its own process group, in the foreground of a terminal.
void become_init_child();

}  // namespace tsd

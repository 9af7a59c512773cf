// Owns starting a host program from a sealed memory file. It never looks at what the program is.
#pragma once

#include "result.h"

namespace tsd {

/// Copies the file at `path` into a memory file that nobody can change any more. Returns its descriptor or -1.
int seal_program(const char *path, const char *name, Failure &failure);

/// Starts the program: a session of its own, an empty environment, `/` as directory, every signal at its default, /dev/null on 0, 1
/// and 2, `control` on 3 and nothing else. Returns the pid or -1.
int spawn_sealed(int program, const char *const *argv, int control, Failure &failure);

}  // namespace tsd

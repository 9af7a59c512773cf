// Owns terminals: opening a pair from a given devpts, window size, becoming the controlling terminal.
#pragma once

#include "result.h"

namespace tsd {

/// Both ends of a terminal, by descriptor. Neither is a controlling terminal yet.
struct Terminal {
  int master = -1;
  int slave = -1;
};

/// Opens a terminal of the devpts whose `ptmx` is at `path` below `root`. The slave comes from the master itself and from no path.
int open_terminal(int root, const char *path, Terminal &terminal, Failure &failure);

/// The other end of `master`, by no path. Returns a descriptor or -1 with errno.
int open_slave(int master);

/// TIOCSWINSZ; 0 or -1 with errno.
int set_window_size(int terminal, unsigned short rows, unsigned short columns);

}  // namespace tsd

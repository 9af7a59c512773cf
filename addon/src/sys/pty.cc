// Owns terminals.
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "path_in_root.h"
#include "unique_fd.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

namespace tsd {

int open_terminal(int root, const char *path, Terminal &terminal, Failure &failure) {
  UniqueFd master(open_in_root(root, path, O_RDWR | O_NOCTTY, failure));
  if (!master.valid()) return -1;
  // The multiplexer of a real devpts, not something that an image has put there.
  struct statfs system;
  if (fstatfs(master.get(), &system) != 0) return failure.set("fstatfs", errno, path);
  if (system.f_type != DEVPTS_SUPER_MAGIC) return failure.set("devpts", ENOTTY, path);
  int unlocked = 0;
  if (ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) return failure.set("TIOCSPTLCK", errno, path);
  int slave = open_slave(master.get());
  if (slave < 0) return failure.set("TIOCGPTPEER", errno, path);
  terminal.master = master.release();
  terminal.slave = slave;
  return 0;
}

int open_slave(int master) { return ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC); }

int set_window_size(int terminal, unsigned short rows, unsigned short columns) {
  struct winsize size = {};
  size.ws_row = rows;
  size.ws_col = columns;
  return ioctl(terminal, TIOCSWINSZ, &size);
}

}  // namespace tsd

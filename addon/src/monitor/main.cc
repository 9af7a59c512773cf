// Owns the monitor's first steps: what kind of process it is before it hears a word.
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"
#include "monitor.h"

namespace {

constexpr int kControl = 3;

// Nothing that is sent to the whole session of a terminal or to a service's processes ends a container.
void ignore_signals() {
  struct sigaction ignore;
  memset(&ignore, 0, sizeof ignore);
  ignore.sa_handler = SIG_IGN;
  constexpr int kIgnored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM};
  for (int number : kIgnored) sigaction(number, &ignore, nullptr);
}

}  // namespace

int main(int argc, char **argv) {
  if (fcntl(kControl, F_GETFD) < 0) {
    constexpr char kMessage[] = "tsd-monitor: started by the tsd daemon, with descriptor 3 as its connection; not for use by hand\n";
    return write(2, kMessage, sizeof kMessage - 1) > 0 ? 64 : 65;
  }
  fcntl(kControl, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_NAME, "tsd-monitor", 0, 0, 0);
  // Nobody reads what it holds: not a process of the container that it joins, not a core file.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  tsd::remember_arguments(argc, argv);
  ignore_signals();
  umask(077);
  if (chdir("/") != 0) return 66;
  // Big pieces come from mmap and go back at once; the small heap stays small.
  mallopt(M_MMAP_THRESHOLD, 32 * 1024);
  mallopt(M_TOP_PAD, 4 * 1024);
  mallopt(M_TRIM_THRESHOLD, 16 * 1024);
  static tsd::Monitor monitor;
  if (!monitor.loop.open()) return 67;
  tsd::monitor_run(monitor, tsd::UniqueFd(kControl));
  return 0;
}

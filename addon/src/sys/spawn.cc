// Owns starting a host program from a sealed memory file. vfork shares the address space until the exec: what the child does here is
// nothing but system calls, and it writes to no memory that the parent uses afterwards except `error`.
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unique_fd.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace tsd {

int seal_program(const char *path, const char *name, Failure &failure) {
  UniqueFd source(open(path, O_RDONLY | O_CLOEXEC));
  if (!source.valid()) return failure.set("open", errno, path);
  struct stat status;
  if (fstat(source.get(), &status) != 0) return failure.set("fstat", errno, path);
  UniqueFd copy(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  // MFD_EXEC came with Linux 6.3; before it every memory file may be executed.
  if (!copy.valid() && errno == EINVAL) copy.reset(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy.valid()) return failure.set("memfd_create", errno, name);
  off_t left = status.st_size;
  while (left > 0) {
    ssize_t count = sendfile(copy.get(), source.get(), nullptr, static_cast<size_t>(left));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure.set("sendfile", errno, path);
    if (count == 0) return failure.set("sendfile", EIO, path);
    left -= count;
  }
  if (fchmod(copy.get(), 0500) != 0) return failure.set("fchmod", errno, name);
  if (fcntl(copy.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return failure.set("fcntl", errno, "F_ADD_SEALS");
  }
  return copy.release();
}

namespace {

// The child between vfork and exec. Returns only on failure, with errno set.
void become_program(int program, const char *const *argv, int control, int null) {
  setsid();
  struct sigaction plain;
  memset(&plain, 0, sizeof plain);
  plain.sa_handler = SIG_DFL;
  for (int number = 1; number < _NSIG; number++) sigaction(number, &plain, nullptr);
  // `control` and `null` are moved out of the way of 0..3 before those are filled.
  int high_control = fcntl(control, F_DUPFD_CLOEXEC, 10);
  int high_null = fcntl(null, F_DUPFD_CLOEXEC, 10);
  int high_program = fcntl(program, F_DUPFD_CLOEXEC, 10);
  if (high_control < 0 || high_null < 0 || high_program < 0) return;
  for (int fd = 0; fd < 3; fd++) {
    if (dup2(high_null, fd) < 0) return;
  }
  if (dup2(high_control, 3) < 0) return;
  if (syscall(SYS_close_range, 4u, ~0u, CLOSE_RANGE_CLOEXEC) != 0) return;
  if (chdir("/") != 0) return;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  static const char *const empty[] = {nullptr};
  syscall(SYS_execveat, high_program, "", argv, empty, AT_EMPTY_PATH);
}

}  // namespace

int spawn_sealed(int program, const char *const *argv, int control, Failure &failure) {
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return failure.set("open", errno, "/dev/null");
  // No handler of this process may run in the child that shares its memory.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  volatile int error = 0;
  pid_t pid = vfork();
  if (pid == 0) {
    become_program(program, argv, control, null.get());
    error = errno;
    _exit(127);
  }
  int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (pid < 0) return failure.set("vfork", fork_error);
  if (error != 0) {
    // The child has ended; nobody else waits for it.
    siginfo_t info;
    syscall(SYS_waitid, 1 /* P_PID */, pid, &info, 4 /* WEXITED */, nullptr);
    return failure.set("execveat", error, argv[0]);
  }
  return pid;
}

}  // namespace tsd

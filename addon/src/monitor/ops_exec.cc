// Owns the plan's last lines: finding the program, the `--init` fork, the exec.
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../sys/text.h"
#include "init.h"
#include "plan.h"

namespace tsd {

namespace {

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// True when the file can be executed by us; errno says why not (EISDIR for a directory). Go's exec.LookPath asks the same.
bool executable(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return false;
  if (S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    return false;
  }
  // ENOSYS and EPERM come from seccomp filters that do not know faccessat2.
  if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0 && errno != ENOSYS && errno != EPERM) return false;
  if (!(status.st_mode & 0111)) {
    errno = EACCES;
    return false;
  }
  return true;
}

// Finds `name` along `path` into `found`. As in Docker, a file that may not be executed is passed over like a missing one.
bool find_program(const char *name, const char *path, char (&found)[4096]) {
  for (const char *entry = path;;) {
    const char *end = strchrnul(entry, ':');
    Text<sizeof found> candidate;
    if (end == entry) {
      candidate.add("./");
    } else {
      candidate.add(entry, static_cast<size_t>(end - entry)).add("/");
    }
    candidate.add(name);
    if (!candidate.truncated() && executable(candidate.text())) {
      memcpy(found, candidate.text(), candidate.length() + 1);
      return true;
    }
    if (*end == 0) return false;
    entry = end + 1;
  }
}

}  // namespace

void seal_descriptors() { syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC); }

int op_init(PlanContext &context, const Line &, Failure &failure) {
  pid_t pid = fork();
  if (pid < 0) return failure.set("fork", errno);
  if (pid > 0) {
    // The rest of the plan is the child's; its exec line names what people see in `ps`.
    run_init(pid, context.plan->line(context.plan->count() - 1));
  }
  become_init_child();
  return 0;
}

int op_exec(PlanContext &context, const Line &line, Failure &failure) {
  auto **argv = static_cast<char **>(calloc(line.count + 1u, sizeof(char *)));
  if (!argv) return failure.set("exec", ENOMEM);
  for (unsigned i = 0; i < line.count; i++) argv[i] = line.arguments[i].bytes;
  static char *const empty[] = {nullptr};
  char *const *environment = context.environment ? context.environment : empty;

  char found[4096];
  const char *program = argv[0];
  if (program[0] == 0) return failure.set("exec", ENOENT, program);
  if (strchr(program, '/') == nullptr) {
    const char *path = kDefaultPath;
    for (char *const *entry = environment; *entry; entry++) {
      if (strncmp(*entry, "PATH=", 5) == 0) path = *entry + 5;
    }
    if (!find_program(program, path, found)) return failure.set("exec", ENOENT, program);
    program = found;
  } else if (!executable(program)) {
    return failure.set("exec", errno, program);
  }
  seal_descriptors();
  umask(static_cast<mode_t>(context.mask));
  announce_exec(context);
  execve(program, argv, environment);
  failure.set("exec", errno, program);
  return failure.prefix("execve");
}

}  // namespace tsd

// Owns the `--init` face. It stays this program (a sealed memory file); nothing of the image is executed as PID 1.
#include "init.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tsd {

namespace {

char *arguments_start = nullptr;
size_t arguments_size = 0;

// `ps` shows what stands in argv's memory: as much of `/sbin/docker-init -- program…` as fits.
void show_program(const Line &program) {
  if (!arguments_start) return;
  size_t at = 0;
  auto put = [&](const char *text) {
    size_t length = strlen(text);
    if (at + length + 1 >= arguments_size) length = arguments_size > at + 1 ? arguments_size - at - 1 : 0;
    memcpy(arguments_start + at, text, length);
    at += length;
    if (at < arguments_size) arguments_start[at++] = 0;
  };
  memset(arguments_start, 0, arguments_size);
  put("/sbin/docker-init");
  put("--");
  for (unsigned i = 0; i < program.count && at + 1 < arguments_size; i++) put(program.text(i));
}

}  // namespace

void remember_arguments(int argc, char **argv) {
  if (argc < 1) return;
  arguments_start = argv[0];
  arguments_size = static_cast<size_t>(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
}

void run_init(pid_t child, const Line &program) {
  syscall(SYS_close_range, 3u, ~0u, 0u);
  prctl(PR_SET_NAME, "docker-init", 0, 0, 0);
  show_program(program);
  sigset_t signals;
  sigfillset(&signals);
  // These say that this program itself is broken.
  constexpr int kBroken[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};
  for (int broken : kBroken) sigdelset(&signals, broken);
  // Blocked, not handled: a blocked signal is never thrown away, not even for PID 1.
  sigprocmask(SIG_SETMASK, &signals, nullptr);
  for (;;) {
    // First: the child may have ended before the signals were blocked.
    int status;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended == child) _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
    if (ended < 0 && errno == ECHILD) _exit(127);
    siginfo_t info;
    int number = sigwaitinfo(&signals, &info);
    if (number > 0 && number != SIGCHLD) kill(child, number);
  }
}

void become_init_child() {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  setpgid(0, 0);
  if (isatty(0)) {
    // A background group that asks for the foreground would be stopped.
    struct sigaction ignore, old;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGTTOU, &ignore, &old);
    tcsetpgrp(0, getpgrp());
    sigaction(SIGTTOU, &old, nullptr);
  }
}

}  // namespace tsd

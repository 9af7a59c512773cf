// Owns the making of a process from a plan.
//
//   monitor                                child (clone3)
//   host lines, pipes, clone  ---------->  lines up to await-go
//   `go` of the daemon        --- go --->  lines after it
//                             <-- terminal (a descriptor), when the plan has a console
//                             <-- process (a pidfd), when an exec clones once more
//                             <-- failed (line, errno, detail) and it ends, or
//                             <-- executing, and the exec closes the channel: started
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol.h"

namespace tsd {

namespace {

struct Pipes {
  UniqueFd child[3];
  UniqueFd monitor[3];
};

int make_pipes(bool open_stdin, Pipes &pipes, Failure &failure) {
  for (int i = open_stdin ? 0 : 1; i < 3; i++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return failure.set("pipe2", errno);
    pipes.child[i].reset(ends[i == 0 ? 0 : 1]);
    pipes.monitor[i].reset(ends[i == 0 ? 1 : 0]);
    // Only the monitor's end: the flag belongs to one end of a pipe.
    fcntl(pipes.monitor[i].get(), F_SETFL, O_NONBLOCK);
  }
  return 0;
}

int compare(const void *left, const void *right) { return *static_cast<const int *>(left) - *static_cast<const int *>(right); }

// Closes every descriptor above 2 that this plan does not need: the daemon's and the clients' connections above all.
void close_all_but(int *keep, size_t count) {
  qsort(keep, count, sizeof *keep, compare);
  int from = 3;
  for (size_t i = 0; i < count; i++) {
    if (keep[i] < from) continue;
    if (keep[i] > from) syscall(SYS_close_range, static_cast<unsigned>(from), static_cast<unsigned>(keep[i] - 1), 0u);
    from = keep[i] + 1;
  }
  syscall(SYS_close_range, static_cast<unsigned>(from), ~0u, 0u);
}

void default_signals() {
  struct sigaction plain;
  memset(&plain, 0, sizeof plain);
  plain.sa_handler = SIG_DFL;
  for (int number = 1; number < _NSIG; number++) sigaction(number, &plain, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void run_child(PlanContext &context) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  default_signals();
  int keep[kSlotLimit + 8];
  size_t count = 0;
  for (int slot : context.slots) {
    if (slot >= 0) keep[count++] = slot;
  }
  for (int stream : context.stdio) {
    if (stream >= 0) keep[count++] = stream;
  }
  if (context.first_process >= 0) keep[count++] = context.first_process;
  keep[count++] = context.channel;
  close_all_but(keep, count);
  umask(0);
  Failure failure;
  for (context.index++; context.index < context.plan->count(); context.index++) {
    if (run_line(context, failure) != 0) break;
  }
  if (context.index == context.plan->count()) {
    context.index--;
    failure.set("plan", ENOEXEC, "the plan ends without exec");
  }
  ChannelWord word = {};
  word.word = Word::failed;
  word.index = context.index;
  word.op = context.plan->line(context.index).op;
  word.error = failure.error;
  memcpy(word.detail, failure.detail, sizeof word.detail);
  channel_send(context.channel, word);
  _exit(127);
}

void close_slots(PlanContext &context) {
  for (int &slot : context.slots) {
    if (slot >= 0) close(slot);
    slot = -1;
  }
}

int host_lines(PlanContext &context, Failure &failure) {
  for (; context.index < context.plan->count(); context.index++) {
    const Line &line = context.plan->line(context.index);
    if (line.op == op::clone) return 0;
    if (line.op != op::open_tree && line.op != op::open) return failure.set("plan", EINVAL, "a line of the child before clone");
    if (run_line(context, failure) != 0) return -1;
  }
  return failure.set("plan", EINVAL, "no line clone");
}

int clone_child(Session &session, PlanContext &context, Failure &failure) {
  const Line &line = context.plan->line(context.index);
  Pipes pipes;
  if (!session.tty && make_pipes(session.open_stdin, pipes, failure) != 0) return -1;
  for (int i = 0; i < 3; i++) context.stdio[i] = pipes.child[i].get();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return failure.set("socketpair", errno);
  UniqueFd ours(ends[0]), theirs(ends[1]);
  fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  context.channel = theirs.get();

  int pidfd = -1;
  struct clone_args arguments = {};
  arguments.flags = line.number(0) | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (line.signed_number(1) >= 0) {
    int cgroup = slot_of(context, line.number(1), failure);
    if (cgroup < 0) return -1;
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup);
  }
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failure.set("clone3", errno);
  if (pid == 0) {
    // In the child: only numbers are needed any more, whoever owned them.
    for (UniqueFd &end : pipes.child) end.release();
    for (UniqueFd &end : pipes.monitor) end.release();
    ours.release();
    theirs.release();
    run_child(context);
  }
  session.pid = static_cast<pid_t>(pid);
  session.process.reset(pidfd);
  session.channel = static_cast<UniqueFd &&>(ours);
  session.stdin_fd = static_cast<UniqueFd &&>(pipes.monitor[0]);
  session.outputs[0].fd = static_cast<UniqueFd &&>(pipes.monitor[1]);
  session.outputs[1].fd = static_cast<UniqueFd &&>(pipes.monitor[2]);
  return 0;
}

}  // namespace

int launch(Session &session, PlanContext &context, LaunchFailure &failure) {
  context.tty = session.tty;
  context.open_stdin = session.open_stdin;
  int outcome = host_lines(context, failure.failure);
  if (outcome == 0) outcome = clone_child(session, context, failure.failure);
  if (outcome != 0) {
    failure.index = context.index;
    bool known = context.index < context.plan->count();
    failure.step = known ? find_operation(context.plan->line(context.index).op)->name : "plan";
  }
  close_slots(context);
  return outcome;
}

}  // namespace tsd

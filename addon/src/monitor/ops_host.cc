// Owns the plan's host part: what the monitor does in the host's namespaces before it clones, and the clone in a child.
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sys/mount.h"
#include "channel.h"
#include "plan.h"

namespace tsd {

namespace {

int fill_slot(PlanContext &context, uint64_t slot, int fd, Failure &failure) {
  if (slot >= kSlotLimit) {
    close(fd);
    return failure.set("slot", EBADF, "slots are numbered 0 to 255");
  }
  if (context.slots[slot] >= 0) close(context.slots[slot]);
  context.slots[slot] = fd;
  return 0;
}

// Processes of the container see the second child of an exec from its first moment. One that may trace any (CAP_SYS_PTRACE, which
// non-dumpable does not stop) finds no way to the host's files in it: the directory of a control group leads up to its root.
void close_slots(PlanContext &context) {
  for (int &slot : context.slots) {
    if (slot >= 0) close(slot);
    slot = -1;
  }
  if (context.first_process >= 0) close(context.first_process);
  context.first_process = -1;
}

}  // namespace

int op_open_tree(PlanContext &context, const Line &line, Failure &failure) {
  int tree = clone_tree(AT_FDCWD, line.text(1), line.number(2) != 0, failure);
  if (tree < 0) return -1;
  return fill_slot(context, line.number(0), tree, failure);
}

int op_open(PlanContext &context, const Line &line, Failure &failure) {
  int fd = open(line.text(1), static_cast<int>(line.number(2)) | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return failure.set("open", errno, line.text(1));
  return fill_slot(context, line.number(0), fd, failure);
}

// In a child (an exec has entered the container's pid namespace): the second child is the session and becomes the monitor's own, the
// first one hands it over by pidfd and leaves. In the monitor the launch reads this line itself.
int op_clone(PlanContext &context, const Line &line, Failure &failure) {
  struct clone_args arguments = {};
  int pidfd = -1;
  arguments.flags = line.number(0) | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  if (!(line.number(0) & CLONE_PARENT)) arguments.exit_signal = SIGCHLD;
  if (line.signed_number(1) >= 0) {
    int cgroup = slot_of(context, line.number(1), failure);
    if (cgroup < 0) return -1;
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup);
  }
  if (context.exec_session) close_slots(context);
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failure.set("clone3", errno);
  if (pid == 0) {
    // Not inherited over a clone.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return 0;
  }
  ChannelWord word = {};
  word.word = Word::process;
  word.pid = static_cast<int32_t>(pid);
  if (channel_send(context.channel, word, pidfd) != 0) {
    // The monitor has gone, and the death signal takes the second process too.
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    _exit(1);
  }
  _exit(0);
}

}  // namespace tsd

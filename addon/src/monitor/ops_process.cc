// Owns the plan's lines that shape the process: namespaces, identity, limits, terminal and standard streams.
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../sys/capability.h"
#include "../sys/mount.h"
#include "../sys/path_in_root.h"
#include "../sys/procfs.h"
#include "../sys/pty.h"
#include "../sys/text.h"
#include "../sys/unique_fd.h"
#include "channel.h"
#include "plan.h"

namespace tsd {

namespace {

// A procfs for writing: one of our own when the kernel still lets us, else the container's, proven.
int procfs_of(PlanContext &context, Failure &failure) {
  if (context.proc >= 0) return context.proc;
  int proc = private_procfs(failure);
  if (proc < 0) {
    int root = root_of(context, failure);
    if (root < 0) return -1;
    proc = proven_procfs(root, failure);
  }
  return context.proc = proc;
}

// Puts the three descriptors onto 0, 1, 2.
int take_streams(const int (&streams)[3], Failure &failure) {
  for (int i = 0; i < 3; i++) {
    if (dup2(streams[i], i) < 0) return failure.set("dup2", errno);
  }
  return 0;
}

// The null device of the container for a closed stdin; the host's when the image has none that is real.
int null_stdin(PlanContext &context) {
  Failure ignored;
  int root = root_of(context, ignored);
  if (root < 0) return 0;
  // First by O_PATH: opening some other device that the image has put there may already do something.
  constexpr int kLook[] = {O_PATH | O_NOFOLLOW, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW};
  int device = -1;
  for (int flags : kLook) {
    device = open_in_root(root, "/dev/null", flags, ignored);
    struct stat status;
    if (device < 0 || fstat(device, &status) != 0 || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)) return 0;
  }
  fcntl(device, F_SETFL, 0);
  return device;
}

}  // namespace

int op_write(PlanContext &context, const Line &line, Failure &failure) {
  int fd = slot_of(context, line.number(0), failure);
  if (fd < 0) return -1;
  const Argument &bytes = line.arguments[1];
  ssize_t count;
  do {
    count = write(fd, bytes.bytes, bytes.size);
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(bytes.size)) {
    Text<40> about;
    about.add("slot ").add_number(line.number(0));
    return failure.set("write", count < 0 ? errno : EIO, about.text());
  }
  return 0;
}

int op_set_namespace(PlanContext &context, const Line &line, Failure &failure) {
  // Slot -1 in an exec: PID 1 itself, by the pidfd that the monitor has held since it made it.
  int fd = line.signed_number(0) == -1 && context.first_process >= 0 ? context.first_process
                                                                      : slot_of(context, line.number(0), failure);
  if (fd < 0) return -1;
  if (setns(fd, static_cast<int>(line.number(1))) != 0) return failure.set("setns", errno);
  return 0;
}

int op_unshare(PlanContext &, const Line &line, Failure &failure) {
  if (unshare(static_cast<int>(line.number(0))) != 0) return failure.set("unshare", errno);
  return 0;
}

int op_sysctl(PlanContext &context, const Line &line, Failure &failure) {
  // As sysctl(8): when the first separator is a dot, dots and slashes change places.
  Text<512> path;
  path.add("sys/");
  const char *name = line.text(0);
  bool dots = name[strcspn(name, "./")] == '.';
  for (const char *at = name; *at; at++) {
    char byte = *at;
    if (dots && byte == '.') {
      byte = '/';
    } else if (dots && byte == '/') {
      byte = '.';
    }
    path.add(&byte, 1);
  }
  if (path.truncated()) return failure.set("sysctl", ENAMETOOLONG, name);
  int proc = procfs_of(context, failure);
  if (proc < 0) return -1;
  return write_in_procfs(proc, path.text(), line.text(1), failure);
}

int op_console(PlanContext &context, const Line &line, Failure &failure) {
  int root = root_of(context, failure);
  if (root < 0) return -1;
  Terminal terminal;
  if (open_terminal(root, "/dev/pts/ptmx", terminal, failure) != 0) return -1;
  UniqueFd master(terminal.master), slave(terminal.slave);
  auto rows = static_cast<unsigned short>(line.number(0)), columns = static_cast<unsigned short>(line.number(1));
  if ((rows || columns) && set_window_size(master.get(), rows, columns) != 0) return failure.set("TIOCSWINSZ", errno);
  struct stat status;
  if (fstat(slave.get(), &status) != 0) return failure.set("fstat", errno, "terminal");
  // The group stays what devpts gave it (tty), unless that is asked for otherwise.
  auto gid = static_cast<gid_t>(line.signed_number(3) < 0 ? status.st_gid : line.number(3));
  if (fchown(slave.get(), static_cast<uid_t>(line.number(2)), gid) != 0) return failure.set("chown", errno, "terminal");
  if (!context.exec_session) {
    UniqueFd place(make_file_in_root(root, "/dev/console", failure));
    if (!place.valid()) return -1;
    UniqueFd copy(clone_tree_of(slave.get(), false, failure));
    if (!copy.valid()) return -1;
    if (attach_mount(copy.get(), place.get(), failure) != 0) return -1;
  }
  setsid();
  if (ioctl(slave.get(), TIOCSCTTY, 0) != 0) return failure.set("TIOCSCTTY", errno);
  ChannelWord word = {};
  word.word = Word::terminal;
  if (channel_send(context.channel, word, master.get()) != 0) return failure.set("sendmsg", errno, "terminal");
  int streams[3] = {slave.get(), slave.get(), slave.get()};
  return take_streams(streams, failure);
}

int op_stdio(PlanContext &context, const Line &line, Failure &failure) {
  int streams[3] = {context.stdio[0], context.stdio[1], context.stdio[2]};
  if (streams[1] < 0 || streams[2] < 0) return failure.set("stdio", EBADF, "the message asked for a terminal");
  // Owned by the user, so that it can open /dev/stdout again.
  for (int stream : streams) {
    if (stream >= 0 && fchown(stream, static_cast<uid_t>(line.number(0)), static_cast<gid_t>(line.number(1))) != 0) {
      return failure.set("chown", errno, "pipe");
    }
  }
  if (streams[0] < 0) streams[0] = null_stdin(context);
  return take_streams(streams, failure);
}

int op_hostname(PlanContext &, const Line &line, Failure &failure) {
  if (sethostname(line.text(0), line.arguments[0].size) != 0) return failure.set("sethostname", errno, line.text(0));
  return 0;
}

int op_domainname(PlanContext &, const Line &line, Failure &failure) {
  if (setdomainname(line.text(0), line.arguments[0].size) != 0) return failure.set("setdomainname", errno, line.text(0));
  return 0;
}

int op_rlimit(PlanContext &, const Line &line, Failure &failure) {
  struct rlimit limit = {line.number(1), line.number(2)};
  if (setrlimit(static_cast<__rlimit_resource_t>(line.number(0)), &limit) != 0) {
    Text<40> about;
    about.add("resource ").add_number(line.number(0));
    return failure.set("setrlimit", errno, about.text());
  }
  return 0;
}

int op_oom_score(PlanContext &context, const Line &line, Failure &failure) {
  int proc = procfs_of(context, failure);
  if (proc < 0) return -1;
  // By number: `self` is a symbolic link, and none is followed here.
  Text<64> path;
  path.add_number(static_cast<uint64_t>(syscall(SYS_getpid))).add("/oom_score_adj");
  return write_in_procfs(proc, path.text(), line.text(0), failure);
}

int op_process_label(PlanContext &context, const Line &line, Failure &failure) {
  const char *kind = line.text(0);
  bool apparmor = strcmp(kind, "apparmor") == 0;
  if (!apparmor && strcmp(kind, "selinux") != 0) return failure.set("process-label", EINVAL, kind);
  int proc = procfs_of(context, failure);
  if (proc < 0) return -1;
  Text<64> path;
  path.add_number(static_cast<uint64_t>(syscall(SYS_getpid)));
  Text<64> named(path);
  named.add(apparmor ? "/attr/apparmor/exec" : "/attr/exec");
  Text<4096> value;
  if (apparmor) value.add("exec ");
  value.add(line.text(1));
  if (value.truncated()) return failure.set("process-label", ENAMETOOLONG, line.text(1));
  if (write_in_procfs(proc, named.text(), value.text(), failure) == 0) return 0;
  if (!apparmor || failure.error != ENOENT) return -1;
  // Before Linux 5.8 AppArmor has the common file alone.
  path.add("/attr/exec");
  return write_in_procfs(proc, path.text(), value.text(), failure);
}

int op_working_directory(PlanContext &context, const Line &line, Failure &failure) {
  const char *path = line.text(0);
  int root = root_of(context, failure);
  if (root < 0) return -1;
  UniqueFd directory(open_in_root(root, path, O_PATH | O_DIRECTORY, failure));
  if (!directory.valid()) {
    // An exec session makes nothing in a running container.
    if (failure.error != ENOENT || context.exec_session) return failure.set("chdir", failure.error, path);
    char name[256];
    UniqueFd parent(make_parent_in_root(root, path, name, failure));
    if (!parent.valid()) return -1;
    if (mkdirat(parent.get(), name, 0755) == 0) {
      auto uid = static_cast<uid_t>(line.number(1));
      auto gid = static_cast<gid_t>(line.number(2));
      if (fchownat(parent.get(), name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) return failure.set("chown", errno, path);
    }
    directory.reset(make_directory_in_root(root, path, failure));
    if (!directory.valid()) return -1;
  }
  if (fchdir(directory.get()) != 0) return failure.set("chdir", errno, path);
  char seen[4096];
  if (syscall(SYS_getcwd, seen, sizeof seen) < 0) return failure.set("getcwd", errno, path);
  if (seen[0] != '/') return failure.set("getcwd", ENOENT, "the working directory is outside of the root");
  return 0;
}

int op_user(PlanContext &, const Line &line, Failure &failure) {
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failure.set("PR_SET_KEEPCAPS", errno);
  unsigned count = line.count - 2;
  auto *groups = static_cast<gid_t *>(calloc(count + 1, sizeof(gid_t)));
  if (!groups) return failure.set("setgroups", ENOMEM);
  for (unsigned i = 0; i < count; i++) {
    if (line.arguments[i + 2].size != 8) {
      free(groups);
      return failure.set("setgroups", EINVAL, "a number is not 8 bytes long");
    }
    groups[i] = static_cast<gid_t>(line.number(i + 2));
  }
  long outcome = syscall(SYS_setgroups, count, groups);
  int error = errno;
  free(groups);
  if (outcome != 0) return failure.set("setgroups", error);
  auto gid = static_cast<gid_t>(line.number(1));
  auto uid = static_cast<uid_t>(line.number(0));
  if (syscall(SYS_setresgid, gid, gid, gid) != 0) return failure.set("setresgid", errno);
  if (syscall(SYS_setresuid, uid, uid, uid) != 0) return failure.set("setresuid", errno);
  return 0;
}

int op_no_new_privileges(PlanContext &, const Line &, Failure &failure) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure.set("PR_SET_NO_NEW_PRIVS", errno);
  return 0;
}

int op_bounding_set(PlanContext &, const Line &line, Failure &failure) { return limit_bounding_set(line.number(0), failure); }

int op_capabilities(PlanContext &, const Line &line, Failure &failure) {
  return set_capabilities(line.number(0), line.number(1), line.number(2), line.number(3), failure);
}

int op_seccomp(PlanContext &context, const Line &line, Failure &failure) {
  const Argument &filter = line.arguments[1];
  struct sock_fprog program = {};
  if (filter.size == 0 || filter.size % sizeof(struct sock_filter) != 0 || filter.size / sizeof(struct sock_filter) > BPF_MAXINSNS) {
    return failure.set("seccomp", EINVAL, "the filter is no list of instructions");
  }
  program.len = static_cast<unsigned short>(filter.size / sizeof(struct sock_filter));
  // The filter stands at any address in the plan; the kernel copies it.
  program.filter = reinterpret_cast<struct sock_filter *>(filter.bytes);
  // What the filter may forbid is done before it.
  seal_descriptors();
  announce_exec(context);
  auto flags = static_cast<unsigned>(line.number(0));
  if (line.count < 3) {
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0) return failure.set("seccomp", errno);
    return 0;
  }
  long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0 && errno == EBUSY) {
    // This engine runs under such a filter itself. Without a listener the calls in question are ENOSYS.
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0) return failure.set("seccomp", errno);
    return 0;
  }
  if (listener < 0) return failure.set("seccomp", errno);
  ChannelWord word = {};
  word.word = Word::listener;
  word.index = static_cast<uint32_t>(line.number(2));
  word.op = static_cast<uint32_t>(line.number(2) >> 32);
  int sent = channel_send(context.channel, word, static_cast<int>(listener));
  close(static_cast<int>(listener));
  return sent == 0 ? 0 : failure.set("sendmsg", errno, "listener");
}

int op_death_signal(PlanContext &context, const Line &line, Failure &failure) {
  if (prctl(PR_SET_PDEATHSIG, line.number(0), 0, 0, 0) != 0) return failure.set("PR_SET_PDEATHSIG", errno);
  // The monitor may have died a moment before.
  struct pollfd wait = {context.channel, 0, 0};
  if (poll(&wait, 1, 0) == 1 && (wait.revents & POLLHUP)) _exit(137);
  return 0;
}

int op_session(PlanContext &, const Line &, Failure &failure) {
  if (setsid() < 0 && errno != EPERM) return failure.set("setsid", errno);
  return 0;
}

int op_umask(PlanContext &context, const Line &line, Failure &) {
  context.mask = static_cast<unsigned>(line.number(0));
  return 0;
}

int op_environment(PlanContext &context, const Line &line, Failure &failure) {
  auto **list = static_cast<char **>(calloc(line.count + 1u, sizeof(char *)));
  if (!list) return failure.set("environment", ENOMEM);
  for (unsigned i = 0; i < line.count; i++) list[i] = line.arguments[i].bytes;
  free(context.environment);
  context.environment = list;
  return 0;
}

int op_keyring(PlanContext &, const Line &, Failure &failure) {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) return 0;
  if (errno == EPERM || errno == ENOSYS || errno == EDQUOT) return 0;
  return failure.set("keyctl", errno);
}

int op_await_go(PlanContext &context, const Line &, Failure &) {
  if (!channel_await_go(context.channel)) _exit(137);
  return 0;
}

}  // namespace tsd

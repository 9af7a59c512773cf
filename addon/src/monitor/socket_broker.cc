// Owns the sockets of 32-bit programs. A socket is made by a short-lived task in the caller's network namespace, with the caller's user,
// groups and effective capabilities, so that it gets what it would have got and no more; the descriptor is then put into the caller.
// Its memory counts for the monitor's control group, not for the container's.
#include "socket_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sys/text.h"
#include "make.h"
#include "monitor.h"

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif

namespace tsd {

namespace {

constexpr unsigned kGroupLimit = 64;

struct Broker {
  Monitor *monitor;
  UniqueFd listener;
  Watch watch;
  uint64_t families = 0;
};

struct Caller {
  UniqueFd network;
  uid_t uid = 65534;
  gid_t gid = 65534;
  uint64_t effective = 0;
  gid_t groups[kGroupLimit];
  unsigned group_count = 0;
};

struct Request {
  const Caller *caller;
  int family, type, protocol;
  int outcome;  // a descriptor or -errno
};

const char *field_of(const char *status, const char *name) {
  const char *at = strstr(status, name);
  return at ? at + strlen(name) : "";
}

// Skips blanks and so many numbers.
const char *after_numbers(const char *at, int count) {
  for (;; count--) {
    while (*at == ' ' || *at == '\t') at++;
    if (count == 0) return at;
    while (*at >= '0' && *at <= '9') at++;
  }
}

bool look_at_caller(int pid, Caller &caller) {
  Text<64> path;
  path.add("/proc/").add_number(static_cast<uint64_t>(pid)).add("/ns/net");
  caller.network.reset(open(path.text(), O_RDONLY | O_CLOEXEC));
  Text<64> file;
  file.add("/proc/").add_number(static_cast<uint64_t>(pid)).add("/status");
  UniqueFd status(open(file.text(), O_RDONLY | O_CLOEXEC));
  if (!caller.network.valid() || !status.valid()) return false;
  char text[4096];
  ssize_t count = read(status.get(), text, sizeof text - 1);
  if (count <= 0) return false;
  text[count] = 0;
  // The fourth number is the one of the file system, which follows the effective one.
  caller.uid = static_cast<uid_t>(parse_number(after_numbers(field_of(text, "\nUid:"), 3)));
  caller.gid = static_cast<gid_t>(parse_number(after_numbers(field_of(text, "\nGid:"), 3)));
  caller.effective = strtoull(field_of(text, "\nCapEff:"), nullptr, 16);
  const char *groups = field_of(text, "\nGroups:");
  for (groups = after_numbers(groups, 0); *groups >= '0' && *groups <= '9' && caller.group_count < kGroupLimit; groups = after_numbers(groups, 1)) {
    caller.groups[caller.group_count++] = static_cast<gid_t>(parse_number(groups));
  }
  return true;
}

// The task: it shares memory and descriptors with the monitor, which waits, and nothing of its credentials. Raw calls only.
int make_socket(void *argument) {
  auto &request = *static_cast<Request *>(argument);
  const Caller &caller = *request.caller;
  request.outcome = -EPERM;
  if (setns(caller.network.get(), CLONE_NEWNET) != 0) return 0;
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || syscall(SYS_setgroups, caller.group_count, caller.groups) != 0) return 0;
  if (syscall(SYS_setresgid, caller.gid, caller.gid, caller.gid) != 0 || syscall(SYS_setresuid, caller.uid, caller.uid, caller.uid) != 0) return 0;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; half++) {
    data[half].effective = data[half].permitted = static_cast<uint32_t>(caller.effective >> (32 * half));
  }
  if (syscall(SYS_capset, &header, data) != 0) return 0;
  int fd = socket(request.family, request.type | SOCK_CLOEXEC, request.protocol);
  request.outcome = fd >= 0 ? fd : -errno;
  return 0;
}

int socket_for(const Caller &caller, const uint32_t (&arguments)[3]) {
  alignas(16) static char stack[16 * 1024];
  Request request = {&caller, static_cast<int>(arguments[0]), static_cast<int>(arguments[1]), static_cast<int>(arguments[2]), -EPERM};
  // No signal at its end: those of the monitor's children are for sessions.
  int pid = clone(make_socket, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES, &request);
  if (pid < 0) return -errno;
  int status;
  while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR) {
  }
  return request.outcome;
}

void answer(Broker &broker, uint64_t id, int error) {
  struct seccomp_notif_resp response = {};
  response.id = id;
  response.error = error;
  ioctl(broker.listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);
}

void serve(Broker &broker) {
  struct seccomp_notif call;
  memset(&call, 0, sizeof call);
  if (ioctl(broker.listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return;
  uint32_t arguments[3];
  struct iovec here = {arguments, sizeof arguments};
  struct iovec there = {reinterpret_cast<void *>(static_cast<uintptr_t>(static_cast<uint32_t>(call.data.args[1]))), sizeof arguments};
  auto pid = static_cast<int>(call.pid);
  bool read = process_vm_readv(pid, &here, 1, &there, 1, 0) == static_cast<ssize_t>(sizeof arguments);
  Caller caller;
  bool looked = read && look_at_caller(pid, caller);
  // Only now is it certain that all of it was the caller's and not that of a process that got its number.
  if (ioctl(broker.listener.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &call.id) != 0) return;
  if (!read) return answer(broker, call.id, -EFAULT);
  if (!looked) return answer(broker, call.id, -ENOSYS);
  if (arguments[0] >= 64 || !(broker.families >> arguments[0] & 1)) return answer(broker, call.id, -EPERM);
  int outcome = socket_for(caller, arguments);
  if (outcome < 0) return answer(broker, call.id, outcome);
  UniqueFd made(outcome);
  struct seccomp_notif_addfd addition = {};
  addition.id = call.id;
  addition.flags = SECCOMP_ADDFD_FLAG_SEND;
  addition.srcfd = static_cast<uint32_t>(made.get());
  addition.newfd_flags = arguments[1] & SOCK_CLOEXEC ? O_CLOEXEC : 0;
  if (ioctl(broker.listener.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &addition) < 0) answer(broker, call.id, -errno);
}

void broker_ready(void *owner, uint32_t events) {
  auto *broker = static_cast<Broker *>(owner);
  if (events & EPOLLIN) {
    serve(*broker);
    return;
  }
  if (events & (EPOLLHUP | EPOLLERR)) {
    // The last process under the filter has ended; nothing else points here.
    broker->monitor->loop.pause(broker->watch);
    destroy(broker);
  }
}

}  // namespace

void broker_sockets(Monitor &monitor, UniqueFd listener, uint64_t families) {
  auto *broker = make<Broker>();
  if (!broker) return;
  broker->monitor = &monitor;
  broker->listener = static_cast<UniqueFd &&>(listener);
  broker->families = families;
  broker->watch.fd = broker->listener.get();
  broker->watch.owner = broker;
  broker->watch.ready = broker_ready;
  monitor.loop.want(broker->watch, EPOLLIN);
}

}  // namespace tsd

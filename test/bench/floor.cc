// Owns the kernel's own share of a container's life, with no policy at all: what no engine on this machine can go below.
// One cycle: a detached overlay, a clone with five namespaces, optionally a veth pair on a bridge, pivot_root, exec, wait, clean up.
// Usage: floor CYCLES LOWER SCRATCH none|bridge      prints microseconds, one cycle a line. Needs root.
//   LOWER    a directory with a root file system that has /bin/true
//   SCRATCH  a directory on a file system that can be an overlay's upper layer
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/mount.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

// glibc's sys/mount.h and linux/mount.h cannot both be included, so these come by their numbers.
namespace {

constexpr unsigned long kMsRec = 16384, kMsSlave = 1UL << 19;
constexpr int kMntDetach = 2;

[[noreturn]] void die(const char* step) {
  fprintf(stderr, "floor: %s: %s\n", step, strerror(errno));
  _exit(1);
}

int must(long result, const char* step) {
  if (result < 0) die(step);
  return static_cast<int>(result);
}

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

int overlay(const std::string& lower, const std::string& upper, const std::string& work) {
  const int fs = must(syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC), "fsopen");
  const auto set = [fs](const char* key, const std::string& value) {
    return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value.c_str(), 0);
  };
  must(set("lowerdir", lower), "lowerdir");
  must(set("upperdir", upper), "upperdir");
  must(set("workdir", work), "workdir");
  must(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), "create");
  const int mount = must(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0), "fsmount");
  close(fs);
  return mount;
}

// One netlink request, built up attribute by attribute.
struct Request {
  alignas(4) char data[1024] = {};
  nlmsghdr* head() { return reinterpret_cast<nlmsghdr*>(data); }
  template <typename Body>
  Body* start(int type, int flags) {
    head()->nlmsg_len = NLMSG_LENGTH(sizeof(Body));
    head()->nlmsg_type = static_cast<uint16_t>(type);
    head()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    return static_cast<Body*>(NLMSG_DATA(head()));
  }
  rtattr* add(int type, const void* value, size_t size) {
    auto* attribute = reinterpret_cast<rtattr*>(data + NLMSG_ALIGN(head()->nlmsg_len));
    attribute->rta_type = static_cast<uint16_t>(type);
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    if (size > 0) memcpy(RTA_DATA(attribute), value, size);
    head()->nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(head()->nlmsg_len) + RTA_ALIGN(attribute->rta_len));
    return attribute;
  }
  void end(rtattr* nest) {
    nest->rta_len = static_cast<uint16_t>(data + head()->nlmsg_len - reinterpret_cast<char*>(nest));
  }
  void transact(int socket, const char* step) {
    must(send(socket, data, head()->nlmsg_len, 0), step);
    alignas(4) char answer[4096];
    must(recv(socket, answer, sizeof(answer), 0), step);
    const auto* error = static_cast<nlmsgerr*>(NLMSG_DATA(reinterpret_cast<nlmsghdr*>(answer)));
    if (error->error != 0) {
      errno = -error->error;
      die(step);
    }
  }
};

int routeSocket() { return must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "netlink"); }

void makeBridge(int route, const char* name) {
  Request request;
  auto* link = request.start<ifinfomsg>(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  link->ifi_flags = IFF_UP;
  link->ifi_change = IFF_UP;
  request.add(IFLA_IFNAME, name, strlen(name) + 1);
  auto* info = request.add(IFLA_LINKINFO, nullptr, 0);
  request.add(IFLA_INFO_KIND, "bridge", 7);
  request.end(info);
  request.transact(route, "make the bridge");
}

void removeLink(int route, unsigned index) {
  Request request;
  request.start<ifinfomsg>(RTM_DELLINK, 0)->ifi_index = static_cast<int>(index);
  request.transact(route, "remove a link");
}

// Both ends in one message: ours on the bridge, the peer born inside the other namespace.
void makeVeth(int route, const char* name, unsigned bridge, pid_t peer) {
  Request request;
  auto* link = request.start<ifinfomsg>(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  link->ifi_flags = IFF_UP;
  link->ifi_change = IFF_UP;
  request.add(IFLA_IFNAME, name, strlen(name) + 1);
  request.add(IFLA_MASTER, &bridge, sizeof(bridge));
  auto* info = request.add(IFLA_LINKINFO, nullptr, 0);
  request.add(IFLA_INFO_KIND, "veth", 5);
  auto* data = request.add(IFLA_INFO_DATA, nullptr, 0);
  const ifinfomsg peerLink = {};
  auto* end = request.add(VETH_INFO_PEER, &peerLink, sizeof(peerLink));
  request.add(IFLA_IFNAME, "eth0", 5);
  request.add(IFLA_NET_NS_PID, &peer, sizeof(peer));
  request.end(end);
  request.end(data);
  request.end(info);
  request.transact(route, "make the veth pair");
}

void linkUp(int route, const char* name) {
  Request request;
  auto* link = request.start<ifinfomsg>(RTM_NEWLINK, 0);
  link->ifi_index = static_cast<int>(if_nametoindex(name));
  link->ifi_flags = IFF_UP;
  link->ifi_change = IFF_UP;
  request.transact(route, "bring a link up");
}

void addAddress(int route, const char* name, const char* address) {
  Request request;
  auto* body = request.start<ifaddrmsg>(RTM_NEWADDR, NLM_F_CREATE);
  body->ifa_family = AF_INET;
  body->ifa_prefixlen = 24;
  body->ifa_index = if_nametoindex(name);
  in_addr ip;
  inet_pton(AF_INET, address, &ip);
  request.add(IFA_LOCAL, &ip, sizeof(ip));
  request.add(IFA_ADDRESS, &ip, sizeof(ip));
  request.transact(route, "add an address");
}

[[noreturn]] void child(int root, int go, const char* staging, bool network) {
  char word;
  if (read(go, &word, 1) != 1) _exit(1);
  if (network) {
    const int route = routeSocket();
    linkUp(route, "lo");
    addAddress(route, "eth0", "192.0.2.2");
    linkUp(route, "eth0");
    close(route);
  }
  must(syscall(SYS_mount, nullptr, "/", nullptr, kMsRec | kMsSlave, nullptr), "make / a slave");
  must(syscall(SYS_move_mount, root, "", AT_FDCWD, staging, MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
  must(chdir(staging), "chdir");
  must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  must(syscall(SYS_umount2, ".", kMntDetach), "detach the old root");
  must(chdir("/"), "chdir /");
  const char* arguments[] = {"true", nullptr};
  const char* environment[] = {nullptr};
  execve("/bin/true", const_cast<char**>(arguments), const_cast<char**>(environment));
  die("execve /bin/true");
}

double cycle(const std::string& lower, const std::string& scratch, int route, unsigned bridge) {
  const double begin = now();
  const std::string upper = scratch + "/upper", work = scratch + "/work", staging = scratch + "/staging";
  must(mkdir(upper.c_str(), 0700), "mkdir upper");
  must(mkdir(work.c_str(), 0700), "mkdir work");
  const int root = overlay(lower, upper, work);
  int go[2];
  must(pipe2(go, O_CLOEXEC), "pipe");
  clone_args args = {};
  args.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET;
  args.exit_signal = SIGCHLD;
  const int pid = must(syscall(SYS_clone3, &args, sizeof(args)), "clone3");
  if (pid == 0) child(root, go[0], staging.c_str(), bridge != 0);
  if (bridge != 0) makeVeth(route, "tsdfloor1", bridge, pid);
  must(write(go[1], "g", 1), "go");
  int status = 0;
  must(waitpid(pid, &status, 0), "waitpid");
  if (status != 0) die("the program in the container failed");
  close(root);
  close(go[0]);
  close(go[1]);
  const std::string inner = work + "/work";
  rmdir(inner.c_str());
  must(rmdir(upper.c_str()), "rmdir upper");
  must(rmdir(work.c_str()), "rmdir work");
  const double end = now();
  // The veth goes with its namespace, a while later; the next cycle must not meet its name. Outside of the measured time.
  if (bridge != 0) {
    if (const unsigned index = if_nametoindex("tsdfloor1"); index != 0) {
      Request request;
      request.start<ifinfomsg>(RTM_DELLINK, 0)->ifi_index = static_cast<int>(index);
      send(route, request.data, request.head()->nlmsg_len, 0);
      alignas(4) char answer[4096];
      must(recv(route, answer, sizeof(answer), 0), "remove the veth pair");
    }
  }
  return end - begin;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: floor CYCLES LOWER SCRATCH none|bridge\n");
    return 2;
  }
  const bool network = strcmp(argv[4], "bridge") == 0;
  const std::string scratch = argv[3];
  mkdir((scratch + "/staging").c_str(), 0700);
  const int route = routeSocket();
  unsigned bridge = 0;
  if (network) {
    makeBridge(route, "tsdfloor0");
    bridge = if_nametoindex("tsdfloor0");
  }
  for (int n = atoi(argv[1]); n > 0; n--) printf("%.1f\n", cycle(argv[2], scratch, route, bridge));
  if (bridge != 0) removeLink(route, bridge);
  rmdir((scratch + "/staging").c_str());
}

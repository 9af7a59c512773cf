// Owns netlink sockets and network namespaces.
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>

namespace tsd {

namespace {

/// The kernel answers before sendmsg returns; this is only against waiting for ever for what never comes.
constexpr int kPatienceSeconds = 30;
/// A port that has not answered by then has a full queue.
constexpr int kConnectMs = 200;
/// Connections that wait to be accepted.
constexpr int kBacklog = 128;
/// Room for the acknowledgements of a batch; a dump waits for its reader by itself.
constexpr int kReceiveRoom = 1 << 20;
/// The kernel fills a dump's pieces up to 32 KiB.
constexpr size_t kPiece = 1 << 16;

/// The way back to the namespace in which the thread was.
class ReturnHome {
 public:
  bool prepare(Failure &failure) {
    home_.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!home_.valid()) failure.set("open", errno, "/proc/thread-self/ns/net");
    return home_.valid();
  }

  void arm() { away_ = true; }

  ~ReturnHome() {
    if (away_ && setns(home_.get(), CLONE_NEWNET) != 0) {
      fprintf(stderr, "tsd: cannot return to the network namespace of the host: %s\n", strerror(errno));
      abort();
    }
  }

 private:
  UniqueFd home_;
  bool away_ = false;
};

/// Begins the connection in the namespace, and is back before it is waited for.
int begin_connect(int network_namespace, const sockaddr *to, socklen_t size, UniqueFd &made, Failure &failure) {
  ReturnHome home;
  if (!home.prepare(failure)) return -1;
  if (setns(network_namespace, CLONE_NEWNET) != 0) return failure.set("setns", errno, "network namespace");
  home.arm();
  made.reset(socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.valid()) return failure.set("socket", errno, "AF_INET");
  if (connect(made.get(), to, size) != 0 && errno != EINPROGRESS) return failure.set("connect", errno);
  return 0;
}

/// A numeric address with its port; 0 when it is none.
socklen_t address_of(const char *text, uint16_t port, sockaddr_storage &to) {
  auto &four = reinterpret_cast<sockaddr_in &>(to);
  auto &six = reinterpret_cast<sockaddr_in6 &>(to);
  if (inet_pton(AF_INET, text, &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    return sizeof four;
  }
  if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    return sizeof six;
  }
  return 0;
}

/// The sequence numbers of the messages; false when the bytes are no list of messages.
bool sequences_of(const uint8_t *data, size_t size, std::vector<uint32_t> &sequences) {
  while (size >= sizeof(nlmsghdr)) {
    nlmsghdr head;
    memcpy(&head, data, sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > size) return false;
    sequences.push_back(head.nlmsg_seq);
    size_t step = std::min(size, static_cast<size_t>(NLMSG_ALIGN(head.nlmsg_len)));
    data += step;
    size -= step;
  }
  return size == 0;
}

/// Keeps the messages that answer ours, and strikes out the numbers that are settled. False when the bytes are damaged.
bool take_answers(const uint8_t *data, size_t size, const std::vector<uint32_t> &asked, std::vector<uint32_t> &open_numbers,
                  std::vector<uint8_t> &reply) {
  while (size >= sizeof(nlmsghdr)) {
    nlmsghdr head;
    memcpy(&head, data, sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > size) return false;
    size_t step = std::min(size, static_cast<size_t>(NLMSG_ALIGN(head.nlmsg_len)));
    if (std::find(asked.begin(), asked.end(), head.nlmsg_seq) != asked.end()) {
      reply.insert(reply.end(), data, data + step);
      if (head.nlmsg_type == NLMSG_ERROR || head.nlmsg_type == NLMSG_DONE) {
        open_numbers.erase(std::remove(open_numbers.begin(), open_numbers.end(), head.nlmsg_seq), open_numbers.end());
      }
    }
    data += step;
    size -= step;
  }
  return size == 0;
}

}  // namespace

int open_netlink(int protocol, Failure &failure) {
  UniqueFd socket_fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!socket_fd.valid()) return failure.set("socket", errno, "AF_NETLINK");
  const int on = 1;
  // Explanations in words, no echo of the request, and refusal of filters that would be ignored. All are older than Linux 5.14.
  setsockopt(socket_fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(socket_fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(socket_fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveRoom, sizeof kReceiveRoom);
  const timeval patience = {kPatienceSeconds, 0};
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return socket_fd.release();
}

int open_netlink_in(int network_namespace, int protocol, Failure &failure) {
  ReturnHome home;
  if (!home.prepare(failure)) return -1;
  if (setns(network_namespace, CLONE_NEWNET) != 0) return failure.set("setns", errno, "network namespace");
  home.arm();
  return open_netlink(protocol, failure);
}

int connect_tcp_in(int network_namespace, const char *address, uint16_t port, bool wait, Failure &failure) {
  sockaddr_storage to = {};
  socklen_t length = address_of(address, port, to);
  if (length == 0) return failure.set("connect", EINVAL, address);
  UniqueFd made;
  if (begin_connect(network_namespace, reinterpret_cast<sockaddr *>(&to), length, made, failure) != 0) return -1;
  if (!wait) return made.release();
  pollfd ready = {made.get(), POLLOUT, 0};
  int count;
  do {
    count = poll(&ready, 1, kConnectMs);
  } while (count < 0 && errno == EINTR);
  int error = 0;
  socklen_t size = sizeof error;
  if (count == 0) return failure.set("connect", ETIMEDOUT, address);
  if (getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return failure.set("connect", error, address);
  return made.release();
}

int bind_socket_in(int network_namespace, int type, const char *address, uint16_t port, Failure &failure) {
  sockaddr_storage at = {};
  socklen_t length = address_of(address, port, at);
  if (length == 0) return failure.set("bind", EINVAL, address);
  ReturnHome home;
  if (!home.prepare(failure)) return -1;
  if (setns(network_namespace, CLONE_NEWNET) != 0) return failure.set("setns", errno, "network namespace");
  home.arm();
  UniqueFd made(socket(at.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.valid()) return failure.set("socket", errno, address);
  const int on = 1;
  if (type == SOCK_STREAM) setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(made.get(), reinterpret_cast<sockaddr *>(&at), length) != 0) return failure.set("bind", errno, address);
  if (type == SOCK_STREAM && listen(made.get(), kBacklog) != 0) return failure.set("listen", errno, address);
  return made.release();
}

int netlink_transact(int socket, const uint8_t *request, size_t size, std::vector<uint8_t> &reply, Failure &failure) {
  std::vector<uint32_t> asked;
  if (!sequences_of(request, size, asked)) return failure.set("netlink", EINVAL, "the request is no list of messages");
  if (asked.empty()) return 0;
  std::vector<uint32_t> open_numbers = asked;
  const sockaddr_nl kernel = {AF_NETLINK, 0, 0, 0};
  ssize_t sent;
  do {
    sent = sendto(socket, request, size, 0, reinterpret_cast<const sockaddr *>(&kernel), sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return failure.set("sendto", errno, "netlink");
  std::vector<uint8_t> piece(kPiece);
  while (!open_numbers.empty()) {
    ssize_t count = recv(socket, piece.data(), piece.size(), MSG_TRUNC);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure.set("recv", errno == EAGAIN ? ETIMEDOUT : errno, "netlink");
    if (static_cast<size_t>(count) > piece.size()) return failure.set("recv", EMSGSIZE, "netlink");
    if (!take_answers(piece.data(), static_cast<size_t>(count), asked, open_numbers, reply)) {
      return failure.set("recv", EBADMSG, "netlink");
    }
  }
  return 0;
}

int create_network_namespace(const uint8_t *request, size_t size, NetworkNamespace &made, Failure &failure) {
  ReturnHome home;
  if (!home.prepare(failure)) return -1;
  if (unshare(CLONE_NEWNET) != 0) return failure.set("unshare", errno, "CLONE_NEWNET");
  home.arm();
  made.descriptor.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!made.descriptor.valid()) return failure.set("open", errno, "/proc/thread-self/ns/net");
  made.route_socket.reset(open_netlink(NETLINK_ROUTE, failure));
  if (!made.route_socket.valid()) return -1;
  return size == 0 ? 0 : netlink_transact(made.route_socket.get(), request, size, made.reply, failure);
}

}  // namespace tsd

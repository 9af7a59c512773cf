// Owns unix sockets with descriptors.
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "text.h"
#include "unique_fd.h"

namespace tsd {

namespace {

// sun_path has 108 bytes; the directory by descriptor keeps every path short.
bool address_in(int directory, const char *name, struct sockaddr_un &address) {
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  Text<sizeof address.sun_path> path;
  path.add("/proc/self/fd/").add_number(static_cast<uint64_t>(directory)).add("/").add(name);
  if (path.truncated()) return false;
  memcpy(address.sun_path, path.text(), path.length() + 1);
  return true;
}

}  // namespace

ssize_t send_descriptors(int socket, const void *data, size_t size, const int *fds, size_t count) {
  struct iovec piece = {const_cast<void *>(data), size};
  struct msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptorLimit)];
  if (count > 0) {
    if (count > kDescriptorLimit) {
      errno = E2BIG;
      return -1;
    }
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    memset(control, 0, message.msg_controllen);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

ssize_t receive_descriptors(int socket, void *data, size_t size, int *fds, size_t *count) {
  *count = 0;
  struct iovec piece = {data, size};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * (kDescriptorLimit + 3))];
  struct msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return -1;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const unsigned char *source = CMSG_DATA(header);
    for (size_t i = 0; i < here; i++) {
      int fd;
      memcpy(&fd, source + i * sizeof(int), sizeof fd);
      if (*count < kDescriptorLimit) {
        fds[(*count)++] = fd;
      } else {
        ::close(fd);
      }
    }
  }
  return received;
}

int send_all(int socket, const void *data, size_t size, const int *fds, size_t count, int timeout_ms, Failure &failure) {
  const char *bytes = static_cast<const char *>(data);
  bool with_descriptors = count > 0;
  while (size > 0 || with_descriptors) {
    ssize_t sent = send_descriptors(socket, bytes, size, fds, with_descriptors ? count : 0);
    if (sent >= 0) {
      bytes += sent;
      size -= static_cast<size_t>(sent);
      with_descriptors = false;
      continue;
    }
    if (errno != EAGAIN) return failure.set("sendmsg", errno);
    struct pollfd wait = {socket, POLLOUT, 0};
    int ready = poll(&wait, 1, timeout_ms);
    if (ready == 0) return failure.set("sendmsg", ETIMEDOUT, "the peer does not read");
    if (ready < 0 && errno != EINTR) return failure.set("poll", errno);
  }
  return 0;
}

int connect_in_directory(int directory, const char *name, Failure &failure) {
  struct sockaddr_un address;
  if (!address_in(directory, name, address)) return failure.set("connect", ENAMETOOLONG, name);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return failure.set("socket", errno);
  if (connect(fd.get(), reinterpret_cast<struct sockaddr *>(&address), sizeof address) != 0) {
    return failure.set("connect", errno, name);
  }
  return fd.release();
}

int listen_in_directory(int directory, const char *name, int backlog, Failure &failure) {
  struct sockaddr_un address;
  if (!address_in(directory, name, address)) return failure.set("bind", ENAMETOOLONG, name);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return failure.set("socket", errno);
  if (unlinkat(directory, name, 0) != 0 && errno != ENOENT) return failure.set("unlink", errno, name);
  mode_t old = umask(0177);
  int bound = bind(fd.get(), reinterpret_cast<struct sockaddr *>(&address), sizeof address);
  int error = errno;
  umask(old);
  if (bound != 0) return failure.set("bind", error, name);
  if (listen(fd.get(), backlog) != 0) return failure.set("listen", errno, name);
  return fd.release();
}

}  // namespace tsd

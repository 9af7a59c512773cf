// Owns netlink sockets and network namespaces. It sends and receives bytes and counts acknowledgements; what they mean is not known here.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace tsd {

/// A netlink socket of the calling thread's network namespace, with extended acknowledgements. Returns the descriptor or -1.
int open_netlink(int protocol, Failure &failure);

/// As open_netlink(), in the namespace of the descriptor. The thread is back in its own afterwards; if that fails the process aborts,
/// because everything it would do from there on would happen in the wrong namespace.
int open_netlink_in(int network_namespace, int protocol, Failure &failure);

/// Sends the messages as one datagram and receives until each one is acknowledged or its dump has ended. A refusal by the kernel is part of
/// `reply`, not a failure. One call at a time for one socket. Returns 0 or -1.
int netlink_transact(int socket, const uint8_t *request, size_t size, std::vector<uint8_t> &reply, Failure &failure);

/// A TCP connection to a numeric address, made in the namespace of the descriptor, non-blocking. Waits a fraction of a second at most: for
/// addresses of the namespace itself, where the kernel answers at once; without `wait` not at all: the socket tells the outcome when it
/// becomes writable. Returns the descriptor or -1.
int connect_tcp_in(int network_namespace, const char *address, uint16_t port, bool wait, Failure &failure);

/// A non-blocking socket (SOCK_DGRAM or SOCK_STREAM) in the namespace, bound to the numeric address (port 0: any), a stream's listening.
/// Returns the descriptor or -1.
int bind_socket_in(int network_namespace, int type, const char *address, uint16_t port, Failure &failure);

struct NetworkNamespace {
  UniqueFd descriptor;
  UniqueFd route_socket;
  std::vector<uint8_t> reply;
};

/// Makes a network namespace and a NETLINK_ROUTE socket in it, and sends `request` there (size 0: nothing). Returns 0 or -1.
int create_network_namespace(const uint8_t *request, size_t size, NetworkNamespace &made, Failure &failure);

}  // namespace tsd

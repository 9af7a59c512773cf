// Owns unix sockets with descriptors: pairs, sending, receiving, connecting and listening by directory descriptor.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "result.h"

namespace tsd {

/// At most this many descriptors go with one message (the kernel's SCM_MAX_FD is 253).
constexpr size_t kDescriptorLimit = 250;

/// sendmsg(2) of one piece with descriptors. Returns the bytes sent or -1 with errno set; never SIGPIPE.
ssize_t send_descriptors(int socket, const void *data, size_t size, const int *fds, size_t count);

/// recvmsg(2); descriptors are close-on-exec. `*count` says how many came (room for kDescriptorLimit is needed). -1 with errno.
ssize_t receive_descriptors(int socket, void *data, size_t size, int *fds, size_t *count);

/// Sends everything, waiting for room at most `timeout_ms` without progress. Returns 0 or -1 (ETIMEDOUT when the peer does not read).
int send_all(int socket, const void *data, size_t size, const int *fds, size_t count, int timeout_ms, Failure &failure);

/// Connects to the socket `name` in the directory, however long its path is. Non-blocking, close-on-exec.
int connect_in_directory(int directory, const char *name, Failure &failure);

/// Listens on `name` in the directory, taking the place of a socket file that is there.
int listen_in_directory(int directory, const char *name, int backlog, Failure &failure);

}  // namespace tsd

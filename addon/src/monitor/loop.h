// Owns waiting: one epoll descriptor, one callback for each watched descriptor. It knows nothing of what the descriptors mean.
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

namespace tsd {

/// A descriptor that is waited for. Lives inside of its owner; the owner is freed only between two rounds of the loop.
struct Watch {
  int fd = -1;
  uint32_t events = 0;
  bool added = false;
  void (*ready)(void *owner, uint32_t events) = nullptr;
  void *owner = nullptr;
};

class Loop {
 public:
  /// False with errno.
  bool open();
  /// Waits for `events` of `watch.fd` (EPOLLHUP and EPOLLERR always come along, also with 0).
  void want(Watch &watch, uint32_t events);
  /// Waits for nothing of it, not even for a hang-up.
  void pause(Watch &watch);
  /// One round: waits up to `timeout_ms` (-1 for ever) and calls what is ready. False when the time was over.
  bool round(int timeout_ms);

 private:
  long wait(struct epoll_event *events, int room, int timeout_ms);
  int epoll_ = -1;
};

}  // namespace tsd

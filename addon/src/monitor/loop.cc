// Owns waiting.
#include "loop.h"

#include <errno.h>

#include "../sys/raw_syscall.h"

namespace tsd {

bool Loop::open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  return epoll_ >= 0;
}

void Loop::want(Watch &watch, uint32_t events) {
  if (watch.fd < 0 || (watch.added && watch.events == events)) return;
  struct epoll_event event = {};
  event.events = events;
  event.data.ptr = &watch;
  if (epoll_ctl(epoll_, watch.added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch.fd, &event) == 0) {
    watch.added = true;
    watch.events = events;
  }
}

void Loop::pause(Watch &watch) {
  if (!watch.added) return;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, watch.fd, nullptr);
  watch.added = false;
  watch.events = 0;
}

long Loop::wait(struct epoll_event *events, int room, int timeout_ms) {
#if defined(SYS_epoll_wait)
  return raw_syscall(SYS_epoll_wait, epoll_, reinterpret_cast<long>(events), room, timeout_ms);
#else
  return epoll_wait(epoll_, events, room, timeout_ms);
#endif
}

bool Loop::round(int timeout_ms) {
  struct epoll_event events[16];
  long count = wait(events, 16, timeout_ms);
  if (count == 0) return false;
  for (long i = 0; i < count; i++) {
    auto *watch = static_cast<Watch *>(events[i].data.ptr);
    // An earlier callback of this round may have stopped it.
    if (watch->added) watch->ready(watch->owner, events[i].events);
  }
  return true;
}

}  // namespace tsd

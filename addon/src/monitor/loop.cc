// Owns waiting.
#include "loop.h"

#include <errno.h>

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

bool Loop::round(int timeout_ms) {
  struct epoll_event events[16];
  int count = epoll_wait(epoll_, events, 16, timeout_ms);
  if (count == 0) return false;
  for (int i = 0; i < count; i++) {
    auto *watch = static_cast<Watch *>(events[i].data.ptr);
    // An earlier callback of this round may have stopped it.
    if (watch->added) watch->ready(watch->owner, events[i].events);
  }
  return true;
}

}  // namespace tsd

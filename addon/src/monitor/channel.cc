// Owns the words between the monitor and a process that it has cloned.
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../sys/socket.h"

namespace tsd {

int channel_send(int channel, const ChannelWord &word, int fd) {
  // Without a descriptor a plain write: a container's seccomp filter is more likely to let that pass.
  ssize_t sent = fd >= 0 ? send_descriptors(channel, &word, sizeof word, &fd, 1) : write(channel, &word, sizeof word);
  return sent == static_cast<ssize_t>(sizeof word) ? 0 : -1;
}

int channel_receive(int channel, ChannelWord &word, int *fd) {
  int fds[kDescriptorLimit];
  size_t count;
  memset(&word, 0, sizeof word);
  // ECONNRESET: the child has ended without reading our `go`. It comes once, before the words that the child had said.
  ssize_t received;
  int resets = 0;
  do {
    received = receive_descriptors(channel, &word, sizeof word, fds, &count);
  } while (received < 0 && errno == ECONNRESET && ++resets < 4);
  *fd = -1;
  for (size_t i = 0; i < count; i++) {
    if (i == 0) {
      *fd = fds[0];
    } else {
      close(fds[i]);
    }
  }
  if (received < 0) return errno == ECONNRESET ? 0 : -1;
  if (received == 0) return 0;
  word.detail[sizeof word.detail - 1] = 0;
  return 1;
}

bool channel_await_go(int channel) {
  ChannelWord word;
  for (;;) {
    ssize_t count = read(channel, &word, sizeof word);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      struct pollfd wait = {channel, POLLIN, 0};
      poll(&wait, 1, -1);
      continue;
    }
    return count == static_cast<ssize_t>(sizeof word) && word.word == Word::go;
  }
}

}  // namespace tsd

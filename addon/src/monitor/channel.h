// Owns the words between the monitor and a process that it has cloned: a SEQPACKET pair, closed in the child by a successful exec.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "../sys/result.h"

namespace tsd {

enum class Word : uint32_t {
  go = 1,         // monitor -> child
  failed = 2,     // child -> monitor: a plan line failed; the child ends
  executing = 3,  // child -> monitor: everything but the exec has been done; what ends the channel now is the exec
  terminal = 4,   // child -> monitor, with the terminal's master
  listener = 6,   // child -> monitor, with the listener of its filter; index and op are the halves of the families that are allowed
  process = 5,    // first child of an exec -> monitor, with a pidfd: the second child, which is the session
};

struct ChannelWord {
  Word word;
  uint32_t index;  // plan line
  uint32_t op;
  int32_t error;
  int32_t pid;
  char detail[256];
};

/// Sends one word; returns 0 or -1 with errno.
int channel_send(int channel, const ChannelWord &word, int fd = -1);

/// Receives one word without waiting. 1: got one (`*fd` is -1 or a descriptor), 0: the other side has gone, -1: errno (EAGAIN).
int channel_receive(int channel, ChannelWord &word, int *fd);

/// Waits for `go`. False when the monitor has gone.
bool channel_await_go(int channel);

}  // namespace tsd

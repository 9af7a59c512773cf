// Owns the sockets of 32-bit programs: socketcall(2) has the address family behind a pointer, where no filter can look and where it may
// change between a look and the use. So the filter hands that call to the monitor, which reads the family once and makes the socket itself.
#pragma once

#include <stdint.h>

#include "../sys/unique_fd.h"

namespace tsd {

struct Monitor;

/// Serves a filter's listener (seccomp_unotify(2)) until the last process under it has ended. `families`: bit n, family n is allowed.
void broker_sockets(Monitor &monitor, UniqueFd listener, uint64_t families);

}  // namespace tsd

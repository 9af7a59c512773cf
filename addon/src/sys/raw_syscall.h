// Owns a system call without the C library around it, for the one place where touching the library's pages is the cost: the idle loop.
#pragma once

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tsd {

/// The result, or -errno. At most four arguments.
inline long raw_syscall(long number, long first, long second, long third, long fourth) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = fourth;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10) : "rcx", "r11", "memory");
  return result;
#else
  long result = syscall(number, first, second, third, fourth);
  return result < 0 ? -errno : result;
#endif
}

}  // namespace tsd

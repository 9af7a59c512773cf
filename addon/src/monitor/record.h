// Owns the small files of the run directory: `pid`, `exit` and `exec-<id>`. They are written before the daemon hears of what they say.
#pragma once

#include <stdint.h>
#include <sys/types.h>

namespace tsd {

/// Which process of this boot: its pid and field 22 of /proc/PID/stat, and when it called execve (ns since 1970).
struct ProcessMark {
  pid_t pid = 0;
  uint64_t start_time = 0;
  uint64_t started_at = 0;
};

/// Field 22 of /proc/PID/stat, clock ticks since boot; 0 when there is no such process.
uint64_t process_start_time(pid_t pid);

/// False with errno.
bool write_pid_record(int directory, const ProcessMark &mark);
bool write_exit_record(int directory, const ProcessMark &mark, uint64_t finished_at, int code, int signal);
/// How an exec session ended, as `exec-<id>`. EINVAL for an id that cannot be a file name.
bool write_exec_record(int directory, const char *exec, int code, int signal);

}  // namespace tsd

// Owns the numbers of the protocol between daemon and monitor. docs/monitor-protocol.md is the contract; a test compares this file
// with daemon/runtime/protocol.ts. Only additions are allowed: an old monitor meets a new daemon at every upgrade.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace tsd {

constexpr uint16_t kProtocolVersion = 1;
constexpr size_t kFrameHeader = 8;
constexpr size_t kFrameLimit = 4 * 1024 * 1024;

namespace message {
constexpr uint16_t launch = 1;
constexpr uint16_t go = 2;
constexpr uint16_t attach = 3;
constexpr uint16_t signal = 4;
constexpr uint16_t resize = 5;
constexpr uint16_t exec = 6;
constexpr uint16_t detach = 7;
constexpr uint16_t close_stdin = 8;
constexpr uint16_t hold = 9;
constexpr uint16_t hello = 101;
constexpr uint16_t started = 102;
constexpr uint16_t failed = 103;
constexpr uint16_t exited = 104;
constexpr uint16_t detached = 105;
constexpr uint16_t exec_started = 106;
constexpr uint16_t exec_failed = 107;
constexpr uint16_t exec_exited = 108;
constexpr uint16_t log_error = 109;
}  // namespace message

// `errno` and the standard streams are macros, hence the final underscores.
namespace field {
constexpr uint16_t id = 1;
constexpr uint16_t plan = 2;
constexpr uint16_t fds = 3;
constexpr uint16_t tty = 4;
constexpr uint16_t open_stdin = 5;
constexpr uint16_t stdin_once = 6;
constexpr uint16_t log_driver = 7;
constexpr uint16_t log_max_size = 8;
constexpr uint16_t log_max_file = 9;
constexpr uint16_t log_attrs = 10;
constexpr uint16_t client = 11;
constexpr uint16_t streams = 12;
constexpr uint16_t multiplexed = 13;
constexpr uint16_t greeting = 14;
constexpr uint16_t input = 15;
constexpr uint16_t detach_keys = 16;
constexpr uint16_t exec = 17;
constexpr uint16_t signal = 18;
constexpr uint16_t rows = 19;
constexpr uint16_t columns = 20;
constexpr uint16_t version = 21;
constexpr uint16_t state = 22;
constexpr uint16_t monitor_pid = 23;
constexpr uint16_t pid = 24;
constexpr uint16_t start_time = 25;
constexpr uint16_t started_at = 26;
constexpr uint16_t finished_at = 27;
constexpr uint16_t step = 28;
constexpr uint16_t index = 29;
constexpr uint16_t errno_ = 30;
constexpr uint16_t detail = 31;
constexpr uint16_t code = 32;
constexpr uint16_t reason = 33;
constexpr uint16_t lost = 34;
constexpr uint16_t execs = 35;
constexpr uint16_t exec_pids = 36;
constexpr uint16_t held = 37;
}  // namespace field

namespace stream {
constexpr unsigned stdin_ = 1;
constexpr unsigned stdout_ = 2;
constexpr unsigned stderr_ = 4;
}  // namespace stream

enum class MonitorState : uint64_t { idle = 0, launched = 1, running = 2, exited = 3 };

namespace op {
constexpr uint16_t open_tree = 1;
constexpr uint16_t open = 2;
constexpr uint16_t clone = 3;
constexpr uint16_t write = 10;
constexpr uint16_t set_namespace = 11;
constexpr uint16_t unshare = 12;
constexpr uint16_t propagation = 13;
constexpr uint16_t root = 14;
constexpr uint16_t filesystem = 15;
constexpr uint16_t attach = 16;
constexpr uint16_t mkdir = 17;
constexpr uint16_t device = 18;
constexpr uint16_t symlink = 19;
constexpr uint16_t mask = 20;
constexpr uint16_t readonly = 21;
constexpr uint16_t sysctl = 22;
constexpr uint16_t console = 23;
constexpr uint16_t stdio = 24;
constexpr uint16_t pivot_root = 25;
constexpr uint16_t remount_root = 26;
constexpr uint16_t hostname = 27;
constexpr uint16_t domainname = 28;
constexpr uint16_t rlimit = 29;
constexpr uint16_t oom_score = 30;
constexpr uint16_t working_directory = 31;
constexpr uint16_t user = 32;
constexpr uint16_t no_new_privileges = 33;
constexpr uint16_t bounding_set = 34;
constexpr uint16_t capabilities = 35;
constexpr uint16_t seccomp = 36;
constexpr uint16_t death_signal = 37;
constexpr uint16_t session = 38;
constexpr uint16_t umask = 39;
constexpr uint16_t environment = 40;
constexpr uint16_t await_go = 41;
constexpr uint16_t init = 42;
constexpr uint16_t exec = 43;
constexpr uint16_t process_label = 44;
constexpr uint16_t keyring = 45;
constexpr uint16_t mount_attributes = 46;
}  // namespace op

}  // namespace tsd

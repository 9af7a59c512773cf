// Owns the launch plan: reading it from bytes, checking its shape against the table of operations, running it line by line.
// What a line does is in ops_*.cc; what a plan says is decided by the daemon.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../sys/result.h"

namespace tsd {

constexpr size_t kSlotLimit = 256;

struct Argument {
  char *bytes;  // followed by a NUL that is not counted
  uint32_t size;
};

struct Line {
  uint16_t op;
  uint16_t count;
  const Argument *arguments;

  uint64_t number(unsigned index) const;
  int64_t signed_number(unsigned index) const { return static_cast<int64_t>(number(index)); }
  const char *text(unsigned index) const { return arguments[index].bytes; }
};

class Plan {
 public:
  Plan() = default;
  ~Plan();
  Plan(const Plan &) = delete;
  Plan &operator=(const Plan &) = delete;

  /// Takes a copy of the bytes. -1 when they are no plan (EBADMSG), name an operation that this program does not know (ENOSYS) or
  /// lack arguments (EINVAL); `*index` is the line then.
  int read(const char *bytes, size_t size, uint32_t *index, Failure &failure);

  /// True when a line `first` stands before a line `second`.
  bool in_order(uint16_t first, uint16_t second) const;

  uint32_t count() const { return count_; }
  const Line &line(uint32_t index) const { return lines_[index]; }

 private:
  char *bytes_ = nullptr;
  Argument *arguments_ = nullptr;
  Line *lines_ = nullptr;
  uint32_t count_ = 0;
};

/// What the lines of one plan share while it runs.
struct PlanContext {
  const Plan *plan = nullptr;
  uint32_t index = 0;
  int slots[kSlotLimit];
  bool exec_session = false;  // joins a running container: makes nothing in it
  bool tty = false;
  bool open_stdin = false;
  int stdio[3] = {-1, -1, -1};  // the child's ends of the pipes
  int first_process = -1;       // exec: pidfd of PID 1
  int channel = -1;             // in the child
  int root = -1;                // the container's root once the line `root` has put it in its place
  bool pivoted = false;
  int proc = -1;         // private procfs, once it was needed
  int null_device = -1;  // the container's /dev/null, proven
  int empty = -1;        // the empty read-only tmpfs that masks directories
  bool announced = false;
  unsigned mask = 022;
  char **environment = nullptr;
  // Filled by the host part:
  uint64_t clone_flags = 0;
  int clone_cgroup = -1;

  PlanContext();
};

using Operation = int (*)(PlanContext &, const Line &, Failure &);

struct OperationEntry {
  uint16_t op;
  const char *name;
  /// n number, t text without NUL, b bytes, T any number of texts. Further arguments are skipped.
  const char *signature;
  Operation run;
};

/// The entry of an operation; nullptr when it is unknown.
const OperationEntry *find_operation(uint16_t op);

/// Runs the line at context.index. On failure the detail has the system call in front.
int run_line(PlanContext &context, Failure &failure);

// Shared by the operations.

/// The slot's descriptor, or -1 (EBADF).
int slot_of(const PlanContext &context, uint64_t slot, Failure &failure);
/// The container's root; an exec session's is `/` after it has joined. EINVAL before the line `root`.
int root_of(PlanContext &context, Failure &failure);
/// Tells the monitor that what ends the channel from now on is the exec.
void announce_exec(PlanContext &context);
/// Everything above 2 closes with the exec.
void seal_descriptors();

#define TSD_OPERATION(name) int name(PlanContext &context, const Line &line, Failure &failure)
TSD_OPERATION(op_open_tree);
TSD_OPERATION(op_open);
TSD_OPERATION(op_clone);
TSD_OPERATION(op_write);
TSD_OPERATION(op_set_namespace);
TSD_OPERATION(op_unshare);
TSD_OPERATION(op_propagation);
TSD_OPERATION(op_root);
TSD_OPERATION(op_filesystem);
TSD_OPERATION(op_attach);
TSD_OPERATION(op_mkdir);
TSD_OPERATION(op_device);
TSD_OPERATION(op_symlink);
TSD_OPERATION(op_mask);
TSD_OPERATION(op_readonly);
TSD_OPERATION(op_sysctl);
TSD_OPERATION(op_console);
TSD_OPERATION(op_stdio);
TSD_OPERATION(op_pivot_root);
TSD_OPERATION(op_remount_root);
TSD_OPERATION(op_hostname);
TSD_OPERATION(op_domainname);
TSD_OPERATION(op_rlimit);
TSD_OPERATION(op_oom_score);
TSD_OPERATION(op_working_directory);
TSD_OPERATION(op_user);
TSD_OPERATION(op_no_new_privileges);
TSD_OPERATION(op_bounding_set);
TSD_OPERATION(op_capabilities);
TSD_OPERATION(op_seccomp);
TSD_OPERATION(op_death_signal);
TSD_OPERATION(op_session);
TSD_OPERATION(op_umask);
TSD_OPERATION(op_environment);
TSD_OPERATION(op_await_go);
TSD_OPERATION(op_init);
TSD_OPERATION(op_exec);
TSD_OPERATION(op_process_label);
TSD_OPERATION(op_keyring);
TSD_OPERATION(op_mount_attributes);

}  // namespace tsd

// Owns turning syscall rules into BPF by libseccomp. Nothing here knows a profile; loading is the monitor's work.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "result.h"

namespace tsd {

struct SeccompCondition {
  unsigned index;      // argument 0 to 5
  int op;              // SCMP_CMP_*: 1 !=, 2 <, 3 <=, 4 ==, 5 >=, 6 >, 7 masked ==
  uint64_t value;      // for 7: the mask
  uint64_t value_two;  // for 7: what is compared with
};

struct SeccompRule {
  std::vector<std::string> syscalls;
  uint32_t action;  // SECCOMP_RET_* with its data
  std::vector<SeccompCondition> conditions;
};

struct SeccompProfile {
  uint32_t default_action;
  std::vector<uint32_t> architectures;  // AUDIT_ARCH_*; the native one is always in
  std::vector<SeccompRule> rules;
};

/// Compiles the profile to an array of struct sock_filter. Names that this libseccomp does not know are left out, as runc does, and
/// system calls newer than every one the profile names get ENOSYS in place of a default errno, so that programs fall back.
/// Returns 0 or -1.
int compile_seccomp(const SeccompProfile &profile, std::vector<uint8_t> &filter, Failure &failure);

}  // namespace tsd

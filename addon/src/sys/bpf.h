// Owns programs of cgroup v2: loading and attaching. What a program says is decided by the daemon.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "result.h"

namespace tsd {

/// Loads a device program (struct bpf_insn[]) and attaches it to the cgroup v2 directory in place of those that were attached to it
/// before. bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE. Returns 0 or -1.
int attach_device_program(const char *directory, const uint8_t *program, size_t size, Failure &failure);

}  // namespace tsd

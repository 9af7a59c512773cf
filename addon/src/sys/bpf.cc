// Owns programs of cgroup v2: loading and attaching.
#include "bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unique_fd.h"

namespace tsd {

namespace {

constexpr size_t kMostPrograms = 64;

int bpf(enum bpf_cmd command, union bpf_attr &attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

int load(const uint8_t *program, size_t size, Failure &failure) {
  static const char license[] = "Apache-2.0";
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(program);
  attributes.insn_cnt = static_cast<uint32_t>(size / sizeof(struct bpf_insn));
  attributes.license = reinterpret_cast<uint64_t>(license);
  int fd = bpf(BPF_PROG_LOAD, attributes);
  return fd >= 0 ? fd : failure.set("BPF_PROG_LOAD", errno);
}

// Identities of the programs that are attached to this very group.
int attached(int group, uint32_t (&ids)[kMostPrograms], size_t &count, Failure &failure, const char *directory) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.query.target_fd = static_cast<uint32_t>(group);
  attributes.query.attach_type = BPF_CGROUP_DEVICE;
  attributes.query.prog_ids = reinterpret_cast<uint64_t>(ids);
  attributes.query.prog_cnt = kMostPrograms;
  if (bpf(BPF_PROG_QUERY, attributes) != 0) return failure.set("BPF_PROG_QUERY", errno, directory);
  count = attributes.query.prog_cnt;
  return 0;
}

int detach(int group, uint32_t id, Failure &failure, const char *directory) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.prog_id = id;
  UniqueFd program(bpf(BPF_PROG_GET_FD_BY_ID, attributes));
  // It has gone by itself.
  if (!program.valid()) return errno == ENOENT ? 0 : failure.set("BPF_PROG_GET_FD_BY_ID", errno, directory);
  memset(&attributes, 0, sizeof attributes);
  attributes.target_fd = static_cast<uint32_t>(group);
  attributes.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  if (bpf(BPF_PROG_DETACH, attributes) != 0) return failure.set("BPF_PROG_DETACH", errno, directory);
  return 0;
}

}  // namespace

int attach_device_program(const char *directory, const uint8_t *program, size_t size, Failure &failure) {
  UniqueFd group(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!group.valid()) return failure.set("open", errno, directory);
  UniqueFd loaded(load(program, size, failure));
  if (!loaded.valid()) return -1;
  uint32_t before[kMostPrograms];
  size_t count = 0;
  if (attached(group.get(), before, count, failure, directory) != 0) return -1;
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.target_fd = static_cast<uint32_t>(group.get());
  attributes.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attributes) != 0) return failure.set("BPF_PROG_ATTACH", errno, directory);
  // While both are attached both must admit: there is no moment in which more is allowed than before and after.
  for (size_t i = 0; i < count; i++) {
    if (detach(group.get(), before[i], failure, directory) != 0) return -1;
  }
  return 0;
}

}  // namespace tsd

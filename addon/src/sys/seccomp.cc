// Owns turning syscall rules into BPF by libseccomp.
#include "seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <set>

#include "unique_fd.h"

namespace tsd {

namespace {

constexpr uint32_t kX32Bit = 0x40000000;

// One rule, or one for each condition when an argument is named twice: libseccomp cannot compare one argument twice in a rule.
int add_rule(scmp_filter_ctx context, uint32_t action, int number, const SeccompRule &rule) {
  std::vector<struct scmp_arg_cmp> comparisons;
  std::set<unsigned> seen;
  bool twice = false;
  for (const SeccompCondition &condition : rule.conditions) {
    twice = !seen.insert(condition.index).second || twice;
    comparisons.push_back({condition.index, static_cast<enum scmp_compare>(condition.op), condition.value, condition.value_two});
  }
  if (!twice) {
    return seccomp_rule_add_array(context, action, number, static_cast<unsigned>(comparisons.size()), comparisons.data());
  }
  for (const struct scmp_arg_cmp &comparison : comparisons) {
    int outcome = seccomp_rule_add_array(context, action, number, 1, &comparison);
    if (outcome != 0 && outcome != -EEXIST) return outcome;
  }
  return 0;
}

// The highest number that the profile names, for each architecture token.
std::map<uint32_t, uint32_t> highest_numbers(const SeccompProfile &profile, const std::set<uint32_t> &architectures) {
  std::map<uint32_t, uint32_t> highest;
  for (uint32_t architecture : architectures) {
    for (const SeccompRule &rule : profile.rules) {
      for (const std::string &name : rule.syscalls) {
        int number = seccomp_syscall_resolve_name_arch(architecture, name.c_str());
        if (number < 0) continue;
        uint32_t plain = static_cast<uint32_t>(number) & ~kX32Bit;
        uint32_t &known = highest[architecture];
        if (plain > known) known = plain;
      }
    }
  }
  return highest;
}

struct sock_filter statement(uint16_t code, uint32_t k) { return {code, 0, 0, k}; }
struct sock_filter jump(uint16_t code, uint32_t k, uint8_t yes, uint8_t no) { return {code, yes, no, k}; }

// For each architecture: a number above the highest one that the profile names is ENOSYS. Numbers of x32 share the token of x86-64.
std::vector<struct sock_filter> newer_calls_are_unknown(const std::map<uint32_t, uint32_t> &highest) {
  constexpr uint32_t kUnknown = SECCOMP_RET_ERRNO | ENOSYS;
  constexpr uint32_t kArch = offsetof(struct seccomp_data, arch);
  constexpr uint32_t kNumber = offsetof(struct seccomp_data, nr);
  std::vector<struct sock_filter> code;
  for (const auto &[architecture, number] : highest) {
    if (architecture == SCMP_ARCH_X32) continue;
    code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, kArch));
    if (architecture == SCMP_ARCH_X86_64) {
      auto x32 = highest.find(SCMP_ARCH_X32);
      if (x32 == highest.end()) {
        code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, architecture, 0, 4));
        code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, kNumber));
        code.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 2, 0));
        code.push_back(jump(BPF_JMP | BPF_JGT | BPF_K, number, 0, 1));
        code.push_back(statement(BPF_RET | BPF_K, kUnknown));
      } else {
        code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, architecture, 0, 5));
        code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, kNumber));
        code.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1));
        code.push_back(jump(BPF_JMP | BPF_JGT | BPF_K, x32->second | kX32Bit, 1, 2));
        code.push_back(jump(BPF_JMP | BPF_JGT | BPF_K, number, 0, 1));
        code.push_back(statement(BPF_RET | BPF_K, kUnknown));
      }
      continue;
    }
    code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, architecture, 0, 3));
    code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, kNumber));
    code.push_back(jump(BPF_JMP | BPF_JGT | BPF_K, number, 0, 1));
    code.push_back(statement(BPF_RET | BPF_K, kUnknown));
  }
  return code;
}

int export_program(scmp_filter_ctx context, std::vector<uint8_t> &filter, Failure &failure) {
  UniqueFd file(memfd_create("seccomp", MFD_CLOEXEC));
  if (!file.valid()) return failure.set("memfd_create", errno, "seccomp");
  int outcome = seccomp_export_bpf(context, file.get());
  if (outcome != 0) return failure.set("seccomp_export_bpf", -outcome);
  if (lseek(file.get(), 0, SEEK_SET) != 0) return failure.set("lseek", errno);
  uint8_t piece[8192];
  for (;;) {
    ssize_t count = read(file.get(), piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure.set("read", errno, "seccomp");
    if (count == 0) return 0;
    filter.insert(filter.end(), piece, piece + count);
  }
}

// Frees the context at the end of the scope.
struct Context {
  scmp_filter_ctx handle;
  ~Context() {
    if (handle) seccomp_release(handle);
  }
};

}  // namespace

int compile_seccomp(const SeccompProfile &profile, std::vector<uint8_t> &filter, Failure &failure) {
  Context context{seccomp_init(profile.default_action)};
  if (!context.handle) return failure.set("seccomp_init", EINVAL, "default action");
  std::set<uint32_t> architectures{seccomp_arch_native()};
  for (uint32_t architecture : profile.architectures) {
    int outcome = seccomp_arch_add(context.handle, architecture);
    if (outcome != 0 && outcome != -EEXIST) return failure.set("seccomp_arch_add", -outcome, std::to_string(architecture).c_str());
    architectures.insert(architecture);
  }
  // A binary search over the numbers: a few comparisons a call and not hundreds. Older libraries do without.
  seccomp_attr_set(context.handle, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const SeccompRule &rule : profile.rules) {
    if (rule.action == profile.default_action) continue;
    for (const std::string &name : rule.syscalls) {
      int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;
      int outcome = add_rule(context.handle, rule.action, number, rule);
      // EDOM: one of the architectures cannot express it; EEXIST: said twice.
      if (outcome != 0 && outcome != -EEXIST && outcome != -EDOM) return failure.set("seccomp_rule_add", -outcome, name.c_str());
    }
  }
  filter.clear();
  bool refuses = (profile.default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
                 (profile.default_action & SECCOMP_RET_DATA) != ENOSYS;
  if (refuses) {
    for (const struct sock_filter &line : newer_calls_are_unknown(highest_numbers(profile, architectures))) {
      const uint8_t *bytes = reinterpret_cast<const uint8_t *>(&line);
      filter.insert(filter.end(), bytes, bytes + sizeof line);
    }
  }
  if (export_program(context.handle, filter, failure) != 0) return -1;
  if (filter.size() / sizeof(struct sock_filter) > BPF_MAXINSNS) return failure.set("seccomp", E2BIG, "filter of more than 4096 instructions");
  return 0;
}

}  // namespace tsd

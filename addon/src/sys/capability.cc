// Owns capability sets of the calling thread.
#include "capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tsd {

int limit_bounding_set(uint64_t keep, Failure &failure) {
  for (unsigned capability = 0; capability < 64; capability++) {
    int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (held < 0) return 0;  // past the last one of this kernel
    if (held == 0 || (keep >> capability & 1)) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return failure.set("PR_CAPBSET_DROP", errno);
  }
  return 0;
}

int set_capabilities(uint64_t permitted, uint64_t effective, uint64_t inheritable, uint64_t ambient, Failure &failure) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; half++) {
    data[half].permitted = static_cast<uint32_t>(permitted >> (32 * half));
    data[half].effective = static_cast<uint32_t>(effective >> (32 * half));
    data[half].inheritable = static_cast<uint32_t>(inheritable >> (32 * half));
  }
  if (syscall(SYS_capset, &header, data) != 0) return failure.set("capset", errno);
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return failure.set("PR_CAP_AMBIENT_CLEAR_ALL", errno);
  for (unsigned capability = 0; capability < 64; capability++) {
    if (!(ambient >> capability & 1)) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return failure.set("PR_CAP_AMBIENT_RAISE", errno);
  }
  return 0;
}

}  // namespace tsd

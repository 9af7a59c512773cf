// Owns what this kernel can do, asked of the kernel itself and never of its version.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "convert.h"

namespace tsd {

namespace {

Napi::Value bounding_set(const Napi::CallbackInfo &info) {
  uint64_t set = 0;
  for (unsigned capability = 0; capability < 64; capability++) {
    int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (held < 0) break;
    if (held == 1) set |= uint64_t{1} << capability;
  }
  return Napi::BigInt::New(info.Env(), set);
}

// A call that exists answers anything but ENOSYS to senseless arguments.
bool exists(long number) {
  long outcome = syscall(number, -1, 0, 0, 0, 0, 0);
  if (outcome >= 0) close(static_cast<int>(outcome));
  return outcome >= 0 || errno != ENOSYS;
}

bool overlay_appends() {
  int context = fsopen("overlay", FSOPEN_CLOEXEC);
  if (context < 0) return false;
  bool works = fsconfig(context, FSCONFIG_SET_STRING, "lowerdir+", "/", 0) == 0;
  close(context);
  return works;
}

Napi::Value kernel_features(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  struct open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  long opened = syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
  if (opened >= 0) close(static_cast<int>(opened));
  result.Set("openat2", opened >= 0);
  result.Set("mountSetattr", exists(SYS_mount_setattr));
  result.Set("openTree", exists(SYS_open_tree));
  result.Set("moveMount", exists(SYS_move_mount));
  result.Set("fsopen", exists(SYS_fsopen));
  result.Set("clone3", exists(SYS_clone3));
  result.Set("pidfdOpen", exists(SYS_pidfd_open));
  result.Set("closeRange", [] {
    long outcome = syscall(SYS_close_range, ~0u, ~0u, 0);
    return outcome == 0 || errno != ENOSYS;
  }());
  result.Set("overlayAppend", overlay_appends());
  uint32_t action = SECCOMP_RET_ALLOW;
  result.Set("seccomp", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
  return result;
}

}  // namespace

void register_features(Napi::Env env, Napi::Object exports) {
  exports.Set("boundingSet", Napi::Function::New<bounding_set>(env, "boundingSet"));
  exports.Set("kernelFeatures", Napi::Function::New<kernel_features>(env, "kernelFeatures"));
}

}  // namespace tsd

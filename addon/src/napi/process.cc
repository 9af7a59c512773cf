// Owns what is done to single processes for JavaScript. Nothing here starts or ends one.
#include <errno.h>
#include <sys/resource.h>

#include "convert.h"

namespace tsd {

namespace {

// setProcessLimit(pid, resource, soft, hard): the limits are BigInts, -1n is RLIM_INFINITY.
Napi::Value set_process_limit(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int64_t pid, resource;
  if (!number_argument(info, 0, "pid", pid) || !number_argument(info, 1, "resource", resource)) return env.Undefined();
  if (!info[2].IsBigInt()) return throw_argument(env, "soft", "a BigInt");
  if (!info[3].IsBigInt()) return throw_argument(env, "hard", "a BigInt");
  bool lossless;
  struct rlimit limit;
  limit.rlim_cur = static_cast<rlim_t>(info[2].As<Napi::BigInt>().Int64Value(&lossless));
  limit.rlim_max = static_cast<rlim_t>(info[3].As<Napi::BigInt>().Int64Value(&lossless));
  if (prlimit(static_cast<pid_t>(pid), static_cast<__rlimit_resource>(resource), &limit, nullptr) != 0 && errno != ESRCH) {
    Failure failure;
    failure.set("prlimit", errno, std::to_string(pid).c_str());
    return throw_failure(env, failure);
  }
  return env.Undefined();
}

}  // namespace

void register_process(Napi::Env env, Napi::Object exports) {
  exports.Set("setProcessLimit", Napi::Function::New<set_process_limit>(env, "setProcessLimit"));
}

}  // namespace tsd

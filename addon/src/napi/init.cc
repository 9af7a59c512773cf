// Owns the addon's entry: it registers what the subject files offer, and nothing else.
#include "convert.h"

namespace tsd {

// configure(makeError): called once by addon/index.ts before anything else.
static Napi::Value configure(const Napi::CallbackInfo &info) {
  if (!info[0].IsFunction()) return throw_argument(info.Env(), "makeError", "a function");
  state_of(info.Env()).make_error = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonState());
  exports.Set("configure", Napi::Function::New<configure>(env, "configure"));
  register_archive(env, exports);
  register_bpf(env, exports);
  register_descriptors(env, exports);
  register_features(env, exports);
  register_file_tree(env, exports);
  register_monitor(env, exports);
  register_mount(env, exports);
  register_netlink(env, exports);
  register_process(env, exports);
  register_seccomp(env, exports);
  register_service(env, exports);
  register_tree(env, exports);
  return exports;
}

NODE_API_MODULE(tsd, init)

}  // namespace tsd

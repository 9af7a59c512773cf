// Owns the unpacking for src/sys/bpf.cc.
#include "../sys/bpf.h"

#include "convert.h"

namespace tsd {

namespace {

// attachDeviceProgram(directory, program)
Napi::Value attach(const Napi::CallbackInfo &info) {
  std::string directory;
  const uint8_t *program;
  size_t size;
  if (!text_argument(info, 0, "directory", directory) || !bytes_argument(info, 1, "program", program, size)) {
    return info.Env().Undefined();
  }
  Failure failure;
  if (attach_device_program(directory.c_str(), program, size, failure) != 0) return throw_failure(info.Env(), failure);
  return info.Env().Undefined();
}

}  // namespace

void register_bpf(Napi::Env env, Napi::Object exports) {
  exports.Set("attachDeviceProgram", Napi::Function::New<attach>(env, "attachDeviceProgram"));
}

}  // namespace tsd

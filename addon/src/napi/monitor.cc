// Owns starting and reaping monitor processes for JavaScript.
#include <errno.h>
#include <sys/wait.h>

#include "../sys/spawn.h"
#include "convert.h"

namespace tsd {

namespace {

// spawnMonitor(program, control, name)
Napi::Value spawn_monitor(const Napi::CallbackInfo &info) {
  std::string path, name;
  int control;
  if (!text_argument(info, 0, "program", path) || !descriptor_argument(info, 1, "control", control) ||
      !text_argument(info, 2, "name", name)) {
    return info.Env().Undefined();
  }
  Failure failure;
  UniqueFd &program = state_of(info.Env()).monitor_program;
  if (!program.valid()) program.reset(seal_program(path.c_str(), "tsd-monitor", failure));
  if (!program.valid()) return throw_failure(info.Env(), failure);
  const char *argv[] = {"tsd-monitor", name.c_str(), nullptr};
  int pid = spawn_sealed(program.get(), argv, control, failure);
  if (pid < 0) return throw_failure(info.Env(), failure);
  return Napi::Number::New(info.Env(), pid);
}

Napi::Value reap(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int64_t pid;
  if (!number_argument(info, 0, "pid", pid)) return env.Undefined();
  if (pid <= 0) return throw_argument(env, "pid", "a positive number");
  int status;
  pid_t ended;
  do {
    ended = waitpid(static_cast<pid_t>(pid), &status, WNOHANG);
  } while (ended < 0 && errno == EINTR);
  if (ended == 0) return env.Undefined();
  if (ended < 0) {
    Failure failure;
    failure.set("waitpid", errno, std::to_string(pid).c_str());
    return throw_failure(env, failure);
  }
  Napi::Object result = Napi::Object::New(env);
  bool killed = WIFSIGNALED(status);
  result.Set("code", killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  result.Set("signal", killed ? WTERMSIG(status) : 0);
  return result;
}

}  // namespace

void register_monitor(Napi::Env env, Napi::Object exports) {
  exports.Set("spawnMonitor", Napi::Function::New<spawn_monitor>(env, "spawnMonitor"));
  exports.Set("reap", Napi::Function::New<reap>(env, "reap"));
}

}  // namespace tsd

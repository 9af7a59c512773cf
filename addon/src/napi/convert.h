// Owns how values cross between JavaScript and C++: arguments in, failures out. No system call belongs here.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "../sys/result.h"
#include "../sys/unique_fd.h"

namespace tsd {

/// What belongs to one loaded addon (one environment).
struct AddonState {
  Napi::FunctionReference make_error;  // (step, errno, detail) -> SystemError, given by addon/index.ts
  UniqueFd monitor_program;            // the sealed tsd-monitor, made at the first start
};

AddonState &state_of(Napi::Env env);

/// The failure as the SystemError object of addon/index.ts, for rejecting a promise.
Napi::Value error_of(Napi::Env env, const Failure &failure);

/// Throws the failure as a SystemError and returns undefined: `return throw_failure(env, failure);`
Napi::Value throw_failure(Napi::Env env, const Failure &failure);

/// Throws a TypeError that names the argument and what was expected.
Napi::Value throw_argument(Napi::Env env, const char *name, const char *expected);

/// Arguments by position. False after a TypeError has been thrown. A text with a NUL inside is refused.
bool text_argument(const Napi::CallbackInfo &info, size_t index, const char *name, std::string &value);
bool number_argument(const Napi::CallbackInfo &info, size_t index, const char *name, int64_t &value);
bool descriptor_argument(const Napi::CallbackInfo &info, size_t index, const char *name, int &value);
bool bytes_argument(const Napi::CallbackInfo &info, size_t index, const char *name, const uint8_t *&data, size_t &size);
bool text_list(Napi::Env env, Napi::Value value, const char *name, std::vector<std::string> &list);

/// Pointers to the texts, without an end mark.
std::vector<const char *> pointers_of(const std::vector<std::string> &list);

// One function a subject file; init.cc calls each once.
void register_archive(Napi::Env env, Napi::Object exports);
void register_bpf(Napi::Env env, Napi::Object exports);
void register_descriptors(Napi::Env env, Napi::Object exports);
void register_features(Napi::Env env, Napi::Object exports);
void register_file_tree(Napi::Env env, Napi::Object exports);
void register_monitor(Napi::Env env, Napi::Object exports);
void register_mount(Napi::Env env, Napi::Object exports);
void register_netlink(Napi::Env env, Napi::Object exports);
void register_process(Napi::Env env, Napi::Object exports);
void register_seccomp(Napi::Env env, Napi::Object exports);
void register_service(Napi::Env env, Napi::Object exports);
void register_tree(Napi::Env env, Napi::Object exports);

}  // namespace tsd

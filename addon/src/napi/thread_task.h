// Owns work on a thread of its own with a promise at its end: for what changes the thread (its root, its mount namespace), so that no
// pool thread may do it. Knows no subject.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <thread>

#include "convert.h"

namespace tsd {

/// Runs `work` on a fresh thread, then `wrap` on the main one; rejects with the failure when `work` answers false.
inline Napi::Value run_on_thread(Napi::Env env, std::function<bool(Failure &)> work, std::function<Napi::Value(Napi::Env)> wrap) {
  struct Task {
    std::function<bool(Failure &)> work;
    std::function<Napi::Value(Napi::Env)> wrap;
    Failure failure;
    bool good = false;
    std::unique_ptr<Napi::Promise::Deferred> deferred;
  };
  auto task = std::make_unique<Task>();
  task->work = std::move(work);
  task->wrap = std::move(wrap);
  task->deferred = std::make_unique<Napi::Promise::Deferred>(env);
  const Napi::Promise promise = task->deferred->Promise();
  auto notify = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo &) {}), "thread", 0, 1);
  std::thread([task = task.release(), notify]() mutable {
    task->good = task->work(task->failure);
    task->work = nullptr;  // closes the descriptors that it holds
    const auto settle = [](Napi::Env environment, Napi::Function, Task *done) {
      std::unique_ptr<Task> owned(done);
      if (environment == nullptr) return;
      Napi::HandleScope scope(environment);
      if (owned->good) {
        owned->deferred->Resolve(owned->wrap(environment));
      } else {
        owned->deferred->Reject(error_of(environment, owned->failure));
      }
    };
    if (notify.BlockingCall(task, settle) != napi_ok) delete task;
    notify.Release();
  }).detach();
  return promise;
}

}  // namespace tsd

// Owns the run of slow work on a thread of its own, with a promise for its end. Knows no subject.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "../sys/archive_input.h"
#include "convert.h"

namespace tsd {

/// `work` runs on a fresh thread and must own all it touches; `wrap` makes its value on the main thread when it returned true.
inline Napi::Value run_task(Napi::Env env, std::function<bool(archive::Failure&)> work, std::function<Napi::Value(Napi::Env)> wrap) {
  struct Task {
    std::function<bool(archive::Failure&)> work;
    std::function<Napi::Value(Napi::Env)> wrap;
    archive::Failure failure;
    bool good = false;
    std::unique_ptr<Napi::Promise::Deferred> deferred;
  };
  auto task = std::make_unique<Task>();
  task->work = std::move(work);
  task->wrap = std::move(wrap);
  task->deferred = std::make_unique<Napi::Promise::Deferred>(env);
  const Napi::Promise promise = task->deferred->Promise();
  auto notify = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "task", 0, 1);
  const auto settle = [](Napi::Env environment, Napi::Function, Task *ended) {
    std::unique_ptr<Task> owned(ended);
    if (environment == nullptr) return;
    Napi::HandleScope scope(environment);
    if (owned->good) {
      owned->deferred->Resolve(owned->wrap(environment));
      return;
    }
    Failure failure;
    failure.set("task", owned->failure.error, owned->failure.detail.c_str());
    // The step is copied into the error at once; it must only live until then.
    failure.step = owned->failure.step.c_str();
    owned->deferred->Reject(error_of(environment, failure));
  };
  std::thread([task = task.release(), notify, settle]() mutable {
    task->good = task->work(task->failure);
    task->work = nullptr;  // closes the descriptors that it holds
    if (notify.BlockingCall(task, settle) != napi_ok) delete task;
    notify.Release();
  }).detach();
  return promise;
}

}  // namespace tsd

// Owns the JavaScript face of the archive functions: unpacks arguments, starts one fresh thread a call, wraps the result.
// A thread of its own is a must: the jail changes the thread's root, so no pool thread may run it.
#include <fcntl.h>
#include <napi.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "../sys/archive.h"
#include "../sys/archive_pack.h"
#include "../sys/archive_split.h"
#include "convert.h"

namespace tsd {

namespace {

using archive::Descriptor;
using Trouble = archive::Failure;

/// One call under way: what the thread does, and what the main thread makes of it.
struct Task {
  std::function<bool(Trouble&)> work;
  std::function<Napi::Value(Napi::Env)> wrap;
  Trouble failure;
  bool good = false;
  std::unique_ptr<Napi::Promise::Deferred> deferred;
};

Napi::Value reason(Napi::Env env, const Trouble &trouble) {
  Failure failure;
  failure.set("archive", trouble.error, trouble.detail.c_str());
  // The step is copied into the error at once; it must only live until then.
  failure.step = trouble.step.c_str();
  return error_of(env, failure);
}

void settle(Napi::Env env, Napi::Function, Task *task) {
  std::unique_ptr<Task> owned(task);
  if (env == nullptr) return;
  Napi::HandleScope scope(env);
  if (owned->good) {
    owned->deferred->Resolve(owned->wrap(env));
  } else {
    owned->deferred->Reject(reason(env, owned->failure));
  }
}

Napi::Value run(Napi::Env env, std::function<bool(Trouble&)> work, std::function<Napi::Value(Napi::Env)> wrap) {
  auto task = std::make_unique<Task>();
  task->work = std::move(work);
  task->wrap = std::move(wrap);
  task->deferred = std::make_unique<Napi::Promise::Deferred>(env);
  const Napi::Promise promise = task->deferred->Promise();
  auto notify = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "archive", 0, 1);
  std::thread([task = task.release(), notify]() mutable {
    task->good = task->work(task->failure);
    task->work = nullptr;  // closes the descriptors that it holds
    if (notify.BlockingCall(task, settle) != napi_ok) delete task;
    notify.Release();
  }).detach();
  return promise;
}

Napi::Value refuse(Napi::Env env, const char *step, int number, const std::string &detail) {
  Trouble failure;
  failure.set(step, number, detail);
  auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(reason(env, failure));
  return deferred.Promise();
}

int64_t integer(const Napi::Object &object, const char *key, int64_t fallback) {
  const Napi::Value value = object.Get(key);
  return value.IsNumber() ? value.As<Napi::Number>().Int64Value() : fallback;
}

std::string string(const Napi::Object &object, const char *key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

std::shared_ptr<Descriptor> own(int fd) { return std::make_shared<Descriptor>(fd); }

/// Works on a duplicate, so that the caller may close its own at any time.
std::shared_ptr<Descriptor> duplicate(const Napi::Value &value) {
  if (!value.IsNumber()) return own(-1);
  return own(fcntl(value.As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3));
}

struct SourceArgument {
  std::shared_ptr<Descriptor> fd;
  std::shared_ptr<Descriptor> follow;
  archive::Source source;
};

SourceArgument source_of(const Napi::Object &options) {
  SourceArgument result;
  const Napi::Value value = options.Get("source");
  if (!value.IsObject()) return {own(-1), own(-1), {}};
  const Napi::Object object = value.As<Napi::Object>();
  result.fd = duplicate(object.Get("fd"));
  result.follow = duplicate(object.Get("follow"));
  result.source = {result.fd->get(), integer(object, "offset", -1), integer(object, "length", -1), result.follow->get()};
  return result;
}

archive::InputLimits limits_of(const Napi::Object &options) {
  return {static_cast<uint64_t>(integer(options, "maxBytes", 0)), static_cast<uint64_t>(integer(options, "maxRatio", 0))};
}

Napi::Value unpack_layer(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  const Napi::Object object = info[0].As<Napi::Object>();
  SourceArgument argument = source_of(object);
  if (!argument.fd->valid()) return refuse(env, "unpack", EBADF, "source");
  const std::string target = string(object, "target");
  auto directory = own(open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory->valid()) return refuse(env, "open", errno, target);
  const std::string record = string(object, "split");
  auto split = own(record.empty() ? -1 : open(record.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!record.empty() && !split->valid()) return refuse(env, "create", errno, record);
  archive::UnpackOptions options;
  options.source = argument.source;
  options.target = directory->get();
  options.split = split->get();
  options.overlay_whiteouts = string(object, "whiteouts") != "none";
  options.max_entries = static_cast<uint64_t>(integer(object, "maxEntries", 0));
  options.limits = limits_of(object);
  auto result = std::make_shared<archive::Unpacked>();
  return run(
      env,
      [=, held = argument](Trouble &failure) {
        const bool good = archive::unpack_layer(options, *result, failure);
        (void)directory, (void)split, (void)held;
        return good;
      },
      [result](Napi::Env environment) -> Napi::Value {
        Napi::Object value = Napi::Object::New(environment);
        value.Set("digest", result->digest);
        value.Set("diffId", result->diff_id);
        value.Set("compression", result->compression);
        value.Set("compressedBytes", static_cast<double>(result->compressed_bytes));
        value.Set("tarBytes", static_cast<double>(result->tar_bytes));
        value.Set("contentBytes", static_cast<double>(result->content_bytes));
        value.Set("entries", static_cast<double>(result->entries));
        value.Set("reproducible", result->reproducible);
        value.Set("skippedAttributes", static_cast<double>(result->skipped_attributes));
        return value;
      });
}

Napi::Value scan_archive(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  const Napi::Object object = info[0].As<Napi::Object>();
  SourceArgument argument = source_of(object);
  if (!argument.fd->valid()) return refuse(env, "read archive", EBADF, "source");
  auto spool = duplicate(object.Get("spool"));
  const auto limits = limits_of(object);
  const auto entries = static_cast<uint64_t>(integer(object, "maxEntries", 0));
  auto result = std::make_shared<archive::Scanned>();
  return run(
      env,
      [=, held = argument](Trouble &failure) {
        return archive::scan_archive(held.source, spool->get(), entries, limits, *result, failure);
      },
      [result](Napi::Env environment) -> Napi::Value {
        Napi::Object value = Napi::Object::New(environment);
        value.Set("digest", result->digest);
        value.Set("compression", result->compression);
        value.Set("compressedBytes", static_cast<double>(result->compressed_bytes));
        value.Set("plainBytes", static_cast<double>(result->plain_bytes));
        Napi::Array list = Napi::Array::New(environment, result->entries.size());
        uint32_t index = 0;
        for (const auto &entry : result->entries) {
          Napi::Object item = Napi::Object::New(environment);
          item.Set("name", entry.name);
          item.Set("link", entry.link);
          item.Set("type", std::string(1, entry.type));
          item.Set("size", static_cast<double>(entry.size));
          item.Set("offset", static_cast<double>(entry.offset));
          list.Set(index++, item);
        }
        value.Set("entries", list);
        return value;
      });
}

Napi::Value assemble_layer(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  const Napi::Object object = info[0].As<Napi::Object>();
  const std::string record = string(object, "split");
  const std::string path = string(object, "directory");
  auto split = own(open(record.c_str(), O_RDONLY | O_CLOEXEC));
  if (!split->valid()) return refuse(env, "open", errno, record);
  auto directory = own(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory->valid()) return refuse(env, "open", errno, path);
  auto target = duplicate(object.Get("target"));
  if (!target->valid()) return refuse(env, "assemble layer", EBADF, "target");
  auto result = std::make_shared<archive::Assembled>();
  return run(
      env,
      [=](Trouble &failure) {
        return archive::assemble_layer(split->get(), directory->get(), target->get(), *result, failure);
      },
      [result](Napi::Env environment) -> Napi::Value {
        Napi::Object value = Napi::Object::New(environment);
        value.Set("digest", result->digest);
        value.Set("size", static_cast<double>(result->size));
        return value;
      });
}

Napi::Value pack_tree(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  const Napi::Object object = info[0].As<Napi::Object>();
  const std::string path = string(object, "path");
  auto root = duplicate(object.Get("root"));
  auto source = own(root->valid() ? archive::open_beneath(root->get(), path, O_RDONLY | O_DIRECTORY)
                                  : open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!source->valid()) return refuse(env, "open", errno, path);
  auto target = duplicate(object.Get("target"));
  if (!target->valid()) return refuse(env, "pack", EBADF, "target");
  archive::PackOptions options;
  options.source = source->get();
  options.target = target->get();
  options.prefix = string(object, "prefix");
  options.overlay_whiteouts = string(object, "whiteouts") == "overlay";
  auto result = std::make_shared<archive::Packed>();
  return run(
      env,
      [=](Trouble &failure) {
        (void)source, (void)target;
        return archive::pack_tree(options, *result, failure);
      },
      [result](Napi::Env environment) -> Napi::Value {
        Napi::Object value = Napi::Object::New(environment);
        value.Set("digest", result->digest);
        value.Set("size", static_cast<double>(result->size));
        return value;
      });
}

Napi::Value remove_tree(const Napi::CallbackInfo &info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) return refuse(info.Env(), "remove", EINVAL, path);
  return run(
      info.Env(),
      [=](Trouble &failure) {
        Descriptor parent(open(slash == 0 ? "/" : path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!parent.valid()) return errno == ENOENT || failure.set("open", errno, path);
        return archive::remove_tree_at(parent.get(), path.c_str() + slash + 1, nullptr, failure);
      },
      [](Napi::Env environment) -> Napi::Value { return environment.Undefined(); });
}

Napi::Value measure_tree(const Napi::CallbackInfo &info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  auto usage = std::make_shared<archive::TreeUsage>();
  return run(
      info.Env(),
      [=](Trouble &failure) {
        Descriptor directory(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!directory.valid()) return failure.set("open", errno, path);
        return archive::measure_tree(directory.get(), *usage, failure);
      },
      [usage](Napi::Env environment) -> Napi::Value {
        Napi::Object value = Napi::Object::New(environment);
        value.Set("bytes", static_cast<double>(usage->bytes));
        value.Set("allocated", static_cast<double>(usage->allocated));
        value.Set("inodes", static_cast<double>(usage->inodes));
        return value;
      });
}

Napi::Value copy_tree(const Napi::CallbackInfo &info) {
  auto root = duplicate(info[0]);
  const std::string path = info[1].As<Napi::String>().Utf8Value();
  auto target = duplicate(info[2]);
  if (!root->valid() || !target->valid()) return refuse(info.Env(), "copy", EBADF, path);
  auto found = std::make_shared<bool>(true);
  return run(
      info.Env(),
      [=](Trouble &failure) {
        Descriptor source(archive::open_beneath(root->get(), path, O_RDONLY | O_DIRECTORY));
        if (!source.valid() && (errno == ENOENT || errno == ENOTDIR)) {
          *found = false;
          return true;
        }
        if (!source.valid()) return failure.set("open", errno, path);
        return archive::copy_tree_at(source.get(), target->get(), failure);
      },
      [found](Napi::Env environment) -> Napi::Value { return Napi::Boolean::New(environment, *found); });
}

Napi::Value sync_filesystem(const Napi::CallbackInfo &info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  return run(
      info.Env(),
      [=](Trouble &failure) {
        Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory.valid()) return failure.set("open", errno, path);
        return syncfs(directory.get()) == 0 || failure.set("syncfs", errno, path);
      },
      [](Napi::Env environment) -> Napi::Value { return environment.Undefined(); });
}

}  // namespace

void register_archive(Napi::Env env, Napi::Object exports) {
  exports.Set("unpackLayer", Napi::Function::New(env, unpack_layer));
  exports.Set("scanArchive", Napi::Function::New(env, scan_archive));
  exports.Set("assembleLayer", Napi::Function::New(env, assemble_layer));
  exports.Set("packTree", Napi::Function::New(env, pack_tree));
  exports.Set("removeTree", Napi::Function::New(env, remove_tree));
  exports.Set("measureTree", Napi::Function::New(env, measure_tree));
  exports.Set("copyTree", Napi::Function::New(env, copy_tree));
  exports.Set("syncFilesystem", Napi::Function::New(env, sync_filesystem));
}

}  // namespace tsd

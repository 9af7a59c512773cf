// Owns the JavaScript face of a container's files: views of a root, single entries in and out as tar, and what a writable layer changed.
// Everything is reached beneath a descriptor, on a thread of its own a call.
#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "../sys/archive.h"
#include "../sys/archive_compare.h"
#include "../sys/archive_pack.h"
#include "../sys/root_view.h"
#include "convert.h"
#include "thread_task.h"

namespace tsd {

namespace {

using archive::Descriptor;

/// A duplicate that lives as long as the work, so that the caller may close its own at any time.
bool descriptor(const Napi::CallbackInfo &info, size_t index, const char *name, std::shared_ptr<Descriptor> &held) {
  int fd;
  if (!descriptor_argument(info, index, name, fd)) return false;
  held = std::make_shared<Descriptor>(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (held->valid()) return true;
  Failure failure;
  failure.set("duplicate", errno, name);
  throw_failure(info.Env(), failure);
  return false;
}

/// An archive function's failure in the addon's form, whose step is a text that lives for ever: the detail says which one it was.
bool carry(bool good, const archive::Failure &from, Failure &to) {
  if (good) return true;
  // EBADMSG is the archive's own fault, its detail is a sentence; else a step and what it was about.
  to.set("archive", from.error, from.error == EBADMSG ? from.detail.c_str() : (from.step + " " + from.detail).c_str());
  return false;
}

Napi::Value view_object(Napi::Env env, RootView &view) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("root", view.root.release());
  result.Set("namespace", view.mount_namespace.release());
  return result;
}

// makeRootView(root, staging, binds, makeTargets): {root, namespace}
Napi::Value make_view(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::shared_ptr<Descriptor> root;
  std::string staging;
  if (!descriptor(info, 0, "root", root) || !text_argument(info, 1, "staging", staging)) return env.Undefined();
  if (!info[2].IsArray()) return throw_argument(env, "binds", "a list");
  auto binds = std::make_shared<std::vector<ViewBind>>();
  const Napi::Array list = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object item = list.Get(i).As<Napi::Object>();
    binds->push_back({item.Get("source").ToString().Utf8Value(), item.Get("target").ToString().Utf8Value(),
                      item.Get("readOnly").ToBoolean().Value(), item.Get("recursive").ToBoolean().Value()});
  }
  const bool make_targets = info[3].ToBoolean();
  auto view = std::make_shared<RootView>();
  return run_on_thread(
      env, [=](Failure &failure) { return make_root_view(root->get(), staging, *binds, make_targets, *view, failure); },
      [view](Napi::Env environment) { return view_object(environment, *view); });
}

// copyRootView(mountNamespace, without, bare): {root, namespace}
Napi::Value copy_view(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::shared_ptr<Descriptor> mounts;
  auto without = std::make_shared<std::vector<std::string>>();
  if (!descriptor(info, 0, "mountNamespace", mounts) || !text_list(env, info[1], "without", *without)) return env.Undefined();
  const bool bare = info[2].ToBoolean();
  auto view = std::make_shared<RootView>();
  return run_on_thread(
      env, [=](Failure &failure) { return copy_root_view(mounts->get(), *without, bare, *view, failure); },
      [view](Napi::Env environment) { return view_object(environment, *view); });
}

// packEntry(root, directory, base, prefix, target): a promise of the size.
Napi::Value pack_entry(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::shared_ptr<Descriptor> root, target;
  std::string directory;
  auto options = std::make_shared<archive::PackOptions>();
  if (!descriptor(info, 0, "root", root) || !text_argument(info, 1, "directory", directory) ||
      !text_argument(info, 2, "base", options->base) || !text_argument(info, 3, "prefix", options->prefix) ||
      !descriptor(info, 4, "target", target)) {
    return env.Undefined();
  }
  auto result = std::make_shared<archive::Packed>();
  return run_on_thread(
      env,
      [=](Failure &failure) {
        archive::Failure trouble;
        Descriptor source(archive::open_beneath(root->get(), directory, O_RDONLY | O_DIRECTORY));
        if (!source.valid()) return failure.set("open", errno, directory.c_str()) == 0;
        options->source = source.get();
        options->target = target->get();
        return carry(archive::pack_tree(*options, *result, trouble), trouble, failure);
      },
      [result](Napi::Env environment) -> Napi::Value {
        return Napi::Number::New(environment, static_cast<double>(result->size));
      });
}

// unpackInto(root, base, source, keepKinds, uid, gid)
Napi::Value unpack_into(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::shared_ptr<Descriptor> root, source;
  auto options = std::make_shared<archive::UnpackOptions>();
  int64_t uid, gid;
  if (!descriptor(info, 0, "root", root) || !text_argument(info, 1, "base", options->base) ||
      !descriptor(info, 2, "source", source) || !number_argument(info, 4, "uid", uid) || !number_argument(info, 5, "gid", gid)) {
    return env.Undefined();
  }
  options->keep_kinds = info[3].ToBoolean();
  options->overlay_whiteouts = false;
  options->owner_uid = uid;
  options->owner_gid = gid;
  return run_on_thread(
      env,
      [=](Failure &failure) {
        archive::Failure trouble;
        archive::Unpacked result;
        options->target = root->get();
        options->source.fd = source->get();
        return carry(archive::unpack_layer(*options, result, trouble), trouble, failure);
      },
      [](Napi::Env environment) -> Napi::Value { return environment.Undefined(); });
}

// compareLayers(upper, lower): a promise of [{path, kind}]
Napi::Value compare(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::string upper;
  std::shared_ptr<Descriptor> lower;
  if (!text_argument(info, 0, "upper", upper) || !descriptor(info, 1, "lower", lower)) return env.Undefined();
  auto changes = std::make_shared<std::vector<archive::Change>>();
  return run_on_thread(
      env,
      [=](Failure &failure) {
        archive::Failure trouble;
        Descriptor above(open(upper.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!above.valid()) return failure.set("open", errno, upper.c_str()) == 0;
        Descriptor below(openat(lower->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!below.valid()) return failure.set("open", errno, "lower") == 0;
        return carry(archive::compare_layers(above.get(), below.get(), *changes, trouble), trouble, failure);
      },
      [changes](Napi::Env environment) -> Napi::Value {
        Napi::Array list = Napi::Array::New(environment, changes->size());
        uint32_t index = 0;
        for (const auto &change : *changes) {
          Napi::Object item = Napi::Object::New(environment);
          item.Set("path", change.path);
          item.Set("kind", static_cast<int>(change.kind));
          list.Set(index++, item);
        }
        return list;
      });
}

}  // namespace

void register_tree(Napi::Env env, Napi::Object exports) {
  exports.Set("makeRootView", Napi::Function::New<make_view>(env, "makeRootView"));
  exports.Set("copyRootView", Napi::Function::New<copy_view>(env, "copyRootView"));
  exports.Set("packEntry", Napi::Function::New<pack_entry>(env, "packEntry"));
  exports.Set("unpackInto", Napi::Function::New<unpack_into>(env, "unpackInto"));
  exports.Set("compareLayers", Napi::Function::New<compare>(env, "compareLayers"));
}

}  // namespace tsd

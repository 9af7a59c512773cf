// Owns how JavaScript lists, hashes and places files of trees (sys/file_tree). Each call works on a thread of its own with duplicates of the
// descriptors, so that the caller may close its own at any time.
#include <errno.h>
#include <fcntl.h>

#include "../sys/file_tree.h"
#include "task.h"

namespace tsd {

namespace {

std::shared_ptr<UniqueFd> duplicate_of(const Napi::Value &value) {
  const int fd = value.IsNumber() ? fcntl(value.As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3) : -1;
  return std::make_shared<UniqueFd>(fd);
}

int64_t integer_of(const Napi::Object &object, const char *key) {
  const Napi::Value value = object.Get(key);
  return value.IsNumber() ? value.As<Napi::Number>().Int64Value() : -1;
}

std::string text_of(const Napi::Object &object, const char *key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

bool flag_of(const Napi::Object &object, const char *key) {
  const Napi::Value value = object.Get(key);
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

// listTree(root, path) -> entries or undefined
Napi::Value list_tree(const Napi::CallbackInfo &info) {
  std::string path;
  if (!text_argument(info, 1, "path", path)) return info.Env().Undefined();
  auto root = duplicate_of(info[0]);
  if (!root->valid()) return throw_argument(info.Env(), "root", "a descriptor");
  auto entries = std::make_shared<std::vector<archive::TreeEntry>>();
  auto found = std::make_shared<bool>(false);
  return run_task(
      info.Env(), [=](archive::Failure &failure) { return archive::list_tree(root->get(), path, found.get(), *entries, failure); },
      [=](Napi::Env env) -> Napi::Value {
        if (!*found) return env.Undefined();
        Napi::Array list = Napi::Array::New(env, entries->size());
        uint32_t index = 0;
        for (const auto &entry : *entries) {
          Napi::Object item = Napi::Object::New(env);
          item.Set("path", entry.path);
          item.Set("mode", entry.mode);
          item.Set("uid", entry.uid);
          item.Set("gid", entry.gid);
          item.Set("size", static_cast<double>(entry.size));
          item.Set("mtime", static_cast<double>(entry.mtime));
          item.Set("link", entry.link);
          list.Set(index++, item);
        }
        return list;
      });
}

// hashFiles(root, paths) -> digests
Napi::Value hash_files(const Napi::CallbackInfo &info) {
  auto paths = std::make_shared<std::vector<std::string>>();
  if (!text_list(info.Env(), info[1], "paths", *paths)) return info.Env().Undefined();
  auto root = duplicate_of(info[0]);
  if (!root->valid()) return throw_argument(info.Env(), "root", "a descriptor");
  auto digests = std::make_shared<std::vector<std::string>>();
  return run_task(
      info.Env(), [=](archive::Failure &failure) { return archive::hash_files(root->get(), *paths, *digests, failure); },
      [=](Napi::Env env) -> Napi::Value {
        Napi::Array list = Napi::Array::New(env, digests->size());
        uint32_t index = 0;
        for (const auto &digest : *digests) list.Set(index++, digest);
        return list;
      });
}

// placeFiles({source, target, uid, gid, mtime, files})
Napi::Value place_files(const Napi::CallbackInfo &info) {
  if (!info[0].IsObject()) return throw_argument(info.Env(), "request", "an object");
  const Napi::Object request = info[0].As<Napi::Object>();
  auto source = duplicate_of(request.Get("source"));
  auto target = duplicate_of(request.Get("target"));
  if (!target->valid()) return throw_argument(info.Env(), "target", "a descriptor");
  if (!request.Get("files").IsArray()) return throw_argument(info.Env(), "files", "a list");
  const Napi::Array files = request.Get("files").As<Napi::Array>();
  auto placements = std::make_shared<std::vector<archive::Placement>>();
  for (uint32_t index = 0; index < files.Length(); index++) {
    const Napi::Object file = files.Get(index).As<Napi::Object>();
    archive::Placement placement;
    placement.from = text_of(file, "from");
    placement.to = text_of(file, "to");
    placement.mode = integer_of(file, "mode");
    placement.follow = flag_of(file, "follow");
    placement.make = flag_of(file, "make");
    placement.keep = flag_of(file, "keep");
    placements->push_back(std::move(placement));
  }
  archive::PlaceOptions options;
  options.source = source->get();
  options.target = target->get();
  options.uid = integer_of(request, "uid");
  options.gid = integer_of(request, "gid");
  options.mtime = integer_of(request, "mtime");
  return run_task(
      info.Env(),
      [=](archive::Failure &failure) {
        (void)source, (void)target;
        return archive::place_files(options, *placements, failure);
      },
      [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
}

}  // namespace

void register_file_tree(Napi::Env env, Napi::Object exports) {
  exports.Set("listTree", Napi::Function::New(env, list_tree));
  exports.Set("hashFiles", Napi::Function::New(env, hash_files));
  exports.Set("placeFiles", Napi::Function::New(env, place_files));
}

}  // namespace tsd

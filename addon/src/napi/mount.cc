// Owns mounts for JavaScript: detached overlay and other file systems by descriptor, and unmounting.
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../sys/loop.h"
#include "../sys/mount.h"
#include "convert.h"

namespace tsd {

namespace {

// mountOverlay(lower, upper, work, options, readonly)
Napi::Value mount_overlay_call(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::vector<std::string> lower, options;
  std::string upper, work;
  if (!text_list(env, info[0], "lower", lower)) return env.Undefined();
  bool has_upper = !info[1].IsUndefined();
  if (has_upper && (!text_argument(info, 1, "upper", upper) || !text_argument(info, 2, "work", work))) return env.Undefined();
  if (!text_list(env, info[3], "options", options)) return env.Undefined();
  std::vector<const char *> lower_pointers = pointers_of(lower), option_pointers = pointers_of(options);
  OverlayRequest request = {};
  request.lower = lower_pointers.data();
  request.lower_count = static_cast<unsigned>(lower_pointers.size());
  request.upper = has_upper ? upper.c_str() : nullptr;
  request.work = has_upper ? work.c_str() : nullptr;
  request.options = option_pointers.data();
  request.option_count = static_cast<unsigned>(option_pointers.size());
  request.readonly = info[4].ToBoolean();
  Failure failure;
  int fd = mount_overlay(request, failure);
  if (fd < 0) return throw_failure(env, failure);
  return Napi::Number::New(env, fd);
}

// mountFilesystem(type, source, options, attributes)
Napi::Value mount_filesystem(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::string type, source;
  std::vector<std::string> options;
  int64_t attributes;
  if (!text_argument(info, 0, "type", type) || !text_argument(info, 1, "source", source) ||
      !text_list(env, info[2], "options", options) || !number_argument(info, 3, "attributes", attributes)) {
    return env.Undefined();
  }
  Failure failure;
  UniqueFd context(filesystem_open(type.c_str(), failure));
  if (!context.valid()) return throw_failure(env, failure);
  if (!source.empty() && filesystem_set(context.get(), "source", source.c_str(), failure) != 0) return throw_failure(env, failure);
  for (const std::string &option : options) {
    if (filesystem_set_text(context.get(), option.c_str(), failure) != 0) return throw_failure(env, failure);
  }
  int fd = filesystem_mount(context.get(), static_cast<uint64_t>(attributes), failure);
  if (fd < 0) return throw_failure(env, failure);
  return Napi::Number::New(env, fd);
}

// cloneTree(path, recursive): a detached copy of a host mount or directory.
Napi::Value clone_tree_call(const Napi::CallbackInfo &info) {
  std::string path;
  if (!text_argument(info, 0, "path", path)) return info.Env().Undefined();
  Failure failure;
  int fd = clone_tree(-100 /* AT_FDCWD */, path.c_str(), info[1].ToBoolean(), failure);
  if (fd < 0) return throw_failure(info.Env(), failure);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value unmount(const Napi::CallbackInfo &info) {
  std::string path;
  int64_t flags;
  if (!text_argument(info, 0, "path", path) || !number_argument(info, 1, "flags", flags)) return info.Env().Undefined();
  if (umount2(path.c_str(), static_cast<int>(flags)) != 0) {
    Failure failure;
    failure.set("umount2", errno, path.c_str());
    return throw_failure(info.Env(), failure);
  }
  return info.Env().Undefined();
}

// mountImage(file, type, options, directory): a file system in a regular file or on a block device, attached to a directory of the host.
Napi::Value mount_image(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::string file, type, directory;
  std::vector<std::string> options;
  if (!text_argument(info, 0, "file", file) || !text_argument(info, 1, "type", type) || !text_list(env, info[2], "options", options) ||
      !text_argument(info, 3, "directory", directory)) {
    return env.Undefined();
  }
  Failure failure;
  std::string device_path = file;
  UniqueFd device;
  struct stat there;
  if (stat(file.c_str(), &there) != 0 || !S_ISBLK(there.st_mode)) {
    device.reset(attach_loop(file.c_str(), device_path, failure));
    if (!device.valid()) return throw_failure(env, failure);
  }
  UniqueFd context(filesystem_open(type.c_str(), failure));
  if (!context.valid() || filesystem_set(context.get(), "source", device_path.c_str(), failure) != 0) return throw_failure(env, failure);
  for (const std::string &option : options) {
    if (filesystem_set_text(context.get(), option.c_str(), failure) != 0) return throw_failure(env, failure);
  }
  UniqueFd mount(filesystem_mount(context.get(), 0, failure));
  if (!mount.valid()) return throw_failure(env, failure);
  UniqueFd target(open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!target.valid()) {
    failure.set("open", errno, directory.c_str());
    return throw_failure(env, failure);
  }
  if (attach_mount(mount.get(), target.get(), failure) != 0) return throw_failure(env, failure);
  return env.Undefined();
}

}  // namespace

void register_mount(Napi::Env env, Napi::Object exports) {
  exports.Set("mountOverlay", Napi::Function::New<mount_overlay_call>(env, "mountOverlay"));
  exports.Set("mountFilesystem", Napi::Function::New<mount_filesystem>(env, "mountFilesystem"));
  exports.Set("cloneTree", Napi::Function::New<clone_tree_call>(env, "cloneTree"));
  exports.Set("mountImage", Napi::Function::New<mount_image>(env, "mountImage"));
  exports.Set("unmount", Napi::Function::New<unmount>(env, "unmount"));
}

}  // namespace tsd

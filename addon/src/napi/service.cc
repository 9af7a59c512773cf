// Owns what a daemon says to its service manager and how it keeps a second one out: datagram notices and file locks.
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "convert.h"

namespace tsd {

namespace {

// notify(path, text): one datagram to a socket by path; a path that begins with @ is in the abstract name space (sd_notify(3)).
Napi::Value notify(const Napi::CallbackInfo &info) {
  std::string path, text;
  if (!text_argument(info, 0, "path", path) || !text_argument(info, 1, "text", text)) return info.Env().Undefined();
  Failure failure;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    failure.set("notify", ENAMETOOLONG, path.c_str());
    return throw_failure(info.Env(), failure);
  }
  memcpy(address.sun_path, path.data(), path.size());
  bool abstract_name = path[0] == '@';
  if (abstract_name) address.sun_path[0] = 0;
  socklen_t length = offsetof(sockaddr_un, sun_path) + path.size() + (abstract_name ? 0 : 1);
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) {
    failure.set("socket", errno);
    return throw_failure(info.Env(), failure);
  }
  if (sendto(socket_fd.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr *>(&address), length) < 0) {
    failure.set("sendto", errno, path.c_str());
    return throw_failure(info.Env(), failure);
  }
  return info.Env().Undefined();
}

// lockFile(fd): flock(2), exclusive, without waiting; false when another process holds it.
Napi::Value lock_file(const Napi::CallbackInfo &info) {
  int fd;
  if (!descriptor_argument(info, 0, "fd", fd)) return info.Env().Undefined();
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(info.Env(), false);
  Failure failure;
  failure.set("flock", errno);
  return throw_failure(info.Env(), failure);
}

}  // namespace

void register_service(Napi::Env env, Napi::Object exports) {
  exports.Set("notify", Napi::Function::New<notify>(env, "notify"));
  exports.Set("lockFile", Napi::Function::New<lock_file>(env, "lockFile"));
}

}  // namespace tsd

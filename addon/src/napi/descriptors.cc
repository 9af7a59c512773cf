// Owns plain work on descriptors for JavaScript: open, close, duplicate, sockets, reading below a root. Each descriptor that is
// returned is close-on-exec and belongs to the caller.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../sys/path_in_root.h"
#include "../sys/socket.h"
#include "convert.h"

namespace tsd {

namespace {

constexpr int kSendPatienceMs = 1000;

Napi::Value socket_pair(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Failure failure;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    failure.set("socketpair", errno);
    return throw_failure(env, failure);
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  Napi::Array pair = Napi::Array::New(env, 2);
  pair.Set(0u, ends[0]);
  pair.Set(1u, ends[1]);
  return pair;
}

Napi::Value connect_unix(const Napi::CallbackInfo &info) {
  std::string directory, name;
  if (!text_argument(info, 0, "directory", directory) || !text_argument(info, 1, "name", name)) return info.Env().Undefined();
  Failure failure;
  UniqueFd parent(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid()) {
    failure.set("open", errno, directory.c_str());
    return throw_failure(info.Env(), failure);
  }
  int fd = connect_in_directory(parent.get(), name.c_str(), failure);
  if (fd < 0) return throw_failure(info.Env(), failure);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value send_frame(const Napi::CallbackInfo &info) {
  int fd;
  const uint8_t *data;
  size_t size;
  if (!descriptor_argument(info, 0, "fd", fd) || !bytes_argument(info, 1, "data", data, size)) return info.Env().Undefined();
  if (!info[2].IsArray()) return throw_argument(info.Env(), "descriptors", "a list of descriptors");
  Napi::Array list = info[2].As<Napi::Array>();
  std::vector<int> fds(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value value = list.Get(i);
    if (!value.IsNumber()) return throw_argument(info.Env(), "descriptors", "a list of descriptors");
    fds[i] = value.As<Napi::Number>().Int32Value();
  }
  Failure failure;
  if (fds.size() > kDescriptorLimit) {
    failure.set("sendmsg", E2BIG, "at most 250 descriptors");
    return throw_failure(info.Env(), failure);
  }
  if (send_all(fd, data, size, fds.data(), fds.size(), kSendPatienceMs, failure) != 0) return throw_failure(info.Env(), failure);
  return info.Env().Undefined();
}

Napi::Value write_all(const Napi::CallbackInfo &info) {
  int fd;
  const uint8_t *data;
  size_t size;
  if (!descriptor_argument(info, 0, "fd", fd) || !bytes_argument(info, 1, "data", data, size)) return info.Env().Undefined();
  Failure failure;
  while (size > 0) {
    ssize_t count = write(fd, data, size);
    if (count >= 0) {
      data += count;
      size -= static_cast<size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      failure.set("write", errno);
      return throw_failure(info.Env(), failure);
    }
    struct pollfd wait = {fd, POLLOUT, 0};
    if (poll(&wait, 1, kSendPatienceMs) == 0) {
      failure.set("write", ETIMEDOUT, "the peer does not read");
      return throw_failure(info.Env(), failure);
    }
  }
  return info.Env().Undefined();
}

Napi::Value duplicate(const Napi::CallbackInfo &info) {
  int fd;
  if (!descriptor_argument(info, 0, "fd", fd)) return info.Env().Undefined();
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) {
    Failure failure;
    failure.set("fcntl", errno, "F_DUPFD_CLOEXEC");
    return throw_failure(info.Env(), failure);
  }
  return Napi::Number::New(info.Env(), copy);
}

Napi::Value close_descriptor(const Napi::CallbackInfo &info) {
  int fd;
  if (!descriptor_argument(info, 0, "fd", fd)) return info.Env().Undefined();
  if (close(fd) != 0 && errno != EINTR) {
    Failure failure;
    failure.set("close", errno);
    return throw_failure(info.Env(), failure);
  }
  return info.Env().Undefined();
}

Napi::Value open_path(const Napi::CallbackInfo &info) {
  std::string path;
  int64_t flags, mode = 0600;
  if (!text_argument(info, 0, "path", path) || !number_argument(info, 1, "flags", flags)) return info.Env().Undefined();
  if (info[2].IsNumber()) mode = info[2].As<Napi::Number>().Int64Value();
  int fd;
  do {
    fd = open(path.c_str(), static_cast<int>(flags) | O_CLOEXEC, static_cast<mode_t>(mode));
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    Failure failure;
    failure.set("open", errno, path.c_str());
    return throw_failure(info.Env(), failure);
  }
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value peer_credentials(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd;
  if (!descriptor_argument(info, 0, "fd", fd)) return env.Undefined();
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    Failure failure;
    failure.set("getsockopt", errno, "SO_PEERCRED");
    return throw_failure(env, failure);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("pid", peer.pid);
  result.Set("uid", peer.uid);
  result.Set("gid", peer.gid);
  return result;
}

// takeDescriptor(pid, number): a duplicate of another process's descriptor.
Napi::Value take_descriptor(const Napi::CallbackInfo &info) {
  int64_t pid, number;
  if (!number_argument(info, 0, "pid", pid) || !number_argument(info, 1, "number", number)) return info.Env().Undefined();
  Failure failure;
  UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
  if (!process.valid()) {
    failure.set("pidfd_open", errno);
    return throw_failure(info.Env(), failure);
  }
  // The kernel makes it close-on-exec.
  int taken = static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), static_cast<int>(number), 0));
  if (taken < 0) {
    failure.set("pidfd_getfd", errno);
    return throw_failure(info.Env(), failure);
  }
  return Napi::Number::New(info.Env(), taken);
}

// readInRoot(root, path, maxBytes): the whole regular file, undefined when it is missing.
Napi::Value read_in_root(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int root;
  std::string path;
  int64_t limit;
  if (!descriptor_argument(info, 0, "root", root) || !text_argument(info, 1, "path", path) ||
      !number_argument(info, 2, "maxBytes", limit)) {
    return env.Undefined();
  }
  Failure failure;
  // O_NONBLOCK: a FIFO with this name must not hold the daemon.
  UniqueFd file(open_in_root(root, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY, failure));
  if (!file.valid()) {
    if (failure.error == ENOENT || failure.error == ENOTDIR) return env.Undefined();
    return throw_failure(env, failure);
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) {
    failure.set("fstat", errno, path.c_str());
    return throw_failure(env, failure);
  }
  if (!S_ISREG(status.st_mode)) {
    failure.set("read", S_ISDIR(status.st_mode) ? EISDIR : EINVAL, path.c_str());
    return throw_failure(env, failure);
  }
  std::vector<uint8_t> bytes;
  for (;;) {
    uint8_t piece[16384];
    ssize_t count = read(file.get(), piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      failure.set("read", errno, path.c_str());
      return throw_failure(env, failure);
    }
    if (count == 0) break;
    bytes.insert(bytes.end(), piece, piece + count);
    if (static_cast<int64_t>(bytes.size()) > limit) {
      failure.set("read", E2BIG, path.c_str());
      return throw_failure(env, failure);
    }
  }
  return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
}

Napi::Value open_in_root_call(const Napi::CallbackInfo &info) {
  int root;
  std::string path;
  int64_t flags;
  if (!descriptor_argument(info, 0, "root", root) || !text_argument(info, 1, "path", path) || !number_argument(info, 2, "flags", flags)) {
    return info.Env().Undefined();
  }
  Failure failure;
  int fd = open_in_root(root, path.c_str(), static_cast<int>(flags), failure);
  if (fd < 0) return throw_failure(info.Env(), failure);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value stat_in_root(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int root;
  std::string path;
  int64_t flags;
  if (!descriptor_argument(info, 0, "root", root) || !text_argument(info, 1, "path", path) || !number_argument(info, 2, "flags", flags)) {
    return env.Undefined();
  }
  Failure failure;
  UniqueFd file(open_in_root(root, path.c_str(), O_PATH | static_cast<int>(flags), failure));
  if (!file.valid()) {
    if (failure.error == ENOENT || failure.error == ENOTDIR) return env.Undefined();
    return throw_failure(env, failure);
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) {
    failure.set("fstat", errno, path.c_str());
    return throw_failure(env, failure);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("mode", status.st_mode);
  result.Set("uid", status.st_uid);
  result.Set("gid", status.st_gid);
  result.Set("size", static_cast<double>(status.st_size));
  result.Set("mtimeNs", Napi::BigInt::New(env, static_cast<int64_t>(status.st_mtim.tv_sec) * 1000000000 + status.st_mtim.tv_nsec));
  return result;
}

}  // namespace

void register_descriptors(Napi::Env env, Napi::Object exports) {
  exports.Set("socketPair", Napi::Function::New<socket_pair>(env, "socketPair"));
  exports.Set("connectUnix", Napi::Function::New<connect_unix>(env, "connectUnix"));
  exports.Set("sendFrame", Napi::Function::New<send_frame>(env, "sendFrame"));
  exports.Set("writeAll", Napi::Function::New<write_all>(env, "writeAll"));
  exports.Set("duplicate", Napi::Function::New<duplicate>(env, "duplicate"));
  exports.Set("close", Napi::Function::New<close_descriptor>(env, "close"));
  exports.Set("openPath", Napi::Function::New<open_path>(env, "openPath"));
  exports.Set("peerCredentials", Napi::Function::New<peer_credentials>(env, "peerCredentials"));
  exports.Set("takeDescriptor", Napi::Function::New<take_descriptor>(env, "takeDescriptor"));
  exports.Set("readInRoot", Napi::Function::New<read_in_root>(env, "readInRoot"));
  exports.Set("openInRoot", Napi::Function::New<open_in_root_call>(env, "openInRoot"));
  exports.Set("statInRoot", Napi::Function::New<stat_in_root>(env, "statInRoot"));
}

}  // namespace tsd

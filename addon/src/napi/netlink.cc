// Owns the JavaScript face of netlink and network namespaces: arguments in, work on a thread of libuv's pool, promises out. A thread that
// leaves its namespace is back before its work ends (src/sys/netlink.cc), so the pool never sees a stray one.
#include "../sys/netlink.h"

#include <sys/socket.h>

#include "convert.h"

namespace tsd {

namespace {

class Work : public Napi::AsyncWorker {
 public:
  explicit Work(Napi::Env env, const char *name) : Napi::AsyncWorker(env, name), deferred_(env) {}

  /// Starts it; the object deletes itself afterwards.
  Napi::Value start() {
    Napi::Value promise = deferred_.Promise();
    Queue();
    return promise;
  }

 protected:
  virtual bool run(Failure &failure) = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  void Execute() final { good_ = run(failure_); }

  void OnOK() final {
    if (good_) {
      deferred_.Resolve(result(Env()));
    } else {
      deferred_.Reject(error_of(Env(), failure_));
    }
  }

  Napi::Promise::Deferred deferred_;
  Failure failure_;
  bool good_ = false;
};

Napi::Value bytes_of(Napi::Env env, const std::vector<uint8_t> &bytes) {
  return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
}

class CreateNamespace : public Work {
 public:
  CreateNamespace(Napi::Env env, std::vector<uint8_t> request)
      : Work(env, "createNetworkNamespace"), request_(std::move(request)) {}

 private:
  bool run(Failure &failure) override { return create_network_namespace(request_.data(), request_.size(), made_, failure) == 0; }

  Napi::Value result(Napi::Env env) override {
    Napi::Object object = Napi::Object::New(env);
    object.Set("namespace", made_.descriptor.release());
    object.Set("netlink", made_.route_socket.release());
    object.Set("replies", bytes_of(env, made_.reply));
    return object;
  }

  std::vector<uint8_t> request_;
  NetworkNamespace made_;
};

class OpenNetlink : public Work {
 public:
  OpenNetlink(Napi::Env env, int network_namespace, int protocol)
      : Work(env, "openNetlink"), namespace_(network_namespace), protocol_(protocol) {}

 private:
  bool run(Failure &failure) override {
    socket_.reset(namespace_ < 0 ? open_netlink(protocol_, failure) : open_netlink_in(namespace_, protocol_, failure));
    return socket_.valid();
  }

  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, socket_.release()); }

  int namespace_;
  int protocol_;
  UniqueFd socket_;
};

class ConnectTcp : public Work {
 public:
  ConnectTcp(Napi::Env env, int network_namespace, std::string address, uint16_t port, bool wait)
      : Work(env, "connectTcp"), namespace_(network_namespace), address_(std::move(address)), port_(port), wait_(wait) {}

 private:
  bool run(Failure &failure) override {
    socket_.reset(connect_tcp_in(namespace_, address_.c_str(), port_, wait_, failure));
    return socket_.valid();
  }

  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, socket_.release()); }

  int namespace_;
  std::string address_;
  uint16_t port_;
  bool wait_;
  UniqueFd socket_;
};

class BindSocket : public Work {
 public:
  BindSocket(Napi::Env env, int network_namespace, bool stream, std::string address, uint16_t port)
      : Work(env, "bindSocket"),
        namespace_(network_namespace),
        type_(stream ? SOCK_STREAM : SOCK_DGRAM),
        address_(std::move(address)),
        port_(port) {}

 private:
  bool run(Failure &failure) override {
    socket_.reset(bind_socket_in(namespace_, type_, address_.c_str(), port_, failure));
    return socket_.valid();
  }

  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, socket_.release()); }

  int namespace_;
  int type_;
  std::string address_;
  uint16_t port_;
  UniqueFd socket_;
};

class Transact : public Work {
 public:
  Transact(Napi::Env env, int socket, std::vector<uint8_t> request)
      : Work(env, "netlinkTransact"), socket_(socket), request_(std::move(request)) {}

 private:
  bool run(Failure &failure) override {
    return netlink_transact(socket_, request_.data(), request_.size(), reply_, failure) == 0;
  }

  Napi::Value result(Napi::Env env) override { return bytes_of(env, reply_); }

  int socket_;
  std::vector<uint8_t> request_;
  std::vector<uint8_t> reply_;
};

// createNetworkNamespace(request?): {namespace, netlink, replies}.
Napi::Value create_namespace(const Napi::CallbackInfo &info) {
  const uint8_t *data = nullptr;
  size_t size = 0;
  if (!info[0].IsUndefined() && !bytes_argument(info, 0, "request", data, size)) return info.Env().Undefined();
  return (new CreateNamespace(info.Env(), {data, data + size}))->start();
}

// openNetlink(namespace?, protocol?): a descriptor; without a namespace the daemon's own, without a protocol NETLINK_ROUTE.
Napi::Value open_netlink_call(const Napi::CallbackInfo &info) {
  int network_namespace = -1;
  int64_t protocol = 0;
  if (!info[0].IsUndefined() && !descriptor_argument(info, 0, "namespace", network_namespace)) return info.Env().Undefined();
  if (!info[1].IsUndefined() && !number_argument(info, 1, "protocol", protocol)) return info.Env().Undefined();
  return (new OpenNetlink(info.Env(), network_namespace, static_cast<int>(protocol)))->start();
}

// connectTcp(namespace, address, port, wait): a descriptor.
Napi::Value connect_tcp(const Napi::CallbackInfo &info) {
  int network_namespace;
  std::string address;
  int64_t port;
  if (!descriptor_argument(info, 0, "namespace", network_namespace) || !text_argument(info, 1, "address", address) ||
      !number_argument(info, 2, "port", port)) {
    return info.Env().Undefined();
  }
  // The namespace stays the caller's and open until the promise is settled.
  bool wait = info[3].IsUndefined() || info[3].ToBoolean();
  return (new ConnectTcp(info.Env(), network_namespace, address, static_cast<uint16_t>(port), wait))->start();
}

// bindSocket(namespace, stream, address, port): a descriptor.
Napi::Value bind_socket(const Napi::CallbackInfo &info) {
  int network_namespace;
  std::string address;
  int64_t port;
  if (!descriptor_argument(info, 0, "namespace", network_namespace) || !text_argument(info, 2, "address", address) ||
      !number_argument(info, 3, "port", port)) {
    return info.Env().Undefined();
  }
  // The namespace stays the caller's and open until the promise is settled.
  return (new BindSocket(info.Env(), network_namespace, info[1].ToBoolean(), address, static_cast<uint16_t>(port)))->start();
}

// netlinkTransact(fd, request): the raw replies.
Napi::Value transact(const Napi::CallbackInfo &info) {
  int socket;
  const uint8_t *data;
  size_t size;
  if (!descriptor_argument(info, 0, "fd", socket) || !bytes_argument(info, 1, "request", data, size)) return info.Env().Undefined();
  return (new Transact(info.Env(), socket, {data, data + size}))->start();
}

}  // namespace

void register_netlink(Napi::Env env, Napi::Object exports) {
  exports.Set("createNetworkNamespace", Napi::Function::New<create_namespace>(env, "createNetworkNamespace"));
  exports.Set("openNetlink", Napi::Function::New<open_netlink_call>(env, "openNetlink"));
  exports.Set("connectTcp", Napi::Function::New<connect_tcp>(env, "connectTcp"));
  exports.Set("bindSocket", Napi::Function::New<bind_socket>(env, "bindSocket"));
  exports.Set("netlinkTransact", Napi::Function::New<transact>(env, "netlinkTransact"));
}

}  // namespace tsd

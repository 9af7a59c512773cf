// Owns unpacking a seccomp profile for the compiler in src/sys/seccomp.cc.
#include "../sys/seccomp.h"

#include "convert.h"

namespace tsd {

namespace {

bool number_of(Napi::Env env, Napi::Object object, const char *key, double &value) {
  Napi::Value found = object.Get(key);
  if (!found.IsNumber()) {
    throw_argument(env, key, "a number");
    return false;
  }
  value = found.As<Napi::Number>().DoubleValue();
  return true;
}

bool big_of(Napi::Env env, Napi::Object object, const char *key, uint64_t &value) {
  Napi::Value found = object.Get(key);
  bool lossless;
  if (!found.IsBigInt()) {
    throw_argument(env, key, "a bigint");
    return false;
  }
  value = found.As<Napi::BigInt>().Uint64Value(&lossless);
  return true;
}

bool unpack_rule(Napi::Env env, Napi::Object source, SeccompRule &rule) {
  double action;
  if (!text_list(env, source.Get("syscalls"), "rules.syscalls", rule.syscalls) || !number_of(env, source, "action", action)) return false;
  rule.action = static_cast<uint32_t>(action);
  Napi::Value args = source.Get("args");
  if (!args.IsArray()) return true;
  Napi::Array list = args.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Object entry = list.Get(i).ToObject();
    double index, op;
    SeccompCondition condition = {};
    if (!number_of(env, entry, "index", index) || !number_of(env, entry, "op", op) || !big_of(env, entry, "value", condition.value) ||
        !big_of(env, entry, "valueTwo", condition.value_two)) {
      return false;
    }
    condition.index = static_cast<unsigned>(index);
    condition.op = static_cast<int>(op);
    rule.conditions.push_back(condition);
  }
  return true;
}

Napi::Value compile(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (!info[0].IsObject()) return throw_argument(env, "profile", "an object");
  Napi::Object source = info[0].As<Napi::Object>();
  SeccompProfile profile = {};
  double action;
  if (!number_of(env, source, "defaultAction", action)) return env.Undefined();
  profile.default_action = static_cast<uint32_t>(action);
  Napi::Value architectures = source.Get("architectures"), rules = source.Get("rules");
  if (!architectures.IsArray()) return throw_argument(env, "architectures", "a list of numbers");
  if (!rules.IsArray()) return throw_argument(env, "rules", "a list");
  Napi::Array list = architectures.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) profile.architectures.push_back(list.Get(i).ToNumber().Uint32Value());
  list = rules.As<Napi::Array>();
  profile.rules.resize(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    if (!list.Get(i).IsObject()) return throw_argument(env, "rules", "a list of objects");
    if (!unpack_rule(env, list.Get(i).As<Napi::Object>(), profile.rules[i])) return env.Undefined();
  }
  Failure failure;
  std::vector<uint8_t> filter;
  if (compile_seccomp(profile, filter, failure) != 0) return throw_failure(env, failure);
  return Napi::Buffer<uint8_t>::Copy(env, filter.data(), filter.size());
}

}  // namespace

void register_seccomp(Napi::Env env, Napi::Object exports) {
  exports.Set("compileSeccomp", Napi::Function::New<compile>(env, "compileSeccomp"));
}

}  // namespace tsd

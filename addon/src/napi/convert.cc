// Owns how values cross between JavaScript and C++.
#include "convert.h"

#include <errno.h>

namespace tsd {

AddonState &state_of(Napi::Env env) { return *env.GetInstanceData<AddonState>(); }

Napi::Value error_of(Napi::Env env, const Failure &failure) {
  Napi::Value step = Napi::String::New(env, failure.step);
  Napi::Value error = Napi::Number::New(env, failure.error);
  Napi::Value detail = Napi::String::New(env, failure.detail);
  return state_of(env).make_error.Call({step, error, detail});
}

Napi::Value throw_failure(Napi::Env env, const Failure &failure) {
  napi_throw(env, error_of(env, failure));
  return env.Undefined();
}

Napi::Value throw_argument(Napi::Env env, const char *name, const char *expected) {
  Napi::TypeError::New(env, std::string(name) + ": expected " + expected).ThrowAsJavaScriptException();
  return env.Undefined();
}

static bool text_of(Napi::Env env, Napi::Value value, const char *name, std::string &text) {
  if (!value.IsString()) {
    throw_argument(env, name, "a text");
    return false;
  }
  text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) {
    throw_argument(env, name, "a text without NUL");
    return false;
  }
  return true;
}

bool text_argument(const Napi::CallbackInfo &info, size_t index, const char *name, std::string &value) {
  return text_of(info.Env(), info[index], name, value);
}

bool number_argument(const Napi::CallbackInfo &info, size_t index, const char *name, int64_t &value) {
  if (!info[index].IsNumber()) {
    throw_argument(info.Env(), name, "a number");
    return false;
  }
  value = info[index].As<Napi::Number>().Int64Value();
  return true;
}

bool descriptor_argument(const Napi::CallbackInfo &info, size_t index, const char *name, int &value) {
  int64_t number;
  if (!info[index].IsNumber() || (number = info[index].As<Napi::Number>().Int64Value()) < 0 || number > INT32_MAX) {
    throw_argument(info.Env(), name, "a descriptor");
    return false;
  }
  value = static_cast<int>(number);
  return true;
}

bool bytes_argument(const Napi::CallbackInfo &info, size_t index, const char *name, const uint8_t *&data, size_t &size) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw_argument(info.Env(), name, "a Uint8Array");
    return false;
  }
  Napi::Uint8Array array = info[index].As<Napi::Uint8Array>();
  data = array.Data();
  size = array.ByteLength();
  return true;
}

bool text_list(Napi::Env env, Napi::Value value, const char *name, std::vector<std::string> &list) {
  if (!value.IsArray()) {
    throw_argument(env, name, "a list of texts");
    return false;
  }
  Napi::Array array = value.As<Napi::Array>();
  list.resize(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    if (!text_of(env, array.Get(i), name, list[i])) return false;
  }
  return true;
}

std::vector<const char *> pointers_of(const std::vector<std::string> &list) {
  std::vector<const char *> pointers;
  pointers.reserve(list.size());
  for (const std::string &text : list) pointers.push_back(text.c_str());
  return pointers;
}

}  // namespace tsd

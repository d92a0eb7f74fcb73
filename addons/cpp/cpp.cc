// The C++ sample, on node-addon-api: classes, callbacks, errors, arrays, buffers, strings. Its other
// parts are beside it.
#include "cpp.h"

#include <algorithm>
#include <string>
#include <vector>

namespace {

// A stack of any values, kept alive by references.
class Stack : public Napi::ObjectWrap<Stack> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Stack",
                       {
                           InstanceMethod<&Stack::push>("push"),
                           InstanceMethod<&Stack::pop>("pop"),
                           InstanceMethod<&Stack::forEach>("forEach"),
                           InstanceAccessor<&Stack::size>("size"),
                           InstanceAccessor<&Stack::name, &Stack::rename>("name"),
                           StaticMethod<&Stack::of>("of"),
                           StaticValue("LIMIT", Napi::Number::New(env, kLimit)),
                       });
  }

  explicit Stack(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Stack>(info) {
    if (info.Length() > 0) name_ = info[0].As<Napi::String>().Utf8Value();
  }

 private:
  static constexpr size_t kLimit = 1000;

  // Stack.of(1, 2, 3): a static method that is called on the class.
  static Napi::Value of(const Napi::CallbackInfo& info) {
    Napi::Object made = info.This().As<Napi::Function>().New({});
    Stack* stack = Unwrap(made);
    for (size_t i = 0; i < info.Length(); i++) stack->add(info.Env(), info[i]);
    return made;
  }

  Napi::Value push(const Napi::CallbackInfo& info) {
    for (size_t i = 0; i < info.Length(); i++) add(info.Env(), info[i]);
    return Napi::Number::New(info.Env(), static_cast<double>(items_.size()));
  }

  Napi::Value pop(const Napi::CallbackInfo& info) {
    if (items_.empty()) throw Napi::RangeError::New(info.Env(), "The stack is empty");
    Napi::Value item = items_.back().Value().Get("item");
    items_.pop_back();
    return item;
  }

  void forEach(const Napi::CallbackInfo& info) {
    auto callback = info[0].As<Napi::Function>();
    for (size_t i = 0; i < items_.size(); i++) {
      callback.Call(Value(), {items_[i].Value().Get("item"),
                              Napi::Number::New(info.Env(), static_cast<double>(i))});
    }
  }

  Napi::Value size(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(items_.size()));
  }

  Napi::Value name(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), name_);
  }

  void rename(const Napi::CallbackInfo&, const Napi::Value& value) {
    if (!value.IsString()) throw Napi::TypeError::New(value.Env(), "A name is a string");
    name_ = value.As<Napi::String>().Utf8Value();
  }

  void add(Napi::Env env, const Napi::Value& item) {
    if (items_.size() == kLimit) throw Napi::RangeError::New(env, "The stack is full");
    // References are to objects, so each item lives in a box.
    Napi::Object box = Napi::Object::New(env);
    box.Set("item", item);
    items_.push_back(Napi::Persistent(box));
  }

  std::string name_ = "stack";
  std::vector<Napi::ObjectReference> items_;
};

Napi::Value Concatenate(const Napi::CallbackInfo& info) {
  std::u16string result;
  for (size_t i = 0; i < info.Length(); i++) result += info[i].ToString().Utf16Value();
  return Napi::String::New(info.Env(), result);
}

Napi::Value Sort(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) throw Napi::TypeError::New(info.Env(), "Expected an array of numbers");
  auto list = info[0].As<Napi::Array>();
  std::vector<double> numbers;
  for (uint32_t i = 0; i < list.Length(); i++) {
    numbers.push_back(list.Get(i).As<Napi::Number>().DoubleValue());
  }
  std::sort(numbers.begin(), numbers.end());
  Napi::Array sorted = Napi::Array::New(info.Env(), numbers.size());
  for (uint32_t i = 0; i < numbers.size(); i++) sorted.Set(i, numbers[i]);
  return sorted;
}

Napi::Value Filter(const Napi::CallbackInfo& info) {
  auto list = info[0].As<Napi::Array>();
  auto wanted = info[1].As<Napi::Function>();
  Napi::Array result = Napi::Array::New(info.Env());
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::HandleScope scope(info.Env());
    Napi::Value item = list[i];
    if (wanted.Call({item}).ToBoolean()) result.Set(result.Length(), item);
  }
  return result;
}

// Calls a function and returns the message of what it throws, or null.
Napi::Value Catch(const Napi::CallbackInfo& info) {
  try {
    info[0].As<Napi::Function>().Call({});
  } catch (const Napi::Error& error) {
    return Napi::String::New(info.Env(), error.Message());
  }
  return info.Env().Null();
}

Napi::Value ThrowError(const Napi::CallbackInfo& info) {
  Napi::Error error = Napi::Error::New(info.Env(), info[0].ToString().Utf8Value());
  error.Set("code", Napi::String::New(info.Env(), "ERR_SAMPLE"));
  throw error;
}

Napi::Value Reverse(const Napi::CallbackInfo& info) {
  auto bytes = info[0].As<Napi::Buffer<uint8_t>>();
  Napi::Buffer<uint8_t> result = Napi::Buffer<uint8_t>::Copy(info.Env(), bytes.Data(), bytes.Length());
  std::reverse(result.Data(), result.Data() + result.Length());
  return result;
}

Napi::Value Fill(const Napi::CallbackInfo& info) {
  auto bytes = info[0].As<Napi::Buffer<uint8_t>>();
  std::fill(bytes.Data(), bytes.Data() + bytes.Length(),
            static_cast<uint8_t>(info[1].As<Napi::Number>().Uint32Value()));
  return info[0];
}

Napi::Value Scale(const Napi::CallbackInfo& info) {
  auto numbers = info[0].As<Napi::Float64Array>();
  double factor = info[1].As<Napi::Number>().DoubleValue();
  Napi::Float64Array result = Napi::Float64Array::New(info.Env(), numbers.ElementLength());
  for (size_t i = 0; i < numbers.ElementLength(); i++) result[i] = numbers[i] * factor;
  return result;
}

Napi::Value Entries(const Napi::CallbackInfo& info) {
  auto object = info[0].As<Napi::Object>();
  Napi::Array names = object.GetPropertyNames();
  Napi::Array result = Napi::Array::New(info.Env(), names.Length());
  for (uint32_t i = 0; i < names.Length(); i++) {
    Napi::Array pair = Napi::Array::New(info.Env(), 2);
    Napi::Value name = names[i];
    pair.Set(0u, name);
    pair.Set(1u, object.Get(name));
    result.Set(i, pair);
  }
  return result;
}

Napi::Value SettledPromise(const Napi::CallbackInfo& info) {
  auto deferred = Napi::Promise::Deferred::New(info.Env());
  if (info[0].ToBoolean()) {
    deferred.Resolve(info[1]);
  } else {
    deferred.Reject(info[1]);
  }
  return deferred.Promise();
}

Napi::Value Factorial(const Napi::CallbackInfo& info) {
  bool lossless = false;
  uint64_t n = info[0].As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless || n > 20) throw Napi::RangeError::New(info.Env(), "Between 0n and 20n");
  uint64_t product = 1;
  for (uint64_t i = 2; i <= n; i++) product *= i;
  return Napi::BigInt::New(info.Env(), product);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Stack", Stack::define(env));
  exports.Set("concatenate", Napi::Function::New<Concatenate>(env, "concatenate"));
  exports.Set("sort", Napi::Function::New<Sort>(env, "sort"));
  exports.Set("filter", Napi::Function::New<Filter>(env, "filter"));
  exports.Set("catch", Napi::Function::New<Catch>(env, "catch"));
  exports.Set("throwError", Napi::Function::New<ThrowError>(env, "throwError"));
  exports.Set("reverse", Napi::Function::New<Reverse>(env, "reverse"));
  exports.Set("fill", Napi::Function::New<Fill>(env, "fill"));
  exports.Set("scale", Napi::Function::New<Scale>(env, "scale"));
  exports.Set("entries", Napi::Function::New<Entries>(env, "entries"));
  exports.Set("settledPromise", Napi::Function::New<SettledPromise>(env, "settledPromise"));
  exports.Set("factorial", Napi::Function::New<Factorial>(env, "factorial"));
  exports.Set("version", Napi::String::New(env, "1.0"));
  addAsync(env, exports);
  addObjects(env, exports);
  return exports;
}

NODE_API_MODULE(cpp, Init)

}  // namespace

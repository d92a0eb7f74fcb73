// Objects, errors and memory, as node-addon-api has them.
#include "cpp.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace {

// What each environment has of its own.
struct Instance {
  Napi::FunctionReference shape;
  Napi::FunctionReference kept;
  Napi::ObjectReference object;
  int finalized = 0;
};

// A class of C++ with a heir: JavaScript sees two classes whose prototypes are linked.
class Shape : public Napi::ObjectWrap<Shape> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Shape",
        {
            InstanceMethod<&Shape::area>("area"),
            InstanceMethod<&Shape::equals>("equals"),
            InstanceMethod<&Shape::iterate>(Napi::Symbol::WellKnown(env, "iterator")),
            InstanceAccessor<&Shape::side, &Shape::setSide>(
                "side", static_cast<napi_property_attributes>(napi_enumerable | napi_configurable)),
            InstanceValue("kind", Napi::String::New(env, "shape"), napi_enumerable),
            StaticMethod<&Shape::isShape>("isShape"),
            StaticAccessor<&Shape::count>("count"),
        });
  }

  explicit Shape(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Shape>(info) {
    if (!info.IsConstructCall()) throw Napi::TypeError::New(info.Env(), "Use new");
    if (info.Length() > 0 && !info[0].IsNumber()) {
      throw Napi::TypeError::New(info.Env(), "A side is a number");
    }
    side_ = info.Length() > 0 ? info[0].As<Napi::Number>().DoubleValue() : 1;
    if (side_ < 0) throw Napi::RangeError::New(info.Env(), "A side is not negative");
    made += 1;
  }

  void Finalize(Napi::BasicEnv env) override {
    auto* instance = env.GetInstanceData<Instance>();
    if (instance != nullptr) instance->finalized += 1;
  }

 private:
  Napi::Value area(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), side_ * side_);
  }

  Napi::Value equals(const Napi::CallbackInfo& info) {
    if (!info[0].IsObject()) return Napi::Boolean::New(info.Env(), false);
    auto* instance = info.Env().GetInstanceData<Instance>();
    if (!info[0].As<Napi::Object>().InstanceOf(instance->shape.Value())) {
      return Napi::Boolean::New(info.Env(), false);
    }
    return Napi::Boolean::New(info.Env(), Unwrap(info[0].As<Napi::Object>())->side_ == side_);
  }

  Napi::Value iterate(const Napi::CallbackInfo& info) {
    Napi::Array sides = Napi::Array::New(info.Env(), 4);
    for (uint32_t i = 0; i < 4; i++) sides.Set(i, side_);
    return sides.Get("values").As<Napi::Function>().Call(sides, {});
  }

  Napi::Value side(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), side_); }

  void setSide(const Napi::CallbackInfo& info, const Napi::Value& value) {
    if (!value.IsNumber()) throw Napi::TypeError::New(info.Env(), "A side is a number");
    side_ = value.As<Napi::Number>();
  }

  static Napi::Value isShape(const Napi::CallbackInfo& info) {
    auto* instance = info.Env().GetInstanceData<Instance>();
    bool is = info[0].IsObject() && info[0].As<Napi::Object>().InstanceOf(instance->shape.Value());
    return Napi::Boolean::New(info.Env(), is);
  }

  static Napi::Value count(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), made);
  }

  static inline int made = 0;
  double side_ = 0;
};

// A class that defines a name twice, as node-addon-api's own tests do.
class Twice : public Napi::ObjectWrap<Twice> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Twice",
                       {
                           InstanceAccessor("accessor", &Twice::first, nullptr, napi_enumerable),
                           InstanceAccessor<&Twice::second>("accessor", napi_enumerable),
                       });
  }

  // Fails, for what is there is not configurable.
  static Napi::Value defineStatic(const Napi::CallbackInfo& info) {
    return DefineClass(info.Env(), "Static",
                       {
                           StaticAccessor<&Twice::count>("count"),
                           StaticAccessor<&Twice::count>("count"),
                       });
  }

  explicit Twice(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Twice>(info) {}

 private:
  Napi::Value first(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), 1); }
  Napi::Value second(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), 2); }
  static Napi::Value count(const Napi::CallbackInfo& info) { return info.Env().Null(); }
};

Napi::Value Finalized(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), info.Env().GetInstanceData<Instance>()->finalized);
}

Napi::Value InstanceOf(const Napi::CallbackInfo& info) {
  bool is = info[0].As<Napi::Object>().InstanceOf(info[1].As<Napi::Function>());
  return Napi::Boolean::New(info.Env(), is);
}

// A script makes the same tree of classes with this constructor as without.
Napi::Value NewInstance(const Napi::CallbackInfo& info) {
  std::vector<napi_value> arguments;
  for (size_t i = 1; i < info.Length(); i++) arguments.push_back(info[i]);
  return info[0].As<Napi::Function>().New(arguments);
}

// Errors.

Napi::Value MakeError(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string kind = info[0].As<Napi::String>(), text = info[1].As<Napi::String>();
  if (kind == "TypeError") return Napi::TypeError::New(env, text).Value();
  if (kind == "RangeError") return Napi::RangeError::New(env, text).Value();
  return Napi::Error::New(env, text).Value();
}

void ThrowKind(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string kind = info[0].As<Napi::String>(), text = info[1].As<Napi::String>();
  if (kind == "TypeError") throw Napi::TypeError::New(env, text);
  if (kind == "RangeError") throw Napi::RangeError::New(env, text);
  throw Napi::Error::New(env, text);
}

// Catches what a function throws and throws it again.
void Rethrow(const Napi::CallbackInfo& info) {
  try {
    info[0].As<Napi::Function>().Call({});
  } catch (const Napi::Error& error) {
    throw error;
  }
}

// What C++ sees of what a function throws: its text, and the very value.
Napi::Value Seen(const Napi::CallbackInfo& info) {
  Napi::Object seen = Napi::Object::New(info.Env());
  try {
    info[0].As<Napi::Function>().Call({});
  } catch (const Napi::Error& error) {
    seen.Set("message", error.Message());
    seen.Set("value", error.Value());
  }
  return seen;
}

// Throws after it caught: the second one counts.
void ThrowAfterCatch(const Napi::CallbackInfo& info) {
  try {
    info[0].As<Napi::Function>().Call({});
  } catch (const Napi::Error& error) {
    throw Napi::RangeError::New(info.Env(), "instead of " + error.Message());
  }
}

// Memory.

void count_end(Napi::Env env) { env.GetInstanceData<Instance>()->finalized += 1; }

Napi::Value MakeExternal(const Napi::CallbackInfo& info) {
  auto* number = new double(info[0].As<Napi::Number>());
  return Napi::External<double>::New(info.Env(), number, [](Napi::Env env, double* data) {
    count_end(env);
    delete data;
  });
}

Napi::Value ReadExternal(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "Not an external");
  return Napi::Number::New(info.Env(), *info[0].As<Napi::External<double>>().Data());
}

uint8_t* filled(size_t length) {
  auto* bytes = new uint8_t[length + 1];
  for (size_t i = 0; i < length; i++) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}

void free_bytes(Napi::Env env, uint8_t* bytes) {
  count_end(env);
  delete[] bytes;
}

// External where the runtime allows it, copied where it does not: the same bytes in any case.
Napi::Value ExternalBuffer(const Napi::CallbackInfo& info) {
  size_t length = info[0].As<Napi::Number>().Uint32Value();
  return Napi::Buffer<uint8_t>::NewOrCopy(info.Env(), filled(length), length, free_bytes);
}

void free_memory(Napi::Env env, void* bytes) { free_bytes(env, static_cast<uint8_t*>(bytes)); }

Napi::Value ExternalArrayBuffer(const Napi::CallbackInfo& info) {
  size_t length = info[0].As<Napi::Number>().Uint32Value();
  return Napi::ArrayBuffer::New(info.Env(), filled(length), length, free_memory);
}

Napi::Value Detach(const Napi::CallbackInfo& info) {
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  buffer.Detach();
  return Napi::Boolean::New(info.Env(), buffer.IsDetached());
}

// describeView(view): what C++ sees of a typed array or data view.
Napi::Value DescribeView(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  if (info[0].IsTypedArray()) {
    auto view = info[0].As<Napi::TypedArray>();
    result.Set("type", static_cast<int>(view.TypedArrayType()));
    result.Set("elementSize", static_cast<int>(view.ElementSize()));
    result.Set("elements", static_cast<int>(view.ElementLength()));
    result.Set("offset", static_cast<int>(view.ByteOffset()));
    result.Set("bytes", static_cast<int>(view.ByteLength()));
    result.Set("buffer", view.ArrayBuffer());
  } else if (info[0].IsDataView()) {
    auto view = info[0].As<Napi::DataView>();
    result.Set("offset", static_cast<int>(view.ByteOffset()));
    result.Set("bytes", static_cast<int>(view.ByteLength()));
    result.Set("first", view.GetUint8(0));
  }
  return result;
}

Napi::Value MakeTyped(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto buffer = info[1].As<Napi::ArrayBuffer>();
  size_t offset = info[2].As<Napi::Number>().Uint32Value();
  size_t length = info[3].As<Napi::Number>().Uint32Value();
  std::string type = info[0].As<Napi::String>();
  if (type == "Int16") return Napi::Int16Array::New(env, length, buffer, offset);
  if (type == "Float64") return Napi::Float64Array::New(env, length, buffer, offset);
  if (type == "BigInt64") return Napi::BigInt64Array::New(env, length, buffer, offset);
  if (type == "DataView") return Napi::DataView::New(env, buffer, offset, length);
  return Napi::Uint8Array::New(env, length, buffer, offset);
}

// References.

void KeepFunction(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<Instance>()->kept = Napi::Persistent(info[0].As<Napi::Function>());
}

Napi::Value CallKept(const Napi::CallbackInfo& info) {
  auto* instance = info.Env().GetInstanceData<Instance>();
  if (instance->kept.IsEmpty()) throw Napi::Error::New(info.Env(), "Nothing is kept");
  return instance->kept.Call(info.This(), {info[0], info[1]});
}

Napi::Value KeepObject(const Napi::CallbackInfo& info) {
  auto* instance = info.Env().GetInstanceData<Instance>();
  instance->object = Napi::Persistent(info[0].As<Napi::Object>());
  instance->object.Set("marked", true);
  return Napi::Number::New(info.Env(), instance->object.Ref());
}

Napi::Value Kept(const Napi::CallbackInfo& info) {
  auto* instance = info.Env().GetInstanceData<Instance>();
  return instance->object.IsEmpty() ? info.Env().Undefined() : instance->object.Value();
}

// Values.

Napi::Value DescribeValue(const Napi::CallbackInfo& info) {
  Napi::Value value = info[0];
  std::string words;
  auto word = [&words](bool is, const char* name) {
    if (is) words += words.empty() ? name : std::string(" ") + name;
  };
  word(value.IsUndefined(), "undefined");
  word(value.IsNull(), "null");
  word(value.IsBoolean(), "boolean");
  word(value.IsNumber(), "number");
  word(value.IsBigInt(), "bigint");
  word(value.IsDate(), "date");
  word(value.IsString(), "string");
  word(value.IsSymbol(), "symbol");
  word(value.IsArray(), "array");
  word(value.IsArrayBuffer(), "arraybuffer");
  word(value.IsTypedArray(), "typedarray");
  word(value.IsObject(), "object");
  word(value.IsFunction(), "function");
  word(value.IsPromise(), "promise");
  word(value.IsDataView(), "dataview");
  word(value.IsBuffer(), "buffer");
  word(value.IsExternal(), "external");
  return Napi::String::New(info.Env(), words);
}

Napi::Value Properties(const Napi::CallbackInfo& info) {
  Napi::Object object = info[0].As<Napi::Object>();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("has", object.Has("key"));
  result.Set("own", object.HasOwnProperty("key"));
  result.Set("value", object.Get("key"));
  result.Set("set", object.Set("added", 1));
  result.Set("deleted", object.Delete("key"));
  result.Set("names", object.GetPropertyNames());
  return result;
}

Napi::Value Iterate(const Napi::CallbackInfo& info) {
  Napi::Array result = Napi::Array::New(info.Env());
  for (const auto& item : info[0].As<Napi::Object>()) {
    Napi::Value value = item.second;
    result.Set(result.Length(), item.first);
    result.Set(result.Length(), value);
  }
  return result;
}

Napi::Value Define(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object object = info[0].As<Napi::Object>();
  object.DefineProperties({
      Napi::PropertyDescriptor::Value("value", Napi::Number::New(env, 1), napi_enumerable),
      Napi::PropertyDescriptor::Value(Napi::Symbol::For(env, "cpp"), Napi::Number::New(env, 2),
                                      napi_default),
      Napi::PropertyDescriptor::Function(
          env, object, "method",
          [](const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), 3); },
          napi_default),
      Napi::PropertyDescriptor::Accessor(
          env, object, "accessor",
          [](const Napi::CallbackInfo& info) -> Napi::Value { return info.This(); },
          napi_configurable),
  });
  return object;
}

const napi_type_tag kTag = {0x1234567890abcdefULL, 0xfedcba0987654321ULL};

Napi::Value Tag(const Napi::CallbackInfo& info) {
  Napi::Object object = info[0].As<Napi::Object>();
  bool before = object.CheckTypeTag(&kTag);
  object.TypeTag(&kTag);
  Napi::Array result = Napi::Array::New(info.Env());
  result.Set(0u, before);
  result.Set(1u, object.CheckTypeTag(&kTag));
  return result;
}

Napi::Value Words(const Napi::CallbackInfo& info) {
  auto bigint = info[0].As<Napi::BigInt>();
  size_t count = bigint.WordCount();
  std::vector<uint64_t> words(count + 1);
  int sign = 0;
  bigint.ToWords(&sign, &count, words.data());
  return Napi::BigInt::New(info.Env(), sign == 0 ? 1 : 0, count, words.data());
}

Napi::Value Tomorrow(const Napi::CallbackInfo& info) {
  return Napi::Date::New(info.Env(), info[0].As<Napi::Date>().ValueOf() + 86400000);
}

Napi::Value Escape(const Napi::CallbackInfo& info) {
  Napi::EscapableHandleScope scope(info.Env());
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("escaped", true);
  return scope.Escape(object);
}

Napi::Value Script(const Napi::CallbackInfo& info) {
  return info.Env().RunScript(info[0].As<Napi::String>());
}

Napi::Value Closure(const Napi::CallbackInfo& info) {
  int start = info[0].As<Napi::Number>();
  return Napi::Function::New(
      info.Env(),
      [start](const Napi::CallbackInfo& info) {
        return Napi::Number::New(info.Env(), start + info[0].As<Napi::Number>().Int32Value());
      },
      "closure");
}

}  // namespace

void addObjects(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance();
  env.SetInstanceData(instance);
  Napi::Function shape = Shape::define(env);
  instance->shape = Napi::Persistent(shape);
  exports.Set("Shape", shape);
  exports.Set("finalized", Napi::Function::New<Finalized>(env, "finalized"));
  exports.Set("instanceOf", Napi::Function::New<InstanceOf>(env, "instanceOf"));
  exports.Set("newInstance", Napi::Function::New<NewInstance>(env, "newInstance"));
  exports.Set("makeError", Napi::Function::New<MakeError>(env, "makeError"));
  exports.Set("throwKind", Napi::Function::New<ThrowKind>(env, "throwKind"));
  exports.Set("rethrow", Napi::Function::New<Rethrow>(env, "rethrow"));
  exports.Set("seen", Napi::Function::New<Seen>(env, "seen"));
  exports.Set("throwAfterCatch", Napi::Function::New<ThrowAfterCatch>(env, "throwAfterCatch"));
  exports.Set("makeExternal", Napi::Function::New<MakeExternal>(env, "makeExternal"));
  exports.Set("readExternal", Napi::Function::New<ReadExternal>(env, "readExternal"));
  exports.Set("externalBuffer", Napi::Function::New<ExternalBuffer>(env, "externalBuffer"));
  exports.Set("externalArrayBuffer",
              Napi::Function::New<ExternalArrayBuffer>(env, "externalArrayBuffer"));
  exports.Set("detach", Napi::Function::New<Detach>(env, "detach"));
  exports.Set("describeView", Napi::Function::New<DescribeView>(env, "describeView"));
  exports.Set("makeTyped", Napi::Function::New<MakeTyped>(env, "makeTyped"));
  exports.Set("keepFunction", Napi::Function::New<KeepFunction>(env, "keepFunction"));
  exports.Set("callKept", Napi::Function::New<CallKept>(env, "callKept"));
  exports.Set("keepObject", Napi::Function::New<KeepObject>(env, "keepObject"));
  exports.Set("kept", Napi::Function::New<Kept>(env, "kept"));
  exports.Set("describe", Napi::Function::New<DescribeValue>(env, "describe"));
  exports.Set("properties", Napi::Function::New<Properties>(env, "properties"));
  exports.Set("iterate", Napi::Function::New<Iterate>(env, "iterate"));
  exports.Set("Twice", Twice::define(env));
  exports.Set("defineStaticTwice", Napi::Function::New<Twice::defineStatic>(env));
  exports.Set("define", Napi::Function::New<Define>(env, "define"));
  exports.Set("tag", Napi::Function::New<Tag>(env, "tag"));
  exports.Set("words", Napi::Function::New<Words>(env, "words"));
  exports.Set("tomorrow", Napi::Function::New<Tomorrow>(env, "tomorrow"));
  exports.Set("escape", Napi::Function::New<Escape>(env, "escape"));
  exports.Set("script", Napi::Function::New<Script>(env, "script"));
  exports.Set("closure", Napi::Function::New<Closure>(env, "closure"));
}

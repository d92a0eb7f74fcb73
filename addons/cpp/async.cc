// Work off the JavaScript thread, as node-addon-api has it: workers, promises, threadsafe functions.
#include "cpp.h"

#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

std::vector<double> numbers(const Napi::Value& value) {
  auto list = value.As<Napi::Array>();
  std::vector<double> result;
  for (uint32_t i = 0; i < list.Length(); i++) {
    result.push_back(list.Get(i).As<Napi::Number>().DoubleValue());
  }
  return result;
}

double add(const std::vector<double>& all) { return std::accumulate(all.begin(), all.end(), 0.0); }

// Calls back with (error) or (null, sum), on a receiver of the caller's.
class SumWorker : public Napi::AsyncWorker {
 public:
  SumWorker(const Napi::Object& receiver, const Napi::Function& callback, std::vector<double> all)
      : Napi::AsyncWorker(receiver, callback, "SumWorker"), all_(std::move(all)) {}

  void Execute() override {
    if (all_.empty()) {
      SetError("Nothing to add");
      return;
    }
    sum_ = add(all_);
  }

  std::vector<napi_value> GetResult(Napi::Env env) override {
    return {env.Null(), Napi::Number::New(env, sum_)};
  }

 private:
  std::vector<double> all_;
  double sum_ = 0;
};

void SumLater(const Napi::CallbackInfo& info) {
  (new SumWorker(info.This().As<Napi::Object>(), info[1].As<Napi::Function>(), numbers(info[0])))
      ->Queue();
}

// Settles a promise; an exception of C++ rejects it.
class SumPromise : public Napi::AsyncWorker {
 public:
  SumPromise(Napi::Env env, std::vector<double> all)
      : Napi::AsyncWorker(env, "SumPromise"), deferred_(env), all_(std::move(all)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    if (all_.empty()) throw std::runtime_error("Nothing to add");
    sum_ = add(all_);
  }

  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), sum_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::vector<double> all_;
  double sum_ = 0;
};

Napi::Value SumOf(const Napi::CallbackInfo& info) {
  auto* worker = new SumPromise(info.Env(), numbers(info[0]));
  Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// Sends each number that it passes, then calls back.
template <class Worker>
class Progress : public Worker {
 public:
  Progress(const Napi::CallbackInfo& info)
      : Worker(info[1].As<Napi::Function>(), "Progress"),
        step_(Napi::Persistent(info[0].As<Napi::Function>())),
        count_(info[2].As<Napi::Number>().Int32Value()) {}

  void Execute(const typename Worker::ExecutionProgress& progress) override {
    for (int i = 0; i < count_; i++) progress.Send(&i, 1);
  }

  void OnProgress(const int* data, size_t count) override {
    Napi::HandleScope scope(this->Env());
    for (size_t i = 0; i < count; i++) step_.Call({Napi::Number::New(this->Env(), data[i])});
  }

 private:
  Napi::FunctionReference step_;
  int count_;
};

// Calls back with every number.
void Count(const Napi::CallbackInfo& info) {
  (new Progress<Napi::AsyncProgressQueueWorker<int>>(info))->Queue();
}

// Calls back with the latest of the numbers. The base class releases its threadsafe function once
// more in the finalizer of it.
void CountLatest(const Napi::CallbackInfo& info) {
  (new Progress<Napi::AsyncProgressWorker<int>>(info))->Queue();
}

// What happens to an exception that the completion throws.
class Thrower : public Napi::AsyncWorker {
 public:
  explicit Thrower(Napi::Env env) : Napi::AsyncWorker(env, "Thrower") {}
  void Execute() override {}
  void OnOK() override { throw Napi::TypeError::New(Env(), "From a completion"); }
};

void ThrowLater(const Napi::CallbackInfo& info) { (new Thrower(info.Env()))->Queue(); }

// callFromThreads(callback, threads, calls): each thread calls with its number and a count. The
// promise settles when all have let go.
struct Threads {
  explicit Threads(Napi::Env env) : deferred(env) {}
  Napi::Promise::Deferred deferred;
  std::vector<std::thread> all;
};

Napi::Value CallFromThreads(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int threads = info[1].As<Napi::Number>().Int32Value();
  int calls = info[2].As<Napi::Number>().Int32Value();
  auto* owner = new Threads(env);
  auto function = Napi::ThreadSafeFunction::New(
      env, info[0].As<Napi::Function>(), "calls", 0, static_cast<size_t>(threads),
      [](Napi::Env env, Threads* owner) {
        for (std::thread& thread : owner->all) thread.join();
        owner->deferred.Resolve(Napi::String::New(env, "released"));
        delete owner;
      },
      owner);
  Napi::Promise promise = owner->deferred.Promise();
  for (int number = 0; number < threads; number++) {
    owner->all.emplace_back([function, number, calls]() mutable {
      for (int call = 0; call < calls; call++) {
        auto run = [number, call](Napi::Env env, Napi::Function callback) {
          callback.Call({Napi::Number::New(env, number), Napi::Number::New(env, call)});
        };
        if (function.BlockingCall(run) != napi_ok) return;
      }
      function.Release();
    });
  }
  return promise;
}

// The typed kind: a context, data, and a function that every call goes through.
using Context = std::string;
void CallTyped(Napi::Env env, Napi::Function callback, Context* context, int* data);
using Typed = Napi::TypedThreadSafeFunction<Context, int, CallTyped>;

void CallTyped(Napi::Env env, Napi::Function callback, Context* context, int* data) {
  std::unique_ptr<int> owned(data);
  if (env == nullptr || callback == nullptr) return;
  callback.Call({Napi::String::New(env, *context), Napi::Number::New(env, *data)});
}

Napi::Value CallTypedFunction(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto* context = new Context(info[1].As<Napi::String>());
  Typed function = Typed::New(
      env, info[0].As<Napi::Function>(), "typed", 0, 1, context,
      [](Napi::Env, void*, Context* context) { delete context; }, static_cast<void*>(nullptr));
  bool same = function.GetContext() == context;
  for (int i = 0; i < 3; i++) function.NonBlockingCall(new int(i));
  function.Release();
  return Napi::Boolean::New(env, same);
}

// Calls as a task of its own.
Napi::Value MakeCallback(const Napi::CallbackInfo& info) {
  Napi::AsyncContext context(info.Env(), "makeCallback");
  return info[0].As<Napi::Function>().MakeCallback(info.This(), {info[1]}, context);
}

Napi::Value InCallbackScope(const Napi::CallbackInfo& info) {
  Napi::AsyncContext context(info.Env(), "scope");
  Napi::CallbackScope scope(info.Env(), context);
  return info[0].As<Napi::Function>().Call({});
}

}  // namespace

void addAsync(Napi::Env env, Napi::Object exports) {
  exports.Set("sumLater", Napi::Function::New<SumLater>(env, "sumLater"));
  exports.Set("sumOf", Napi::Function::New<SumOf>(env, "sumOf"));
  exports.Set("count", Napi::Function::New<Count>(env, "count"));
  exports.Set("countLatest", Napi::Function::New<CountLatest>(env, "countLatest"));
  exports.Set("throwLater", Napi::Function::New<ThrowLater>(env, "throwLater"));
  exports.Set("callFromThreads", Napi::Function::New<CallFromThreads>(env, "callFromThreads"));
  exports.Set("callTyped", Napi::Function::New<CallTypedFunction>(env, "callTyped"));
  exports.Set("makeCallback", Napi::Function::New<MakeCallback>(env, "makeCallback"));
  exports.Set("inCallbackScope", Napi::Function::New<InCallbackScope>(env, "inCallbackScope"));
}

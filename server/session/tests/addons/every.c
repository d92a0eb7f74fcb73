// The addon of the test of sessions that are made and dropped: it uses what an addon can own. It
// counts what it has allocated, and gives all of it back by finalizers, hooks and completions.
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct env* napi_env;
typedef struct value* napi_value;
typedef struct info* napi_callback_info;
typedef struct ref* napi_ref;
typedef struct work* napi_async_work;
typedef struct function* napi_threadsafe_function;
typedef struct handle* napi_async_cleanup_hook_handle;
typedef int napi_status;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
typedef void (*napi_finalize)(napi_env, void*, void*);

#define AUTO ((size_t)-1)

napi_status napi_get_cb_info(napi_env, napi_callback_info, size_t*, napi_value*, napi_value*, void**);
napi_status napi_create_function(napi_env, const char*, size_t, napi_callback, void*, napi_value*);
napi_status napi_set_named_property(napi_env, napi_value, const char*, napi_value);
napi_status napi_get_value_double(napi_env, napi_value, double*);
napi_status napi_create_double(napi_env, double, napi_value*);
napi_status napi_create_object(napi_env, napi_value*);
napi_status napi_create_string_utf8(napi_env, const char*, size_t, napi_value*);
napi_status napi_get_undefined(napi_env, napi_value*);
napi_status napi_call_function(napi_env, napi_value, napi_value, size_t, const napi_value*, napi_value*);
napi_status napi_create_reference(napi_env, napi_value, uint32_t, napi_ref*);
napi_status napi_get_reference_value(napi_env, napi_ref, napi_value*);
napi_status napi_delete_reference(napi_env, napi_ref);
napi_status napi_wrap(napi_env, napi_value, void*, napi_finalize, void*, napi_ref*);
napi_status napi_create_external_arraybuffer(napi_env, void*, size_t, napi_finalize, void*, napi_value*);
napi_status napi_set_instance_data(napi_env, void*, napi_finalize, void*);
napi_status napi_add_env_cleanup_hook(napi_env, void (*)(void*), void*);
napi_status napi_add_async_cleanup_hook(napi_env, void (*)(napi_async_cleanup_hook_handle, void*), void*,
                                        napi_async_cleanup_hook_handle*);
napi_status napi_remove_async_cleanup_hook(napi_async_cleanup_hook_handle);
napi_status napi_create_async_work(napi_env, napi_value, napi_value, void (*)(napi_env, void*),
                                   void (*)(napi_env, napi_status, void*), void*, napi_async_work*);
napi_status napi_queue_async_work(napi_env, napi_async_work);
napi_status napi_delete_async_work(napi_env, napi_async_work);
napi_status napi_create_threadsafe_function(napi_env, napi_value, napi_value, napi_value, size_t, size_t,
                                            void*, napi_finalize, void*,
                                            void (*)(napi_env, napi_value, void*, void*),
                                            napi_threadsafe_function*);
napi_status napi_call_threadsafe_function(napi_threadsafe_function, void*, int);
napi_status napi_release_threadsafe_function(napi_threadsafe_function, int);
napi_status napi_get_uv_event_loop(napi_env, void**);
size_t uv_handle_size(int);
int uv_timer_init(void*, void*);
int uv_timer_start(void*, void (*)(void*), uint64_t, uint64_t);
void uv_close(void*, void (*)(void*));

enum { UV_TIMER = 13, SIZE = 1000 };

static atomic_int alive;

static void* make(size_t size) {
  void* memory = calloc(1, size);
  if (memory == NULL) abort();
  alive += 1;
  return memory;
}

static void give_back(void* memory) {
  free(memory);
  alive -= 1;
}

static void finalize(napi_env env, void* data, void* hint) { give_back(data); }

typedef struct {
  napi_env env;
  napi_ref callback;
  napi_async_work work;
  napi_threadsafe_function function;
  pthread_t thread;
} Call;

static Call* new_call(napi_env env, napi_callback_info info) {
  napi_value callback;
  size_t argc = 1;
  Call* call = make(sizeof *call);
  call->env = env;
  napi_get_cb_info(env, info, &argc, &callback, NULL, NULL);
  napi_create_reference(env, callback, 1, &call->callback);
  return call;
}

static napi_value callback_of(Call* call) {
  napi_value callback = NULL;
  napi_get_reference_value(call->env, call->callback, &callback);
  return callback;
}

static void call_back(Call* call) {
  napi_value undefined;
  napi_get_undefined(call->env, &undefined);
  napi_call_function(call->env, undefined, callback_of(call), 0, NULL, NULL);
}

static void end_call(Call* call) {
  napi_delete_reference(call->env, call->callback);
  give_back(call);
}

static napi_value name(napi_env env) {
  napi_value name = NULL;
  napi_create_string_utf8(env, "every", AUTO, &name);
  return name;
}

static napi_value Add(napi_env env, napi_callback_info info) {
  napi_value args[2], result = NULL;
  size_t argc = 2;
  double left = 0, right = 0;
  napi_get_cb_info(env, info, &argc, args, NULL, NULL);
  napi_get_value_double(env, args[0], &left);
  napi_get_value_double(env, args[1], &right);
  napi_create_double(env, left + right, &result);
  return result;
}

// How much other environments have left.
static napi_value Alive(napi_env env, napi_callback_info info) {
  napi_value result = NULL;
  napi_create_double(env, alive, &result);
  return result;
}

// An object with a wrap and a buffer of the addon's memory.
static napi_value Own(napi_env env, napi_callback_info info) {
  napi_value object = NULL, buffer = NULL;
  napi_create_object(env, &object);
  napi_wrap(env, object, make(SIZE), finalize, NULL, NULL);
  napi_create_external_arraybuffer(env, make(SIZE), SIZE, finalize, NULL, &buffer);
  napi_set_named_property(env, object, "buffer", buffer);
  return object;
}

static void execute(napi_env env, void* data) {}

static void complete(napi_env env, napi_status status, void* data) {
  Call* call = data;
  call_back(call);
  napi_delete_async_work(env, call->work);
  end_call(call);
}

// Calls back when a thread of the pool has done nothing.
static napi_value Work(napi_env env, napi_callback_info info) {
  Call* call = new_call(env, info);
  napi_create_async_work(env, NULL, name(env), execute, complete, call, &call->work);
  napi_queue_async_work(env, call->work);
  return NULL;
}

static void* call_from_thread(void* data) {
  Call* call = data;
  napi_call_threadsafe_function(call->function, NULL, 1);
  napi_release_threadsafe_function(call->function, 0);
  return NULL;
}

static void finalize_function(napi_env env, void* data, void* hint) {
  Call* call = data;
  pthread_join(call->thread, NULL);
  end_call(call);
}

// Calls back from another thread.
static napi_value Thread(napi_env env, napi_callback_info info) {
  Call* call = new_call(env, info);
  napi_create_threadsafe_function(env, callback_of(call), NULL, name(env), 0, 1, call, finalize_function,
                                  NULL, NULL, &call->function);
  if (pthread_create(&call->thread, NULL, call_from_thread, call) != 0) abort();
  return NULL;
}

static void on_closed(void* timer) { give_back(timer); }

static void on_timer(void* timer) {
  // The call is behind the timer.
  Call** call = (Call**)((char*)timer + uv_handle_size(UV_TIMER));
  call_back(*call);
  end_call(*call);
  uv_close(timer, on_closed);
}

// Calls back from libuv's loop.
static napi_value Loop(napi_env env, napi_callback_info info) {
  void *timer = make(uv_handle_size(UV_TIMER) + sizeof(Call*)), *loop = NULL;
  *(Call**)((char*)timer + uv_handle_size(UV_TIMER)) = new_call(env, info);
  napi_get_uv_event_loop(env, &loop);
  uv_timer_init(loop, timer);
  uv_timer_start(timer, on_timer, 0, 0);
  return NULL;
}

static void close_late(napi_async_cleanup_hook_handle handle, void* timer) {
  uv_close(timer, on_closed);
  napi_remove_async_cleanup_hook(handle);
}

static void export(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, AUTO, function, NULL, &value);
  napi_set_named_property(env, exports, name, value);
}

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  void *loop = NULL, *timer = make(uv_handle_size(UV_TIMER));
  export(env, exports, "add", Add);
  export(env, exports, "alive", Alive);
  export(env, exports, "own", Own);
  export(env, exports, "work", Work);
  export(env, exports, "thread", Thread);
  export(env, exports, "loop", Loop);
  napi_set_instance_data(env, make(SIZE), finalize, NULL);
  napi_add_env_cleanup_hook(env, give_back, make(SIZE));
  // A timer that is never due, and is closed at the end.
  napi_get_uv_event_loop(env, &loop);
  uv_timer_init(loop, timer);
  uv_timer_start(timer, on_closed, 1 << 30, 0);
  napi_add_async_cleanup_hook(env, close_late, timer, NULL);
  return exports;
}

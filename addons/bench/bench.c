// What the benchmarks measure: the smallest addon code around one kind of crossing each.
//
// Arguments are trusted: a wrong one costs a status check, and gives undefined.
#include "plain.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static napi_value Noop(napi_env env, napi_callback_info info) { return NULL; }

static napi_value Add(napi_env env, napi_callback_info info) {
  napi_value args[2], result;
  size_t argc = 2;
  double a, b;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok) return NULL;
  if (napi_get_value_double(env, args[0], &a) != napi_ok) return NULL;
  if (napi_get_value_double(env, args[1], &b) != napi_ok) return NULL;
  if (napi_create_double(env, a + b, &result) != napi_ok) return NULL;
  return result;
}

static napi_value Echo(napi_env env, napi_callback_info info) {
  napi_value value;
  size_t argc = 1;
  if (napi_get_cb_info(env, info, &argc, &value, NULL, NULL) != napi_ok) return NULL;
  return value;
}

// Reads a string of up to 4095 bytes, and returns its length.
static napi_value StringLength(napi_env env, napi_callback_info info) {
  napi_value value, result;
  size_t argc = 1, length;
  char text[4096];
  if (napi_get_cb_info(env, info, &argc, &value, NULL, NULL) != napi_ok) return NULL;
  if (napi_get_value_string_utf8(env, value, text, sizeof text, &length) != napi_ok) return NULL;
  if (napi_create_uint32(env, (uint32_t)length, &result) != napi_ok) return NULL;
  return result;
}

// A class with a method and a getter.

typedef struct {
  double value;
} Counter;

static void drop_counter(napi_env env, void* data, void* hint) { free(data); }

static napi_value NewCounter(napi_env env, napi_callback_info info) {
  napi_value initial, self;
  size_t argc = 1;
  Counter* counter = calloc(1, sizeof *counter);
  if (counter == NULL) return NULL;
  if (napi_get_cb_info(env, info, &argc, &initial, &self, NULL) != napi_ok ||
      napi_wrap(env, self, counter, drop_counter, NULL, NULL) != napi_ok) {
    free(counter);
    return NULL;
  }
  napi_get_value_double(env, initial, &counter->value);
  return self;
}

static Counter* this_counter(napi_env env, napi_callback_info info) {
  napi_value self;
  Counter* counter = NULL;
  if (napi_get_cb_info(env, info, NULL, NULL, &self, NULL) != napi_ok) return NULL;
  if (napi_unwrap(env, self, (void**)&counter) != napi_ok) return NULL;
  return counter;
}

static napi_value Increment(napi_env env, napi_callback_info info) {
  Counter* counter = this_counter(env, info);
  return counter == NULL ? NULL : plain_number(env, ++counter->value);
}

static napi_value Value(napi_env env, napi_callback_info info) {
  Counter* counter = this_counter(env, info);
  return counter == NULL ? NULL : plain_number(env, counter->value);
}

// Callbacks.

// callTimes(callback, count): calls callback(0), callback(1) ... and returns the last result.
static napi_value CallTimes(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  uint32_t count;
  napi_value undefined, result = NULL;
  TRY(env, napi_get_value_uint32(env, args[1], &count));
  TRY(env, napi_get_undefined(env, &undefined));
  for (uint32_t i = 0; i < count; i++) {
    napi_handle_scope scope;
    napi_value argument;
    bool last = i + 1 == count;
    if (!last) TRY(env, napi_open_handle_scope(env, &scope));
    TRY(env, napi_create_uint32(env, i, &argument));
    TRY(env, napi_call_function(env, undefined, args[0], 1, &argument, &result));
    if (!last) TRY(env, napi_close_handle_scope(env, scope));
  }
  return result;
}

static napi_value CallOnce(napi_env env, napi_callback_info info) {
  napi_value args[2], undefined, result;
  size_t argc = 2;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok) return NULL;
  if (napi_get_undefined(env, &undefined) != napi_ok) return NULL;
  if (napi_call_function(env, undefined, args[0], 1, args + 1, &result) != napi_ok) return NULL;
  return result;
}

// Data.

static napi_value SumList(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  uint32_t length;
  double sum = 0;
  TRY(env, napi_get_array_length(env, args[0], &length));
  for (uint32_t i = 0; i < length; i++) {
    napi_value item;
    double number;
    TRY(env, napi_get_element(env, args[0], i, &item));
    TRY(env, napi_get_value_double(env, item, &number));
    sum += number;
  }
  return plain_number(env, sum);
}

static napi_value MakeList(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  uint32_t length;
  napi_value list;
  TRY(env, napi_get_value_uint32(env, args[0], &length));
  TRY(env, napi_create_array_with_length(env, length, &list));
  for (uint32_t i = 0; i < length; i++) {
    TRY(env, napi_set_element(env, list, i, plain_number(env, i)));
  }
  return list;
}

// An object of 100 properties: { property0: 0, property1: 1, ... }.
static napi_value MakeObject(napi_env env, napi_callback_info info) {
  static char names[100][16];
  if (names[0][0] == 0) {
    for (int i = 0; i < 100; i++) snprintf(names[i], sizeof names[i], "property%d", i);
  }
  napi_value object;
  if (napi_create_object(env, &object) != napi_ok) return NULL;
  for (int i = 0; i < 100; i++) {
    napi_value value;
    if (napi_create_int32(env, i, &value) != napi_ok) return NULL;
    if (napi_set_named_property(env, object, names[i], value) != napi_ok) return NULL;
  }
  return object;
}

// Reads 100 properties of the same names.
static napi_value SumObject(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double sum = 0;
  for (int i = 0; i < 100; i++) {
    char name[16];
    napi_value value;
    double number;
    snprintf(name, sizeof name, "property%d", i);
    TRY(env, napi_get_named_property(env, args[0], name, &value));
    TRY(env, napi_get_value_double(env, value, &number));
    sum += number;
  }
  return plain_number(env, sum);
}

enum { DEPTH_MAX = 64 };

static bool add_all(napi_env env, napi_value value, int depth, double* sum);

// Adds the elements of an array, or, with names, the properties of an object.
static bool add_elements(napi_env env, napi_value value, napi_value names, int depth, double* sum) {
  uint32_t length;
  if (napi_get_array_length(env, names == NULL ? value : names, &length) != napi_ok) return false;
  for (uint32_t i = 0; i < length; i++) {
    napi_handle_scope scope;
    napi_value name, item;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return false;
    bool read = names == NULL ? napi_get_element(env, value, i, &item) == napi_ok
                              : napi_get_element(env, names, i, &name) == napi_ok &&
                                    napi_get_property(env, value, name, &item) == napi_ok;
    bool added = read && add_all(env, item, depth + 1, sum);
    if (napi_close_handle_scope(env, scope) != napi_ok || !added) return false;
  }
  return true;
}

static bool add_all(napi_env env, napi_value value, int depth, double* sum) {
  napi_valuetype type;
  napi_value names = NULL;
  double number = 0;
  size_t length = 0;
  bool is_array;
  if (depth > DEPTH_MAX || napi_typeof(env, value, &type) != napi_ok) return false;
  if (type == napi_number && napi_get_value_double(env, value, &number) != napi_ok) return false;
  if (type == napi_string && napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) {
    return false;
  }
  *sum += number + (double)length;
  if (type != napi_object) return true;
  if (napi_is_array(env, value, &is_array) != napi_ok) return false;
  if (!is_array && napi_get_property_names(env, value, &names) != napi_ok) return false;
  return add_elements(env, value, names, depth, sum);
}

// Returns the sum of the numbers and the lengths of the texts in arrays and objects, nested or not.
static napi_value SumAll(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double sum = 0;
  if (!add_all(env, args[0], 0, &sum)) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_error(env, NULL, "the value cannot be read, or is too deep");
    return NULL;
  }
  return plain_number(env, sum);
}

// compute(steps): native code alone; returns a number that depends on every step.
static napi_value Compute(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  uint32_t steps, state = 1;
  TRY(env, napi_get_value_uint32(env, args[0], &steps));
  for (uint32_t i = 0; i < steps; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
  }
  return plain_number(env, state);
}

static napi_value SumBuffer(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  uint8_t* bytes;
  size_t length;
  uint64_t sum = 0;
  TRY(env, napi_get_buffer_info(env, args[0], (void**)&bytes, &length));
  for (size_t i = 0; i < length; i++) sum += bytes[i];
  return plain_number(env, (double)sum);
}

static napi_value MakeBuffer(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  uint32_t length;
  void* bytes;
  napi_value buffer;
  TRY(env, napi_get_value_uint32(env, args[0], &length));
  TRY(env, napi_create_buffer(env, length, &bytes, &buffer));
  memset(bytes, 7, length);
  return buffer;
}

// Adds 1 to every byte.
static napi_value ChangeBuffer(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  uint8_t* bytes;
  size_t length;
  TRY(env, napi_get_buffer_info(env, args[0], (void**)&bytes, &length));
  for (size_t i = 0; i < length; i++) bytes[i]++;
  return NULL;
}

static void free_external(napi_env env, void* data, void* hint) { free(data); }

// An ArrayBuffer over memory of the addon's.
static napi_value MakeExternal(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  uint32_t length;
  napi_value buffer;
  TRY(env, napi_get_value_uint32(env, args[0], &length));
  void* bytes = malloc(length);
  if (bytes == NULL) return NULL;
  memset(bytes, 7, length);
  if (napi_create_external_arraybuffer(env, bytes, length, free_external, NULL, &buffer) !=
      napi_ok) {
    free(bytes);
    return NULL;
  }
  return buffer;
}

// Reads a text as UTF-8, and returns it as a new string.
static napi_value CopyText(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  size_t length;
  napi_value result = NULL;
  TRY(env, napi_get_value_string_utf8(env, args[0], NULL, 0, &length));
  char* text = malloc(length + 1);
  if (text == NULL) return NULL;
  if (napi_get_value_string_utf8(env, args[0], text, length + 1, &length) == napi_ok) {
    napi_create_string_utf8(env, text, length, &result);
  }
  free(text);
  return result;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// One thing of Node-API `count` times inside one call: measure("napi_get_property", count) gives the
// nanoseconds of one time. Handles end after every 64, so that neither side's scope grows.

static napi_value Measure(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  char name[64];
  uint32_t count;
  TRY(env, napi_get_value_string_utf8(env, args[0], name, sizeof name, NULL));
  TRY(env, napi_get_value_uint32(env, args[1], &count));
  napi_value object, key, number, integer, list, text, function, undefined, result;
  napi_handle_scope inner;
  napi_valuetype type;
  napi_ref kept, reference;
  double real;
  int32_t whole;
  size_t length;
  void* memory;
  char bytes[64];
  TRY(env, napi_create_object(env, &object));
  TRY(env, napi_create_string_utf8(env, "key", 3, &key));
  TRY(env, napi_create_double(env, 1.5, &number));
  TRY(env, napi_create_int32(env, 7, &integer));
  TRY(env, napi_set_property(env, object, key, number));
  TRY(env, napi_create_array_with_length(env, 4, &list));
  for (uint32_t i = 0; i < 4; i++) TRY(env, napi_set_element(env, list, i, number));
  TRY(env, napi_create_string_utf8(env, "a string of some length", NAPI_AUTO_LENGTH, &text));
  TRY(env, napi_create_function(env, "f", 1, Noop, NULL, &function));
  TRY(env, napi_get_undefined(env, &undefined));
  TRY(env, napi_create_reference(env, object, 1, &kept));

#define ROW(title, action)                                                     \
  if (strcmp(title, name) == 0) {                                              \
    napi_handle_scope scope;                                                   \
    double start = now();                                                      \
    for (uint32_t i = 0; i < count; i++) {                                     \
      if (i % 64 == 0) napi_open_handle_scope(env, &scope);                    \
      if ((action) != napi_ok) return NULL;                                    \
      if (i % 64 == 63 || i + 1 == count) napi_close_handle_scope(env, scope); \
    }                                                                          \
    TRY(env, napi_create_double(env, (now() - start) / count, &result));       \
    napi_delete_reference(env, kept);                                          \
    return result;                                                             \
  }
#define CALL(function, ...) ROW(#function, function(env, __VA_ARGS__))
#define BOTH(first, second) ((first) == napi_ok ? (second) : napi_generic_failure)
  ROW("scope",
      BOTH(napi_open_handle_scope(env, &inner), napi_close_handle_scope(env, inner)))
  CALL(napi_create_int32, 7, &result)
  CALL(napi_get_value_int32, integer, &whole)
  CALL(napi_create_object, &result)
  CALL(napi_create_string_utf8, "a string of some length", 23, &result)
  CALL(napi_get_value_string_utf8, text, bytes, sizeof bytes, &length)
  CALL(napi_set_named_property, object, "key", number)
  CALL(napi_get_named_property, object, "key", &result)
  CALL(napi_set_element, list, 1, number)
  CALL(napi_get_element, list, 1, &result)
  ROW("reference", BOTH(napi_create_reference(env, object, 1, &reference),
                        napi_delete_reference(env, reference)))
  CALL(napi_create_function, "g", 1, Noop, NULL, &result)
  CALL(napi_call_function, undefined, function, 0, NULL, &result)
  CALL(napi_create_arraybuffer, 4096, &memory, &result)

  CALL(napi_create_double, 1.5, &result)
  CALL(napi_get_value_double, number, &real)
  CALL(napi_create_array, &result)
  CALL(napi_typeof, object, &type)
  CALL(napi_get_property, object, key, &result)
  CALL(napi_set_property, object, key, number)
  CALL(napi_get_reference_value, kept, &result)
#undef ROW
#undef CALL
#undef BOTH
  napi_delete_reference(env, kept);
  napi_throw_error(env, NULL, "no such row");
  return NULL;
}

// Threads.

typedef struct {
  napi_threadsafe_function function;
  uint32_t count;
  pthread_t thread;
} Events;

static void deliver(napi_env env, napi_value callback, void* context, void* data) {
  napi_value undefined, number;
  if (env == NULL || callback == NULL) return;
  if (napi_get_undefined(env, &undefined) != napi_ok) return;
  if (napi_create_uint32(env, (uint32_t)(uintptr_t)data, &number) != napi_ok) return;
  napi_call_function(env, undefined, callback, 1, &number, NULL);
}

static void* send_events(void* data) {
  Events* events = data;
  for (uint32_t i = 0; i < events->count; i++) {
    if (napi_call_threadsafe_function(events->function, (void*)(uintptr_t)i, napi_tsfn_blocking) !=
        napi_ok) {
      return NULL;
    }
  }
  napi_release_threadsafe_function(events->function, napi_tsfn_release);
  return NULL;
}

static void end_events(napi_env env, void* data, void* hint) {
  Events* events = data;
  pthread_join(events->thread, NULL);
  free(events);
}

// sendEvents(callback, count): a thread sends 0, 1 ... to the callback.
static napi_value SendEvents(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  Events* events = calloc(1, sizeof *events);
  if (events == NULL) return NULL;
  napi_value name;
  TRY(env, napi_get_value_uint32(env, args[1], &events->count));
  TRY(env, napi_create_string_utf8(env, "bench", NAPI_AUTO_LENGTH, &name));
  TRY(env, napi_create_threadsafe_function(env, args[0], NULL, name, 1024, 1, events, end_events,
                                           NULL, deliver, &events->function));
  if (pthread_create(&events->thread, NULL, send_events, events) != 0) abort();
  return NULL;
}

// A stream of frames, as of a camera: the thread fills one after another.

typedef struct {
  napi_threadsafe_function function;
  uint32_t count, length;
  pthread_t thread;
} Stream;

enum { FRAMES_QUEUED_MAX = 4 };

static void deliver_frame(napi_env env, napi_value callback, void* context, void* data) {
  Stream* stream = context;
  napi_value undefined, frame;
  if (env != NULL && callback != NULL && napi_get_undefined(env, &undefined) == napi_ok &&
      napi_create_buffer_copy(env, stream->length, data, NULL, &frame) == napi_ok) {
    napi_call_function(env, undefined, callback, 1, &frame, NULL);
  }
  free(data);
}

static void* send_frames(void* data) {
  Stream* stream = data;
  for (uint32_t i = 0; i < stream->count; i++) {
    void* frame = malloc(stream->length);
    if (frame == NULL) break;
    memset(frame, (int)(i & 255), stream->length);
    if (napi_call_threadsafe_function(stream->function, frame, napi_tsfn_blocking) != napi_ok) {
      free(frame);
      return NULL;
    }
  }
  napi_release_threadsafe_function(stream->function, napi_tsfn_release);
  return NULL;
}

static void end_stream(napi_env env, void* data, void* hint) {
  Stream* stream = data;
  pthread_join(stream->thread, NULL);
  free(stream);
}

// sendFrames(callback, count, length): a thread sends frames whose bytes are 0, 1 ... 255, 0 ...
static napi_value SendFrames(napi_env env, napi_callback_info info) {
  ARGS(env, info, 3);
  Stream* stream = calloc(1, sizeof *stream);
  if (stream == NULL) return NULL;
  napi_value name;
  TRY(env, napi_get_value_uint32(env, args[1], &stream->count));
  TRY(env, napi_get_value_uint32(env, args[2], &stream->length));
  TRY(env, napi_create_string_utf8(env, "bench", NAPI_AUTO_LENGTH, &name));
  TRY(env, napi_create_threadsafe_function(env, args[0], NULL, name, FRAMES_QUEUED_MAX, 1, stream,
                                           end_stream, stream, deliver_frame, &stream->function));
  if (pthread_create(&stream->thread, NULL, send_frames, stream) != 0) abort();
  return NULL;
}

// Async work.

typedef struct {
  napi_async_work work;
  napi_deferred deferred;
  double a, b;
} Work;

static void execute(napi_env env, void* data) {
  Work* work = data;
  work->a += work->b;
}

static void complete(napi_env env, napi_status status, void* data) {
  Work* work = data;
  napi_value sum;
  if (napi_create_double(env, work->a, &sum) == napi_ok) {
    napi_resolve_deferred(env, work->deferred, sum);
  }
  napi_delete_async_work(env, work->work);
  free(work);
}

// asyncAdd(a, b): a promise of the sum, added up in the pool.
static napi_value AsyncAdd(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  Work* work = calloc(1, sizeof *work);
  if (work == NULL) return NULL;
  napi_value name, promise;
  TRY(env, napi_get_value_double(env, args[0], &work->a));
  TRY(env, napi_get_value_double(env, args[1], &work->b));
  TRY(env, napi_create_string_utf8(env, "bench", NAPI_AUTO_LENGTH, &name));
  TRY(env, napi_create_async_work(env, NULL, name, execute, complete, work, &work->work));
  TRY(env, napi_create_promise(env, &work->deferred, &promise));
  TRY(env, napi_queue_async_work(env, work->work));
  return promise;
}

// Promises that stay pending until they are settled together.

typedef struct {
  napi_deferred* all;
  size_t count, room;
} Deferreds;

static void drop_deferreds(napi_env env, void* data, void* hint) {
  free(((Deferreds*)data)->all);
  free(data);
}

// pend(): a promise that settle() resolves.
static napi_value Pend(napi_env env, napi_callback_info info) {
  Deferreds* kept;
  napi_value promise;
  TRY(env, napi_get_instance_data(env, (void**)&kept));
  if (kept->count == kept->room) {
    size_t room = kept->room == 0 ? 64 : kept->room * 2;
    napi_deferred* all = realloc(kept->all, room * sizeof *all);
    if (all == NULL) return NULL;
    kept->all = all;
    kept->room = room;
  }
  TRY(env, napi_create_promise(env, &kept->all[kept->count], &promise));
  kept->count++;
  return promise;
}

// settle(): resolves the promises of all calls of pend(), each with its number, and returns how many.
static napi_value Settle(napi_env env, napi_callback_info info) {
  Deferreds* kept;
  TRY(env, napi_get_instance_data(env, (void**)&kept));
  size_t count = kept->count;
  kept->count = 0;
  for (size_t i = 0; i < count; i++) {
    napi_handle_scope scope;
    TRY(env, napi_open_handle_scope(env, &scope));
    TRY(env, napi_resolve_deferred(env, kept->all[i], plain_number(env, (double)i)));
    TRY(env, napi_close_handle_scope(env, scope));
  }
  return plain_number(env, (double)count);
}

NAPI_MODULE_INIT() {
  static const struct {
    const char* name;
    napi_callback callback;
  } FUNCTIONS[] = {
      {"noop", Noop},           {"add", Add},
      {"echo", Echo},           {"stringLength", StringLength},
      {"callOnce", CallOnce},   {"callTimes", CallTimes},
      {"sumList", SumList},     {"makeList", MakeList},
      {"makeObject", MakeObject}, {"sumObject", SumObject},
      {"sumBuffer", SumBuffer}, {"makeBuffer", MakeBuffer},
      {"measure", Measure},     {"sendEvents", SendEvents},
      {"asyncAdd", AsyncAdd},   {"changeBuffer", ChangeBuffer},
      {"makeExternal", MakeExternal}, {"copyText", CopyText},
      {"sendFrames", SendFrames}, {"sumAll", SumAll},
      {"pend", Pend},           {"settle", Settle},
      {"compute", Compute},
  };
  Deferreds* deferreds = calloc(1, sizeof *deferreds);
  if (deferreds == NULL) return NULL;
  TRY(env, napi_set_instance_data(env, deferreds, drop_deferreds, NULL));
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    if (plain_export(env, exports, FUNCTIONS[i].name, FUNCTIONS[i].callback) == NULL) return NULL;
  }
  napi_property_descriptor members[] = {
      {"increment", NULL, Increment, NULL, NULL, NULL, napi_default_method, NULL},
      {"value", NULL, NULL, Value, NULL, NULL, napi_default, NULL},
  };
  napi_value counter;
  TRY(env, napi_define_class(env, "Counter", NAPI_AUTO_LENGTH, NewCounter, NULL, 2, members,
                             &counter));
  TRY(env, napi_set_named_property(env, exports, "Counter", counter));
  return exports;
}

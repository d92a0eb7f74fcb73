// The addon of the session's tests: one function per kind of crossing, with its own declarations so
// that no header has to be installed.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct env* napi_env;
typedef struct value* napi_value;
typedef struct info* napi_callback_info;
typedef struct ref* napi_ref;
typedef int napi_status;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
typedef void (*napi_finalize)(napi_env, void*, void*);
typedef struct {
  const char* utf8name;
  napi_value name;
  napi_callback method, getter, setter;
  napi_value value;
  int attributes;
  void* data;
} napi_property_descriptor;

#define AUTO ((size_t)-1)

napi_status napi_get_cb_info(napi_env, napi_callback_info, size_t*, napi_value*, napi_value*, void**);
napi_status napi_create_function(napi_env, const char*, size_t, napi_callback, void*, napi_value*);
napi_status napi_set_named_property(napi_env, napi_value, const char*, napi_value);
napi_status napi_get_value_double(napi_env, napi_value, double*);
napi_status napi_create_double(napi_env, double, napi_value*);
napi_status napi_create_object(napi_env, napi_value*);
napi_status napi_get_undefined(napi_env, napi_value*);
napi_status napi_get_array_length(napi_env, napi_value, uint32_t*);
napi_status napi_get_element(napi_env, napi_value, uint32_t, napi_value*);
napi_status napi_set_element(napi_env, napi_value, uint32_t, napi_value);
napi_status napi_call_function(napi_env, napi_value, napi_value, size_t, const napi_value*, napi_value*);
napi_status napi_throw_range_error(napi_env, const char*, const char*);
napi_status napi_define_class(napi_env, const char*, size_t, napi_callback, void*, size_t,
                              const napi_property_descriptor*, napi_value*);
napi_status napi_wrap(napi_env, napi_value, void*, napi_finalize, void*, napi_ref*);
napi_status napi_unwrap(napi_env, napi_value, void**);
napi_status napi_create_external(napi_env, void*, napi_finalize, void*, napi_value*);
napi_status napi_get_buffer_info(napi_env, napi_value, void**, size_t*);

static napi_value number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

static double value_of(napi_env env, napi_value value) {
  double result = 0;
  napi_get_value_double(env, value, &result);
  return result;
}

static napi_value Add(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t argc = 2;
  napi_get_cb_info(env, info, &argc, args, NULL, NULL);
  return number(env, value_of(env, args[0]) + value_of(env, args[1]));
}

// double(list): doubles every element in place.
static napi_value Double(napi_env env, napi_callback_info info) {
  napi_value list, item;
  size_t argc = 1;
  uint32_t length = 0;
  napi_get_cb_info(env, info, &argc, &list, NULL, NULL);
  napi_get_array_length(env, list, &length);
  for (uint32_t i = 0; i < length; i++) {
    napi_get_element(env, list, i, &item);
    napi_set_element(env, list, i, number(env, 2 * value_of(env, item)));
  }
  return NULL;
}

// mapAndSum(list, callback)
static napi_value MapAndSum(napi_env env, napi_callback_info info) {
  napi_value args[2], item, result, undefined;
  size_t argc = 2;
  uint32_t length = 0;
  double sum = 0;
  napi_get_cb_info(env, info, &argc, args, NULL, NULL);
  napi_get_undefined(env, &undefined);
  napi_get_array_length(env, args[0], &length);
  for (uint32_t i = 0; i < length; i++) {
    napi_get_element(env, args[0], i, &item);
    if (napi_call_function(env, undefined, args[1], 1, &item, &result) != 0) return NULL;
    sum += value_of(env, result);
  }
  return number(env, sum);
}

// fill(buffer): writes 7 into the first byte through the data pointer.
static napi_value Fill(napi_env env, napi_callback_info info) {
  napi_value buffer;
  size_t argc = 1, length = 0;
  void* data = NULL;
  napi_get_cb_info(env, info, &argc, &buffer, NULL, NULL);
  if (napi_get_buffer_info(env, buffer, &data, &length) == 0 && length > 0) *(uint8_t*)data = 7;
  return NULL;
}

static napi_value Boom(napi_env env, napi_callback_info info) {
  napi_throw_range_error(env, "E_BOOM", "boom");
  return NULL;
}

// wrapped(): a plain object that something native hangs on.
static napi_value Wrapped(napi_env env, napi_callback_info info) {
  static int thing;
  napi_value object = NULL;
  napi_create_object(env, &object);
  napi_wrap(env, object, &thing, NULL, NULL, NULL);
  return object;
}

static napi_value External(napi_env env, napi_callback_info info) {
  static int thing;
  napi_value result = NULL;
  napi_create_external(env, &thing, NULL, NULL, &result);
  return result;
}

static void drop(napi_env env, void* data, void* hint) { free(data); }

static napi_value NewCounter(napi_env env, napi_callback_info info) {
  napi_value start, self;
  size_t argc = 1;
  double* value = malloc(sizeof *value);
  napi_get_cb_info(env, info, &argc, &start, &self, NULL);
  *value = value_of(env, start);
  napi_wrap(env, self, value, drop, NULL, NULL);
  return self;
}

static napi_value Increment(napi_env env, napi_callback_info info) {
  napi_value self;
  double* value = NULL;
  napi_get_cb_info(env, info, NULL, NULL, &self, NULL);
  if (napi_unwrap(env, self, (void**)&value) != 0) return NULL;
  return number(env, ++*value);
}

static void export(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, AUTO, function, NULL, &value);
  napi_set_named_property(env, exports, name, value);
}

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_property_descriptor increment = {.utf8name = "increment", .method = Increment};
  napi_value counter;
  export(env, exports, "add", Add);
  export(env, exports, "double", Double);
  export(env, exports, "mapAndSum", MapAndSum);
  export(env, exports, "fill", Fill);
  export(env, exports, "boom", Boom);
  export(env, exports, "wrapped", Wrapped);
  export(env, exports, "external", External);
  napi_define_class(env, "Counter", AUTO, NewCounter, NULL, 1, &increment, &counter);
  napi_set_named_property(env, exports, "Counter", counter);
  napi_set_named_property(env, exports, "answer", number(env, 42));
  return exports;
}

// What an ordinary addon needs and nothing about testing: arguments in, exports out, errors thrown.
//
// The concept addons use addon.h instead, which reports every status.
#ifndef PLAIN_H
#define PLAIN_H

#ifndef NAPI_VERSION
#define NAPI_VERSION 9
#endif
#include <node_api.h>
#include <stdlib.h>
#include <string.h>

// Returns from a callback with an exception where a Node-API call fails.
#define TRY(env, call)                                                  \
  do {                                                                  \
    if ((call) != napi_ok) {                                            \
      bool try_pending = false;                                         \
      napi_is_exception_pending((env), &try_pending);                   \
      if (!try_pending) napi_throw_error((env), NULL, "failed: " #call); \
      return NULL;                                                      \
    }                                                                   \
  } while (0)

// Reads the arguments of a callback into `args`; absent ones are undefined.
#define ARGS(env, info, count) \
  size_t argc = (count);       \
  napi_value args[(count) ? (count) : 1]; \
  TRY((env), napi_get_cb_info((env), (info), &argc, args, NULL, NULL))

static inline napi_value plain_export(napi_env env, napi_value exports, const char* name,
                                      napi_callback callback) {
  napi_value function;
  TRY(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function));
  TRY(env, napi_set_named_property(env, exports, name, function));
  return exports;
}

static inline napi_value plain_number(napi_env env, double number) {
  napi_value result;
  TRY(env, napi_create_double(env, number, &result));
  return result;
}

#endif

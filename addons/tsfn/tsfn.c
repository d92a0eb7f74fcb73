// Thread-safe functions, kept by number.
#include "addon.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct {
  napi_threadsafe_function function;
  int context;
  int finalized;
  uint32_t count;
  pthread_t thread;
} Kept;

static Kept kept[8];

static Kept* numbered(napi_env env, napi_value number) { return &kept[integer(env, number) & 7]; }

static void finalize(napi_env env, void* data, void* hint) { ((Kept*)data)->finalized += 1; }

static void call_js(napi_env env, napi_value callback, void* context, void* data) {
  napi_value undefined, number;
  if (env == NULL || callback == NULL) return;
  MUST(napi_get_undefined(env, &undefined));
  MUST(napi_create_int32(env, (int)(intptr_t)data, &number));
  napi_call_function(env, undefined, callback, 1, &number, NULL);
}

// napi_create_threadsafe_function(number, function or nothing, name, queue size, threads)
WRAP(napi_create_threadsafe_function) {
  ARGUMENTS;
  Kept* one = numbered(env, ARG(0));
  memset(one, 0, sizeof *one);
  napi_value function = addon_type(env, ARG(1)) == napi_undefined ? NULL : ARG(1);
  CALL(napi_create_threadsafe_function(env, function, NULL, ARG(2), (size_t)integer(env, ARG(3)),
                                       (size_t)integer(env, ARG(4)), one, finalize, &one->context,
                                       call_js, &one->function));
  BOOL("given", one->function != NULL);
  DONE;
}

// Functions without an env record nothing: only their status is reported.
static napi_value status_only(napi_env env, napi_status status) {
  napi_value object, word;
  MUST(napi_create_object(env, &object));
  MUST(napi_create_string_utf8(env, addon_status(status), NAPI_AUTO_LENGTH, &word));
  MUST(napi_set_named_property(env, object, "status", word));
  return object;
}

WRAP(napi_get_threadsafe_function_context) {
  ARGUMENTS;
  Kept* one = numbered(env, ARG(0));
  void* context = NULL;
  napi_status status = napi_get_threadsafe_function_context(one->function, &context);
  napi_value report = status_only(env, status), same;
  MUST(napi_get_boolean(env, context == &one->context, &same));
  MUST(napi_set_named_property(env, report, "same", same));
  return report;
}

WRAP(napi_acquire_threadsafe_function) {
  ARGUMENTS;
  return status_only(env, napi_acquire_threadsafe_function(numbered(env, ARG(0))->function));
}

// napi_release_threadsafe_function(number, abort)
WRAP(napi_release_threadsafe_function) {
  ARGUMENTS;
  return status_only(env, napi_release_threadsafe_function(
                              numbered(env, ARG(0))->function,
                              (napi_threadsafe_function_release_mode)integer(env, ARG(1))));
}

WRAP(napi_ref_threadsafe_function) {
  ARGUMENTS;
  return status_only(env, napi_ref_threadsafe_function(env, numbered(env, ARG(0))->function));
}

WRAP(napi_unref_threadsafe_function) {
  ARGUMENTS;
  return status_only(env, napi_unref_threadsafe_function(env, numbered(env, ARG(0))->function));
}

// napi_call_threadsafe_function(number, data): from this very thread.
WRAP(napi_call_threadsafe_function) {
  ARGUMENTS;
  return status_only(env, napi_call_threadsafe_function(numbered(env, ARG(0))->function,
                                                        (void*)(intptr_t)integer(env, ARG(1)),
                                                        napi_tsfn_nonblocking));
}

static void* send(void* data) {
  Kept* one = data;
  for (uint32_t i = 0; i < one->count; i++) {
    if (napi_call_threadsafe_function(one->function, (void*)(uintptr_t)i, napi_tsfn_blocking) !=
        napi_ok) {
      return NULL;
    }
  }
  napi_release_threadsafe_function(one->function, napi_tsfn_release);
  return NULL;
}

// callFromThread(number, count): a thread sends 0, 1 ... and releases.
static napi_value callFromThread(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  Kept* one = numbered(env, ARG(0));
  one->count = (uint32_t)integer(env, ARG(1));
  if (pthread_create(&one->thread, NULL, send, one) != 0) abort();
  pthread_detach(one->thread);
  return NULL;
}

typedef struct {
  napi_threadsafe_function function;
  int64_t calls;
  atomic_llong answers[32];
} Late;

static void* callLate(void* data) {
  Late* late = data;
  for (int64_t i = 0; i < late->calls; i++) {
    late->answers[napi_call_threadsafe_function(late->function, late, napi_tsfn_blocking) & 31] += 1;
  }
  return NULL;
}

// callRegardless(number, threads, calls): so many threads call it so often, whatever status they get;
// how often each status was the answer.
static napi_value callRegardless(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  static Late late;
  static pthread_t threads[64];
  int64_t count = integer(env, ARG(1)) & 63;
  memset(&late, 0, sizeof late);
  late.function = numbered(env, ARG(0))->function;
  late.calls = integer(env, ARG(2));
  for (int64_t i = 0; i < count; i++) {
    if (pthread_create(&threads[i], NULL, callLate, &late) != 0) abort();
  }
  for (int64_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
  napi_value report, number;
  MUST(napi_create_object(env, &report));
  for (int status = 0; status < 32; status++) {
    if (late.answers[status] == 0) continue;
    MUST(napi_create_int64(env, late.answers[status], &number));
    MUST(napi_set_named_property(env, report, addon_status((napi_status)status), number));
  }
  return report;
}

static napi_value finalizedCount(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result;
  MUST(napi_create_int32(env, numbered(env, ARG(0))->finalized, &result));
  return result;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value name, list = cases.list;
  napi_threadsafe_function function = NULL;
  MUST(napi_create_string_utf8(env, "name", 4, &name));
#define CREATE(env, function, name, threads, call_js, result)                                      \
  napi_create_threadsafe_function(env, function, NULL, name, 0, threads, NULL, NULL, NULL, call_js, \
                                  result)
  NULLS(CREATE(NULL, NULL, name, 1, call_js, &function));
  NULLS(CREATE(env, NULL, name, 1, NULL, &function));
  NULLS(CREATE(env, list, name, 1, NULL, &function));
  NULLS(CREATE(env, list, name, 1, call_js, &function));
  NULLS(CREATE(env, NULL, NULL, 1, call_js, &function));
  NULLS(CREATE(env, NULL, name, 0, call_js, &function));
  NULLS(CREATE(env, NULL, name, 1, call_js, NULL));
#undef CREATE
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value name;
  napi_threadsafe_function function = NULL;
  MUST(napi_create_string_utf8(env, "name", 4, &name));
  PENDING(napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, NULL, call_js,
                                          &function));
  PENDING(napi_unref_threadsafe_function(env, function));
  PENDING(napi_release_threadsafe_function(function, napi_tsfn_release));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_threadsafe_function), WRAPPED(napi_get_threadsafe_function_context),
        WRAPPED(napi_acquire_threadsafe_function), WRAPPED(napi_release_threadsafe_function),
        WRAPPED(napi_ref_threadsafe_function), WRAPPED(napi_unref_threadsafe_function),
        WRAPPED(napi_call_threadsafe_function), {"callFromThread", callFromThread}, {"callRegardless", callRegardless},
        {"finalizedCount", finalizedCount}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

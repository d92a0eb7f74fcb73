// Work for the thread pool. Works are kept by number; completion calls a function of the script.
#include "addon.h"

#include <stdatomic.h>
#include <unistd.h>

typedef struct {
  napi_async_work work;
  napi_ref callback;
  int number;
  volatile int executed;
} Work;

static Work works[64];

// From 32 on works run until they are let go.
enum { HOLDING = 32 };
static atomic_int running, letGo;

static Work* numbered(napi_env env, napi_value number) { return &works[integer(env, number) & 63]; }

static void execute(napi_env env, void* data) {
  Work* work = data;
  if (work->number >= HOLDING) {
    running += 1;
    while (!letGo) usleep(100);
    running -= 1;
  }
  usleep(1000);
  work->executed = 1;
}

static void complete(napi_env env, napi_status status, void* data) {
  Work* work = data;
  napi_value undefined, callback, args[3];
  if (work->callback == NULL) return;
  MUST(napi_get_undefined(env, &undefined));
  MUST(napi_get_reference_value(env, work->callback, &callback));
  MUST(napi_create_int32(env, work->number, &args[0]));
  MUST(napi_create_string_utf8(env, addon_status(status), NAPI_AUTO_LENGTH, &args[1]));
  MUST(napi_create_int32(env, work->executed, &args[2]));
  // What the callback throws stays pending: the runtime has to deal with it.
  napi_call_function(env, undefined, callback, 3, args, NULL);
}

// Waits until so many works run.
static napi_value waitForRunning(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  while (running < integer(env, ARG(0))) usleep(100);
  return NULL;
}

static napi_value letThemGo(napi_env env, napi_callback_info info) {
  letGo = 1;
  return NULL;
}

// Work without a completion.
static napi_value queueWithoutCompletion(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  Work* work = numbered(env, ARG(0));
  napi_value name;
  memset(work, 0, sizeof *work);
  MUST(napi_create_string_utf8(env, "work", 4, &name));
  CALL(napi_create_async_work(env, NULL, name, execute, NULL, work, &work->work));
  TEXT("queued", addon_status(napi_queue_async_work(env, work->work)));
  DONE;
}

static napi_value isExecuted(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result;
  MUST(napi_get_boolean(env, numbered(env, ARG(0))->executed, &result));
  return result;
}

// napi_create_async_work(number, name, callback, resource or nothing)
WRAP(napi_create_async_work) {
  ARGUMENTS;
  Work* work = numbered(env, ARG(0));
  memset(work, 0, sizeof *work);
  work->number = (int)integer(env, ARG(0));
  if (addon_type(env, ARG(2)) == napi_function) {
    MUST(napi_create_reference(env, ARG(2), 1, &work->callback));
  }
  CALL(napi_create_async_work(env, ARG(3), ARG(1), execute, complete, work, &work->work));
  BOOL("given", work->work != NULL);
  DONE;
}

WRAP(napi_queue_async_work) {
  ARGUMENTS;
  CALL(napi_queue_async_work(env, numbered(env, ARG(0))->work));
  DONE;
}

WRAP(napi_cancel_async_work) {
  ARGUMENTS;
  CALL(napi_cancel_async_work(env, numbered(env, ARG(0))->work));
  DONE;
}

// Cancelling what is not queued: libuv's number is in the record.
static napi_value cancelTooEarly(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  const napi_extended_error_info* last = NULL;
  napi_status status = napi_cancel_async_work(env, numbered(env, ARG(0))->work);
  MUST(napi_get_last_error_info(env, &last));
  int engine = (int)last->engine_error_code;
  napi_status recorded = last->error_code;
  CALL(napi_ok);
  TEXT("cancelled", addon_status(status));
  TEXT("recorded", addon_status(recorded));
  NUMBER("engine", engine);
  DONE;
}

WRAP(napi_delete_async_work) {
  ARGUMENTS;
  Work* work = numbered(env, ARG(0));
  CALL(napi_delete_async_work(env, work->work));
  if (work->callback != NULL) MUST(napi_delete_reference(env, work->callback));
  memset(work, 0, sizeof *work);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value name;
  napi_async_work work = NULL;
  MUST(napi_create_string_utf8(env, "work", 4, &name));
  NULLS(napi_create_async_work(NULL, NULL, name, execute, complete, NULL, &work));
  NULLS(napi_create_async_work(env, NULL, NULL, execute, complete, NULL, &work));
  NULLS(napi_create_async_work(env, NULL, name, NULL, complete, NULL, &work));
  NULLS(napi_create_async_work(env, NULL, name, execute, complete, NULL, NULL));
  NULLS(napi_create_async_work(env, NULL, name, execute, NULL, NULL, &work));
  NULLS(napi_queue_async_work(NULL, work));
  NULLS(napi_queue_async_work(env, NULL));
  NULLS(napi_cancel_async_work(NULL, work));
  NULLS(napi_cancel_async_work(env, NULL));
  NULLS(napi_cancel_async_work(env, work));
  NULLS(napi_delete_async_work(NULL, work));
  NULLS(napi_delete_async_work(env, NULL));
  NULLS(napi_delete_async_work(env, work));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value name;
  napi_async_work work = NULL;
  MUST(napi_create_string_utf8(env, "work", 4, &name));
  PENDING(napi_create_async_work(env, NULL, name, execute, NULL, NULL, &work));
  PENDING(napi_cancel_async_work(env, work));
  PENDING(napi_delete_async_work(env, work));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_async_work), WRAPPED(napi_queue_async_work),
        WRAPPED(napi_cancel_async_work), WRAPPED(napi_delete_async_work),
        {"cancelTooEarly", cancelTooEarly}, {"waitForRunning", waitForRunning},
        {"letThemGo", letThemGo}, {"queueWithoutCompletion", queueWithoutCompletion},
        {"isExecuted", isExecuted}, {"nullArguments", nullArguments}, {"pendingException", pendingException})

// The ends on purpose: a fatal error, and an exception that nobody catches.
#include "addon.h"

#include <pthread.h>

// napi_fatal_error(location, location length, message, message length): does not return.
WRAP(napi_fatal_error) {
  ARGUMENTS;
  Text location, message;
  napi_fatal_error(text(env, ARG(0), &location), length_or_auto(env, ARG(1)),
                   text(env, ARG(2), &message), length_or_auto(env, ARG(3)));
}

// The same with an exception pending.
static napi_value fatalWhilePending(napi_env env, napi_callback_info info) {
  MUST(napi_throw_error(env, NULL, "pending"));
  napi_fatal_error("fatal.c", NAPI_AUTO_LENGTH, "while pending", NAPI_AUTO_LENGTH);
}

static void* die(void* data) {
  napi_fatal_error(NULL, 0, "in a thread", NAPI_AUTO_LENGTH);
  return data;
}

// The same in another thread, without a location.
static napi_value fatalInThread(napi_env env, napi_callback_info info) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, die, NULL) == 0) pthread_join(thread, NULL);
  return NULL;
}

WRAP(napi_fatal_exception) {
  ARGUMENTS;
  CALL(napi_fatal_exception(env, ARG(0)));
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  NULLS(napi_fatal_exception(NULL, cases.list));
  NULLS(napi_fatal_exception(env, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  PENDING(napi_fatal_exception(env, cases.list));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_fatal_error), WRAPPED(napi_fatal_exception),
        {"fatalWhilePending", fatalWhilePending}, {"fatalInThread", fatalInThread}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

// Async contexts, callback scopes, and calls from outside any callback.
#include "addon.h"

static napi_async_context contexts[8];

static napi_async_context* numbered(napi_env env, napi_value number) {
  return &contexts[integer(env, number) & 7];
}

// napi_async_init(number, name, resource or nothing)
WRAP(napi_async_init) {
  ARGUMENTS;
  CALL(napi_async_init(env, ARG(2), ARG(1), numbered(env, ARG(0))));
  BOOL("given", *numbered(env, ARG(0)) != NULL);
  DONE;
}

WRAP(napi_async_destroy) {
  ARGUMENTS;
  CALL(napi_async_destroy(env, *numbered(env, ARG(0))));
  *numbered(env, ARG(0)) = NULL;
  DONE;
}

// napi_make_callback(number of the context or -1, this, function, ...arguments)
WRAP(napi_make_callback) {
  ARGUMENTS;
  napi_value result = NULL;
  napi_async_context context = integer(env, ARG(0)) < 0 ? NULL : *numbered(env, ARG(0));
  size_t count = GIVEN > 3 ? GIVEN - 3 : 0;
  CALL(napi_make_callback(env, context, ARG(1), ARG(2), count, &ARG(3), &result));
  VALUE("result", result);
  DONE;
}

// napi_open_callback_scope(number of the context, function): calls inside the scope.
WRAP(napi_open_callback_scope) {
  ARGUMENTS;
  napi_callback_scope scope = NULL;
  napi_value undefined, result = NULL;
  MUST(napi_get_undefined(env, &undefined));
  napi_status opened =
      napi_open_callback_scope(env, undefined, *numbered(env, ARG(0)), &scope);
  napi_status called = napi_call_function(env, undefined, ARG(1), 0, NULL, &result);
  napi_status closed = opened == napi_ok ? napi_close_callback_scope(env, scope) : napi_ok;
  CALL(opened);
  BOOL("given", scope != NULL);
  TEXT("called", addon_status(called));
  TEXT("closed", addon_status(closed));
  DONE;
}

// A scope without a resource; closed once, and once too often.
// The address of a text as the name, which is no value: addons are published that do this.
static napi_value initWithText(napi_env env, napi_callback_info info) {
  napi_async_context context = NULL;
  CALL(napi_async_init(env, NULL, (napi_value) "a text", &context));
  if (OK) MUST(napi_async_destroy(env, context));
  DONE;
}

static napi_value closeTwice(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_callback_scope scope = NULL;
  CALL(napi_open_callback_scope(env, NULL, *numbered(env, ARG(0)), &scope));
  napi_status first = napi_close_callback_scope(env, scope);
  napi_status second = napi_close_callback_scope(env, (napi_callback_scope)(uintptr_t)16);
  napi_status recorded = napi_ok;
  const napi_extended_error_info* last = NULL;
  if (napi_get_last_error_info(env, &last) == napi_ok) recorded = last->error_code;
  TEXT("first", addon_status(first));
  TEXT("second", addon_status(second));
  TEXT("recorded", addon_status(recorded));
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value name, result;
  napi_async_context context = NULL;
  napi_callback_scope scope;
  MUST(napi_create_string_utf8(env, "context", NAPI_AUTO_LENGTH, &name));
  NULLS(napi_async_init(NULL, NULL, name, &context));
  NULLS(napi_async_init(env, NULL, NULL, &context));
  NULLS(napi_async_init(env, NULL, name, NULL));
  NULLS(napi_async_destroy(NULL, context));
  NULLS(napi_async_destroy(env, NULL));
  NULLS(napi_make_callback(NULL, NULL, name, name, 0, NULL, &result));
  NULLS(napi_make_callback(env, NULL, NULL, name, 0, NULL, &result));
  NULLS(napi_make_callback(env, NULL, cases.list, NULL, 0, NULL, &result));
  NULLS(napi_make_callback(env, NULL, cases.list, cases.list, 0, NULL, &result));
  NULLS(napi_open_callback_scope(NULL, name, NULL, &scope));
  NULLS(napi_open_callback_scope(env, name, NULL, NULL));
  NULLS(napi_close_callback_scope(NULL, NULL));
  NULLS(napi_close_callback_scope(env, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value name, result;
  napi_async_context context = NULL;
  MUST(napi_create_string_utf8(env, "context", NAPI_AUTO_LENGTH, &name));
  PENDING(napi_async_init(env, NULL, name, &context));
  PENDING(napi_make_callback(env, context, cases.list, cases.list, 0, NULL, &result));
  PENDING(napi_async_destroy(env, context));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_async_init), WRAPPED(napi_async_destroy), WRAPPED(napi_make_callback),
        WRAPPED(napi_open_callback_scope), {"closeTwice", closeTwice},
        {"initWithText", initWithText}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

// Handle scopes.
#include "addon.h"

WRAP(napi_open_handle_scope) {
  // Opens a scope, makes an object in it, closes it.
  ARGUMENTS;
  napi_handle_scope scope = NULL;
  napi_status opened = napi_open_handle_scope(env, &scope);
  napi_value object;
  MUST(napi_create_object(env, &object));
  napi_status closed = napi_close_handle_scope(env, scope);
  CALL(opened);
  BOOL("given", scope != NULL);
  TEXT("closed", addon_status(closed));
  DONE;
}

// Many handles, in scopes of their own and nested: nothing may overflow.
WRAP(napi_close_handle_scope) {
  ARGUMENTS;
  int64_t count = integer(env, ARG(0));
  napi_value object;
  for (int64_t i = 0; i < count; i++) {
    napi_handle_scope outer, inner;
    MUST(napi_open_handle_scope(env, &outer));
    MUST(napi_create_object(env, &object));
    MUST(napi_open_handle_scope(env, &inner));
    MUST(napi_create_object(env, &object));
    MUST(napi_close_handle_scope(env, inner));
    MUST(napi_create_object(env, &object));
    MUST(napi_close_handle_scope(env, outer));
  }
  // And many in one scope: the first is still itself after the last.
  napi_value first = NULL;
  for (int64_t i = 0; i < count; i++) {
    MUST(napi_create_double(env, (double)i, &object));
    if (i == 0) first = object;
  }
  double value = -1;
  MUST(napi_get_value_double(env, first, &value));
  CALL(napi_ok);
  NUMBER("first", value);
  DONE;
}

// A value made outside outlives the scopes within.
WRAP(napi_open_escapable_handle_scope) {
  ARGUMENTS;
  napi_escapable_handle_scope scope = NULL;
  napi_status opened = napi_open_escapable_handle_scope(env, &scope);
  napi_status closed = napi_close_escapable_handle_scope(env, scope);
  CALL(opened);
  BOOL("given", scope != NULL);
  TEXT("closed", addon_status(closed));
  DONE;
}

// napi_escape_handle(value): an object that refers to the value escapes from two scopes.
WRAP(napi_escape_handle) {
  ARGUMENTS;
  napi_value result = NULL;
  napi_escapable_handle_scope outer, inner;
  MUST(napi_open_escapable_handle_scope(env, &outer));
  MUST(napi_open_escapable_handle_scope(env, &inner));
  napi_value object;
  MUST(napi_create_object(env, &object));
  MUST(napi_set_named_property(env, object, "escaped", ARG(0)));
  napi_status status = napi_escape_handle(env, inner, object, &object);
  MUST(napi_close_escapable_handle_scope(env, inner));
  if (status == napi_ok) status = napi_escape_handle(env, outer, object, &result);
  MUST(napi_close_escapable_handle_scope(env, outer));
  CALL(status);
  VALUE("result", result);
  DONE;
}

static napi_value escapeTwice(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value object, escaped = NULL, again = NULL;
  napi_escapable_handle_scope scope;
  MUST(napi_open_escapable_handle_scope(env, &scope));
  MUST(napi_create_object(env, &object));
  NULLS(napi_escape_handle(env, scope, object, &escaped));
  NULLS(napi_escape_handle(env, scope, object, &again));
  MUST(napi_close_escapable_handle_scope(env, scope));
  CASES_DONE;
}

// Returns what a scope held that is closed on the way out, as C++ code does whose scope is a local
// variable. returnLate(kind, value): 0 what was made last, 1 what was made first of many, 2 out of an
// escapable scope, 3 out of two scopes, 4 the argument's property.
static napi_value returnLate(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_handle_scope scope, inner;
  napi_escapable_handle_scope escapable;
  napi_value object = NULL, other;
  switch (integer(env, ARG(0))) {
    case 0:
      MUST(napi_open_handle_scope(env, &scope));
      for (int i = 0; i < 100; i++) MUST(napi_create_double(env, i + 0.5, &object));
      MUST(napi_close_handle_scope(env, scope));
      return object;
    case 1:
      MUST(napi_open_handle_scope(env, &scope));
      MUST(napi_create_object(env, &object));
      for (int i = 0; i < 100; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%d", i % 10);
        MUST(napi_create_double(env, i + 0.5, &other));
        MUST(napi_set_named_property(env, object, name, other));
      }
      MUST(napi_close_handle_scope(env, scope));
      return object;
    case 2:
      MUST(napi_open_escapable_handle_scope(env, &escapable));
      MUST(napi_create_string_utf8(env, "never escaped", NAPI_AUTO_LENGTH, &object));
      MUST(napi_close_escapable_handle_scope(env, escapable));
      return object;
    case 3:
      MUST(napi_open_handle_scope(env, &scope));
      MUST(napi_create_object(env, &other));
      MUST(napi_open_handle_scope(env, &inner));
      MUST(napi_create_array(env, &object));
      MUST(napi_set_element(env, object, 0, other));
      MUST(napi_close_handle_scope(env, inner));
      MUST(napi_close_handle_scope(env, scope));
      return object;
    default:
      MUST(napi_open_handle_scope(env, &scope));
      MUST(napi_get_named_property(env, ARG(1), "property", &object));
      MUST(napi_close_handle_scope(env, scope));
      return object;
  }
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_handle_scope scope;
  napi_escapable_handle_scope escapable;
  napi_value result;
  NULLS(napi_open_handle_scope(NULL, &scope));
  NULLS(napi_open_handle_scope(env, NULL));
  NULLS(napi_close_handle_scope(NULL, NULL));
  NULLS(napi_close_handle_scope(env, NULL));
  NULLS(napi_open_escapable_handle_scope(NULL, &escapable));
  NULLS(napi_open_escapable_handle_scope(env, NULL));
  NULLS(napi_close_escapable_handle_scope(env, NULL));
  MUST(napi_open_escapable_handle_scope(env, &escapable));
  napi_status without_env = napi_escape_handle(NULL, escapable, cases.list, &result);
  napi_status without_scope = napi_escape_handle(env, NULL, cases.list, &result);
  napi_status without_value = napi_escape_handle(env, escapable, NULL, &result);
  napi_status without_result = napi_escape_handle(env, escapable, cases.list, NULL);
  MUST(napi_close_escapable_handle_scope(env, escapable));
  cases_add(&cases, "napi_escape_handle without env", addon_status(without_env), "");
  cases_add(&cases, "napi_escape_handle without scope", addon_status(without_scope), "");
  cases_add(&cases, "napi_escape_handle without value", addon_status(without_value), "");
  cases_add(&cases, "napi_escape_handle without result", addon_status(without_result), "");
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_handle_scope scope;
  napi_escapable_handle_scope escapable;
  napi_value result;
  PENDING(napi_open_handle_scope(env, &scope));
  PENDING(napi_close_handle_scope(env, scope));
  PENDING(napi_open_escapable_handle_scope(env, &escapable));
  PENDING(napi_close_escapable_handle_scope(env, escapable));
  MUST(napi_open_escapable_handle_scope(env, &escapable));
  PENDING(napi_escape_handle(env, escapable, cases.list, &result));
  PENDING(napi_escape_handle(env, escapable, cases.list, &result));
  MUST(napi_close_escapable_handle_scope(env, escapable));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_open_handle_scope), WRAPPED(napi_close_handle_scope),
        WRAPPED(napi_open_escapable_handle_scope), WRAPPED(napi_escape_handle),
        {"escapeTwice", escapeTwice}, {"returnLate", returnLate}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

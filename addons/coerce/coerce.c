// Coercions, strict equality, instanceof.
#include "addon.h"

#define COERCE(function)                   \
  WRAP(function) {                         \
    ARGUMENTS;                             \
    napi_value result = NULL;              \
    CALL(function(env, ARG(0), &result));  \
    VALUE("result", result);               \
    DONE;                                  \
  }

COERCE(napi_coerce_to_bool)
COERCE(napi_coerce_to_number)
COERCE(napi_coerce_to_object)
COERCE(napi_coerce_to_string)

// coerceInScope(to, value): coerces what escapes from a scope before it is closed, and uses the result
// behind it. What is of that type already has the handle that it had.
static napi_value coerceInScope(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  static napi_status (*const functions[])(napi_env, napi_value, napi_value*) = {
      napi_coerce_to_bool, napi_coerce_to_number, napi_coerce_to_string, napi_coerce_to_object};
  napi_escapable_handle_scope scope;
  napi_value value, escaped, result = NULL, holder;
  MUST(napi_open_escapable_handle_scope(env, &scope));
  MUST(napi_get_named_property(env, ARG(1), "value", &value));
  MUST(napi_escape_handle(env, scope, value, &escaped));
  MUST(functions[integer(env, ARG(0)) % 4](env, escaped, &result));
  MUST(napi_close_escapable_handle_scope(env, scope));
  MUST(napi_create_object(env, &holder));
  MUST(napi_set_named_property(env, holder, "coerced", result));
  MUST(napi_set_named_property(env, holder, "escaped", escaped));
  return holder;
}

WRAP(napi_strict_equals) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_strict_equals(env, ARG(0), ARG(1), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_instanceof) {
  ARGUMENTS;
  bool result = true;
  CALL(napi_instanceof(env, ARG(0), ARG(1), &result));
  BOOL("result", result);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list;
  bool truth;
  NULLS(napi_coerce_to_bool(NULL, list, &result));
  NULLS(napi_coerce_to_bool(env, NULL, &result));
  NULLS(napi_coerce_to_bool(env, list, NULL));
  NULLS(napi_coerce_to_number(env, NULL, &result));
  NULLS(napi_coerce_to_number(env, list, NULL));
  NULLS(napi_coerce_to_object(env, NULL, &result));
  NULLS(napi_coerce_to_object(env, list, NULL));
  NULLS(napi_coerce_to_string(env, NULL, &result));
  NULLS(napi_coerce_to_string(env, list, NULL));
  NULLS(napi_strict_equals(env, NULL, list, &truth));
  NULLS(napi_strict_equals(env, list, NULL, &truth));
  NULLS(napi_strict_equals(env, list, list, NULL));
  NULLS(napi_instanceof(env, NULL, list, &truth));
  NULLS(napi_instanceof(env, list, NULL, &truth));
  NULLS(napi_instanceof(env, list, list, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list;
  bool truth;
  PENDING(napi_coerce_to_bool(env, list, &result));
  PENDING(napi_coerce_to_number(env, list, &result));
  PENDING(napi_coerce_to_object(env, list, &result));
  PENDING(napi_coerce_to_string(env, list, &result));
  PENDING(napi_coerce_to_string(env, NULL, &result));
  PENDING(napi_strict_equals(env, list, list, &truth));
  PENDING(napi_instanceof(env, list, list, &truth));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_coerce_to_bool), WRAPPED(napi_coerce_to_number),
        WRAPPED(napi_coerce_to_object), WRAPPED(napi_coerce_to_string),
        WRAPPED(napi_strict_equals), WRAPPED(napi_instanceof), {"coerceInScope", coerceInScope},
        {"nullArguments", nullArguments},
        {"pendingException", pendingException})

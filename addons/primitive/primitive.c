// undefined, null, the global object, booleans, and the type of a value.
#include "addon.h"

WRAP(napi_get_undefined) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_undefined(env, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_get_null) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_null(env, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_get_global) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_global(env, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_get_boolean) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_boolean(env, integer(env, ARG(0)) != 0, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_get_value_bool) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_get_value_bool(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_typeof) {
  ARGUMENTS;
  napi_valuetype result = (napi_valuetype)77;
  CALL(napi_typeof(env, ARG(0), &result));
  NUMBER("result", result);
  DONE;
}

// The handles of the four constants are kept in statics here, as addons do.
static napi_value kept_undefined, kept_null, kept_true, kept_false;

static napi_value keepConstants(napi_env env, napi_callback_info info) {
  MUST(napi_get_undefined(env, &kept_undefined));
  MUST(napi_get_null(env, &kept_null));
  MUST(napi_get_boolean(env, true, &kept_true));
  MUST(napi_get_boolean(env, false, &kept_false));
  return NULL;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result;
  bool truth;
  napi_valuetype type;
  NULLS(napi_get_undefined(NULL, &result));
  NULLS(napi_get_undefined(env, NULL));
  NULLS(napi_get_null(NULL, &result));
  NULLS(napi_get_null(env, NULL));
  NULLS(napi_get_global(NULL, &result));
  NULLS(napi_get_global(env, NULL));
  NULLS(napi_get_boolean(NULL, true, &result));
  NULLS(napi_get_boolean(env, true, NULL));
  NULLS(napi_get_value_bool(NULL, cases.list, &truth));
  NULLS(napi_get_value_bool(env, NULL, &truth));
  NULLS(napi_get_value_bool(env, cases.list, NULL));
  NULLS(napi_typeof(NULL, cases.list, &type));
  NULLS(napi_typeof(env, NULL, &type));
  NULLS(napi_typeof(env, cases.list, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, yes;
  bool truth;
  napi_valuetype type;
  MUST(napi_get_boolean(env, true, &yes));
  PENDING(napi_get_undefined(env, &result));
  PENDING(napi_get_null(env, &result));
  PENDING(napi_get_global(env, &result));
  PENDING(napi_get_boolean(env, true, &result));
  PENDING(napi_get_value_bool(env, yes, &truth));
  PENDING(napi_typeof(env, cases.list, &type));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_get_undefined), WRAPPED(napi_get_null), WRAPPED(napi_get_global),
        WRAPPED(napi_get_boolean), WRAPPED(napi_get_value_bool), WRAPPED(napi_typeof),
        {"keepConstants", keepConstants}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

// Arrays.
#include "addon.h"

WRAP(napi_create_array) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_array(env, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_create_array_with_length) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_array_with_length(env, (size_t)integer(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_is_array) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_array(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_get_array_length) {
  ARGUMENTS;
  uint32_t result = 77;
  CALL(napi_get_array_length(env, ARG(0), &result));
  NUMBER("result", result);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list;
  bool truth;
  uint32_t length;
  NULLS(napi_create_array(NULL, &result));
  NULLS(napi_create_array(env, NULL));
  NULLS(napi_create_array_with_length(NULL, 1, &result));
  NULLS(napi_create_array_with_length(env, 1, NULL));
  NULLS(napi_is_array(NULL, list, &truth));
  NULLS(napi_is_array(env, NULL, &truth));
  NULLS(napi_is_array(env, list, NULL));
  NULLS(napi_get_array_length(NULL, list, &length));
  NULLS(napi_get_array_length(env, NULL, &length));
  NULLS(napi_get_array_length(env, list, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list;
  bool truth;
  uint32_t length;
  PENDING(napi_create_array(env, &result));
  PENDING(napi_create_array_with_length(env, 1, &result));
  PENDING(napi_is_array(env, list, &truth));
  PENDING(napi_get_array_length(env, list, &length));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_array), WRAPPED(napi_create_array_with_length),
        WRAPPED(napi_is_array), WRAPPED(napi_get_array_length), {"nullArguments", nullArguments},
        {"pendingException", pendingException})

// Numbers, made from and read as C's doubles and integers.
#include "addon.h"

#define UNTOUCHED 77

WRAP(napi_create_double) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_double(env, real(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_create_int32) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_int32(env, (int32_t)integer(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_create_uint32) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_uint32(env, (uint32_t)integer(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_create_int64) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_int64(env, integer(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_get_value_double) {
  ARGUMENTS;
  double result = UNTOUCHED;
  CALL(napi_get_value_double(env, ARG(0), &result));
  NUMBER_ALWAYS("result", result);
  DONE;
}

WRAP(napi_get_value_int32) {
  ARGUMENTS;
  int32_t result = UNTOUCHED;
  CALL(napi_get_value_int32(env, ARG(0), &result));
  NUMBER_ALWAYS("result", result);
  DONE;
}

WRAP(napi_get_value_uint32) {
  ARGUMENTS;
  uint32_t result = UNTOUCHED;
  CALL(napi_get_value_uint32(env, ARG(0), &result));
  NUMBER_ALWAYS("result", result);
  DONE;
}

WRAP(napi_get_value_int64) {
  // Shown as text: a number would round it.
  ARGUMENTS;
  int64_t result = UNTOUCHED;
  char shown[32];
  CALL(napi_get_value_int64(env, ARG(0), &result));
  snprintf(shown, sizeof shown, "%" PRId64, result);
  report_text(&report, "result", shown);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, one;
  double as_double;
  int32_t as_int32;
  uint32_t as_uint32;
  int64_t as_int64;
  MUST(napi_create_int32(env, 1, &one));
  NULLS(napi_create_double(NULL, 1, &result));
  NULLS(napi_create_double(env, 1, NULL));
  NULLS(napi_create_int32(NULL, 1, &result));
  NULLS(napi_create_int32(env, 1, NULL));
  NULLS(napi_create_uint32(NULL, 1, &result));
  NULLS(napi_create_uint32(env, 1, NULL));
  NULLS(napi_create_int64(NULL, 1, &result));
  NULLS(napi_create_int64(env, 1, NULL));
  NULLS(napi_get_value_double(NULL, one, &as_double));
  NULLS(napi_get_value_double(env, NULL, &as_double));
  NULLS(napi_get_value_double(env, one, NULL));
  NULLS(napi_get_value_int32(NULL, one, &as_int32));
  NULLS(napi_get_value_int32(env, NULL, &as_int32));
  NULLS(napi_get_value_int32(env, one, NULL));
  NULLS(napi_get_value_uint32(NULL, one, &as_uint32));
  NULLS(napi_get_value_uint32(env, NULL, &as_uint32));
  NULLS(napi_get_value_uint32(env, one, NULL));
  NULLS(napi_get_value_int64(NULL, one, &as_int64));
  NULLS(napi_get_value_int64(env, NULL, &as_int64));
  NULLS(napi_get_value_int64(env, one, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, one;
  double as_double;
  int32_t as_int32;
  uint32_t as_uint32;
  int64_t as_int64;
  MUST(napi_create_int32(env, 1, &one));
  PENDING(napi_create_double(env, 1, &result));
  PENDING(napi_create_int32(env, 1, &result));
  PENDING(napi_create_uint32(env, 1, &result));
  PENDING(napi_create_int64(env, 1, &result));
  PENDING(napi_get_value_double(env, one, &as_double));
  PENDING(napi_get_value_int32(env, one, &as_int32));
  PENDING(napi_get_value_uint32(env, one, &as_uint32));
  PENDING(napi_get_value_int64(env, one, &as_int64));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_double), WRAPPED(napi_create_int32), WRAPPED(napi_create_uint32),
        WRAPPED(napi_create_int64), WRAPPED(napi_get_value_double), WRAPPED(napi_get_value_int32),
        WRAPPED(napi_get_value_uint32), WRAPPED(napi_get_value_int64),
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

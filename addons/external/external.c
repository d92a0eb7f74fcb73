// Externals: a pointer as a value.
#include "addon.h"

static void ignore(napi_env env, void* data, void* hint) {}

WRAP(napi_create_external) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_external(env, (void*)(intptr_t)integer(env, ARG(0)), ignore, NULL, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_get_value_external) {
  ARGUMENTS;
  void* result = (void*)77;
  CALL(napi_get_value_external(env, ARG(0), &result));
  NUMBER_ALWAYS("result", (intptr_t)result);
  DONE;
}

static napi_value typeNumber(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result;
  MUST(napi_create_int32(env, addon_type(env, ARG(0)), &result));
  return result;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, external;
  void* data;
  MUST(napi_create_external(env, NULL, NULL, NULL, &external));
  NULLS(napi_create_external(NULL, NULL, NULL, NULL, &result));
  NULLS(napi_create_external(env, NULL, NULL, NULL, &result));
  NULLS(napi_create_external(env, NULL, NULL, NULL, NULL));
  NULLS(napi_get_value_external(NULL, external, &data));
  NULLS(napi_get_value_external(env, NULL, &data));
  NULLS(napi_get_value_external(env, external, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, external;
  void* data;
  MUST(napi_create_external(env, NULL, NULL, NULL, &external));
  PENDING(napi_create_external(env, NULL, NULL, NULL, &result));
  PENDING(napi_get_value_external(env, external, &data));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_external), WRAPPED(napi_get_value_external),
        {"typeNumber", typeNumber}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

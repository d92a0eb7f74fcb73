// References. They are kept by number, so that a script can drive them.
#include "addon.h"

static napi_ref references[16];

static napi_ref* numbered(napi_env env, napi_value number) {
  return &references[integer(env, number) & 15];
}

// napi_create_reference(number, value, count)
WRAP(napi_create_reference) {
  ARGUMENTS;
  CALL(napi_create_reference(env, ARG(1), (uint32_t)integer(env, ARG(2)), numbered(env, ARG(0))));
  DONE;
}

WRAP(napi_delete_reference) {
  ARGUMENTS;
  CALL(napi_delete_reference(env, *numbered(env, ARG(0))));
  *numbered(env, ARG(0)) = NULL;
  DONE;
}

WRAP(napi_reference_ref) {
  ARGUMENTS;
  uint32_t count = 77;
  CALL(napi_reference_ref(env, *numbered(env, ARG(0)), &count));
  NUMBER_ALWAYS("count", count);
  DONE;
}

WRAP(napi_reference_unref) {
  ARGUMENTS;
  uint32_t count = 77;
  CALL(napi_reference_unref(env, *numbered(env, ARG(0)), &count));
  NUMBER_ALWAYS("count", count);
  DONE;
}

WRAP(napi_get_reference_value) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_reference_value(env, *numbered(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_ref reference = NULL;
  napi_value result;
  uint32_t count;
  NULLS(napi_create_reference(NULL, cases.list, 1, &reference));
  NULLS(napi_create_reference(env, NULL, 1, &reference));
  NULLS(napi_create_reference(env, cases.list, 1, NULL));
  NULLS(napi_create_reference(env, cases.list, 1, &reference));
  NULLS(napi_reference_ref(NULL, reference, &count));
  NULLS(napi_reference_ref(env, NULL, &count));
  NULLS(napi_reference_ref(env, reference, NULL));
  NULLS(napi_reference_unref(NULL, reference, &count));
  NULLS(napi_reference_unref(env, NULL, &count));
  NULLS(napi_reference_unref(env, reference, NULL));
  NULLS(napi_get_reference_value(NULL, reference, &result));
  NULLS(napi_get_reference_value(env, NULL, &result));
  NULLS(napi_get_reference_value(env, reference, NULL));
  NULLS(napi_delete_reference(NULL, reference));
  NULLS(napi_delete_reference(env, NULL));
  NULLS(napi_delete_reference(env, reference));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_ref reference = NULL;
  napi_value result;
  uint32_t count;
  PENDING(napi_create_reference(env, cases.list, 1, &reference));
  PENDING(napi_reference_ref(env, reference, &count));
  PENDING(napi_reference_unref(env, reference, &count));
  PENDING(napi_get_reference_value(env, reference, &result));
  PENDING(napi_delete_reference(env, reference));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_reference), WRAPPED(napi_delete_reference),
        WRAPPED(napi_reference_ref), WRAPPED(napi_reference_unref),
        WRAPPED(napi_get_reference_value), {"nullArguments", nullArguments},
        {"pendingException", pendingException})

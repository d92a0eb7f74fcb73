// Scripts as text.
#include "addon.h"

WRAP(napi_run_script) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_run_script(env, ARG(0), &result));
  VALUE("result", result);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, source;
  MUST(napi_create_string_utf8(env, "1", 1, &source));
  NULLS(napi_run_script(NULL, source, &result));
  NULLS(napi_run_script(env, NULL, &result));
  NULLS(napi_run_script(env, source, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, source;
  MUST(napi_create_string_utf8(env, "1", 1, &source));
  PENDING(napi_run_script(env, source, &result));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_run_script), {"nullArguments", nullArguments},
        {"pendingException", pendingException})

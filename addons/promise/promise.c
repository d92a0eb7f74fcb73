// Promises and their deferreds. Deferreds are kept by number.
#include "addon.h"

static napi_deferred deferreds[16];

// napi_create_promise(number)
WRAP(napi_create_promise) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_promise(env, &deferreds[integer(env, ARG(0)) & 15], &result));
  VALUE("result", result);
  DONE;
}

// napi_resolve_deferred(number, value)
WRAP(napi_resolve_deferred) {
  ARGUMENTS;
  CALL(napi_resolve_deferred(env, deferreds[integer(env, ARG(0)) & 15], ARG(1)));
  DONE;
}

WRAP(napi_reject_deferred) {
  ARGUMENTS;
  CALL(napi_reject_deferred(env, deferreds[integer(env, ARG(0)) & 15], ARG(1)));
  DONE;
}

WRAP(napi_is_promise) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_promise(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result;
  napi_deferred deferred = NULL;
  bool truth;
  NULLS(napi_create_promise(NULL, &deferred, &result));
  NULLS(napi_create_promise(env, NULL, &result));
  NULLS(napi_create_promise(env, &deferred, NULL));
  NULLS(napi_create_promise(env, &deferred, &result));
  NULLS(napi_resolve_deferred(NULL, deferred, result));
  NULLS(napi_resolve_deferred(env, deferred, NULL));
  NULLS(napi_reject_deferred(env, deferred, NULL));
  NULLS(napi_is_promise(env, NULL, &truth));
  NULLS(napi_is_promise(env, result, NULL));
  NULLS(napi_resolve_deferred(env, deferred, cases.list));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, promise;
  napi_deferred deferred = NULL, other = NULL;
  bool truth;
  MUST(napi_create_promise(env, &deferred, &promise));
  PENDING(napi_create_promise(env, &other, &result));
  PENDING(napi_resolve_deferred(env, deferred, cases.list));
  PENDING(napi_reject_deferred(env, deferred, cases.list));
  PENDING(napi_is_promise(env, promise, &truth));
  NULLS(napi_resolve_deferred(env, deferred, cases.list));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_promise), WRAPPED(napi_resolve_deferred),
        WRAPPED(napi_reject_deferred), WRAPPED(napi_is_promise),
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

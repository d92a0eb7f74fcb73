// Dates.
#include "addon.h"

WRAP(napi_create_date) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_date(env, real(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_is_date) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_date(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_get_date_value) {
  ARGUMENTS;
  double result = 77;
  CALL(napi_get_date_value(env, ARG(0), &result));
  NUMBER_ALWAYS("result", result);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, date;
  double value;
  bool truth;
  MUST(napi_create_date(env, 0, &date));
  NULLS(napi_create_date(NULL, 0, &result));
  NULLS(napi_create_date(env, 0, NULL));
  NULLS(napi_is_date(env, NULL, &truth));
  NULLS(napi_is_date(env, date, NULL));
  NULLS(napi_get_date_value(NULL, date, &value));
  NULLS(napi_get_date_value(env, NULL, &value));
  NULLS(napi_get_date_value(env, date, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, date;
  double value;
  bool truth;
  MUST(napi_create_date(env, 0, &date));
  PENDING(napi_create_date(env, 0, &result));
  PENDING(napi_is_date(env, date, &truth));
  PENDING(napi_get_date_value(env, date, &value));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_date), WRAPPED(napi_is_date), WRAPPED(napi_get_date_value),
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

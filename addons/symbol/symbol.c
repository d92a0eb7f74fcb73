// Symbols: fresh ones and registered ones.
#include "addon.h"

WRAP(napi_create_symbol) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_symbol(env, ARG(0), &result));
  VALUE("result", result);
  DONE;
}

// node_api_symbol_for(description, length or nothing for NAPI_AUTO_LENGTH)
WRAP(node_api_symbol_for) {
  ARGUMENTS;
  Text description;
  napi_value result = NULL;
  CALL(node_api_symbol_for(env, text(env, ARG(0), &description), length_or_auto(env, ARG(1)),
                           &result));
  VALUE("result", result);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result;
  NULLS(napi_create_symbol(NULL, NULL, &result));
  NULLS(napi_create_symbol(env, NULL, &result));
  NULLS(napi_create_symbol(env, NULL, NULL));
  NULLS(node_api_symbol_for(NULL, "a", 1, &result));
  NULLS(node_api_symbol_for(env, NULL, 0, &result));
  NULLS(node_api_symbol_for(env, NULL, NAPI_AUTO_LENGTH, &result));
  NULLS(node_api_symbol_for(env, "a", 1, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result;
  PENDING(napi_create_symbol(env, NULL, &result));
  PENDING(node_api_symbol_for(env, "a", 1, &result));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_symbol), WRAPPED(node_api_symbol_for),
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

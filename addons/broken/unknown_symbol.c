// Needs a Node-API function that nobody has.
#include "plain.h"

extern napi_status napi_summon_demon(napi_env env, napi_value* result);

NAPI_MODULE_INIT() {
  napi_value demon;
  TRY(env, napi_summon_demon(env, &demon));
  return demon;
}

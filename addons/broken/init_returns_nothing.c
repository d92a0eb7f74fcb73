// Returns NULL from its entry point: the exports object it was given is then the exports.
#include "plain.h"

NAPI_MODULE_INIT() {
  napi_value one;
  TRY(env, napi_create_int32(env, 1, &one));
  TRY(env, napi_set_named_property(env, exports, "one", one));
  return NULL;
}

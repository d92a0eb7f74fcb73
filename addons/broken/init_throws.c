// Throws from its entry point.
#include "plain.h"

NAPI_MODULE_INIT() {
  napi_throw_type_error(env, "ERR_NOT_TODAY", "this addon does not want to be loaded");
  return exports;
}

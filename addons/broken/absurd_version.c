// Asks for a version of Node-API that does not exist.
#include "plain.h"

#include <stdint.h>

__attribute__((visibility("default"))) int32_t node_api_module_get_api_version_v1(void) {
  return 2000;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                         napi_value exports) {
  return exports;
}

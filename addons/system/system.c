#include "system.h"

NAPI_MODULE_INIT() {
  if (init_threads(env, exports) == NULL) return NULL;
  if (init_network(env, exports) == NULL) return NULL;
  return init_denied(env, exports);
}

/* An addon whose init function is the test's own. The version is given by the compiler. */
#include <stdint.h>

typedef void *(*init_function)(void *env, void *exports);

static init_function init;

__attribute__((visibility("default"))) void set_init(init_function function) { init = function; }

__attribute__((visibility("default"))) int32_t node_api_module_get_api_version_v1(void) {
  return VERSION;
}

__attribute__((visibility("default"))) void *napi_register_module_v1(void *env, void *exports) {
  return init(env, exports);
}

/* An addon that registers itself from a constructor, as addons did before symbol-based loading. */
#include <stddef.h>

typedef struct {
  int nm_version;
  unsigned int nm_flags;
  const char *nm_filename;
  void *(*nm_register_func)(void *env, void *exports);
  const char *nm_modname;
  void *nm_priv;
  void *reserved[4];
} napi_module;

void napi_module_register(napi_module *module);
int napi_create_int32(void *env, int value, void **result);
int napi_set_named_property(void *env, void *object, const char *name, void *value);

static int loads;

static void *init(void *env, void *exports) {
  void *value;
  if (napi_create_int32(env, ++loads, &value) == 0) {
    napi_set_named_property(env, exports, "loads", value);
  }
  return exports;
}

static napi_module module = {1, 0, "legacy.c", init, "legacy", NULL, {NULL}};

static __attribute__((constructor)) void register_module(void) { napi_module_register(&module); }

// What an addon can learn of its surroundings, and the ways to be found by the loader.
//
// Built three times: with an entry point and a version, without a version (ADDON_NO_VERSION), and
// as addons used to be, registered from a constructor (ADDON_LEGACY).
#include "addon.h"

WRAP(napi_get_version) {
  ARGUMENTS;
  uint32_t result = 0;
  CALL(napi_get_version(env, &result));
  NUMBER("result", result);
  DONE;
}

WRAP(napi_get_node_version) {
  ARGUMENTS;
  const napi_node_version* version = NULL;
  CALL(napi_get_node_version(env, &version));
  if (OK) {
    NUMBER("major", version->major);
    NUMBER("minor", version->minor);
    NUMBER("patch", version->patch);
    TEXT("release", version->release);
  }
  DONE;
}

WRAP(node_api_get_module_file_name) {
  ARGUMENTS;
  const char* name = NULL;
  CALL(node_api_get_module_file_name(env, &name));
  if (OK) TEXT("result", name);
  DONE;
}

WRAP(napi_get_uv_event_loop) {
  ARGUMENTS;
  struct uv_loop_s* loop = NULL;
  CALL(napi_get_uv_event_loop(env, &loop));
  BOOL("given", loop != NULL);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  uint32_t number;
  const napi_node_version* version;
  const char* name;
  NULLS(napi_get_version(NULL, &number));
  NULLS(napi_get_version(env, NULL));
  NULLS(napi_get_node_version(NULL, &version));
  NULLS(napi_get_node_version(env, NULL));
  NULLS(node_api_get_module_file_name(NULL, &name));
  NULLS(node_api_get_module_file_name(env, NULL));
  CASES_DONE;
}

static napi_value nullLoop(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  NULLS(napi_get_uv_event_loop(NULL, NULL));
  NULLS(napi_get_uv_event_loop(env, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  uint32_t number;
  const napi_node_version* version;
  const char* name;
  PENDING(napi_get_version(env, &number));
  PENDING(napi_get_node_version(env, &version));
  PENDING(node_api_get_module_file_name(env, &name));
  CASES_DONE;
}

// What a reference to a plain number answers tells which version the module was granted.
static napi_value grantedVersion(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value number;
  napi_ref reference = NULL;
  MUST(napi_create_int32(env, 1, &number));
  CALL(napi_create_reference(env, number, 1, &reference));
  if (reference != NULL) MUST(napi_delete_reference(env, reference));
  DONE;
}

static const Export EXPORTED[] = {
    WRAPPED(napi_get_version),
    WRAPPED(napi_get_node_version),
    WRAPPED(node_api_get_module_file_name),
    WRAPPED(napi_get_uv_event_loop),
    {"grantedVersion", grantedVersion},
    {"nullLoop", nullLoop},
    {"nullArguments", nullArguments},
    {"pendingException", pendingException},
};

#if !defined(ADDON_NO_VERSION) && !defined(ADDON_LEGACY)
ADDON_EXPORTED int32_t node_api_module_get_api_version_v1(void) { return ADDON_VERSION; }
#endif

#ifdef ADDON_LEGACY

// Registered modules may return exports of their own: here a function that carries the rest.
static napi_value called(napi_env env, napi_callback_info info) {
  napi_value result;
  MUST(napi_create_string_utf8(env, "called", 6, &result));
  return result;
}

static napi_value init(napi_env env, napi_value exports) {
  napi_value function;
  MUST(napi_create_function(env, "legacy", NAPI_AUTO_LENGTH, called, NULL, &function));
  addon_export(env, function, EXPORTED, sizeof EXPORTED / sizeof EXPORTED[0]);
  return function;
}

static napi_module module = {1, 0, __FILE__, init, "module_legacy", NULL, {0}};

__attribute__((constructor)) static void register_module(void) { napi_module_register(&module); }

#else

ADDON_EXPORTED napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  addon_export(env, exports, EXPORTED, sizeof EXPORTED / sizeof EXPORTED[0]);
  return NULL;
}

#endif

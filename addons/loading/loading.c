// An addon that is loaded several times: what each environment has of its own, and what the image
// shares.
//
// Built twice: with an entry point, and registered from a constructor (ADDON_LEGACY), which runs once
// however often the file is loaded.
#include "plain.h"

#include <stdio.h>

static int constructed;
static int loads;
static int shared;

// What an environment has of its own.
typedef struct {
  int number;
  int own;
  napi_ref kept;
} Instance;

static Instance* instance_of(napi_env env) {
  void* data = NULL;
  return napi_get_instance_data(env, &data) == napi_ok ? data : NULL;
}

static void free_instance(napi_env env, void* data, void* hint) {
  Instance* instance = data;
  printf("end of environment %d: own %d, shared %d\n", instance->number, instance->own, shared);
  fflush(stdout);
  free(instance);
}

static napi_value number(napi_env env, napi_callback_info info) {
  return plain_number(env, instance_of(env)->number);
}

static napi_value constructorRuns(napi_env env, napi_callback_info info) {
  return plain_number(env, constructed);
}

static napi_value countOwn(napi_env env, napi_callback_info info) {
  return plain_number(env, ++instance_of(env)->own);
}

static napi_value countShared(napi_env env, napi_callback_info info) {
  return plain_number(env, ++shared);
}

// keep(value) and kept(): a reference of this environment.
static napi_value keep(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  Instance* instance = instance_of(env);
  if (instance->kept != NULL) TRY(env, napi_delete_reference(env, instance->kept));
  TRY(env, napi_create_reference(env, args[0], 1, &instance->kept));
  return NULL;
}

static napi_value kept(napi_env env, napi_callback_info info) {
  napi_value result = NULL;
  Instance* instance = instance_of(env);
  if (instance->kept != NULL) TRY(env, napi_get_reference_value(env, instance->kept, &result));
  return result;
}

// wrap(object, number) and unwrap(object)
static napi_value wrap(napi_env env, napi_callback_info info) {
  static int wrapped[16];
  ARGS(env, info, 2);
  uint32_t which = 0;
  TRY(env, napi_get_value_uint32(env, args[1], &which));
  wrapped[which & 15] = (int)which;
  TRY(env, napi_wrap(env, args[0], &wrapped[which & 15], NULL, NULL, NULL));
  return args[0];
}

static napi_value unwrap(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  void* data = NULL;
  TRY(env, napi_unwrap(env, args[0], &data));
  return plain_number(env, *(int*)data);
}

static napi_value fileName(napi_env env, napi_callback_info info) {
  const char* name = NULL;
  napi_value result;
  TRY(env, node_api_get_module_file_name(env, &name));
  TRY(env, napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &result));
  return result;
}

static napi_value init(napi_env env, napi_value exports) {
  Instance* instance = calloc(1, sizeof *instance);
  if (instance == NULL) abort();
  instance->number = ++loads;
  TRY(env, napi_set_instance_data(env, instance, free_instance, NULL));
  plain_export(env, exports, "number", number);
  plain_export(env, exports, "constructorRuns", constructorRuns);
  plain_export(env, exports, "countOwn", countOwn);
  plain_export(env, exports, "countShared", countShared);
  plain_export(env, exports, "keep", keep);
  plain_export(env, exports, "kept", kept);
  plain_export(env, exports, "wrap", wrap);
  plain_export(env, exports, "unwrap", unwrap);
  plain_export(env, exports, "fileName", fileName);
  return exports;
}

__attribute__((constructor)) static void construct(void) { constructed += 1; }

#ifdef ADDON_LEGACY

static napi_module module = {1, 0, __FILE__, init, "loading_legacy", NULL, {0}};

__attribute__((constructor)) static void register_module(void) { napi_module_register(&module); }

#else

NAPI_MODULE_INIT() { return init(env, exports); }

#endif

// Array buffers: made here, made of the addon's memory, detached, shared.
#include "addon.h"

static void free_block(napi_env env, void* data, void* hint) { free(data); }

static void free_shared(void* data, void* hint) { free(data); }

// Fills what was made with 1, 2, 3 ..., to show that the pointer is the buffer's.
static void count_up(void* data, size_t length) {
  for (size_t i = 0; data != NULL && i < length; i++) ((uint8_t*)data)[i] = (uint8_t)(i + 1);
}

WRAP(napi_create_arraybuffer) {
  ARGUMENTS;
  size_t length = (size_t)integer(env, ARG(0));
  void* data = NULL;
  napi_value result = NULL;
  CALL(napi_create_arraybuffer(env, length, &data, &result));
  if (OK) count_up(data, length);
  VALUE("result", result);
  DONE;
}

static napi_value createZeroed(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_arraybuffer(env, (size_t)integer(env, ARG(0)), NULL, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_create_external_arraybuffer) {
  ARGUMENTS;
  size_t length = (size_t)integer(env, ARG(0));
  void* data = calloc(1, length + 1);
  napi_value result = NULL;
  count_up(data, length);
  CALL(napi_create_external_arraybuffer(env, data, length, free_block, NULL, &result));
  VALUE("result", result);
  DONE;
}

static int finalized;

static void count_finalizer(napi_env env, void* data, void* hint) { finalized += 1; }

// externalOf(length, view, finalizer, memory): over memory of that length, or else over NULL.
static napi_value externalOf(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  static uint8_t block[16];
  napi_value result = NULL;
  size_t length = (size_t)integer(env, ARG(0));
  napi_finalize finalizer = integer(env, ARG(2)) ? count_finalizer : NULL;
  void* memory = integer(env, ARG(3)) ? block : NULL;
  CALL(integer(env, ARG(1))
           ? napi_create_external_buffer(env, length, memory, finalizer, NULL, &result)
           : napi_create_external_arraybuffer(env, memory, length, finalizer, NULL, &result));
  if (result != NULL) VALUE("result", result);
  NUMBER_ALWAYS("finalized", finalized);
  DONE;
}

WRAP(napi_is_arraybuffer) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_arraybuffer(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_get_arraybuffer_info) {
  ARGUMENTS;
  void* data = NULL;
  size_t length = 77;
  CALL(napi_get_arraybuffer_info(env, ARG(0), &data, &length));
  NUMBER("length", length);
  if (OK) {
    double sum = 0;
    for (size_t i = 0; i < length; i++) sum += ((uint8_t*)data)[i];
    NUMBER("sum", sum);
    BOOL("null", data == NULL);
  }
  DONE;
}

WRAP(napi_detach_arraybuffer) {
  ARGUMENTS;
  CALL(napi_detach_arraybuffer(env, ARG(0)));
  DONE;
}

WRAP(napi_is_detached_arraybuffer) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_detached_arraybuffer(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(node_api_is_sharedarraybuffer) {
  ARGUMENTS;
  REQUIRES(node_api_is_sharedarraybuffer);
  bool result = false;
  CALL(node_api_is_sharedarraybuffer(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(node_api_create_sharedarraybuffer) {
  ARGUMENTS;
  REQUIRES(node_api_create_sharedarraybuffer);
  size_t length = (size_t)integer(env, ARG(0));
  void* data = NULL;
  napi_value result = NULL;
  CALL(node_api_create_sharedarraybuffer(env, length, &data, &result));
  if (OK) count_up(data, length);
  VALUE("result", result);
  DONE;
}

WRAP(node_api_create_external_sharedarraybuffer) {
  ARGUMENTS;
  REQUIRES(node_api_create_external_sharedarraybuffer);
  size_t length = (size_t)integer(env, ARG(0));
  void* data = calloc(1, length + 1);
  napi_value result = NULL;
  count_up(data, length);
  CALL(node_api_create_external_sharedarraybuffer(env, data, length, free_shared, NULL, &result));
  VALUE("result", result);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, buffer;
  void* data;
  size_t length;
  bool truth;
  MUST(napi_create_arraybuffer(env, 4, &data, &buffer));
  NULLS(napi_create_arraybuffer(NULL, 4, &data, &result));
  NULLS(napi_create_arraybuffer(env, 4, NULL, &result));
  NULLS(napi_create_arraybuffer(env, 4, &data, NULL));
  NULLS(napi_create_external_arraybuffer(NULL, NULL, 0, NULL, NULL, &result));
  NULLS(napi_create_external_arraybuffer(env, NULL, 0, NULL, NULL, &result));
  NULLS(napi_is_arraybuffer(env, NULL, &truth));
  NULLS(napi_is_arraybuffer(env, buffer, NULL));
  NULLS(napi_get_arraybuffer_info(NULL, buffer, &data, &length));
  NULLS(napi_get_arraybuffer_info(env, NULL, &data, &length));
  NULLS(napi_get_arraybuffer_info(env, buffer, NULL, NULL));
  NULLS(napi_detach_arraybuffer(NULL, buffer));
  NULLS(napi_detach_arraybuffer(env, NULL));
  NULLS(napi_is_detached_arraybuffer(env, NULL, &truth));
  NULLS(napi_is_detached_arraybuffer(env, buffer, NULL));
  if (node_api_create_sharedarraybuffer != NULL) {
    NULLS(node_api_create_sharedarraybuffer(NULL, 4, &data, &result));
    NULLS(node_api_create_sharedarraybuffer(env, 4, &data, NULL));
    NULLS(node_api_create_sharedarraybuffer(env, 4, NULL, &result));
    NULLS(node_api_is_sharedarraybuffer(env, NULL, &truth));
    NULLS(node_api_is_sharedarraybuffer(env, buffer, NULL));
  }
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, buffer;
  void* data;
  size_t length;
  bool truth;
  static uint8_t block[4];
  MUST(napi_create_arraybuffer(env, 4, &data, &buffer));
  PENDING(napi_create_arraybuffer(env, 4, &data, &result));
  PENDING(napi_create_external_arraybuffer(env, block, 4, NULL, NULL, &result));
  PENDING(napi_is_arraybuffer(env, buffer, &truth));
  PENDING(napi_get_arraybuffer_info(env, buffer, &data, &length));
  PENDING(napi_is_detached_arraybuffer(env, buffer, &truth));
  PENDING(napi_detach_arraybuffer(env, buffer));
  if (node_api_create_sharedarraybuffer != NULL) {
    PENDING(node_api_is_sharedarraybuffer(env, buffer, &truth));
    PENDING(node_api_create_sharedarraybuffer(env, 4, &data, &result));
  }
  CASES_DONE;
}

EXPORTS({"externalOf", externalOf},
        WRAPPED(napi_create_arraybuffer), WRAPPED(napi_create_external_arraybuffer),
        WRAPPED(napi_is_arraybuffer), WRAPPED(napi_get_arraybuffer_info),
        WRAPPED(napi_detach_arraybuffer), WRAPPED(napi_is_detached_arraybuffer),
        WRAPPED(node_api_is_sharedarraybuffer), WRAPPED(node_api_create_sharedarraybuffer),
        WRAPPED(node_api_create_external_sharedarraybuffer), {"createZeroed", createZeroed},
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

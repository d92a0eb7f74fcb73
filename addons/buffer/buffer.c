// Node's Buffers.
#include "addon.h"

static void free_block(napi_env env, void* data, void* hint) { free(data); }

static void count_up(void* data, size_t length) {
  for (size_t i = 0; data != NULL && i < length; i++) ((uint8_t*)data)[i] = (uint8_t)(i + 1);
}

WRAP(napi_create_buffer) {
  ARGUMENTS;
  size_t length = (size_t)integer(env, ARG(0));
  void* data = NULL;
  napi_value result = NULL;
  CALL(napi_create_buffer(env, length, &data, &result));
  if (OK) count_up(data, length);
  VALUE("result", result);
  DONE;
}

// napi_create_buffer_copy(string): also writes through the pointer it gets.
WRAP(napi_create_buffer_copy) {
  ARGUMENTS;
  Text source;
  const char* bytes = text(env, ARG(0), &source);
  void* data = NULL;
  napi_value result = NULL;
  CALL(napi_create_buffer_copy(env, strlen(bytes), bytes, &data, &result));
  if (OK && strlen(bytes) > 0) *(char*)data = '!';
  VALUE("result", result);
  DONE;
}

WRAP(napi_create_external_buffer) {
  ARGUMENTS;
  size_t length = (size_t)integer(env, ARG(0));
  void* data = calloc(1, length + 1);
  napi_value result = NULL;
  count_up(data, length);
  CALL(napi_create_external_buffer(env, length, data, free_block, NULL, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_is_buffer) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_buffer(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_get_buffer_info) {
  ARGUMENTS;
  void* data = NULL;
  size_t length = 77;
  CALL(napi_get_buffer_info(env, ARG(0), &data, &length));
  NUMBER("length", length);
  if (OK) {
    double sum = 0;
    for (size_t i = 0; i < length; i++) sum += ((uint8_t*)data)[i];
    NUMBER("sum", sum);
    BOOL("null", data == NULL);
  }
  DONE;
}

// node_api_create_buffer_from_arraybuffer(arraybuffer, offset, length)
WRAP(node_api_create_buffer_from_arraybuffer) {
  ARGUMENTS;
  REQUIRES(node_api_create_buffer_from_arraybuffer);
  napi_value result = NULL;
  CALL(node_api_create_buffer_from_arraybuffer(env, ARG(0), (size_t)integer(env, ARG(1)),
                                               (size_t)integer(env, ARG(2)), &result));
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
  MUST(napi_create_buffer(env, 4, &data, &buffer));
  NULLS(napi_create_buffer(NULL, 4, &data, &result));
  NULLS(napi_create_buffer(env, 4, NULL, &result));
  NULLS(napi_create_buffer(env, 4, &data, NULL));
  NULLS(napi_create_buffer_copy(env, 1, "a", NULL, &result));
  NULLS(napi_create_buffer_copy(env, 1, "a", &data, NULL));
  NULLS(napi_create_external_buffer(env, 0, NULL, NULL, NULL, &result));
  NULLS(napi_create_external_buffer(env, 0, NULL, NULL, NULL, NULL));
  NULLS(napi_is_buffer(env, NULL, &truth));
  NULLS(napi_is_buffer(env, buffer, NULL));
  NULLS(napi_get_buffer_info(NULL, buffer, &data, &length));
  NULLS(napi_get_buffer_info(env, NULL, &data, &length));
  NULLS(napi_get_buffer_info(env, buffer, NULL, NULL));
  if (node_api_create_buffer_from_arraybuffer != NULL) {
    NULLS(node_api_create_buffer_from_arraybuffer(env, NULL, 0, 0, &result));
    NULLS(node_api_create_buffer_from_arraybuffer(env, buffer, 0, 0, &result));
  }
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, buffer, arraybuffer;
  void* data;
  size_t length;
  bool truth;
  static uint8_t block[4];
  MUST(napi_create_buffer(env, 4, &data, &buffer));
  MUST(napi_create_arraybuffer(env, 4, &data, &arraybuffer));
  PENDING(napi_create_buffer(env, 4, &data, &result));
  PENDING(napi_create_buffer_copy(env, 1, "a", &data, &result));
  PENDING(napi_create_external_buffer(env, 4, block, NULL, NULL, &result));
  PENDING(napi_is_buffer(env, buffer, &truth));
  PENDING(napi_get_buffer_info(env, buffer, &data, &length));
  if (node_api_create_buffer_from_arraybuffer != NULL) {
    PENDING(node_api_create_buffer_from_arraybuffer(env, arraybuffer, 0, 4, &result));
  }
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_buffer), WRAPPED(napi_create_buffer_copy),
        WRAPPED(napi_create_external_buffer), WRAPPED(napi_is_buffer),
        WRAPPED(napi_get_buffer_info), WRAPPED(node_api_create_buffer_from_arraybuffer),
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

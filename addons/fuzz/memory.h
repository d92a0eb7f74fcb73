// Array buffers, views, Buffers.
#ifndef FUZZ_MEMORY_H
#define FUZZ_MEMORY_H

#include "call.h"

ASKS(napi_is_arraybuffer, napi_is_arraybuffer(env, value(ARRAYBUFFER), RESULT))
static void fill(void* data, size_t length) {
  for (size_t i = 0; i < length; i++) ((uint8_t*)data)[i] = (uint8_t)(i + 1);
}
OP(napi_create_arraybuffer) {
  void* data = NULL;
  napi_value result = NULL;
  size_t length = CHOOSE(SIZES);
  DO(napi_create_arraybuffer(env, length, OUT(data), RESULT));
  if (!SUCCEEDED) return;
  if (data != NULL) fill(data, length);
  store(result);
}
OP(napi_create_external_arraybuffer) {
  size_t length = CHOOSE(SIZES);
  void* data = calloc(1, length + 1);
  napi_value result = NULL;
  DO(napi_create_external_arraybuffer(env, data, length, finalize_memory, NULL, &result));
  if (SUCCEEDED) store(result);
}
OP(napi_get_arraybuffer_info) {
  void* data = NULL;
  size_t length = 77;
  DO(napi_get_arraybuffer_info(env, value(ARRAYBUFFER), OUT(data), OUT(length)));
  say(" %zu", length);
}
ACTS(napi_detach_arraybuffer, napi_detach_arraybuffer(env, value(ARRAYBUFFER)))
ASKS(napi_is_detached_arraybuffer,
     napi_is_detached_arraybuffer(env, value(ARRAYBUFFER), RESULT))
ASKS(node_api_is_sharedarraybuffer, node_api_is_sharedarraybuffer(env, value(OBJECT), RESULT))
static void forget_memory(void* data, void* hint) {}
OP(node_api_create_sharedarraybuffer) {
  void* data = NULL;
  napi_value result = NULL;
  DO(node_api_create_sharedarraybuffer(env, CHOOSE(SIZES), OUT(data), RESULT));
  if (SUCCEEDED) store(result);
}
OP(node_api_create_external_sharedarraybuffer) {
  // Not often: what comes after a known difference is not compared.
  static char bytes[1000];
  napi_value result = NULL;
  if (!rarely(64)) return;
  DO(node_api_create_external_sharedarraybuffer(env, bytes, CHOOSE(SIZES), forget_memory, NULL,
                                                RESULT));
  if (SUCCEEDED) store(result);
}
ASKS(napi_is_typedarray, napi_is_typedarray(env, value(VIEW), RESULT))
OP(napi_create_typedarray) {
  napi_value result = NULL;
  int type = rarely(32) ? 40 : (int)below(12);
  DO(napi_create_typedarray(env, type, CHOOSE(SIZES), value(ARRAYBUFFER), CHOOSE(SIZES), RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_get_typedarray_info) {
  napi_typedarray_type type = -1;
  size_t length = 77, offset = 77;
  void* data = NULL;
  napi_value buffer = NULL;
  DO(napi_get_typedarray_info(env, value(VIEW), OUT(type), OUT(length), OUT(data), OUT(buffer),
                              OUT(offset)));
  // Where nothing is, its address is the engine's affair.
  say(" %d %zu %zu %d", (int)type, length, offset, data != NULL && length > 0 && length != 77);
  if (SUCCEEDED && buffer != NULL) store(buffer);
}
OP(napi_create_dataview) {
  napi_value result = NULL;
  DO(napi_create_dataview(env, CHOOSE(SIZES), value(ARRAYBUFFER), CHOOSE(SIZES), RESULT));
  if (SUCCEEDED) store(result);
}
ASKS(napi_is_dataview, napi_is_dataview(env, value(VIEW), RESULT))
OP(napi_get_dataview_info) {
  size_t length = 77, offset = 77;
  void* data = NULL;
  napi_value buffer = NULL;
  DO(napi_get_dataview_info(env, value(VIEW), OUT(length), OUT(data), OUT(buffer), OUT(offset)));
  say(" %zu %zu", length, offset);
  if (SUCCEEDED && buffer != NULL) store(buffer);
}
OP(napi_create_buffer) {
  void* data = NULL;
  napi_value result = NULL;
  size_t length = CHOOSE(SIZES);
  // Its bytes are undefined until they are written.
  DO(napi_create_buffer(env, length, &data, &result));
  if (!SUCCEEDED) return;
  if (data != NULL) fill(data, length);
  store(result);
}
OP(napi_create_buffer_copy) {
  uint8_t bytes[1000];
  void* data = NULL;
  napi_value result = NULL;
  fill(bytes, sizeof bytes);
  DO(napi_create_buffer_copy(env, CHOOSE(SIZES), bytes, OUT(data), RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_create_external_buffer) {
  size_t length = CHOOSE(SIZES);
  void* data = calloc(1, length + 1);
  napi_value result = NULL;
  DO(napi_create_external_buffer(env, length, data, finalize_memory, NULL, &result));
  if (SUCCEEDED) store(result);
}
MAKES(node_api_create_buffer_from_arraybuffer,
      node_api_create_buffer_from_arraybuffer(env, value(ARRAYBUFFER), CHOOSE(SIZES),
                                              CHOOSE(SIZES), RESULT))
ASKS(napi_is_buffer, napi_is_buffer(env, value(VIEW), RESULT))
OP(napi_get_buffer_info) {
  void* data = NULL;
  size_t length = 77;
  DO(napi_get_buffer_info(env, value(VIEW), OUT(data), OUT(length)));
  say(" %zu", length);
}

#define MEMORY_OPERATIONS                                                                     \
    LIST(napi_is_arraybuffer), LIST(napi_create_arraybuffer),                                 \
    LIST(napi_create_external_arraybuffer), LIST(napi_get_arraybuffer_info),                  \
    LIST(napi_detach_arraybuffer), LIST(napi_is_detached_arraybuffer),                        \
    LIST(node_api_is_sharedarraybuffer), LIST(node_api_create_sharedarraybuffer),             \
    LIST(node_api_create_external_sharedarraybuffer), LIST(napi_is_typedarray),               \
    LIST(napi_create_typedarray), LIST(napi_get_typedarray_info), LIST(napi_create_dataview), \
    LIST(napi_is_dataview), LIST(napi_get_dataview_info), LIST(napi_create_buffer),           \
    LIST(napi_create_buffer_copy), LIST(napi_create_external_buffer),                         \
    LIST(node_api_create_buffer_from_arraybuffer), LIST(napi_is_buffer),                      \
    LIST(napi_get_buffer_info)

#endif

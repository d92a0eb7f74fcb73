// Typed arrays and data views.
#include "addon.h"

// napi_create_typedarray(type, length, arraybuffer, offset)
WRAP(napi_create_typedarray) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_typedarray(env, (napi_typedarray_type)integer(env, ARG(0)),
                              (size_t)integer(env, ARG(1)), ARG(2),
                              (size_t)integer(env, ARG(3)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_is_typedarray) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_typedarray(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_get_typedarray_info) {
  ARGUMENTS;
  napi_typedarray_type type = (napi_typedarray_type)77;
  size_t length = 77, offset = 77;
  void* data = NULL;
  napi_value buffer = NULL;
  CALL(napi_get_typedarray_info(env, ARG(0), &type, &length, &data, &buffer, &offset));
  NUMBER("type", type);
  NUMBER("length", length);
  NUMBER("offset", offset);
  BOOL("null", data == NULL);
  if (OK && data != NULL && length > 0) NUMBER("firstByte", *(uint8_t*)data);
  VALUE("buffer", buffer);
  DONE;
}

// napi_create_dataview(length, arraybuffer, offset)
WRAP(napi_create_dataview) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_dataview(env, (size_t)integer(env, ARG(0)), ARG(1),
                            (size_t)integer(env, ARG(2)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_is_dataview) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_dataview(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_get_dataview_info) {
  ARGUMENTS;
  size_t length = 77, offset = 77;
  void* data = NULL;
  napi_value buffer = NULL;
  CALL(napi_get_dataview_info(env, ARG(0), &length, &data, &buffer, &offset));
  NUMBER("length", length);
  NUMBER("offset", offset);
  BOOL("null", data == NULL);
  VALUE("buffer", buffer);
  DONE;
}

static napi_value detach(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_detach_arraybuffer(env, ARG(0)));
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, buffer, array, view;
  void* data;
  bool truth;
  MUST(napi_create_arraybuffer(env, 8, &data, &buffer));
  MUST(napi_create_typedarray(env, napi_uint8_array, 8, buffer, 0, &array));
  MUST(napi_create_dataview(env, 8, buffer, 0, &view));
  NULLS(napi_create_typedarray(NULL, napi_uint8_array, 8, buffer, 0, &result));
  NULLS(napi_create_typedarray(env, napi_uint8_array, 8, NULL, 0, &result));
  NULLS(napi_create_typedarray(env, napi_uint8_array, 8, buffer, 0, NULL));
  NULLS(napi_is_typedarray(env, NULL, &truth));
  NULLS(napi_is_typedarray(env, array, NULL));
  NULLS(napi_get_typedarray_info(NULL, array, NULL, NULL, NULL, NULL, NULL));
  NULLS(napi_get_typedarray_info(env, NULL, NULL, NULL, NULL, NULL, NULL));
  NULLS(napi_get_typedarray_info(env, array, NULL, NULL, NULL, NULL, NULL));
  NULLS(napi_create_dataview(env, 8, NULL, 0, &result));
  NULLS(napi_create_dataview(env, 8, buffer, 0, NULL));
  NULLS(napi_is_dataview(env, NULL, &truth));
  NULLS(napi_is_dataview(env, view, NULL));
  NULLS(napi_get_dataview_info(env, NULL, NULL, NULL, NULL, NULL));
  NULLS(napi_get_dataview_info(env, view, NULL, NULL, NULL, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, buffer, array, view;
  void* data;
  bool truth;
  MUST(napi_create_arraybuffer(env, 8, &data, &buffer));
  MUST(napi_create_typedarray(env, napi_uint8_array, 8, buffer, 0, &array));
  MUST(napi_create_dataview(env, 8, buffer, 0, &view));
  PENDING(napi_create_typedarray(env, napi_uint8_array, 8, buffer, 0, &result));
  PENDING(napi_is_typedarray(env, array, &truth));
  PENDING(napi_get_typedarray_info(env, array, NULL, NULL, NULL, NULL, NULL));
  PENDING(napi_create_dataview(env, 8, buffer, 0, &result));
  PENDING(napi_is_dataview(env, view, &truth));
  PENDING(napi_get_dataview_info(env, view, NULL, NULL, NULL, NULL));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_typedarray), WRAPPED(napi_is_typedarray),
        WRAPPED(napi_get_typedarray_info), WRAPPED(napi_create_dataview),
        WRAPPED(napi_is_dataview), WRAPPED(napi_get_dataview_info), {"detach", detach},
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

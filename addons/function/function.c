// Functions: making, calling, constructing, and what a callback can learn about its call.
#include "addon.h"

static int callback_data = 4711;

// What every function made here does: it returns what it knows of its call.
static napi_value describe(napi_env env, napi_callback_info info) {
  napi_value argv[2] = {NULL, NULL}, self, target, result, value;
  size_t argc = 2;
  void* data = NULL;
  MUST(napi_get_cb_info(env, info, &argc, argv, &self, &data));
  MUST(napi_get_new_target(env, info, &target));
  MUST(napi_create_object(env, &result));
  MUST(napi_create_uint32(env, (uint32_t)argc, &value));
  MUST(napi_set_named_property(env, result, "argc", value));
  MUST(napi_set_named_property(env, result, "first", argv[0]));
  MUST(napi_set_named_property(env, result, "second", argv[1]));
  MUST(napi_set_named_property(env, result, "self", self));
  MUST(napi_get_boolean(env, target != NULL, &value));
  MUST(napi_set_named_property(env, result, "constructed", value));
  MUST(napi_get_boolean(env, data == &callback_data, &value));
  MUST(napi_set_named_property(env, result, "data", value));
  return result;
}

static napi_value returnNothing(napi_env env, napi_callback_info info) { return NULL; }

static napi_value returnNumber(napi_env env, napi_callback_info info) {
  napi_value number;
  MUST(napi_create_int32(env, 5, &number));
  return number;
}

// Throws, and returns a value all the same: the exception wins.
static napi_value throwAndReturn(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  MUST(napi_throw(env, ARG(0)));
  return ARG(0);
}

static napi_value newTarget(napi_env env, napi_callback_info info) {
  napi_value target = NULL;
  MUST(napi_get_new_target(env, info, &target));
  return target;
}

// napi_create_function(name, length or nothing, kind)
WRAP(napi_create_function) {
  ARGUMENTS;
  Text name, kind_text;
  const char* kind = text(env, ARG(2), &kind_text);
  napi_callback callback = describe;
  if (kind != NULL && strcmp(kind, "nothing") == 0) callback = returnNothing;
  if (kind != NULL && strcmp(kind, "number") == 0) callback = returnNumber;
  if (kind != NULL && strcmp(kind, "throw") == 0) callback = throwAndReturn;
  if (kind != NULL && strcmp(kind, "target") == 0) callback = newTarget;
  napi_value result = NULL;
  CALL(napi_create_function(env, text(env, ARG(0), &name), length_or_auto(env, ARG(1)), callback,
                            &callback_data, &result));
  VALUE("result", result);
  DONE;
}

// napi_call_function(function, this, ...arguments)
WRAP(napi_call_function) {
  ARGUMENTS;
  napi_value result = NULL;
  size_t count = GIVEN > 2 ? GIVEN - 2 : 0;
  CALL(napi_call_function(env, ARG(1), ARG(0), count, &ARG(2), &result));
  VALUE("result", result);
  DONE;
}

// The same, without a place for the result.
static napi_value callForNothing(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_call_function(env, ARG(1), ARG(0), 0, NULL, NULL));
  DONE;
}

WRAP(napi_new_instance) {
  ARGUMENTS;
  napi_value result = NULL;
  size_t count = GIVEN > 1 ? GIVEN - 1 : 0;
  CALL(napi_new_instance(env, ARG(0), count, &ARG(1), &result));
  VALUE("result", result);
  DONE;
}

// napi_get_cb_info(room, ...): what a buffer for `room` arguments gets.
WRAP(napi_get_cb_info) {
  napi_value first = NULL, argv[6] = {NULL};
  size_t one = 1;
  MUST(napi_get_cb_info(env, info, &one, &first, NULL, NULL));
  size_t room = (size_t)integer(env, first), argc = room;
  CALL(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  NUMBER("argc", argc);
  size_t filled = 0;
  while (filled < 6 && argv[filled] != NULL) filled += 1;
  NUMBER("filled", filled);
  if (room > 0) VALUE("final", argv[room - 1]);
  DONE;
}

// Only the count; nothing at all; values without a count.
static napi_value cbInfoParts(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  size_t argc = 0;
  napi_value argv[4];
  NULLS(napi_get_cb_info(env, info, &argc, NULL, NULL, NULL));
  NULLS(napi_get_cb_info(env, info, NULL, NULL, NULL, NULL));
  NULLS(napi_get_cb_info(env, info, NULL, argv, NULL, NULL));
  NULLS(napi_get_cb_info(env, NULL, &argc, argv, NULL, NULL));
  NULLS(napi_get_cb_info(NULL, info, &argc, argv, NULL, NULL));
  CASES_DONE;
}

WRAP(napi_get_new_target) {
  napi_value target = NULL;
  CALL(napi_get_new_target(env, info, &target));
  BOOL("present", target != NULL);
  return report.object;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list, function;
  MUST(napi_create_function(env, "f", 1, returnNothing, NULL, &function));
  NULLS(napi_create_function(NULL, "f", 1, describe, NULL, &result));
  NULLS(napi_create_function(env, NULL, 0, describe, NULL, &result));
  NULLS(napi_create_function(env, NULL, NAPI_AUTO_LENGTH, describe, NULL, &result));
  NULLS(napi_create_function(env, "f", 1, NULL, NULL, &result));
  NULLS(napi_create_function(env, "f", 1, describe, NULL, NULL));
  NULLS(napi_call_function(NULL, list, function, 0, NULL, &result));
  NULLS(napi_call_function(env, NULL, function, 0, NULL, &result));
  NULLS(napi_call_function(env, list, NULL, 0, NULL, &result));
  NULLS(napi_call_function(env, list, list, 0, NULL, &result));
  NULLS(napi_call_function(env, list, function, 1, NULL, &result));
  NULLS(napi_new_instance(NULL, function, 0, NULL, &result));
  NULLS(napi_new_instance(env, NULL, 0, NULL, &result));
  NULLS(napi_new_instance(env, function, 1, NULL, &result));
  NULLS(napi_new_instance(env, function, 0, NULL, NULL));
  NULLS(napi_get_new_target(NULL, info, &result));
  NULLS(napi_get_new_target(env, NULL, &result));
  NULLS(napi_get_new_target(env, info, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list, function;
  size_t argc = 0;
  MUST(napi_create_function(env, "f", 1, returnNothing, NULL, &function));
  PENDING(napi_create_function(env, "f", 1, describe, NULL, &result));
  PENDING(napi_call_function(env, list, function, 0, NULL, &result));
  PENDING(napi_call_function(env, NULL, NULL, 0, NULL, &result));
  PENDING(napi_new_instance(env, function, 0, NULL, &result));
  PENDING(napi_get_cb_info(env, info, &argc, NULL, NULL, NULL));
  PENDING(napi_get_new_target(env, info, &result));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_function), WRAPPED(napi_call_function), WRAPPED(napi_new_instance),
        WRAPPED(napi_get_cb_info), WRAPPED(napi_get_new_target),
        {"callForNothing", callForNothing}, {"cbInfoParts", cbInfoParts},
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

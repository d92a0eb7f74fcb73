// Objects as wholes: making, prototypes, freezing, type tags.
#include "addon.h"

static const napi_type_tag TAGS[] = {
    {0x1122334455667788, 0x99aabbccddeeff00},
    {0x1122334455667788, 0x99aabbccddeeff01},
    {0, 0},
};

WRAP(napi_create_object) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_object(env, &result));
  VALUE("result", result);
  DONE;
}

// node_api_create_object_with_properties(prototype, [name, ...], [value, ...])
WRAP(node_api_create_object_with_properties) {
  ARGUMENTS;
  REQUIRES(node_api_create_object_with_properties);
  napi_value names[16], values[16], result = NULL;
  uint32_t count = 0;
  if (ARG(1) != NULL) MUST(napi_get_array_length(env, ARG(1), &count));
  for (uint32_t i = 0; i < count && i < 16; i++) {
    MUST(napi_get_element(env, ARG(1), i, &names[i]));
    MUST(napi_get_element(env, ARG(2), i, &values[i]));
  }
  CALL(node_api_create_object_with_properties(env, ARG(0), names, values, count, &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_get_prototype) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_prototype(env, ARG(0), &result));
  VALUE("result", result);
  DONE;
}

WRAP(node_api_set_prototype) {
  ARGUMENTS;
  REQUIRES(node_api_set_prototype);
  CALL(node_api_set_prototype(env, ARG(0), ARG(1)));
  DONE;
}

WRAP(napi_object_freeze) {
  ARGUMENTS;
  CALL(napi_object_freeze(env, ARG(0)));
  DONE;
}

WRAP(napi_object_seal) {
  ARGUMENTS;
  CALL(napi_object_seal(env, ARG(0)));
  DONE;
}

// napi_type_tag_object(object, number of the tag)
WRAP(napi_type_tag_object) {
  ARGUMENTS;
  CALL(napi_type_tag_object(env, ARG(0), &TAGS[integer(env, ARG(1))]));
  DONE;
}

WRAP(napi_check_object_type_tag) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_check_object_type_tag(env, ARG(0), &TAGS[integer(env, ARG(1))], &result));
  BOOL("result", result);
  DONE;
}

static napi_value makeExternal(napi_env env, napi_callback_info info) {
  napi_value result;
  MUST(napi_create_external(env, NULL, NULL, NULL, &result));
  return result;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list;
  bool truth;
  NULLS(napi_create_object(NULL, &result));
  NULLS(napi_create_object(env, NULL));
  NULLS(napi_get_prototype(NULL, list, &result));
  NULLS(napi_get_prototype(env, NULL, &result));
  NULLS(napi_get_prototype(env, list, NULL));
  NULLS(napi_object_freeze(NULL, list));
  NULLS(napi_object_freeze(env, NULL));
  NULLS(napi_object_seal(NULL, list));
  NULLS(napi_object_seal(env, NULL));
  NULLS(napi_type_tag_object(NULL, list, TAGS));
  NULLS(napi_type_tag_object(env, NULL, TAGS));
  NULLS(napi_type_tag_object(env, list, NULL));
  NULLS(napi_check_object_type_tag(NULL, list, TAGS, &truth));
  NULLS(napi_check_object_type_tag(env, NULL, TAGS, &truth));
  NULLS(napi_check_object_type_tag(env, list, NULL, &truth));
  NULLS(napi_check_object_type_tag(env, list, TAGS, NULL));
  if (node_api_set_prototype != NULL) {
    NULLS(node_api_set_prototype(env, NULL, list));
    NULLS(node_api_set_prototype(env, list, NULL));
  }
  if (node_api_create_object_with_properties != NULL) {
    NULLS(node_api_create_object_with_properties(env, NULL, NULL, NULL, 0, NULL));
    NULLS(node_api_create_object_with_properties(env, NULL, NULL, NULL, 1, &result));
  }
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list;
  bool truth;
  PENDING(napi_create_object(env, &result));
  PENDING(napi_get_prototype(env, list, &result));
  PENDING(napi_object_freeze(env, list));
  PENDING(napi_object_seal(env, list));
  PENDING(napi_type_tag_object(env, list, TAGS));
  PENDING(napi_check_object_type_tag(env, list, TAGS, &truth));
  if (node_api_set_prototype != NULL) PENDING(node_api_set_prototype(env, list, list));
  if (node_api_create_object_with_properties != NULL) {
    PENDING(node_api_create_object_with_properties(env, NULL, NULL, NULL, 0, &result));
  }
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_object), WRAPPED(node_api_create_object_with_properties),
        WRAPPED(napi_get_prototype), WRAPPED(node_api_set_prototype), WRAPPED(napi_object_freeze),
        WRAPPED(napi_object_seal), WRAPPED(napi_type_tag_object),
        WRAPPED(napi_check_object_type_tag), {"makeExternal", makeExternal},
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

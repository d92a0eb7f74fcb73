// Properties by key, by name, by index; lists of keys; definitions.
#include "addon.h"

WRAP(napi_set_property) {
  ARGUMENTS;
  CALL(napi_set_property(env, ARG(0), ARG(1), ARG(2)));
  DONE;
}

WRAP(napi_get_property) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_property(env, ARG(0), ARG(1), &result));
  VALUE("result", result);
  DONE;
}

#define QUESTION(function, key)                    \
  WRAP(function) {                                 \
    ARGUMENTS;                                     \
    bool result = false;                           \
    CALL(function(env, ARG(0), key, &result));     \
    BOOL("result", result);                        \
    DONE;                                          \
  }

QUESTION(napi_has_property, ARG(1))
QUESTION(napi_has_own_property, ARG(1))
QUESTION(napi_delete_property, ARG(1))
QUESTION(napi_has_element, (uint32_t)integer(env, ARG(1)))
QUESTION(napi_delete_element, (uint32_t)integer(env, ARG(1)))

WRAP(napi_set_named_property) {
  ARGUMENTS;
  Text name;
  CALL(napi_set_named_property(env, ARG(0), text(env, ARG(1), &name), ARG(2)));
  DONE;
}

WRAP(napi_get_named_property) {
  ARGUMENTS;
  Text name;
  napi_value result = NULL;
  CALL(napi_get_named_property(env, ARG(0), text(env, ARG(1), &name), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_has_named_property) {
  ARGUMENTS;
  Text name;
  bool result = false;
  CALL(napi_has_named_property(env, ARG(0), text(env, ARG(1), &name), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_set_element) {
  ARGUMENTS;
  CALL(napi_set_element(env, ARG(0), (uint32_t)integer(env, ARG(1)), ARG(2)));
  DONE;
}

WRAP(napi_get_element) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_element(env, ARG(0), (uint32_t)integer(env, ARG(1)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_get_property_names) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_property_names(env, ARG(0), &result));
  VALUE("result", result);
  DONE;
}

// napi_get_all_property_names(object, mode, filter, conversion)
WRAP(napi_get_all_property_names) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_all_property_names(env, ARG(0), (napi_key_collection_mode)integer(env, ARG(1)),
                                   (napi_key_filter)integer(env, ARG(2)),
                                   (napi_key_conversion)integer(env, ARG(3)), &result));
  VALUE("result", result);
  DONE;
}

// What the callbacks of definitions do: a method returns what it was called with.

static napi_value method(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value list, count;
  MUST(napi_create_array(env, &list));
  MUST(napi_create_uint32(env, (uint32_t)GIVEN, &count));
  MUST(napi_set_element(env, list, 0, count));
  if (GIVEN > 0) MUST(napi_set_element(env, list, 1, ARG(0)));
  return list;
}

static napi_value getter(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result;
  MUST(napi_create_string_utf8(env, "got", 3, &result));
  return result;
}

static napi_value setter(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  MUST(napi_set_named_property(env, arguments.self, "wasSet", ARG(0)));
  return NULL;
}

// napi_define_properties(object, kind, name, attributes, value)
// kinds: "value", "method", "getter", "setter", "accessor", "all" (everything at once).
WRAP(napi_define_properties) {
  ARGUMENTS;
  Text kind_text;
  const char* kind = text(env, ARG(1), &kind_text);
  napi_property_descriptor descriptor = {0};
  descriptor.name = ARG(2);
  descriptor.attributes = (napi_property_attributes)integer(env, ARG(3));
  bool all = strcmp(kind, "all") == 0;
  if (all || strcmp(kind, "value") == 0) descriptor.value = ARG(4);
  if (all || strcmp(kind, "method") == 0) descriptor.method = method;
  if (all || strcmp(kind, "getter") == 0 || strcmp(kind, "accessor") == 0) {
    descriptor.getter = getter;
  }
  if (all || strcmp(kind, "setter") == 0 || strcmp(kind, "accessor") == 0) {
    descriptor.setter = setter;
  }
  CALL(napi_define_properties(env, ARG(0), 1, &descriptor));
  DONE;
}

// Both names at once: the C string wins.
static napi_value defineTwoNames(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_property_descriptor descriptor = {.utf8name = "fromUtf8",
                                         .name = ARG(1),
                                         .value = ARG(2),
                                         .attributes = napi_default_jsproperty};
  CALL(napi_define_properties(env, ARG(0), 1, &descriptor));
  DONE;
}

// Two properties, the first of which can fail.
static napi_value defineTwo(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_property_descriptor descriptors[] = {
      {.name = ARG(1), .value = ARG(2), .attributes = napi_default_jsproperty},
      {.utf8name = "second", .value = ARG(2), .attributes = napi_default_jsproperty},
  };
  CALL(napi_define_properties(env, ARG(0), 2, descriptors));
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list, key;
  bool truth;
  napi_property_descriptor one = {.utf8name = "one", .value = list};
  MUST(napi_create_string_utf8(env, "key", 3, &key));
  NULLS(napi_set_property(NULL, list, key, key));
  NULLS(napi_set_property(env, NULL, key, key));
  NULLS(napi_set_property(env, list, NULL, key));
  NULLS(napi_set_property(env, list, key, NULL));
  NULLS(napi_get_property(env, NULL, key, &result));
  NULLS(napi_get_property(env, list, NULL, &result));
  NULLS(napi_get_property(env, list, key, NULL));
  NULLS(napi_has_property(env, NULL, key, &truth));
  NULLS(napi_has_property(env, list, NULL, &truth));
  NULLS(napi_has_property(env, list, key, NULL));
  NULLS(napi_has_own_property(env, NULL, key, &truth));
  NULLS(napi_has_own_property(env, list, NULL, &truth));
  NULLS(napi_has_own_property(env, list, key, NULL));
  NULLS(napi_delete_property(env, NULL, key, &truth));
  NULLS(napi_delete_property(env, list, NULL, &truth));
  NULLS(napi_delete_property(env, list, key, NULL));
  NULLS(napi_set_named_property(env, NULL, "key", key));
  NULLS(napi_set_named_property(env, list, NULL, key));
  NULLS(napi_set_named_property(env, list, "key", NULL));
  NULLS(napi_get_named_property(env, NULL, "key", &result));
  NULLS(napi_get_named_property(env, list, NULL, &result));
  NULLS(napi_get_named_property(env, list, "key", NULL));
  NULLS(napi_has_named_property(env, NULL, "key", &truth));
  NULLS(napi_has_named_property(env, list, NULL, &truth));
  NULLS(napi_has_named_property(env, list, "key", NULL));
  NULLS(napi_set_element(env, NULL, 0, key));
  NULLS(napi_set_element(env, list, 0, NULL));
  NULLS(napi_get_element(env, NULL, 0, &result));
  NULLS(napi_get_element(env, list, 0, NULL));
  NULLS(napi_has_element(env, NULL, 0, &truth));
  NULLS(napi_has_element(env, list, 0, NULL));
  NULLS(napi_delete_element(env, NULL, 0, &truth));
  NULLS(napi_delete_element(env, list, 9999, NULL));
  NULLS(napi_get_property_names(env, NULL, &result));
  NULLS(napi_get_property_names(env, list, NULL));
  NULLS(napi_get_all_property_names(env, NULL, 0, 0, 0, &result));
  NULLS(napi_get_all_property_names(env, list, 0, 0, 0, NULL));
  NULLS(napi_define_properties(env, NULL, 1, &one));
  NULLS(napi_define_properties(env, list, 1, NULL));
  NULLS(napi_define_properties(env, list, 0, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, list = cases.list, key;
  bool truth;
  napi_property_descriptor one = {.utf8name = "one", .value = list};
  MUST(napi_create_string_utf8(env, "key", 3, &key));
  PENDING(napi_set_property(env, list, key, key));
  PENDING(napi_get_property(env, list, key, &result));
  PENDING(napi_get_property(env, NULL, NULL, &result));
  PENDING(napi_has_property(env, list, key, &truth));
  PENDING(napi_has_own_property(env, list, key, &truth));
  PENDING(napi_delete_property(env, list, key, &truth));
  PENDING(napi_set_named_property(env, list, "key", key));
  PENDING(napi_get_named_property(env, list, "key", &result));
  PENDING(napi_has_named_property(env, list, "key", &truth));
  PENDING(napi_set_element(env, list, 9999, key));
  PENDING(napi_get_element(env, list, 0, &result));
  PENDING(napi_has_element(env, list, 0, &truth));
  PENDING(napi_delete_element(env, list, 9999, &truth));
  PENDING(napi_get_property_names(env, list, &result));
  PENDING(napi_get_all_property_names(env, list, 0, 0, 0, &result));
  PENDING(napi_define_properties(env, list, 1, &one));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_set_property), WRAPPED(napi_get_property), WRAPPED(napi_has_property),
        WRAPPED(napi_has_own_property), WRAPPED(napi_delete_property),
        WRAPPED(napi_set_named_property), WRAPPED(napi_get_named_property),
        WRAPPED(napi_has_named_property), WRAPPED(napi_set_element), WRAPPED(napi_get_element),
        WRAPPED(napi_has_element), WRAPPED(napi_delete_element), WRAPPED(napi_get_property_names),
        WRAPPED(napi_get_all_property_names), WRAPPED(napi_define_properties),
        {"defineTwoNames", defineTwoNames}, {"defineTwo", defineTwo},
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

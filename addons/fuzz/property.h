// Objects: prototypes, properties, names, definitions, freezing, tags.
#ifndef FUZZ_PROPERTY_H
#define FUZZ_PROPERTY_H

#include "call.h"

static napi_value callback(napi_env env, napi_callback_info info);

MAKES(napi_get_prototype, napi_get_prototype(env, value(OBJECT), RESULT))
static napi_value prototype(void) {
  napi_value chosen = strict(OBJECT);
  return is_external(chosen) && !machine->misuse ? machine->registers[1].value : chosen;
}
// A prototype that is neither object nor null ends Node.
ACTS(node_api_set_prototype, node_api_set_prototype(env, value(OBJECT), prototype()))
// Lists of names are not stored: what is built in, and so the places of the others, is the
// engine's affair.
OP(napi_get_property_names) {
  napi_value result = NULL;
  DO(napi_get_property_names(env, value(OBJECT), RESULT));
  if (SUCCEEDED) show_with(machine->show_names, result);
}
OP(napi_get_all_property_names) {
  napi_value result = NULL;
  int mode = rarely(32) ? 7 : (int)below(2);
  int filter = (int)(byte() & 31);
  int conversion = rarely(32) ? 7 : (int)below(2);
  DO(napi_get_all_property_names(env, value(OBJECT), mode, filter, conversion, RESULT));
  if (SUCCEEDED) show_with(machine->show_names, result);
}
ACTS(napi_set_property, napi_set_property(env, value(OBJECT), value(NAME), inheritable(value(ANY))))
MAKES(napi_get_property, napi_get_property(env, value(OBJECT), value(NAME), RESULT))
ASKS(napi_has_property, napi_has_property(env, value(OBJECT), value(NAME), RESULT))
ASKS(napi_has_own_property, napi_has_own_property(env, value(OBJECT), value(NAME), RESULT))
ASKS(napi_delete_property, napi_delete_property(env, value(OBJECT), value(NAME), RESULT))
static const char* name_or_null(void) {
  const char* chosen = rarely(48) ? NULL : CHOOSE(NAMES);
  if (machine->trace) say(" .%s", chosen == NULL ? "NULL" : chosen);
  return chosen;
}
ACTS(napi_set_named_property,
     napi_set_named_property(env, value(OBJECT), name_or_null(), inheritable(value(ANY))))
MAKES(napi_get_named_property,
      napi_get_named_property(env, value(OBJECT), name_or_null(), RESULT))
ASKS(napi_has_named_property,
     napi_has_named_property(env, value(OBJECT), name_or_null(), RESULT))
ACTS(napi_set_element, napi_set_element(env, value(OBJECT), CHOOSE(INDEXES), value(ANY)))
MAKES(napi_get_element, napi_get_element(env, value(OBJECT), CHOOSE(INDEXES), RESULT))
ASKS(napi_has_element, napi_has_element(env, value(OBJECT), CHOOSE(INDEXES), RESULT))
ASKS(napi_delete_element, napi_delete_element(env, value(OBJECT), CHOOSE(INDEXES), RESULT))

// Descriptors. Node ends where one has nothing in it, and where a class has an object as value.
static size_t describe(napi_property_descriptor* into, size_t limit, bool of_class) {
  size_t count = below((unsigned)limit + 1);
  for (size_t i = 0; i < count; i++) {
    napi_property_descriptor* one = &into[i];
    memset(one, 0, sizeof *one);
    // Which of three members with one name Node takes depends on V8's hash seed.
    if (of_class) {
      one->utf8name = NAMES[4 * i + below(4)];
    } else if (rarely(3)) {
      one->name = solid(NAME);
    } else {
      one->utf8name = CHOOSE(NAMES);
    }
    unsigned what = below(8);
    if (what == 0 || what == 2) one->getter = callback;
    if (what == 1 || what == 2) one->setter = callback;
    if (what == 3 || what == 4) one->method = callback;
    if (what > 4 && !(machine->misuse && rarely(4))) one->value = inheritable(solid(ANY));
    one->attributes |= byte() & 7;
    if (rarely(4)) one->attributes |= napi_static;
    if (of_class && what > 4 && !machine->misuse) one->value = strict(rarely(2) ? STRING : NUMBER);
    if (machine->trace) {
      say(" .%s attributes %d kind %u", one->utf8name ? one->utf8name : "", one->attributes, what);
    }
  }
  return count;
}
OP(napi_define_properties) {
  napi_property_descriptor list[3];
  size_t count = describe(list, 3, false);
  DO(napi_define_properties(env, value(OBJECT), count, rarely(32) && count > 0 ? NULL : list));
}
ASKS(napi_is_array, napi_is_array(env, value(ARRAY), RESULT))
OP(napi_get_array_length) {
  uint32_t result = 77;
  DO(napi_get_array_length(env, value(ARRAY), RESULT));
  say(" %" PRIu32, result);
}
OP(node_api_create_object_with_properties) {
  napi_value names[3], values[3], result = NULL;
  size_t count = below(4);
  for (size_t i = 0; i < count; i++) {
    names[i] = solid(NAME);
    values[i] = solid(ANY);
  }
  napi_value from = rarely(3) ? NULL : prototype();
  DO(node_api_create_object_with_properties(env, from, names, values, count, RESULT));
  if (SUCCEEDED) store(result);
}
static const napi_type_tag* tag(void) {
  return machine->misuse && rarely(8) ? NULL : &CHOOSE(TAGS);
}
ACTS(napi_type_tag_object, napi_type_tag_object(env, value(OBJECT), tag()))
ASKS(napi_check_object_type_tag, napi_check_object_type_tag(env, value(OBJECT), tag(), RESULT))
ACTS(napi_object_freeze, napi_object_freeze(env, value(OBJECT)))
ACTS(napi_object_seal, napi_object_seal(env, value(OBJECT)))

#define PROPERTY_OPERATIONS                                                                      \
    LIST(napi_get_prototype), LIST(node_api_set_prototype), LIST(napi_get_property_names),       \
    LIST(napi_get_all_property_names), LIST(napi_set_property), LIST(napi_get_property),         \
    LIST(napi_has_property), LIST(napi_has_own_property), LIST(napi_delete_property),            \
    LIST(napi_set_named_property), LIST(napi_get_named_property), LIST(napi_has_named_property), \
    LIST(napi_set_element), LIST(napi_get_element), LIST(napi_has_element),                      \
    LIST(napi_delete_element), LIST(napi_define_properties), LIST(napi_is_array),                \
    LIST(napi_get_array_length), LIST(napi_type_tag_object), LIST(napi_check_object_type_tag),   \
    LIST(napi_object_freeze), LIST(napi_object_seal),                                            \
    LIST(node_api_create_object_with_properties)

#endif

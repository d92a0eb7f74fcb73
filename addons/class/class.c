// Classes and wrapped objects.
#include "addon.h"

static int finalized;

// Wrapped pointers are small numbers: nothing is freed, nothing is dereferenced.
static void count_finalizer(napi_env env, void* data, void* hint) { finalized += 1; }

static napi_value construct(napi_env env, napi_callback_info info) {
  // Leaves `argument` and `target` on the new object; returns its argument where it is an object.
  ARGUMENTS;
  napi_value target = NULL, value;
  MUST(napi_get_new_target(env, info, &target));
  if (target == NULL) {
    MUST(napi_create_string_utf8(env, "called without new", NAPI_AUTO_LENGTH, &value));
    return value;
  }
  if (GIVEN > 0) MUST(napi_set_named_property(env, arguments.self, "argument", ARG(0)));
  return addon_type(env, ARG(0)) == napi_object ? ARG(0) : NULL;
}

static napi_value throwing(napi_env env, napi_callback_info info) {
  MUST(napi_throw_range_error(env, "ERR_CLASS", "no instance today"));
  return NULL;
}

static napi_value self(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  return arguments.self;
}

static napi_value get_value(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result;
  bool has = false;
  MUST(napi_has_named_property(env, arguments.self, "argument", &has));
  if (!has) {
    MUST(napi_create_string_utf8(env, "no argument", NAPI_AUTO_LENGTH, &result));
    return result;
  }
  MUST(napi_get_named_property(env, arguments.self, "argument", &result));
  return result;
}

static napi_value set_value(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  MUST(napi_set_named_property(env, arguments.self, "argument", ARG(0)));
  return NULL;
}

// napi_define_class(name, length or nothing, symbol): a class with a member of each kind.
WRAP(napi_define_class) {
  ARGUMENTS;
  Text name;
  napi_value number, result = NULL;
  MUST(napi_create_int32(env, 3, &number));
  napi_property_descriptor members[] = {
      {.utf8name = "method", .method = self, .attributes = napi_default_method},
      {.utf8name = "hidden", .method = self, .attributes = napi_default},
      {.utf8name = "accessor", .getter = get_value, .setter = set_value,
       .attributes = napi_default_jsproperty},
      {.utf8name = "readOnly", .getter = get_value, .attributes = napi_enumerable},
      {.utf8name = "number", .value = number, .attributes = napi_enumerable},
      {.utf8name = "staticMethod", .method = self, .attributes = napi_static | napi_default_method},
      {.utf8name = "staticNumber", .value = number, .attributes = napi_static | napi_enumerable},
      {.utf8name = "staticAccessor", .getter = get_value, .attributes = napi_static},
      {.name = ARG(2), .method = self, .attributes = napi_default_method},
  };
  size_t count = sizeof members / sizeof members[0] - (ARG(2) == NULL ? 1 : 0);
  CALL(napi_define_class(env, text(env, ARG(0), &name), length_or_auto(env, ARG(1)), construct,
                         NULL, count, members, &result));
  VALUE("result", result);
  DONE;
}

static napi_value defineThrowing(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_define_class(env, "Throwing", NAPI_AUTO_LENGTH, throwing, NULL, 0, NULL, &result));
  VALUE("result", result);
  DONE;
}

// defineStatic(name, kind): a class with one static member.
static napi_value defineStatic(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  Text kind_text;
  const char* kind = text(env, ARG(1), &kind_text);
  napi_value result = NULL;
  napi_property_descriptor member = {.name = ARG(0), .attributes = napi_static};
  if (strcmp(kind, "method") == 0) member.method = self;
  if (strcmp(kind, "accessor") == 0) member.getter = get_value;
  if (strcmp(kind, "value") == 0) member.value = ARG(0);
  CALL(napi_define_class(env, "Static", NAPI_AUTO_LENGTH, construct, NULL, 1, &member, &result));
  VALUE("result", result);
  DONE;
}

// Returns the number of the member that it belongs to.
static napi_value member_number(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result;
  MUST(napi_create_int64(env, (intptr_t)arguments.data, &result));
  return result;
}

// Leaves the number of the member that it belongs to on its argument.
static napi_value mark_argument(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  MUST(napi_set_named_property(env, ARG(0), "member", member_number(env, info)));
  return NULL;
}

// defineMembers(name, [[key, kind, attributes, value], ...]): a class with those members, numbered
// from 1. The kind has the letters of what the descriptor has: "g"etter, "s"etter, "m"ethod, "v"alue.
static napi_value defineMembers(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  Text name;
  napi_property_descriptor members[4] = {0};
  uint32_t count = 0;
  napi_value result = NULL;
  MUST(napi_get_array_length(env, ARG(1), &count));
  for (uint32_t i = 0; i < count; i++) {
    napi_property_descriptor* member = &members[i];
    napi_value row, part;
    Text kind;
    MUST(napi_get_element(env, ARG(1), i, &row));
    MUST(napi_get_element(env, row, 0, &member->name));
    MUST(napi_get_element(env, row, 1, &part));
    text(env, part, &kind);
    MUST(napi_get_element(env, row, 2, &part));
    member->attributes = (napi_property_attributes)integer(env, part);
    member->data = (void*)(intptr_t)(i + 1);
    if (strchr(kind.bytes, 'g') != NULL) member->getter = member_number;
    if (strchr(kind.bytes, 's') != NULL) member->setter = mark_argument;
    if (strchr(kind.bytes, 'm') != NULL) member->method = member_number;
    if (strchr(kind.bytes, 'v') != NULL) MUST(napi_get_element(env, row, 3, &member->value));
  }
  CALL(napi_define_class(env, text(env, ARG(0), &name), NAPI_AUTO_LENGTH, construct, NULL, count,
                         members, &result));
  // Where a member fails, the class may be there all the same.
  if (result != NULL) VALUE("result", result);
  DONE;
}

WRAP(napi_wrap) {
  ARGUMENTS;
  CALL(napi_wrap(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), count_finalizer, NULL, NULL));
  DONE;
}

// Wraps and keeps the reference, which stays after the wrap is removed.
static napi_value wrapWithReference(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_ref reference = NULL;
  napi_value referred = NULL;
  CALL(napi_wrap(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), count_finalizer, NULL,
                 &reference));
  if (!OK) return report.object;
  bool same = false;
  void* data = NULL;
  uint32_t count = 77;
  MUST(napi_get_reference_value(env, reference, &referred));
  MUST(napi_strict_equals(env, referred, ARG(0), &same));
  BOOL("same", same);
  MUST(napi_reference_ref(env, reference, &count));
  NUMBER("count", count);
  MUST(napi_remove_wrap(env, ARG(0), &data));
  NUMBER("removed", (intptr_t)data);
  MUST(napi_get_reference_value(env, reference, &referred));
  BOOL("survives", referred != NULL);
  MUST(napi_delete_reference(env, reference));
  DONE;
}

WRAP(napi_unwrap) {
  ARGUMENTS;
  void* result = (void*)77;
  CALL(napi_unwrap(env, ARG(0), &result));
  NUMBER_ALWAYS("result", (intptr_t)result);
  DONE;
}

WRAP(napi_remove_wrap) {
  ARGUMENTS;
  void* result = (void*)77;
  CALL(napi_remove_wrap(env, ARG(0), &result));
  NUMBER_ALWAYS("result", (intptr_t)result);
  DONE;
}

static napi_value removeForNothing(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_remove_wrap(env, ARG(0), NULL));
  DONE;
}

static napi_value finalizedCount(napi_env env, napi_callback_info info) {
  napi_value result;
  MUST(napi_create_int32(env, finalized, &result));
  return result;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, object;
  napi_ref reference;
  void* data;
  napi_property_descriptor one = {.utf8name = "one", .method = self};
  MUST(napi_create_object(env, &object));
  NULLS(napi_define_class(NULL, "K", 1, construct, NULL, 0, NULL, &result));
  NULLS(napi_define_class(env, NULL, NAPI_AUTO_LENGTH, construct, NULL, 0, NULL, &result));
  NULLS(napi_define_class(env, "K", 1, NULL, NULL, 0, NULL, &result));
  NULLS(napi_define_class(env, "K", 1, construct, NULL, 0, NULL, NULL));
  NULLS(napi_define_class(env, "K", 1, construct, NULL, 1, NULL, &result));
  NULLS(napi_define_class(env, "K", 1, construct, NULL, 1, &one, &result));
  NULLS(napi_wrap(NULL, object, NULL, NULL, NULL, NULL));
  NULLS(napi_wrap(env, NULL, NULL, NULL, NULL, NULL));
  NULLS(napi_wrap(env, object, NULL, NULL, NULL, &reference));
  NULLS(napi_unwrap(NULL, object, &data));
  NULLS(napi_unwrap(env, NULL, &data));
  NULLS(napi_unwrap(env, object, NULL));
  NULLS(napi_remove_wrap(NULL, object, &data));
  NULLS(napi_remove_wrap(env, NULL, &data));
  NULLS(napi_wrap(env, object, NULL, NULL, NULL, NULL));
  NULLS(napi_unwrap(env, object, &data));
  NULLS(napi_remove_wrap(env, object, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, object;
  void* data;
  MUST(napi_create_object(env, &object));
  PENDING(napi_define_class(env, "K", 1, construct, NULL, 0, NULL, &result));
  PENDING(napi_wrap(env, object, NULL, NULL, NULL, NULL));
  PENDING(napi_unwrap(env, object, &data));
  PENDING(napi_remove_wrap(env, object, &data));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_define_class), WRAPPED(napi_wrap), WRAPPED(napi_unwrap),
        WRAPPED(napi_remove_wrap), {"defineThrowing", defineThrowing}, {"defineStatic", defineStatic},
        {"defineMembers", defineMembers},
        {"wrapWithReference", wrapWithReference}, {"removeForNothing", removeForNothing},
        {"finalizedCount", finalizedCount}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

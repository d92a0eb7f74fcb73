// An addon that walks whatever it is given: any property, any call, kept for as long as it likes.
//
// It stands for an addon that looks for a way into the process that called it.
#include "plain.h"

static napi_value Get(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  napi_value result;
  TRY(env, napi_get_property(env, args[0], args[1], &result));
  return result;
}

// Follows a list of names from an object: walk(callback, ["__globals__", "eval"]).
static napi_value Walk(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  uint32_t length;
  TRY(env, napi_get_array_length(env, args[1], &length));
  napi_value at = args[0];
  for (uint32_t i = 0; i < length; i++) {
    napi_valuetype type;
    TRY(env, napi_typeof(env, at, &type));
    if (type == napi_undefined || type == napi_null) return at;
    napi_value name;
    TRY(env, napi_get_element(env, args[1], i, &name));
    TRY(env, napi_get_property(env, at, name, &at));
  }
  return at;
}

static napi_value Set(napi_env env, napi_callback_info info) {
  ARGS(env, info, 3);
  TRY(env, napi_set_property(env, args[0], args[1], args[2]));
  return NULL;
}

static napi_value Has(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  bool has;
  napi_value result;
  TRY(env, napi_has_property(env, args[0], args[1], &has));
  TRY(env, napi_get_boolean(env, has, &result));
  return result;
}

static napi_value Delete(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  bool deleted;
  napi_value result;
  TRY(env, napi_delete_property(env, args[0], args[1], &deleted));
  TRY(env, napi_get_boolean(env, deleted, &result));
  return result;
}

// Every key there is: inherited, hidden, symbols.
static napi_value Keys(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  napi_value result;
  TRY(env, napi_get_all_property_names(env, args[0], napi_key_include_prototypes,
                                       napi_key_all_properties, napi_key_numbers_to_strings,
                                       &result));
  return result;
}

static napi_value OwnKeys(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  napi_value result;
  TRY(env, napi_get_all_property_names(env, args[0], napi_key_own_only, napi_key_all_properties,
                                       napi_key_numbers_to_strings, &result));
  return result;
}

static napi_value Prototype(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  napi_value result;
  TRY(env, napi_get_prototype(env, args[0], &result));
  return result;
}

static napi_value TypeOf(napi_env env, napi_callback_info info) {
  static const char* const NAMES[] = {"undefined", "null",   "boolean",  "number",   "string",
                                      "symbol",    "object", "function", "external", "bigint"};
  ARGS(env, info, 1);
  napi_valuetype type;
  napi_value result;
  TRY(env, napi_typeof(env, args[0], &type));
  TRY(env, napi_create_string_utf8(env, NAMES[type], NAPI_AUTO_LENGTH, &result));
  return result;
}

// call(function, this, ...arguments)
static napi_value Call(napi_env env, napi_callback_info info) {
  ARGS(env, info, 10);
  napi_value result;
  size_t given = argc > 10 ? 10 : argc;
  TRY(env, napi_call_function(env, args[1], args[0], given > 2 ? given - 2 : 0, args + 2, &result));
  return result;
}

// construct(function, ...arguments)
static napi_value Construct(napi_env env, napi_callback_info info) {
  ARGS(env, info, 9);
  napi_value result;
  size_t given = argc > 9 ? 9 : argc;
  TRY(env, napi_new_instance(env, args[0], given > 1 ? given - 1 : 0, args + 1, &result));
  return result;
}

// Calls a function, and swallows what it throws.
static napi_value CallAndSwallow(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  napi_value undefined, result;
  TRY(env, napi_get_undefined(env, &undefined));
  napi_status status = napi_call_function(env, undefined, args[0], 0, NULL, &result);
  if (status == napi_ok) return result;
  if (status != napi_pending_exception) return NULL;
  TRY(env, napi_get_and_clear_last_exception(env, &result));
  return result;
}

// Throws the very value that it was given.
static napi_value Throw(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  TRY(env, napi_throw(env, args[0]));
  return NULL;
}

// What was kept: one value, for as long as the addon lives.

static napi_ref kept;

static napi_value Keep(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  if (kept != NULL) TRY(env, napi_delete_reference(env, kept));
  kept = NULL;
  TRY(env, napi_create_reference(env, args[0], 1, &kept));
  return NULL;
}

static napi_value Kept(napi_env env, napi_callback_info info) {
  napi_value result = NULL;
  if (kept != NULL) TRY(env, napi_get_reference_value(env, kept, &result));
  return result;
}

static napi_value CallKept(napi_env env, napi_callback_info info) {
  ARGS(env, info, 4);
  if (kept == NULL) {
    napi_throw_error(env, NULL, "nothing was kept");
    return NULL;
  }
  napi_value function, undefined, result;
  TRY(env, napi_get_reference_value(env, kept, &function));
  TRY(env, napi_get_undefined(env, &undefined));
  TRY(env, napi_call_function(env, undefined, function, argc > 4 ? 4 : argc, args, &result));
  return result;
}

static napi_value Forget(napi_env env, napi_callback_info info) {
  if (kept != NULL) TRY(env, napi_delete_reference(env, kept));
  kept = NULL;
  return NULL;
}

// A value that goes through the addon untouched.
static napi_value Identity(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  return args[0];
}

// Calls itself through the caller until the caller stops it.
static napi_value Recurse(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  double depth;
  TRY(env, napi_get_value_double(env, args[1], &depth));
  napi_value undefined, result, next = plain_number(env, depth + 1);
  TRY(env, napi_get_undefined(env, &undefined));
  TRY(env, napi_call_function(env, undefined, args[0], 1, &next, &result));
  return result;
}

// Lists in lists, as deep as was asked for.
static napi_value Nest(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double depth;
  TRY(env, napi_get_value_double(env, args[0], &depth));
  napi_value outer;
  TRY(env, napi_create_array(env, &outer));
  for (double level = 1; level < depth; level++) {
    napi_value next;
    TRY(env, napi_create_array(env, &next));
    TRY(env, napi_set_element(env, next, 0, outer));
    outer = next;
  }
  return outer;
}

// A list that contains itself.
static napi_value Cycle(napi_env env, napi_callback_info info) {
  napi_value list;
  TRY(env, napi_create_array(env, &list));
  TRY(env, napi_set_element(env, list, 0, list));
  return list;
}

NAPI_MODULE_INIT() {
  static const struct {
    const char* name;
    napi_callback callback;
  } FUNCTIONS[] = {
      {"get", Get},           {"walk", Walk},
      {"set", Set},           {"has", Has},
      {"delete", Delete},     {"keys", Keys},
      {"ownKeys", OwnKeys},   {"prototype", Prototype},
      {"typeOf", TypeOf},     {"call", Call},
      {"construct", Construct}, {"callAndSwallow", CallAndSwallow},
      {"throw", Throw},       {"keep", Keep},
      {"kept", Kept},         {"callKept", CallKept},
      {"forget", Forget},     {"identity", Identity},
      {"recurse", Recurse},   {"nest", Nest},
      {"cycle", Cycle},
  };
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    if (plain_export(env, exports, FUNCTIONS[i].name, FUNCTIONS[i].callback) == NULL) return NULL;
  }
  return exports;
}

// A byte string as a sequence of Node-API calls. `run(bytes, show, values, misuse, showNames)`
// runs one and returns what came of it, call by call: the same bytes give the same text in every host.
//
// The bytes choose functions, values and lengths. Whatever they are, the calls stay inside what
// Node defines; with `misuse` they don't, which only a host that checks its ids survives.
#include "machine.h"

static napi_value callback(napi_env env, napi_callback_info info);

// What native data points to; nobody looks at it.
static char places[16];

static void* pointer(void) { return &places[below(16)]; }

// Which of the places it is; -1 for none.
static int place_of(const void* given) {
  return given == NULL ? -1 : (int)((const char*)given - places);
}

static void finalize_nothing(node_api_basic_env env, void* data, void* hint) {}
static void finalize_memory(node_api_basic_env env, void* data, void* hint) { free(data); }
static void hook(void* argument) {}

static napi_finalize finalizer(void) { return rarely(3) ? NULL : finalize_nothing; }

// What a call left behind: status, record, exception. Clears the exception three times in four.
static void outcome(napi_status status) {
  napi_env env = machine->env;
  const napi_extended_error_info* last = NULL;
  bool pending = false;
  say(" -> %d", status);
  MUST(napi_get_last_error_info(env, &last));
  if (last->error_code != status) say(" last %d", last->error_code);
  const char* message = last->error_message;
  if (message != NULL && strcmp(message, ADDON_MESSAGE[last->error_code]) != 0) say(" %s", message);
  MUST(napi_is_exception_pending(env, &pending));
  if (pending && !rarely(4)) {
    napi_value thrown;
    MUST(napi_get_and_clear_last_exception(env, &thrown));
    say(" threw");
    store(thrown);
  } else if (pending) {
    say(" pending");
  }
}

#define DO(call)               \
  napi_status status = (call); \
  say("%s", name);             \
  outcome(status)
#define SUCCEEDED (status == napi_ok)

// The calls, one function each; `name` is what the log calls them.
#define OP(function) static void op_##function(napi_env env, const char* name)

// Families.
#define MAKES(function, call)                      \
  OP(function) {                                   \
    napi_value result = NULL;                      \
    DO(call);                                      \
    if (SUCCEEDED) store(result);                  \
  }
#define ASKS(function, call)                       \
  OP(function) {                                   \
    bool result = false;                           \
    DO(call);                                      \
    if (SUCCEEDED) say(" %d", result);             \
  }
#define ACTS(function, call)                       \
  OP(function) { DO(call); }

// A pointer to a result that may be NULL, and so is not to be stored.
#define RESULT OUT(result)

MAKES(napi_get_undefined, napi_get_undefined(env, RESULT))
MAKES(napi_get_null, napi_get_null(env, RESULT))
OP(napi_get_global) {
  napi_value result = NULL;
  DO(napi_get_global(env, RESULT));
}
MAKES(napi_get_boolean, napi_get_boolean(env, byte() & 1, RESULT))
MAKES(napi_create_object, napi_create_object(env, RESULT))
MAKES(napi_create_array, napi_create_array(env, RESULT))
MAKES(napi_create_array_with_length, napi_create_array_with_length(env, CHOOSE(SIZES), RESULT))
MAKES(napi_create_double, napi_create_double(env, CHOOSE(DOUBLES), RESULT))
MAKES(napi_create_int32, napi_create_int32(env, (int32_t)CHOOSE(INTEGERS), RESULT))
MAKES(napi_create_uint32, napi_create_uint32(env, (uint32_t)CHOOSE(INTEGERS), RESULT))
MAKES(napi_create_int64, napi_create_int64(env, CHOOSE(INTEGERS), RESULT))
MAKES(napi_create_date, napi_create_date(env, CHOOSE(DOUBLES), RESULT))
MAKES(napi_create_bigint_int64, napi_create_bigint_int64(env, CHOOSE(INTEGERS), RESULT))
MAKES(napi_create_bigint_uint64, napi_create_bigint_uint64(env, CHOOSE(WORDS), RESULT))
OP(napi_create_bigint_words) {
  uint64_t words[4];
  for (int i = 0; i < 4; i++) words[i] = CHOOSE(WORDS);
  napi_value result = NULL;
  int sign = (int)below(3) - 1;
  DO(napi_create_bigint_words(env, sign, below(5), rarely(32) ? NULL : words, RESULT));
  if (SUCCEEDED) store(result);
}

// A text and a length that goes with it: its own, a shorter one, or none.
static const char* some_text(size_t* length) {
  const Bytes* chosen = &TEXTS[below(sizeof TEXTS / sizeof TEXTS[0])];
  unsigned choice = below(16);
  *length = choice < 4 ? NAPI_AUTO_LENGTH : chosen->length;
  if (choice == 4 && chosen->length > 0) *length = chosen->length - 1;
  if (choice == 5) *length = (size_t)INT32_MAX + 1;
  if (choice == 6) *length = 0;
  return rarely(32) && *length != 1 ? NULL : chosen->bytes;
}
static const char* short_text(size_t* length) {
  const char* text_ = some_text(length);
  if (*length == (size_t)INT32_MAX + 1) *length = NAPI_AUTO_LENGTH;
  return text_;
}
static const char16_t* wide_text(size_t* length) {
  static char16_t units[64];
  static const char16_t SPECIAL[] = {0xd83d, 0xde00, 0xd800, 0xdc00, 0x20ac, 0xff, 0};
  const char* narrow = some_text(length);
  if (narrow == NULL) return NULL;
  size_t count = 0;
  const Bytes* any = &TEXTS[below(sizeof TEXTS / sizeof TEXTS[0])];
  for (; count < any->length && count < 40; count++) {
    units[count] = rarely(4) ? CHOOSE(SPECIAL) : (char16_t)(unsigned char)any->bytes[count];
  }
  units[count] = 0;
  if (*length <= INT32_MAX) *length = *length < count ? *length : count;
  return units;
}

#define TEXTUAL(function, reader, type)                    \
  OP(function) {                                           \
    napi_value result = NULL;                              \
    size_t length;                                         \
    const type* chars = reader(&length);                   \
    DO(function(env, chars, length, RESULT));              \
    if (SUCCEEDED) store(result);                          \
  }
TEXTUAL(napi_create_string_utf8, some_text, char)
TEXTUAL(napi_create_string_latin1, some_text, char)
TEXTUAL(napi_create_string_utf16, wide_text, char16_t)
TEXTUAL(node_api_create_property_key_utf8, some_text, char)
TEXTUAL(node_api_create_property_key_latin1, some_text, char)
TEXTUAL(node_api_create_property_key_utf16, wide_text, char16_t)
TEXTUAL(node_api_symbol_for, some_text, char)
OP(node_api_create_external_string_latin1) {
  // Whether the engine copies is its affair. There is no finalizer: Node runs it while it collects
  // garbage, and loses the exception that is pending then.
  napi_value result = NULL;
  const Bytes* chosen = &TEXTS[below(sizeof TEXTS / sizeof TEXTS[0])];
  bool copied;
  DO(node_api_create_external_string_latin1(env, (char*)chosen->bytes, chosen->length, NULL, NULL,
                                            &result, &copied));
  if (SUCCEEDED) store(result);
}
MAKES(napi_create_symbol, napi_create_symbol(env, value(STRING), RESULT))

OP(napi_typeof) {
  napi_valuetype result = napi_undefined;
  DO(napi_typeof(env, value(ANY), OUT(result)));
  if (SUCCEEDED) say(" %d", result);
}
#define NUMERIC(function, type, format)             \
  OP(function) {                                    \
    type result = 77;                               \
    DO(function(env, value(NUMBER), RESULT));       \
    say(" " format, result);                        \
  }
NUMERIC(napi_get_value_double, double, "%.17g")
NUMERIC(napi_get_value_int32, int32_t, "%" PRId32)
NUMERIC(napi_get_value_uint32, uint32_t, "%" PRIu32)
NUMERIC(napi_get_value_int64, int64_t, "%" PRId64)
OP(napi_get_date_value) {
  double result = 77;
  DO(napi_get_date_value(env, value(DATE), RESULT));
  say(" %.17g", result);
}
ASKS(napi_get_value_bool, napi_get_value_bool(env, value(ANY), RESULT))
#define BIG(function, type, format)                                \
  OP(function) {                                                   \
    type result = 77;                                              \
    bool lossless = false;                                         \
    DO(function(env, value(BIGINT), RESULT, OUT(lossless)));       \
    if (SUCCEEDED) say(" " format " %d", result, lossless);        \
  }
BIG(napi_get_value_bigint_int64, int64_t, "%" PRId64)
BIG(napi_get_value_bigint_uint64, uint64_t, "%" PRIu64)
OP(napi_get_value_bigint_words) {
  uint64_t words[6] = {7, 7, 7, 7, 7, 7};
  size_t count = below(6);
  int sign = -5;
  bool measure = rarely(4);
  DO(napi_get_value_bigint_words(env, value(BIGINT), measure ? NULL : OUT(sign), &count,
                                 measure ? NULL : words));
  say(" %d %zu", sign, count);
  for (int i = 0; i < 6; i++) say(" %" PRIx64, words[i]);
}
#define READS(function, unit, format)                                             \
  OP(function) {                                                                  \
    unit buffer[48];                                                              \
    size_t result = 77;                                                           \
    memset(buffer, 0x55, sizeof buffer);                                          \
    size_t room = below(48);                                                      \
    bool measure = rarely(6);                                                     \
    DO(function(env, value(STRING), measure ? NULL : buffer, room, RESULT));      \
    say(" %zu", result);                                                          \
    for (size_t i = 0; i < 8; i++) say(" " format, (unsigned)buffer[i]);          \
  }
READS(napi_get_value_string_latin1, char, "%x")
READS(napi_get_value_string_utf8, char, "%x")
READS(napi_get_value_string_utf16, char16_t, "%x")

MAKES(napi_coerce_to_bool, napi_coerce_to_bool(env, value(ANY), RESULT))
MAKES(napi_coerce_to_number, napi_coerce_to_number(env, value(ANY), RESULT))
MAKES(napi_coerce_to_object, napi_coerce_to_object(env, value(ANY), RESULT))
MAKES(napi_coerce_to_string, napi_coerce_to_string(env, value(ANY), RESULT))
ASKS(napi_strict_equals, napi_strict_equals(env, value(ANY), value(ANY), RESULT))
ASKS(napi_instanceof, napi_instanceof(env, value(ANY), value(FUNCTION), RESULT))

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
    // Names that come twice in a class are undefined in Node.
    if (of_class) {
      one->utf8name = NAMES[4 * i + below(4)];
    } else if (rarely(3)) {
      one->name = solid(NAME);
    } else {
      // The length of an array converts what it is defined with before it refuses, or after.
      one->utf8name = CHOOSE(NAMES);
      if (strcmp(one->utf8name, "length") == 0) one->utf8name = "extra";
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
OP(napi_define_class) {
  napi_property_descriptor list[4];
  size_t count = describe(list, 4, true);
  size_t length;
  const char* chars = short_text(&length);
  napi_value result = NULL;
  DO(napi_define_class(env, chars, length, rarely(32) ? NULL : callback, NULL, count,
                       rarely(32) && count > 0 ? NULL : list, RESULT));
  if (SUCCEEDED) store(result);
}
ASKS(napi_is_array, napi_is_array(env, value(ARRAY), RESULT))
OP(napi_get_array_length) {
  uint32_t result = 77;
  DO(napi_get_array_length(env, value(ARRAY), RESULT));
  say(" %" PRIu32, result);
}

// Functions.
static size_t arguments_(napi_value* list, size_t limit) {
  size_t count = below((unsigned)limit + 1);
  for (size_t i = 0; i < count; i++) list[i] = solid(ANY);
  return count;
}
OP(napi_create_function) {
  napi_value result = NULL;
  size_t length;
  const char* chars = short_text(&length);
  DO(napi_create_function(env, chars, length, rarely(32) ? NULL : callback, NULL, RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_call_function) {
  napi_value list[4], result = NULL;
  size_t count = arguments_(list, 4);
  bool wanted = !rarely(16);
  napi_value receiver = value(ANY), function = value(FUNCTION);
  say("( ");
  DO(napi_call_function(env, receiver, function, count, rarely(48) && count > 0 ? NULL : list,
                        wanted ? &result : NULL));
  if (SUCCEEDED && wanted) store(result);
}
OP(napi_make_callback) {
  napi_value list[4], result = NULL;
  size_t count = arguments_(list, 4);
  napi_value receiver = value(OBJECT), function = value(FUNCTION);
  say("( ");
  DO(napi_make_callback(env, NULL, receiver, function, count, list, &result));
  if (SUCCEEDED) store(result);
}
OP(napi_new_instance) {
  napi_value list[4], result = NULL;
  size_t count = arguments_(list, 4);
  napi_value constructor = value(FUNCTION);
  say("( ");
  DO(napi_new_instance(env, constructor, count, list, RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_get_cb_info) {
  napi_value list[6], self = NULL;
  size_t count = below(6);
  void* data = NULL;
  size_t room = count;
  napi_callback_info info = machine->info;
  if (machine->misuse && rarely(3)) info = (napi_callback_info)garbage();
  DO(napi_get_cb_info(env, info, &count, list, &self, &data));
  if (!SUCCEEDED) return;
  say(" %zu", count);
  for (size_t i = 0; i < room; i++) store(list[i]);
}
OP(napi_get_new_target) {
  napi_value result = NULL;
  napi_callback_info info = machine->info;
  if (machine->misuse && rarely(3)) info = (napi_callback_info)garbage();
  DO(napi_get_new_target(env, info, RESULT));
  if (SUCCEEDED) store(result);
}

// Wraps, tags, externals.
static napi_ref new_reference(napi_ref reference) {
  for (int i = 0; i < REFERENCES; i++) {
    if (machine->references[i] == NULL) {
      machine->references[i] = reference;
      return reference;
    }
  }
  int victim = (int)below(REFERENCES);
  MUST(napi_delete_reference(machine->env, machine->references[victim]));
  remember((uintptr_t)machine->references[victim]);
  return machine->references[victim] = reference;
}
OP(napi_wrap) {
  napi_ref reference = NULL;
  bool wanted = rarely(3);
  // Nobody deletes the reference: in Node, the wrap would dangle.
  DO(napi_wrap(env, value(OBJECT), pointer(), finalizer(), NULL, wanted ? &reference : NULL));
}
OP(napi_unwrap) {
  void* result = NULL;
  DO(napi_unwrap(env, value(OBJECT), RESULT));
  say(" %d", place_of(result));
}
OP(napi_remove_wrap) {
  void* result = NULL;
  DO(napi_remove_wrap(env, value(OBJECT), RESULT));
  say(" %d", place_of(result));
}
MAKES(napi_create_external, napi_create_external(env, pointer(), finalizer(), NULL, RESULT))
OP(napi_get_value_external) {
  void* result = NULL;
  DO(napi_get_value_external(env, value(EXTERNAL), RESULT));
  say(" %d", place_of(result));
}
static const napi_type_tag* tag(void) {
  return machine->misuse && rarely(8) ? NULL : &CHOOSE(TAGS);
}
ACTS(napi_type_tag_object, napi_type_tag_object(env, value(OBJECT), tag()))
ASKS(napi_check_object_type_tag, napi_check_object_type_tag(env, value(OBJECT), tag(), RESULT))
// Views are left out: whether they can be sealed depends, in Node, on what was tried before.
static napi_value no_view(void) {
  napi_value chosen = value(OBJECT);
  bool view = false, data = false;
  if (chosen == NULL || machine->misuse) return chosen;
  MUST(napi_is_typedarray(machine->env, chosen, &view));
  MUST(napi_is_dataview(machine->env, chosen, &data));
  return view || data ? machine->registers[0].value : chosen;
}
ACTS(napi_object_freeze, napi_object_freeze(env, no_view()))
ACTS(napi_object_seal, napi_object_seal(env, no_view()))
OP(napi_add_finalizer) {
  napi_ref reference = NULL;
  bool wanted = rarely(3);
  DO(napi_add_finalizer(env, value(OBJECT), pointer(), rarely(16) ? NULL : finalize_nothing, NULL,
                        wanted ? &reference : NULL));
  if (SUCCEEDED && wanted) new_reference(reference);
}
ACTS(node_api_post_finalizer, node_api_post_finalizer(env, finalize_nothing, pointer(), NULL))
OP(napi_adjust_external_memory) {
  // The total is the whole process's, so it is not shown.
  int64_t result = 0;
  DO(napi_adjust_external_memory(env, (int64_t)below(64), &result));
}

// References.
OP(napi_create_reference) {
  napi_ref reference = NULL;
  DO(napi_create_reference(env, value(ANY), below(3), OUT(reference)));
  if (SUCCEEDED) new_reference(reference);
}
static napi_ref reference(void) {
  if (machine->misuse && rarely(3)) return (napi_ref)garbage();
  for (unsigned i = 0, at = below(REFERENCES); i < REFERENCES; i++) {
    napi_ref candidate = machine->references[(at + i) % REFERENCES];
    if (candidate != NULL) return candidate;
  }
  return NULL;
}
#define COUNTS(function)                            \
  OP(function) {                                    \
    uint32_t result = 77;                           \
    DO(function(env, reference(), &result));        \
    say(" %" PRIu32, result);                       \
  }
COUNTS(napi_reference_ref)
COUNTS(napi_reference_unref)
OP(napi_get_reference_value) {
  napi_value result = NULL;
  DO(napi_get_reference_value(env, reference(), RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_delete_reference) {
  napi_ref victim = reference();
  DO(napi_delete_reference(env, victim));
  if (!SUCCEEDED) return;
  remember((uintptr_t)victim);
  for (int i = 0; i < REFERENCES; i++) {
    if (machine->references[i] == victim) machine->references[i] = NULL;
  }
  for (int i = 0; i < machine->kept_count; i++) {
    if (machine->kept[i] == victim) machine->kept[i] = NULL;
  }
}

// Scopes.
OP(napi_open_handle_scope) {
  if (machine->scope_count == SCOPES) return;
  Scope* scope = &machine->scopes[machine->scope_count++];
  *scope = (Scope){NULL, NULL};
  machine->level++;
  DO(napi_open_handle_scope(env, &scope->plain));
}
OP(napi_open_escapable_handle_scope) {
  if (machine->scope_count == SCOPES) return;
  Scope* scope = &machine->scopes[machine->scope_count++];
  *scope = (Scope){NULL, NULL};
  machine->level++;
  DO(napi_open_escapable_handle_scope(env, &scope->escapable));
}
static void close_innermost(napi_env env) {
  Scope* scope = &machine->scopes[--machine->scope_count];
  remember((uintptr_t)(scope->plain != NULL ? (void*)scope->plain : (void*)scope->escapable));
  napi_status status = scope->plain != NULL
                           ? napi_close_handle_scope(env, scope->plain)
                           : napi_close_escapable_handle_scope(env, scope->escapable);
  if (!machine->misuse) MUST(status);
  forget_above(--machine->level);
}
OP(napi_close_handle_scope) {
  if (machine->misuse && rarely(2)) {
    if (rarely(2)) {
      DO(napi_close_handle_scope(env, (napi_handle_scope)garbage()));
    } else {
      DO(napi_close_escapable_handle_scope(env, (napi_escapable_handle_scope)garbage()));
    }
    return;
  }
  if (machine->scope_count <= machine->scope_floor) return;
  close_innermost(env);
  say("close");
}
OP(napi_escape_handle) {
  if (machine->misuse && rarely(2)) {
    napi_value result;
    DO(napi_escape_handle(env, (napi_escapable_handle_scope)garbage(), value(ANY), &result));
    return;
  }
  if (machine->scope_count <= machine->scope_floor) return;
  Scope* scope = &machine->scopes[machine->scope_count - 1];
  if (scope->escapable == NULL) return;
  napi_value result = NULL;
  DO(napi_escape_handle(env, scope->escapable, value(ANY), RESULT));
  if (!SUCCEEDED) return;
  machine->level--;
  store(result);
  machine->level++;
}

// Errors.
#define NEW_ERROR(function) \
  MAKES(function, function(env, rarely(3) ? value(STRING) : NULL, value(STRING), RESULT))
NEW_ERROR(napi_create_error)
NEW_ERROR(napi_create_type_error)
NEW_ERROR(napi_create_range_error)
NEW_ERROR(node_api_create_syntax_error)
static const char* message(void) { return rarely(32) ? NULL : rarely(8) ? "" : "fuzz: thrown"; }
static const char* code(void) { return rarely(2) ? NULL : rarely(8) ? "" : "FUZZ_CODE"; }
ACTS(napi_throw, napi_throw(env, value(ANY)))
ACTS(napi_throw_error, napi_throw_error(env, code(), message()))
ACTS(napi_throw_type_error, napi_throw_type_error(env, code(), message()))
ACTS(napi_throw_range_error, napi_throw_range_error(env, code(), message()))
ACTS(node_api_throw_syntax_error, node_api_throw_syntax_error(env, code(), message()))
ASKS(napi_is_error, napi_is_error(env, value(OBJECT), RESULT))
ASKS(napi_is_exception_pending, napi_is_exception_pending(env, RESULT))
MAKES(napi_get_and_clear_last_exception, napi_get_and_clear_last_exception(env, RESULT))
OP(napi_get_last_error_info) {
  const napi_extended_error_info* result = NULL;
  DO(napi_get_last_error_info(env, RESULT));
}
ACTS(napi_fatal_exception, napi_fatal_exception(env, value(ANY)))

// Memory.
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
OP(node_api_create_sharedarraybuffer) {
  void* data = NULL;
  napi_value result = NULL;
  DO(node_api_create_sharedarraybuffer(env, CHOOSE(SIZES), OUT(data), RESULT));
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

// The rest.
OP(napi_create_promise) {
  napi_deferred deferred = NULL;
  napi_value promise = NULL;
  int free_ = -1;
  for (int i = 0; i < DEFERREDS; i++) {
    if (machine->deferreds[i] == NULL) free_ = i;
  }
  if (free_ < 0) return;
  DO(napi_create_promise(env, &deferred, OUT(promise)));
  if (!SUCCEEDED) return;
  machine->deferreds[free_] = deferred;
  store(promise);
}
static int deferred(void) {
  for (unsigned i = 0, at = below(DEFERREDS); i < DEFERREDS; i++) {
    int candidate = (int)((at + i) % DEFERREDS);
    if (machine->deferreds[candidate] != NULL) return candidate;
  }
  return -1;
}
#define SETTLES(function)                                                 \
  OP(function) {                                                          \
    if (machine->misuse && rarely(3)) {                                   \
      DO(function(env, (napi_deferred)garbage(), value(ANY)));            \
      return;                                                             \
    }                                                                     \
    int index = deferred();                                               \
    if (index < 0) return;                                                \
    DO(function(env, machine->deferreds[index], value(ANY)));             \
    if (!SUCCEEDED) return;                                               \
    remember((uintptr_t)machine->deferreds[index]);                       \
    machine->deferreds[index] = NULL;                                     \
  }
SETTLES(napi_resolve_deferred)
SETTLES(napi_reject_deferred)
ASKS(napi_is_promise, napi_is_promise(env, value(PROMISE), RESULT))
ASKS(napi_is_date, napi_is_date(env, value(DATE), RESULT))
static const char* const SCRIPTS[] = {
    "1 + 1", "({a: 1})", "throw new RangeError('fuzz: of a script')", "a syntax error", "[1, , 3]",
    "Symbol.iterator", "fuzz.getter()", "fuzz.valueOf()", "fuzz.thrower()", "fuzz.boxed('x')",
    "fuzz.strict()", "fuzz.proxy()", "fuzz.refusing()", "fuzz.map()", "fuzz.thenable()",
    "fuzz.class()", "fuzz.deep()", "fuzz.inherits()"};
OP(napi_run_script) {
  napi_value script, result = NULL;
  MUST(napi_create_string_utf8(machine->env, CHOOSE(SCRIPTS), NAPI_AUTO_LENGTH, &script));
  DO(napi_run_script(env, rarely(16) ? value(ANY) : script, RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_get_version) {
  uint32_t result = 0;
  DO(napi_get_version(env, RESULT));
  say(" %" PRIu32, result);
}
ACTS(napi_set_instance_data, napi_set_instance_data(env, pointer(), finalizer(), NULL))
OP(napi_get_instance_data) {
  void* result = NULL;
  DO(napi_get_instance_data(env, RESULT));
}
OP(napi_add_env_cleanup_hook) {
  // Adding the same one twice ends Node.
  char* argument = malloc(1);
  DO(napi_add_env_cleanup_hook(env, hook, argument));
  say(" %d", napi_remove_env_cleanup_hook(env, hook, argument));
  free(argument);
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
typedef struct {
  const char* name;
  void (*run)(napi_env env, const char* name);
} Operation;
#define LIST(function) {#function, op_##function}
static const Operation OPERATIONS[] = {
    LIST(napi_get_undefined), LIST(napi_get_null), LIST(napi_get_global), LIST(napi_get_boolean),
    LIST(napi_create_object), LIST(napi_create_array), LIST(napi_create_array_with_length),
    LIST(napi_create_double), LIST(napi_create_int32), LIST(napi_create_uint32),
    LIST(napi_create_int64), LIST(napi_create_date), LIST(napi_create_bigint_int64),
    LIST(napi_create_bigint_uint64), LIST(napi_create_bigint_words), LIST(napi_create_string_utf8),
    LIST(napi_create_string_latin1), LIST(napi_create_string_utf16),
    LIST(node_api_create_property_key_utf8), LIST(node_api_create_property_key_latin1),
    LIST(node_api_create_property_key_utf16), LIST(node_api_symbol_for),
    LIST(node_api_create_external_string_latin1), LIST(napi_create_symbol), LIST(napi_typeof),
    LIST(napi_get_value_double), LIST(napi_get_value_int32), LIST(napi_get_value_uint32),
    LIST(napi_get_value_int64), LIST(napi_get_date_value), LIST(napi_get_value_bool),
    LIST(napi_get_value_bigint_int64), LIST(napi_get_value_bigint_uint64),
    LIST(napi_get_value_bigint_words), LIST(napi_get_value_string_latin1),
    LIST(napi_get_value_string_utf8), LIST(napi_get_value_string_utf16), LIST(napi_coerce_to_bool),
    LIST(napi_coerce_to_number), LIST(napi_coerce_to_object), LIST(napi_coerce_to_string),
    LIST(napi_strict_equals), LIST(napi_instanceof), LIST(napi_get_prototype),
    LIST(node_api_set_prototype), LIST(napi_get_property_names), LIST(napi_get_all_property_names),
    LIST(napi_set_property), LIST(napi_get_property), LIST(napi_has_property),
    LIST(napi_has_own_property), LIST(napi_delete_property), LIST(napi_set_named_property),
    LIST(napi_get_named_property), LIST(napi_has_named_property), LIST(napi_set_element),
    LIST(napi_get_element), LIST(napi_has_element), LIST(napi_delete_element),
    LIST(napi_define_properties), LIST(napi_define_class), LIST(napi_is_array),
    LIST(napi_get_array_length), LIST(napi_create_function), LIST(napi_call_function),
    LIST(napi_make_callback), LIST(napi_new_instance), LIST(napi_get_cb_info),
    LIST(napi_get_new_target), LIST(napi_wrap), LIST(napi_unwrap), LIST(napi_remove_wrap),
    LIST(napi_create_external), LIST(napi_get_value_external), LIST(napi_type_tag_object),
    LIST(napi_check_object_type_tag), LIST(napi_object_freeze), LIST(napi_object_seal),
    LIST(napi_add_finalizer), LIST(node_api_post_finalizer), LIST(napi_adjust_external_memory),
    LIST(napi_create_reference), LIST(napi_reference_ref), LIST(napi_reference_unref),
    LIST(napi_get_reference_value), LIST(napi_delete_reference), LIST(napi_open_handle_scope),
    LIST(napi_open_escapable_handle_scope), LIST(napi_close_handle_scope), LIST(napi_escape_handle),
    LIST(napi_create_error), LIST(napi_create_type_error), LIST(napi_create_range_error),
    LIST(node_api_create_syntax_error), LIST(napi_throw), LIST(napi_throw_error),
    LIST(napi_throw_type_error), LIST(napi_throw_range_error), LIST(node_api_throw_syntax_error),
    LIST(napi_is_error), LIST(napi_is_exception_pending), LIST(napi_get_and_clear_last_exception),
    LIST(napi_get_last_error_info), LIST(napi_fatal_exception), LIST(napi_is_arraybuffer),
    LIST(napi_create_arraybuffer), LIST(napi_create_external_arraybuffer),
    LIST(napi_get_arraybuffer_info), LIST(napi_detach_arraybuffer),
    LIST(napi_is_detached_arraybuffer), LIST(node_api_is_sharedarraybuffer),
    LIST(node_api_create_sharedarraybuffer), LIST(napi_is_typedarray), LIST(napi_create_typedarray),
    LIST(napi_get_typedarray_info), LIST(napi_create_dataview), LIST(napi_is_dataview),
    LIST(napi_get_dataview_info), LIST(napi_create_buffer), LIST(napi_create_buffer_copy),
    LIST(napi_create_external_buffer), LIST(node_api_create_buffer_from_arraybuffer),
    LIST(napi_is_buffer), LIST(napi_get_buffer_info), LIST(napi_create_promise),
    LIST(napi_resolve_deferred), LIST(napi_reject_deferred), LIST(napi_is_promise),
    LIST(napi_is_date), LIST(napi_run_script), LIST(napi_get_version), LIST(napi_set_instance_data),
    LIST(napi_get_instance_data), LIST(napi_add_env_cleanup_hook),
    LIST(node_api_create_object_with_properties),
};

static void step(napi_env env) {
  const Operation* operation = &CHOOSE(OPERATIONS);
  napi_env given = env;
  if (machine->misuse && rarely(32)) given = (napi_env)garbage();
  operation->run(given, operation->name);
  say("\n");
}

static void run_steps(napi_env env, unsigned steps) {
  for (unsigned i = 0; i < steps && machine->at != machine->end; i++) step(env);
  while (!machine->misuse && machine->scope_count > machine->scope_floor) close_innermost(env);
}

// What JavaScript calls: a few more steps of the same program, one level further in.
static napi_value callback(napi_env env, napi_callback_info info) {
  if (machine == NULL || machine->depth == DEPTH) return NULL;
  napi_callback_info outer_info = machine->info;
  int outer_floor = machine->scope_floor;
  machine->info = info;
  machine->scope_floor = machine->scope_count;
  machine->depth++;
  machine->level++;
  say("{");
  unsigned choice = byte();
  run_steps(env, choice % 8);
  napi_value result = choice < 64 ? NULL : good(ANY);
  say("}");
  machine->scope_count = machine->scope_floor;
  forget_above(--machine->level);
  machine->depth--;
  machine->scope_floor = outer_floor;
  machine->info = outer_info;
  return result;
}

static napi_value run(napi_env env, napi_callback_info info) {
  Arguments given = addon_arguments(env, info);
  static Machine the;
  uint8_t* bytes;
  size_t length;
  uint32_t count;
  if (machine != NULL) return NULL;
  memset(&the, 0, sizeof the);
  MUST(napi_get_buffer_info(env, given.at[0], (void**)&bytes, &length));
  MUST(napi_get_array_length(env, given.at[2], &count));
  MUST(napi_get_value_bool(env, given.at[3], &the.misuse));
  machine = &the;
  the.env = env;
  // A copy: the sequence may find its own program among the arguments, and detach it.
  if (length > sizeof the.program) length = sizeof the.program;
  memcpy(the.program, bytes, length);
  the.at = the.program;
  the.end = the.program + length;
  the.trace = getenv("FUZZ_TRACE") != NULL;
  the.show = given.at[1];
  the.show_names = given.at[4];
  the.info = info;
  for (int i = 0; i < REGISTERS; i++) {
    napi_value value_;
    MUST(napi_get_element(env, given.at[2], (uint32_t)i % count, &value_));
    put(i, value_);
  }
  run_steps(env, 1000);
  // The frame cleans up after the sequence, with an exception pending or not.
  bool pending = false;
  MUST(napi_is_exception_pending(env, &pending));
  if (pending) {
    napi_value thrown;
    MUST(napi_get_and_clear_last_exception(env, &thrown));
    say("left pending");
    show(thrown);
  }
  for (int i = 0; i < DEFERREDS; i++) {
    if (the.deferreds[i] != NULL) napi_resolve_deferred(env, the.deferreds[i], given.at[0]);
  }
  for (int i = 0; i < REFERENCES; i++) {
    if (the.references[i] != NULL) napi_delete_reference(env, the.references[i]);
  }
  for (int i = 0; i < the.kept_count; i++) {
    if (the.kept[i] != NULL) napi_delete_reference(env, the.kept[i]);
  }
  machine = NULL;
  napi_value result;
  MUST(napi_create_string_utf8(env, the.log, the.logged, &result));
  return result;
}

NAPI_MODULE_EXPORT int32_t node_api_module_get_api_version_v1(void) { return ADDON_VERSION; }

NAPI_MODULE_EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function;
  MUST(napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, NULL, &function));
  MUST(napi_set_named_property(env, exports, "run", function));
  return exports;
}

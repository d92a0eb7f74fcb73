// Which argument a function looks at first: every function with every combination of arguments that
// are right, wrong or NULL, as far as Node survives it, with and without an exception pending, and,
// with right ones, when JavaScript cannot run any more.
#include "addon.h"

// How an argument is chosen, a letter each.
//
//   v  a value: NULL, or each of those that the script gives
//   w  a value: NULL or undefined
//   p  a prototype: NULL, null or an object
//   o  where a result goes: NULL, or somewhere
//   O  where a result goes: somewhere
//   k  a text: NULL or "key"
//   n  a number: 0 or 1
//   m  a number: 0, 1 or 99
//   e  a number of an enumeration: 0, 1, 5 or 99
//   A  NAPI_AUTO_LENGTH
//   f  a function of C: NULL or one that does nothing
//   a  an array of handles: NULL, or one with undefined
//   P  an array of property descriptors: NULL, or one with a value
//   N  where a number goes in and out: NULL, or 1
//   d  memory that is ours
typedef struct {
  const char* name;
  const void* function;
  const char* arguments;
} Function;

#define FUNCTION(name, arguments) {#name, (const void*)name, arguments}

static const Function FUNCTIONS[] = {
    FUNCTION(napi_get_undefined, "o"),
    FUNCTION(napi_get_null, "o"),
    FUNCTION(napi_get_global, "o"),
    FUNCTION(napi_get_boolean, "no"),
    FUNCTION(napi_create_object, "o"),
    FUNCTION(napi_create_array, "o"),
    FUNCTION(napi_create_array_with_length, "no"),
    FUNCTION(napi_create_int32, "no"),
    FUNCTION(napi_create_uint32, "no"),
    FUNCTION(napi_create_int64, "no"),
    FUNCTION(napi_create_string_latin1, "kAo"),
    FUNCTION(napi_create_string_utf8, "kAo"),
    FUNCTION(napi_create_string_utf16, "kno"),
    FUNCTION(node_api_create_property_key_latin1, "kAo"),
    FUNCTION(node_api_create_property_key_utf8, "kAo"),
    FUNCTION(node_api_create_property_key_utf16, "kno"),
    FUNCTION(napi_create_symbol, "vo"),
    FUNCTION(node_api_symbol_for, "kAo"),
    FUNCTION(napi_create_function, "kAfdo"),
    FUNCTION(napi_create_error, "vvo"),
    FUNCTION(napi_create_type_error, "wvo"),
    FUNCTION(napi_create_range_error, "wvo"),
    FUNCTION(node_api_create_syntax_error, "wvo"),
    FUNCTION(napi_typeof, "vo"),
    FUNCTION(napi_get_value_double, "vo"),
    FUNCTION(napi_get_value_int32, "vo"),
    FUNCTION(napi_get_value_uint32, "vo"),
    FUNCTION(napi_get_value_int64, "vo"),
    FUNCTION(napi_get_value_bool, "vo"),
    FUNCTION(napi_get_value_string_latin1, "vomo"),
    FUNCTION(napi_get_value_string_utf8, "vomo"),
    FUNCTION(napi_get_value_string_utf16, "vomo"),
    FUNCTION(napi_coerce_to_bool, "vo"),
    FUNCTION(napi_coerce_to_number, "vo"),
    FUNCTION(napi_coerce_to_object, "vo"),
    FUNCTION(napi_coerce_to_string, "vo"),
    FUNCTION(napi_get_prototype, "vo"),
    FUNCTION(node_api_set_prototype, "vp"),
    FUNCTION(napi_get_property_names, "vo"),
    FUNCTION(napi_get_all_property_names, "vmnmo"),
    FUNCTION(napi_set_property, "vvw"),
    FUNCTION(napi_has_property, "vvo"),
    FUNCTION(napi_get_property, "vvo"),
    FUNCTION(napi_delete_property, "vvo"),
    FUNCTION(napi_has_own_property, "vvo"),
    FUNCTION(napi_set_named_property, "vkw"),
    FUNCTION(napi_has_named_property, "vko"),
    FUNCTION(napi_get_named_property, "vko"),
    FUNCTION(napi_set_element, "vnw"),
    FUNCTION(napi_has_element, "vno"),
    FUNCTION(napi_get_element, "vno"),
    FUNCTION(napi_delete_element, "vno"),
    FUNCTION(napi_define_properties, "vnP"),
    FUNCTION(napi_is_array, "vo"),
    FUNCTION(napi_get_array_length, "vo"),
    FUNCTION(napi_strict_equals, "wvo"),
    FUNCTION(napi_call_function, "wvnao"),
    FUNCTION(napi_new_instance, "vnao"),
    FUNCTION(napi_instanceof, "vvo"),
    FUNCTION(napi_define_class, "kAfdnPo"),
    FUNCTION(napi_wrap, "vdfdo"),
    FUNCTION(napi_unwrap, "vo"),
    FUNCTION(napi_remove_wrap, "vo"),
    FUNCTION(napi_create_external, "dfdo"),
    FUNCTION(napi_get_value_external, "vo"),
    FUNCTION(napi_create_reference, "vno"),
    FUNCTION(napi_throw, "v"),
    FUNCTION(napi_throw_error, "kk"),
    FUNCTION(napi_throw_type_error, "kk"),
    FUNCTION(napi_throw_range_error, "kk"),
    FUNCTION(node_api_throw_syntax_error, "kk"),
    FUNCTION(napi_is_error, "vo"),
    FUNCTION(napi_is_exception_pending, "o"),
    FUNCTION(napi_is_arraybuffer, "vo"),
    FUNCTION(napi_create_arraybuffer, "noo"),
    FUNCTION(napi_get_arraybuffer_info, "voo"),
    FUNCTION(napi_is_typedarray, "vo"),
    FUNCTION(napi_create_typedarray, "envmo"),
    FUNCTION(napi_get_typedarray_info, "vooooo"),
    FUNCTION(napi_create_dataview, "nvmo"),
    FUNCTION(napi_is_dataview, "vo"),
    FUNCTION(napi_get_dataview_info, "voooo"),
    FUNCTION(napi_is_promise, "vo"),
    FUNCTION(napi_create_promise, "oo"),
    FUNCTION(napi_run_script, "vo"),
    FUNCTION(napi_is_date, "vo"),
    FUNCTION(napi_get_date_value, "vo"),
    FUNCTION(napi_add_finalizer, "vdfdo"),
    FUNCTION(napi_create_bigint_int64, "no"),
    FUNCTION(napi_create_bigint_uint64, "no"),
    FUNCTION(napi_create_bigint_words, "nnoo"),
    FUNCTION(napi_get_value_bigint_int64, "voo"),
    FUNCTION(napi_get_value_bigint_uint64, "voo"),
    FUNCTION(napi_get_value_bigint_words, "voNo"),
    FUNCTION(napi_set_instance_data, "dfd"),
    FUNCTION(napi_get_instance_data, "o"),
    FUNCTION(napi_get_uv_event_loop, "o"),
    FUNCTION(napi_detach_arraybuffer, "v"),
    FUNCTION(napi_is_detached_arraybuffer, "vo"),
    FUNCTION(napi_type_tag_object, "vd"),
    FUNCTION(napi_check_object_type_tag, "vdO"),
    FUNCTION(napi_object_freeze, "v"),
    FUNCTION(napi_object_seal, "v"),
    FUNCTION(node_api_is_sharedarraybuffer, "vo"),
    FUNCTION(node_api_create_sharedarraybuffer, "noo"),
    FUNCTION(napi_create_buffer, "noo"),
    FUNCTION(napi_create_buffer_copy, "ndoo"),
    FUNCTION(node_api_create_buffer_from_arraybuffer, "vmmo"),
    FUNCTION(napi_is_buffer, "vo"),
    FUNCTION(napi_get_buffer_info, "voo"),
    FUNCTION(napi_get_version, "o"),
    FUNCTION(napi_get_node_version, "o"),
    FUNCTION(node_api_get_module_file_name, "o"),
};

enum { MOST = 7 };

static napi_value nothing(napi_env env, napi_callback_info info) { return NULL; }

// What a call of a function needs: fresh values, and room for what it writes.
typedef struct {
  napi_env env;
  napi_value values;
  uint32_t count;
  napi_value undefined;
  napi_property_descriptor property;
  uint64_t room[MOST][8];
} Call;

static uint32_t choices(const Call* call, char letter) {
  switch (letter) {
    case 'v': return call->count + 1;
    case 'p': case 'm': return 3;
    case 'e': return 4;
    case 'O': case 'A': case 'd': return 1;
    default: return 2;
  }
}

static uintptr_t argument(Call* call, char letter, uint32_t choice, int place) {
  static const uintptr_t NUMBERS[] = {0, 1, 99}, ENUMERATION[] = {0, 1, 5, 99};
  napi_value value;
  uint64_t* room = call->room[place];
  switch (letter) {
    case 'v':
      if (choice == 0) return 0;
      MUST(napi_get_element(call->env, call->values, choice - 1, &value));
      return (uintptr_t)value;
    case 'p':
      if (choice == 0) return 0;
      if (choice == 1) MUST(napi_get_null(call->env, &value));
      else MUST(napi_create_object(call->env, &value));
      return (uintptr_t)value;
    case 'w': return choice == 0 ? 0 : (uintptr_t)call->undefined;
    case 'n': case 'm': return NUMBERS[choice];
    case 'e': return ENUMERATION[choice];
    case 'A': return NAPI_AUTO_LENGTH;
    case 'O': case 'd': return (uintptr_t)room;
    default: break;
  }
  if (choice == 0) return 0;
  switch (letter) {
    case 'k': return (uintptr_t) "key\0\0\0";
    case 'f': return (uintptr_t)nothing;
    case 'P': return (uintptr_t)&call->property;
    case 'a': case 'N':
      room[0] = letter == 'a' ? (uint64_t)(uintptr_t)call->undefined : 1;
      return (uintptr_t)room;
    default: return (uintptr_t)room;
  }
}

// check(name, values, describe): lines of what each combination comes to. `values` is a function
// that makes values; `describe` puts a thrown one into a word.
static napi_value check(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  Text name;
  const Function* found = NULL;
  text(env, ARG(0), &name);
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    if (strcmp(FUNCTIONS[i].name, name.bytes) == 0) found = &FUNCTIONS[i];
  }
  if (found == NULL || found->function == NULL) return report_absent(env);
  napi_status (*function)(napi_env, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                          uintptr_t);
  memcpy(&function, &found->function, sizeof function);
  int arity = (int)strlen(found->arguments);
  uint32_t at[MOST] = {0};
  napi_value exception;
  CASES;
  MUST(napi_create_object(env, &exception));
  cases.exception = exception;
  for (;;) {
    napi_handle_scope scope;
    MUST(napi_open_handle_scope(env, &scope));
    Call call = {.env = env};
    MUST(napi_get_undefined(env, &call.undefined));
    call.property = (napi_property_descriptor){"p", NULL, NULL, NULL, NULL, call.undefined, napi_default, NULL};
    MUST(napi_call_function(env, call.undefined, ARG(1), 0, NULL, &call.values));
    MUST(napi_get_array_length(env, call.values, &call.count));
    uintptr_t given[MOST] = {0};
    char label[128] = "", outcome[128];
    for (int i = 0; i < arity; i++) {
      given[i] = argument(&call, found->arguments[i], at[i], i);
      snprintf(label + strlen(label), sizeof label - strlen(label), "%s%u", i ? " " : "", at[i]);
    }
    MUST(napi_throw(env, exception));
    napi_status while_pending = function(env, given[0], given[1], given[2], given[3], given[4],
                                         given[5], given[6]);
    napi_value thrown = NULL, word;
    bool same = false, pending = false;
    MUST(napi_get_and_clear_last_exception(env, &thrown));
    MUST(napi_strict_equals(env, thrown, exception, &same));
    // What it did meanwhile shall not matter.
    MUST(napi_call_function(env, call.undefined, ARG(1), 0, NULL, &call.values));
    for (int i = 0; i < arity; i++) given[i] = argument(&call, found->arguments[i], at[i], i);
    napi_status status = function(env, given[0], given[1], given[2], given[3], given[4], given[5],
                                  given[6]);
    const napi_extended_error_info* last = NULL;
    MUST(napi_get_last_error_info(env, &last));
    snprintf(outcome, sizeof outcome, "%d%s", status, last->error_code == status ? "" : "!");
    MUST(napi_is_exception_pending(env, &pending));
    if (pending) {
      Text told = {""};
      MUST(napi_get_and_clear_last_exception(env, &thrown));
      MUST(napi_call_function(env, call.undefined, ARG(2), 1, &thrown, &word));
      snprintf(outcome + strlen(outcome), sizeof outcome - strlen(outcome), "(%.60s)",
               text(env, word, &told));
    }
    snprintf(outcome + strlen(outcome), sizeof outcome - strlen(outcome), " pending %d%s",
             while_pending, same ? "" : "?");
    cases_add(&cases, label, outcome, "");
    MUST(napi_close_handle_scope(env, scope));
    int i = arity - 1;
    while (i >= 0 && ++at[i] == choices(&call, found->arguments[i])) at[i--] = 0;
    if (i < 0) break;
  }
  CASES_DONE;
}

// What every function says when JavaScript cannot run any more, its arguments being right.
static void at_the_end(void* data) {
  napi_env env = data;
  napi_handle_scope scope;
  MUST(napi_open_handle_scope(env, &scope));
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    const char* letters = FUNCTIONS[i].arguments;
    Call call = {.env = env};
    uintptr_t given[MOST] = {0};
    bool pending = false;
    napi_value list;
    napi_status (*function)(napi_env, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                            uintptr_t, uintptr_t);
    if (FUNCTIONS[i].function == NULL) continue;
    memcpy(&function, &FUNCTIONS[i].function, sizeof function);
    MUST(napi_get_undefined(env, &call.undefined));
    MUST(napi_create_array(env, &list));
    call.property = (napi_property_descriptor){"p", NULL, NULL, NULL, NULL, call.undefined, napi_default, NULL};
    for (int at = 0; letters[at] != 0; at++) {
      bool value = letters[at] == 'v' || letters[at] == 'p';
      given[at] = value ? (uintptr_t)list : argument(&call, letters[at], letters[at] != 'n', at);
    }
    napi_status status = function(env, given[0], given[1], given[2], given[3], given[4], given[5],
                                  given[6]);
    const napi_extended_error_info* last = NULL;
    MUST(napi_get_last_error_info(env, &last));
    bool recorded = last->error_code == status;
    MUST(napi_is_exception_pending(env, &pending));
    printf("%s: %s%s%s\n", FUNCTIONS[i].name, addon_status(status), recorded ? "" : " unrecorded",
           pending ? " pending" : "");
  }
  fflush(stdout);
  MUST(napi_close_handle_scope(env, scope));
}

// names(): the functions that `check` knows.
static napi_value names(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value list, value;
  MUST(napi_create_array(env, &list));
  for (uint32_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    MUST(napi_create_string_utf8(env, FUNCTIONS[i].name, NAPI_AUTO_LENGTH, &value));
    MUST(napi_set_element(env, list, i, value));
  }
  return list;
}

static napi_value external(napi_env env, napi_callback_info info) {
  napi_value result;
  MUST(napi_create_external(env, NULL, NULL, NULL, &result));
  return result;
}

EXPORTS_AND(MUST(napi_add_env_cleanup_hook(env, at_the_end, env)), {"check", check}, {"names", names}, {"external", external})

// Errors: making, throwing, the pending exception, and the record of the last failure.
#include "addon.h"

// function(code or nothing, message): for "no code", the script passes null.
#define CREATE_CODE(function)                                                        \
  WRAP(function) {                                                                   \
    ARGUMENTS;                                                                       \
    napi_value result = NULL;                                                        \
    napi_value code = addon_type(env, ARG(0)) == napi_null ? NULL : ARG(0);          \
    CALL(function(env, code, ARG(1), &result));                                      \
    VALUE("result", result);                                                         \
    DONE;                                                                            \
  }

CREATE_CODE(napi_create_error)
CREATE_CODE(napi_create_type_error)
CREATE_CODE(napi_create_range_error)
CREATE_CODE(node_api_create_syntax_error)

// function(code or null, message)
#define THROW(function)                                                              \
  WRAP(function) {                                                                   \
    ARGUMENTS;                                                                       \
    Text code, message;                                                              \
    CALL(function(env, text(env, ARG(0), &code), text(env, ARG(1), &message)));      \
    DONE;                                                                            \
  }

THROW(napi_throw_error)
THROW(napi_throw_type_error)
THROW(napi_throw_range_error)
THROW(node_api_throw_syntax_error)

WRAP(napi_throw) {
  ARGUMENTS;
  CALL(napi_throw(env, ARG(0)));
  DONE;
}

// Throws for real: the exception leaves the addon.
static napi_value throwOut(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  MUST(napi_throw(env, ARG(0)));
  return NULL;
}

WRAP(napi_is_error) {
  ARGUMENTS;
  bool result = false;
  CALL(napi_is_error(env, ARG(0), &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_is_exception_pending) {
  ARGUMENTS;
  bool result = true;
  CALL(napi_is_exception_pending(env, &result));
  BOOL("result", result);
  DONE;
}

WRAP(napi_get_and_clear_last_exception) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_get_and_clear_last_exception(env, &result));
  VALUE("result", result);
  DONE;
}

// An exception thrown by a callback is pending here, and can be taken.
static napi_value catchFrom(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value undefined, result, exception = NULL;
  bool before = false, after = true;
  MUST(napi_get_undefined(env, &undefined));
  napi_status status = napi_call_function(env, undefined, ARG(0), 0, NULL, &result);
  MUST(napi_is_exception_pending(env, &before));
  MUST(napi_get_and_clear_last_exception(env, &exception));
  MUST(napi_is_exception_pending(env, &after));
  CALL(napi_ok);
  TEXT("call", addon_status(status));
  BOOL("before", before);
  BOOL("after", after);
  VALUE("exception", exception);
  DONE;
}

// Two throws: the first one stays.
static napi_value throwTwice(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  MUST(napi_throw(env, ARG(0)));
  CALL(napi_throw(env, ARG(1)));
  DONE;
}

static void hook(void* data) {}

// The record, after the calls that are listed: code, message, engine's code, reserved pointer.
WRAP(napi_get_last_error_info) {
  ARGUMENTS;
  CASES;
  const napi_extended_error_info* last;
  char line[128];
  double number;
  napi_value value, undefined;
  MUST(napi_get_undefined(env, &undefined));
#define RECORD(call)                                                                    \
  (void)(call);                                                                         \
  MUST(napi_get_last_error_info(env, &last));                                           \
  snprintf(line, sizeof line, " message=%s engine=%u reserved=%s",                      \
           last->error_message == NULL ? "NULL" : last->error_message,                  \
           last->engine_error_code, last->engine_reserved == NULL ? "NULL" : "set");    \
  cases_add(&cases, #call, addon_status(last->error_code), line)
  RECORD(napi_get_value_double(env, undefined, &number));
  RECORD(napi_get_last_error_info(env, &last));
  RECORD(napi_get_boolean(env, true, &value));
  RECORD(napi_get_boolean(env, true, NULL));
  RECORD(napi_get_boolean(NULL, true, &value));
  RECORD(napi_get_array_length(env, undefined, NULL));
  RECORD(napi_get_date_value(env, undefined, &number));
  RECORD(napi_detach_arraybuffer(env, undefined));
  // What leaves the record as it is: all that returns a status bare, and the question itself.
#define KEPT(call) RECORD((napi_get_value_double(env, undefined, &number), call))
  KEPT(napi_get_last_error_info(env, &last));
  KEPT(napi_close_handle_scope(env, (napi_handle_scope)&number));
  KEPT(napi_close_escapable_handle_scope(env, (napi_escapable_handle_scope)&number));
  KEPT(napi_close_callback_scope(env, (napi_callback_scope)&number));
  KEPT(napi_remove_async_cleanup_hook(NULL));
  KEPT(napi_add_env_cleanup_hook(env, hook, &number));
  KEPT(napi_remove_env_cleanup_hook(env, hook, &number));
  KEPT(napi_add_env_cleanup_hook(env, NULL, &number));
  KEPT(node_api_create_buffer_from_arraybuffer(env, undefined, 0, 0, &value));
  KEPT(napi_get_undefined(NULL, &value));
  KEPT(napi_get_undefined(env, &value));
#undef KEPT
#undef RECORD
  CASES_DONE;
}

// Returns right after a failure, and says what a callback finds in the record.
static napi_value leaveRecord(napi_env env, napi_callback_info info) {
  napi_value undefined;
  double number;
  MUST(napi_get_undefined(env, &undefined));
  (void)napi_get_value_double(env, undefined, &number);
  return NULL;
}

static napi_value findRecord(napi_env env, napi_callback_info info) {
  const napi_extended_error_info* last = NULL;
  MUST(napi_get_last_error_info(env, &last));
  napi_status found = last->error_code;
  const char* message = last->error_message;
  CALL(napi_ok);
  TEXT("found", addon_status(found));
  TEXT("said", message == NULL ? "NULL" : message);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, word;
  bool truth;
  MUST(napi_create_string_utf8(env, "word", 4, &word));
  NULLS(napi_create_error(NULL, NULL, word, &result));
  NULLS(napi_create_error(env, NULL, NULL, &result));
  NULLS(napi_create_error(env, NULL, word, NULL));
  NULLS(napi_create_type_error(env, NULL, NULL, &result));
  NULLS(napi_create_range_error(env, NULL, NULL, &result));
  NULLS(node_api_create_syntax_error(env, NULL, NULL, &result));
  NULLS(napi_throw(NULL, word));
  NULLS(napi_throw(env, NULL));
  NULLS(napi_throw_error(NULL, NULL, "message"));
  NULLS(napi_throw_error(env, NULL, NULL));
  NULLS(napi_throw_type_error(env, NULL, NULL));
  NULLS(napi_throw_range_error(env, NULL, NULL));
  NULLS(node_api_throw_syntax_error(env, NULL, NULL));
  NULLS(napi_is_error(env, NULL, &truth));
  NULLS(napi_is_error(env, word, NULL));
  NULLS(napi_is_exception_pending(NULL, &truth));
  NULLS(napi_is_exception_pending(env, NULL));
  NULLS(napi_get_and_clear_last_exception(NULL, &result));
  NULLS(napi_get_and_clear_last_exception(env, NULL));
  NULLS(napi_get_last_error_info(NULL, NULL));
  NULLS(napi_get_last_error_info(env, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, word;
  bool truth;
  const napi_extended_error_info* last;
  MUST(napi_create_string_utf8(env, "word", 4, &word));
  PENDING(napi_create_error(env, NULL, word, &result));
  PENDING(napi_create_type_error(env, NULL, word, &result));
  PENDING(napi_create_range_error(env, NULL, word, &result));
  PENDING(node_api_create_syntax_error(env, NULL, word, &result));
  PENDING(napi_throw(env, word));
  PENDING(napi_throw_error(env, NULL, "another"));
  PENDING(napi_throw_type_error(env, NULL, "another"));
  PENDING(napi_throw_range_error(env, NULL, "another"));
  PENDING(node_api_throw_syntax_error(env, NULL, "another"));
  PENDING(napi_is_error(env, word, &truth));
  PENDING(napi_is_exception_pending(env, &truth));
  PENDING(napi_get_last_error_info(env, &last));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_error), WRAPPED(napi_create_type_error),
        WRAPPED(napi_create_range_error), WRAPPED(node_api_create_syntax_error),
        WRAPPED(napi_throw), WRAPPED(napi_throw_error), WRAPPED(napi_throw_type_error),
        WRAPPED(napi_throw_range_error), WRAPPED(node_api_throw_syntax_error),
        WRAPPED(napi_is_error), WRAPPED(napi_is_exception_pending),
        WRAPPED(napi_get_and_clear_last_exception), WRAPPED(napi_get_last_error_info),
        {"throwOut", throwOut}, {"catchFrom", catchFrom}, {"throwTwice", throwTwice},
        {"leaveRecord", leaveRecord}, {"findRecord", findRecord},
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

// The frame of the concept addons: each export calls one Node-API function and reports what came of
// it, so that a script can see statuses, error records, exceptions and out values.
//
//   WRAP(napi_has_element) {
//     ARGUMENTS;                       // ARG(0) ...; an argument that was not given is NULL
//     bool result = false;
//     CALL(napi_has_element(env, ARG(0), integer(env, ARG(1)), &result));
//     BOOL("result", result);          // only where the call succeeded
//     DONE;
//   }
//
// The report is an object: `status`, then `last` and `message` where the error record disagrees
// with the status, `thrown` where an exception was left pending (it is cleared), then the values.
#ifndef ADDON_H
#define ADDON_H

// All functions are declared. What the runtime grants depends on the exported number alone.
#define NAPI_VERSION 10
#include <node_api.h>

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ADDON_VERSION
#define ADDON_VERSION 9
#endif

// The experimental functions, which the headers leave out.
napi_status node_api_create_object_with_properties(napi_env env, napi_value prototype,
                                                   napi_value* names, napi_value* values,
                                                   size_t count, napi_value* result);
napi_status node_api_set_prototype(napi_env env, napi_value object, napi_value value);
napi_status node_api_post_finalizer(napi_env env, napi_finalize finalizer, void* data, void* hint);
napi_status node_api_is_sharedarraybuffer(napi_env env, napi_value value, bool* result);
napi_status node_api_create_sharedarraybuffer(napi_env env, size_t length, void** data,
                                              napi_value* result);
napi_status node_api_create_external_sharedarraybuffer(napi_env env, void* data, size_t length,
                                                       void (*finalizer)(void* data, void* hint),
                                                       void* hint, napi_value* result);

// Absent from older runtimes; NULL there, and reported as such.
#pragma weak node_api_create_external_string_latin1
#pragma weak node_api_create_external_string_utf16
#pragma weak node_api_create_property_key_latin1
#pragma weak node_api_create_property_key_utf8
#pragma weak node_api_create_property_key_utf16
#pragma weak node_api_create_buffer_from_arraybuffer
#pragma weak node_api_create_object_with_properties
#pragma weak node_api_set_prototype
#pragma weak node_api_post_finalizer
#pragma weak node_api_is_sharedarraybuffer
#pragma weak node_api_create_sharedarraybuffer
#pragma weak node_api_create_external_sharedarraybuffer

static const char* const ADDON_STATUS[] = {
    "napi_ok",
    "napi_invalid_arg",
    "napi_object_expected",
    "napi_string_expected",
    "napi_name_expected",
    "napi_function_expected",
    "napi_number_expected",
    "napi_boolean_expected",
    "napi_array_expected",
    "napi_generic_failure",
    "napi_pending_exception",
    "napi_cancelled",
    "napi_escape_called_twice",
    "napi_handle_scope_mismatch",
    "napi_callback_scope_mismatch",
    "napi_queue_full",
    "napi_closing",
    "napi_bigint_expected",
    "napi_date_expected",
    "napi_arraybuffer_expected",
    "napi_detachable_arraybuffer_expected",
    "napi_would_deadlock",
    "napi_no_external_buffers_allowed",
    "napi_cannot_run_js",
};

static const char* const ADDON_MESSAGE[] = {
    NULL,
    "Invalid argument",
    "An object was expected",
    "A string was expected",
    "A string or symbol was expected",
    "A function was expected",
    "A number was expected",
    "A boolean was expected",
    "An array was expected",
    "Unknown failure",
    "An exception is pending",
    "The async work item was cancelled",
    "napi_escape_handle already called on scope",
    "Invalid handle scope usage",
    "Invalid callback scope usage",
    "Thread-safe function queue is full",
    "Thread-safe function handle is closing",
    "A bigint was expected",
    "A date was expected",
    "An arraybuffer was expected",
    "A detachable arraybuffer was expected",
    "Main thread would deadlock",
    "External buffers are not allowed",
    "Cannot run JavaScript",
};

static inline const char* addon_status(napi_status status) {
  size_t known = sizeof ADDON_STATUS / sizeof ADDON_STATUS[0];
  return (size_t)status < known ? ADDON_STATUS[status] : "unknown status";
}

// Whether an error record has the message of its status. What follows it is the runtime's own.
static inline bool addon_is_message(const char* message, napi_status status) {
  const char* expected = ADDON_MESSAGE[status];
  if (message == NULL || expected == NULL) return message == expected;
  return strncmp(message, expected, strlen(expected)) == 0;
}

// The frame itself must not fail: where it does, the test run ends with a word about it.
static inline void addon_must(napi_status status, const char* what) {
  if (status == napi_ok) return;
  fprintf(stderr, "the frame of the addon failed: %s: %s\n", what, addon_status(status));
  abort();
}
#define MUST(call) addon_must((call), #call)

// Arguments.

typedef struct {
  size_t count;
  napi_value at[12];
  napi_value self;
  void* data;
} Arguments;

static inline Arguments addon_arguments(napi_env env, napi_callback_info info) {
  Arguments a;
  a.count = sizeof a.at / sizeof a.at[0];
  MUST(napi_get_cb_info(env, info, &a.count, a.at, &a.self, &a.data));
  for (size_t i = a.count; i < sizeof a.at / sizeof a.at[0]; i++) a.at[i] = NULL;
  return a;
}

static inline napi_valuetype addon_type(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  if (value != NULL) MUST(napi_typeof(env, value, &type));
  return type;
}

// Reads a number, or a bigint; anything else is 0.
static inline int64_t integer(napi_env env, napi_value value) {
  int64_t result = 0;
  bool lossless;
  if (addon_type(env, value) == napi_number) MUST(napi_get_value_int64(env, value, &result));
  if (addon_type(env, value) == napi_bigint) {
    MUST(napi_get_value_bigint_int64(env, value, &result, &lossless));
  }
  return result;
}

static inline double real(napi_env env, napi_value value) {
  double result = 0;
  if (addon_type(env, value) == napi_number) MUST(napi_get_value_double(env, value, &result));
  return result;
}

// Reads a length: a number is that length, anything else is NAPI_AUTO_LENGTH.
static inline size_t length_or_auto(napi_env env, napi_value value) {
  return addon_type(env, value) == napi_number ? (size_t)integer(env, value) : NAPI_AUTO_LENGTH;
}

// Reads a string into `text`; anything else is NULL.
typedef struct {
  char bytes[512];
} Text;

static inline const char* text(napi_env env, napi_value value, Text* into) {
  if (addon_type(env, value) != napi_string) return NULL;
  size_t length;
  MUST(napi_get_value_string_utf8(env, value, into->bytes, sizeof into->bytes, &length));
  return into->bytes;
}

// Reports.

typedef struct {
  napi_env env;
  napi_status status;
  napi_value object;
} Report;

// Calls a function once, later, as a threadsafe function that has nothing of its own to call it, from
// this very thread.
static inline void call_by_default(napi_env env, napi_value callback) {
  napi_value name;
  napi_threadsafe_function function;
  MUST(napi_create_string_utf8(env, "event", NAPI_AUTO_LENGTH, &name));
  MUST(napi_create_threadsafe_function(env, callback, NULL, name, 0, 1, NULL, NULL, NULL, NULL,
                                       &function));
  MUST(napi_call_threadsafe_function(function, NULL, napi_tsfn_blocking));
  MUST(napi_release_threadsafe_function(function, napi_tsfn_release));
}

static inline void report_value(Report* report, const char* name, napi_value value) {
  // A NULL handle can't be shown; after a success it is worth a word.
  if (value == NULL) {
    if (report->status != napi_ok) return;
    MUST(napi_create_string_utf8(report->env, "NULL handle", NAPI_AUTO_LENGTH, &value));
  }
  MUST(napi_set_named_property(report->env, report->object, name, value));
}

static inline void report_text(Report* report, const char* name, const char* string) {
  napi_value value;
  MUST(napi_create_string_utf8(report->env, string, NAPI_AUTO_LENGTH, &value));
  report_value(report, name, value);
}

static inline void report_number(Report* report, const char* name, double number) {
  napi_value value;
  MUST(napi_create_double(report->env, number, &value));
  report_value(report, name, value);
}

static inline void report_bool(Report* report, const char* name, bool truth) {
  napi_value value;
  MUST(napi_get_boolean(report->env, truth, &value));
  report_value(report, name, value);
}

static inline Report report_begin(napi_env env, napi_status status) {
  Report report = {env, status, NULL};
  const napi_extended_error_info* last = NULL;
  MUST(napi_get_last_error_info(env, &last));
  napi_status code = last->error_code;
  const char* message = last->error_message;
  bool pending = false;
  napi_value thrown = NULL;
  MUST(napi_is_exception_pending(env, &pending));
  if (pending) MUST(napi_get_and_clear_last_exception(env, &thrown));
  MUST(napi_create_object(env, &report.object));
  report_text(&report, "status", addon_status(status));
  if (code != status) {
    report_text(&report, "last", addon_status(code));
  } else if (!addon_is_message(message, status)) {
    report_text(&report, "message", message == NULL ? "NULL" : message);
  }
  if (pending) report_value(&report, "thrown", thrown);
  return report;
}

static inline napi_value report_absent(napi_env env) {
  napi_value object, word;
  MUST(napi_create_object(env, &object));
  MUST(napi_create_string_utf8(env, "absent", NAPI_AUTO_LENGTH, &word));
  MUST(napi_set_named_property(env, object, "status", word));
  return object;
}

#define WRAP(name) static napi_value call_##name(napi_env env, napi_callback_info info)
#define ARGUMENTS                                \
  Arguments arguments = addon_arguments(env, info); \
  (void)arguments
#define ARG(i) (arguments.at[i])
#define GIVEN (arguments.count)
#define CALL(call) Report report = report_begin(env, (call))
#define OK (report.status == napi_ok)
#define VALUE(name, value) report_value(&report, name, value)
#define BOOL(name, truth) (void)(OK ? report_bool(&report, name, truth) : (void)0)
#define NUMBER(name, number) (void)(OK ? report_number(&report, name, (double)(number)) : (void)0)
#define TEXT(name, string) (void)(OK ? report_text(&report, name, string) : (void)0)
// Shown after failures too: an out value that a failed call may not touch.
#define NUMBER_ALWAYS(name, number) report_number(&report, name, (double)(number))
#define DONE return report.object
#define REQUIRES(function) \
  if (function == NULL) return report_absent(env)

// Lists of calls that need no script: what happens on NULL, and while an exception is pending.

typedef struct {
  napi_env env;
  napi_value list;
  uint32_t count;
  napi_value exception;
} Cases;

static inline Cases cases_begin(napi_env env, napi_value exception) {
  Cases cases = {env, NULL, 0, exception};
  MUST(napi_create_array(env, &cases.list));
  return cases;
}

static inline void cases_add(Cases* cases, const char* call, const char* what, const char* more) {
  char line[512];
  napi_value value;
  snprintf(line, sizeof line, "%s: %s%s", call, what, more);
  MUST(napi_create_string_utf8(cases->env, line, NAPI_AUTO_LENGTH, &value));
  MUST(napi_set_element(cases->env, cases->list, cases->count++, value));
}

static inline void cases_null(Cases* cases, const char* call, napi_status status) {
  char more[96] = "";
  const napi_extended_error_info* last = NULL;
  bool pending = false;
  napi_value thrown;
  MUST(napi_get_last_error_info(cases->env, &last));
  if (last->error_code != status) {
    snprintf(more, sizeof more, " last=%s", addon_status(last->error_code));
  }
  MUST(napi_is_exception_pending(cases->env, &pending));
  if (pending) {
    MUST(napi_get_and_clear_last_exception(cases->env, &thrown));
    strcat(more, " thrown");
  }
  cases_add(cases, call, addon_status(status), more);
}

static inline napi_status cases_throw(Cases* cases) {
  MUST(napi_throw(cases->env, cases->exception));
  return napi_ok;
}

static inline void cases_pending(Cases* cases, const char* call, napi_status status) {
  bool pending = false, same = false;
  napi_value thrown;
  const char* more = " exception lost";
  MUST(napi_is_exception_pending(cases->env, &pending));
  if (pending) {
    MUST(napi_get_and_clear_last_exception(cases->env, &thrown));
    MUST(napi_strict_equals(cases->env, thrown, cases->exception, &same));
    more = same ? "" : " exception replaced";
  }
  cases_add(cases, call, addon_status(status), more);
}

// One line: the call as written, its status.
#define NULLS(call) cases_null(&cases, #call, (call))
// The same with an exception thrown before the call.
#define PENDING(call) \
  (cases_throw(&cases), cases_pending(&cases, #call, (call)))
#define CASES Cases cases = cases_begin(env, arguments.at[0])
#define CASES_DONE return cases.list

// Exports.

typedef struct {
  const char* name;
  napi_callback callback;
} Export;

#define WRAPPED(name) {#name, call_##name}

static inline void addon_export(napi_env env, napi_value exports, const Export* table, size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_value function;
    MUST(napi_create_function(env, table[i].name, NAPI_AUTO_LENGTH, table[i].callback, NULL,
                              &function));
    MUST(napi_set_named_property(env, exports, table[i].name, function));
  }
}

#define ADDON_EXPORTED __attribute__((visibility("default")))

#define EXPORTS_AND(prepare, ...)                                                            \
  static const Export EXPORTED[] = {__VA_ARGS__};                                            \
  ADDON_EXPORTED int32_t node_api_module_get_api_version_v1(void) { return ADDON_VERSION; }  \
  ADDON_EXPORTED napi_value napi_register_module_v1(napi_env env, napi_value exports) {      \
    addon_export(env, exports, EXPORTED, sizeof EXPORTED / sizeof EXPORTED[0]);              \
    prepare;                                                                                 \
    return exports;                                                                          \
  }
#define EXPORTS(...) EXPORTS_AND((void)0, __VA_ARGS__)

#endif

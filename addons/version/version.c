// What depends on the version that a module declares, and on nothing else.
//
// Built for several versions by NAPI_VERSION, as the headers mean it: NAPI_MODULE_INIT declares the
// version that the file was compiled for. ADDON_NO_VERSION declares none; ADDON_LEGACY registers the
// module from a constructor, which has no say in the version.
#ifdef NAPI_EXPERIMENTAL
#define NODE_API_EXPERIMENTAL_NOGC_ENV_OPT_OUT
#endif
#include "plain.h"

#include <stdint.h>
#include <stdio.h>

static const char* word(napi_status status) {
  static const char* const words[] = {
      "ok", "invalid_arg", "object_expected", "string_expected", "name_expected",
      "function_expected", "number_expected", "boolean_expected", "array_expected",
      "generic_failure", "pending_exception",
  };
  if (status == napi_cannot_run_js) return "cannot_run_js";
  return (size_t)status < sizeof words / sizeof words[0] ? words[status] : "another";
}

static void append(char* to, size_t size, const char* what) {
  strncat(to, what, size - strlen(to) - 1);
}

static napi_value text(napi_env env, const char* what) {
  napi_value result;
  TRY(env, napi_create_string_utf8(env, what, NAPI_AUTO_LENGTH, &result));
  return result;
}

// The value that a reference has, in a word.
static const char* referred(napi_env env, napi_ref reference) {
  napi_value value = NULL;
  napi_status status = napi_get_reference_value(env, reference, &value);
  if (status != napi_ok) return word(status);
  return value == NULL ? "nothing" : "a value";
}

// reference(value, count): makes it, counts down to nothing and up again; what each step answered.
static napi_value reference(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  uint32_t count = 0;
  napi_ref made = NULL;
  char line[256];
  TRY(env, napi_get_value_uint32(env, args[1], &count));
  napi_status status = napi_create_reference(env, args[0], count, &made);
  snprintf(line, sizeof line, "%s", word(status));
  if (status != napi_ok) return text(env, line);
  append(line, sizeof line, ", ");
  append(line, sizeof line, referred(env, made));
  for (uint32_t i = 0; i < count; i++) napi_reference_unref(env, made, NULL);
  append(line, sizeof line, ", at zero ");
  append(line, sizeof line, referred(env, made));
  append(line, sizeof line, ", below ");
  append(line, sizeof line, word(napi_reference_unref(env, made, NULL)));
  uint32_t up = 77;
  append(line, sizeof line, ", up ");
  append(line, sizeof line, word(napi_reference_ref(env, made, &up)));
  append(line, sizeof line, up == 0 ? " 0 " : up == 1 ? " 1 " : " ? ");
  append(line, sizeof line, referred(env, made));
  append(line, sizeof line, ", delete ");
  append(line, sizeof line, word(napi_delete_reference(env, made)));
  return text(env, line);
}

static napi_value getVersion(napi_env env, napi_callback_info info) {
  uint32_t version = 0;
  TRY(env, napi_get_version(env, &version));
  return plain_number(env, version);
}

// Exceptions that no JavaScript waits for.

static void throwing_finalizer(napi_env env, void* data, void* hint) {
  napi_throw_error(env, "E_FINALIZER", data);
}

static napi_value throwInFinalizer(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  TRY(env, napi_add_finalizer(env, args[0], "in a finalizer", throwing_finalizer, NULL, NULL));
  return NULL;
}

static napi_value throwInBufferFinalizer(napi_env env, napi_callback_info info) {
  static char memory[8] = "buffer";
  napi_value buffer;
  TRY(env, napi_create_external_arraybuffer(env, memory, sizeof memory, throwing_finalizer, NULL,
                                            &buffer));
  return NULL;
}

static napi_async_work work;

static void execute(napi_env env, void* data) {}

static void throwing_complete(napi_env env, napi_status status, void* data) {
  napi_delete_async_work(env, work);
  napi_throw_error(env, "E_WORK", "in the completion of work");
}

static napi_value throwInWork(napi_env env, napi_callback_info info) {
  TRY(env, napi_create_async_work(env, NULL, text(env, "work"), execute, throwing_complete, NULL,
                                  &work));
  TRY(env, napi_queue_async_work(env, work));
  return NULL;
}

static int finalized;

static void throwing_end(napi_env env, void* data, void* hint) {
  finalized += 1;
  if (data != NULL) napi_throw_error(env, "E_END", "in the finalizer of a threadsafe function");
}

static void throwing_call(napi_env env, napi_value callback, void* context, void* data) {
  if (env != NULL) napi_throw_error(env, "E_CALL", "in a call of a threadsafe function");
}

static napi_value send(napi_env env, napi_value function, napi_threadsafe_function_call_js call,
                       void* data) {
  napi_threadsafe_function made;
  TRY(env, napi_create_threadsafe_function(env, function, NULL, text(env, "calls"), 0, 1, data,
                                           throwing_end, NULL, call, &made));
  TRY(env, napi_call_threadsafe_function(made, NULL, napi_tsfn_nonblocking));
  TRY(env, napi_release_threadsafe_function(made, napi_tsfn_release));
  return NULL;
}

static napi_value throwInCall(napi_env env, napi_callback_info info) {
  return send(env, NULL, throwing_call, NULL);
}

// throwInDefaultCall(function): what calls it is the runtime itself.
static napi_value throwInDefaultCall(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  return send(env, args[0], NULL, NULL);
}

// throwInEnd(function): the finalizer of a threadsafe function throws.
static napi_value throwInEnd(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  return send(env, args[0], NULL, &finalized);
}

static napi_value finalizedCount(napi_env env, napi_callback_info info) {
  return plain_number(env, finalized);
}

// What is refused while the environment ends. It is written to standard output, for nobody is left
// to be told.

static napi_ref kept;

static void try_all(napi_env env, const char* where) {
  napi_handle_scope scope;
  napi_value object = NULL, value = NULL, function = NULL;
  bool truth = false;
  napi_extended_error_info const* last = NULL;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  printf("%s: create_object %s", where, word(napi_create_object(env, &object)));
  printf(", create_string_utf8 %s", word(napi_create_string_utf8(env, "x", 1, &value)));
  printf(", set_property %s", word(napi_set_property(env, object, value, value)));
  napi_get_last_error_info(env, &last);
  printf(" (%s)", last->error_message == NULL ? "no message" : last->error_message);
  printf(", strict_equals %s", word(napi_strict_equals(env, object, object, &truth)));
  printf(", throw %s", word(napi_throw_error(env, NULL, "x")));
  printf(", pending %s", word(napi_is_exception_pending(env, &truth)));
  printf(truth ? " yes" : " no");
  printf(", reference %s", word(napi_get_reference_value(env, kept, &function)));
  printf(", call %s", word(napi_call_function(env, object, function, 0, NULL, NULL)));
  printf(", wrap %s", word(napi_wrap(env, object, NULL, NULL, NULL, NULL)));
  printf(", script %s\n", word(napi_run_script(env, value, &object)));
  fflush(stdout);
  napi_close_handle_scope(env, scope);
}

static void hook(void* env) { try_all(env, "hook"); }

static void last_finalizer(napi_env env, void* data, void* hint) { try_all(env, data); }

// tryAtTheEnd(function)
static napi_value tryAtTheEnd(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  TRY(env, napi_create_reference(env, args[0], 1, &kept));
  TRY(env, napi_set_instance_data(env, "instance", last_finalizer, NULL));
  TRY(env, napi_add_finalizer(env, args[0], "finalizer", last_finalizer, NULL, NULL));
  TRY(env, napi_add_env_cleanup_hook(env, hook, env));
  return NULL;
}

static napi_value init(napi_env env, napi_value exports) {
  plain_export(env, exports, "reference", reference);
  plain_export(env, exports, "getVersion", getVersion);
  plain_export(env, exports, "throwInFinalizer", throwInFinalizer);
  plain_export(env, exports, "throwInBufferFinalizer", throwInBufferFinalizer);
  plain_export(env, exports, "throwInWork", throwInWork);
  plain_export(env, exports, "throwInCall", throwInCall);
  plain_export(env, exports, "throwInDefaultCall", throwInDefaultCall);
  plain_export(env, exports, "throwInEnd", throwInEnd);
  plain_export(env, exports, "finalizedCount", finalizedCount);
  plain_export(env, exports, "tryAtTheEnd", tryAtTheEnd);
  return exports;
}

#if defined(ADDON_LEGACY)

static napi_module module = {1, 0, __FILE__, init, "version_legacy", NULL, {0}};

__attribute__((constructor)) static void register_module(void) { napi_module_register(&module); }

#elif defined(ADDON_NO_VERSION)

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                          napi_value exports) {
  return init(env, exports);
}

#else

NAPI_MODULE_INIT() { return init(env, exports); }

#endif

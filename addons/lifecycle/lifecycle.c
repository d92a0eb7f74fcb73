// Instance data and cleanup hooks. What runs at the end writes a line to standard output.
#include "addon.h"

#include <unistd.h>

static void say(const char* what, intptr_t number) {
  char line[128];
  int length = snprintf(line, sizeof line, "%s %d\n", what, (int)number);
  if (write(STDOUT_FILENO, line, (size_t)length) != length) abort();
}

static void instance_data_gone(napi_env env, void* data, void* hint) {
  void* now = (void*)77;
  say("instance data", (intptr_t)data);
  say("asked for", napi_get_instance_data(env, &now));
  say("it is", (intptr_t)now);
}

static void wrap_gone(napi_env env, void* data, void* hint) { say("wrap", (intptr_t)data); }

static void buffer_gone(napi_env env, void* data, void* hint) { say("external buffer", 0); }

static void reference_gone(napi_env env, void* data, void* hint) {
  say("finalizer", (intptr_t)data);
}

WRAP(napi_set_instance_data) {
  ARGUMENTS;
  CALL(napi_set_instance_data(env, (void*)(intptr_t)integer(env, ARG(0)), instance_data_gone,
                              NULL));
  DONE;
}

WRAP(napi_get_instance_data) {
  ARGUMENTS;
  void* data = (void*)77;
  CALL(napi_get_instance_data(env, &data));
  NUMBER("data", (intptr_t)data);
  DONE;
}

static void hook(void* number) { say("hook", (intptr_t)number); }

WRAP(napi_add_env_cleanup_hook) {
  ARGUMENTS;
  CALL(napi_add_env_cleanup_hook(env, hook, (void*)(intptr_t)integer(env, ARG(0))));
  DONE;
}

WRAP(napi_remove_env_cleanup_hook) {
  ARGUMENTS;
  CALL(napi_remove_env_cleanup_hook(env, hook, (void*)(intptr_t)integer(env, ARG(0))));
  DONE;
}

// Async hooks are kept by number; each one is done at once.

static napi_async_cleanup_hook_handle async_hooks[8];

static void async_hook(napi_async_cleanup_hook_handle handle, void* number) {
  say("async hook", (intptr_t)number);
  napi_remove_async_cleanup_hook(handle);
}

WRAP(napi_add_async_cleanup_hook) {
  ARGUMENTS;
  int64_t number = integer(env, ARG(0)) & 7;
  CALL(napi_add_async_cleanup_hook(env, async_hook, (void*)(intptr_t)number,
                                   &async_hooks[number]));
  BOOL("given", async_hooks[number] != NULL);
  DONE;
}

WRAP(napi_remove_async_cleanup_hook) {
  ARGUMENTS;
  int64_t number = integer(env, ARG(0)) & 7;
  CALL(napi_remove_async_cleanup_hook(async_hooks[number]));
  async_hooks[number] = NULL;
  DONE;
}

static void threadsafe_gone(napi_env env, void* data, void* hint) {
  say("threadsafe function", (intptr_t)data);
}

static void given_back(napi_env env, napi_value callback, void* context, void* data) {
  say(env == NULL && callback == NULL ? "given back" : "called", (intptr_t)data);
}

static napi_threadsafe_function threadsafe[8];

// The calls of the end: nobody serves them.
static void calling_hook(void* number) {
  intptr_t first = (intptr_t)number;
  for (int i = 1; i <= 2; i++) {
    say("call", napi_call_threadsafe_function(threadsafe[first & 7], (void*)(first * 10 + i),
                                              napi_tsfn_nonblocking));
  }
}

static void late_hook(void* number) {
  say("late call", napi_call_threadsafe_function(threadsafe[(intptr_t)number & 7], NULL,
                                                 napi_tsfn_nonblocking));
  say("acquire", napi_acquire_threadsafe_function(threadsafe[(intptr_t)number & 7]));
  say("release", napi_release_threadsafe_function(threadsafe[(intptr_t)number & 7],
                                                  napi_tsfn_release));
}

// A threadsafe function that is called by a hook before its end, and by one after it.
static napi_value addThreadsafe(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  intptr_t number = (intptr_t)integer(env, ARG(0));
  napi_value name;
  napi_threadsafe_function* function = &threadsafe[number & 7];
  // Runs after the function was closed; that one call is one thread less.
  MUST(napi_add_env_cleanup_hook(env, late_hook, (void*)number));
  MUST(napi_create_string_utf8(env, "threadsafe", NAPI_AUTO_LENGTH, &name));
  CALL(napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, (void*)number, threadsafe_gone,
                                       NULL, given_back, function));
  if (OK) {
    MUST(napi_unref_threadsafe_function(env, *function));
    MUST(napi_add_env_cleanup_hook(env, calling_hook, (void*)number));
  }
  DONE;
}

// Things that live until the end, for the order of the end.
static napi_value keepUntilTheEnd(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  static napi_ref references[3];
  static uint8_t block[16];
  napi_value wrapped, finalized, buffer;
  MUST(napi_create_object(env, &wrapped));
  MUST(napi_wrap(env, wrapped, (void*)1, wrap_gone, NULL, NULL));
  MUST(napi_create_reference(env, wrapped, 1, &references[0]));
  MUST(napi_create_object(env, &finalized));
  MUST(napi_add_finalizer(env, finalized, (void*)2, reference_gone, NULL, NULL));
  MUST(napi_create_reference(env, finalized, 1, &references[1]));
  CALL(napi_create_external_buffer(env, sizeof block, block, buffer_gone, NULL, &buffer));
  if (OK) MUST(napi_create_reference(env, buffer, 1, &references[2]));
  DONE;
}

// A hook that removes another one while the hooks run.
static void removing_hook(void* env) {
  say("removing hook", 0);
  napi_remove_env_cleanup_hook(env, hook, (void*)99);
}

static napi_value addRemovingHook(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_add_env_cleanup_hook(env, removing_hook, env));
  DONE;
}

// A hook that shows what still answers when JavaScript can't run any more.
static void asking_hook(void* data) {
  napi_env env = data;
  napi_handle_scope scope;
  napi_value object = NULL, key = NULL;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  say("create_object", napi_create_object(env, &object));
  say("create_string", napi_create_string_utf8(env, "a", 1, &key));
  if (object != NULL && key != NULL) say("set_property", napi_set_property(env, object, key, key));
  bool pending = true;
  say("is_exception_pending", napi_is_exception_pending(env, &pending));
  say("pending", pending);
  say("throw_error", napi_throw_error(env, NULL, "late"));
  napi_close_handle_scope(env, scope);
}

static napi_value addAskingHook(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_add_env_cleanup_hook(env, asking_hook, env));
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  NULLS(napi_set_instance_data(NULL, NULL, NULL, NULL));
  NULLS(napi_get_instance_data(NULL, NULL));
  NULLS(napi_get_instance_data(env, NULL));
  NULLS(napi_add_env_cleanup_hook(NULL, hook, NULL));
  NULLS(napi_add_env_cleanup_hook(env, NULL, NULL));
  NULLS(napi_remove_env_cleanup_hook(NULL, hook, NULL));
  NULLS(napi_remove_env_cleanup_hook(env, NULL, NULL));
  NULLS(napi_add_async_cleanup_hook(NULL, async_hook, NULL, NULL));
  NULLS(napi_add_async_cleanup_hook(env, NULL, NULL, NULL));
  NULLS(napi_remove_async_cleanup_hook(NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  void* data;
  napi_async_cleanup_hook_handle handle = NULL;
  PENDING(napi_get_instance_data(env, &data));
  PENDING(napi_add_env_cleanup_hook(env, hook, (void*)55));
  PENDING(napi_remove_env_cleanup_hook(env, hook, (void*)55));
  PENDING(napi_add_async_cleanup_hook(env, async_hook, NULL, &handle));
  PENDING(napi_remove_async_cleanup_hook(handle));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_set_instance_data), WRAPPED(napi_get_instance_data),
        WRAPPED(napi_add_env_cleanup_hook), WRAPPED(napi_remove_env_cleanup_hook),
        WRAPPED(napi_add_async_cleanup_hook), WRAPPED(napi_remove_async_cleanup_hook),
        {"keepUntilTheEnd", keepUntilTheEnd}, {"addRemovingHook", addRemovingHook},
        {"addAskingHook", addAskingHook}, {"addThreadsafe", addThreadsafe}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

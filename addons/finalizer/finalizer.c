// Finalizers, and the memory that objects hold outside the engine.
//
// A finalizer runs when the engine likes, so scripts that see it run are asynchronous: they collect
// garbage, wait, and ask for `events`.
#include "addon.h"

static char events[4096];

static void add_event(const char* what, void* data, void* hint) {
  size_t at = strlen(events);
  snprintf(events + at, sizeof events - at, "%s(%d,%d) ", what, (int)(intptr_t)data,
           (int)(intptr_t)hint);
}

static void finalize(napi_env env, void* data, void* hint) { add_event("finalize", data, hint); }

static void post(napi_env env, void* data, void* hint) { add_event("post", data, hint); }

// Runs where only basic functions may be called, and posts what needs more.
static void finalize_and_post(napi_env env, void* data, void* hint) {
  add_event("basic", data, hint);
  if (node_api_post_finalizer(env, post, data, hint) != napi_ok) add_event("refused", data, hint);
}

// napi_add_finalizer(object, data, hint)
WRAP(napi_add_finalizer) {
  ARGUMENTS;
  CALL(napi_add_finalizer(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), finalize,
                          (void*)(intptr_t)integer(env, ARG(2)), NULL));
  DONE;
}

// With a reference: weak, and its end cancels the finalizer.
static napi_value addWithReference(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_ref reference = NULL;
  CALL(napi_add_finalizer(env, ARG(0), NULL, finalize, NULL, &reference));
  if (OK) {
    napi_value referred = NULL;
    bool same = false;
    MUST(napi_get_reference_value(env, reference, &referred));
    MUST(napi_strict_equals(env, referred, ARG(0), &same));
    BOOL("same", same);
    MUST(napi_delete_reference(env, reference));
  }
  DONE;
}

static napi_value wrap(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_wrap(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), finalize, NULL, NULL));
  DONE;
}

static napi_value external(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_external(env, (void*)(intptr_t)integer(env, ARG(0)), finalize, NULL, &result));
  VALUE("result", result);
  DONE;
}

// node_api_post_finalizer(data, hint): posts at once, from ordinary code.
WRAP(node_api_post_finalizer) {
  ARGUMENTS;
  REQUIRES(node_api_post_finalizer);
  CALL(node_api_post_finalizer(env, post, (void*)(intptr_t)integer(env, ARG(0)),
                               (void*)(intptr_t)integer(env, ARG(1))));
  DONE;
}

// An object whose finalizer posts another one.
static napi_value addPosting(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  REQUIRES(node_api_post_finalizer);
  CALL(napi_add_finalizer(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), finalize_and_post,
                          NULL, NULL));
  DONE;
}

// Calls what any finalizer may call, and writes which of it failed.
static void call_basic(napi_env env, void* data, void* hint) {
  const napi_extended_error_info* last;
  const napi_node_version* node;
  const char* name;
  uint32_t version;
  int64_t total;
  void* instance;
  napi_status status[] = {
      napi_get_version(env, &version),
      napi_get_node_version(env, &node),
      node_api_get_module_file_name(env, &name),
      napi_adjust_external_memory(env, 0, &total),
      napi_set_instance_data(env, NULL, NULL, NULL),
      napi_get_instance_data(env, &instance),
      napi_add_env_cleanup_hook(env, free, NULL),
      napi_remove_env_cleanup_hook(env, free, NULL),
      napi_delete_reference(env, hint),
      napi_get_last_error_info(env, &last),
  };
  int failed = 0;
  for (size_t i = 0; i < sizeof status / sizeof status[0]; i++) failed += status[i] != napi_ok;
  add_event("basic calls", data, (void*)(intptr_t)failed);
}

static napi_value addCallingBasic(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value other;
  napi_ref reference;
  MUST(napi_create_object(env, &other));
  MUST(napi_create_reference(env, other, 1, &reference));
  CALL(napi_add_finalizer(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), call_basic, reference,
                          NULL));
  DONE;
}

// Calls a function that is not basic: one that works with a pending exception, or one that does not.
static void call_other(napi_env env, void* data, void* hint) {
  napi_value object;
  bool same;
  napi_status made = napi_create_object(env, &object);
  add_event(addon_status(made), data, hint);
  add_event(addon_status(napi_strict_equals(env, object, object, &same)), data, hint);
}

static void call_number(napi_env env, void* data, void* hint) { call_other(env, hint, NULL); }

static void call_js(napi_env env, void* data, void* hint) {
  add_event(addon_status(napi_throw_error(env, NULL, "from a finalizer")), data, hint);
}

static napi_value addCallingOther(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_add_finalizer(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), call_other, NULL,
                          NULL));
  DONE;
}

static napi_value addThrowing(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_add_finalizer(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), call_js, NULL, NULL));
  DONE;
}

static napi_value wrapCallingOther(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_wrap(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), call_other, NULL, NULL));
  DONE;
}

static napi_value externalCallingOther(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_external(env, (void*)(intptr_t)integer(env, ARG(0)), call_other, NULL, &result));
  DONE;
}

// Memory of array buffers and Buffers: their finalizers always wait.
static char memory[2][8];

static napi_value externalBuffer(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_external_buffer(env, sizeof memory[0], memory[0], call_number, (void*)20, &result));
  DONE;
}

static napi_value externalArrayBuffer(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_external_arraybuffer(env, memory[1], sizeof memory[1], call_number,
                                        (void*)21, &result));
  DONE;
}

// What is posted may call anything.
static void post_other(napi_env env, void* data, void* hint) {
  add_event("basic", data, hint);
  if (node_api_post_finalizer(env, call_other, data, hint) != napi_ok) add_event("refused", data, hint);
}

static napi_value addPostingOther(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  REQUIRES(node_api_post_finalizer);
  CALL(napi_add_finalizer(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), post_other, NULL,
                          NULL));
  DONE;
}

// A weak reference, and whether its object still lives.
static napi_ref weak;

static napi_value makeWeak(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CALL(napi_create_reference(env, ARG(0), 0, &weak));
  DONE;
}

static napi_value isWeakAlive(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value value = NULL;
  CALL(napi_get_reference_value(env, weak, &value));
  BOOL("alive", value != NULL);
  DONE;
}

// Counts on a reference whose object is gone.
static napi_value countWeak(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  uint32_t up = 77, down = 77;
  napi_status counted = napi_reference_ref(env, weak, &up);
  napi_status discounted = napi_reference_unref(env, weak, &down);
  CALL(napi_delete_reference(env, weak));
  TEXT("counted", addon_status(counted));
  NUMBER("up", up);
  TEXT("discounted", addon_status(discounted));
  NUMBER("down", down);
  DONE;
}

// A weak reference that its object's finalizer looks at, and deletes.
static void look(napi_env env, void* data, void* hint) {
  napi_value value = NULL;
  napi_status status = napi_get_reference_value(env, weak, &value);
  add_event(value == NULL ? "gone" : "alive", data, (void*)(intptr_t)status);
  add_event("deleted", data, (void*)(intptr_t)napi_delete_reference(env, weak));
}

static napi_value addLooking(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  MUST(napi_create_reference(env, ARG(0), 0, &weak));
  CALL(napi_add_finalizer(env, ARG(0), (void*)(intptr_t)integer(env, ARG(1)), look, NULL, NULL));
  DONE;
}

// napi_adjust_external_memory(change): the total moves by exactly the change.
WRAP(napi_adjust_external_memory) {
  ARGUMENTS;
  int64_t before = 0, after = 0, change = integer(env, ARG(0));
  MUST(napi_adjust_external_memory(env, 0, &before));
  CALL(napi_adjust_external_memory(env, change, &after));
  NUMBER("moved", after - before);
  DONE;
}

// What finalizers did so far; asking forgets it.
static napi_value takeEvents(napi_env env, napi_callback_info info) {
  napi_value result;
  MUST(napi_create_string_utf8(env, events, NAPI_AUTO_LENGTH, &result));
  events[0] = 0;
  return result;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value object;
  napi_ref reference;
  int64_t total;
  MUST(napi_create_object(env, &object));
  NULLS(napi_add_finalizer(NULL, object, NULL, finalize, NULL, &reference));
  NULLS(napi_add_finalizer(env, NULL, NULL, finalize, NULL, &reference));
  NULLS(napi_add_finalizer(env, object, NULL, NULL, NULL, &reference));
  NULLS(napi_adjust_external_memory(NULL, 0, &total));
  NULLS(napi_adjust_external_memory(env, 0, NULL));
  if (node_api_post_finalizer != NULL) NULLS(node_api_post_finalizer(NULL, post, NULL, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value object;
  int64_t total;
  MUST(napi_create_object(env, &object));
  PENDING(napi_add_finalizer(env, object, NULL, finalize, NULL, NULL));
  PENDING(napi_adjust_external_memory(env, 0, &total));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_add_finalizer), WRAPPED(node_api_post_finalizer),
        WRAPPED(napi_adjust_external_memory), {"addWithReference", addWithReference},
        {"wrap", wrap}, {"external", external}, {"addPosting", addPosting},
        {"addCallingBasic", addCallingBasic}, {"addCallingOther", addCallingOther},
        {"addThrowing", addThrowing}, {"wrapCallingOther", wrapCallingOther},
        {"externalCallingOther", externalCallingOther}, {"externalBuffer", externalBuffer},
        {"externalArrayBuffer", externalArrayBuffer}, {"addPostingOther", addPostingOther},
        {"makeWeak", makeWeak}, {"isWeakAlive", isWeakAlive}, {"countWeak", countWeak},
        {"addLooking", addLooking},
        {"takeEvents", takeEvents}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

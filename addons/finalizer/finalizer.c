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
        {"takeEvents", takeEvents}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

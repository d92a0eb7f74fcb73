// One call and what is logged of it; families of calls that are alike.
#ifndef FUZZ_CALL_H
#define FUZZ_CALL_H

#include "machine.h"

// What native data points to; nobody looks at it.
static char places[16];

static void* pointer(void) { return &places[below(16)]; }

// Which of the places it is; -1 for none.
static int place_of(const void* given) {
  return given == NULL ? -1 : (int)((const char*)given - places);
}

static void finalize_nothing(node_api_basic_env env, void* data, void* hint) {}
static void finalize_memory(node_api_basic_env env, void* data, void* hint) { free(data); }

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
  if (message != NULL && !addon_is_message(message, last->error_code)) say(" %s", message);
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


// Arguments of a call.
static size_t arguments_(napi_value* list, size_t limit) {
  size_t count = below((unsigned)limit + 1);
  for (size_t i = 0; i < count; i++) list[i] = solid(ANY);
  return count;
}

#endif

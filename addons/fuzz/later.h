// What runs later: promises, async contexts, work for the pool, threadsafe functions, hooks.
//
// What comes up on the loop runs a part of the program, with values and a log of its own, for in
// which order such parts come up is Node's affair; only the calls of one function have an order.
// The pool has to have one thread: a gate keeps it busy until the sequence is over, so nothing that
// was queued has begun when it is cancelled.
#ifndef FUZZ_LATER_H
#define FUZZ_LATER_H

#include "call.h"

#include <semaphore.h>

enum { WORKS = 4, FUNCTIONS = 3, CONTEXTS = 3, PARTS = 24, PART = 24, PART_LOG = 4096 };

typedef struct {
  char name[24];
  uint8_t program[PART];
  size_t length;
  int function;  // The threadsafe function that it is a call of, or -1.
  char log[PART_LOG];
  size_t logged;
} Part;

typedef struct {
  napi_async_work work;
  bool queued;
  bool completes;
  Part* part;
} Work;

typedef struct {
  napi_threadsafe_function function;
  size_t threads;  // That Node counts.
  bool bounded;
  Part* part;
} Function;

typedef struct {
  napi_async_context context;
  int pins;  // Scopes that need it.
} Context;

static struct {
  Part parts[PARTS];
  int part_count;
  Work works[WORKS];
  Function functions[FUNCTIONS];
  Context contexts[CONTEXTS];
  napi_async_work gate;
  sem_t open;
  int outstanding;  // Completions and closings to come.
} later;

// Whether the sequence may break the rules, for the threads of the pool too.
static volatile bool breaks_rules;

// Runs the program of a part; what it leaves pending stays so if the caller wants it.
static void run_part(napi_env env, Part* part, bool leave);
static void run_steps(napi_env env, unsigned steps);
// A function of the script that says under this name that it was called.
static napi_value target(napi_env env, const char* name);

// Who breaks the rules is called back after its sequence too: then nothing is noted.
static void note(Part* part, const char* format, ...) {
  va_list list;
  if (part == NULL || breaks_rules) return;
  va_start(list, format);
  size_t room = PART_LOG - part->logged;
  int count = vsnprintf(part->log + part->logged, room, format, list);
  va_end(list);
  part->logged += (size_t)count < room ? (size_t)count : room - 1;
}

static Part* new_part(const char* what, int function) {
  if (later.part_count == PARTS) return NULL;
  Part* part = &later.parts[later.part_count];
  memset(part, 0, sizeof *part);
  snprintf(part->name, sizeof part->name, "%s %d", what, later.part_count++);
  part->function = function;
  part->length = below(PART);
  for (size_t i = 0; i < part->length; i++) part->program[i] = byte();
  return part;
}

// Promises.
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

// A conversion that throws here is an exception that Node leaves in its engine, with no environment
// to look after it: names and resources are what needs none.
static napi_value name_of_resource(void) { return rarely(16) ? NULL : strict(STRING); }

// Async contexts.
OP(napi_async_init) {
  Context* free_ = NULL;
  for (int i = 0; i < CONTEXTS; i++) {
    if (later.contexts[i].context == NULL) free_ = &later.contexts[i];
  }
  if (free_ == NULL || machine->late) return;
  napi_value resource = rarely(2) ? strict(OBJECT) : NULL;
  DO(napi_async_init(env, resource, name_of_resource(), OUT(free_->context)));
}
static Context* context(bool idle) {
  for (unsigned i = 0, at = below(CONTEXTS); i < CONTEXTS && !machine->late; i++) {
    Context* candidate = &later.contexts[(at + i) % CONTEXTS];
    if (candidate->context != NULL && !(idle && candidate->pins > 0)) return candidate;
  }
  return NULL;
}
OP(napi_async_destroy) {
  if (machine->misuse && rarely(3)) {
    DO(napi_async_destroy(env, (napi_async_context)garbage()));
    return;
  }
  Context* one = context(true);
  if (one == NULL) return;
  DO(napi_async_destroy(env, one->context));
  if (!SUCCEEDED) return;
  remember((uintptr_t)one->context);
  one->context = NULL;
}
OP(napi_make_callback) {
  napi_value list[4], result = NULL;
  size_t count = arguments_(list, 4);
  napi_value receiver = value(OBJECT), function = value(FUNCTION);
  Context* one = rarely(2) ? context(false) : NULL;
  say("( ");
  if (one != NULL) one->pins++;
  DO(napi_make_callback(env, one == NULL ? NULL : one->context, receiver, function, count, list,
                        &result));
  if (one != NULL) one->pins--;
  if (SUCCEEDED) store(result);
}
// A callback scope with some steps in it: Node ends where one is left open.
OP(napi_open_callback_scope) {
  napi_callback_scope scope = NULL;
  Context* one = context(false);
  if (machine->misuse && rarely(3)) {
    DO(napi_open_callback_scope(env, value(OBJECT), (napi_async_context)garbage(), &scope));
    return;
  }
  if (one == NULL) return;
  napi_value resource = value(OBJECT);
  {
    DO(napi_open_callback_scope(env, resource, one->context, OUT(scope)));
    if (!SUCCEEDED) return;
  }
  int outer_floor = machine->scope_floor;
  machine->scope_floor = machine->scope_count;
  one->pins++;
  say("[\n");
  run_steps(env, below(6));
  say("]");
  one->pins--;
  machine->scope_floor = outer_floor;
  DO(napi_close_callback_scope(env, scope));
}
OP(napi_close_callback_scope) {
  // Without one that is open.
  if (!machine->misuse) return;
  DO(napi_close_callback_scope(env, (napi_callback_scope)garbage()));
}

// Work for the pool.
static void wait_for_gate(napi_env env, void* data) {
  while (sem_wait(&later.open) != 0) continue;
}
static void gate_is_open(napi_env env, napi_status status, void* data) {
  napi_delete_async_work(env, later.gate);
  later.gate = NULL;
}
static void close_gate(napi_env env) {
  napi_value name;
  // Who breaks the rules may delete the gate, and wait for ever.
  if (later.gate != NULL || machine->misuse) return;
  MUST(napi_create_string_utf8(env, "gate", 4, &name));
  MUST(napi_create_async_work(env, NULL, name, wait_for_gate, gate_is_open, NULL, &later.gate));
  MUST(napi_queue_async_work(env, later.gate));
}
static void execute(napi_env env, void* data) { note(((Work*)data)->part, "executed "); }
static void complete(napi_env env, napi_status status, void* data) {
  Work* one = data;
  note(one->part, "completed %d, deleted %d\n", status, napi_delete_async_work(env, one->work));
  one->work = NULL;
  one->queued = false;
  later.outstanding--;
  run_part(env, one->part, true);
}
OP(napi_create_async_work) {
  Work* free_ = NULL;
  for (int i = 0; i < WORKS; i++) {
    if (later.works[i].work == NULL) free_ = &later.works[i];
  }
  if (free_ == NULL || machine->late) return;
  napi_value resource = rarely(2) ? strict(OBJECT) : NULL;
  free_->completes = !rarely(8);
  DO(napi_create_async_work(env, resource, name_of_resource(), rarely(32) ? NULL : execute,
                            free_->completes ? complete : NULL, free_, OUT(free_->work)));
}
// A piece of work; one that is not queued, if only that will do.
static Work* work(bool idle) {
  for (unsigned i = 0, at = below(WORKS); i < WORKS && !machine->late; i++) {
    Work* candidate = &later.works[(at + i) % WORKS];
    if (candidate->work != NULL && !(idle && candidate->queued)) return candidate;
  }
  return NULL;
}
OP(napi_queue_async_work) {
  if (machine->misuse && rarely(3)) {
    DO(napi_queue_async_work(env, (napi_async_work)garbage()));
    return;
  }
  Work* one = work(!machine->misuse);
  if (one == NULL || !one->completes) return;
  Part* part = new_part("work", -1);
  if (part == NULL) return;
  if (!one->queued) one->part = part;
  close_gate(machine->env);
  DO(napi_queue_async_work(env, one->work));
  if (!SUCCEEDED) return;
  one->queued = true;
  later.outstanding++;
}
OP(napi_cancel_async_work) {
  if (machine->misuse && rarely(3)) {
    DO(napi_cancel_async_work(env, (napi_async_work)garbage()));
    return;
  }
  Work* one = work(false);
  // Node looks at what it never set where the work was not queued.
  if (one == NULL || !(one->queued || machine->misuse)) return;
  DO(napi_cancel_async_work(env, one->work));
}
OP(napi_delete_async_work) {
  if (machine->misuse && rarely(3)) {
    DO(napi_delete_async_work(env, (napi_async_work)garbage()));
    return;
  }
  Work* one = work(!machine->misuse);
  if (one == NULL) return;
  DO(napi_delete_async_work(env, one->work));
  if (!SUCCEEDED) return;
  remember((uintptr_t)one->work);
  if (one->queued) later.outstanding--;
  one->queued = false;
  one->work = NULL;
}

// Threadsafe functions. Node is done with one on the loop only, so in a sequence all may be asked.
static void closed(napi_env env, void* data, void* hint) {
  Function* one = data;
  note(one->part, "closed, %s\n", data == hint ? "with its context" : "with another context");
  one->function = NULL;
  later.outstanding--;
  run_part(env, one->part, false);
}
static void deliver(napi_env env, napi_value function, void* context_, void* data) {
  Part* part = data;
  Function* one = context_;
  note(one->part, "%s ", part->name);
  if (env == NULL) {
    note(part, "given back%s\n", function == NULL ? "" : " with a function");
    return;
  }
  note(part, "delivered%s\n", function == NULL ? "" : " with a function");
  run_part(env, part, ADDON_VERSION >= 10);
}
OP(napi_create_threadsafe_function) {
  int index = -1;
  for (int i = 0; i < FUNCTIONS; i++) {
    if (later.functions[i].function == NULL) index = i;
  }
  if (index < 0 || machine->late) return;
  Function* one = &later.functions[index];
  if ((one->part = new_part("function", index)) == NULL) return;
  // Without a callback of the addon's, Node calls the function itself.
  bool direct = rarely(4);
  size_t limit = below(4), threads = below(4);
  napi_value resource = rarely(2) ? strict(OBJECT) : NULL;
  napi_value function = direct ? target(machine->env, one->part->name) : rarely(2) ? value(FUNCTION) : NULL;
  one->bounded = limit > 0;
  one->threads = threads;
  DO(napi_create_threadsafe_function(env, function, resource, name_of_resource(), limit, threads, one,
                                     closed, one, direct ? NULL : deliver, OUT(one->function)));
  if (SUCCEEDED) later.outstanding++;
}
static Function* function_(void) {
  // A part may use only the function that it was called by.
  if (machine->late) return machine->own < 0 ? NULL : &later.functions[machine->own];
  for (unsigned i = 0, at = below(FUNCTIONS); i < FUNCTIONS; i++) {
    Function* candidate = &later.functions[(at + i) % FUNCTIONS];
    if (candidate->function != NULL) return candidate;
  }
  return NULL;
}
static napi_threadsafe_function id_of(Function* one) {
  return machine->misuse && rarely(3) ? (napi_threadsafe_function)garbage() : one->function;
}
OP(napi_call_threadsafe_function) {
  Function* one = function_();
  if (one == NULL || one->function == NULL) return;
  Part* part = new_part("call", (int)(one - later.functions));
  if (part == NULL) return;
  // A blocking call waits for ever where the queue is full.
  bool block = !one->bounded && rarely(2);
  DO(napi_call_threadsafe_function(id_of(one), part,
                                   block ? napi_tsfn_blocking : napi_tsfn_nonblocking));
  if (status == napi_closing && one->threads > 0) one->threads--;
}
OP(napi_acquire_threadsafe_function) {
  Function* one = function_();
  if (one == NULL || machine->late) return;
  DO(napi_acquire_threadsafe_function(id_of(one)));
  if (SUCCEEDED) one->threads++;
}
OP(napi_release_threadsafe_function) {
  Function* one = function_();
  if (one == NULL || machine->late) return;
  DO(napi_release_threadsafe_function(id_of(one), rarely(4) ? napi_tsfn_abort : napi_tsfn_release));
  if (SUCCEEDED) one->threads--;
}
OP(napi_ref_threadsafe_function) {
  Function* one = function_();
  if (one == NULL || machine->late) return;
  DO(napi_ref_threadsafe_function(env, id_of(one)));
}
OP(napi_unref_threadsafe_function) {
  Function* one = function_();
  if (one == NULL || machine->late) return;
  DO(napi_unref_threadsafe_function(env, id_of(one)));
}
OP(napi_get_threadsafe_function_context) {
  Function* one = function_();
  void* result = NULL;
  if (one == NULL || one->function == NULL) return;
  DO(napi_get_threadsafe_function_context(id_of(one), &result));
  say(" %d", result == one);
}

// Hooks. What is left would run when the process ends, so none is.
static void hook(void* argument) {}
static void async_hook(napi_async_cleanup_hook_handle handle, void* argument) {}
OP(napi_add_env_cleanup_hook) {
  // Adding the same one twice ends Node.
  char* argument = malloc(1);
  DO(napi_add_env_cleanup_hook(env, hook, argument));
  say(" %d", napi_remove_env_cleanup_hook(env, hook, argument));
  free(argument);
}
OP(napi_add_async_cleanup_hook) {
  napi_async_cleanup_hook_handle handle = NULL;
  DO(napi_add_async_cleanup_hook(env, rarely(8) ? NULL : async_hook, NULL, &handle));
  if (SUCCEEDED) say(" %d", napi_remove_async_cleanup_hook(handle));
}

// The sequence is over: what nobody waits for is given back, what is queued may begin.
static void release_all(napi_env env) {
  for (int i = 0; i < CONTEXTS; i++) {
    if (later.contexts[i].context == NULL) continue;
    say("destroyed %d\n", napi_async_destroy(env, later.contexts[i].context));
    later.contexts[i].context = NULL;
  }
  for (int i = 0; i < WORKS; i++) {
    Work* one = &later.works[i];
    if (one->work == NULL || one->queued) continue;
    say("deleted %d\n", napi_delete_async_work(env, one->work));
    one->work = NULL;
  }
  for (int i = 0; i < FUNCTIONS; i++) {
    Function* one = &later.functions[i];
    if (one->function == NULL) continue;
    // Who breaks the rules has lost count.
    if (machine->misuse) napi_release_threadsafe_function(one->function, napi_tsfn_abort);
    for (size_t rest = one->threads; rest > 0 && !machine->misuse; rest--) {
      say("released %d\n", napi_release_threadsafe_function(one->function, napi_tsfn_release));
    }
    one->threads = 0;
  }
  if (later.gate != NULL) sem_post(&later.open);
}

#define LATER_OPERATIONS                                                                        \
  LIST(napi_create_promise), LIST(napi_resolve_deferred), LIST(napi_reject_deferred),           \
      LIST(napi_is_promise), LIST(napi_async_init), LIST(napi_async_destroy),                   \
      LIST(napi_make_callback), LIST(napi_open_callback_scope),                                 \
      LIST(napi_close_callback_scope), LIST(napi_create_async_work),                            \
      LIST(napi_queue_async_work), LIST(napi_cancel_async_work), LIST(napi_delete_async_work),  \
      LIST(napi_create_threadsafe_function), LIST(napi_call_threadsafe_function),               \
      LIST(napi_acquire_threadsafe_function), LIST(napi_release_threadsafe_function),           \
      LIST(napi_ref_threadsafe_function), LIST(napi_unref_threadsafe_function),                 \
      LIST(napi_get_threadsafe_function_context), LIST(napi_add_env_cleanup_hook),              \
      LIST(napi_add_async_cleanup_hook)

#endif

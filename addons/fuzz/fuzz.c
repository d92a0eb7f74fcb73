// A byte string as a sequence of Node-API calls. `run` runs one and returns what came of it, call by
// call: the same bytes give the same text in every host. When nothing `isBusy` any more, `partLogs`
// returns what came up later.
//
// The bytes choose functions, values and lengths. Whatever they are, the calls stay inside what
// Node defines; with `misuse` they don't, which only a host that checks its ids survives.
#include "error.h"
#include "function.h"
#include "later.h"
#include "lifetime.h"
#include "memory.h"
#include "property.h"
#include "value.h"

typedef struct {
  const char* name;
  void (*run)(napi_env env, const char* name);
} Operation;
#define LIST(function) {#function, op_##function}
static const Operation VALUE[] = {VALUE_OPERATIONS};
static const Operation PROPERTY[] = {PROPERTY_OPERATIONS};
static const Operation FUNCTION_[] = {FUNCTION_OPERATIONS};
static const Operation LIFETIME[] = {LIFETIME_OPERATIONS};
static const Operation ERROR_[] = {ERROR_OPERATIONS};
static const Operation MEMORY[] = {MEMORY_OPERATIONS};
static const Operation LATER[] = {LATER_OPERATIONS};
#define COUNTED(list) {list, sizeof(list) / sizeof(list[0])}
static const struct {
  const Operation* list;
  unsigned count;
} CONCEPTS[] = {COUNTED(VALUE),  COUNTED(PROPERTY), COUNTED(FUNCTION_), COUNTED(LIFETIME),
                COUNTED(ERROR_), COUNTED(MEMORY),   COUNTED(LATER)};
enum { ALL_CONCEPTS = sizeof CONCEPTS / sizeof CONCEPTS[0] };

// Half of the calls are about the sequence's theme, the others about anything.
static const Operation* choose(void) {
  unsigned concept_ = rarely(2) ? machine->theme : below(ALL_CONCEPTS);
  return &CONCEPTS[concept_].list[below(CONCEPTS[concept_].count)];
}

static void step(napi_env env) {
  const Operation* operation = choose();
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

// What the script gave for a sequence and what comes after it: its functions, as references.
enum { SHOW, SHOW_NAMES, VALUES, ENTER, TARGET, GIVEN_FUNCTIONS };
static struct {
  napi_ref functions[GIVEN_FUNCTIONS];
  bool misuse;
} session;

static napi_value given_function(napi_env env, int which) {
  napi_value function;
  MUST(napi_get_reference_value(env, session.functions[which], &function));
  return function;
}

static void begin(Machine* the, napi_env env, const uint8_t* program, size_t length) {
  napi_value undefined, values;
  uint32_t count;
  memset(the, 0, sizeof *the);
  machine = the;
  the->env = env;
  // A copy: the sequence may find its own program among the arguments, and detach it.
  if (length > sizeof the->program) length = sizeof the->program;
  memcpy(the->program, program, length);
  the->at = the->program;
  the->end = the->program + length;
  the->own = -1;
  the->misuse = session.misuse;
  the->trace = getenv("FUZZ_TRACE") != NULL;
  the->show = given_function(env, SHOW);
  the->show_names = given_function(env, SHOW_NAMES);
  MUST(napi_get_undefined(env, &undefined));
  MUST(napi_call_function(env, undefined, given_function(env, VALUES), 0, NULL, &values));
  MUST(napi_get_array_length(env, values, &count));
  for (int i = 0; i < REGISTERS; i++) {
    napi_value value_;
    MUST(napi_get_element(env, values, (uint32_t)i % count, &value_));
    put(i, value_);
  }
}

// The frame cleans up after a program, with an exception pending or not. Returns what is pending.
static napi_value finish(napi_env env) {
  Machine* the = machine;
  bool pending = false;
  napi_value thrown = NULL;
  MUST(napi_is_exception_pending(env, &pending));
  if (pending) {
    MUST(napi_get_and_clear_last_exception(env, &thrown));
    say("left pending");
    show(thrown);
    say("\n");
  }
  napi_value undefined;
  MUST(napi_get_undefined(env, &undefined));
  for (int i = 0; i < DEFERREDS; i++) {
    if (the->deferreds[i] != NULL) napi_resolve_deferred(env, the->deferreds[i], undefined);
  }
  for (int i = 0; i < REFERENCES; i++) {
    if (the->references[i] != NULL) napi_delete_reference(env, the->references[i]);
  }
  for (int i = 0; i < the->kept_count; i++) {
    if (the->kept[i] != NULL) napi_delete_reference(env, the->kept[i]);
  }
  return thrown;
}

static void enter(napi_env env, const char* name) {
  napi_value undefined, text;
  MUST(napi_get_undefined(env, &undefined));
  MUST(napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text));
  MUST(napi_call_function(env, undefined, given_function(env, ENTER), 1, &text, NULL));
}

static void run_part(napi_env env, Part* part, bool leave) {
  static Machine the;
  if (machine != NULL || part == NULL) return;
  enter(env, part->name);
  begin(&the, env, part->program, part->length);
  the.late = true;
  the.own = part->function;
  run_steps(env, 100);
  napi_value thrown = finish(env);
  machine = NULL;
  note(part, "%s", the.log);
  if (thrown != NULL && leave) MUST(napi_throw(env, thrown));
}

static napi_value target(napi_env env, const char* name) {
  napi_value arguments[2], undefined, result;
  bool pending;
  MUST(napi_is_exception_pending(env, &pending));
  if (pending) return NULL;
  MUST(napi_get_undefined(env, &undefined));
  MUST(napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &arguments[0]));
  // Below version 10, Node warns of what is thrown there, and forgets it.
  MUST(napi_get_boolean(env, rarely(3) && ADDON_VERSION >= 10, &arguments[1]));
  MUST(napi_call_function(env, undefined, given_function(env, TARGET), 2, arguments, &result));
  return result;
}

// run(program, misuse, show, showNames, values, enter, target)
static napi_value run(napi_env env, napi_callback_info info) {
  Arguments given = addon_arguments(env, info);
  static Machine the;
  uint8_t* bytes;
  size_t length;
  if (machine != NULL) return NULL;
  memset(&later, 0, sizeof later);
  MUST(sem_init(&later.open, 0, 0) == 0 ? napi_ok : napi_generic_failure);
  MUST(napi_get_buffer_info(env, given.at[0], (void**)&bytes, &length));
  MUST(napi_get_value_bool(env, given.at[1], &session.misuse));
  breaks_rules = session.misuse;
  for (int i = 0; i < GIVEN_FUNCTIONS; i++) {
    if (session.functions[i] != NULL) MUST(napi_delete_reference(env, session.functions[i]));
    MUST(napi_create_reference(env, given.at[2 + i], 1, &session.functions[i]));
  }
  begin(&the, env, bytes, length);
  the.theme = below(ALL_CONCEPTS);
  the.info = info;
  run_steps(env, 1000);
  finish(env);
  release_all(env);
  machine = NULL;
  napi_value result;
  MUST(napi_create_string_utf8(env, the.log, the.logged, &result));
  return result;
}

// Whether something of the sequence has still to come up.
static napi_value isBusy(napi_env env, napi_callback_info info) {
  napi_value result;
  MUST(napi_get_boolean(env, later.gate != NULL || later.outstanding > 0, &result));
  return result;
}

// The logs of the parts, in the order in which they were asked for.
static napi_value partLogs(napi_env env, napi_callback_info info) {
  static char all[PARTS * (PART_LOG + 32)];
  size_t length = 0;
  napi_value result;
  for (int i = 0; i < later.part_count; i++) {
    const Part* part = &later.parts[i];
    length += (size_t)sprintf(all + length, "\n%s: %s", part->name, part->log);
  }
  MUST(napi_create_string_utf8(env, all, length, &result));
  return result;
}

NAPI_MODULE_EXPORT int32_t node_api_module_get_api_version_v1(void) { return ADDON_VERSION; }

static void export_function(napi_env env, napi_value exports, const char* name,
                            napi_callback callback_) {
  napi_value function;
  MUST(napi_create_function(env, name, NAPI_AUTO_LENGTH, callback_, NULL, &function));
  MUST(napi_set_named_property(env, exports, name, function));
}

NAPI_MODULE_EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  export_function(env, exports, "run", run);
  export_function(env, exports, "isBusy", isBusy);
  export_function(env, exports, "partLogs", partLogs);
  return exports;
}

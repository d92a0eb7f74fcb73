// What lives how long: wraps, externals, finalizers, references, scopes, data of the instance.
#ifndef FUZZ_LIFETIME_H
#define FUZZ_LIFETIME_H

#include "call.h"

// Wraps, tags, externals.
static napi_ref new_reference(napi_ref reference) {
  for (int i = 0; i < REFERENCES; i++) {
    if (machine->references[i] == NULL) {
      machine->references[i] = reference;
      return reference;
    }
  }
  int victim = (int)below(REFERENCES);
  MUST(napi_delete_reference(machine->env, machine->references[victim]));
  remember((uintptr_t)machine->references[victim]);
  return machine->references[victim] = reference;
}
OP(napi_wrap) {
  napi_ref reference = NULL;
  bool wanted = rarely(3);
  // Nobody deletes the reference: in Node, the wrap would dangle.
  DO(napi_wrap(env, value(OBJECT), pointer(), finalizer(), NULL, wanted ? &reference : NULL));
}
OP(napi_unwrap) {
  void* result = NULL;
  DO(napi_unwrap(env, value(OBJECT), RESULT));
  say(" %d", place_of(result));
}
OP(napi_remove_wrap) {
  void* result = NULL;
  DO(napi_remove_wrap(env, value(OBJECT), RESULT));
  say(" %d", place_of(result));
}
MAKES(napi_create_external, napi_create_external(env, pointer(), finalizer(), NULL, RESULT))
OP(napi_get_value_external) {
  void* result = NULL;
  DO(napi_get_value_external(env, value(EXTERNAL), RESULT));
  say(" %d", place_of(result));
}
OP(napi_add_finalizer) {
  napi_ref reference = NULL;
  bool wanted = rarely(3);
  DO(napi_add_finalizer(env, value(OBJECT), pointer(), rarely(16) ? NULL : finalize_nothing, NULL,
                        wanted ? &reference : NULL));
  if (SUCCEEDED && wanted) new_reference(reference);
}
ACTS(node_api_post_finalizer, node_api_post_finalizer(env, finalize_nothing, pointer(), NULL))
OP(napi_adjust_external_memory) {
  // The total is the whole process's, so it is not shown.
  int64_t result = 0;
  DO(napi_adjust_external_memory(env, (int64_t)below(64), &result));
}

// References.
OP(napi_create_reference) {
  napi_ref reference = NULL;
  DO(napi_create_reference(env, value(ANY), below(3), OUT(reference)));
  if (SUCCEEDED) new_reference(reference);
}
static napi_ref reference(void) {
  if (machine->misuse && rarely(3)) return (napi_ref)garbage();
  for (unsigned i = 0, at = below(REFERENCES); i < REFERENCES; i++) {
    napi_ref candidate = machine->references[(at + i) % REFERENCES];
    if (candidate != NULL) return candidate;
  }
  return NULL;
}
#define COUNTS(function)                            \
  OP(function) {                                    \
    uint32_t result = 77;                           \
    DO(function(env, reference(), &result));        \
    say(" %" PRIu32, result);                       \
  }
COUNTS(napi_reference_ref)
COUNTS(napi_reference_unref)
OP(napi_get_reference_value) {
  napi_value result = NULL;
  DO(napi_get_reference_value(env, reference(), RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_delete_reference) {
  napi_ref victim = reference();
  DO(napi_delete_reference(env, victim));
  if (!SUCCEEDED) return;
  remember((uintptr_t)victim);
  for (int i = 0; i < REFERENCES; i++) {
    if (machine->references[i] == victim) machine->references[i] = NULL;
  }
  for (int i = 0; i < machine->kept_count; i++) {
    if (machine->kept[i] == victim) machine->kept[i] = NULL;
  }
}

// Scopes.
OP(napi_open_handle_scope) {
  if (machine->scope_count == SCOPES) return;
  Scope* scope = &machine->scopes[machine->scope_count++];
  *scope = (Scope){NULL, NULL};
  machine->level++;
  DO(napi_open_handle_scope(env, &scope->plain));
}
OP(napi_open_escapable_handle_scope) {
  if (machine->scope_count == SCOPES) return;
  Scope* scope = &machine->scopes[machine->scope_count++];
  *scope = (Scope){NULL, NULL};
  machine->level++;
  DO(napi_open_escapable_handle_scope(env, &scope->escapable));
}
static void close_innermost(napi_env env) {
  Scope* scope = &machine->scopes[--machine->scope_count];
  remember((uintptr_t)(scope->plain != NULL ? (void*)scope->plain : (void*)scope->escapable));
  napi_status status = scope->plain != NULL
                           ? napi_close_handle_scope(env, scope->plain)
                           : napi_close_escapable_handle_scope(env, scope->escapable);
  if (!machine->misuse) MUST(status);
  forget_above(--machine->level);
}
OP(napi_close_handle_scope) {
  if (machine->misuse && rarely(2)) {
    if (rarely(2)) {
      DO(napi_close_handle_scope(env, (napi_handle_scope)garbage()));
    } else {
      DO(napi_close_escapable_handle_scope(env, (napi_escapable_handle_scope)garbage()));
    }
    return;
  }
  if (machine->scope_count <= machine->scope_floor) return;
  close_innermost(env);
  say("close");
}
OP(napi_escape_handle) {
  if (machine->misuse && rarely(2)) {
    napi_value result;
    DO(napi_escape_handle(env, (napi_escapable_handle_scope)garbage(), value(ANY), &result));
    return;
  }
  if (machine->scope_count <= machine->scope_floor) return;
  Scope* scope = &machine->scopes[machine->scope_count - 1];
  if (scope->escapable == NULL) return;
  napi_value result = NULL;
  DO(napi_escape_handle(env, scope->escapable, value(ANY), RESULT));
  if (!SUCCEEDED) return;
  machine->level--;
  store(result);
  machine->level++;
}
ACTS(napi_set_instance_data, napi_set_instance_data(env, pointer(), finalizer(), NULL))
OP(napi_get_instance_data) {
  void* result = NULL;
  DO(napi_get_instance_data(env, RESULT));
}

#define LIFETIME_OPERATIONS                                                                   \
    LIST(napi_wrap), LIST(napi_unwrap), LIST(napi_remove_wrap), LIST(napi_create_external),   \
    LIST(napi_get_value_external), LIST(napi_add_finalizer), LIST(node_api_post_finalizer),   \
    LIST(napi_adjust_external_memory), LIST(napi_create_reference), LIST(napi_reference_ref), \
    LIST(napi_reference_unref), LIST(napi_get_reference_value), LIST(napi_delete_reference),  \
    LIST(napi_open_handle_scope), LIST(napi_open_escapable_handle_scope),                     \
    LIST(napi_close_handle_scope), LIST(napi_escape_handle), LIST(napi_set_instance_data),    \
    LIST(napi_get_instance_data)

#endif

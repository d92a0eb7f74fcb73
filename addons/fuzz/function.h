// Functions, classes, scripts.
#ifndef FUZZ_FUNCTION_H
#define FUZZ_FUNCTION_H

#include "property.h"
#include "value.h"

OP(napi_define_class) {
  napi_property_descriptor list[4];
  size_t count = describe(list, 4, true);
  size_t length;
  const char* chars = short_text(&length);
  napi_value result = NULL;
  DO(napi_define_class(env, chars, length, rarely(32) ? NULL : callback, NULL, count,
                       rarely(32) && count > 0 ? NULL : list, RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_create_function) {
  napi_value result = NULL;
  size_t length;
  const char* chars = short_text(&length);
  DO(napi_create_function(env, chars, length, rarely(32) ? NULL : callback, NULL, RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_call_function) {
  napi_value list[4], result = NULL;
  size_t count = arguments_(list, 4);
  bool wanted = !rarely(16);
  napi_value receiver = value(ANY), function = value(FUNCTION);
  say("( ");
  DO(napi_call_function(env, receiver, function, count, rarely(48) && count > 0 ? NULL : list,
                        wanted ? &result : NULL));
  if (SUCCEEDED && wanted) store(result);
}
OP(napi_new_instance) {
  napi_value list[4], result = NULL;
  size_t count = arguments_(list, 4);
  napi_value constructor = value(FUNCTION);
  say("( ");
  DO(napi_new_instance(env, constructor, count, list, RESULT));
  if (SUCCEEDED) store(result);
}
OP(napi_get_cb_info) {
  napi_value list[6], self = NULL;
  size_t count = below(6);
  void* data = NULL;
  size_t room = count;
  napi_callback_info info = machine->info;
  if (machine->misuse && rarely(3)) info = (napi_callback_info)garbage();
  DO(napi_get_cb_info(env, info, &count, list, &self, &data));
  if (!SUCCEEDED) return;
  say(" %zu", count);
  for (size_t i = 0; i < room; i++) store(list[i]);
}
OP(napi_get_new_target) {
  napi_value result = NULL;
  napi_callback_info info = machine->info;
  if (machine->misuse && rarely(3)) info = (napi_callback_info)garbage();
  DO(napi_get_new_target(env, info, RESULT));
  if (SUCCEEDED) store(result);
}
static const char* const SCRIPTS[] = {
    "1 + 1", "({a: 1})", "throw new RangeError('fuzz: of a script')", "a syntax error", "[1, , 3]",
    "Symbol.iterator", "fuzz.getter()", "fuzz.valueOf()", "fuzz.thrower()", "fuzz.boxed('x')",
    "fuzz.strict()", "fuzz.proxy()", "fuzz.refusing()", "fuzz.map()", "fuzz.thenable()",
    "fuzz.class()", "fuzz.deep()", "fuzz.inherits()"};
OP(napi_run_script) {
  napi_value script, result = NULL;
  MUST(napi_create_string_utf8(machine->env, CHOOSE(SCRIPTS), NAPI_AUTO_LENGTH, &script));
  DO(napi_run_script(env, rarely(16) ? value(ANY) : script, RESULT));
  if (SUCCEEDED) store(result);
}

#define FUNCTION_OPERATIONS                                                        \
    LIST(napi_define_class), LIST(napi_create_function), LIST(napi_call_function), \
    LIST(napi_new_instance), LIST(napi_get_cb_info),     \
    LIST(napi_get_new_target), LIST(napi_run_script)

#endif

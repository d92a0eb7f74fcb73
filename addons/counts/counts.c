// Functions that take a pointer and a count, called with the count that the script wants over an array
// of two elements, behind which no memory can be read. What judges the count first answers; what reads
// first ends the process.
#include "addon.h"

#include <sys/mman.h>

enum { PAGE = 4096 };

// Memory of that size, the last before what can't be read.
static void* guarded(size_t size, const void* content) {
  char* pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE) != 0) abort();
  return memcpy(pages + PAGE - size, content, size);
}

static void release(const void* memory) {
  munmap((void*)((uintptr_t)memory / PAGE * PAGE), 2 * PAGE);
}

#define COUNT ((size_t)integer(env, ARG(0)))
// Declares `name`, two elements at the end of readable memory.
#define GUARDED(type, name, ...) \
  const type name##_content[] = {__VA_ARGS__}; \
  type* name = guarded(sizeof name##_content, name##_content)

static napi_value nothing(napi_env env, napi_callback_info info) { return NULL; }
static void finalize(napi_env env, void* data, void* hint) { release(data); }

#define MAKES_AND(done, name, type, ...)         \
  WRAP(name) {                                   \
    ARGUMENTS;                                   \
    napi_value result = NULL;                    \
    GUARDED(type, units, 'a', 'b');              \
    if (name == NULL) return report_absent(env); \
    CALL(name(env, __VA_ARGS__));                \
    done(units);                                 \
    VALUE("result", result);                     \
    DONE;                                        \
  }
#define MAKES(name, type, ...) MAKES_AND(release, name, type, __VA_ARGS__)
// The runtime may keep the text until the finalizer runs.
#define MAKES_EXTERNAL(name, type, ...) MAKES_AND((void), name, type, __VA_ARGS__)

MAKES(napi_create_string_latin1, char, units, COUNT, &result)
MAKES(napi_create_string_utf8, char, units, COUNT, &result)
MAKES(napi_create_string_utf16, char16_t, units, COUNT, &result)
MAKES(node_api_create_property_key_latin1, char, units, COUNT, &result)
MAKES(node_api_create_property_key_utf8, char, units, COUNT, &result)
MAKES(node_api_create_property_key_utf16, char16_t, units, COUNT, &result)
MAKES_EXTERNAL(node_api_create_external_string_latin1, char, units, COUNT, finalize, NULL, &result, NULL)
MAKES_EXTERNAL(node_api_create_external_string_utf16, char16_t, units, COUNT, finalize, NULL, &result, NULL)
MAKES(node_api_symbol_for, char, units, COUNT, &result)
MAKES(napi_create_function, char, units, COUNT, nothing, NULL, &result)
MAKES(napi_create_buffer_copy, char, COUNT, units, NULL, &result)

// The name has the count; without properties.
static napi_value nameOfClass(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value result = NULL;
  GUARDED(char, name, 'a', 'b');
  CALL(napi_define_class(env, name, COUNT, nothing, NULL, 0, NULL, &result));
  release(name);
  VALUE("result", result);
  DONE;
}

WRAP(napi_define_class) {
  ARGUMENTS;
  napi_value result = NULL;
  GUARDED(napi_property_descriptor, members, {.utf8name = "a", .method = nothing},
          {.utf8name = "b", .method = nothing});
  CALL(napi_define_class(env, "K", 1, nothing, NULL, COUNT, members, &result));
  release(members);
  VALUE("result", result);
  DONE;
}

WRAP(napi_define_properties) {
  ARGUMENTS;
  napi_value object;
  MUST(napi_create_object(env, &object));
  GUARDED(napi_property_descriptor, members, {.utf8name = "a", .method = nothing},
          {.utf8name = "b", .method = nothing});
  CALL(napi_define_properties(env, object, COUNT, members));
  release(members);
  DONE;
}

WRAP(napi_create_bigint_words) {
  ARGUMENTS;
  napi_value result = NULL;
  GUARDED(uint64_t, words, 1, 2);
  CALL(napi_create_bigint_words(env, 0, COUNT, words, &result));
  release(words);
  VALUE("result", result);
  DONE;
}

// The count is that of the place, of which as much is written as the value has.
WRAP(napi_get_value_bigint_words) {
  ARGUMENTS;
  napi_value value;
  int sign = 0;
  size_t count = COUNT;
  GUARDED(uint64_t, words, 1, 2);
  MUST(napi_create_bigint_words(env, 1, 2, words, &value));
  CALL(napi_get_value_bigint_words(env, value, &sign, &count, words));
  release(words);
  NUMBER("count", count);
  DONE;
}

#define READS(name, type)                                    \
  WRAP(name) {                                               \
    ARGUMENTS;                                               \
    size_t length = 0;                                       \
    GUARDED(type, units, 0, 0);                              \
    CALL(name(env, ARG(1), units, COUNT, &length));          \
    release(units);                                          \
    NUMBER("length", length);                                \
    DONE;                                                    \
  }

READS(napi_get_value_string_latin1, char)
READS(napi_get_value_string_utf8, char)
READS(napi_get_value_string_utf16, char16_t)

WRAP(napi_call_function) {
  ARGUMENTS;
  napi_value result = NULL;
  GUARDED(napi_value, list, arguments.self, arguments.self);
  CALL(napi_call_function(env, arguments.self, ARG(1), COUNT, list, &result));
  release(list);
  VALUE("result", result);
  DONE;
}

WRAP(napi_make_callback) {
  ARGUMENTS;
  napi_value result = NULL;
  GUARDED(napi_value, list, arguments.self, arguments.self);
  CALL(napi_make_callback(env, NULL, arguments.self, ARG(1), COUNT, list, &result));
  release(list);
  VALUE("result", result);
  DONE;
}

WRAP(napi_new_instance) {
  ARGUMENTS;
  napi_value result = NULL;
  GUARDED(napi_value, list, arguments.self, arguments.self);
  CALL(napi_new_instance(env, ARG(1), COUNT, list, &result));
  release(list);
  VALUE("result", result);
  DONE;
}

WRAP(node_api_create_object_with_properties) {
  ARGUMENTS;
  napi_value result = NULL, name;
  if (node_api_create_object_with_properties == NULL) return report_absent(env);
  MUST(napi_create_string_utf8(env, "a", 1, &name));
  GUARDED(napi_value, names, name, name);
  GUARDED(napi_value, values, name, name);
  CALL(node_api_create_object_with_properties(env, NULL, names, values, COUNT, &result));
  release(names);
  release(values);
  VALUE("result", result);
  DONE;
}

EXPORTS(WRAPPED(napi_create_string_latin1), WRAPPED(napi_create_string_utf8),
        WRAPPED(napi_create_string_utf16), WRAPPED(node_api_create_property_key_latin1),
        WRAPPED(node_api_create_property_key_utf8), WRAPPED(node_api_create_property_key_utf16),
        WRAPPED(node_api_create_external_string_latin1),
        WRAPPED(node_api_create_external_string_utf16), WRAPPED(node_api_symbol_for),
        WRAPPED(napi_create_function), WRAPPED(napi_create_buffer_copy), {"nameOfClass", nameOfClass},
        WRAPPED(napi_define_class), WRAPPED(napi_define_properties),
        WRAPPED(napi_create_bigint_words), WRAPPED(napi_get_value_bigint_words),
        WRAPPED(napi_get_value_string_latin1), WRAPPED(napi_get_value_string_utf8),
        WRAPPED(napi_get_value_string_utf16), WRAPPED(napi_call_function),
        WRAPPED(napi_make_callback), WRAPPED(napi_new_instance),
        WRAPPED(node_api_create_object_with_properties))

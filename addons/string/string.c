// Strings in three encodings, strings in the addon's memory, and property keys.
#include "addon.h"

#include <limits.h>

// Bytes come from an array of numbers, so that any byte can be asked for.
typedef struct {
  union {
    uint8_t bytes[512];
    uint16_t units[256];
  };
  size_t count;
} Raw;

static Raw raw_bytes(napi_env env, napi_value list) {
  Raw raw = {.count = 0};
  uint32_t count = 0;
  MUST(napi_get_array_length(env, list, &count));
  for (; raw.count < count && raw.count < 511; raw.count++) {
    napi_value item;
    MUST(napi_get_element(env, list, (uint32_t)raw.count, &item));
    raw.bytes[raw.count] = (uint8_t)integer(env, item);
  }
  raw.bytes[raw.count] = 0;
  return raw;
}

static Raw raw_units(napi_env env, napi_value list) {
  Raw raw = {.count = 0};
  uint32_t count = 0;
  MUST(napi_get_array_length(env, list, &count));
  for (; raw.count < count && raw.count < 255; raw.count++) {
    napi_value item;
    MUST(napi_get_element(env, list, (uint32_t)raw.count, &item));
    raw.units[raw.count] = (uint16_t)integer(env, item);
  }
  raw.units[raw.count] = 0;
  return raw;
}

// function([byte, ...], length or nothing for NAPI_AUTO_LENGTH)
#define CREATE(function, read, pointer, type)                                                   \
  WRAP(function) {                                                                              \
    ARGUMENTS;                                                                                  \
    REQUIRES(function);                                                                         \
    Raw raw = {.count = 0};                                                                     \
    bool null = addon_type(env, ARG(0)) == napi_null;                                           \
    if (!null) raw = read(env, ARG(0));                                                         \
    napi_value result = NULL;                                                                   \
    CALL(function(env, null ? NULL : (type*)raw.pointer, length_or_auto(env, ARG(1)), &result)); \
    VALUE("result", result);                                                                    \
    DONE;                                                                                       \
  }

CREATE(napi_create_string_utf8, raw_bytes, bytes, const char)
CREATE(napi_create_string_latin1, raw_bytes, bytes, const char)
CREATE(napi_create_string_utf16, raw_units, units, const char16_t)
CREATE(node_api_create_property_key_utf8, raw_bytes, bytes, const char)
CREATE(node_api_create_property_key_latin1, raw_bytes, bytes, const char)
CREATE(node_api_create_property_key_utf16, raw_units, units, const char16_t)

// function(string, bufsize): the copied units, the count, and the first unit after them.
#define GET(function, type)                                                             \
  WRAP(function) {                                                                      \
    ARGUMENTS;                                                                          \
    type buffer[64];                                                                    \
    for (size_t i = 0; i < 64; i++) buffer[i] = 0x77;                                   \
    size_t count = 77;                                                                  \
    CALL(function(env, ARG(0), buffer, (size_t)integer(env, ARG(1)), &count));          \
    NUMBER("count", count);                                                             \
    if (OK) {                                                                           \
      napi_value units;                                                                 \
      MUST(napi_create_array(env, &units));                                             \
      for (size_t i = 0; i <= count && i < 64; i++) {                                   \
        napi_value unit;                                                                \
        MUST(napi_create_uint32(env, sizeof(type) == 1 ? (uint8_t)buffer[i] : (uint16_t)buffer[i], \
                                &unit));                                                \
        MUST(napi_set_element(env, units, (uint32_t)i, unit));                          \
      }                                                                                 \
      VALUE("units", units);                                                            \
    }                                                                                   \
    DONE;                                                                               \
  }

GET(napi_get_value_string_utf8, char)
GET(napi_get_value_string_latin1, char)
GET(napi_get_value_string_utf16, char16_t)

// The full length in each encoding.
static napi_value lengths(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  size_t utf8 = 77, latin1 = 77, utf16 = 77;
  CALL(napi_get_value_string_utf8(env, ARG(0), NULL, 0, &utf8));
  if (OK) {
    MUST(napi_get_value_string_latin1(env, ARG(0), NULL, 0, &latin1));
    MUST(napi_get_value_string_utf16(env, ARG(0), NULL, 0, &utf16));
  }
  NUMBER("utf8", utf8);
  NUMBER("latin1", latin1);
  NUMBER("utf16", utf16);
  DONE;
}

// The buffer is given and the result is not: the copied text comes back.
static napi_value withoutResult(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  char buffer[64] = "untouched";
  CALL(napi_get_value_string_utf8(env, ARG(0), buffer, sizeof buffer, NULL));
  TEXT("text", buffer);
  DONE;
}

// Strings in our memory. Finalizers are counted, nothing is freed: the memory is static.

static int finalized;

static void count_finalizer(napi_env env, void* data, void* hint) { finalized += 1; }

static char external_latin1[] = "external \xe9";
static char16_t external_utf16[] = {'e', 'x', 't', 0x20ac, 0};

WRAP(node_api_create_external_string_latin1) {
  ARGUMENTS;
  REQUIRES(node_api_create_external_string_latin1);
  napi_value result = NULL;
  bool copied = true;
  CALL(node_api_create_external_string_latin1(env, external_latin1, length_or_auto(env, ARG(0)),
                                              NULL, NULL, &result, &copied));
  VALUE("result", result);
  BOOL("copied", copied);
  BOOL("copied", copied);
  DONE;
}

WRAP(node_api_create_external_string_utf16) {
  ARGUMENTS;
  REQUIRES(node_api_create_external_string_utf16);
  napi_value result = NULL;
  bool copied = true;
  CALL(node_api_create_external_string_utf16(env, external_utf16, length_or_auto(env, ARG(0)),
                                             NULL, NULL, &result, &copied));
  VALUE("result", result);
  BOOL("copied", copied);
  DONE;
}

// An empty external string is finalized during the call.
static napi_value emptyExternalString(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  REQUIRES(node_api_create_external_string_latin1);
  int before = finalized;
  napi_value result = NULL;
  CALL(node_api_create_external_string_latin1(env, external_latin1, 0, count_finalizer, NULL,
                                              &result, NULL));
  VALUE("result", result);
  NUMBER("finalized", finalized - before);
  DONE;
}

// What is not copied is not finalized during the call.
static napi_value externalStringIsKept(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  REQUIRES(node_api_create_external_string_latin1);
  int before = finalized;
  napi_value result = NULL;
  bool copied = true;
  CALL(node_api_create_external_string_latin1(env, external_latin1, NAPI_AUTO_LENGTH,
                                              count_finalizer, NULL, &result, &copied));
  BOOL("copied", copied);
  NUMBER("finalized", finalized - before);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, word;
  size_t count;
  char bytes[8];
  char16_t units[8] = {'a', 0};
  size_t too_long = (size_t)INT_MAX + 1;
  MUST(napi_create_string_utf8(env, "word", 4, &word));
  NULLS(napi_create_string_utf8(NULL, "a", 1, &result));
  NULLS(napi_create_string_utf8(env, NULL, 1, &result));
  NULLS(napi_create_string_utf8(env, NULL, 0, &result));
  NULLS(napi_create_string_utf8(env, NULL, NAPI_AUTO_LENGTH, &result));
  NULLS(napi_create_string_utf8(env, "a", 1, NULL));
  NULLS(napi_create_string_utf8(env, "a", too_long, &result));
  // One more than V8's longest string has.
  size_t over = ((size_t)1 << 29) - 23;
  NULLS(napi_create_string_utf8(env, "a", over, &result));
  NULLS(napi_create_string_latin1(env, "a", over, &result));
  NULLS(napi_create_string_utf16(env, units, over, &result));
  NULLS(node_api_symbol_for(env, "a", over, &result));
  NULLS(napi_create_function(env, "a", over, nullArguments, NULL, &result));
  NULLS(napi_define_class(env, "a", over, nullArguments, NULL, 0, NULL, &result));
  NULLS(napi_create_string_latin1(env, NULL, 0, &result));
  NULLS(napi_create_string_latin1(env, NULL, NAPI_AUTO_LENGTH, &result));
  NULLS(napi_create_string_latin1(env, "a", 1, NULL));
  NULLS(napi_create_string_latin1(env, "a", too_long, &result));
  NULLS(napi_create_string_utf16(env, NULL, 0, &result));
  NULLS(napi_create_string_utf16(env, NULL, NAPI_AUTO_LENGTH, &result));
  NULLS(napi_create_string_utf16(env, units, 1, NULL));
  NULLS(napi_create_string_utf16(env, units, too_long, &result));
  NULLS(napi_get_value_string_utf8(NULL, word, bytes, sizeof bytes, &count));
  NULLS(napi_get_value_string_utf8(env, NULL, bytes, sizeof bytes, &count));
  NULLS(napi_get_value_string_utf8(env, word, NULL, 0, NULL));
  NULLS(napi_get_value_string_utf8(env, word, bytes, sizeof bytes, NULL));
  NULLS(napi_get_value_string_latin1(env, NULL, bytes, sizeof bytes, &count));
  NULLS(napi_get_value_string_latin1(env, word, NULL, 0, NULL));
  NULLS(napi_get_value_string_utf16(env, NULL, units, 8, &count));
  NULLS(napi_get_value_string_utf16(env, word, NULL, 0, NULL));
  if (node_api_create_property_key_utf16 != NULL) {
    NULLS(node_api_create_property_key_latin1(env, NULL, NAPI_AUTO_LENGTH, &result));
    NULLS(node_api_create_property_key_latin1(env, "a", 1, NULL));
    NULLS(node_api_create_property_key_utf8(env, NULL, NAPI_AUTO_LENGTH, &result));
    NULLS(node_api_create_property_key_utf8(env, "a", 1, NULL));
    NULLS(node_api_create_property_key_utf16(env, NULL, NAPI_AUTO_LENGTH, &result));
    NULLS(node_api_create_property_key_utf16(env, units, 1, NULL));
  }
  if (node_api_create_external_string_latin1 != NULL) {
    NULLS(node_api_create_external_string_latin1(env, external_latin1, 3, NULL, NULL, NULL, NULL));
    NULLS(node_api_create_external_string_utf16(env, external_utf16, 3, NULL, NULL, NULL, NULL));
  }
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, word;
  size_t count;
  char bytes[8];
  char16_t units[8] = {'a', 0};
  MUST(napi_create_string_utf8(env, "word", 4, &word));
  PENDING(napi_create_string_utf8(env, "a", 1, &result));
  PENDING(napi_create_string_latin1(env, "a", 1, &result));
  PENDING(napi_create_string_utf16(env, units, 1, &result));
  PENDING(napi_get_value_string_utf8(env, word, bytes, sizeof bytes, &count));
  PENDING(napi_get_value_string_latin1(env, word, bytes, sizeof bytes, &count));
  PENDING(napi_get_value_string_utf16(env, word, units, 8, &count));
  if (node_api_create_property_key_utf16 != NULL) {
    PENDING(node_api_create_property_key_utf16(env, units, 1, &result));
    PENDING(node_api_create_external_string_latin1(env, external_latin1, 3, NULL, NULL, &result, NULL));
    PENDING(node_api_create_external_string_utf16(env, external_utf16, 3, NULL, NULL, &result, NULL));
  }
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_string_utf8), WRAPPED(napi_create_string_latin1),
        WRAPPED(napi_create_string_utf16), WRAPPED(node_api_create_property_key_utf8),
        WRAPPED(node_api_create_property_key_latin1), WRAPPED(node_api_create_property_key_utf16),
        WRAPPED(napi_get_value_string_utf8), WRAPPED(napi_get_value_string_latin1),
        WRAPPED(napi_get_value_string_utf16), WRAPPED(node_api_create_external_string_latin1),
        WRAPPED(node_api_create_external_string_utf16), {"lengths", lengths},
        {"withoutResult", withoutResult}, {"emptyExternalString", emptyExternalString},
        {"externalStringIsKept", externalStringIsKept},
        {"nullArguments", nullArguments}, {"pendingException", pendingException})

// Values that are no objects: making, reading, comparing and coercing them.
#ifndef FUZZ_VALUE_H
#define FUZZ_VALUE_H

#include "call.h"

MAKES(napi_get_undefined, napi_get_undefined(env, RESULT))
MAKES(napi_get_null, napi_get_null(env, RESULT))
OP(napi_get_global) {
  napi_value result = NULL;
  DO(napi_get_global(env, RESULT));
}
MAKES(napi_get_boolean, napi_get_boolean(env, byte() & 1, RESULT))
MAKES(napi_create_object, napi_create_object(env, RESULT))
MAKES(napi_create_array, napi_create_array(env, RESULT))
MAKES(napi_create_array_with_length, napi_create_array_with_length(env, CHOOSE(SIZES), RESULT))
MAKES(napi_create_double, napi_create_double(env, CHOOSE(DOUBLES), RESULT))
MAKES(napi_create_int32, napi_create_int32(env, (int32_t)CHOOSE(INTEGERS), RESULT))
MAKES(napi_create_uint32, napi_create_uint32(env, (uint32_t)CHOOSE(INTEGERS), RESULT))
MAKES(napi_create_int64, napi_create_int64(env, CHOOSE(INTEGERS), RESULT))
MAKES(napi_create_date, napi_create_date(env, CHOOSE(DOUBLES), RESULT))
MAKES(napi_create_bigint_int64, napi_create_bigint_int64(env, CHOOSE(INTEGERS), RESULT))
MAKES(napi_create_bigint_uint64, napi_create_bigint_uint64(env, CHOOSE(WORDS), RESULT))
OP(napi_create_bigint_words) {
  uint64_t words[4];
  for (int i = 0; i < 4; i++) words[i] = CHOOSE(WORDS);
  napi_value result = NULL;
  int sign = (int)below(3) - 1;
  DO(napi_create_bigint_words(env, sign, below(5), rarely(32) ? NULL : words, RESULT));
  if (SUCCEEDED) store(result);
}

// A text and a length that goes with it: its own, a shorter one, or none.
static const char* some_text(size_t* length) {
  const Bytes* chosen = &TEXTS[below(sizeof TEXTS / sizeof TEXTS[0])];
  unsigned choice = below(16);
  *length = choice < 4 ? NAPI_AUTO_LENGTH : chosen->length;
  if (choice == 4 && chosen->length > 0) *length = chosen->length - 1;
  if (choice == 5) *length = (size_t)INT32_MAX + 1;
  if (choice == 6) *length = 0;
  return rarely(32) && *length != 1 ? NULL : chosen->bytes;
}
static const char* short_text(size_t* length) {
  const char* text_ = some_text(length);
  if (*length == (size_t)INT32_MAX + 1) *length = NAPI_AUTO_LENGTH;
  return text_;
}
static const char16_t* wide_text(size_t* length) {
  static char16_t units[64];
  static const char16_t SPECIAL[] = {0xd83d, 0xde00, 0xd800, 0xdc00, 0x20ac, 0xff, 0};
  const char* narrow = some_text(length);
  if (narrow == NULL) return NULL;
  size_t count = 0;
  const Bytes* any = &TEXTS[below(sizeof TEXTS / sizeof TEXTS[0])];
  for (; count < any->length && count < 40; count++) {
    units[count] = rarely(4) ? CHOOSE(SPECIAL) : (char16_t)(unsigned char)any->bytes[count];
  }
  units[count] = 0;
  if (*length <= INT32_MAX) *length = *length < count ? *length : count;
  return units;
}

#define TEXTUAL(function, reader, type)                    \
  OP(function) {                                           \
    napi_value result = NULL;                              \
    size_t length;                                         \
    const type* chars = reader(&length);                   \
    DO(function(env, chars, length, RESULT));              \
    if (SUCCEEDED) store(result);                          \
  }
TEXTUAL(napi_create_string_utf8, some_text, char)
TEXTUAL(napi_create_string_latin1, some_text, char)
TEXTUAL(napi_create_string_utf16, wide_text, char16_t)
TEXTUAL(node_api_create_property_key_utf8, some_text, char)
TEXTUAL(node_api_create_property_key_latin1, some_text, char)
TEXTUAL(node_api_create_property_key_utf16, wide_text, char16_t)
TEXTUAL(node_api_symbol_for, some_text, char)
OP(node_api_create_external_string_latin1) {
  // Whether the engine copies is its affair. There is no finalizer: Node runs it while it collects
  // garbage, and loses the exception that is pending then.
  napi_value result = NULL;
  const Bytes* chosen = &TEXTS[below(sizeof TEXTS / sizeof TEXTS[0])];
  bool copied;
  DO(node_api_create_external_string_latin1(env, (char*)chosen->bytes, chosen->length, NULL, NULL,
                                            &result, &copied));
  if (SUCCEEDED) store(result);
}
OP(node_api_create_external_string_utf16) {
  static const char16_t UNITS[] = {'a', 0x20ac, 0xd83d, 0xde00, 0xd800, 0xff, '1', 0};
  napi_value result = NULL;
  size_t length = below(8);
  bool copied;
  DO(node_api_create_external_string_utf16(env, (char16_t*)UNITS + 7 - length, length, NULL, NULL,
                                           &result, &copied));
  if (SUCCEEDED) store(result);
}
MAKES(napi_create_symbol, napi_create_symbol(env, value(STRING), RESULT))

OP(napi_typeof) {
  napi_valuetype result = napi_undefined;
  DO(napi_typeof(env, value(ANY), OUT(result)));
  if (SUCCEEDED) say(" %d", result);
}
#define NUMERIC(function, type, format)             \
  OP(function) {                                    \
    type result = 77;                               \
    DO(function(env, value(NUMBER), RESULT));       \
    say(" " format, result);                        \
  }
NUMERIC(napi_get_value_double, double, "%.17g")
NUMERIC(napi_get_value_int32, int32_t, "%" PRId32)
NUMERIC(napi_get_value_uint32, uint32_t, "%" PRIu32)
NUMERIC(napi_get_value_int64, int64_t, "%" PRId64)
OP(napi_get_date_value) {
  double result = 77;
  DO(napi_get_date_value(env, value(DATE), RESULT));
  say(" %.17g", result);
}
ASKS(napi_get_value_bool, napi_get_value_bool(env, value(ANY), RESULT))
#define BIG(function, type, format)                                \
  OP(function) {                                                   \
    type result = 77;                                              \
    bool lossless = false;                                         \
    DO(function(env, value(BIGINT), RESULT, OUT(lossless)));       \
    if (SUCCEEDED) say(" " format " %d", result, lossless);        \
  }
BIG(napi_get_value_bigint_int64, int64_t, "%" PRId64)
BIG(napi_get_value_bigint_uint64, uint64_t, "%" PRIu64)
OP(napi_get_value_bigint_words) {
  uint64_t words[6] = {7, 7, 7, 7, 7, 7};
  size_t count = below(6);
  int sign = -5;
  bool measure = rarely(4);
  DO(napi_get_value_bigint_words(env, value(BIGINT), measure ? NULL : OUT(sign), &count,
                                 measure ? NULL : words));
  say(" %d %zu", sign, count);
  for (int i = 0; i < 6; i++) say(" %" PRIx64, words[i]);
}
#define READS(function, unit, format)                                             \
  OP(function) {                                                                  \
    unit buffer[48];                                                              \
    size_t result = 77;                                                           \
    memset(buffer, 0x55, sizeof buffer);                                          \
    size_t room = below(48);                                                      \
    bool measure = rarely(6);                                                     \
    DO(function(env, value(STRING), measure ? NULL : buffer, room, RESULT));      \
    say(" %zu", result);                                                          \
    for (size_t i = 0; i < 8; i++) say(" " format, (unsigned)buffer[i]);          \
  }
READS(napi_get_value_string_latin1, char, "%x")
READS(napi_get_value_string_utf8, char, "%x")
READS(napi_get_value_string_utf16, char16_t, "%x")

MAKES(napi_coerce_to_bool, napi_coerce_to_bool(env, value(ANY), RESULT))
MAKES(napi_coerce_to_number, napi_coerce_to_number(env, value(ANY), RESULT))
MAKES(napi_coerce_to_object, napi_coerce_to_object(env, value(ANY), RESULT))
MAKES(napi_coerce_to_string, napi_coerce_to_string(env, value(ANY), RESULT))
ASKS(napi_strict_equals, napi_strict_equals(env, value(ANY), value(ANY), RESULT))
ASKS(napi_instanceof, napi_instanceof(env, value(ANY), value(FUNCTION), RESULT))
ASKS(napi_is_date, napi_is_date(env, value(DATE), RESULT))
OP(napi_get_version) {
  uint32_t result = 0;
  DO(napi_get_version(env, RESULT));
  say(" %" PRIu32, result);
}

// Its numbers are the runtime's own.
OP(napi_get_node_version) {
  const napi_node_version* result = NULL;
  DO(napi_get_node_version(env, RESULT));
}
OP(node_api_get_module_file_name) {
  const char* result = NULL;
  DO(node_api_get_module_file_name(env, RESULT));
  if (SUCCEEDED) say(" %s", strrchr(result, '/'));
}

#define VALUE_OPERATIONS                                                                        \
    LIST(napi_get_undefined), LIST(napi_get_null), LIST(napi_get_global),                       \
    LIST(napi_get_boolean), LIST(napi_create_object), LIST(napi_create_array),                  \
    LIST(napi_create_array_with_length), LIST(napi_create_double), LIST(napi_create_int32),     \
    LIST(napi_create_uint32), LIST(napi_create_int64), LIST(napi_create_date),                  \
    LIST(napi_create_bigint_int64), LIST(napi_create_bigint_uint64),                            \
    LIST(napi_create_bigint_words), LIST(napi_create_string_utf8),                              \
    LIST(napi_create_string_latin1), LIST(napi_create_string_utf16),                            \
    LIST(node_api_create_property_key_utf8), LIST(node_api_create_property_key_latin1),         \
    LIST(node_api_create_property_key_utf16), LIST(node_api_symbol_for),                        \
    LIST(node_api_create_external_string_latin1), LIST(node_api_create_external_string_utf16),  \
    LIST(napi_get_node_version), LIST(node_api_get_module_file_name), LIST(napi_create_symbol), \
    LIST(napi_typeof), LIST(napi_get_value_double), LIST(napi_get_value_int32),                 \
    LIST(napi_get_value_uint32), LIST(napi_get_value_int64), LIST(napi_get_date_value),         \
    LIST(napi_get_value_bool), LIST(napi_get_value_bigint_int64),                               \
    LIST(napi_get_value_bigint_uint64), LIST(napi_get_value_bigint_words),                      \
    LIST(napi_get_value_string_latin1), LIST(napi_get_value_string_utf8),                       \
    LIST(napi_get_value_string_utf16), LIST(napi_coerce_to_bool), LIST(napi_coerce_to_number),  \
    LIST(napi_coerce_to_object), LIST(napi_coerce_to_string), LIST(napi_strict_equals),         \
    LIST(napi_instanceof), LIST(napi_is_date), LIST(napi_get_version)

#endif

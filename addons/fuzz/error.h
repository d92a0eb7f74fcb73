// Errors and exceptions.
#ifndef FUZZ_ERROR_H
#define FUZZ_ERROR_H

#include "call.h"

#define NEW_ERROR(function) \
  MAKES(function, function(env, rarely(3) ? value(STRING) : NULL, value(STRING), RESULT))
NEW_ERROR(napi_create_error)
NEW_ERROR(napi_create_type_error)
NEW_ERROR(napi_create_range_error)
NEW_ERROR(node_api_create_syntax_error)
static const char* message(void) { return rarely(32) ? NULL : rarely(8) ? "" : "fuzz: thrown"; }
static const char* code(void) { return rarely(2) ? NULL : rarely(8) ? "" : "FUZZ_CODE"; }
ACTS(napi_throw, napi_throw(env, value(ANY)))
ACTS(napi_throw_error, napi_throw_error(env, code(), message()))
ACTS(napi_throw_type_error, napi_throw_type_error(env, code(), message()))
ACTS(napi_throw_range_error, napi_throw_range_error(env, code(), message()))
ACTS(node_api_throw_syntax_error, node_api_throw_syntax_error(env, code(), message()))
ASKS(napi_is_error, napi_is_error(env, value(OBJECT), RESULT))
ASKS(napi_is_exception_pending, napi_is_exception_pending(env, RESULT))
MAKES(napi_get_and_clear_last_exception, napi_get_and_clear_last_exception(env, RESULT))
OP(napi_get_last_error_info) {
  const napi_extended_error_info* result = NULL;
  DO(napi_get_last_error_info(env, RESULT));
}
ACTS(napi_fatal_exception, napi_fatal_exception(env, value(ANY)))

#define ERROR_OPERATIONS                                                                          \
    LIST(napi_create_error), LIST(napi_create_type_error), LIST(napi_create_range_error),         \
    LIST(node_api_create_syntax_error), LIST(napi_throw), LIST(napi_throw_error),                 \
    LIST(napi_throw_type_error), LIST(napi_throw_range_error), LIST(node_api_throw_syntax_error), \
    LIST(napi_is_error), LIST(napi_is_exception_pending),                                         \
    LIST(napi_get_and_clear_last_exception), LIST(napi_get_last_error_info),                      \
    LIST(napi_fatal_exception)

#endif

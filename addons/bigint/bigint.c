// Bigints, as 64-bit integers and as words.
#include "addon.h"

#include <limits.h>

#define WORDS 64

WRAP(napi_create_bigint_int64) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_bigint_int64(env, integer(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

WRAP(napi_create_bigint_uint64) {
  ARGUMENTS;
  napi_value result = NULL;
  CALL(napi_create_bigint_uint64(env, (uint64_t)integer(env, ARG(0)), &result));
  VALUE("result", result);
  DONE;
}

// napi_create_bigint_words(sign, [word, ...])
WRAP(napi_create_bigint_words) {
  ARGUMENTS;
  uint64_t words[WORDS] = {0};
  uint32_t count = 0;
  MUST(napi_get_array_length(env, ARG(1), &count));
  for (uint32_t i = 0; i < count && i < WORDS; i++) {
    napi_value word;
    bool lossless;
    MUST(napi_get_element(env, ARG(1), i, &word));
    MUST(napi_get_value_bigint_uint64(env, word, &words[i], &lossless));
  }
  napi_value result = NULL;
  CALL(napi_create_bigint_words(env, (int)integer(env, ARG(0)), count, words, &result));
  VALUE("result", result);
  DONE;
}

// napi_create_bigint_words with a count that no memory stands behind: refused before it is read.
static napi_value createTooManyWords(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  uint64_t word = 1;
  napi_value result = NULL;
  CALL(napi_create_bigint_words(env, 0, (size_t)INT_MAX + 1, &word, &result));
  VALUE("result", result);
  DONE;
}

// More words than a bigint may have, all of them there.
static napi_value createLargestWords(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  size_t count = (size_t)integer(env, ARG(0));
  uint64_t* words = calloc(count, sizeof *words);
  if (words == NULL) return NULL;
  words[count - 1] = 1;
  napi_value result = NULL;
  CALL(napi_create_bigint_words(env, 0, count, words, &result));
  free(words);
  BOOL("made", result != NULL);
  DONE;
}

WRAP(napi_get_value_bigint_int64) {
  ARGUMENTS;
  int64_t result = 77;
  bool lossless = false;
  char shown[32];
  CALL(napi_get_value_bigint_int64(env, ARG(0), &result, &lossless));
  snprintf(shown, sizeof shown, "%" PRId64, result);
  TEXT("result", shown);
  BOOL("lossless", lossless);
  DONE;
}

WRAP(napi_get_value_bigint_uint64) {
  ARGUMENTS;
  uint64_t result = 77;
  bool lossless = false;
  char shown[32];
  CALL(napi_get_value_bigint_uint64(env, ARG(0), &result, &lossless));
  snprintf(shown, sizeof shown, "%" PRIu64, result);
  TEXT("result", shown);
  BOOL("lossless", lossless);
  DONE;
}

// napi_get_value_bigint_words(bigint, room)
WRAP(napi_get_value_bigint_words) {
  ARGUMENTS;
  uint64_t words[WORDS];
  for (int i = 0; i < WORDS; i++) words[i] = 77;
  int sign = 77;
  size_t room = GIVEN > 1 ? (size_t)integer(env, ARG(1)) : WORDS, count = room;
  CALL(napi_get_value_bigint_words(env, ARG(0), &sign, &count, words));
  char shown[256] = "";
  for (size_t i = 0; i < 4; i++) {
    size_t at = strlen(shown);
    snprintf(shown + at, sizeof shown - at, i ? ",%" PRIx64 : "%" PRIx64, words[i]);
  }
  NUMBER("sign", sign);
  NUMBER("count", count);
  TEXT("words", shown);
  DONE;
}

static napi_value countWords(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  size_t count = 77;
  CALL(napi_get_value_bigint_words(env, ARG(0), NULL, &count, NULL));
  NUMBER("count", count);
  DONE;
}

static napi_value nullArguments(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, one;
  int64_t as_int64;
  uint64_t as_uint64, words[1] = {1};
  size_t count = 1;
  int sign;
  bool lossless;
  MUST(napi_create_bigint_int64(env, 1, &one));
  NULLS(napi_create_bigint_int64(NULL, 1, &result));
  NULLS(napi_create_bigint_int64(env, 1, NULL));
  NULLS(napi_create_bigint_uint64(NULL, 1, &result));
  NULLS(napi_create_bigint_uint64(env, 1, NULL));
  NULLS(napi_create_bigint_words(NULL, 0, 1, words, &result));
  NULLS(napi_create_bigint_words(env, 0, 1, NULL, &result));
  NULLS(napi_create_bigint_words(env, 0, 1, words, NULL));
  NULLS(napi_get_value_bigint_int64(NULL, one, &as_int64, &lossless));
  NULLS(napi_get_value_bigint_int64(env, NULL, &as_int64, &lossless));
  NULLS(napi_get_value_bigint_int64(env, one, NULL, &lossless));
  NULLS(napi_get_value_bigint_int64(env, one, &as_int64, NULL));
  NULLS(napi_get_value_bigint_uint64(NULL, one, &as_uint64, &lossless));
  NULLS(napi_get_value_bigint_uint64(env, NULL, &as_uint64, &lossless));
  NULLS(napi_get_value_bigint_uint64(env, one, NULL, &lossless));
  NULLS(napi_get_value_bigint_uint64(env, one, &as_uint64, NULL));
  NULLS(napi_get_value_bigint_words(NULL, one, &sign, &count, words));
  NULLS(napi_get_value_bigint_words(env, NULL, &sign, &count, words));
  NULLS(napi_get_value_bigint_words(env, one, NULL, &count, words));
  NULLS(napi_get_value_bigint_words(env, one, &sign, NULL, words));
  NULLS(napi_get_value_bigint_words(env, one, &sign, &count, NULL));
  CASES_DONE;
}

static napi_value pendingException(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  CASES;
  napi_value result, one;
  int64_t as_int64;
  uint64_t as_uint64, words[1] = {1};
  size_t count = 1;
  int sign;
  bool lossless;
  MUST(napi_create_bigint_int64(env, 1, &one));
  PENDING(napi_create_bigint_int64(env, 1, &result));
  PENDING(napi_create_bigint_uint64(env, 1, &result));
  PENDING(napi_create_bigint_words(env, 0, 1, words, &result));
  PENDING(napi_get_value_bigint_int64(env, one, &as_int64, &lossless));
  PENDING(napi_get_value_bigint_uint64(env, one, &as_uint64, &lossless));
  PENDING(napi_get_value_bigint_words(env, one, &sign, &count, words));
  CASES_DONE;
}

EXPORTS(WRAPPED(napi_create_bigint_int64), WRAPPED(napi_create_bigint_uint64),
        WRAPPED(napi_create_bigint_words), WRAPPED(napi_get_value_bigint_int64),
        WRAPPED(napi_get_value_bigint_uint64), WRAPPED(napi_get_value_bigint_words),
        {"countWords", countWords}, {"createTooManyWords", createTooManyWords},
        {"createLargestWords", createLargestWords}, {"nullArguments", nullArguments},
        {"pendingException", pendingException})

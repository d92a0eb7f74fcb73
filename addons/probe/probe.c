// Asks the kernel whatever it is told to ask: the hand of tests about sandboxes.
//
// `call(number, ...arguments)` makes a system call and returns what the kernel does: the result, or
// the error as a negative number. Numbers are passed as they are, strings and buffers as pointers,
// null as 0. `atLoad` is what one attempt answered that a constructor made, before any function of
// this file could be called.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 7

static int opened_at_load;

__attribute__((constructor)) static void before_everything(void) {
  int fd = open("/etc/passwd", O_RDONLY);
  opened_at_load = fd >= 0 ? 0 : -errno;
  if (fd >= 0) close(fd);
}

static int read_argument(napi_env env, napi_value value, long* out, char** text) {
  napi_valuetype type;
  bool is_buffer = false;
  *text = NULL;
  if (napi_typeof(env, value, &type) != napi_ok) return 0;
  if (type == napi_null || type == napi_undefined) {
    *out = 0;
    return 1;
  }
  if (type == napi_number) {
    double number;
    if (napi_get_value_double(env, value, &number) != napi_ok) return 0;
    // Addresses and flags above the range of a signed number, too.
    *out = number < 0 ? (long)number : (long)(uint64_t)number;
    return 1;
  }
  if (type == napi_string) {
    size_t length = 0;
    if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) return 0;
    *text = malloc(length + 1);
    if (*text == NULL) return 0;
    if (napi_get_value_string_utf8(env, value, *text, length + 1, &length) != napi_ok) return 0;
    *out = (long)*text;
    return 1;
  }
  if (napi_is_buffer(env, value, &is_buffer) == napi_ok && is_buffer) {
    void* data = NULL;
    if (napi_get_buffer_info(env, value, &data, NULL) != napi_ok) return 0;
    *out = (long)data;
    return 1;
  }
  return 0;
}

static napi_value call(napi_env env, napi_callback_info info) {
  size_t count = MOST;
  napi_value values[MOST];
  long arguments[MOST] = {0};
  char* texts[MOST] = {0};
  napi_value result = NULL;
  int understood = napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok;
  for (size_t i = 0; understood && i < count && i < MOST; i++) {
    understood = read_argument(env, values[i], &arguments[i], &texts[i]);
  }
  if (understood) {
    long answer = syscall(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                          arguments[5], arguments[6]);
    napi_create_int64(env, answer == -1 ? -errno : answer, &result);
  } else {
    napi_throw_type_error(env, NULL, "call takes numbers, strings, buffers and null");
  }
  for (size_t i = 0; i < MOST; i++) free(texts[i]);
  return result;
}

static void* idle(void* stop) {
  pthread_mutex_lock(stop);
  pthread_mutex_unlock(stop);
  return NULL;
}

// Starts threads until there are `most` or no more can be had; returns how many there were.
static napi_value threads(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result = NULL;
  uint32_t most = 0, started = 0;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok ||
      napi_get_value_uint32(env, argument, &most) != napi_ok || most > 4096) {
    napi_throw_type_error(env, NULL, "threads takes a number up to 4096");
    return NULL;
  }
  pthread_t* all = calloc(most, sizeof *all);
  pthread_mutex_t stop = PTHREAD_MUTEX_INITIALIZER;
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  pthread_mutex_lock(&stop);
  while (all != NULL && started < most && pthread_create(&all[started], &small, idle, &stop) == 0) {
    started++;
  }
  pthread_mutex_unlock(&stop);
  for (uint32_t i = 0; i < started; i++) pthread_join(all[i], NULL);
  free(all);
  napi_create_uint32(env, started, &result);
  return result;
}

// Allocates and touches memory in pieces of 1 MiB until there are `most`; returns how many.
static napi_value memory(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result = NULL;
  uint32_t most = 0, got = 0;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok ||
      napi_get_value_uint32(env, argument, &most) != napi_ok || most > 65536) {
    napi_throw_type_error(env, NULL, "memory takes a number up to 65536");
    return NULL;
  }
  void** pieces = calloc(most, sizeof *pieces);
  while (pieces != NULL && got < most && (pieces[got] = malloc(1 << 20)) != NULL) {
    memset(pieces[got], 1, 1 << 20);
    got++;
  }
  for (uint32_t i = 0; i < got; i++) free(pieces[i]);
  free(pieces);
  napi_create_uint32(env, got, &result);
  return result;
}

static napi_value spin(napi_env env, napi_callback_info info) {
  for (volatile uint64_t turns = 0;; turns++) {
  }
  return NULL;
}

// A call by the table of numbers for programs of 32 bits: getpid.
static napi_value foreign(napi_env env, napi_callback_info info) {
#ifdef __x86_64__
  long answer;
  __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20) : "memory");
#endif
  return NULL;
}

// Starts a program with one argument, if it is given one, and returns what it exits with, or the
// error as a negative number.
static napi_value run(napi_env env, napi_callback_info info) {
  size_t count = 2, length;
  napi_value values[2], result = NULL;
  char texts[2][1024] = {"", ""};
  pid_t child;
  int status = 0;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  for (size_t i = 0; i < count && i < 2; i++) {
    napi_get_value_string_utf8(env, values[i], texts[i], sizeof texts[i], &length);
  }
  char* arguments[] = {texts[0], count > 1 ? texts[1] : NULL, NULL};
  char* nothing[] = {NULL};
  int error = posix_spawn(&child, texts[0], NULL, NULL, arguments, nothing);
  if (error == 0 && waitpid(child, &status, 0) < 0) error = errno;
  napi_create_int32(env, error != 0 ? -error : WIFEXITED(status) ? WEXITSTATUS(status) : 256,
                    &result);
  return result;
}

static napi_value fail(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value argument;
  char text[256] = "";
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == napi_ok &&
      napi_get_value_string_utf8(env, argument, text, sizeof text, &length) == napi_ok) {
    napi_throw_error(env, NULL, text);
  }
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_property_descriptor functions[] = {
      {"call", NULL, call, NULL, NULL, NULL, napi_default_jsproperty, NULL},
      {"threads", NULL, threads, NULL, NULL, NULL, napi_default_jsproperty, NULL},
      {"memory", NULL, memory, NULL, NULL, NULL, napi_default_jsproperty, NULL},
      {"spin", NULL, spin, NULL, NULL, NULL, napi_default_jsproperty, NULL},
      {"foreign", NULL, foreign, NULL, NULL, NULL, napi_default_jsproperty, NULL},
      {"run", NULL, run, NULL, NULL, NULL, napi_default_jsproperty, NULL},
      {"fail", NULL, fail, NULL, NULL, NULL, napi_default_jsproperty, NULL},
  };
  napi_value at_load;
  if (napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions) !=
          napi_ok ||
      napi_create_int32(env, opened_at_load, &at_load) != napi_ok ||
      napi_set_named_property(env, exports, "atLoad", at_load) != napi_ok) {
    return NULL;
  }
  return exports;
}

// Misuses the memory of buffers: writes to it on a thread, past its end, and after it was freed.
//
// What it does to its own process is undefined in C, so nothing here is optimised.
#include "plain.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

static struct {
  pthread_t thread;
  volatile uint8_t* data;
  size_t length;
  atomic_int runs;
} writer;

static void* write_all(void* unused) {
  uint8_t value = 0x20;
  while (atomic_load(&writer.runs)) {
    for (size_t at = 0; at < writer.length; at++) writer.data[at] = value;
    // Text that is all ASCII, so that it can be decoded at any time.
    value = value < 0x7e ? value + 1 : 0x20;
  }
  return NULL;
}

static bool bytes_of(napi_env env, napi_value value, uint8_t** data, size_t* length) {
  bool is_view = false;
  if (napi_is_typedarray(env, value, &is_view) != napi_ok) return false;
  if (is_view) {
    napi_typedarray_type type;
    return napi_get_typedarray_info(env, value, &type, length, (void**)data, NULL, NULL) == napi_ok;
  }
  return napi_get_arraybuffer_info(env, value, (void**)data, length) == napi_ok;
}

// start(buffer): overwrites it on a thread until stop().
static napi_value Start(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  uint8_t* data = NULL;
  if (atomic_load(&writer.runs) || !bytes_of(env, args[0], &data, &writer.length)) return NULL;
  writer.data = data;
  atomic_store(&writer.runs, 1);
  if (pthread_create(&writer.thread, NULL, write_all, NULL) != 0) atomic_store(&writer.runs, 0);
  return args[0];
}

static napi_value Stop(napi_env env, napi_callback_info info) {
  if (!atomic_load(&writer.runs)) return NULL;
  atomic_store(&writer.runs, 0);
  pthread_join(writer.thread, NULL);
  return NULL;
}

// overrun(buffer, count): writes so many bytes behind its end.
static napi_value Overrun(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  uint8_t* data = NULL;
  size_t length = 0;
  int64_t count = 0;
  if (!bytes_of(env, args[0], &data, &length)) return NULL;
  TRY(env, napi_get_value_int64(env, args[1], &count));
  for (int64_t at = 0; at < count; at++) ((volatile uint8_t*)data)[length + (size_t)at] = 0xee;
  return NULL;
}

static napi_value Make(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  int64_t length = 0;
  void* data = NULL;
  napi_value result;
  TRY(env, napi_get_value_int64(env, args[0], &length));
  TRY(env, napi_create_arraybuffer(env, (size_t)length, &data, &result));
  return result;
}

static napi_value Detach(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  TRY(env, napi_detach_arraybuffer(env, args[0]));
  return NULL;
}

static int finalized;

static void finalize(napi_env env, void* data, void* hint) {
  finalized += 1;
  if (hint != NULL) munmap(data, (size_t)(uintptr_t)hint);
}

// external(length, early): memory of the addon's own; `early` unmaps it at once.
static napi_value External(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  int64_t length = 0;
  bool early = false;
  napi_value result;
  TRY(env, napi_get_value_int64(env, args[0], &length));
  TRY(env, napi_get_value_bool(env, args[1], &early));
  uint8_t* data = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
  if (data == MAP_FAILED) return NULL;
  memset(data, 7, (size_t)length);
  void* hint = early ? NULL : (void*)(uintptr_t)length;
  TRY(env, napi_create_external_arraybuffer(env, data, (size_t)length, finalize, hint, &result));
  if (early) munmap(data, (size_t)length);
  return result;
}

static napi_value Finalized(napi_env env, napi_callback_info info) {
  return plain_number(env, finalized);
}

NAPI_MODULE_INIT() {
  static const struct {
    const char* name;
    napi_callback callback;
  } ALL[] = {{"start", Start},       {"stop", Stop},         {"overrun", Overrun},
             {"make", Make},         {"detach", Detach},     {"external", External},
             {"finalized", Finalized}};
  for (size_t at = 0; at < sizeof ALL / sizeof *ALL; at++) {
    if (plain_export(env, exports, ALL[at].name, ALL[at].callback) == NULL) return NULL;
  }
  return exports;
}

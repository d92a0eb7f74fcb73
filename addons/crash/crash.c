// Every way to die, each an exported function, and some signs of life.
//
// Nothing here is optimised: what is undefined in C has to happen as written.
#include "plain.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

// Signs of life.

static napi_value Add(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  double a, b;
  TRY(env, napi_get_value_double(env, args[0], &a));
  TRY(env, napi_get_value_double(env, args[1], &b));
  return plain_number(env, a + b);
}

static napi_value write_text(napi_env env, napi_callback_info info, FILE* stream) {
  ARGS(env, info, 1);
  size_t length;
  TRY(env, napi_get_value_string_utf8(env, args[0], NULL, 0, &length));
  char* text = malloc(length + 1);
  if (text == NULL) return NULL;
  if (napi_get_value_string_utf8(env, args[0], text, length + 1, &length) == napi_ok) {
    fwrite(text, 1, length, stream);
    fflush(stream);
  }
  free(text);
  return NULL;
}

static napi_value Print(napi_env env, napi_callback_info info) {
  return write_text(env, info, stdout);
}

static napi_value PrintError(napi_env env, napi_callback_info info) {
  return write_text(env, info, stderr);
}

static napi_value Pid(napi_env env, napi_callback_info info) { return plain_number(env, getpid()); }

static napi_value Call(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  napi_value undefined, result;
  TRY(env, napi_get_undefined(env, &undefined));
  TRY(env, napi_call_function(env, undefined, args[0], 0, NULL, &result));
  return result;
}

// Memory.

static volatile int* volatile null = NULL;

static napi_value NullPointer(napi_env env, napi_callback_info info) {
  *null = 1;
  return NULL;
}

static napi_value ReadOnlyMemory(napi_env env, napi_callback_info info) {
  *(volatile char*)(uintptr_t)"constant" = 'C';
  return NULL;
}

static napi_value WildPointer(napi_env env, napi_callback_info info) {
  *(volatile int*)(uintptr_t)0xdeadbeef000 = 1;
  return NULL;
}

// Pointers that a Node-API function or the C library is given, or the host later uses.

static char* const wild = (char*)(uintptr_t)0xdeadbeef000;

static napi_value WildArgument(napi_env env, napi_callback_info info) {
  napi_value text;
  napi_create_string_utf8(env, wild, 5, &text);
  return text;
}

static napi_value WildResult(napi_env env, napi_callback_info info) {
  napi_create_object(env, (napi_value*)wild);
  return NULL;
}

static napi_value WildText(napi_env env, napi_callback_info info) {
  size_t (*volatile length)(const char*) = strlen;
  return plain_number(env, (double)length(wild));
}

static napi_value WildBuffer(napi_env env, napi_callback_info info) {
  napi_value buffer;
  TRY(env, napi_create_external_arraybuffer(env, wild, 16, NULL, NULL, &buffer));
  return buffer;
}

static napi_value WildJump(napi_env env, napi_callback_info info) {
  void (*volatile nowhere)(void) = (void (*)(void))(uintptr_t)0xdeadbeef000;
  nowhere();
  return NULL;
}

static napi_value DoubleFree(napi_env env, napi_callback_info info) {
  void* volatile block = malloc(32);
  free(block);
  free(block);
  return NULL;
}

static napi_value ExhaustMemory(napi_env env, napi_callback_info info) {
  // Takes memory for good until there is none, or until the number of MiB that it was given.
  ARGS(env, info, 1);
  double limit = 1e9;
  napi_get_value_double(env, args[0], &limit);
  const size_t mebibyte = 1u << 20;
  double taken = 0;
  for (; taken < limit; taken++) {
    volatile char* block = malloc(mebibyte);
    if (block == NULL) abort();
    for (size_t at = 0; at < mebibyte; at += 4096) block[at] = 1;
  }
  return plain_number(env, taken);
}

static napi_value RefusedMemory(napi_env env, napi_callback_info info) {
  // Asks for more than there is, and goes on without having looked.
  volatile size_t much = SIZE_MAX / 4;
  volatile char* block = malloc(much);
  block[0] = 1;
  return NULL;
}

// Stack.

static volatile int depth;

static int descend(int level) {
  volatile char frame[1024];
  frame[level % sizeof frame] = (char)level;
  depth = level;
  return descend(level + 1) + frame[0];
}

static napi_value StackOverflow(napi_env env, napi_callback_info info) {
  descend(0);
  return NULL;
}

static void* descend_on_thread(void* unused) {
  descend(0);
  return NULL;
}

static void* die_on_thread(void* unused) {
  *null = 1;
  return NULL;
}

static napi_value on_thread(void* (*body)(void*)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, body, NULL) == 0) pthread_join(thread, NULL);
  return NULL;
}

static napi_value StackOverflowOnThread(napi_env env, napi_callback_info info) {
  return on_thread(descend_on_thread);
}

static napi_value NullPointerOnThread(napi_env env, napi_callback_info info) {
  return on_thread(die_on_thread);
}

// Async work, with others that are pending.

typedef struct {
  napi_async_work work;
  napi_deferred deferred;
  bool deadly;
} Job;

static void execute_job(napi_env env, void* data) {
  if (((Job*)data)->deadly) *null = 1;
  // Whoever lives waits for one that does not.
  for (;;) pause();
}

static void complete_job(napi_env env, napi_status status, void* data) {}

// `work(deadly)`: a promise that is never settled; work that dies takes the process with it.
static napi_value Work(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  Job* job = calloc(1, sizeof *job);
  if (job == NULL) return NULL;
  napi_value promise, name;
  TRY(env, napi_get_value_bool(env, args[0], &job->deadly));
  TRY(env, napi_create_promise(env, &job->deferred, &promise));
  TRY(env, napi_create_string_utf8(env, "work", NAPI_AUTO_LENGTH, &name));
  TRY(env, napi_create_async_work(env, NULL, name, execute_job, complete_job, job, &job->work));
  TRY(env, napi_queue_async_work(env, job->work));
  return promise;
}

// Instructions.

static napi_value DivideByZero(napi_env env, napi_callback_info info) {
  volatile int one = 1, zero = 0;
  volatile int quotient = one / zero;
  return plain_number(env, quotient);
}

static napi_value IllegalInstruction(napi_env env, napi_callback_info info) {
  __builtin_trap();
  return NULL;
}

// On purpose.

static napi_value Abort(napi_env env, napi_callback_info info) { abort(); }

static napi_value FatalError(napi_env env, napi_callback_info info) {
  napi_fatal_error("crash.c", NAPI_AUTO_LENGTH, "the addon gives up", NAPI_AUTO_LENGTH);
}

static napi_value CppException(napi_env env, napi_callback_info info) {
  crash_throw_cpp_exception();
  return NULL;
}

static napi_value PureVirtualCall(napi_env env, napi_callback_info info) {
  crash_pure_virtual_call();
  return NULL;
}

static napi_value ExitZero(napi_env env, napi_callback_info info) { exit(0); }

static napi_value ExitNow(napi_env env, napi_callback_info info) { _exit(7); }

static napi_value RaiseKill(napi_env env, napi_callback_info info) {
  raise(SIGKILL);
  return NULL;
}

static napi_value RaiseTerminate(napi_env env, napi_callback_info info) {
  raise(SIGTERM);
  return NULL;
}

// Time.

static volatile int forever = 1;

static napi_value LoopForever(napi_env env, napi_callback_info info) {
  while (forever) {
  }
  return NULL;
}

static napi_value Deadlock(napi_env env, napi_callback_info info) {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  pthread_mutex_lock(&lock);
  return NULL;
}

static napi_value Sleep(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double milliseconds;
  TRY(env, napi_get_value_double(env, args[0], &milliseconds));
  struct timespec left = {(time_t)(milliseconds / 1000),
                          (long)((milliseconds - 1000.0 * (time_t)(milliseconds / 1000)) * 1e6)};
  while (nanosleep(&left, &left) != 0) {
  }
  return NULL;
}

// Where nobody is calling: a finalizer.

static void die_in_finalizer(napi_env env, void* data, void* hint) { *null = 1; }

static napi_value MakeDeadlyObject(napi_env env, napi_callback_info info) {
  napi_value object;
  TRY(env, napi_create_object(env, &object));
  TRY(env, napi_wrap(env, object, NULL, die_in_finalizer, NULL, NULL));
  return object;
}

// The same deaths inside a constructor, a getter and a method.

static napi_value Deadly(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  bool alive = false;
  napi_get_value_bool(env, args[0], &alive);
  if (!alive) *null = 1;
  napi_value self;
  TRY(env, napi_get_cb_info(env, info, NULL, NULL, &self, NULL));
  return self;
}

static const struct {
  const char* name;
  napi_callback callback;
} FUNCTIONS[] = {
    {"add", Add},
    {"print", Print},
    {"printError", PrintError},
    {"pid", Pid},
    {"call", Call},
    {"nullPointer", NullPointer},
    {"readOnlyMemory", ReadOnlyMemory},
    {"wildPointer", WildPointer},
    {"wildArgument", WildArgument},
    {"wildResult", WildResult},
    {"wildText", WildText},
    {"wildBuffer", WildBuffer},
    {"wildJump", WildJump},
    {"doubleFree", DoubleFree},
    {"exhaustMemory", ExhaustMemory},
    {"refusedMemory", RefusedMemory},
    {"stackOverflow", StackOverflow},
    {"stackOverflowOnThread", StackOverflowOnThread},
    {"nullPointerOnThread", NullPointerOnThread},
    {"work", Work},
    {"divideByZero", DivideByZero},
    {"illegalInstruction", IllegalInstruction},
    {"abort", Abort},
    {"fatalError", FatalError},
    {"cppException", CppException},
    {"pureVirtualCall", PureVirtualCall},
    {"exitZero", ExitZero},
    {"exitNow", ExitNow},
    {"raiseKill", RaiseKill},
    {"raiseTerminate", RaiseTerminate},
    {"loopForever", LoopForever},
    {"deadlock", Deadlock},
    {"sleep", Sleep},
    {"makeDeadlyObject", MakeDeadlyObject},
};

NAPI_MODULE_INIT() {
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    if (plain_export(env, exports, FUNCTIONS[i].name, FUNCTIONS[i].callback) == NULL) return NULL;
  }
  if (!crash_export_greedy(env, exports)) return NULL;
  napi_property_descriptor members[] = {
      {"die", NULL, NullPointer, NULL, NULL, NULL, napi_default_method, NULL},
      {"death", NULL, NULL, NullPointer, NULL, NULL, napi_enumerable, NULL},
  };
  napi_value deadly;
  TRY(env, napi_define_class(env, "Deadly", NAPI_AUTO_LENGTH, Deadly, NULL, 2, members, &deadly));
  TRY(env, napi_set_named_property(env, exports, "Deadly", deadly));
  return exports;
}

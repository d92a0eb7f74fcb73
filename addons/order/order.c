// What runs when: events of a threadsafe function, completions of work, and calls in between.
#include "addon.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  napi_threadsafe_function function;
  int32_t count;
} Sender;

typedef struct {
  napi_async_work work;
  napi_ref callback;
} Task;

static void deliver(napi_env env, napi_value callback, void* context, void* data) {
  if (env == NULL) return;
  napi_value undefined, number;
  MUST(napi_get_undefined(env, &undefined));
  MUST(napi_create_int32(env, (int32_t)(intptr_t)data, &number));
  napi_call_function(env, undefined, callback, 1, &number, NULL);
}

// When a thread last began to send, in nanoseconds.
static _Atomic double begun;

static double now(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) abort();
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void* send(void* data) {
  Sender* sender = data;
  begun = now();
  for (int32_t i = 0; i < sender->count; i++) {
    void* number = (void*)(intptr_t)i;
    if (napi_call_threadsafe_function(sender->function, number, napi_tsfn_blocking) != napi_ok) {
      // It is closing, and no longer this thread's to use.
      free(sender);
      return NULL;
    }
  }
  napi_release_threadsafe_function(sender->function, napi_tsfn_release);
  free(sender);
  return NULL;
}

static Sender* sender(napi_env env, napi_value callback, napi_value count) {
  napi_value name;
  Sender* sender = calloc(1, sizeof *sender);
  if (sender == NULL) abort();
  sender->count = (int32_t)integer(env, count);
  MUST(napi_create_string_utf8(env, "order", NAPI_AUTO_LENGTH, &name));
  MUST(napi_create_threadsafe_function(env, callback, NULL, name, 0, 1, NULL, NULL, NULL, deliver,
                                       &sender->function));
  return sender;
}

// events(callback, count): callback(0), callback(1) ... sent from this very thread.
static napi_value events(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  send(sender(env, ARG(0), ARG(1)));
  return NULL;
}

// eventsOfThread(callback, count): the same from another thread.
static napi_value eventsOfThread(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  pthread_t thread;
  if (pthread_create(&thread, NULL, send, sender(env, ARG(0), ARG(1))) != 0) abort();
  pthread_detach(thread);
  return NULL;
}

// eventsBegun(): the time at which the thread of eventsOfThread began to send, in nanoseconds.
static napi_value eventsBegun(napi_env env, napi_callback_info info) {
  napi_value moment;
  MUST(napi_create_double(env, begun, &moment));
  return moment;
}

static void* sendForever(void* data) {
  Sender* sender = data;
  const struct timespec pause = {0, 100000};
  napi_status status = napi_ok;
  while (status == napi_ok) {
    status = napi_call_threadsafe_function(sender->function, NULL, napi_tsfn_blocking);
    nanosleep(&pause, NULL);
  }
  free(sender);
  return NULL;
}

// eventsForever(callback): callback(0) ten thousand times a second, until the end.
static napi_value eventsForever(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  pthread_t thread;
  napi_value none;
  MUST(napi_create_int32(env, 0, &none));
  if (pthread_create(&thread, NULL, sendForever, sender(env, ARG(0), none)) != 0) abort();
  pthread_detach(thread);
  return NULL;
}

static void execute(napi_env env, void* data) {}

static void executeForever(napi_env env, void* data) {
  for (;;) pause();
}

static void complete(napi_env env, napi_status status, void* data) {
  Task* task = data;
  napi_value undefined, callback;
  MUST(napi_get_undefined(env, &undefined));
  MUST(napi_get_reference_value(env, task->callback, &callback));
  MUST(napi_delete_reference(env, task->callback));
  MUST(napi_delete_async_work(env, task->work));
  free(task);
  napi_call_function(env, undefined, callback, 0, NULL, NULL);
}

static void queue(napi_env env, napi_value callback, napi_async_execute_callback execute) {
  napi_value name;
  Task* task = calloc(1, sizeof *task);
  if (task == NULL) abort();
  MUST(napi_create_string_utf8(env, "order", NAPI_AUTO_LENGTH, &name));
  MUST(napi_create_reference(env, callback, 1, &task->callback));
  MUST(napi_create_async_work(env, NULL, name, execute, complete, task, &task->work));
  MUST(napi_queue_async_work(env, task->work));
}

// work(callback): callback() when a piece of work is completed.
static napi_value work(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  queue(env, ARG(0), execute);
  return NULL;
}

// workForever(callback): a piece of work that is never completed.
static napi_value workForever(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  queue(env, ARG(0), executeForever);
  return NULL;
}

static void linger(napi_env env, napi_value callback, void* context, void* data) {
  const struct timespec pause = {0, 1000000};
  if (env == NULL) nanosleep(&pause, NULL);
}

static void lingered(napi_env env, void* data, void* hint) {
  printf("lingered\n");
  fflush(stdout);
}

// eventsThatLinger(callback, count): each takes a millisecond to be given back.
static napi_value eventsThatLinger(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value name;
  napi_threadsafe_function function;
  MUST(napi_create_string_utf8(env, "order", NAPI_AUTO_LENGTH, &name));
  MUST(napi_create_threadsafe_function(env, ARG(0), NULL, name, 0, 1, NULL, lingered, NULL, linger,
                                       &function));
  for (int32_t left = (int32_t)integer(env, ARG(1)); left > 0; left--) {
    MUST(napi_call_threadsafe_function(function, NULL, napi_tsfn_nonblocking));
  }
  return NULL;
}

static void tellMoment(napi_env env, napi_value callback, void* context, void* data) {
  double moment = *(double*)data;
  free(data);
  if (env == NULL) return;
  napi_value undefined, number;
  MUST(napi_get_undefined(env, &undefined));
  MUST(napi_create_double(env, moment, &number));
  napi_call_function(env, undefined, callback, 1, &number, NULL);
}

static void* sendMoments(void* data) {
  Sender* sender = data;
  const struct timespec pause = {0, 2000000};
  napi_status status = napi_ok;
  for (int32_t left = sender->count; left > 0 && status == napi_ok; left--) {
    nanosleep(&pause, NULL);
    double* moment = malloc(sizeof *moment);
    if (moment == NULL) abort();
    *moment = now();
    status = napi_call_threadsafe_function(sender->function, moment, napi_tsfn_blocking);
    if (status != napi_ok) free(moment);
  }
  if (status == napi_ok) {
    napi_release_threadsafe_function(sender->function, napi_tsfn_release);
  }
  free(sender);
  return NULL;
}

// momentsOfThread(callback, count): callback(nanoseconds) with the time at which another thread sent
// it, every two milliseconds.
static napi_value momentsOfThread(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value name;
  pthread_t thread;
  Sender* sender = calloc(1, sizeof *sender);
  if (sender == NULL) abort();
  sender->count = (int32_t)integer(env, ARG(1));
  MUST(napi_create_string_utf8(env, "order", NAPI_AUTO_LENGTH, &name));
  MUST(napi_create_threadsafe_function(env, ARG(0), NULL, name, 0, 1, NULL, NULL, NULL, tellMoment,
                                       &sender->function));
  if (pthread_create(&thread, NULL, sendMoments, sender) != 0) abort();
  pthread_detach(thread);
  return NULL;
}

// Functions that a script calls and closes by number.
typedef struct {
  napi_threadsafe_function function;
  napi_ref finalized;
} Opened;

static Opened opened[64];
static uint32_t openedCount = 0;

static void closed(napi_env env, void* data, void* hint) {
  Opened* one = data;
  napi_value undefined, callback;
  MUST(napi_get_undefined(env, &undefined));
  if (napi_get_reference_value(env, one->finalized, &callback) != napi_ok || callback == NULL) return;
  napi_call_function(env, undefined, callback, 0, NULL, NULL);
  napi_delete_reference(env, one->finalized);
}

static void deliverOrGiveBack(napi_env env, napi_value callback, void* context, void* data) {
  // What is given back is counted: the finalizer may tell.
  if (env == NULL) (*(uint32_t*)context)++;
  else deliver(env, callback, context, data);
}

static uint32_t givenBack = 0;

// open(callback, finalized, queue size): the number of a function that is held once.
static napi_value openFunction(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value name, number;
  if (openedCount >= sizeof opened / sizeof opened[0]) abort();
  Opened* one = &opened[openedCount];
  MUST(napi_create_reference(env, ARG(1), 1, &one->finalized));
  MUST(napi_create_string_utf8(env, "order", NAPI_AUTO_LENGTH, &name));
  MUST(napi_create_threadsafe_function(env, ARG(0), NULL, name, (size_t)integer(env, ARG(2)), 1, one,
                                       closed, &givenBack, deliverOrGiveBack, &one->function));
  MUST(napi_create_uint32(env, openedCount++, &number));
  return number;
}

static napi_value statusNumber(napi_env env, napi_status status) {
  napi_value number;
  MUST(napi_create_int32(env, (int32_t)status, &number));
  return number;
}

// post(number, what): callback(what), later. Gives the status.
static napi_value post(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  void* data = (void*)(intptr_t)integer(env, ARG(1));
  return statusNumber(env, napi_call_threadsafe_function(opened[integer(env, ARG(0)) & 63].function,
                                                         data, napi_tsfn_nonblocking));
}

// release(number, abort). Gives the status.
static napi_value release(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  return statusNumber(
      env, napi_release_threadsafe_function(
               opened[integer(env, ARG(0)) & 63].function,
               integer(env, ARG(1)) != 0 ? napi_tsfn_abort : napi_tsfn_release));
}

typedef struct {
  napi_threadsafe_function function;
  int32_t count;
  atomic_int sent, status;
} Poster;

static Poster poster;

static void* postAll(void* data) {
  for (int32_t what = 0; what < poster.count; what++) {
    poster.status = (int)napi_call_threadsafe_function(poster.function, (void*)(intptr_t)what,
                                                       napi_tsfn_blocking);
    if (poster.status != napi_ok) return NULL;
    poster.sent += 1;
  }
  return NULL;
}

// postFromThread(number, count): callback(0), callback(1) ... from another thread, which waits where
// there is no room.
static napi_value postFromThread(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  pthread_t thread;
  poster.function = opened[integer(env, ARG(0)) & 63].function;
  poster.count = (int32_t)integer(env, ARG(1));
  poster.sent = poster.status = 0;
  if (pthread_create(&thread, NULL, postAll, NULL) != 0) abort();
  pthread_detach(thread);
  return NULL;
}

// postedByThread(): how many calls the thread made, and what the last one answered.
static napi_value postedByThread(napi_env env, napi_callback_info info) {
  napi_value result, number;
  MUST(napi_create_array_with_length(env, 2, &result));
  MUST(napi_create_int32(env, poster.sent, &number));
  MUST(napi_set_element(env, result, 0, number));
  MUST(napi_create_int32(env, poster.status, &number));
  MUST(napi_set_element(env, result, 1, number));
  return result;
}

// callDefault(function): calls it once as a function that has nothing of its own to call it.
static napi_value callDefault(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  call_by_default(env, ARG(0));
  return NULL;
}

// countGivenBack(): how many calls were given back until now.
static napi_value countGivenBack(napi_env env, napi_callback_info info) {
  napi_value number;
  MUST(napi_create_uint32(env, givenBack, &number));
  return number;
}

// makeCallback(function): called as from outside, although JavaScript is on the stack.
static napi_value makeCallback(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value global, result = NULL;
  MUST(napi_get_global(env, &global));
  napi_make_callback(env, NULL, global, ARG(0), 0, NULL, &result);
  return result;
}

EXPORTS({"events", events}, {"eventsOfThread", eventsOfThread}, {"eventsBegun", eventsBegun},
        {"eventsForever", eventsForever},
        {"eventsThatLinger", eventsThatLinger},
        {"momentsOfThread", momentsOfThread}, {"work", work}, {"workForever", workForever}, {"makeCallback", makeCallback},
        {"open", openFunction}, {"post", post}, {"release", release}, {"countGivenBack", countGivenBack},
        {"postFromThread", postFromThread}, {"postedByThread", postedByThread}, {"callDefault", callDefault})

// libuv on the loop that Node-API gives: timers, signs from threads, work, polling, files, phases.
#include "addon.h"

#include <pthread.h>
#include <unistd.h>

#include "libuv.h"

// A function to call from the loop. `bare` is without a callback scope: what it queues waits.
typedef struct {
  napi_env env;
  napi_ref function;
  bool bare;
} Call;

static uv_loop_t* loop_of(napi_env env) {
  uv_loop_t* loop = NULL;
  MUST(napi_get_uv_event_loop(env, &loop));
  return loop;
}

static Call* new_call(napi_env env, napi_value function, bool bare) {
  Call* call = calloc(1, sizeof *call);
  if (call == NULL) abort();
  call->env = env;
  call->bare = bare;
  MUST(napi_create_reference(env, function, 1, &call->function));
  return call;
}

static void free_call(Call* call) {
  MUST(napi_delete_reference(call->env, call->function));
  free(call);
}

static void invoke(Call* call, const char* text) {
  napi_handle_scope scope;
  napi_value function, global, argument;
  MUST(napi_open_handle_scope(call->env, &scope));
  MUST(napi_get_reference_value(call->env, call->function, &function));
  MUST(napi_get_global(call->env, &global));
  MUST(napi_create_string_utf8(call->env, text, NAPI_AUTO_LENGTH, &argument));
  if (call->bare) {
    napi_call_function(call->env, global, function, 1, &argument, NULL);
  } else {
    napi_make_callback(call->env, NULL, global, function, 1, &argument, NULL);
  }
  MUST(napi_close_handle_scope(call->env, scope));
}

static void closed(uv_handle_t* handle) { free(handle); }

static void closed_with_call(uv_handle_t* handle) {
  free_call(uv_handle_get_data(handle));
  free(handle);
}

static void closed_and_told(uv_handle_t* handle) {
  invoke(uv_handle_get_data(handle), "closed");
  closed_with_call(handle);
}

// sameLoop(): whether libuv's default loop is the one that is given.
static napi_value sameLoop(napi_env env, napi_callback_info info) {
  napi_value result;
  MUST(napi_get_boolean(env, loop_of(env) == uv_default_loop(), &result));
  return result;
}

// Timers.

static void timer_is_due(uv_handle_t* timer) {
  invoke(uv_handle_get_data(timer), "timer");
  uv_close(timer, closed_with_call);
}

static napi_value start_timer(napi_env env, napi_callback_info info, bool bare, bool referenced) {
  ARGUMENTS;
  uv_handle_t* timer = new_handle(UV_TIMER, new_call(env, ARG(0), bare));
  uv_timer_init(loop_of(env), timer);
  uv_timer_start(timer, timer_is_due, (uint64_t)integer(env, ARG(1)), 0);
  if (!referenced) uv_unref(timer);
  return NULL;
}

// timer(callback, milliseconds)
static napi_value timer(napi_env env, napi_callback_info info) {
  return start_timer(env, info, false, true);
}

// bareTimer(callback, milliseconds): called without a callback scope.
static napi_value bareTimer(napi_env env, napi_callback_info info) {
  return start_timer(env, info, true, true);
}

// unrefTimer(callback, milliseconds): keeps nothing alive.
static napi_value unrefTimer(napi_env env, napi_callback_info info) {
  return start_timer(env, info, false, false);
}

// defaultTimer(callback, milliseconds): on the loop that libuv itself gives.
static napi_value defaultTimer(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  uv_handle_t* timer = new_handle(UV_TIMER, new_call(env, ARG(0), false));
  uv_timer_init(uv_default_loop(), timer);
  uv_timer_start(timer, timer_is_due, (uint64_t)integer(env, ARG(1)), 0);
  return NULL;
}

// Signs from threads.

typedef struct {
  Call* call;
  uv_handle_t* async;
  pthread_t threads[8];
  int64_t expected, sent, seen;
  int64_t each;
} Signs;

static void* send_signs(void* data) {
  Signs* signs = data;
  for (int64_t i = 0; i < signs->each; i++) {
    __atomic_add_fetch(&signs->sent, 1, __ATOMIC_SEQ_CST);
    uv_async_send(signs->async);
  }
  return NULL;
}

static void sign_came(uv_handle_t* async) {
  Signs* signs = uv_handle_get_data(async);
  signs->seen = __atomic_load_n(&signs->sent, __ATOMIC_SEQ_CST);
  if (signs->seen < signs->expected) return;
  for (int i = 0; i < 8; i++) pthread_join(signs->threads[i], NULL);
  char text[32];
  snprintf(text, sizeof text, "%" PRId64, signs->seen);
  invoke(signs->call, text);
  free_call(signs->call);
  free(signs);
  uv_close(async, closed);
}

// signs(callback, count): callback(all) when so many signs of each of eight threads were seen.
static napi_value signs(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  Signs* signs = calloc(1, sizeof *signs);
  if (signs == NULL) abort();
  signs->call = new_call(env, ARG(0), false);
  signs->each = integer(env, ARG(1));
  signs->expected = 8 * signs->each;
  signs->async = new_handle(UV_ASYNC, signs);
  uv_async_init(loop_of(env), signs->async, sign_came);
  for (int i = 0; i < 8; i++) {
    if (pthread_create(&signs->threads[i], NULL, send_signs, signs) != 0) abort();
  }
  return NULL;
}

// Work on libuv's threads.

typedef struct {
  Call* call;
  pthread_barrier_t barrier;
  int64_t left;
} Meeting;

static void meet(uv_req_t* request) {
  Meeting* meeting = uv_req_get_data(request);
  pthread_barrier_wait(&meeting->barrier);
}

static void met(uv_req_t* request, int status) {
  Meeting* meeting = uv_req_get_data(request);
  free(request);
  if (--meeting->left > 0) return;
  invoke(meeting->call, status == 0 ? "work" : uv_err_name(status));
  free_call(meeting->call);
  pthread_barrier_destroy(&meeting->barrier);
  free(meeting);
}

// work(callback, count): so many pieces of work that end when all of them run.
static napi_value work(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  Meeting* meeting = calloc(1, sizeof *meeting);
  if (meeting == NULL) abort();
  meeting->call = new_call(env, ARG(0), false);
  meeting->left = integer(env, ARG(1));
  pthread_barrier_init(&meeting->barrier, NULL, (unsigned)meeting->left);
  for (int64_t i = 0, count = meeting->left; i < count; i++) {
    uv_queue_work(loop_of(env), new_request(UV_WORK, meeting), meet, met);
  }
  return NULL;
}

// Polling a pipe.

typedef struct {
  Call* call;
  int reading, writing;
} Pipe;

static void pipe_closed(uv_handle_t* poll) {
  Pipe* pipe = uv_handle_get_data(poll);
  close(pipe->reading);
  free_call(pipe->call);
  free(pipe);
  free(poll);
}

static void* write_later(void* data) {
  int descriptor = (int)(intptr_t)data;
  if (write(descriptor, "one", 3) != 3) abort();
  usleep(2000);
  if (write(descriptor, "two", 3) != 3) abort();
  close(descriptor);
  return NULL;
}

static void pipe_is_ready(uv_handle_t* poll, int status, int events) {
  Pipe* pipe = uv_handle_get_data(poll);
  char text[4] = {0};
  ssize_t length = read(pipe->reading, text, 3);
  invoke(pipe->call, length > 0 ? text : "end");
  if (length <= 0) uv_close(poll, pipe_closed);
}

static uv_handle_t* new_pipe(napi_env env, napi_value callback) {
  int ends[2];
  Pipe* data = calloc(1, sizeof *data);
  if (data == NULL || pipe(ends) != 0) abort();
  data->call = new_call(env, callback, false);
  data->reading = ends[0];
  data->writing = ends[1];
  uv_handle_t* poll = new_handle(UV_POLL, data);
  uv_poll_init(loop_of(env), poll, data->reading);
  uv_poll_start(poll, UV_READABLE, pipe_is_ready);
  return poll;
}

// poll(callback): what a thread writes into a pipe, three bytes at a time, then "end".
static napi_value poll(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  pthread_t thread;
  Pipe* pipe = uv_handle_get_data(new_pipe(env, ARG(0)));
  if (pthread_create(&thread, NULL, write_later, (void*)(intptr_t)pipe->writing) != 0) abort();
  pthread_detach(thread);
  return NULL;
}

// idlePoll(callback): a pipe that nobody writes to and a timer of a day. Returns the pipe's end.
static napi_value idlePoll(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  napi_value writing;
  Pipe* pipe = uv_handle_get_data(new_pipe(env, ARG(0)));
  uv_handle_t* timer = new_handle(UV_TIMER, new_call(env, ARG(0), false));
  uv_timer_init(loop_of(env), timer);
  uv_timer_start(timer, timer_is_due, 24 * 60 * 60 * 1000, 0);
  MUST(napi_create_int32(env, pipe->writing, &writing));
  return writing;
}

// pipePut(descriptor, text): writes three bytes.
static napi_value pipePut(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  char text[8];
  size_t length = 0;
  MUST(napi_get_value_string_utf8(env, ARG(1), text, sizeof text, &length));
  if (write((int)integer(env, ARG(0)), text, length) != (ssize_t)length) abort();
  return NULL;
}

// Files.

static void stat_done(uv_req_t* request) {
  Call* call = uv_req_get_data(request);
  ptrdiff_t result = uv_fs_get_result(request);
  invoke(call, result == 0 ? "found" : uv_err_name((int)result));
  uv_fs_req_cleanup(request);
  free(request);
  free_call(call);
}

// stat(callback, path)
static napi_value stat(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  char path[256];
  MUST(napi_get_value_string_utf8(env, ARG(1), path, sizeof path, NULL));
  uv_fs_stat(loop_of(env), new_request(UV_FS, new_call(env, ARG(0), false)), path, stat_done);
  return NULL;
}

// The phases of one round.

static void in_idle(uv_handle_t* handle) {
  invoke(uv_handle_get_data(handle), "idle");
  uv_close(handle, closed_and_told);
}

static void in_prepare(uv_handle_t* handle) {
  invoke(uv_handle_get_data(handle), "prepare");
  uv_close(handle, closed_with_call);
}

static void in_check(uv_handle_t* handle) {
  invoke(uv_handle_get_data(handle), "check");
  uv_close(handle, closed_with_call);
}

// phases(callback): callback(name) once in each of idle, prepare, check, and when idle is closed.
static napi_value phases(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  uv_loop_t* loop = loop_of(env);
  uv_handle_t* idle = new_handle(UV_IDLE, new_call(env, ARG(0), false));
  uv_handle_t* prepare = new_handle(UV_PREPARE, new_call(env, ARG(0), false));
  uv_handle_t* check = new_handle(UV_CHECK, new_call(env, ARG(0), false));
  uv_idle_init(loop, idle);
  uv_prepare_init(loop, prepare);
  uv_check_init(loop, check);
  uv_idle_start(idle, in_idle);
  uv_prepare_start(prepare, in_prepare);
  uv_check_start(check, in_check);
  return NULL;
}

// event(callback): a call of a threadsafe function, sent from this very thread.
static napi_value event(napi_env env, napi_callback_info info) {
  ARGUMENTS;
  call_by_default(env, ARG(0));
  return NULL;
}

// runNested(): a round of the loop in the middle of a call. Whether it came back.
static napi_value runNested(napi_env env, napi_callback_info info) {
  napi_value result;
  uv_run(loop_of(env), UV_RUN_NOWAIT);
  MUST(napi_get_boolean(env, true, &result));
  return result;
}

// now(): the clock of the loop, in milliseconds.
static napi_value now(napi_env env, napi_callback_info info) {
  napi_value result;
  MUST(napi_create_double(env, (double)uv_now(loop_of(env)), &result));
  return result;
}

// The end.

static void say(const char* line) {
  if (write(STDOUT_FILENO, line, strlen(line)) != (ssize_t)strlen(line)) abort();
}

static uv_handle_t* held[2];

static void sync_closed(uv_handle_t* handle) {
  say("the handle of a hook is closed\n");
  free(handle);
}

static void sync_hook(void* data) {
  say("hook\n");
  uv_close(held[0], sync_closed);
}

static void async_closed(uv_handle_t* handle) {
  say("the handle of an async hook is closed\n");
  napi_remove_async_cleanup_hook(uv_handle_get_data(handle));
  free(handle);
}

static void async_hook(napi_async_cleanup_hook_handle hook, void* data) {
  say("async hook\n");
  uv_handle_set_data(held[1], hook);
  uv_close(held[1], async_closed);
}

static void never(uv_handle_t* handle) { say("never\n"); }

// holdUntilTheEnd(): handles that the addon's hooks close, a synchronous and an asynchronous one.
static napi_value holdUntilTheEnd(napi_env env, napi_callback_info info) {
  for (int i = 0; i < 2; i++) {
    held[i] = new_handle(UV_ASYNC, NULL);
    uv_async_init(loop_of(env), held[i], never);
    uv_unref(held[i]);
  }
  MUST(napi_add_env_cleanup_hook(env, sync_hook, NULL));
  MUST(napi_add_async_cleanup_hook(env, async_hook, NULL, NULL));
  return NULL;
}

// holdSyncUntilTheEnd(): the synchronous one alone.
static napi_value holdSyncUntilTheEnd(napi_env env, napi_callback_info info) {
  held[0] = new_handle(UV_ASYNC, NULL);
  uv_async_init(loop_of(env), held[0], never);
  uv_unref(held[0]);
  MUST(napi_add_env_cleanup_hook(env, sync_hook, NULL));
  return NULL;
}

EXPORTS({"sameLoop", sameLoop}, {"timer", timer}, {"bareTimer", bareTimer},
        {"unrefTimer", unrefTimer}, {"defaultTimer", defaultTimer}, {"signs", signs}, {"work", work}, {"poll", poll},
        {"idlePoll", idlePoll}, {"pipePut", pipePut}, {"stat", stat}, {"phases", phases},
        {"event", event}, {"runNested", runNested}, {"now", now},
        {"holdUntilTheEnd", holdUntilTheEnd}, {"holdSyncUntilTheEnd", holdSyncUntilTheEnd})

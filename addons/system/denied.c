// How published addons use files, sockets and programs: by the C library, on any thread.
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT 1024

static int as_error(int failed) { return failed ? errno : 0; }

static int by_fopen(const char* path, const char* mode) {
  FILE* file = fopen(path, mode);
  if (file == NULL) return errno;
  fclose(file);
  return 0;
}

static int by_open(const char* path, int flags) {
  int fd = open(path, flags, 0600);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

// Does one thing to a path; returns 0 or the error.
static int use(const char* what, const char* path, const char* other) {
  struct stat status;
  if (strcmp(what, "open") == 0) return by_open(path, O_RDONLY);
  if (strcmp(what, "create") == 0) return by_open(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (strcmp(what, "read") == 0) return by_fopen(path, "rb");
  if (strcmp(what, "write") == 0) return by_fopen(path, "w");
  if (strcmp(what, "stat") == 0) return as_error(stat(path, &status) != 0);
  if (strcmp(what, "access") == 0) return as_error(access(path, R_OK) != 0);
  if (strcmp(what, "unlink") == 0) return as_error(unlink(path) != 0);
  if (strcmp(what, "mkdir") == 0) return as_error(mkdir(path, 0700) != 0);
  if (strcmp(what, "rename") == 0) return as_error(rename(path, other) != 0);
  if (strcmp(what, "opendir") == 0) {
    DIR* folder = opendir(path);
    if (folder == NULL) return errno;
    closedir(folder);
    return 0;
  }
  if (strcmp(what, "openat") == 0) {
    int fd = openat(AT_FDCWD, path, O_RDONLY);
    if (fd < 0) return errno;
    close(fd);
    return 0;
  }
  if (strcmp(what, "socket") == 0) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return errno;
    close(fd);
    return 0;
  }
  if (strcmp(what, "lookup") == 0) {
    struct addrinfo* found = NULL;
    int error = getaddrinfo(path, "80", NULL, &found);
    if (error == 0) freeaddrinfo(found);
    return error != 0;
  }
  if (strcmp(what, "spawn") == 0) {
    char* arguments[] = {(char*)path, NULL};
    return posix_spawn(NULL, path, NULL, NULL, arguments, NULL);
  }
  if (strcmp(what, "watch") == 0) {
    int fd = inotify_init1(0);
    if (fd < 0) return errno;
    close(fd);
    return 0;
  }
  return EINVAL;
}

struct task {
  char what[TEXT], path[TEXT], other[TEXT];
  int error;
  bool rejects;
  sem_t executed;
  napi_deferred deferred;
  napi_ref callback;
  napi_async_work work;
};

static bool read_texts(napi_env env, size_t argc, napi_value* args, struct task* task) {
  char* texts[] = {task->what, task->path, task->other};
  for (size_t i = 0; i < 3; i++) {
    napi_valuetype type = napi_undefined;
    if (i < argc) napi_typeof(env, args[i], &type);
    if (type != napi_string) continue;
    if (napi_get_value_string_utf8(env, args[i], texts[i], TEXT, NULL) != napi_ok) return false;
  }
  return true;
}

static napi_value make_error(napi_env env, int error) {
  napi_value code, message, result;
  char text[TEXT];
  snprintf(text, sizeof text, "could not do it (%d)", error);
  TRY(env, napi_create_string_utf8(env, "E_FAILED", NAPI_AUTO_LENGTH, &code));
  TRY(env, napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message));
  TRY(env, napi_create_error(env, code, message, &result));
  return result;
}

// attempt(what, path, other): the error as a number, without an exception.
static napi_value attempt(napi_env env, napi_callback_info info) {
  struct task task = {0};
  ARGS(env, info, 3);
  if (!read_texts(env, argc, args, &task)) return NULL;
  return plain_number(env, use(task.what, task.path, task.other));
}

// demand(what, path, other): throws where that fails, and does not say why.
static napi_value demand(napi_env env, napi_callback_info info) {
  struct task task = {0};
  ARGS(env, info, 3);
  if (!read_texts(env, argc, args, &task)) return NULL;
  int error = use(task.what, task.path, task.other);
  if (error != 0) napi_throw(env, make_error(env, error));
  return NULL;
}

static void execute(napi_env env, void* data) {
  struct task* task = data;
  task->error = use(task->what, task->path, task->other);
  sem_post(&task->executed);
}

static void complete(napi_env env, napi_status status, void* data) {
  struct task* task = data;
  napi_value result, callback, undefined;
  napi_get_undefined(env, &undefined);
  if (task->callback != NULL) {
    result = task->error != 0 ? make_error(env, task->error) : undefined;
    napi_get_reference_value(env, task->callback, &callback);
    napi_call_function(env, undefined, callback, 1, &result, NULL);
    napi_delete_reference(env, task->callback);
  } else if (task->rejects && task->error != 0) {
    napi_reject_deferred(env, task->deferred, make_error(env, task->error));
  } else {
    napi_create_int32(env, task->error, &result);
    napi_resolve_deferred(env, task->deferred, result);
  }
  napi_delete_async_work(env, task->work);
  sem_destroy(&task->executed);
  free(task);
}

static napi_value later(napi_env env, napi_callback_info info, bool rejects, bool calls,
                        bool waits) {
  ARGS(env, info, 4);
  napi_value result = NULL, name;
  struct task* task = calloc(1, sizeof *task);
  if (task == NULL || !read_texts(env, argc, args, task)) return NULL;
  task->rejects = rejects;
  sem_init(&task->executed, 0, 0);
  if (calls) {
    TRY(env, napi_create_reference(env, args[3], 1, &task->callback));
  } else {
    TRY(env, napi_create_promise(env, &task->deferred, &result));
  }
  TRY(env, napi_create_string_utf8(env, "denied", NAPI_AUTO_LENGTH, &name));
  TRY(env, napi_create_async_work(env, NULL, name, execute, complete, task, &task->work));
  TRY(env, napi_queue_async_work(env, task->work));
  // It is completed by the event loop only, so it is not freed yet.
  if (waits) sem_wait(&task->executed);
  return result;
}

static napi_value attempt_later(napi_env env, napi_callback_info info) {
  return later(env, info, false, false, false);
}
static napi_value demand_later(napi_env env, napi_callback_info info) {
  return later(env, info, true, false, false);
}
// demandLater, which returns after the other thread is done.
static napi_value demand_done(napi_env env, napi_callback_info info) {
  return later(env, info, true, false, true);
}
static napi_value call_back(napi_env env, napi_callback_info info) {
  return later(env, info, false, true, false);
}

napi_value init_denied(napi_env env, napi_value exports) {
  TRY(env, plain_export(env, exports, "attempt", attempt) == NULL ? napi_generic_failure : napi_ok);
  plain_export(env, exports, "demand", demand);
  plain_export(env, exports, "attemptLater", attempt_later);
  plain_export(env, exports, "demandLater", demand_later);
  plain_export(env, exports, "demandDone", demand_done);
  return plain_export(env, exports, "callBack", call_back);
}

// What the sample uses of libuv. Loops, handles and requests are pointers; their memory is as large
// as libuv says at run time, so that no header of libuv's is needed.
#ifndef LIBUV_H
#define LIBUV_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum {
  UV_ASYNC = 1,
  UV_CHECK = 2,
  UV_IDLE = 6,
  UV_POLL = 8,
  UV_PREPARE = 9,
  UV_TIMER = 13,
};
enum { UV_FS = 6, UV_WORK = 7 };
enum { UV_READABLE = 1 };
enum { UV_RUN_DEFAULT = 0, UV_RUN_NOWAIT = 2 };

struct uv_loop_s;
typedef struct uv_loop_s uv_loop_t;
typedef void uv_handle_t;
typedef void uv_req_t;
typedef void (*uv_handle_cb)(uv_handle_t*);

uv_loop_t* uv_default_loop(void);
int uv_run(uv_loop_t*, int mode);
uint64_t uv_now(const uv_loop_t*);
const char* uv_err_name(int error);

size_t uv_handle_size(int kind);
void uv_handle_set_data(uv_handle_t*, void*);
void* uv_handle_get_data(const uv_handle_t*);
void uv_close(uv_handle_t*, uv_handle_cb);
void uv_unref(uv_handle_t*);

int uv_timer_init(uv_loop_t*, uv_handle_t*);
int uv_timer_start(uv_handle_t*, uv_handle_cb, uint64_t after, uint64_t repeat);
int uv_async_init(uv_loop_t*, uv_handle_t*, uv_handle_cb);
int uv_async_send(uv_handle_t*);
int uv_poll_init(uv_loop_t*, uv_handle_t*, int descriptor);
int uv_poll_start(uv_handle_t*, int events, void (*)(uv_handle_t*, int status, int events));
int uv_idle_init(uv_loop_t*, uv_handle_t*);
int uv_idle_start(uv_handle_t*, uv_handle_cb);
int uv_prepare_init(uv_loop_t*, uv_handle_t*);
int uv_prepare_start(uv_handle_t*, uv_handle_cb);
int uv_check_init(uv_loop_t*, uv_handle_t*);
int uv_check_start(uv_handle_t*, uv_handle_cb);

size_t uv_req_size(int kind);
void uv_req_set_data(uv_req_t*, void*);
void* uv_req_get_data(const uv_req_t*);
int uv_queue_work(uv_loop_t*, uv_req_t*, void (*work)(uv_req_t*),
                  void (*after)(uv_req_t*, int status));
int uv_cancel(uv_req_t*);
int uv_fs_stat(uv_loop_t*, uv_req_t*, const char* path, void (*)(uv_req_t*));
ptrdiff_t uv_fs_get_result(const uv_req_t*);
void uv_fs_req_cleanup(uv_req_t*);

static inline uv_handle_t* new_handle(int kind, void* data) {
  uv_handle_t* handle = calloc(1, uv_handle_size(kind));
  if (handle == NULL) abort();
  uv_handle_set_data(handle, data);
  return handle;
}

static inline uv_req_t* new_request(int kind, void* data) {
  uv_req_t* request = calloc(1, uv_req_size(kind));
  if (request == NULL) abort();
  uv_req_set_data(request, data);
  return request;
}

#endif

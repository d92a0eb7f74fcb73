// Taking more than one's share: of memory, threads, descriptors, files, time and output.
//
// What is refused is thrown as an `Error` with the code of the system; what is not stays taken.
#include "plain.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crash.h"

static napi_value refused(napi_env env, const char* code) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", code, strerror(errno));
  napi_throw_error(env, code, text);
  return NULL;
}

static bool number(napi_env env, napi_value value, double* out) {
  return napi_get_value_double(env, value, out) == napi_ok;
}

// hoard(mebibytes): memory that is written, and then counts as nobody's, because it is read-only.
static napi_value Hoard(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double wanted = 0, taken = 0;
  const size_t piece = 8u << 20;
  number(env, args[0], &wanted);
  for (; taken < wanted; taken += 8) {
    char* block =
        mmap(NULL, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return refused(env, "ENOMEM");
    memset(block, 1, piece);
    mprotect(block, piece, PROT_READ);
  }
  return plain_number(env, taken);
}

// refusedMemoryThrows(mebibytes): memory of the kind that every limit counts.
static napi_value RefusedMemoryThrows(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double wanted = 0;
  number(env, args[0], &wanted);
  void* block = malloc((size_t)wanted << 20);
  if (block == NULL) return refused(env, "ENOMEM");
  free(block);
  return NULL;
}

static void* idle(void* unused) {
  for (;;) pause();
  return NULL;
}

// idleThreads(count)
static napi_value IdleThreads(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double wanted = 0, started = 0;
  pthread_attr_t small;
  pthread_t thread;
  number(env, args[0], &wanted);
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64u << 10);
  for (; started < wanted; started++) {
    errno = pthread_create(&thread, &small, idle, NULL);
    if (errno != 0) return refused(env, "EAGAIN");
  }
  return plain_number(env, started);
}

// openMany(count)
static napi_value OpenMany(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double wanted = 0;
  number(env, args[0], &wanted);
  for (double opened = 0; opened < wanted; opened++) {
    if (open("/dev/null", O_RDONLY) < 0) return refused(env, "EMFILE");
  }
  return NULL;
}

// longFile(path, bytes, deadly): makes a file so long. What is deadly wants to be told by a signal.
static napi_value LongFile(napi_env env, napi_callback_info info) {
  ARGS(env, info, 3);
  char path[4096];
  double length = 0;
  bool deadly = false;
  TRY(env, napi_get_value_string_utf8(env, args[0], path, sizeof path, NULL));
  number(env, args[1], &length);
  napi_get_value_bool(env, args[2], &deadly);
  if (deadly) signal(SIGXFSZ, SIG_DFL);
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  if (fd < 0) return refused(env, "EACCES");
  int answer = ftruncate(fd, (off_t)length);
  int error = errno;
  close(fd);
  errno = error;
  return answer == 0 ? NULL : refused(env, "EFBIG");
}

// flood(stream, mebibytes): without a single end of a line.
static napi_value Flood(napi_env env, napi_callback_info info) {
  ARGS(env, info, 2);
  static char piece[1 << 16];
  double stream = 1, wanted = 0;
  number(env, args[0], &stream);
  number(env, args[1], &wanted);
  memset(piece, 'x', sizeof piece);
  for (double left = wanted * 16; left > 0; left--) {
    size_t done = 0;
    while (done < sizeof piece) {
      ssize_t more = write((int)stream, piece + done, sizeof piece - done);
      if (more < 0 && errno != EINTR) return refused(env, "EIO");
      done += more < 0 ? 0 : (size_t)more;
    }
  }
  return NULL;
}

bool crash_export_greedy(napi_env env, napi_value exports) {
  static const struct {
    const char* name;
    napi_callback callback;
  } FUNCTIONS[] = {
      {"hoard", Hoard},           {"refusedMemoryThrows", RefusedMemoryThrows},
      {"idleThreads", IdleThreads}, {"openMany", OpenMany},
      {"longFile", LongFile},     {"flood", Flood},
  };
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    if (plain_export(env, exports, FUNCTIONS[i].name, FUNCTIONS[i].callback) == NULL) return false;
  }
  return true;
}

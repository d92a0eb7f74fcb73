// Taking more than one's share: of memory, threads, descriptors, files, time and output.
//
// What is refused is thrown as an `Error` with the code of the system; what is not stays taken.
#include "plain.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
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

// pageTables(mebibytes): reads one byte of every 2 MiB of a sparse map. The page that is read is the
// kernel's zero page, so that only the page tables (4 KiB for each byte) take memory.
static napi_value PageTables(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double wanted = 0, taken = 0;
  const size_t piece = 2u << 20, chunk = (size_t)8 << 30;
  number(env, args[0], &wanted);
  while (taken < wanted) {
    volatile char* block = mmap(NULL, chunk, PROT_READ,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED) return refused(env, "ENOMEM");
    for (size_t at = 0; at < chunk; at += piece) (void)block[at];
    taken += (double)(chunk / piece * 4096) / (1 << 20);
  }
  return plain_number(env, taken);
}

// reserveAddresses(mebibytes): address space that takes no memory, which is given back.
static napi_value ReserveAddresses(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double wanted = 0;
  number(env, args[0], &wanted);
  size_t length = (size_t)wanted << 20;
  void* block = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block == MAP_FAILED) return refused(env, "ENOMEM");
  munmap(block, length);
  return NULL;
}

// sharedZeros(mebibytes): a shared map of /dev/zero for reading, whose pages are allocated on read.
static napi_value SharedZeros(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double wanted = 0;
  number(env, args[0], &wanted);
  size_t length = (size_t)wanted << 20;
  int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return refused(env, "EACCES");
  volatile char* block = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (block == MAP_FAILED) return refused(env, "ENOMEM");
  for (size_t at = 0; at < length; at += 4096) (void)block[at];
  return plain_number(env, wanted);
}

// Writes to a socket until its buffer is full. Returns how much was written.
static size_t fill(int fd) {
  static char text[64 << 10];
  size_t total = 0;
  for (;;) {
    ssize_t written = send(fd, text, sizeof text, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written <= 0) return total;
    total += (size_t)written;
  }
}

// Sends a descriptor; it stays open while the message is not received.
static bool pass(int through, int fd) {
  char room[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room,
                           .msg_controllen = sizeof room};
  struct cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  return sendmsg(through, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

// socketBuffers(mebibytes): fills the buffers of sockets with at most so much: first those of sockets
// that are passed through others and closed, then those of sockets that stay open. Returns how much
// the buffers hold.
static napi_value SocketBuffers(napi_env env, napi_callback_info info) {
  ARGS(env, info, 1);
  double wanted = 0;
  size_t held = 0;
  int carrier[2], pair[2], size = 64 << 20;
  bool is_passing = true;
  number(env, args[0], &wanted);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, carrier) != 0) return refused(env, "EPERM");
  while (held < (size_t)wanted << 20 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
    for (int i = 0; i < 2; i++) {
      setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
      held += fill(pair[i]);
    }
    if (is_passing && !pass(carrier[0], pair[0])) {
      // A full carrier is left as it is, with what it holds.
      int next[2];
      if (socketpair(AF_UNIX, SOCK_STREAM, 0, next) != 0) break;
      memcpy(carrier, next, sizeof carrier);
      is_passing = pass(carrier[0], pair[0]);
    }
    if (is_passing && pass(carrier[0], pair[1])) {
      close(pair[0]);
      close(pair[1]);
    }
  }
  return plain_number(env, (double)(held >> 20));
}

static sem_t served;
static void serve(napi_env env, napi_value function, void* context, void* data) { sem_post(&served); }
static void* request_turns(void* function) {
  while (napi_call_threadsafe_function(function, NULL, napi_tsfn_blocking) == napi_ok) {
    sem_wait(&served);
  }
  return NULL;
}

// floodTurns(): has a thread request one turn of the event loop after another, for ever. No turn
// calls anything but the addon.
static napi_value FloodTurns(napi_env env, napi_callback_info info) {
  napi_value name;
  napi_threadsafe_function function;
  pthread_t thread;
  sem_init(&served, 0, 0);
  if (napi_create_string_utf8(env, "flood", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, NULL, serve,
                                      &function) != napi_ok ||
      pthread_create(&thread, NULL, request_turns, function) != 0) {
    return refused(env, "EAGAIN");
  }
  pthread_detach(thread);
  return NULL;
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
      {"pageTables", PageTables}, {"sharedZeros", SharedZeros},
      {"floodTurns", FloodTurns}, {"socketBuffers", SocketBuffers}, {"reserveAddresses", ReserveAddresses},
      {"idleThreads", IdleThreads}, {"openMany", OpenMany},
      {"longFile", LongFile},     {"flood", Flood},
  };
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    if (plain_export(env, exports, FUNCTIONS[i].name, FUNCTIONS[i].callback) == NULL) return false;
  }
  return true;
}

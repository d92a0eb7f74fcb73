// R04 to R12: taking more than one's share. Each gives everything back before it returns, but for what
// it leaves for the client to remove.
#include "redteam.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

static int forks(void) {
  int made = 0, error = 0;
  for (int i = 0; i < 32; i++) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child < 0) {
      error = errno;
    } else {
      made++;
      waitpid(child, NULL, 0);
    }
  }
  return made > 0 ? 0 : error;
}

// More processes than any limit that a policy sets by itself, which all live.
#define PROCESSES_AT_ONCE 4000

static int fork_bomb(void) {
  static pid_t all[PROCESSES_AT_ONCE];
  int made = 0, error = 0;
  while (made < PROCESSES_AT_ONCE) {
    all[made] = fork();
    if (all[made] == 0) {
      alarm(20);
      for (;;) pause();
    }
    if (all[made] < 0) {
      error = errno;
      break;
    }
    made++;
  }
  // Who counts the processes has time to do so.
  if (error == 0) sleep(5);
  for (int i = 0; i < made; i++) kill(all[i], SIGKILL);
  for (int i = 0; i < made; i++) waitpid(all[i], NULL, 0);
  return error;
}

static void* idle(void* stop) {
  pthread_mutex_lock(stop);
  pthread_mutex_unlock(stop);
  return NULL;
}

// More than any limit that a policy sets by itself.
#define THREADS 400

static int threads(void) {
  static pthread_t all[THREADS];
  pthread_mutex_t stop = PTHREAD_MUTEX_INITIALIZER;
  pthread_attr_t small;
  int started = 0, error = 0;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  pthread_mutex_lock(&stop);
  while (started < THREADS &&
         (error = pthread_create(&all[started], &small, idle, &stop)) == 0) {
    started++;
  }
  pthread_mutex_unlock(&stop);
  for (int i = 0; i < started; i++) pthread_join(all[i], NULL);
  return error;
}

// Address space only: it is what the limit counts, and costs the machine nothing.
static int pieces(int flags) {
  void* all[128];
  size_t piece = 64 << 20;
  int got = 0, error = 0;
  while (got < 128) {
    all[got] = mmap(NULL, piece, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (all[got] == MAP_FAILED) {
      error = errno;
      break;
    }
    got++;
  }
  while (got > 0) munmap(all[--got], piece);
  return error;
}
static int memory(void) { return pieces(MAP_PRIVATE | MAP_NORESERVE); }
static int memory_shared(void) { return pieces(MAP_SHARED | MAP_NORESERVE); }

static int memory_file(void) { return answer_fd(syscall(SYS_memfd_create, "bomb", 0)); }
static int memory_folder(void) {
  return answer_fd(open("/dev/shm/redteam", O_CREAT | O_RDWR, 0600));
}
static int memory_zero(void) {
  int fd = open("/dev/zero", O_RDWR);
  if (fd < 0) return errno;
  void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  int error = page == MAP_FAILED ? errno : 0;
  if (error == 0) munmap(page, 4096);
  close(fd);
  return error;
}
static int segment(void) {
  int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  return id < 0 ? errno : answer(shmctl(id, IPC_RMID, NULL));
}
static int semaphores(void) { return answer(syscall(SYS_semget, IPC_PRIVATE, 1, 0600)); }
static int messages(void) { return answer(syscall(SYS_msgget, IPC_PRIVATE, 0600)); }
static int queue(void) {
  return answer_fd(syscall(SYS_mq_open, "redteam", O_CREAT | O_RDWR, 0600, NULL));
}

static int descriptors(void) {
  static int all[2048];
  int got = 0, error = 0;
  while (got < 2048) {
    if ((all[got] = dup(2)) < 0) {
      error = errno;
      break;
    }
    got++;
  }
  while (got > 0) close(all[--got]);
  return error;
}

static int large(int (*enlarge)(int fd)) {
  char path[512];
  int fd = open(own(path, sizeof path, "large"), O_CREAT | O_RDWR, 0600);
  if (fd < 0) return errno;
  int error = answer(enlarge(fd));
  close(fd);
  unlink(path);
  return error;
}
static int by_length(int fd) { return ftruncate(fd, 2L << 30); }
static int by_blocks(int fd) { return fallocate(fd, 0, 2L << 30, 4096); }
static int by_writing(int fd) { return pwrite(fd, "x", 1, 2L << 30) == 1 ? 0 : -1; }
static int large_length(void) { return large(by_length); }
static int large_blocks(void) { return large(by_blocks); }
static int large_write(void) { return large(by_writing); }

// So many small files that there are no more, or so much in them; then none. Where nothing bounds
// them, the client says how few show it.
static int files(void) {
  char path[512], name[32];
  int made = 0, error = 0, many = atoi(target("REDTEAM_FILES"));
  while (made < many) {
    snprintf(name, sizeof name, "file-%d", made);
    int fd = open(own(path, sizeof path, name), O_CREAT | O_WRONLY, 0600);
    if (fd < 0) {
      error = errno;
      break;
    }
    close(fd);
    made++;
  }
  while (made > 0) {
    snprintf(name, sizeof name, "file-%d", --made);
    unlink(own(path, sizeof path, name));
  }
  return error;
}
static int space(void) {
  char path[512], name[32];
  int made = 0, error = 0, many = atoi(target("REDTEAM_LARGE_FILES"));
  while (made < many && error == 0) {
    snprintf(name, sizeof name, "full-%d", made);
    int fd = open(own(path, sizeof path, name), O_CREAT | O_WRONLY, 0600);
    if (fd < 0) return errno;
    error = answer(fallocate(fd, 0, 0, 200 << 20));
    close(fd);
    made++;
  }
  while (made > 0) {
    snprintf(name, sizeof name, "full-%d", --made);
    unlink(own(path, sizeof path, name));
  }
  return error;
}

// What the client has to remove when this process has ended, made to be hard to remove: deeper than
// it has descriptors, or stack for functions that call themselves.
static int deep(void) {
  char path[512], name[32];
  static int number;
  int at = open(own(path, sizeof path, ""), O_RDONLY | O_DIRECTORY), error = 0;
  if (at < 0) return errno;
  snprintf(name, sizeof name, "deep-%d", number++);
  for (int level = atoi(target("REDTEAM_LEVELS")); level > 0 && error == 0; level--) {
    error = answer(mkdirat(at, name, 0700));
    int next = openat(at, name, O_RDONLY | O_DIRECTORY);
    close(at);
    if ((at = next) < 0) return errno;
  }
  close(at);
  return error;
}

// Folders that their owner may not enter, and a link to what is somebody else's.
static int closed(void) {
  static const mode_t modes[] = {0500, 0300, 0600, 0};
  char path[512], name[32];
  static int number;
  int top = open(own(path, sizeof path, ""), O_RDONLY | O_DIRECTORY), error = 0;
  if (top < 0) return errno;
  snprintf(name, sizeof name, "closed-%d", number++);
  error = answer(mkdirat(top, name, 0700));
  int folder = openat(top, name, O_RDONLY | O_DIRECTORY);
  close(top);
  if (folder < 0) return errno;
  for (size_t i = 0; i < sizeof modes / sizeof *modes && error == 0; i++) {
    snprintf(name, sizeof name, "inner-%zu", i);
    error = answer(mkdirat(folder, name, modes[i]));
  }
  // It may not be read, but be filled.
  if (error == 0) error = answer(mkdirat(folder, "inner-1/more", 0));
  close(folder);
  if (error != 0) return error;
  snprintf(name, sizeof name, "link-%d", number);
  return answer(symlink(target("REDTEAM_FOLDER"), own(path, sizeof path, name)));
}

// Larger buffers of sockets and pipes, which are memory of the kernel. A request that succeeds
// without effect counts as refused.
static int buffer_size(int asked, int read) {
  int pair[2], before = 0, after = 0, size = 1 << 20, error = 0;
  socklen_t length = sizeof before;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return errno;
  getsockopt(pair[0], SOL_SOCKET, read, &before, &length);
  if (setsockopt(pair[0], SOL_SOCKET, asked, &size, sizeof size) != 0) error = errno;
  getsockopt(pair[0], SOL_SOCKET, read, &after, &length);
  close(pair[0]);
  close(pair[1]);
  return error != 0 ? error : after > before ? 0 : EPERM;
}
static int send_buffer(void) { return buffer_size(SO_SNDBUF, SO_SNDBUF); }
static int receive_buffer(void) { return buffer_size(SO_RCVBUF, SO_RCVBUF); }
static int send_buffer_force(void) { return buffer_size(SO_SNDBUFFORCE, SO_SNDBUF); }
static int receive_buffer_force(void) { return buffer_size(SO_RCVBUFFORCE, SO_RCVBUF); }

static int pipe_size(void) {
  int ends[2];
  if (pipe(ends) != 0) return errno;
  int error = answer(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20));
  close(ends[0]);
  close(ends[1]);
  return error;
}

// Pages that a pipe holds after the process has unmapped or truncated them. Of files, the addon's own
// serves as well as one that it could truncate.
static int hold(ssize_t (*put)(int pipe, int file, int full)) {
  Dl_info found;
  int ends[2], full[2];
  if (dladdr((void*)hold, &found) == 0) return ENOENT;
  int fd = open(found.dli_fname, O_RDONLY);
  if (fd < 0 || pipe(ends) != 0 || pipe(full) != 0) return errno;
  int error = write(full[1], "x", 1) == 1 ? answer(put(ends[1], fd, full[0])) : errno;
  close(fd);
  for (int i = 0; i < 2; i++) {
    close(ends[i]);
    close(full[i]);
  }
  return error;
}
static ssize_t put_memory(int pipe, int file, int full) {
  struct iovec part = {"x", 1};
  return vmsplice(pipe, &part, 1, 0);
}
static ssize_t put_file(int pipe, int file, int full) {
  off_t at = 0;
  return splice(file, &at, pipe, NULL, 1, 0);
}
static ssize_t send_file(int pipe, int file, int full) {
  off_t at = 0;
  return sendfile(pipe, file, &at, 1);
}
static ssize_t put_again(int pipe, int file, int full) { return tee(full, pipe, 1, 0); }
static int hold_memory(void) { return hold(put_memory); }
static int hold_file(void) { return hold(put_file); }
static int hold_sent(void) { return hold(send_file); }
static int hold_again(void) { return hold(put_again); }

// Output without an end of a line.
static int flood(void) {
  static char text[64 << 10];
  memset(text, 'x', sizeof text);
  for (int i = 0; i < 64; i++) {
    if (write(1, text, sizeof text) < 0 || write(2, text, sizeof text) < 0) return errno;
  }
  return 0;
}

const struct attack RESOURCES[] = {
    {"R04_forks", forks, 1},
    {"R04_fork_bomb", fork_bomb, 1},
    {"R05_threads", threads, 1},
    {"R06_memory", memory, 1},
    {"R07_shared_anonymous", memory_shared, 1},
    {"R07_shared_zero", memory_zero, 1},
    {"R08_memfd", memory_file, 1},
    {"R08_dev_shm", memory_folder, 1},
    {"R08_shmget", segment, 1},
    {"R08_semget", semaphores, 1},
    {"R08_msgget", messages, 1},
    {"R08_mq_open", queue, 1},
    {"R09_descriptors", descriptors, 1},
    {"R10_length", large_length, 1},
    {"R10_blocks", large_blocks, 1},
    {"R10_write", large_write, 1},
    {"R10_files", files, 1},
    {"R10_space", space, 1},
    {"R10_deep", deep, 1},
    {"R10_closed", closed, 1},
    {"R11_flood", flood, 1},
    {"R12_send_buffer", send_buffer, 0},
    {"R12_receive_buffer", receive_buffer, 0},
    {"R12_send_buffer_force", send_buffer_force, 0},
    {"R12_receive_buffer_force", receive_buffer_force, 0},
    {"R12_pipe_size", pipe_size, 0},
    {"R12_vmsplice", hold_memory, 0},
    {"R12_splice", hold_file, 0},
    {"R12_sendfile", hold_sent, 0},
    {"R12_tee", hold_again, 0},
    {NULL, NULL, 0},
};

// S02, S10, S12, S13, S18: what a host can do to its client with what they share besides memory.
#include "redteam.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

// The control socket: the host has no other stream of that family that has another end.
static int control(void) {
  for (int fd = 3; fd < 64; fd++) {
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    int kind = 0;
    socklen_t size = sizeof kind;
    if (getpeername(fd, (struct sockaddr*)&name, &length) == 0 && name.ss_family == AF_UNIX &&
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_STREAM) {
      return fd;
    }
  }
  errno = EBADF;
  return -1;
}

// Whatever the client does about it, it does not answer here.
static int wait_for_the_end(void) {
  for (;;) pause();
  return 0;
}

// A hundred messages that mean nothing, with two hundred descriptors each.
static int descriptors(void) {
  enum { MANY = 200 };
  char text[64], room[CMSG_SPACE(MANY * sizeof(int))];
  struct iovec part = {text, sizeof text};
  int fd = control();
  if (fd < 0) return errno;
  memset(text, 0xff, sizeof text);
  memset(room, 0, sizeof room);
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room,
                           .msg_controllen = sizeof room};
  struct cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(MANY * sizeof(int));
  for (int i = 0; i < MANY; i++) ((int*)CMSG_DATA(rights))[i] = 2;
  for (int i = 0; i < 100; i++) {
    if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (i == 0) return errno;
      break;
    }
  }
  return wait_for_the_end();
}

static int hang_up(void) {
  int fd = control();
  if (fd < 0 || shutdown(fd, SHUT_RDWR) != 0) return errno;
  close(fd);
  return wait_for_the_end();
}

// As many lines of the host's log as can be sent in a third of a second, each as long as it may be.
static int log_flood(void) {
  enum { TEXT = 60 << 10, HEAD = 5 + 4 + 4 + 8 + 8 };
  static uint8_t packet[HEAD + TEXT];
  const struct {
    uint32_t length;
    uint8_t kind;
    uint32_t what, level;
    uint64_t target, text;
  } __attribute__((packed)) head = {HEAD - 5 + TEXT, 0, 3, 1, 0, TEXT};
  struct timespec now, begun;
  int fd = control();
  if (fd < 0) return errno;
  memcpy(packet, &head, HEAD);
  memset(packet + HEAD, 'x', TEXT);
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do {
    for (size_t sent = 0; sent < sizeof packet;) {
      ssize_t more = send(fd, packet + sent, sizeof packet - sent, MSG_NOSIGNAL);
      if (more < 0 && errno != EAGAIN) return errno;
      sent += more < 0 ? 0 : (size_t)more;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < 300);
  return 0;
}

struct words {
  unsigned long from, to;
};

// What is shared with the client and has this name.
static struct words named(const char* name) {
  unsigned long from = 0, to = 0;
  char line[512];
  FILE* maps = fopen("/proc/self/maps", "r");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long first, last;
    char rights[8];
    if (strstr(line, name) != NULL && sscanf(line, "%lx-%lx %7s", &first, &last, rights) == 3 &&
        rights[1] == 'w' && last - first > to - from) {
      from = first, to = last;
    }
  }
  if (maps != NULL) fclose(maps);
  return (struct words){from, to};
}
static struct words shared(void) { return named("memfd:napi-hostd-lanes"); }

static void wake(struct words memory) {
  for (unsigned long word = memory.from; word < memory.to; word += 4) {
    syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
  }
}

// Writes to a pipe until it is full, if it is one.
static void fill(int fd) {
  static char bytes[4096];
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return;
  while (write(fd, bytes, sizeof bytes) > 0) continue;
}

// Signals all event descriptors, pipes and words of shared memory for a third of a second.
static int storm(void) {
  struct words memory = shared();
  if (memory.to > memory.from + (64 << 10)) memory.to = memory.from + (64 << 10);
  struct timespec now, begun;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do {
    for (int fd = 3; fd < 64; fd++) {
      struct stat found;
      uint64_t one = 1;
      // Without a kind: an event, or something that can't be written to.
      if (fstat(fd, &found) != 0) continue;
      if ((found.st_mode & S_IFMT) == 0) {
        ssize_t written = write(fd, &one, sizeof one);
        (void)written;
      } else if (S_ISFIFO(found.st_mode)) {
        fill(fd);
      }
    }
    wake(memory);
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < 300);
  return 0;
}

// Fills the shared memory with nonsense, states, positions and lengths included, until somebody ends
// it: the first half of a mebibyte has all the words that are not bytes of frames.
static int scribble(uint32_t (*word)(uint32_t last)) {
  struct words memory = shared(), heads = memory;
  uint32_t last = 1;
  if (memory.to == 0) return ENOENT;
  if (heads.to > heads.from + (512 << 10)) heads.to = heads.from + (512 << 10);
  for (;;) {
    for (unsigned long at = memory.from; at < memory.to; at += 4) {
      *(volatile uint32_t*)at = last = word(last);
    }
    wake(heads);
  }
}
static uint32_t zero(uint32_t last) { return 0; }
static uint32_t ones(uint32_t last) { return UINT32_MAX; }
// A sequence that looks like chance.
static uint32_t any(uint32_t last) {
  last ^= last << 13;
  last ^= last >> 17;
  return last ^ last << 5;
}
static uint32_t small(uint32_t last) { return any(last) & 0xff; }
static int zeros(void) { return scribble(zero); }
static int all_ones(void) { return scribble(ones); }
static int noise(void) { return scribble(any); }
static int small_numbers(void) { return scribble(small); }

// Takes the pages away that both look at. It needs no descriptor for that.
static int hole(void) {
  struct words memory = shared();
  if (memory.to == 0) return ENOENT;
  for (;;) {
    if (madvise((void*)memory.from, memory.to - memory.from, MADV_REMOVE) != 0) return errno;
    wake((struct words){memory.from, memory.from + (16 << 10)});
  }
}

// The bytes of large buffers, where nothing is that anybody relies on. Both halves for a third of a
// second: 16 MiB of each, of which one is the client's own.
static int bulk(int takes_away) {
  struct words memory = named("memfd:napi-hostd-memory");
  unsigned long half = (memory.to - memory.from) / 2, part = 16 << 20;
  struct timespec now, begun;
  uint32_t last = 1;
  if (memory.to == 0) return ENOENT;
  if (part > half) part = half;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do {
    for (unsigned long from = memory.from; from < memory.to; from += half) {
      if (takes_away) {
        if (madvise((void*)from, half, MADV_REMOVE) != 0) return errno;
        continue;
      }
      for (unsigned long at = from; at < from + part; at += 4) {
        *(volatile uint32_t*)at = last = any(last);
      }
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < 300);
  return madvise((void*)memory.from, memory.to - memory.from, MADV_REMOVE) != 0 ? errno : 0;
}
static int bulk_noise(void) { return bulk(0); }
static int bulk_hole(void) { return bulk(1); }

// The kernel tells who is at the other end, not as a number, but as what stands for the process.
static int other_end(void) {
  enum { PEER_PIDFD = 77, USER_NAMESPACE = 0xff09 };
  int fd = -1, first = 0;
  socklen_t size = sizeof fd;
  int socket = control();
  if (socket < 0) return errno;
  // What an older kernel does not tell can't be used either.
  if (getsockopt(socket, SOL_SOCKET, PEER_PIDFD, &fd, &size) != 0) {
    return errno == ENOPROTOOPT ? ENOTTY : errno;
  }
  long done[] = {
      syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0),
      syscall(SYS_pidfd_getfd, fd, 0, 0),
      syscall(SYS_setns, fd, CLONE_NEWUTS),
      ioctl(fd, USER_NAMESPACE),
  };
  first = errno;
  close(fd);
  for (size_t i = 0; i < sizeof done / sizeof *done; i++) {
    if (done[i] >= 0) return 0;
  }
  return first;
}

const struct attack PROTOCOL[] = {
    {"S02_zeros", zeros, 1},
    {"S02_ones", all_ones, 1},
    {"S02_noise", noise, 1},
    {"S02_small_numbers", small_numbers, 1},
    {"S02_hole", hole, 1},
    {"S03_bulk_noise", bulk_noise, 1},
    {"S03_bulk_hole", bulk_hole, 1},
    {"S10_log_flood", log_flood, 1},
    {"S12_peer", other_end, 0},
    {"S12_descriptors", descriptors, 1},
    {"S13_storm", storm, 1},
    {"S18_hang_up", hang_up, 1},
    {NULL, NULL, 0},
};

// S12, S13, S18: what a host can do to its client with what they share besides memory.
#include "redteam.h"

#include <fcntl.h>
#include <linux/futex.h>
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

// Writes to a pipe until it is full, if it is one.
static void fill(int fd) {
  static char bytes[4096];
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return;
  while (write(fd, bytes, sizeof bytes) > 0) continue;
}

// Rings every bell there is for a third of a second: events, pipes, and words of shared memory.
static int storm(void) {
  unsigned long from = 0, to = 0;
  char line[512];
  FILE* maps = fopen("/proc/self/maps", "r");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long first, last;
    char rights[8];
    if (strstr(line, "memfd:") != NULL && sscanf(line, "%lx-%lx %7s", &first, &last, rights) == 3 &&
        rights[1] == 'w' && last - first > to - from) {
      from = first, to = last;
    }
  }
  if (maps != NULL) fclose(maps);
  if (to > from + (64 << 10)) to = from + (64 << 10);
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
    for (unsigned long word = from; word < to; word += 4) {
      syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < 300);
  return 0;
}

const struct attack PROTOCOL[] = {
    {"S12_descriptors", descriptors, 1},
    {"S13_storm", storm, 1},
    {"S18_hang_up", hang_up, 1},
    {NULL, NULL, 0},
};

// What the files of attacks share. An attack returns 0 where it got what it wanted, else the error
// that stopped it. It may be run again and again, so it gives back what it got.
#ifndef REDTEAM_H
#define REDTEAM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

struct attack {
  const char* name;
  int (*run)(void);
  // Whether it is left out while the addon is loaded: it is long, or ends the process.
  int late;
};

// Each ends with an attack without a name.
extern const struct attack FILES[], SOCKETS[], PROCESSES[], QUERIES[], KERNEL[], MEMORY[],
    RESOURCES[], PROTOCOL[];

// What attempts to read answered that ran while the addon was loaded.
int answer_at_init(void), answer_at_thread_end(void), answer_at_needed(void);

// What is to be attacked, which the client says in variables of the environment.
static inline const char* target(const char* name) {
  const char* value = getenv(name);
  return value != NULL ? value : "/redteam/was/told/nothing";
}

static inline pid_t client(void) { return (pid_t)atoi(target("REDTEAM_CLIENT")); }

static inline int answer(long result) { return result >= 0 ? 0 : errno; }

static inline int answer_fd(long fd) {
  if (fd < 0) return errno;
  close((int)fd);
  return 0;
}

// A name in the folder of the process itself.
static inline const char* own(char* buffer, size_t size, const char* name) {
  snprintf(buffer, size, "%s/%s", target("HOME"), name);
  return buffer;
}

#endif

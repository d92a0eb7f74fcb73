// E23: the places from which code runs while an addon is loaded, besides constructors and resolvers.
#include "redteam.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>

extern int redteam_needed;
static int at_init = ENOSYS, at_thread_end = ENOSYS;

static int read_users(void) { return answer_fd(open("/etc/passwd", O_RDONLY)); }

// What the header of the file itself names, from the time before constructors.
void redteam_init(void) { at_init = read_users(); }

// What a thread does at its end with what it keeps for itself.
static void last_will(void* nothing) { at_thread_end = read_users(); }
static void* keep_something(void* key) {
  pthread_setspecific(*(pthread_key_t*)key, key);
  return NULL;
}
__attribute__((constructor)) static void start_a_thread(void) {
  pthread_key_t key;
  pthread_t thread;
  if (pthread_key_create(&key, last_will) != 0) return;
  if (pthread_create(&thread, NULL, keep_something, &key) == 0) pthread_join(thread, NULL);
  pthread_key_delete(key);
}

// Where it is asked to: a filter of its own that lets nobody add another, from its first moment on.
__attribute__((constructor)) static void keep_filters_away(void) {
  struct sock_filter rules[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_seccomp},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
  if (getenv("REDTEAM_FILTER") == NULL) return;
  syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

int answer_at_init(void) { return at_init; }
int answer_at_thread_end(void) { return at_thread_end; }
int answer_at_needed(void) { return redteam_needed; }

// E23: the places from which code runs while an addon is loaded, besides constructors and resolvers.
#include "redteam.h"

#include <fcntl.h>
#include <pthread.h>

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

int answer_at_init(void) { return at_init; }
int answer_at_thread_end(void) { return at_thread_end; }
int answer_at_needed(void) { return redteam_needed; }

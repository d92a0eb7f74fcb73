// How published addons schedule their threads: as zeromq, onnxruntime and OpenMP do.
#include "system.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 32

// What each attempt answered: 0, or the error.
struct answers {
  size_t count;
  const char* names[MOST];
  int answers[MOST];
};

static void note(struct answers* all, const char* name, int answer) {
  if (all->count == MOST) return;
  all->names[all->count] = name;
  all->answers[all->count++] = answer;
}

static int failed(long answer) { return answer < 0 ? errno : 0; }

static cpu_set_t first_cpu(void) {
  cpu_set_t all, one;
  CPU_ZERO(&one);
  sched_getaffinity(0, sizeof all, &all);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  }
  return one;
}

static int is_on_one_cpu(void) {
  cpu_set_t mine;
  return sched_getaffinity(0, sizeof mine, &mine) == 0 && CPU_COUNT(&mine) == 1 ? 0 : EDOM;
}

// What a thread does to itself.
static void* own(void* argument) {
  struct answers* all = argument;
  struct sched_param parameters = {0};
  int policy = -1;
  pid_t this = (pid_t)syscall(SYS_gettid);
  cpu_set_t one = first_cpu(), every;
  sched_getaffinity(0, sizeof every, &every);
  note(all, "pthread_getschedparam", pthread_getschedparam(pthread_self(), &policy, &parameters));
  note(all, "ordinary", pthread_setschedparam(pthread_self(), SCHED_OTHER, &parameters));
  note(all, "ordinary by number", failed(sched_setscheduler(this, SCHED_OTHER, &parameters)));
  note(all, "parameters by number", failed(sched_setparam(this, &parameters)));
  note(all, "ordinary by system call",
       failed(syscall(SYS_sched_setscheduler, this, SCHED_OTHER, &parameters)));
  note(all, "affinity", pthread_setaffinity_np(pthread_self(), sizeof one, &one));
  note(all, "affinity holds", is_on_one_cpu());
  note(all, "wider again", failed(sched_setaffinity(this, sizeof every, &every)));
  note(all, "affinity by number", failed(sched_setaffinity(this, sizeof one, &one)));
  note(all, "affinity by number holds", is_on_one_cpu());
  note(all, "no CPU", pthread_setaffinity_np(pthread_self(), 0, &one));
  note(all, "nice", failed(setpriority(PRIO_PROCESS, (id_t)this, 5)));
  note(all, "nice holds", getpriority(PRIO_PROCESS, 0) == 5 ? 0 : EDOM);
  errno = 0;
  note(all, "nicer", nice(2) == 7 ? 0 : errno);
  note(all, "idle I/O", failed(syscall(SYS_ioprio_set, 1, 0, IOPRIO_CLASS_IDLE << 13)));
  note(all, "batch", pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameters));
  note(all, "batch holds", sched_getscheduler(0) == SCHED_BATCH ? 0 : EDOM);
  note(all, "idle", failed(sched_setscheduler(this, SCHED_IDLE, &parameters)));
  note(all, "idle holds", sched_getscheduler(0) == SCHED_IDLE ? 0 : EDOM);
  return NULL;
}

static void* wait(void* gate) {
  pthread_mutex_lock(gate);
  pthread_mutex_unlock(gate);
  return NULL;
}

// What one thread does to another.
static void others(struct answers* all) {
  pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
  pthread_t thread;
  pthread_attr_t attributes;
  struct sched_param parameters = {0};
  cpu_set_t one = first_cpu();
  pthread_mutex_lock(&gate);
  int started = pthread_create(&thread, NULL, wait, &gate);
  note(all, "start", started);
  if (started == 0) {
    note(all, "another's affinity", pthread_setaffinity_np(thread, sizeof one, &one));
    note(all, "another is ordinary", pthread_setschedparam(thread, SCHED_OTHER, &parameters));
  }
  pthread_mutex_unlock(&gate);
  if (started == 0) pthread_join(thread, NULL);
  pthread_attr_init(&attributes);
  pthread_attr_setaffinity_np(&attributes, sizeof one, &one);
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
  pthread_attr_setschedparam(&attributes, &parameters);
  started = pthread_create(&thread, &attributes, wait, &gate);
  note(all, "start with attributes", started);
  if (started == 0) pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
}

// What needs rights that an ordinary user has not.
static void* raise_priority(void* argument) {
  struct answers* all = argument;
  struct sched_param parameters = {.sched_priority = 1};
  note(all, "real time", pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters));
  note(all, "less nice", failed(setpriority(PRIO_PROCESS, 0, -5)));
  return NULL;
}

static napi_value answered(napi_env env, const struct answers* all) {
  napi_value result;
  TRY(env, napi_create_object(env, &result));
  for (size_t i = 0; i < all->count; i++) {
    napi_value answer;
    TRY(env, napi_create_int32(env, all->answers[i], &answer));
    TRY(env, napi_set_named_property(env, result, all->names[i], answer));
  }
  return result;
}

static napi_value schedule(napi_env env, napi_callback_info info) {
  struct answers all = {0};
  pthread_t thread;
  if (pthread_create(&thread, NULL, own, &all) == 0) pthread_join(thread, NULL);
  others(&all);
  return answered(env, &all);
}

static napi_value raise_it(napi_env env, napi_callback_info info) {
  struct answers all = {0};
  pthread_t thread;
  if (pthread_create(&thread, NULL, raise_priority, &all) == 0) pthread_join(thread, NULL);
  return answered(env, &all);
}

napi_value init_threads(napi_env env, napi_value exports) {
  if (plain_export(env, exports, "schedule", schedule) == NULL) return NULL;
  return plain_export(env, exports, "raisePriority", raise_it);
}

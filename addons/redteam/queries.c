// E12: what the kernel says about other processes.
#include "redteam.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

// As `clock_getcpuclockid` makes it, which asks the kernel before it returns it.
static clockid_t clock_of_client(void) { return (clockid_t)(~(unsigned)client() << 3 | 2); }

static int clock_time(void) {
  struct timespec used;
  return answer(syscall(SYS_clock_gettime, clock_of_client(), &used));
}
static int clock_resolution(void) {
  return answer(syscall(SYS_clock_getres, clock_of_client(), NULL));
}
static int clock_sleep(void) {
  struct timespec passed = {0, 1};
  return answer(syscall(SYS_clock_nanosleep, clock_of_client(), TIMER_ABSTIME, &passed, NULL));
}
static int clock_timer(void) {
  struct sigevent none = {.sigev_notify = SIGEV_NONE};
  int timer;
  if (syscall(SYS_timer_create, clock_of_client(), &none, &timer) != 0) return errno;
  return answer(syscall(SYS_timer_delete, timer));
}
static int session(void) { return answer(getsid(client())); }
static int group(void) { return answer(getpgid(client())); }
static int affinity(void) {
  cpu_set_t cpus;
  return answer(sched_getaffinity(client(), sizeof cpus, &cpus));
}
static int scheduler(void) { return answer(sched_getscheduler(client())); }
static int parameters(void) {
  struct sched_param found;
  return answer(sched_getparam(client(), &found));
}
static int attributes(void) {
  uint64_t found[7];  // As long as the kernel writes it.
  return answer(syscall(SYS_sched_getattr, client(), &found, sizeof found, 0));
}
static int interval(void) {
  struct timespec found;
  return answer(sched_rr_get_interval(client(), &found));
}
static int priority(void) {
  errno = 0;
  getpriority(PRIO_PROCESS, (id_t)client());
  return errno;
}
static int io_priority(void) { return answer(syscall(SYS_ioprio_get, 1, client())); }

const struct attack QUERIES[] = {
    {"E12_clock_time", clock_time, 0},
    {"E12_clock_resolution", clock_resolution, 0},
    {"E12_clock_sleep", clock_sleep, 0},
    {"E12_clock_timer", clock_timer, 0},
    {"E12_session", session, 0},
    {"E12_group", group, 0},
    {"E12_affinity", affinity, 0},
    {"E12_scheduler", scheduler, 0},
    {"E12_parameters", parameters, 0},
    {"E12_attributes", attributes, 0},
    {"E12_interval", interval, 0},
    {"E12_priority", priority, 0},
    {"E12_io_priority", io_priority, 0},
    {NULL, NULL, 0},
};

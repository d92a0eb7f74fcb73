// E11, E14 to E18, E26: other processes, new ones, and what the client keeps to itself.
#include "redteam.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

extern char** environ;

static int open_of_client(const char* name, int flags) {
  char path[128];
  snprintf(path, sizeof path, "/proc/%d/%s", client(), name);
  return answer_fd(open(path, flags));
}

static int attach(void) {
  if (ptrace(PTRACE_ATTACH, client(), 0, 0) != 0) return errno;
  ptrace(PTRACE_DETACH, client(), 0, 0);
  return 0;
}
static int seize(void) { return answer(ptrace(PTRACE_SEIZE, client(), 0, 0)); }
static int trace_me(void) { return answer(ptrace(PTRACE_TRACEME, 0, 0, 0)); }

static int read_memory(void) {
  char byte;
  struct iovec here = {&byte, 1}, there = {(void*)environ, 1};
  return answer(process_vm_readv(client(), &here, 1, &there, 1, 0));
}
static int write_memory(void) {
  char byte = 0;
  struct iovec here = {&byte, 1}, there = {(void*)environ, 1};
  return answer(process_vm_writev(client(), &here, 1, &there, 1, 0));
}

static int proc_mem(void) { return open_of_client("mem", O_RDWR); }
static int proc_environ(void) { return open_of_client("environ", O_RDONLY); }
static int proc_maps(void) { return open_of_client("maps", O_RDONLY); }
static int proc_status(void) { return open_of_client("status", O_RDONLY); }
static int proc_fd(void) { return open_of_client("fd", O_RDONLY | O_DIRECTORY); }
static int proc_task(void) { return open_of_client("task", O_RDONLY | O_DIRECTORY); }
static int proc_root(void) { return open_of_client("root/etc/passwd", O_RDONLY); }
static int proc_cwd(void) { return open_of_client("cwd", O_RDONLY | O_DIRECTORY); }
static int proc_ns(void) { return open_of_client("ns/user", O_RDONLY); }
static int proc_oom(void) { return open_of_client("oom_score_adj", O_WRONLY); }
static int proc_list(void) { return answer_fd(open("/proc", O_RDONLY | O_DIRECTORY)); }
static int pidfd(void) { return answer_fd(syscall(434, client(), 0)); }
static int pidfd_take(void) { return answer_fd(syscall(438, 0, 0, 0)); }
static int kill_client(void) { return answer(kill(client(), 0)); }
// The kernel reports success as well where it refuses each process: the client looks for the signal,
// which is ignored otherwise.
static int kill_all(void) { return answer(kill(-1, SIGWINCH)); }
static int kill_group(void) { return answer(kill(-getpgid(client()), 0)); }
static int kill_thread(void) { return answer(syscall(SYS_tgkill, client(), client(), 0)); }
static int kill_tid(void) { return answer(syscall(SYS_tkill, client(), 0)); }
static int queue_signal(void) {
  siginfo_t info = {.si_code = -1};
  return answer(syscall(SYS_rt_sigqueueinfo, client(), 0, &info));
}
// The filter lets some of these succeed without effect: then they have failed.
static int effect(int happened) { return happened ? 0 : ECANCELED; }
static int priority(void) {
  int other = getpriority(PRIO_PROCESS, (id_t)client()) == 5 ? 6 : 5;
  if (setpriority(PRIO_PROCESS, (id_t)client(), other) != 0) return errno;
  return effect(getpriority(PRIO_PROCESS, (id_t)client()) == other);
}
static int affinity(void) {
  cpu_set_t before, after, one;
  CPU_ZERO(&one);
  if (sched_getaffinity(client(), sizeof before, &before) != 0) return errno;
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  if (sched_setaffinity(client(), sizeof one, &one) != 0) return errno;
  if (sched_getaffinity(client(), sizeof after, &after) != 0) return errno;
  if (!CPU_EQUAL(&after, &one)) return ECANCELED;
  return answer(sched_setaffinity(client(), sizeof before, &before));
}
static int scheduler(void) {
  struct sched_param parameters = {0};
  if (sched_setscheduler(client(), SCHED_BATCH, &parameters) != 0) return errno;
  return answer(sched_setscheduler(client(), SCHED_OTHER, &parameters));
}
static int io_priority(void) { return answer(syscall(SYS_ioprio_set, 1, client(), 0)); }
static int limits(void) {
  struct rlimit old;
  return answer(prlimit(client(), RLIMIT_NOFILE, NULL, &old));
}
static int compare(void) { return answer(syscall(SYS_kcmp, client(), client(), 0, 0, 0)); }
static int advise(void) {
  struct iovec nothing = {NULL, 0};
  return answer(syscall(440, 0, &nothing, 1, 0, 0));
}
static int own_signals(void) {
  int ends[2];
  if (pipe(ends) != 0) return errno;
  int error = answer(fcntl(ends[0], F_SETOWN, client()));
  close(ends[0]);
  close(ends[1]);
  return error;
}
static int migrate(void) { return answer(syscall(SYS_migrate_pages, client(), 0, NULL, NULL)); }

static int reap(pid_t child) {
  if (child < 0) return errno;
  waitpid(child, NULL, 0);
  return 0;
}
static int fork_one(void) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  return reap(child);
}
static int fork_raw(void) {
  long child = syscall(SYS_fork);
  if (child == 0) _exit(0);
  return reap((pid_t)child);
}
static int vfork_one(void) {
  pid_t child = vfork();
  if (child == 0) _exit(0);
  return reap(child);
}
static int clone_one(void) {
  long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return reap((pid_t)child);
}
static int clone3_one(void) {
  uint64_t how[8] = {[4] = SIGCHLD};
  long child = syscall(435, how, sizeof how);
  if (child == 0) _exit(0);
  return reap((pid_t)child);
}
// A program that takes the place of this process would be the end of it, so it does not exist: the
// filter answers before anybody looks.
static int exec_one(void) {
  char* const nothing[] = {NULL};
  return answer(execve("/bin/redteam-true", nothing, nothing));
}
static int exec_at(void) {
  char* const nothing[] = {NULL};
  return answer(syscall(SYS_execveat, AT_FDCWD, "/bin/redteam-true", nothing, nothing, 0));
}
static int exec_memory(void) {
  char* const nothing[] = {NULL};
  int fd = (int)syscall(SYS_memfd_create, "x", 0);
  if (fd < 0) return errno;
  int error = answer(syscall(SYS_execveat, fd, "", nothing, nothing, AT_EMPTY_PATH));
  close(fd);
  return error;
}
static int spawn(void) {
  pid_t child;
  char* const arguments[] = {"/bin/true", NULL};
  int error = posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ);
  return error != 0 ? error : reap(child);
}
static int shell(void) { return system("true") == 0 ? 0 : errno != 0 ? errno : EPERM; }
static int piped(void) {
  FILE* file = popen("true", "r");
  if (file == NULL) return errno;
  pclose(file);
  return 0;
}
static int script(void) {
  char path[512];
  char* const nothing[] = {NULL};
  int fd = open(own(path, sizeof path, "script"), O_CREAT | O_WRONLY, 0700);
  if (fd < 0) return errno;
  ssize_t written = write(fd, "#!/redteam/nobody\n", 18);
  close(fd);
  int error = written < 0 ? errno : answer(execve(path, nothing, nothing));
  unlink(path);
  return error;
}
static int daemonize(void) { return answer(daemon(1, 1)); }
static int session(void) { return answer(setsid()); }
static int group(void) { return answer(setpgid(0, getpgid(client()))); }

static int secret_in(const char* text, size_t length) {
  return memmem(text, length, "REDTEAM_HIDDEN", 14) != NULL ? 0 : ENODATA;
}
static int hidden_environ(void) {
  for (char** at = environ; *at != NULL; at++) {
    if (secret_in(*at, strlen(*at)) == 0) return 0;
  }
  return ENODATA;
}
static int hidden_proc_environ(void) {
  static char text[1 << 16];
  int fd = open("/proc/self/environ", O_RDONLY);
  if (fd < 0) return errno;
  ssize_t length = read(fd, text, sizeof text);
  int error = length < 0 ? errno : secret_in(text, (size_t)length);
  close(fd);
  return error;
}

static int no_death_signal(void) { return answer(prctl(PR_SET_PDEATHSIG, 0)); }
static int dumpable(void) { return answer(prctl(PR_SET_DUMPABLE, 1)); }
static int ptracer(void) { return answer(prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)); }
static int subreaper(void) { return answer(prctl(PR_SET_CHILD_SUBREAPER, 1)); }
static int filter(void) { return answer(prctl(PR_SET_SECCOMP, 1, 0)); }
static int keep_capabilities(void) { return answer(prctl(PR_SET_KEEPCAPS, 1)); }
static int ambient(void) { return answer(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0)); }
static int set_memory_map(void) { return answer(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0)); }
static int catch_calls(void) { return answer(prctl(59, 0, 0, 0, 0)); }  // syscall user dispatch

static int type_into(int fd) {
  char letter = 'x';
  return fd < 0 ? errno : answer(ioctl(fd, TIOCSTI, &letter));
}
static int type_into_standard(void) {
  int error = 0;
  for (int fd = 0; fd < 3; fd++) {
    if ((error = type_into(fd)) == 0) return 0;
  }
  return error;
}
static int terminal(void) { return answer_fd(open("/dev/tty", O_RDWR | O_NOCTTY)); }
static int terminal_by_name(void) {
  return answer_fd(open(target("REDTEAM_TTY"), O_RDWR | O_NOCTTY));
}

const struct attack PROCESSES[] = {
    {"E11_ptrace_attach", attach, 0},
    {"E11_ptrace_seize", seize, 0},
    {"E11_ptrace_me", trace_me, 0},
    {"E11_vm_readv", read_memory, 0},
    {"E11_vm_writev", write_memory, 0},
    {"E11_proc_mem", proc_mem, 0},
    {"E11_proc_environ", proc_environ, 0},
    {"E11_proc_maps", proc_maps, 0},
    {"E11_proc_status", proc_status, 0},
    {"E11_proc_fd", proc_fd, 0},
    {"E11_proc_task", proc_task, 0},
    {"E11_proc_root", proc_root, 0},
    {"E11_proc_cwd", proc_cwd, 0},
    {"E11_proc_ns", proc_ns, 0},
    {"E11_proc_oom_score", proc_oom, 0},
    {"E11_proc_list", proc_list, 0},
    {"E11_pidfd_open", pidfd, 0},
    {"E11_pidfd_getfd", pidfd_take, 0},
    {"E11_kill", kill_client, 0},
    {"E11_kill_all", kill_all, 0},
    {"E11_kill_group", kill_group, 0},
    {"E11_tgkill", kill_thread, 0},
    {"E11_tkill", kill_tid, 0},
    {"E11_sigqueue", queue_signal, 0},
    {"E11_setpriority", priority, 0},
    {"E11_setaffinity", affinity, 0},
    {"E11_setscheduler", scheduler, 0},
    {"E11_ioprio", io_priority, 0},
    {"E11_prlimit", limits, 0},
    {"E11_kcmp", compare, 0},
    {"E11_process_madvise", advise, 0},
    {"E11_migrate_pages", migrate, 0},
    {"E11_fcntl_setown", own_signals, 0},
    {"E14_fork", fork_one, 0},
    {"E14_fork_raw", fork_raw, 0},
    {"E14_vfork", vfork_one, 0},
    {"E14_clone", clone_one, 0},
    {"E14_clone3", clone3_one, 0},
    {"E14_execve", exec_one, 0},
    {"E14_execveat", exec_at, 0},
    {"E14_execveat_memfd", exec_memory, 0},
    {"E14_posix_spawn", spawn, 0},
    {"E14_system", shell, 0},
    {"E14_popen", piped, 0},
    {"E14_script_in_scratch", script, 0},
    {"E15_daemon", daemonize, 0},
    {"E15_setsid", session, 0},
    {"E15_setpgid", group, 0},
    {"E16_environ", hidden_environ, 0},
    {"E16_proc_self_environ", hidden_proc_environ, 0},
    {"E18_pdeathsig", no_death_signal, 0},
    {"E18_dumpable", dumpable, 0},
    {"E18_ptracer", ptracer, 0},
    {"E18_subreaper", subreaper, 0},
    {"E18_seccomp", filter, 0},
    {"E18_keepcaps", keep_capabilities, 0},
    {"E18_ambient", ambient, 0},
    {"E18_set_mm", set_memory_map, 0},
    {"E18_user_dispatch", catch_calls, 0},
    {"E26_tiocsti", type_into_standard, 0},
    {"E26_dev_tty", terminal, 0},
    {"E26_tty_by_name", terminal_by_name, 0},
    {NULL, NULL, 0},
};

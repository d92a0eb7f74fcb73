// E19, E20: parts of the kernel that no addon needs, and that have been ways out.
#include "redteam.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define CALL(name, ...) \
  static int name(void) { return answer(syscall(__VA_ARGS__)); }
#define CALL_FD(name, ...) \
  static int name(void) { return answer_fd(syscall(__VA_ARGS__)); }

static char nothing[256];

CALL_FD(io_uring, 425, 8, nothing)
CALL(io_uring_enter, 426, -1, 0, 0, 0, NULL, 0)
CALL(io_uring_register, 427, -1, 0, NULL, 0)
CALL_FD(user_faults, SYS_userfaultfd, 1)
CALL_FD(program, SYS_bpf, 0, nothing, sizeof nothing)
CALL_FD(counter, SYS_perf_event_open, nothing, 0, -1, -1, 0)
CALL(key, SYS_keyctl, 0, -3, 1)
CALL(key_add, SYS_add_key, "user", "redteam", "x", 1, -3)
CALL(key_ask, SYS_request_key, "user", "redteam", NULL, -3)
CALL(segments, SYS_modify_ldt, 0, nothing, sizeof nothing)
CALL(character, SYS_personality, 0x0040000)
CALL_FD(memfd, SYS_memfd_create, "x", 0)
CALL_FD(memfd_hidden, 447, 0)
CALL_FD(rules, 444, &(uint64_t[1]){1}, 8, 0)
CALL(rules_apply, 446, -1, 0)
CALL(rules_add, 445, -1, 1, nothing, 0)
CALL(kernel_log, SYS_syslog, 3, nothing, sizeof nothing)
CALL(module, SYS_init_module, nothing, sizeof nothing, "")
CALL(module_file, SYS_finit_module, -1, "", 0)
CALL(module_away, SYS_delete_module, "redteam", 0)
CALL(boot, SYS_reboot, 0, 0, 0, NULL)
CALL(kexec, SYS_kexec_load, 0, 0, NULL, 0)
CALL(swap, SYS_swapon, "/redteam", 0)
CALL(account, SYS_acct, "/redteam")
CALL(quota, SYS_quotactl, 0, NULL, 0, NULL)
CALL(ports, SYS_iopl, 3)
CALL(port, SYS_ioperm, 0, 1, 1)
CALL(clock_set, SYS_clock_settime, 0, nothing)
CALL(day_set, SYS_settimeofday, NULL, NULL)
CALL(clock_adjust, SYS_adjtimex, nothing)
CALL(clock_adjust_one, SYS_clock_adjtime, 0, nothing)
// A timer that wakes a machine that sleeps.
CALL_FD(clock_alarm, SYS_timerfd_create, 9, 0)
CALL(host_name, SYS_sethostname, "redteam", 7)
CALL(hang_up, SYS_vhangup)
CALL(handle, SYS_name_to_handle_at, AT_FDCWD, "/", nothing, nothing, 0)
CALL(user_set, SYS_setuid, 0)
CALL(groups_set, SYS_setgroups, 0, NULL)
CALL(user_root, SYS_setresuid, 0, 0, 0)
CALL(capabilities, SYS_capset, nothing, nothing)
CALL(limits_set, SYS_setrlimit, 7, &(uint64_t[2]){4096, 4096})
CALL(unknown, 100000)

static int listener(void) {
  struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  struct sock_fprog program = {1, &allow};
  return answer_fd(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}
static int disks(void) { return answer_fd(open("/sys/block", O_RDONLY)); }
static int core_pattern(void) {
  return answer_fd(open("/proc/sys/kernel/core_pattern", O_WRONLY));
}
static int groups_tree(void) {
  return answer_fd(open("/sys/fs/cgroup/redteam", O_CREAT | O_WRONLY, 0600));
}

CALL(new_user, SYS_unshare, CLONE_NEWUSER)
CALL(new_mounts, SYS_unshare, CLONE_NEWNS)
CALL(new_network, SYS_unshare, CLONE_NEWNET)
CALL(new_files, SYS_unshare, CLONE_FILES)
CALL(new_time, SYS_unshare, 0x80)
static int time_offsets(void) {
  return answer_fd(open("/proc/self/timens_offsets", O_WRONLY));
}
CALL(enter, SYS_setns, 0, 0)
CALL(root, SYS_chroot, "/")
CALL(pivot, SYS_pivot_root, "/", "/")
CALL_FD(tree, 428, AT_FDCWD, "/", 0)
CALL(move, 429, -1, "", -1, "", 0)
CALL_FD(filesystem, 430, "tmpfs", 0)
CALL(remount, 442, AT_FDCWD, "/", 0, nothing, 32)
static int child(unsigned long flags) {
  long made = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (made == 0) _exit(0);
  if (made < 0) return errno;
  waitpid((pid_t)made, NULL, 0);
  return 0;
}
static int child_user(void) { return child(CLONE_NEWUSER); }
static int child_pid(void) { return child(CLONE_NEWPID); }
static int put(void) { return answer(mount("tmpfs", target("HOME"), "tmpfs", 0, NULL)); }
static int put_over(void) { return answer(mount("/", target("HOME"), NULL, MS_BIND, NULL)); }
static int take(void) { return answer(umount2("/proc", MNT_DETACH)); }

const struct attack KERNEL[] = {
    {"E19_io_uring", io_uring, 0},
    {"E19_io_uring_enter", io_uring_enter, 0},
    {"E19_io_uring_register", io_uring_register, 0},
    {"E19_userfaultfd", user_faults, 0},
    {"E19_bpf", program, 0},
    {"E19_perf", counter, 0},
    {"E19_keyctl", key, 0},
    {"E19_add_key", key_add, 0},
    {"E19_request_key", key_ask, 0},
    {"E19_modify_ldt", segments, 0},
    {"E19_personality", character, 0},
    {"E19_memfd_create", memfd, 0},
    {"E19_memfd_secret", memfd_hidden, 0},
    {"E19_seccomp_listener", listener, 0},
    {"E19_landlock_create", rules, 0},
    {"E19_landlock_add", rules_add, 0},
    {"E19_landlock_restrict", rules_apply, 0},
    {"E19_syslog", kernel_log, 0},
    {"E19_init_module", module, 0},
    {"E19_finit_module", module_file, 0},
    {"E19_delete_module", module_away, 0},
    {"E19_reboot", boot, 0},
    {"E19_kexec", kexec, 0},
    {"E19_swapon", swap, 0},
    {"E19_acct", account, 0},
    {"E19_quotactl", quota, 0},
    {"E19_iopl", ports, 0},
    {"E19_ioperm", port, 0},
    {"E19_clock_settime", clock_set, 0},
    {"E19_settimeofday", day_set, 0},
    {"E19_adjtimex", clock_adjust, 0},
    {"E19_clock_adjtime", clock_adjust_one, 0},
    {"E19_clock_alarm", clock_alarm, 0},
    {"E19_sethostname", host_name, 0},
    {"E19_vhangup", hang_up, 0},
    {"E19_name_to_handle", handle, 0},
    {"E19_setuid", user_set, 0},
    {"E19_setgroups", groups_set, 0},
    {"E19_setresuid", user_root, 0},
    {"E19_capset", capabilities, 0},
    {"E19_setrlimit", limits_set, 0},
    {"E19_unknown_number", unknown, 0},
    {"E19_sys_block", disks, 0},
    {"E19_core_pattern", core_pattern, 0},
    {"E19_cgroup_write", groups_tree, 0},
    {"E20_unshare_user", new_user, 0},
    {"E20_unshare_mounts", new_mounts, 0},
    {"E20_unshare_network", new_network, 0},
    {"E20_unshare_files", new_files, 0},
    {"E20_unshare_time", new_time, 0},
    {"E20_time_offsets", time_offsets, 0},
    {"E20_clone_user", child_user, 0},
    {"E20_clone_pid", child_pid, 0},
    {"E20_setns", enter, 0},
    {"E20_mount", put, 0},
    {"E20_mount_bind", put_over, 0},
    {"E20_umount", take, 0},
    {"E20_chroot", root, 0},
    {"E20_pivot_root", pivot, 0},
    {"E20_open_tree", tree, 0},
    {"E20_move_mount", move, 0},
    {"E20_fsopen", filesystem, 0},
    {"E20_mount_setattr", remount, 0},
    {NULL, NULL, 0},
};

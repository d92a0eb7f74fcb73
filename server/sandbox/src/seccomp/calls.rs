//! System calls, options and commands by what the filter does with them.

use syscalls::x86_64::Sysno;

/// System calls by their names in the kernel.
macro_rules! calls {
    ($($name:ident)*) => { [$(Sysno::$name),*] };
}
pub(super) use calls;

/// Calls that are allowed: files, which other layers restrict, memory, time, threads, the process
/// itself.
#[rustfmt::skip]
pub(super) const PLAIN: &[Sysno] = &calls!(
    read write close stat fstat lstat poll lseek mprotect munmap brk rt_sigprocmask
    rt_sigreturn pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore
    madvise dup dup2 pause nanosleep getitimer alarm setitimer getpid recvfrom sendmsg
    recvmsg shutdown getsockname getpeername getsockopt exit wait4 uname flock fsync fdatasync
    ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink symlink readlink
    umask gettimeofday getrlimit getrusage sysinfo times getuid getgid geteuid getegid getppid
    getpgrp getgroups getresuid getresgid capget rt_sigpending rt_sigtimedwait
    rt_sigsuspend sigaltstack statfs fstatfs getpriority sched_getparam sched_getscheduler
    sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall
    munlockall arch_prctl gettid readahead time futex sched_getaffinity epoll_create getdents64
    set_tid_address restart_syscall fadvise64 timer_settime timer_gettime
    timer_getoverrun timer_delete exit_group epoll_wait
    epoll_ctl mbind get_mempolicy waitid ioprio_get mkdirat newfstatat unlinkat renameat linkat
    symlinkat readlinkat faccessat pselect6 ppoll set_robust_list sync_file_range
    epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime
    signalfd4 eventfd2 epoll_create1 dup3 pipe2 preadv pwritev recvmmsg syncfs sendmmsg getcpu
    sched_getattr renameat2 getrandom membarrier mlock2 copy_file_range preadv2 pwritev2
    pkey_mprotect pkey_alloc pkey_free statx rseq close_range faccessat2 epoll_pwait2 futex_waitv
    cachestat map_shadow_stack futex_wake futex_wait futex_requeue mseal
);

/// Calls that affect more than the process, or parts of the kernel that addons do not need.
#[rustfmt::skip]
pub(super) const DANGEROUS: &[Sysno] = &calls!(
    // Other processes.
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_open
    pidfd_send_signal pidfd_getfd kcmp tkill migrate_pages move_pages
    // New programs, sessions and identities.
    fork vfork execve execveat setsid setpgid setuid setgid setreuid setregid setresuid setresgid
    setfsuid setfsgid setgroups capset setrlimit
    // Sockets, and named memory and queues.
    socket connect bind listen accept accept4 memfd_create memfd_secret
    shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
    mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
    // Files by ways that no other layer restricts.
    open_by_handle_at name_to_handle_at inotify_init inotify_init1 inotify_add_watch
    inotify_rm_watch fanotify_init fanotify_mark chmod fchmod fchmodat fchmodat2 chown fchown lchown
    fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr utime utimes
    futimesat utimensat mknod mknodat truncate
    // The kernel.
    io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd keyctl add_key
    request_key seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
    modify_ldt mount umount2 pivot_root chroot unshare setns open_tree move_mount fsopen fsconfig
    fsmount fspick mount_setattr swapon swapoff reboot sethostname setdomainname iopl ioperm
    init_module finit_module delete_module kexec_load kexec_file_load syslog acct settimeofday
    adjtimex clock_settime clock_adjtime quotactl quotactl_fd vhangup sync
);

/// Constants of the kernel by their names.
macro_rules! constants {
    ($($name:ident)*) => {{
        use libc::*;
        [$($name.cast_unsigned()),*]
    }};
}
/// The constants that `libc` lacks.
const PR_GET_AUXV: i32 = 0x4155_5856;
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;

/// The options of `prctl` that are allowed: they concern the process only, and undo no layer.
#[rustfmt::skip]
pub(super) const PRCTL: [u32; 18] = constants!(
    PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_GET_KEEPCAPS PR_SET_NAME PR_GET_NAME PR_GET_SECCOMP
    PR_CAPBSET_READ PR_SET_TIMERSLACK PR_GET_TIMERSLACK PR_GET_CHILD_SUBREAPER PR_GET_NO_NEW_PRIVS
    PR_GET_TID_ADDRESS PR_SET_THP_DISABLE PR_GET_THP_DISABLE PR_GET_SPECULATION_CTRL PR_GET_MDWE
    PR_GET_AUXV PR_SET_VMA
);
/// The requests of `ioctl` that are allowed: sizes, bytes to read, blocking, close-on-exec, clones.
#[rustfmt::skip]
#[expect(clippy::cast_possible_truncation, reason = "a request has 32 bits")]
pub(super) const IOCTL: [u32; 9] = [
    libc::TCGETS as u32, libc::TCGETS2 as u32, libc::TIOCGWINSZ as u32, libc::FIONREAD as u32,
    libc::FIONBIO as u32, libc::FIONCLEX as u32, libc::FIOCLEX as u32, libc::FICLONE as u32,
    libc::FICLONERANGE as u32,
];
/// The options at the level of the socket that may be set.
#[rustfmt::skip]
pub(super) const SOCKET_OPTIONS: [u32; 13] = constants!(
    SO_REUSEADDR SO_BROADCAST SO_KEEPALIVE SO_OOBINLINE SO_LINGER SO_REUSEPORT SO_PASSCRED
    SO_RCVLOWAT SO_RCVTIMEO SO_SNDTIMEO SO_TIMESTAMP SO_RCVTIMEO_NEW SO_SNDTIMEO_NEW
);
/// Commands of `fcntl` that make the kernel send signals, or enlarge the buffer of a pipe, which no
/// limit counts.
#[rustfmt::skip]
pub(super) const FCNTL_DENIED: [u32; 6] = constants!(
    F_SETOWN F_SETSIG F_SETOWN_EX F_SETLEASE F_NOTIFY F_SETPIPE_SZ
);
/// The sizes of a socket's buffers, which are memory of the kernel that no limit counts. Setting
/// them succeeds without effect: some programs exit if it fails, and the kernel may cap a size
/// anyway.
pub(super) const BUFFER_SIZES: [u32; 2] = constants!(SO_SNDBUF SO_RCVBUF);

pub(super) const fn number(call: Sysno) -> u32 {
    call.id().cast_unsigned()
}

/// The name of a call of the kernel.
pub fn name_of(number: u32) -> Option<&'static str> {
    Sysno::new(number as usize).map(|call| call.name())
}

pub(crate) fn blocks_signals(number: u32) -> bool {
    number == self::number(Sysno::rt_sigprocmask)
}

pub(crate) fn ends_process(number: u32) -> bool {
    number == self::number(Sysno::exit_group)
}

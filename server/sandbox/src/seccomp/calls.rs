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

/// The options of `prctl` that are allowed: they concern the process only, and undo no layer.
pub(super) const PRCTL: [u32; 18] = [
    2,           // PR_GET_PDEATHSIG
    3,           // PR_GET_DUMPABLE
    7,           // PR_GET_KEEPCAPS
    15,          // PR_SET_NAME
    16,          // PR_GET_NAME
    21,          // PR_GET_SECCOMP
    23,          // PR_CAPBSET_READ
    29,          // PR_SET_TIMERSLACK
    30,          // PR_GET_TIMERSLACK
    37,          // PR_GET_CHILD_SUBREAPER
    39,          // PR_GET_NO_NEW_PRIVS
    40,          // PR_GET_TID_ADDRESS
    41,          // PR_SET_THP_DISABLE
    42,          // PR_GET_THP_DISABLE
    52,          // PR_GET_SPECULATION_CTRL
    66,          // PR_GET_MDWE
    0x4155_5856, // PR_GET_AUXV
    0x5356_4d41, // PR_SET_VMA
];
/// The requests of `ioctl` that are allowed: sizes, bytes to read, blocking, close-on-exec, clones.
pub(super) const IOCTL: [u32; 9] = [
    0x5401,      // TCGETS
    0x802c_542a, // TCGETS2
    0x5413,      // TIOCGWINSZ
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO
    0x5450,      // FIONCLEX
    0x5451,      // FIOCLEX
    0x4004_9409, // FICLONE
    0x4020_940d, // FICLONERANGE
];
/// The options at the level of the socket that may be set.
pub(super) const SOCKET_OPTIONS: [u32; 13] = [
    2,  // SO_REUSEADDR
    6,  // SO_BROADCAST
    9,  // SO_KEEPALIVE
    10, // SO_OOBINLINE
    13, // SO_LINGER
    15, // SO_REUSEPORT
    16, // SO_PASSCRED
    18, // SO_RCVLOWAT
    20, // SO_RCVTIMEO_OLD
    21, // SO_SNDTIMEO_OLD
    29, // SO_TIMESTAMP_OLD
    66, // SO_RCVTIMEO_NEW
    67, // SO_SNDTIMEO_NEW
];
/// Commands of `fcntl` that make the kernel send signals, or enlarge the buffer of a pipe, which no
/// limit counts.
pub(super) const FCNTL_DENIED: [u32; 6] = [
    8,    // F_SETOWN
    10,   // F_SETSIG
    15,   // F_SETOWN_EX
    1024, // F_SETLEASE
    1026, // F_NOTIFY
    1031, // F_SETPIPE_SZ
];
/// The sizes of a socket's buffers, which are memory of the kernel that no limit counts. Setting
/// them succeeds without effect: some programs exit if it fails, and the kernel may cap a size
/// anyway.
pub(super) const BUFFER_SIZES: [u32; 2] = [
    7, // SO_SNDBUF
    8, // SO_RCVBUF
];

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

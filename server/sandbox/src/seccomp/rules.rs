//! The rules of the system-call filter, as data.
//!
//! A rule is a list of clauses, each of which is a list of tests of arguments and a verdict. The
//! first clause whose tests all hold decides. A call without a rule fails with ENOSYS.

use std::fmt;

use syscalls::x86_64::Sysno;

use super::install::{ALL_THREADS, SET_MODE_FILTER};

/// What the kernel does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call runs.
    Allow,
    /// The call fails with this error; with 0 it succeeds without effect.
    Errno(i32),
    /// The handler of SIGSYS records the call, and makes it fail with this error.
    Trap(i32),
    /// The process ends with SIGSYS.
    Kill,
}

/// The half of an argument that is compared: the kernel reads most arguments as 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The low 32 bits.
    Low,
    /// The high 32 bits.
    High,
}

/// Holds if the masked half of the argument has this value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// The index of the argument.
    pub argument: u8,
    /// The half of it.
    pub half: Half,
    /// The bits that are compared.
    pub mask: u32,
    /// Their value.
    pub value: u32,
}

/// Decides if all its tests hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The tests.
    pub tests: Vec<Test>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Test {
    fn holds(&self, arguments: &[u64; 6]) -> bool {
        let word = arguments.get(usize::from(self.argument)).copied();
        let half = match self.half {
            Half::Low => word.unwrap_or(0) & u64::from(u32::MAX),
            Half::High => word.unwrap_or(0) >> 32,
        };
        half & u64::from(self.mask) == u64::from(self.value)
    }
}

/// How one system call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// The clauses, in the order of their tests.
    pub clauses: Vec<Clause>,
    /// The verdict if no clause decides.
    pub otherwise: Verdict,
}

impl Rule {
    pub(super) fn new(call: Sysno, clauses: Vec<Clause>, otherwise: Verdict) -> Self {
        Self {
            number: number(call),
            name: call.name(),
            clauses,
            otherwise,
        }
    }

    /// A rule without conditions.
    fn plain(call: Sysno, verdict: Verdict) -> Self {
        Self::new(call, vec![], verdict)
    }

    /// The verdict for these arguments.
    pub fn verdict(&self, arguments: &[u64; 6]) -> Verdict {
        let holds = |clause: &&Clause| clause.tests.iter().all(|test| test.holds(arguments));
        let decides = self.clauses.iter().find(holds);
        decides.map_or(self.otherwise, |clause| clause.verdict)
    }
}

/// The options of a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Allowed {
    /// The process, which may send signals to itself.
    pub pid: u32,
    /// Sockets of the internet.
    pub network: bool,
    /// Child processes.
    pub subprocess: bool,
    /// Watching files for changes.
    pub watch: bool,
    /// Local sockets.
    pub unix: bool,
    /// Whether a further filter follows when the addon is loaded.
    pub tightens: bool,
    /// Whether another layer restricts `truncate` by path.
    pub truncate: bool,
    /// Whether the process is in a jail, where it may change modes of files and how processes are
    /// scheduled, since it sees only its own.
    pub jailed: bool,
    /// Whether another layer keeps signals in the sandbox, so that processes may send them.
    pub signals: bool,
    /// Whether denied calls are recorded.
    pub diagnose: bool,
}

pub(super) const EPERM: Verdict = Verdict::Errno(libc::EPERM);
/// No rule has the call.
const UNKNOWN: Verdict = Verdict::Errno(libc::ENOSYS);
/// The call succeeds without effect.
const NO_EFFECT: Verdict = Verdict::Errno(0);
/// The error for descriptors that cannot be spliced.
const NOT_SPLICED: Verdict = Verdict::Errno(libc::EINVAL);

pub(super) const fn low(argument: u8, mask: u32, value: u32) -> Test {
    Test {
        argument,
        half: Half::Low,
        mask,
        value,
    }
}

/// The low half of the argument is this number.
const fn is(argument: u8, value: u32) -> Test {
    low(argument, u32::MAX, value)
}

/// The argument is a null pointer.
const fn is_null(argument: u8) -> [Test; 2] {
    let high = Test {
        argument,
        half: Half::High,
        mask: u32::MAX,
        value: 0,
    };
    [is(argument, 0), high]
}

pub(super) fn clause(tests: impl Into<Vec<Test>>, verdict: Verdict) -> Clause {
    Clause {
        tests: tests.into(),
        verdict,
    }
}

fn allow(tests: impl Into<Vec<Test>>) -> Clause {
    clause(tests, Verdict::Allow)
}

fn deny(tests: impl Into<Vec<Test>>) -> Clause {
    clause(tests, EPERM)
}

/// Allows the call if the argument is one of these numbers.
fn one_of(argument: u8, values: &[u32]) -> Vec<Clause> {
    values
        .iter()
        .map(|&value| allow([is(argument, value)]))
        .collect()
}

/// The number of a system call on x86-64.
const fn number(call: Sysno) -> u32 {
    call.id().cast_unsigned()
}

/// System calls by their names in the kernel.
macro_rules! calls {
    ($($name:ident)*) => { [$(Sysno::$name),*] };
}

/// Sorts calls by number, at compile time, since every start of a host needs them sorted.
const fn sorted<const N: usize>(mut calls: [Sysno; N]) -> [Sysno; N] {
    let mut next = 1;
    while next < N {
        let mut at = next;
        while at > 0 && calls[at - 1].id() > calls[at].id() {
            calls.swap(at - 1, at);
            at -= 1;
        }
        next += 1;
    }
    calls
}

/// Calls that are allowed: files, which other layers restrict, memory, time, threads, the process
/// itself.
#[rustfmt::skip]
const PLAIN: &[Sysno] = &sorted(
    calls!(
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
    )
);

/// Calls that affect more than the process, or parts of the kernel that addons do not need.
#[rustfmt::skip]
const DANGEROUS: &[Sysno] = &sorted(
    calls!(
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
    )
);

const CLONE_THREAD: u32 = libc::CLONE_THREAD.cast_unsigned();
/// Every flag of `clone` that makes a namespace, time included.
const CLONE_NEW: u32 = 0x7e02_0080;
const FASTOPEN: u32 = libc::MSG_FASTOPEN.cast_unsigned();
const SHARED_ANONYMOUS: u32 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS).cast_unsigned();
const ACCESS_MODE: u32 = libc::O_ACCMODE.cast_unsigned();
const TRUNCATE: u32 = libc::O_TRUNC.cast_unsigned();
/// The options of `prctl` that are allowed: they concern the process only, and undo no layer.
const PRCTL: [u32; 18] = [
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
const IOCTL: [u32; 9] = [
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
const SOCKET_OPTIONS: [u32; 13] = [
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
const FCNTL_DENIED: [u32; 6] = [
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
const BUFFER_SIZES: [u32; 2] = [
    7, // SO_SNDBUF
    8, // SO_RCVBUF
];

/// The rules with tests of arguments under every option.
fn checked(allowed: &Allowed) -> Vec<Rule> {
    macro_rules! rule {
        ($name:ident, $clauses:expr, $otherwise:expr) => {
            Rule::new(Sysno::$name, $clauses, $otherwise)
        };
    }
    let own = |argument| allow([is(argument, allowed.pid)]);
    let opened = |flags| {
        vec![
            deny([low(flags, ACCESS_MODE, ACCESS_MODE)]),
            deny([low(flags, ACCESS_MODE | TRUNCATE, TRUNCATE)]),
        ]
    };
    let [null_address, null_address_high] = is_null(4);
    let [null_limit, null_limit_high] = is_null(2);
    let [null_action, null_action_high] = is_null(1);
    vec![
        rule!(
            clone,
            vec![allow([low(0, CLONE_THREAD | CLONE_NEW, CLONE_THREAD)])],
            EPERM
        ),
        // Its flags are in memory, which a filter cannot read. Without it, the C library uses
        // `clone`.
        rule!(clone3, vec![], Verdict::Errno(libc::ENOSYS)),
        // The handler of SIGSYS, which receives denied calls, cannot be replaced.
        rule!(
            rt_sigaction,
            vec![
                allow([null_action, null_action_high]),
                deny([is(0, libc::SIGSYS.cast_unsigned())]),
            ],
            Verdict::Allow
        ),
        rule!(openat2, vec![], Verdict::Errno(libc::ENOSYS)),
        rule!(open, opened(1), Verdict::Allow),
        rule!(openat, opened(2), Verdict::Allow),
        rule!(
            mmap,
            vec![deny([low(3, SHARED_ANONYMOUS, SHARED_ANONYMOUS)])],
            Verdict::Allow
        ),
        rule!(ioctl, one_of(1, &IOCTL), Verdict::Errno(libc::ENOTTY)),
        rule!(
            fcntl,
            FCNTL_DENIED
                .iter()
                .map(|&command| deny([is(1, command)]))
                .collect(),
            Verdict::Allow
        ),
        rule!(prctl, one_of(0, &PRCTL), EPERM),
        rule!(kill, vec![own(0)], EPERM),
        rule!(tgkill, vec![own(0)], EPERM),
        rule!(rt_sigqueueinfo, vec![own(0)], EPERM),
        rule!(rt_tgsigqueueinfo, vec![own(0)], EPERM),
        rule!(get_robust_list, vec![allow([is(0, 0)])], EPERM),
        rule!(
            prlimit64,
            vec![
                allow([is(0, 0), null_limit, null_limit_high]),
                allow([is(0, allowed.pid), null_limit, null_limit_high]),
            ],
            EPERM
        ),
        rule!(personality, vec![allow([is(0, u32::MAX)])], EPERM),
        rule!(
            socketpair,
            vec![allow([
                is(0, libc::AF_UNIX.cast_unsigned()),
                low(1, 0xff, libc::SOCK_STREAM.cast_unsigned()),
            ])],
            EPERM
        ),
        rule!(
            sendto,
            vec![
                deny([low(3, FASTOPEN, FASTOPEN)]),
                allow([null_address, null_address_high]),
            ],
            EPERM
        ),
        rule!(setsockopt, socket_options(), EPERM),
        rule!(getsid, vec![own(0), allow([is(0, 0)])], EPERM),
        rule!(getpgid, vec![own(0), allow([is(0, 0)])], EPERM),
        rule!(clock_gettime, own_clocks(allowed), EPERM),
        rule!(clock_getres, own_clocks(allowed), EPERM),
        rule!(clock_nanosleep, own_clocks(allowed), EPERM),
        rule!(timer_create, own_clocks(allowed), EPERM),
        // A pipe or socket would keep a whole page for a single byte, even of unmapped memory and
        // removed files. With EINVAL callers copy instead.
        rule!(splice, vec![], NOT_SPLICED),
        rule!(tee, vec![], NOT_SPLICED),
        rule!(vmsplice, vec![], NOT_SPLICED),
        rule!(sendfile, vec![], NOT_SPLICED),
    ]
}

/// The clocks of the system, and those of this process and its threads.
///
/// The id of a process' clock is the inverted number of the process above three bits of kind. Bit 2
/// marks the clock of a thread, which the kernel restricts to threads of the process.
fn own_clocks(allowed: &Allowed) -> Vec<Clause> {
    const NEGATIVE: u32 = 1 << 31;
    const OF_THREAD: u32 = 1 << 2;
    const KIND: u32 = 0b111;
    let of_process = |pid: u32| allow([low(0, !KIND, !pid << 3)]);
    vec![
        allow([low(0, NEGATIVE, 0)]),
        allow([low(0, OF_THREAD, OF_THREAD)]),
        of_process(0),
        of_process(allowed.pid),
    ]
}

/// Rules for the options at the level of the socket. They deny BPF programs, and options of devices
/// and queues that other processes share.
fn socket_options() -> Vec<Clause> {
    const SOCKET: u32 = libc::SOL_SOCKET.cast_unsigned();
    let option = |option, verdict| clause([is(1, SOCKET), is(2, option)], verdict);
    let set = SOCKET_OPTIONS.map(|name| option(name, Verdict::Allow));
    let sizes = BUFFER_SIZES.map(|name| option(name, NO_EFFECT));
    set.into_iter()
        .chain(sizes)
        .chain([deny([is(1, SOCKET)])])
        .collect()
}

/// Rules for how threads are scheduled. The kernel allows the same priority or a lower one only,
/// since the limits for higher ones are 0 and there are no capabilities.
///
/// Allowed are the calling thread (0), the main thread (the number of the process), and in a
/// process namespace every thread. Elsewhere another number may be a thread of this process or of
/// another one: what is harmless for an own thread succeeds without effect. The module `own_thread`
/// replaces the number of the calling thread by 0.
fn scheduling(allowed: &Allowed) -> Vec<Rule> {
    const RESET_ON_FORK: u32 = libc::SCHED_RESET_ON_FORK.cast_unsigned();
    const OF_PROCESS: u32 = libc::PRIO_PROCESS;
    const IO_OF_PROCESS: u32 = 1;
    let [
        affinity,
        scheduler,
        parameters,
        attributes,
        priority,
        io_priority,
    ] = calls!(
        sched_setaffinity sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set
    );
    if allowed.jailed {
        let free = |call| Rule::plain(call, Verdict::Allow);
        let of_process = |call, whose| Rule::new(call, vec![allow([is(0, whose)])], EPERM);
        return vec![
            free(affinity),
            free(scheduler),
            free(parameters),
            free(attributes),
            of_process(priority, OF_PROCESS),
            of_process(io_priority, IO_OF_PROCESS),
        ];
    }
    let own = || vec![allow([is(0, 0)]), allow([is(0, allowed.pid)])];
    let own_of = |whose| {
        vec![
            allow([is(0, whose), is(1, 0)]),
            allow([is(0, whose), is(1, allowed.pid)]),
        ]
    };
    let and = |mut clauses: Vec<Clause>, tests: Vec<Test>| {
        clauses.push(clause(tests, NO_EFFECT));
        clauses
    };
    let ordinary = low(1, !RESET_ON_FORK, libc::SCHED_OTHER.cast_unsigned());
    // From 0 to 31: what is above 19 counts as that, and what raises the priority is negative.
    let lower = low(2, !0x1f, 0);
    vec![
        Rule::new(affinity, own(), NO_EFFECT),
        Rule::new(scheduler, and(own(), vec![ordinary]), EPERM),
        Rule::new(parameters, own(), EPERM),
        Rule::new(attributes, own(), EPERM),
        Rule::new(
            priority,
            and(own_of(OF_PROCESS), vec![is(0, OF_PROCESS), lower]),
            EPERM,
        ),
        Rule::new(io_priority, own_of(IO_OF_PROCESS), EPERM),
    ]
}

/// Rules for the sockets that may be made.
fn sockets(allowed: &Allowed) -> Vec<Clause> {
    let stream = libc::SOCK_STREAM.cast_unsigned();
    let datagram = libc::SOCK_DGRAM.cast_unsigned();
    let mut clauses = Vec::new();
    let mut add = |family: libc::c_int, kind, protocol: libc::c_int| {
        clauses.push(allow([
            is(0, family.cast_unsigned()),
            low(1, 0xff, kind),
            is(2, protocol.cast_unsigned()),
        ]));
    };
    for family in [libc::AF_INET, libc::AF_INET6] {
        if allowed.network {
            add(family, stream, libc::IPPROTO_IP);
            add(family, stream, libc::IPPROTO_TCP);
            add(family, datagram, libc::IPPROTO_IP);
            add(family, datagram, libc::IPPROTO_UDP);
        }
    }
    if allowed.network {
        // Lists interfaces and routes; changing them takes a capability.
        for kind in [libc::SOCK_RAW.cast_unsigned(), datagram] {
            add(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE);
        }
    }
    if allowed.unix {
        for kind in [stream, datagram, libc::SOCK_SEQPACKET.cast_unsigned()] {
            add(libc::AF_UNIX, kind, 0);
        }
    }
    clauses
}

/// The rules that options replace.
fn granted(allowed: &Allowed) -> Vec<Rule> {
    let free = |call| Rule::plain(call, Verdict::Allow);
    let mut rules: Vec<Rule> = Vec::new();
    if allowed.network || allowed.unix {
        rules.push(Rule::new(Sysno::socket, sockets(allowed), EPERM));
        rules.push(Rule::new(
            Sysno::sendto,
            vec![deny([low(3, FASTOPEN, FASTOPEN)])],
            Verdict::Allow,
        ));
        rules.extend(calls!(connect bind listen accept accept4).map(free));
        // Options of the protocols are allowed as well.
        rules.push(Rule::new(
            Sysno::setsockopt,
            socket_options(),
            Verdict::Allow,
        ));
    }
    if allowed.unix {
        let local = is(0, libc::AF_UNIX.cast_unsigned());
        rules.push(Rule::new(Sysno::socketpair, vec![allow([local])], EPERM));
    }
    if allowed.tightens {
        let clauses = vec![allow([is(0, SET_MODE_FILTER), is(1, ALL_THREADS)])];
        rules.push(Rule::new(Sysno::seccomp, clauses, EPERM));
    }
    if allowed.subprocess {
        rules.push(Rule::new(
            Sysno::clone,
            vec![allow([low(0, CLONE_NEW, 0)])],
            EPERM,
        ));
        rules.extend(calls!(fork vfork execve setpgid).map(free));
    }
    if allowed.subprocess && allowed.signals {
        rules.extend(calls!(kill tgkill rt_sigqueueinfo rt_tgsigqueueinfo).map(free));
    }
    if allowed.watch {
        let calls = calls!(inotify_init inotify_init1 inotify_add_watch inotify_rm_watch);
        rules.extend(calls.map(free));
    }
    if allowed.truncate {
        rules.extend(calls!(truncate).map(free));
    }
    if allowed.jailed {
        // Files that may not be written are on read-only mounts.
        rules.extend(calls!(fchmod fchown chmod fchmodat).map(free));
        rules.extend(calls!(utimensat utime utimes futimesat).map(free));
    }
    if allowed.jailed || allowed.subprocess {
        // There are no other processes, or the numbers of the children are unknown here.
        let calls = calls!(getsid getpgid clock_gettime clock_getres clock_nanosleep timer_create);
        rules.extend(calls.map(free));
    }
    rules
}

/// The rules that depend on arguments or options.
fn special(allowed: &Allowed) -> Vec<Rule> {
    let mut special = granted(allowed);
    for rule in checked(allowed).into_iter().chain(scheduling(allowed)) {
        if special.iter().all(|other| other.number != rule.number) {
            special.push(rule);
        }
    }
    special
}

/// The verdict for a call, without recording denials.
pub fn answer(allowed: &Allowed, number: u32, arguments: &[u64; 6]) -> Verdict {
    let is_in = |calls: &[Sysno]| calls.iter().any(|&call| self::number(call) == number);
    let rule = special(allowed)
        .into_iter()
        .find(|rule| rule.number == number);
    match rule {
        Some(rule) => rule.verdict(arguments),
        None if is_in(PLAIN) => Verdict::Allow,
        None if is_in(DANGEROUS) => EPERM,
        None => UNKNOWN,
    }
}

/// The whole table, by number.
pub fn table(allowed: &Allowed) -> Vec<Rule> {
    let mut special = special(allowed);
    special.sort_unstable_by_key(|rule| rule.number);
    let mut rules: Vec<Rule> = Vec::with_capacity(PLAIN.len() + DANGEROUS.len() + special.len());
    let mut special = special.into_iter().peekable();
    let mut plain = PLAIN.iter().copied().peekable();
    let mut dangerous = DANGEROUS.iter().copied().peekable();
    // Merges three sorted lists; a special rule replaces one of the others.
    loop {
        let number_of = |call: Option<&Sysno>| call.map_or(u32::MAX, |&call| number(call));
        let least = number_of(plain.peek()).min(number_of(dangerous.peek()));
        let given = special.next_if(|rule| rule.number <= least);
        let next = given.as_ref().map_or(least, |rule| rule.number);
        let allowed = plain.next_if(|&call| number(call) == next);
        let denied = dangerous.next_if(|&call| number(call) == next);
        let rule = given
            .or_else(|| allowed.map(|call| Rule::plain(call, Verdict::Allow)))
            .or_else(|| denied.map(|call| Rule::plain(call, EPERM)));
        match rule {
            Some(rule) => rules.push(rule),
            None => break,
        }
    }
    if allowed.diagnose {
        note_all(&mut rules, |rule| {
            path_of(rule.number).is_some() && rule.number != number(Sysno::execve)
        });
        for rule in &mut rules {
            if blocks_signals(rule.number) {
                rule.clauses = vec![
                    allow(is_null(1)),
                    allow([is(0, libc::SIG_UNBLOCK.cast_unsigned())]),
                ];
                // The handler blocks all of them but SIGSYS.
                rule.otherwise = Verdict::Trap(0);
            }
            if ends_process(rule.number) {
                rule.otherwise = Verdict::Trap(0);
            }
        }
    }
    rules
}

/// Makes these rules record denials.
pub(super) fn note_all(rules: &mut [Rule], by_path: impl Fn(&Rule) -> bool) {
    for rule in rules {
        let by_path = by_path(rule);
        rule.otherwise = noted(rule.otherwise, by_path);
        for clause in &mut rule.clauses {
            clause.verdict = noted(clause.verdict, by_path);
        }
    }
}

/// The verdict that records a denial. ENOSYS, ENOTTY and EINVAL are none. Whether a call with a
/// path is denied is known only once it was made.
fn noted(verdict: Verdict, by_path: bool) -> Verdict {
    match verdict {
        Verdict::Errno(errno @ (libc::EPERM | libc::EACCES)) => Verdict::Trap(errno),
        Verdict::Allow if by_path => Verdict::Trap(0),
        other => other,
    }
}

/// Which arguments of a call are paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The index of the path.
    pub first: u8,
    /// The index of the second path, if the call has one.
    pub second: Option<u8>,
    /// Whether each path is relative to the descriptor before it.
    pub at: bool,
}

const fn path(first: u8) -> Paths {
    Paths {
        first,
        second: None,
        at: false,
    }
}

const fn path_at(first: u8) -> Paths {
    Paths {
        first,
        second: None,
        at: true,
    }
}

/// Two paths.
const TWO: Paths = Paths {
    first: 0,
    second: Some(1),
    at: false,
};
/// Two paths, each after its folder.
const TWO_AT: Paths = Paths {
    first: 1,
    second: Some(3),
    at: true,
};

/// Calls that another layer may deny because of their paths.
#[rustfmt::skip]
const BY_PATH: [(Sysno, Paths); 23] = [
    (Sysno::open, path(0)), (Sysno::openat, path_at(1)), (Sysno::creat, path(0)),
    (Sysno::mkdir, path(0)), (Sysno::mkdirat, path_at(1)), (Sysno::rmdir, path(0)),
    (Sysno::unlink, path(0)), (Sysno::unlinkat, path_at(1)), (Sysno::rename, TWO),
    (Sysno::renameat, TWO_AT), (Sysno::renameat2, TWO_AT), (Sysno::link, TWO),
    (Sysno::linkat, TWO_AT), (Sysno::symlink, path(1)), (Sysno::symlinkat, path_at(2)),
    (Sysno::truncate, path(0)), (Sysno::execve, path(0)), (Sysno::execveat, path_at(1)),
    (Sysno::chmod, path(0)), (Sysno::chown, path(0)), (Sysno::fchmodat, path_at(1)),
    (Sysno::setxattr, path(0)), (Sysno::inotify_add_watch, path(1)),
];

/// Which arguments of a call are paths, if it is in the list.
pub fn path_of(number: u32) -> Option<Paths> {
    let found = BY_PATH
        .iter()
        .find(|(call, _)| self::number(*call) == number);
    found.map(|(_, paths)| *paths)
}

/// Whether it is the call that blocks signals.
pub(crate) fn blocks_signals(number: u32) -> bool {
    number == self::number(Sysno::rt_sigprocmask)
}

/// Whether it is the call that ends the process.
pub(crate) fn ends_process(number: u32) -> bool {
    number == self::number(Sysno::exit_group)
}

/// The name of a call of the kernel.
pub fn name_of(number: u32) -> Option<&'static str> {
    Sysno::new(number as usize).map(|call| call.name())
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |errno| match errno {
            libc::EPERM => "EPERM",
            libc::EACCES => "EACCES",
            libc::ENOSYS => "ENOSYS",
            libc::ENOTTY => "ENOTTY",
            libc::EINVAL => "EINVAL",
            0 => "no effect (succeeds)",
            _ => "another error",
        };
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Errno(errno) => f.write_str(name(*errno)),
            Self::Trap(0) => f.write_str("allow (noted if it fails)"),
            Self::Trap(errno) => write!(f, "{} (noted)", name(*errno)),
            Self::Kill => f.write_str("KILL"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half = if self.half == Half::High { ".high" } else { "" };
        match self.mask {
            u32::MAX => write!(f, "a{}{half}=={:#x}", self.argument, self.value),
            mask => write!(f, "a{}{half}&{mask:#x}=={:#x}", self.argument, self.value),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:", self.number, self.name)?;
        for clause in &self.clauses {
            let tests: Vec<String> = clause.tests.iter().map(ToString::to_string).collect();
            write!(f, " {} if {};", clause.verdict, tests.join(" and "))?;
        }
        write!(f, " {}", self.otherwise)
    }
}

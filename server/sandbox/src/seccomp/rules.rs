//! Which system call is answered how, as data.
//!
//! A rule is a list of clauses, each some tests of arguments and a verdict; the first clause whose
//! tests all hold decides. A number without a rule is answered ENOSYS.

use std::fmt;

use super::install::{ALL_THREADS, SET_MODE_FILTER};
use super::numbers;

/// What the kernel does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out.
    Allow,
    /// It fails with this error; with 0 it succeeds and has no effect.
    Errno(i32),
    /// It fails with this error after the process' handler for SIGSYS has noted it.
    Trap(i32),
    /// The process ends with SIGSYS.
    Kill,
}

/// Which half of an argument is compared: the kernel reads most of them as 32 bits.
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
    /// Which argument, from 0.
    pub argument: u8,
    /// Which half of it.
    pub half: Half,
    /// The bits that count.
    pub mask: u32,
    /// What they must be.
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
    /// What decides, the first first.
    pub clauses: Vec<Clause>,
    /// The verdict if no clause decides.
    pub otherwise: Verdict,
}

impl Rule {
    /// How the call is answered with these arguments.
    pub fn verdict(&self, arguments: &[u64; 6]) -> Verdict {
        let holds = |clause: &&Clause| clause.tests.iter().all(|test| test.holds(arguments));
        let decides = self.clauses.iter().find(holds);
        decides.map_or(self.otherwise, |clause| clause.verdict)
    }
}

/// What a filter is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Allowed {
    /// The process that may send itself signals.
    pub pid: u32,
    /// Sockets of the internet.
    pub network: bool,
    /// Processes of its own.
    pub subprocess: bool,
    /// Notices about changed files.
    pub watch: bool,
    /// Local sockets.
    pub unix: bool,
    /// Whether a further filter is to come, when the addon is loaded.
    pub tightens: bool,
    /// Whether another layer governs `truncate` by path.
    pub truncate: bool,
    /// Whether no file and process but its own exist for the process, so that it may change modes
    /// and how any of them is scheduled.
    pub jailed: bool,
    /// Whether signals can't leave the sandbox anyway, so that processes may send them.
    pub signals: bool,
    /// Whether a denied call is noted.
    pub diagnose: bool,
}

pub(super) const EPERM: Verdict = Verdict::Errno(libc::EPERM);
/// No rule knows the call.
const UNKNOWN: Verdict = Verdict::Errno(libc::ENOSYS);
/// The call succeeds and has no effect.
const NO_EFFECT: Verdict = Verdict::Errno(0);

pub(super) const fn low(argument: u8, mask: u32, value: u32) -> Test {
    Test {
        argument,
        half: Half::Low,
        mask,
        value,
    }
}

/// The argument is this number, as far as the kernel reads it.
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

/// Name and number of system calls, by the name that both the C library and the kernel use.
macro_rules! calls {
    ($($name:ident)*) => { [$((numbers::$name, stringify!($name))),*] };
}

/// A number and its name.
type Call = (u32, &'static str);

/// Sorts calls by number; done by the compiler, since every start of a host needs them so.
const fn sorted<const N: usize>(mut calls: [Call; N]) -> [Call; N] {
    let mut next = 1;
    while next < N {
        let mut at = next;
        while at > 0 && calls[at - 1].0 > calls[at].0 {
            calls.swap(at - 1, at);
            at -= 1;
        }
        next += 1;
    }
    calls
}

/// What any program may do: files by what other layers govern, memory, time, threads, itself.
#[rustfmt::skip]
const PLAIN: &[Call] = &sorted(
    calls!(
        read write close stat fstat lstat poll lseek mprotect munmap brk rt_sigprocmask
        rt_sigreturn pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore
        madvise dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile recvfrom sendmsg
        recvmsg shutdown getsockname getpeername getsockopt exit wait4 uname flock fsync fdatasync
        ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink symlink readlink
        umask gettimeofday getrlimit getrusage sysinfo times getuid getgid geteuid getegid getppid
        getpgrp getpgid getsid getgroups getresuid getresgid capget rt_sigpending rt_sigtimedwait
        rt_sigsuspend sigaltstack statfs fstatfs getpriority sched_getparam sched_getscheduler
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall
        munlockall arch_prctl gettid readahead time futex sched_getaffinity epoll_create getdents64
        set_tid_address restart_syscall fadvise64 timer_create timer_settime timer_gettime
        timer_getoverrun timer_delete clock_gettime clock_getres clock_nanosleep exit_group epoll_wait
        epoll_ctl mbind get_mempolicy waitid ioprio_get mkdirat newfstatat unlinkat renameat linkat
        symlinkat readlinkat faccessat pselect6 ppoll set_robust_list splice tee sync_file_range
        vmsplice epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime
        signalfd4 eventfd2 epoll_create1 dup3 pipe2 preadv pwritev recvmmsg syncfs sendmmsg getcpu
        sched_getattr renameat2 getrandom membarrier mlock2 copy_file_range preadv2 pwritev2
        pkey_mprotect pkey_alloc pkey_free statx rseq close_range faccessat2 epoll_pwait2 futex_waitv
        cachestat map_shadow_stack futex_wake futex_wait futex_requeue mseal
    )
);

/// What reaches beyond the process, or into parts of the kernel that no addon needs.
#[rustfmt::skip]
const DANGEROUS: &[Call] = &sorted(
    calls!(
        // Other processes.
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_open
        pidfd_send_signal pidfd_getfd kcmp tkill migrate_pages move_pages
        // New programs, sessions and identities.
        fork vfork execve execveat setsid setpgid setuid setgid setreuid setregid setresuid setresgid
        setfsuid setfsgid setgroups capset setrlimit
        // Sockets, and memory and queues that have names.
        socket connect bind listen accept accept4 memfd_create memfd_secret
        shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
        mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
        // Files by other ways than those that are governed.
        open_by_handle_at name_to_handle_at inotify_init inotify_init1 inotify_add_watch
        inotify_rm_watch fanotify_init fanotify_mark chmod fchmod fchmodat fchmodat2 chown fchown lchown
        fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr utime utimes
        futimesat mknod mknodat truncate
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
/// Every flag of `clone` that makes a namespace, that of time included.
const CLONE_NEW: u32 = 0x7e02_0080;
const FASTOPEN: u32 = libc::MSG_FASTOPEN.cast_unsigned();
const SHARED_ANONYMOUS: u32 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS).cast_unsigned();
const ACCESS_MODE: u32 = libc::O_ACCMODE.cast_unsigned();
const TRUNCATE: u32 = libc::O_TRUNC.cast_unsigned();
/// The options of `prctl` that change or read nothing but the process' own small things. Those
/// that would undo what was set up for it are not among them.
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
/// What may be asked of a device: its size, how much it has to read, whether it blocks.
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
/// Commands of `fcntl` that make the kernel send signals.
const FCNTL_SIGNALS: [u32; 5] = [
    8,    // F_SETOWN
    10,   // F_SETSIG
    15,   // F_SETOWN_EX
    1024, // F_SETLEASE
    1026, // F_NOTIFY
];

/// What depends on its arguments, whatever is allowed.
fn checked(allowed: &Allowed) -> Vec<Rule> {
    let rule = |(number, name), clauses, otherwise| Rule {
        number,
        name,
        clauses,
        otherwise,
    };
    macro_rules! rule {
        ($name:ident, $clauses:expr, $otherwise:expr) => {
            rule((numbers::$name, stringify!($name)), $clauses, $otherwise)
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
    let [null_path, null_path_high] = is_null(1);
    let [null_action, null_action_high] = is_null(1);
    vec![
        rule!(
            clone,
            vec![allow([low(0, CLONE_THREAD | CLONE_NEW, CLONE_THREAD)])],
            EPERM
        ),
        // Its flags lie in memory that a filter can't read; without it, `clone` is used.
        rule!(clone3, vec![], Verdict::Errno(libc::ENOSYS)),
        // The handler of what the filter sends there stays what it is.
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
            FCNTL_SIGNALS
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
        rule!(utimensat, vec![allow([null_path, null_path_high])], EPERM),
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
        rule!(
            setsockopt,
            vec![allow([is(1, libc::SOL_SOCKET.cast_unsigned())])],
            EPERM
        ),
    ]
}

/// How threads are scheduled. The kernel itself allows the same priority or a lower one only, since
/// the limits for higher ones are 0 and there are no capabilities.
///
/// The calling thread (0) and the main thread (whose number is the process') may be named, in a
/// process namespace every thread. Elsewhere another number may be that of an own thread or of
/// another process: what is harmless for an own thread then succeeds without effect. The module
/// `own_thread` replaces the number of the calling thread by 0.
fn scheduling(allowed: &Allowed) -> Vec<Rule> {
    const RESET_ON_FORK: u32 = libc::SCHED_RESET_ON_FORK.cast_unsigned();
    const OF_PROCESS: u32 = libc::PRIO_PROCESS;
    const IO_OF_PROCESS: u32 = 1;
    let rule = |(number, name), clauses, otherwise| Rule {
        number,
        name,
        clauses,
        otherwise,
    };
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
        let free = |call| rule(call, vec![], Verdict::Allow);
        let of_process = |call, whose| rule(call, vec![allow([is(0, whose)])], EPERM);
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
        rule(affinity, own(), NO_EFFECT),
        rule(scheduler, and(own(), vec![ordinary]), EPERM),
        rule(parameters, own(), EPERM),
        rule(attributes, own(), EPERM),
        rule(
            priority,
            and(own_of(OF_PROCESS), vec![is(0, OF_PROCESS), lower]),
            EPERM,
        ),
        rule(io_priority, own_of(IO_OF_PROCESS), EPERM),
    ]
}

/// The sockets that may be made: those of the protocols that no other layer has holes for.
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
        // Which interfaces and routes there are; changing them takes a capability.
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

/// What an option gives back, in place of the rule of that name.
fn granted(allowed: &Allowed) -> Vec<Rule> {
    let free = |(number, name)| Rule {
        number,
        name,
        clauses: vec![],
        otherwise: Verdict::Allow,
    };
    let mut rules: Vec<Rule> = Vec::new();
    if allowed.network || allowed.unix {
        rules.push(Rule {
            number: numbers::socket,
            name: "socket",
            clauses: sockets(allowed),
            otherwise: EPERM,
        });
        rules.push(Rule {
            number: numbers::sendto,
            name: "sendto",
            clauses: vec![deny([low(3, FASTOPEN, FASTOPEN)])],
            otherwise: Verdict::Allow,
        });
        rules.extend(calls!(connect bind listen accept accept4 setsockopt).map(free));
    }
    if allowed.unix {
        let local = is(0, libc::AF_UNIX.cast_unsigned());
        rules.push(Rule {
            number: numbers::socketpair,
            name: "socketpair",
            clauses: vec![allow([local])],
            otherwise: EPERM,
        });
    }
    if allowed.tightens {
        let clauses = vec![allow([is(0, SET_MODE_FILTER), is(1, ALL_THREADS)])];
        rules.push(Rule {
            number: numbers::seccomp,
            name: "seccomp",
            clauses,
            otherwise: EPERM,
        });
    }
    if allowed.subprocess {
        rules.push(Rule {
            number: numbers::clone,
            name: "clone",
            clauses: vec![allow([low(0, CLONE_NEW, 0)])],
            otherwise: EPERM,
        });
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
        rules.extend(calls!(fchmod fchown utimensat chmod fchmodat).map(free));
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

/// How one call is answered, without notes about denials.
pub fn answer(allowed: &Allowed, number: u32, arguments: &[u64; 6]) -> Verdict {
    let is_in = |calls: &[Call]| calls.iter().any(|call| call.0 == number);
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
    // Three lists that are sorted; what is special counts where it is in another one, too.
    loop {
        let number = |call: Option<&Call>| call.map_or(u32::MAX, |call| call.0);
        let numbers = (number(plain.peek()), number(dangerous.peek()));
        let least = numbers.0.min(numbers.1);
        let given = special.next_if(|rule| rule.number <= least);
        let next = given.as_ref().map_or(least, |rule| rule.number);
        let allowed = plain.next_if(|call| call.0 == next);
        let denied = dangerous.next_if(|call| call.0 == next);
        let simple = |(number, name), otherwise| Rule {
            number,
            name,
            clauses: vec![],
            otherwise,
        };
        let rule = given
            .or_else(|| allowed.map(|call| simple(call, Verdict::Allow)))
            .or_else(|| denied.map(|call| simple(call, EPERM)));
        match rule {
            Some(rule) => rules.push(rule),
            None => break,
        }
    }
    if allowed.diagnose {
        note_all(&mut rules, |rule| {
            path_of(rule.number).is_some() && rule.number != numbers::execve
        });
        for rule in &mut rules {
            if blocks_signals(rule.number) {
                rule.clauses = vec![
                    allow(is_null(1)),
                    allow([is(0, libc::SIG_UNBLOCK.cast_unsigned())]),
                ];
                // The handler does it, but for the signal that brings it.
                rule.otherwise = Verdict::Trap(0);
            }
            if ends_process(rule.number) {
                rule.otherwise = Verdict::Trap(0);
            }
        }
    }
    rules
}

/// Has the denials of these rules noted.
pub(super) fn note_all(rules: &mut [Rule], by_path: impl Fn(&Rule) -> bool) {
    for rule in rules {
        let by_path = by_path(rule);
        rule.otherwise = noted(rule.otherwise, by_path);
        for clause in &mut rule.clauses {
            clause.verdict = noted(clause.verdict, by_path);
        }
    }
}

/// Denials are noted; what is only not known here, or no terminal, is none. Of a call with a path
/// it shows only when it is made.
fn noted(verdict: Verdict, by_path: bool) -> Verdict {
    match verdict {
        Verdict::Errno(errno @ (libc::EPERM | libc::EACCES)) => Verdict::Trap(errno),
        Verdict::Allow if by_path => Verdict::Trap(0),
        other => other,
    }
}

/// The places of the paths among the arguments of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paths {
    /// That of the path.
    pub first: u8,
    /// That of the new path, where the call has one.
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
/// Two paths, each behind its folder.
const TWO_AT: Paths = Paths {
    first: 1,
    second: Some(3),
    at: true,
};

/// Calls that another layer may deny for the paths they name.
#[rustfmt::skip]
const BY_PATH: [(u32, Paths); 23] = [
    (numbers::open, path(0)), (numbers::openat, path_at(1)), (numbers::creat, path(0)),
    (numbers::mkdir, path(0)), (numbers::mkdirat, path_at(1)), (numbers::rmdir, path(0)),
    (numbers::unlink, path(0)), (numbers::unlinkat, path_at(1)), (numbers::rename, TWO),
    (numbers::renameat, TWO_AT), (numbers::renameat2, TWO_AT), (numbers::link, TWO),
    (numbers::linkat, TWO_AT), (numbers::symlink, path(1)), (numbers::symlinkat, path_at(2)),
    (numbers::truncate, path(0)), (numbers::execve, path(0)), (numbers::execveat, path_at(1)),
    (numbers::chmod, path(0)), (numbers::chown, path(0)), (numbers::fchmodat, path_at(1)),
    (numbers::setxattr, path(0)), (numbers::inotify_add_watch, path(1)),
];

/// Which arguments of a call are paths, if any are known to be.
pub fn path_of(number: u32) -> Option<Paths> {
    let found = BY_PATH.iter().find(|(call, _)| *call == number);
    found.map(|(_, paths)| *paths)
}

/// Whether it is the call that blocks signals.
pub(crate) fn blocks_signals(number: u32) -> bool {
    number == numbers::rt_sigprocmask
}

/// Whether it is the call that ends the process.
pub(crate) fn ends_process(number: u32) -> bool {
    number == numbers::exit_group
}

/// The name of a call that the table knows.
pub fn name_of(number: u32) -> Option<&'static str> {
    let table = table(&Allowed::default());
    let rule = table.into_iter().find(|rule| rule.number == number);
    rule.map(|rule| rule.name)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |errno| match errno {
            libc::EPERM => "EPERM",
            libc::EACCES => "EACCES",
            libc::ENOSYS => "ENOSYS",
            libc::ENOTTY => "ENOTTY",
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

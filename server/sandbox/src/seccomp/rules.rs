//! The rules of the system-call filter under each option. A call without a rule fails with ENOSYS.

use syscalls::x86_64::Sysno;

use super::calls::{
    BUFFER_SIZES, DANGEROUS, FCNTL_DENIED, IOCTL, PLAIN, PRCTL, SOCKET_OPTIONS, blocks_signals,
    calls, ends_process, number,
};
use super::paths::path_of;
use super::rule::{
    Clause, EPERM, Rule, Test, Verdict, allow, clause, deny, is, is_null, low, one_of,
};

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

/// No rule has the call.
const UNKNOWN: Verdict = Verdict::Errno(libc::ENOSYS);
/// The call succeeds without effect.
const NO_EFFECT: Verdict = Verdict::Errno(0);
/// The error for descriptors that cannot be spliced.
const NOT_SPLICED: Verdict = Verdict::Errno(libc::EINVAL);

/// The flag of `seccomp` to install a filter on all threads, or on none.
const ALL_THREADS: u32 = 1;
const CLONE_THREAD: u32 = libc::CLONE_THREAD.cast_unsigned();
/// Every flag of `clone` that makes a namespace, time included.
const CLONE_NEW: u32 = 0x7e02_0080;
const FASTOPEN: u32 = libc::MSG_FASTOPEN.cast_unsigned();
const SHARED_ANONYMOUS: u32 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS).cast_unsigned();
const ACCESS_MODE: u32 = libc::O_ACCMODE.cast_unsigned();
const TRUNCATE: u32 = libc::O_TRUNC.cast_unsigned();

/// The rules with tests of arguments under every option.
fn checked(allowed: &Allowed) -> Vec<Rule> {
    macro_rules! rule {
        ($name:ident, $clauses:expr, $otherwise:expr) => {
            Rule::new(Sysno::$name, $clauses, $otherwise)
        };
    }
    fn to(clauses: &[Clause]) -> impl Fn(Sysno) -> Rule {
        |call| Rule::new(call, clauses.to_vec(), EPERM)
    }
    let own = |argument| allow([is(argument, allowed.pid)]);
    let opened = |flags| {
        vec![
            deny([low(flags, ACCESS_MODE, ACCESS_MODE)]),
            deny([low(flags, ACCESS_MODE | TRUNCATE, TRUNCATE)]),
        ]
    };
    let thread = allow([low(0, CLONE_THREAD | CLONE_NEW, CLONE_THREAD)]);
    let shared = deny([low(3, SHARED_ANONYMOUS, SHARED_ANONYMOUS)]);
    let denied = FCNTL_DENIED.iter().map(|&command| deny([is(1, command)]));
    let [null_address, null_address_high] = is_null(4);
    let [null_limit, null_limit_high] = is_null(2);
    let [null_action, null_action_high] = is_null(1);
    let mut rules = vec![
        rule!(clone, vec![thread], EPERM),
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
        rule!(mmap, vec![shared], Verdict::Allow),
        rule!(ioctl, one_of(1, &IOCTL), Verdict::Errno(libc::ENOTTY)),
        rule!(fcntl, denied.collect(), Verdict::Allow),
        rule!(prctl, one_of(0, &PRCTL), EPERM),
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
    ];
    rules.extend(calls!(kill tgkill rt_sigqueueinfo rt_tgsigqueueinfo).map(to(&[own(0)])));
    rules.extend(calls!(getsid getpgid).map(to(&[own(0), allow([is(0, 0)])])));
    let clocks = calls!(clock_gettime clock_getres clock_nanosleep timer_create);
    rules.extend(clocks.map(to(&own_clocks(allowed))));
    // A pipe or socket would keep a whole page for a single byte, even of unmapped memory and
    // removed files. With EINVAL callers copy instead.
    let splicing = calls!(splice tee vmsplice sendfile);
    rules.extend(splicing.map(|call| Rule::plain(call, NOT_SPLICED)));
    rules
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
        let clauses = vec![allow([
            is(0, libc::SECCOMP_SET_MODE_FILTER),
            is(1, ALL_THREADS),
        ])];
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
    let mut rules = special(allowed);
    rules.extend(PLAIN.iter().map(|&call| Rule::plain(call, Verdict::Allow)));
    rules.extend(DANGEROUS.iter().map(|&call| Rule::plain(call, EPERM)));
    rules.sort_by_key(|rule| rule.number);
    // The sort is stable: the first rule of a number replaces the others.
    rules.dedup_by_key(|rule| rule.number);
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

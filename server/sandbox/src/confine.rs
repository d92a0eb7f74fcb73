//! The order in which a host is confined, from top to bottom.

use rustix::io::Errno;

use crate::SingleThreaded;
use crate::policy::{Namespaces, Policy};
use crate::report::{Failure, Report, Requested, ResourceLimits, State};
use crate::seccomp::{self, Allowed};
use crate::{
    Tightening, advice, core_file, crash, denied, diagnose, die_with_parent, gate, granted, jail,
    landlock, limits, namespaces, rights, selftest,
};

use Requested::{Required, Wanted};

/// Confines this process irrevocably, and returns what was applied.
///
/// It stops before all other steps if a granted path is missing or has become a link, and at the
/// first required mechanism that is unavailable, unless the policy permits to degrade. The caller
/// must end the process where [`Report::missing`] names one and the policy does not permit that.
pub fn confine(alone: &SingleThreaded, policy: &Policy) -> Report {
    let mut report = Report::default();
    if let Err(failure) = granted::check(policy) {
        report.note("granted_paths", Required, Err(failure));
        return report;
    }
    advice::keep(policy);
    let version = landlock::version(policy.landlock_at_most);
    let governed = version.is_ok_and(|version| version >= landlock_needed(policy));
    let jail = jail_wanted(alone, policy, governed, &mut report);
    let mut parent = policy.parent;
    let mut bounds = ResourceLimits {
        threads: policy.preset.threads,
        ..ResourceLimits::default()
    };
    if jail {
        if !enter_jail(alone, policy, &mut report, &mut bounds) {
            return report;
        }
        parent = namespaces::INIT;
    } else {
        limit_threads(alone, policy, &mut report, &mut bounds);
    }
    report.apply("oom_score", Wanted, rights::die_first());
    if jail {
        report.apply("kernel_settings", Required, jail::read_only_settings());
    }
    let limited = limits::set_limits(policy, &mut bounds);
    if report.note("limits", Required, limited) {
        report.bounds = Some(bounds);
    }
    report.apply("no_new_privs", Required, rights::no_new_privileges());
    if !policy.preset.exec_memory {
        report.apply("no_written_code", Required, rights::no_written_code());
    }
    let need = if jail && !needs_landlock_too(policy) {
        Wanted
    } else {
        Required
    };
    if !may_go_on(&report, policy)
        || !report.note("landlock", need, restrict_files(policy, version))
            && !may_go_on(&report, policy)
    {
        return report;
    }
    report.note("capabilities", Wanted, rights::drop_capabilities());
    // The kernel clears the signal when credentials change.
    let follows = die_with_parent(parent).map_err(Failure::from);
    report.apply("parent_death", Required, follows);
    if core_file::is_allowed() {
        let dumpable = rights::inspectable();
        report.say("not_inspectable", State::Skipped, "for a core file");
        report.apply("core_file", Wanted, dumpable);
    } else {
        report.apply("not_inspectable", Wanted, rights::not_inspectable());
    }
    let allowed = allowed(policy, jail, version.unwrap_or(0));
    report.note("seccomp", Required, filter(alone, &allowed));
    if may_go_on(&report, policy) {
        // A jail without Landlock shows which folders were granted, and nothing in them.
        let hides_root = governed || !jail;
        report.note(
            "self_test",
            Required,
            selftest::self_test(policy, hides_root),
        );
        diagnose::forget();
    }
    denied::begin(jail, policy.network);
    if allowed.tightens {
        report.say("no_new_code", State::Applied, "once the addon is loaded");
    }
    report
}

/// Whether the host gets a jail: a file system of its own, where the policy requires one, and in
/// place of Landlock on a system without it.
fn jail_wanted(
    alone: &SingleThreaded,
    policy: &Policy,
    governed: bool,
    report: &mut Report,
) -> bool {
    if policy.preset.namespaces == Namespaces::Jail || policy.unix {
        return true;
    }
    if governed {
        return false;
    }
    // Tried in a child first: a process cannot leave a namespace again if a later step fails.
    let tried = wanted_namespaces(policy).and_then(|()| jail::try_out(alone, policy));
    let can_be_had = tried.is_ok();
    if !can_be_had {
        report.apply("namespaces", Wanted, tried);
    }
    can_be_had
}

/// Whether a jail does not replace Landlock: where abstract sockets lead out of it.
fn needs_landlock_too(policy: &Policy) -> bool {
    policy.preset.namespaces == Namespaces::Jail || policy.unix && policy.network
}

fn landlock_needed(policy: &Policy) -> u32 {
    /// The first version that separates abstract sockets, as a network namespace does.
    const SCOPES: u32 = 6;
    let needed = policy.preset.landlock;
    if policy.unix && policy.network {
        needed.max(SCOPES)
    } else {
        needed
    }
}

/// Continues in a new process in new namespaces, whose file system holds only what is granted.
fn enter_jail(
    alone: &SingleThreaded,
    policy: &Policy,
    report: &mut Report,
    bounds: &mut ResourceLimits,
) -> bool {
    let entered = wanted_namespaces(policy).and_then(|()| {
        let network = namespaces::enter_all(alone, policy.network, policy.parent)?;
        jail::enter(policy, network)
    });
    if !report.note("namespaces", Required, entered) {
        return false;
    }
    let is_strict = policy.preset.namespaces == Namespaces::Jail;
    if !is_strict && !policy.limit_threads {
        report.say("threads", State::Skipped, "no limit was requested");
        return true;
    }
    let threads = policy.preset.threads;
    let by_number = jail::limit_processes(threads);
    let limited = if rustix::process::geteuid().is_root() {
        by_number
    } else {
        limits::set_thread_limit(threads)
    };
    let limited = limited.inspect(|threads| bounds.threads = *threads);
    report.note("threads", Required, limited.map(text_of_threads))
}

/// Limits threads without a jail: by the number of processes of the user, in a user namespace of
/// its own, if that was requested and is available. Else the client counts them.
fn limit_threads(
    alone: &SingleThreaded,
    policy: &Policy,
    report: &mut Report,
    bounds: &mut ResourceLimits,
) {
    let threads = policy.preset.threads;
    let identity = || (rustix::process::geteuid(), rustix::process::getegid());
    let before = identity();
    let limited = if !policy.limit_threads {
        Err(Failure::because("no limit was requested"))
    } else if before.0.is_root() {
        Err(Failure::because(
            "the kernel does not count the threads of root",
        ))
    } else {
        wanted_namespaces(policy)
            // In a child first, as above.
            .and_then(|()| namespaces::try_out_user(alone))
            .and_then(|()| namespaces::enter_user(alone))
            .and_then(|_| limits::set_thread_limit(threads))
    };
    match limited {
        Ok(threads) => {
            bounds.threads = threads;
            report.note("threads", Wanted, Ok(text_of_threads(threads)));
        }
        // The namespace was entered, but its users were not mapped.
        Err(failure) if identity() != before => {
            report.note("threads", Required, Err(failure));
        }
        Err(failure) => {
            let detail = format!(
                "{threads} threads, counted by the client: {}",
                failure.detail
            );
            report.say("threads", State::Partial, &detail);
        }
    }
}

fn text_of_threads(threads: u64) -> String {
    format!("{threads} threads")
}

fn wanted_namespaces(policy: &Policy) -> Result<(), Failure> {
    if policy.namespaces_exist {
        Ok(())
    } else {
        Err(Failure::because("disabled by a test variable"))
    }
}

fn may_go_on(report: &Report, policy: &Policy) -> bool {
    policy.degrade || report.missing().is_none()
}

fn restrict_files(policy: &Policy, version: Result<u32, Errno>) -> Result<String, Failure> {
    let needed = landlock_needed(policy);
    let version = version.map_err(Failure::of("landlock_create_ruleset"))?;
    if version < needed {
        return Err(Failure::because(format!(
            "the kernel has Landlock version {version}; version {needed} is required"
        )));
    }
    landlock::restrict(policy, version)
}

/// The filter's options, which depend on what the layers before it enforce.
fn allowed(policy: &Policy, jailed: bool, landlock: u32) -> Allowed {
    Allowed {
        pid: std::process::id(),
        network: policy.network,
        subprocess: policy.subprocess,
        watch: policy.watch,
        unix: policy.unix,
        tightens: Tightening::of(policy).is_some(),
        truncate: landlock >= 3,
        jailed,
        signals: landlock >= 6 || jailed,
        diagnose: policy.diagnose,
    }
}

fn filter(alone: &SingleThreaded, allowed: &Allowed) -> Result<String, Failure> {
    crash::guard().map_err(Failure::of("sigaction"))?;
    let program = if allowed.diagnose {
        diagnose::prepare(allowed.jailed)?;
        gate::listen().map_err(Failure::of("sigaction"))?;
        let plain = Allowed {
            diagnose: false,
            ..*allowed
        };
        let (noted, through) = (seccomp::table(allowed), seccomp::table(&plain));
        seccomp::emit_with_gate(&noted, gate::gate(), &through)
    } else {
        seccomp::emit(&seccomp::table(allowed))
    };
    seccomp::install(alone, &program).map_err(Failure::of("seccomp"))?;
    Ok(format!("{} instructions", program.len()))
}

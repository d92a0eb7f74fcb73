//! The order in which a host is confined, from top to bottom.

use rustix::io::Errno;

use crate::SingleThreaded;
use crate::limits::Bounds;
use crate::policy::{Namespaces, Policy};
use crate::report::{Failure, Report, Requested, State};
use crate::seccomp::{self, Allowed};
use crate::{diagnose, jail, landlock, limits, namespaces, rights, selftest, trap};

use Requested::{Required, Wanted};

/// Confines this process, for good, and returns what was applied.
///
/// It stops at the first required mechanism that can't be had, unless the policy lets it go on.
/// Where [`Report::missing`] names one, and the policy does not, the caller must not go on either.
pub fn confine(alone: &SingleThreaded, policy: &Policy) -> Report {
    let mut report = Report::default();
    let jail = policy.preset.namespaces == Namespaces::Jail;
    let mut parent = policy.parent;
    let mut bounds = Bounds {
        threads: policy.preset.threads,
        ..Bounds::default()
    };
    match policy.preset.namespaces {
        Namespaces::Jail => {
            if !enter_jail(alone, policy, &mut report, &mut bounds) {
                return report;
            }
            parent = namespaces::INIT;
        }
        Namespaces::IfAsked => limit_threads(alone, policy, &mut report, &mut bounds),
    }
    report.note("oom_score", Wanted, rights::die_first());
    let limited = limits::set_limits(policy, &mut bounds);
    if report.note("limits", Required, limited) {
        report.bounds = Some(bounds);
    }
    report.note("no_new_privs", Required, rights::no_new_privileges());
    if !policy.preset.exec_memory {
        report.note("no_written_code", Required, rights::no_written_code());
    }
    let version = landlock::version(policy.landlock_at_most);
    if !may_go_on(&report, policy)
        || !report.note("landlock", Required, restrict_files(policy, version))
            && !may_go_on(&report, policy)
    {
        return report;
    }
    report.note("capabilities", Wanted, rights::drop_capabilities());
    report.note("parent_death", Required, follow_parent(parent));
    report.note("not_inspectable", Wanted, rights::not_inspectable());
    let allowed = allowed(policy, jail, version.unwrap_or(0));
    report.note("seccomp", Required, filter(alone, &allowed));
    if may_go_on(&report, policy) {
        report.note("self_test", Required, selftest::self_test(policy));
        diagnose::forget();
    }
    report
}

/// Goes on in a new process of a new process namespace, in which nothing exists but what is granted.
fn enter_jail(
    alone: &SingleThreaded,
    policy: &Policy,
    report: &mut Report,
    bounds: &mut Bounds,
) -> bool {
    let entered = wanted_namespaces(policy).and_then(|()| {
        let text = namespaces::enter_all(alone, policy.network, policy.parent)?;
        let parts = jail::enter(policy)?;
        Ok(format!("{text}; {parts}"))
    });
    if !report.note("namespaces", Required, entered) {
        return false;
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

/// Limits threads without a jail: by the number of processes of a user, in a namespace of its own,
/// if that was asked for and can be had. Else it is left to the client.
fn limit_threads(
    alone: &SingleThreaded,
    policy: &Policy,
    report: &mut Report,
    bounds: &mut Bounds,
) {
    let threads = policy.preset.threads;
    let identity = || (rustix::process::geteuid(), rustix::process::getegid());
    let before = identity();
    let limited = if !policy.limit_threads {
        Err(Failure::because("no limit was asked for"))
    } else if before.0.is_root() {
        Err(Failure::because(
            "the kernel does not count the threads of root",
        ))
    } else {
        wanted_namespaces(policy)
            .and_then(|()| namespaces::enter_user(alone))
            .and_then(|_| limits::set_thread_limit(threads))
    };
    match limited {
        Ok(threads) => {
            bounds.threads = threads;
            report.note("threads", Wanted, Ok(text_of_threads(threads)));
        }
        // It is nobody in a namespace that is half made.
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
        Err(Failure::because("a test says that there are none"))
    }
}

fn may_go_on(report: &Report, policy: &Policy) -> bool {
    policy.degrade || report.missing().is_none()
}

/// Some changes of a process' rights make the kernel forget the signal that ends it with its parent.
fn follow_parent(parent: u32) -> Result<String, Failure> {
    let outcome = crate::die_with_parent(parent);
    outcome.map_err(|error| Failure::because(error.to_string()))?;
    Ok(String::new())
}

fn restrict_files(policy: &Policy, version: Result<u32, Errno>) -> Result<String, Failure> {
    let needed = policy.preset.landlock;
    let version = version.map_err(Failure::of("landlock_create_ruleset"))?;
    if version < needed {
        return Err(Failure::because(format!(
            "the kernel has version {version} of Landlock, and version {needed} is needed"
        )));
    }
    landlock::restrict(policy, version)
}

/// What the filter allows, given what the layers before it govern.
fn allowed(policy: &Policy, jailed: bool, landlock: u32) -> Allowed {
    Allowed {
        pid: std::process::id(),
        network: policy.network,
        subprocess: policy.subprocess,
        watch: policy.watch,
        truncate: landlock >= 3,
        jailed,
        signals: landlock >= 6 || jailed,
        diagnose: policy.diagnose,
    }
}

fn filter(alone: &SingleThreaded, allowed: &Allowed) -> Result<String, Failure> {
    if cfg!(not(target_arch = "x86_64")) {
        return Err(Failure::because(
            "the system calls of this kind of processor are not known; x86-64 is",
        ));
    }
    let program = if allowed.diagnose {
        diagnose::prepare(allowed.jailed)?;
        let plain = Allowed {
            diagnose: false,
            ..*allowed
        };
        let (noted, through) = (seccomp::table(allowed), seccomp::table(&plain));
        seccomp::emit_with_gate(&noted, trap::gate(), &through)
    } else {
        seccomp::emit(&seccomp::table(allowed))
    };
    seccomp::install(alone, &program).map_err(Failure::of("seccomp"))?;
    Ok(format!("{} instructions", program.len()))
}

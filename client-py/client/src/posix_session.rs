//! The processes of a host that may start programs: those of its POSIX session, which its sandbox keeps
//! them from leaving. The processes that keep a jail are in that session, too, and are not counted.

use std::fs;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process of the session: its id and its `/proc/PID/status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) pid: u32,
    pub(crate) status: String,
}

pub(crate) fn members(session: u32) -> Vec<Member> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let of_session = numbers.filter(|pid: &u32| {
        // It may be gone by now.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        session_of(&stat) == Some(session)
    });
    let with_status = of_session.filter_map(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let is_confined = status.lines().any(|line| line == "Seccomp:\t2");
        is_confined.then_some(Member { pid, status })
    });
    with_status.collect()
}

/// How often the session is searched for processes that were started while others were killed.
const ROUNDS_MAX: u32 = 64;

/// Kills the confined processes of a session. The session leader must not have been reaped, since its
/// id could be reused then.
pub(crate) fn kill_all(session: u32) {
    for _ in 0..ROUNDS_MAX {
        let alive = members(session).into_iter().filter(Member::is_alive);
        if alive.filter(|member| kill(member.pid, session)).count() == 0 {
            return;
        }
    }
}

impl Member {
    fn is_alive(&self) -> bool {
        let has_ended = |line: &str| line.starts_with("State:\tZ") || line.starts_with("State:\tX");
        !self.status.lines().any(has_ended)
    }
}

/// Kills a process if it is of this session. Returns whether it was.
fn kill(pid: u32, session: u32) -> bool {
    let number = i32::try_from(pid).ok();
    let number = number.and_then(rustix::process::Pid::from_raw);
    let Some(opened) = number.and_then(|it| pidfd_open(it, PidfdFlags::empty()).ok()) else {
        return false;
    };
    // The id may have been reused since it was found.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    session_of(&stat) == Some(session) && pidfd_send_signal(&opened, Signal::KILL).is_ok()
}

/// The session id in `/proc/PID/stat`: the fourth field after the name, which may contain anything.
fn session_of(stat: &str) -> Option<u32> {
    let (_, figures) = stat.rsplit_once(')')?;
    figures.split_ascii_whitespace().nth(3)?.parse().ok()
}

/// The CPU time of a process; none if it is gone.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?);
    let clock = ClockId::pid_cpu_clock_id(pid).ok()?;
    clock.now().ok().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_is_found_behind_any_name() {
        let stat = "12 (a) S 1 2 3 (b c)) S 1 12 4711 0 -1 4194560 1 2";
        assert_eq!(session_of(stat), Some(4711));
        assert_eq!(session_of("12 (a) S 1"), None);
        assert_eq!(session_of(""), None);
    }

    #[test]
    fn cpu_time_grows_and_a_missing_process_has_none() {
        let before = cpu_time(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while cpu_time(std::process::id()).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert_eq!(cpu_time(u32::MAX), None);
    }

    #[test]
    fn unconfined_processes_are_not_members() {
        assert_eq!(members(u32::MAX), []);
        // This test may itself run under a filter: then it is one, and so are its neighbours.
        let status = fs::read_to_string("/proc/self/status").unwrap();
        if !status.contains("Seccomp:\t2") {
            let stat = fs::read_to_string("/proc/self/stat").unwrap();
            let found = members(session_of(&stat).unwrap());
            assert!(found.iter().all(|member| member.pid != std::process::id()));
        }
    }
}

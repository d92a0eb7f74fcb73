//! All processes of a host that may start programs: those of its session, which none of them can
//! leave. Under a jail the ones that keep it are of that session, too, and are not counted.

use std::fs;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

/// A process of the session: its number, and what the kernel says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) pid: u32,
    pub(crate) status: String,
}

/// Finds the confined processes of a session.
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

/// The session in a process' line of figures: the fourth after its name, in which anything may be.
fn session_of(stat: &str) -> Option<u32> {
    let (_, figures) = stat.rsplit_once(')')?;
    figures.split_ascii_whitespace().nth(3)?.parse().ok()
}

/// The processor time that a process has spent; none if it is gone.
pub(crate) fn spent(pid: u32) -> Option<Duration> {
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
    fn time_is_spent_and_of_nobody_there_is_none() {
        let before = spent(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while spent(std::process::id()).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert_eq!(spent(u32::MAX), None);
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

//! Functions that change how a thread is scheduled, for a thread that names itself by its number.
//!
//! The system-call filter allows the calling thread by the number 0 only, while the C library
//! passes the number of a thread, and programs pass what `gettid` returns. The program exports the
//! functions below, which the dynamic linker finds before those of the C library, and which pass 0
//! for the calling thread. For other threads they do what the C library does.

use std::io;

use libc::{c_int, c_long, c_uint, cpu_set_t, id_t, pid_t, pthread_t, sched_param};

use crate::next::export;
use crate::thread::this_thread;

/// The number of a thread as the filter allows it.
fn as_filtered(thread: pid_t) -> pid_t {
    if u32::try_from(thread) == Ok(this_thread()) {
        0
    } else {
        thread
    }
}

fn is_calling(thread: pthread_t) -> bool {
    // SAFETY: C3; the call takes no argument.
    thread == unsafe { libc::pthread_self() }
}

/// The result of a system call as functions of POSIX threads return it.
fn as_error(answer: c_long) -> c_int {
    if answer >= 0 {
        return 0;
    }
    let errno = io::Error::last_os_error().raw_os_error();
    errno.unwrap_or(libc::EINVAL)
}

/// The result of a system call as the other functions return it.
fn as_result(answer: c_long) -> c_int {
    if answer < 0 { -1 } else { 0 }
}

export! {
    fn pthread_setaffinity_np(thread: pthread_t, bytes: usize, cpus: *const cpu_set_t) -> c_int {
        call => {
            if !is_calling(thread) {
                return call().unwrap_or(libc::ENOSYS);
            }
            // SAFETY: C8; the caller's arguments are passed on unchanged, for the calling thread.
            as_error(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, bytes, cpus) })
        }
    }
    fn pthread_setschedparam(thread: pthread_t, policy: c_int, to: *const sched_param) -> c_int {
        call => {
            // The C library's function first, since it keeps a copy of what it sets.
            let answer = call().unwrap_or(libc::ENOSYS);
            if answer != libc::EPERM || !is_calling(thread) {
                return answer;
            }
            // SAFETY: C8; the caller's arguments are passed on unchanged, for the calling thread.
            as_error(unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, to) })
        }
    }
    fn sched_setaffinity(thread: pid_t, bytes: usize, cpus: *const cpu_set_t) -> c_int {
        _ => {
            let thread = as_filtered(thread);
            // SAFETY: C8; the caller's arguments are passed on unchanged, for the same thread.
            as_result(unsafe { libc::syscall(libc::SYS_sched_setaffinity, thread, bytes, cpus) })
        }
    }
    fn sched_setscheduler(thread: pid_t, policy: c_int, to: *const sched_param) -> c_int {
        _ => {
            let thread = as_filtered(thread);
            // SAFETY: C8; the caller's arguments are passed on unchanged, for the same thread.
            as_result(unsafe { libc::syscall(libc::SYS_sched_setscheduler, thread, policy, to) })
        }
    }
    fn sched_setparam(thread: pid_t, to: *const sched_param) -> c_int {
        _ => {
            let thread = as_filtered(thread);
            // SAFETY: C8; the caller's arguments are passed on unchanged, for the same thread.
            as_result(unsafe { libc::syscall(libc::SYS_sched_setparam, thread, to) })
        }
    }
    fn setpriority(which: c_uint, who: id_t, priority: c_int) -> c_int {
        _ => {
            let who = if which == libc::PRIO_PROCESS {
                as_filtered(who.cast_signed()).cast_unsigned()
            } else {
                who
            };
            // SAFETY: C3; takes numbers and no pointer.
            as_result(unsafe { libc::syscall(libc::SYS_setpriority, which, who, priority) })
        }
    }
}

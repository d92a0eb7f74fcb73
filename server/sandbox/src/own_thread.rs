//! Functions that change how a thread is scheduled, for a thread that names itself by its number.
//!
//! The system-call filter allows the calling thread by the number 0 only, while the C library
//! passes the number of a thread, and programs pass what `gettid` returns. The program exports the
//! functions below, which the dynamic linker finds before those of the C library, and which pass 0
//! for the calling thread. For other threads they do what the C library does.

use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::AtomicPtr;

use crate::next::next;

type OfPthread<T> = unsafe extern "C" fn(libc::pthread_t, T, *const libc::c_void) -> libc::c_int;

/// Keeps the functions in the program, so that the linker exports them.
macro_rules! export {
    ($($name:ident($($argument:ty),*);)*) => {
        $(const _: () = {
            #[used]
            static KEPT: unsafe extern "C" fn($($argument),*) -> libc::c_int = $name;
        };)*
    };
}

export! {
    pthread_setaffinity_np(libc::pthread_t, usize, *const libc::cpu_set_t);
    pthread_setschedparam(libc::pthread_t, libc::c_int, *const libc::sched_param);
    sched_setaffinity(libc::pid_t, usize, *const libc::cpu_set_t);
    sched_setscheduler(libc::pid_t, libc::c_int, *const libc::sched_param);
    sched_setparam(libc::pid_t, *const libc::sched_param);
    setpriority(libc::c_uint, libc::id_t, libc::c_int);
}

/// The number of a thread as the filter allows it.
fn as_filtered(thread: libc::pid_t) -> libc::pid_t {
    // SAFETY: C3; the call takes no argument.
    if thread == unsafe { libc::gettid() } {
        0
    } else {
        thread
    }
}

fn is_calling(thread: libc::pthread_t) -> bool {
    // SAFETY: C3; the call takes no argument.
    thread == unsafe { libc::pthread_self() }
}

/// The result of a system call as functions of POSIX threads return it.
fn as_error(answer: libc::c_long) -> libc::c_int {
    if answer >= 0 {
        return 0;
    }
    let errno = io::Error::last_os_error().raw_os_error();
    errno.unwrap_or(libc::EINVAL)
}

/// Sets on which CPUs a thread runs.
///
/// # Safety
///
/// As the C library requires.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_setaffinity_np(
    thread: libc::pthread_t,
    bytes: usize,
    cpus: *const libc::cpu_set_t,
) -> libc::c_int {
    static REAL: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());
    if is_calling(thread) {
        // SAFETY: C8; the caller's arguments are passed on unchanged, for the calling thread.
        return as_error(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, bytes, cpus) });
    }
    let Some(real) = next(&REAL, "pthread_setaffinity_np\0") else {
        return libc::ENOSYS;
    };
    // SAFETY: C8; the C library's function of this name has this signature.
    let real = unsafe { mem::transmute::<*mut libc::c_void, OfPthread<usize>>(real) };
    // SAFETY: C8; the caller's arguments are passed on unchanged.
    unsafe { real(thread, bytes, cpus.cast()) }
}

/// Sets how a thread is scheduled.
///
/// # Safety
///
/// As the C library requires.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_setschedparam(
    thread: libc::pthread_t,
    policy: libc::c_int,
    parameters: *const libc::sched_param,
) -> libc::c_int {
    static REAL: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());
    let Some(real) = next(&REAL, "pthread_setschedparam\0") else {
        return libc::ENOSYS;
    };
    // SAFETY: C8; the C library's function of this name has this signature.
    let real = unsafe { mem::transmute::<*mut libc::c_void, OfPthread<libc::c_int>>(real) };
    // The C library's function first, since it keeps a copy of what it sets.
    // SAFETY: C8; the caller's arguments are passed on unchanged.
    let answer = unsafe { real(thread, policy, parameters.cast()) };
    if answer != libc::EPERM || !is_calling(thread) {
        return answer;
    }
    // SAFETY: C8; the caller's arguments are passed on unchanged, for the calling thread.
    as_error(unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, parameters) })
}

/// Sets on which CPUs a thread runs.
///
/// # Safety
///
/// As the C library requires.
#[unsafe(no_mangle)]
unsafe extern "C" fn sched_setaffinity(
    thread: libc::pid_t,
    bytes: usize,
    cpus: *const libc::cpu_set_t,
) -> libc::c_int {
    let thread = as_filtered(thread);
    // SAFETY: C8; the caller's arguments are passed on unchanged, for the same thread.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setaffinity, thread, bytes, cpus) };
    if answer < 0 { -1 } else { 0 }
}

/// Sets how a thread is scheduled.
///
/// # Safety
///
/// As the C library requires.
#[unsafe(no_mangle)]
unsafe extern "C" fn sched_setscheduler(
    thread: libc::pid_t,
    policy: libc::c_int,
    parameters: *const libc::sched_param,
) -> libc::c_int {
    let thread = as_filtered(thread);
    // SAFETY: C8; the caller's arguments are passed on unchanged, for the same thread.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setscheduler, thread, policy, parameters) };
    if answer < 0 { -1 } else { 0 }
}

/// Sets the priority of a thread within its scheduling policy.
///
/// # Safety
///
/// As the C library requires.
#[unsafe(no_mangle)]
unsafe extern "C" fn sched_setparam(
    thread: libc::pid_t,
    parameters: *const libc::sched_param,
) -> libc::c_int {
    let thread = as_filtered(thread);
    // SAFETY: C8; the caller's arguments are passed on unchanged, for the same thread.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setparam, thread, parameters) };
    if answer < 0 { -1 } else { 0 }
}

/// Sets the nice value of a thread, or of several.
///
/// # Safety
///
/// As the C library requires.
#[unsafe(no_mangle)]
unsafe extern "C" fn setpriority(
    which: libc::c_uint,
    who: libc::id_t,
    priority: libc::c_int,
) -> libc::c_int {
    let of_process = which == libc::PRIO_PROCESS;
    let who = if of_process {
        as_filtered(who.cast_signed()).cast_unsigned()
    } else {
        who
    };
    // SAFETY: C3; takes numbers and no pointer.
    let answer = unsafe { libc::syscall(libc::SYS_setpriority, which, who, priority) };
    if answer < 0 { -1 } else { 0 }
}

//! Clients that need a process of their own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use hostd_client::{Cause, Client, ClientError, ExitReport, forked};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::cases::{Fixture, ask, run};

/// Receives a message once [`hang`] is called.
static REACHED: Mutex<Option<mpsc::Sender<()>>> = Mutex::new(None);

fn hang(_: &str, _: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    REACHED.lock().unwrap().take().unwrap().send(()).unwrap();
    loop {
        thread::park();
    }
}

pub(crate) fn play(name: &str) -> ExitCode {
    let fixture = Fixture::default();
    let client = Client::new(fixture.options());
    println!("host {}", ask(&client, "pid").unwrap());
    match name {
        // The process returns from main while a host serves.
        "leave" => {}
        // The process waits to be killed.
        "stay" => thread::sleep(Duration::from_secs(60)),
        // A host dies, and the kernel reaps it: SIGCHLD is ignored.
        "ignore" => println!("{}", describe(&died(&client))),
        // A host dies, and another part of the program takes its status.
        "reap" => {
            let done = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&done);
            let reaper = thread::Builder::new().spawn(move || {
                while !told.load(Ordering::Relaxed)
                    && waitid(WaitId::All, WaitIdOptions::EXITED).is_err()
                {
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let report = died(&client);
            done.store(true, Ordering::Relaxed);
            reaper.unwrap().join().unwrap();
            println!("{}", describe(&report));
        }
        // As after a fork, in the child: the parent's host is left alone.
        "fork" => {
            let mut conversation = client
                .conversation(&mut hostd_client::Uninterruptible)
                .unwrap();
            let before = client.pid().unwrap();
            forked();
            let refused = run(&mut conversation, "pid").unwrap_err();
            drop(conversation);
            assert!(matches!(refused, ClientError::Forked), "{refused}");
            assert!(client.is_dead());
            let own: u32 = ask(&client, "pid").unwrap().parse().unwrap();
            assert_ne!(own, before);
            let alive = std::fs::read_to_string(format!("/proc/{before}/stat")).unwrap();
            assert!(!alive.contains(") Z "), "{alive}");
            client.close(Duration::from_secs(5)).wait();
            println!("apart");
        }
        // As in the child of a fork during which a thread held the locks of the crate: the supervisor,
        // which starts a thread.
        "fork-locked" => {
            // No thread polls yet.
            forked();
            let (reached, is_reached) = mpsc::channel();
            *REACHED.lock().unwrap() = Some(reached);
            let mut options = fixture.options();
            options.spawn_thread = hang;
            let stuck = thread::Builder::new().spawn(move || ask(&Client::new(options), "pid"));
            is_reached.recv().unwrap();
            forked();
            assert!(ask(&client, "pid").is_ok());
            assert!(!stuck.unwrap().is_finished());
            client.close(Duration::from_secs(5)).wait();
            println!("not locked");
        }
        // Hosts die and are replaced, again and again.
        "crashes" => {
            let crash = || assert_eq!(died(&client).signal, Some(11));
            (0..5).for_each(|_| crash());
            let before = possessions();
            (0..50).for_each(|_| crash());
            let end = Instant::now() + Duration::from_secs(5);
            // Threads of ended hosts may still be ending, before and now.
            let grown = || {
                possessions()
                    .iter()
                    .zip(before)
                    .any(|(now, before)| *now > before)
            };
            while grown() && Instant::now() < end {
                thread::sleep(Duration::from_millis(5));
            }
            assert!(!grown(), "{before:?} has become {:?}", possessions());
            println!("nothing left");
        }
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn died(client: &Client) -> ExitReport {
    match ask(client, "die 11").unwrap_err() {
        ClientError::HostDied(report) => *report,
        error => panic!("{error}"),
    }
}

/// Whether the exit status is known, or reported as unknown.
fn describe(report: &ExitReport) -> &'static str {
    match (report.signal, &report.cause) {
        (Some(11), Cause::Signal) => "known",
        (None, Cause::Unknown(_)) => "unknown",
        _ => "wrong",
    }
}

/// Descriptors, threads, shared mappings and children of this process.
fn possessions() -> [usize; 4] {
    let entries = |path| std::fs::read_dir(path).unwrap().count();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let children = std::fs::read_dir("/proc/self/task").unwrap().map(|task| {
        let path = task.unwrap().path().join("children");
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .split_whitespace()
            .count()
    });
    [
        entries("/proc/self/fd"),
        entries("/proc/self/task"),
        maps.lines().filter(|line| line.contains("memfd")).count(),
        children.sum(),
    ]
}

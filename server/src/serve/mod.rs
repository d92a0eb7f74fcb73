//! `napi-hostd serve`: a named socket at which clients of the same user knock. Each session gets a
//! process of its own, started as a client would start it; this process runs no addon.
//!
//! One thread, one poll: the listener, connections that have not knocked yet, and signals.

mod place;
mod visitor;

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hostd_protocol::attach::ProcessExit;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wait4::Wait4 as _;

use place::Place;
use visitor::{Running, Visit};

/// How long sessions may go on after the server was told to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long a connection may be silent before it knocks.
const SILENCE: Duration = Duration::from_secs(5);
/// So many connections may be silent at once.
const MAX_SILENT: usize = 64;

/// A connection that has not knocked yet.
#[derive(Debug)]
struct Silent {
    stream: UnixStream,
    since: Instant,
}

#[derive(Debug)]
struct Server {
    place: Place,
    listener: Option<UnixListener>,
    signals: SignalFd,
    silent: Vec<Silent>,
    running: Vec<Running>,
    /// Since when it is to end.
    ending: Option<Instant>,
}

/// Serves until it is told to end: by SIGTERM or SIGINT once sessions have had their time, at once
/// when it is told twice.
///
/// # Errors
/// The socket can't be made, or the system refuses to watch it.
pub fn run(socket: Option<PathBuf>) -> anyhow::Result<()> {
    // From here on these are read, and not delivered; a session resets that for itself.
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        mask.add(signal);
    }
    mask.thread_block().context("cannot block signals")?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let signals = SignalFd::with_flags(&mask, flags).context("cannot watch signals")?;
    let (place, listener) = Place::open(socket)?;
    let mut out = io::stdout();
    // Who started this reads where it serves; if nobody does, it serves all the same.
    let _ = writeln!(out, "{}", place.socket().display()).and_then(|()| out.flush());
    let server = Server {
        place,
        listener: Some(listener),
        signals,
        silent: Vec::new(),
        running: Vec::new(),
        ending: None,
    };
    server.serve()
}

impl Server {
    fn serve(mut self) -> anyhow::Result<()> {
        loop {
            if let Some(since) = self.ending {
                if self.running.is_empty() {
                    return Ok(());
                }
                if since.elapsed() >= GRACE {
                    self.kill_all();
                }
            }
            let ready = self.wait()?;
            if ready.signals {
                self.hear_signals()?;
            }
            for place in ready.silent.into_iter().rev() {
                let Silent { stream, .. } = self.silent.swap_remove(place);
                self.admit(&stream);
            }
            self.silent
                .retain(|connection| connection.since.elapsed() < SILENCE);
            if ready.listener {
                self.accept();
            }
        }
    }

    fn wait(&self) -> anyhow::Result<Ready> {
        let mut fds = vec![PollFd::from_borrowed_fd(
            self.signals.as_fd(),
            PollFlags::IN,
        )];
        for connection in &self.silent {
            fds.push(PollFd::new(&connection.stream, PollFlags::IN));
        }
        if let Some(listener) = &self.listener {
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        let idle = self.ending.is_none() && self.silent.is_empty();
        let slice = Timespec {
            tv_sec: 0,
            tv_nsec: 200_000_000,
        };
        match poll(&mut fds, (!idle).then_some(&slice)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot watch the socket"),
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let (first, last) = (1, 1 + self.silent.len());
        Ok(Ready {
            signals: fds.first().is_some_and(is_ready),
            silent: (first..last)
                .filter(|place| fds.get(*place).is_some_and(is_ready))
                .map(|place| place - first)
                .collect(),
            listener: fds.get(last).is_some_and(is_ready),
        })
    }

    fn hear_signals(&mut self) -> anyhow::Result<()> {
        while let Some(signal) = self.signals.read_signal().context("cannot read signals")? {
            if Signal::try_from(signal.ssi_signo.cast_signed()) == Ok(Signal::SIGCHLD) {
                self.reap();
            } else if self.ending.is_some() {
                self.kill_all();
            } else {
                self.ending = Some(Instant::now());
                self.listener = None;
                self.silent.clear();
                self.place.close();
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        // A connection that is gone already is nobody's loss.
        if let Ok((stream, _)) = listener.accept() {
            match visitor::check(&stream) {
                Ok(()) if self.silent.len() < MAX_SILENT => self.silent.push(Silent {
                    stream,
                    since: Instant::now(),
                }),
                Ok(()) => visitor::refuse(&stream, "too many connections say nothing"),
                Err(error) => visitor::refuse(&stream, &format!("{error:#}")),
            }
        }
    }

    /// A connection has something to say: a knock, or its end.
    fn admit(&mut self, stream: &UnixStream) {
        let started = Visit::receive(stream).and_then(|visit| match visit {
            Some(visit) => visit.start(stream).map(Some),
            None => Ok(None),
        });
        match started {
            Ok(Some(running)) => {
                // A client that is gone is found out by the session.
                let _ = rustix::io::write(&running.status, &running.child.id().to_le_bytes());
                self.running.push(running);
            }
            Ok(None) => {}
            Err(error) => {
                let text = format!("{error:#}");
                complain(&text);
                visitor::refuse(stream, &text);
            }
        }
    }

    fn reap(&mut self) {
        let own = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
        let own = u64::try_from(own).unwrap_or(0).saturating_mul(1024);
        self.running.retain_mut(|running| {
            let Ok(Some(ended)) = running.child.try_wait4() else {
                return true;
            };
            let word = ProcessExit {
                signal: ended.status.signal(),
                exit_code: ended.status.code(),
                user: ended.rusage.utime,
                system: ended.rusage.stime,
                // It began as a copy of this process, and that is counted, too.
                peak_memory: Some(ended.rusage.maxrss).filter(|peak| *peak > own),
            }
            .encode();
            // Its reader may be gone; a pipe takes a few bytes at once or not at all.
            let _ = rustix::io::write(&running.status, &word);
            false
        });
    }

    fn kill_all(&mut self) {
        for running in &mut self.running {
            // It may have ended by itself.
            let _ = running.child.kill();
        }
    }
}

/// What has something to say.
#[derive(Debug)]
struct Ready {
    signals: bool,
    silent: Vec<usize>,
    listener: bool,
}

fn complain(text: &str) {
    // Nobody is left to tell if this fails, too.
    let _ = writeln!(io::stderr(), "napi-hostd: {text}");
}

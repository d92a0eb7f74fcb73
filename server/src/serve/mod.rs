//! `napi-hostd serve`: listens at a named socket, and spawns a host process for each client of the
//! same user that connects. `main` calls [`run`]. This process runs no addon and trusts no client.
//!
//! One thread, one poll: the listener, connections whose handover has not arrived, and signals.

mod host_process;
mod socket_file;

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hostd_protocol::carrier::socket::enlarge_send_buffer;
use hostd_protocol::process_exit::ProcessExit;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wait4::Wait4 as _;

use host_process::HostProcess;
use socket_file::SocketFile;

/// How long hosts may continue after the first signal that ends the server.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// How long a connection may wait before its handover arrives.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest number of connections that wait at once.
const PENDING_MAX: usize = 64;

#[derive(Debug)]
struct Pending {
    stream: UnixStream,
    since: Instant,
}

#[derive(Debug)]
struct Server {
    socket: SocketFile,
    listener: Option<UnixListener>,
    signals: SignalFd,
    pending: Vec<Pending>,
    hosts: Vec<HostProcess>,
    /// When the first signal came that ends it.
    ending: Option<Instant>,
}

/// Serves until SIGTERM or SIGINT: hosts may then continue for five seconds. A second signal
/// kills them.
///
/// # Errors
/// The socket can't be made, or the system refuses to poll it.
pub fn run(socket: Option<PathBuf>) -> anyhow::Result<()> {
    // They are read from a descriptor; a host unblocks them again.
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        mask.add(signal);
    }
    mask.thread_block().context("cannot block signals")?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let signals = SignalFd::with_flags(&mask, flags).context("cannot watch signals")?;
    let (socket, listener) = SocketFile::open(socket)?;
    let mut out = io::stdout();
    // Its reader may be gone; clients can connect all the same.
    let _ = writeln!(out, "{}", socket.path().display()).and_then(|()| out.flush());
    let server = Server {
        socket,
        listener: Some(listener),
        signals,
        pending: Vec::new(),
        hosts: Vec::new(),
        ending: None,
    };
    server.serve()
}

impl Server {
    fn serve(mut self) -> anyhow::Result<()> {
        loop {
            if let Some(since) = self.ending {
                if self.hosts.is_empty() {
                    return Ok(());
                }
                if since.elapsed() >= SHUTDOWN_GRACE {
                    self.kill_all();
                }
            }
            let ready = self.wait()?;
            if ready.signals {
                self.read_signals()?;
            }
            for index in ready.pending.into_iter().rev() {
                let Pending { stream, .. } = self.pending.swap_remove(index);
                self.start_host(&stream);
            }
            self.pending
                .retain(|pending| pending.since.elapsed() < HANDOVER_TIMEOUT);
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
        for pending in &self.pending {
            fds.push(PollFd::new(&pending.stream, PollFlags::IN));
        }
        if let Some(listener) = &self.listener {
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        let has_deadline = self.ending.is_some() || !self.pending.is_empty();
        let slice = Timespec {
            tv_sec: 0,
            tv_nsec: 200_000_000,
        };
        match poll(&mut fds, has_deadline.then_some(&slice)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot poll the socket"),
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let (first, last) = (1, 1 + self.pending.len());
        Ok(Ready {
            signals: fds.first().is_some_and(is_ready),
            pending: (first..last)
                .filter(|index| fds.get(*index).is_some_and(is_ready))
                .map(|index| index - first)
                .collect(),
            listener: fds.get(last).is_some_and(is_ready),
        })
    }

    fn read_signals(&mut self) -> anyhow::Result<()> {
        while let Some(signal) = self.signals.read_signal().context("cannot read signals")? {
            if Signal::try_from(signal.ssi_signo.cast_signed()) == Ok(Signal::SIGCHLD) {
                self.reap();
            } else if self.ending.is_some() {
                self.kill_all();
            } else {
                self.ending = Some(Instant::now());
                self.listener = None;
                self.pending.clear();
                self.socket.remove();
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        // The client may have closed the connection already.
        if let Ok((stream, _)) = listener.accept() {
            match host_process::check(&stream) {
                Ok(()) if self.pending.len() < PENDING_MAX => self.pending.push(Pending {
                    stream,
                    since: Instant::now(),
                }),
                Ok(()) => host_process::refuse(
                    &stream,
                    format!("{PENDING_MAX} connections have sent nothing yet; try again later"),
                ),
                Err(error) => host_process::refuse(&stream, format!("{error:#}")),
            }
        }
    }

    /// Starts the host of a connection that has become readable.
    fn start_host(&mut self, stream: &UnixStream) {
        enlarge_send_buffer(stream);
        match HostProcess::spawn(stream) {
            Ok(host) => self.hosts.extend(host),
            Err(error) => {
                let text = format!("{error:#}");
                // This fails only if nothing reads the output.
                let _ = writeln!(io::stderr(), "napi-hostd: {text}");
                host_process::refuse(stream, text);
            }
        }
    }

    fn reap(&mut self) {
        let own = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
        let own = u64::try_from(own).unwrap_or(0).saturating_mul(1024);
        self.hosts.retain_mut(|host| {
            let Ok(Some(ended)) = host.child.try_wait4() else {
                return true;
            };
            let exit = ProcessExit {
                signal: ended.status.signal(),
                exit_code: ended.status.code(),
                user: ended.rusage.utime,
                system: ended.rusage.stime,
                // The kernel counts what this process had when it forked.
                peak_memory: Some(ended.rusage.maxrss).filter(|peak| *peak > own),
            };
            // The client may be gone, or have filled the pipe.
            let _ = rustix::io::write(&host.status, &exit.encode());
            false
        });
    }

    fn kill_all(&mut self) {
        for host in &mut self.hosts {
            // This fails only if it has ended.
            let _ = host.child.kill();
        }
    }
}

#[derive(Debug)]
struct Ready {
    signals: bool,
    /// Indices of pending connections, in ascending order.
    pending: Vec<usize>,
    listener: bool,
}

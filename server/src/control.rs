//! The control connection of a session: a thread that passes messages to and from the client, and
//! kills this process when the client is gone, even if the JS thread is busy. `process` starts it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use hostd_protocol::carrier::socket::{Connection, Outbox, adopt};
use hostd_protocol::control::{ClientMessage, HostMessage};
use hostd_protocol::error::{ProtocolError, Result as Carried};
use hostd_protocol::memory_files::MemoryFiles;
use hostd_session::Closer;
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, getppid, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The control plane while its thread runs.
#[derive(Debug)]
pub struct Running {
    outbox: Outbox,
    thread: JoinHandle<()>,
}

impl Running {
    /// Starts the thread: `connection` sends the messages of `outbox`, and `files` receives the memory
    /// files of the client. `client` is the result of [`client`].
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn start(
        outbox: Outbox,
        stream: UnixStream,
        connection: Connection,
        client: Option<OwnedFd>,
        files: Option<MemoryFiles>,
        closer: Closer,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot poll the control socket")?;
        let thread = thread::Builder::new()
            .name("hostd-control".to_owned())
            .spawn(move || {
                // It has an error or none, either of which means that the client is gone.
                let _ = runtime.block_on(serve(stream, connection, (client, files), &closer));
                if !closer.is_over() {
                    kill_this_process();
                }
            })
            .context("cannot start the control thread")?;
        Ok(Self { outbox, thread })
    }

    /// Tells the client that everything was torn down in order, and waits until that is sent.
    ///
    /// # Errors
    /// The message cannot be made.
    pub fn send_goodbye(self) -> anyhow::Result<()> {
        self.outbox.send(&HostMessage::Goodbye)?;
        self.outbox.close();
        // After a panic of the thread, the client takes the exit for a crash.
        let _ = self.thread.join();
        Ok(())
    }
}

async fn serve(
    stream: UnixStream,
    connection: Connection,
    (client, files): (Option<OwnedFd>, Option<MemoryFiles>),
    closer: &Closer,
) -> Carried<()> {
    let client = client.and_then(|client| {
        let watched = watch(client);
        if let Err(error) = &watched {
            warn_of_unwatched(error);
        }
        watched.ok()
    });
    let stream = adopt(stream)?;
    let ended = connection.run(stream, |message| match message {
        ClientMessage::Shutdown => closer.close(),
        ClientMessage::MemoryFile(number) => {
            let arrived = files.as_ref().map(|files| files.arrived(number));
            if let Some(Err(error)) = arrived {
                // The JS thread ends the session when a frame names the file.
                tracing::error!(target: "napi_hostd", %error, "cannot map a memory file");
            }
        }
        ClientMessage::ForgetMemoryFile(number) => {
            if let Some(files) = &files {
                files.forget(number);
            }
        }
        ClientMessage::Setup(_) => {
            tracing::warn!(target: "napi_hostd", "a second setup was ignored");
        }
    });
    let client_ended = async {
        match client {
            // An error means that it cannot be polled any more.
            Some(client) => drop(client.readable().await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = ended => result,
        () = client_ended => Err(ProtocolError::Disconnected),
    }
}

/// A pidfd of the client, if a server started this process: then the kernel does not kill this process
/// with the client, and a child that the client forked may hold the connection open.
///
/// To be called before the confinement, which forbids it.
///
/// # Errors
/// The client is gone.
pub fn client(stream: &UnixStream) -> Result<Option<OwnedFd>, ProtocolError> {
    let watched = socket_peercred(stream).and_then(|peer| {
        let is_parent = getppid() == Some(peer.pid);
        let open = || pidfd_open(peer.pid, PidfdFlags::empty());
        (!is_parent).then(open).transpose()
    });
    match watched {
        Ok(process) => Ok(process),
        Err(Errno::SRCH) => Err(ProtocolError::Disconnected),
        Err(error) => {
            warn_of_unwatched(&error.into());
            Ok(None)
        }
    }
}

fn warn_of_unwatched(error: &io::Error) {
    tracing::warn!(target: "napi_hostd", %error, "cannot poll the client's process for its end");
}

/// Polls a descriptor for as long as it is owned by the result.
#[expect(
    deprecated,
    reason = "sound for an owned descriptor; its successor is unsafe to call"
)]
fn watch(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(process, Interest::READABLE)
}

/// Ends this process because the client is gone: no code of the addon may run any more.
fn kill_this_process() {
    let this = rustix::process::getpid();
    // A process may always signal itself.
    let _ = rustix::process::kill_process(this, rustix::process::Signal::KILL);
}

//! The control thread: messages to and from the client, and the end of the process when the client
//! is gone, whatever the JS thread is doing.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use hostd_protocol::carrier::socket::{Connection, Outbox, adopt};
use hostd_protocol::control::{ClientMessage, HostMessage};
use hostd_protocol::error::{ProtocolError, Result as Carried};
use hostd_session::Closer;
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, getppid, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The control plane before its thread runs.
#[derive(Debug, Default)]
pub struct Control {
    outbox: Outbox,
}

/// The control plane while its thread runs.
#[derive(Debug)]
pub struct Running {
    outbox: Outbox,
    thread: JoinHandle<()>,
}

impl Control {
    /// Where messages to the client go.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The connection that brings the messages, and a socket carrier's bytes, to the client.
    pub fn connection(&self, end: &hostd_protocol::carrier::HostEnd) -> Connection {
        Connection::of_host(end, self.outbox.clone())
    }

    /// Starts the thread. `client` is what [`client`] found.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn run(
        self,
        stream: UnixStream,
        connection: Connection,
        client: Option<OwnedFd>,
        closer: Closer,
    ) -> anyhow::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot poll the control socket")?;
        let thread = thread::Builder::new()
            .name("hostd-control".to_owned())
            .spawn(move || {
                let ended = runtime.block_on(serve(stream, connection, client, &closer));
                if !closer.is_over() {
                    die(ended);
                }
            })
            .context("cannot start the control thread")?;
        Ok(Running {
            outbox: self.outbox,
            thread,
        })
    }
}

async fn serve(
    stream: UnixStream,
    connection: Connection,
    client: Option<OwnedFd>,
    closer: &Closer,
) -> Carried<()> {
    let client = client.and_then(|client| {
        let watched = watch(client);
        if let Err(error) = &watched {
            unwatched(error);
        }
        watched.ok()
    });
    let stream = adopt(stream)?;
    let talk = connection.run(stream, |message| match message {
        ClientMessage::Shutdown => closer.close(),
        ClientMessage::Setup(_) => {
            tracing::warn!(target: "napi_hostd", "a second setup was ignored");
        }
    });
    match client {
        None => talk.await,
        Some(client) => tokio::select! {
            ended = talk => ended,
            _ = client.readable() => Err(ProtocolError::Disconnected),
        },
    }
}

/// The process of the client, if it did not start this one: the system does not see to it then that
/// both end together, and a child that it forked holds the connection open.
///
/// A confined process can't ask for it any more.
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
            unwatched(&error.into());
            Ok(None)
        }
    }
}

fn unwatched(error: &io::Error) {
    tracing::warn!(target: "napi_hostd", %error, "cannot poll the client's process for its end");
}

/// Watches a descriptor that is owned until it is not watched any more.
#[expect(
    deprecated,
    reason = "sound for an owned descriptor; its successor is unsafe to call"
)]
fn watch(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(process, Interest::READABLE)
}

impl Running {
    /// Tells the client that everything was torn down in order, and waits until that is said.
    ///
    /// # Errors
    /// The message cannot be made.
    pub fn say_goodbye(self) -> anyhow::Result<()> {
        self.outbox.send(&HostMessage::Goodbye)?;
        self.outbox.close();
        // A panic over there leaves the client to find the exit without a goodbye.
        let _ = self.thread.join();
        Ok(())
    }
}

/// The client is gone: nobody is to be served, and no code of the addon is to run any more.
fn die(_: Carried<()>) {
    let this = rustix::process::getpid();
    // Nothing can refuse this signal.
    let _ = rustix::process::kill_process(this, rustix::process::Signal::KILL);
}

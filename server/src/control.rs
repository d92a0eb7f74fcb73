//! The control thread: messages to and from the client, and the end of the process when the client
//! is gone, whatever the JS thread is doing.

use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use hostd_protocol::carrier::socket::{Connection, Outbox, adopt};
use hostd_protocol::control::{ClientMessage, HostMessage};
use hostd_protocol::error::Result as Carried;

use crate::session::{Closer, Session};

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

    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn run(
        self,
        stream: UnixStream,
        connection: Connection,
        session: &Session,
    ) -> anyhow::Result<Running> {
        let closer = session.closer();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot watch the control socket")?;
        let thread = thread::Builder::new()
            .name("hostd-control".to_owned())
            .spawn(move || {
                let ended = runtime.block_on(serve(stream, connection, &closer));
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

async fn serve(stream: UnixStream, connection: Connection, closer: &Closer) -> Carried<()> {
    let stream = adopt(stream)?;
    connection
        .run(stream, |message| match message {
            ClientMessage::Shutdown => closer.close(),
            ClientMessage::Setup(_) => {
                tracing::warn!(target: "napi_hostd", "a second setup was ignored");
            }
        })
        .await
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

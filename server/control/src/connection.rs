//! The thread of a control connection, which passes messages to and from the client, and tells when
//! the client is gone, even if the JS thread is busy.

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
    /// files of the client. `client` is a pidfd of the client that is watched as well. `lost` is called
    /// on that thread if the client is gone before the session has ended.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn start(
        outbox: Outbox,
        stream: UnixStream,
        (connection, files): (Connection, Option<MemoryFiles>),
        client: Option<OwnedFd>,
        closer: Closer,
        lost: impl FnOnce() + Send + 'static,
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
                    lost();
                }
            })
            .context("cannot start the control thread")?;
        Ok(Self { outbox, thread })
    }

    /// Ends the connection without a word, which the client takes for the end of a session that failed.
    pub fn end(self) {
        self.outbox.close();
        // A panic of the thread has ended the connection too.
        let _ = self.thread.join();
    }

    /// Tells the client that everything was torn down in order, and waits until that is sent.
    ///
    /// # Errors
    /// The message cannot be made.
    pub fn send_goodbye(self) -> anyhow::Result<()> {
        self.outbox.send(&HostMessage::Goodbye)?;
        self.end();
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
            tracing::warn!(target: "napi_hostd", %error, "cannot poll the client's process for its end");
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

/// Polls a descriptor for as long as it is owned by the result.
#[expect(
    deprecated,
    reason = "sound for an owned descriptor; its successor is unsafe to call"
)]
fn watch(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(process, Interest::READABLE)
}

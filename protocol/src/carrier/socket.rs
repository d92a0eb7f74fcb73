//! The control connection on tokio: messages both ways, and the lanes' bytes if the socket is the
//! carrier.
//!
//! The threads that send and receive frames see queues, as they do with the memory carrier; one
//! task at each end moves what is in them over the connection.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interprocess::local_socket::tokio::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Notify;

use super::pipe::{Direction, PipeClient, PipeHost, Pipes, Top};
use super::port::Terms;
use super::{ClientEnd, HostEnd};
use crate::control::{self, DATA_BYTES, LANES, PREFIX_BYTES, Packet, end_or};
use crate::error::{ProtocolError, Result};
use crate::handshake::{HELLO_BYTES, Hello};
use crate::ids::{Generation, LaneIndex};
use crate::limits::Limits;

/// The client's end of a session over the socket; [`Connection::run`] moves its bytes.
pub fn client(generation: Generation, limits: Limits) -> ClientEnd {
    ClientEnd::pipes(PipeClient {
        pipes: Pipes::new(Terms { generation, limits }, Top::Elsewhere),
    })
}

/// The host's end of a session over the socket; [`Connection::run`] moves its bytes.
pub fn host(generation: Generation, limits: Limits) -> HostEnd {
    HostEnd::pipes(PipeHost::new(Pipes::new(
        Terms { generation, limits },
        Top::Elsewhere,
    )))
}

/// Makes one end of an unnamed socket pair a local socket like a named one. To be called inside a
/// tokio runtime.
#[cfg(unix)]
pub fn adopt(socket: std::os::unix::net::UnixStream) -> Result<Stream> {
    let io = |error| ProtocolError::Io {
        what: "cannot poll the control socket",
        error,
    };
    socket.set_nonblocking(true).map_err(io)?;
    let socket = tokio::net::UnixStream::from_std(socket).map_err(io)?;
    Ok(Stream::UdSocket(socket.into()))
}

/// Says hello and hears the other side's. The version is not checked yet.
pub async fn greet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Hello> {
    let what = "can't greet the other side";
    stream
        .write_all(&Hello::ours().encode())
        .await
        .map_err(|error| end_or(error, what))?;
    let mut bytes = [0; HELLO_BYTES];
    stream
        .read_exact(&mut bytes)
        .await
        .map_err(|error| end_or(error, what))?;
    Hello::decode(&bytes)
}

/// Writes one message.
pub async fn write_message<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> Result {
    let mut packet = Vec::new();
    control::encode_message(&mut packet, message)?;
    let written = stream.write_all(&packet).await;
    written.map_err(|error| end_or(error, "can't write to the control socket"))
}

/// Reads one message: not a byte more.
pub async fn read_message<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Result<T> {
    let mut payload = Vec::new();
    match read_packet(stream, &mut payload).await? {
        Packet::Message(payload) => control::decode_message(payload),
        Packet::Data { .. } | Packet::Cancel { .. } => Err(ProtocolError::violation(
            "data before the session has begun",
        )),
    }
}

async fn read_packet<'a>(
    stream: &mut (impl AsyncRead + Unpin),
    payload: &'a mut Vec<u8>,
) -> Result<Packet<'a>> {
    let io = |error: io::Error| end_or(error, "can't read from the control socket");
    let mut prefix = [0; PREFIX_BYTES];
    stream.read_exact(&mut prefix).await.map_err(io)?;
    let (length, kind) = Packet::length(prefix)?;
    payload.resize(length, 0);
    stream.read_exact(payload).await.map_err(io)?;
    Packet::decode(kind, payload)
}

/// Messages that are to be sent over a connection, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<Vec<u8>>,
    /// Whether packets were taken, and are not known to be written.
    writing: bool,
    closed: bool,
}

/// Beyond this many messages that wait, those that may be dropped are.
const OUTBOX_MESSAGES: usize = 1024;

impl Outbox {
    /// Sends a message.
    pub fn send<T: Serialize>(&self, message: &T) -> Result {
        let mut packet = Vec::new();
        control::encode_message(&mut packet, message)?;
        self.change(|queue| queue.packets.push_back(packet));
        Ok(())
    }

    /// Sends a message that may be dropped if the other side does not keep up, as a line of the
    /// log. False if it was.
    pub fn send_or_drop<T: Serialize>(&self, message: &T) -> bool {
        let mut packet = Vec::new();
        if control::encode_message(&mut packet, message).is_err() {
            return false;
        }
        self.change(|queue| {
            let room = queue.packets.len() < OUTBOX_MESSAGES;
            if room {
                queue.packets.push_back(packet);
            }
            room
        })
    }

    /// Nothing more will be sent: the connection ends when all of it is written.
    pub fn close(&self) {
        self.change(|queue| queue.closed = true);
    }

    /// Whether all that was sent is on its way to the other side, whatever becomes of this one.
    pub fn is_written(&self) -> bool {
        let queue = self.queue();
        queue.packets.is_empty() && !queue.writing
    }

    fn change<R>(&self, change: impl FnOnce(&mut Queue) -> R) -> R {
        let changed = change(&mut self.queue());
        self.shared.notify.notify_one();
        changed
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        let queue = self.shared.queue.lock();
        queue.unwrap_or_else(PoisonError::into_inner)
    }

    /// The next packets, or none if it is closed and all is taken.
    async fn take(&self) -> Option<Vec<Vec<u8>>> {
        loop {
            {
                let mut queue = self.queue();
                // Whoever comes back for more has written what it took.
                queue.writing = !queue.packets.is_empty();
                if queue.writing {
                    return Some(queue.packets.drain(..).collect());
                }
                if queue.closed {
                    return None;
                }
            }
            self.shared.notify.notified().await;
        }
    }
}

/// What a connection moves besides messages.
#[derive(Debug)]
pub struct Connection {
    pipes: Option<(Arc<Pipes>, Side)>,
    outbox: Outbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Host,
}

impl Connection {
    /// The client's end. Over lanes, only messages travel.
    pub fn of_client(end: &ClientEnd, outbox: Outbox) -> Self {
        Self {
            pipes: end.queues().map(|pipes| (Arc::clone(pipes), Side::Client)),
            outbox,
        }
    }

    /// The host's end. Over lanes, only messages travel.
    pub fn of_host(end: &HostEnd, outbox: Outbox) -> Self {
        Self {
            pipes: end.queues().map(|pipes| (Arc::clone(pipes), Side::Host)),
            outbox,
        }
    }

    /// Serves the connection until it ends or the outbox is closed. Messages of the other side
    /// are given to `on_message`. The ends of a socket carrier are disconnected when it returns.
    pub async fn run<M: DeserializeOwned>(
        self,
        stream: impl AsyncRead + AsyncWrite,
        mut on_message: impl FnMut(M),
    ) -> Result {
        let (reader, mut writer) = tokio::io::split(stream);
        let pipes = self.pipes;
        let reading = read_all(BufReader::new(reader), pipes.as_ref(), &mut on_message);
        let writing = write_all(&mut writer, pipes.as_ref(), &self.outbox);
        let ended = tokio::select! {
            biased;
            ended = reading => ended,
            ended = writing => ended,
        };
        if let Some((pipes, _)) = &pipes {
            pipes.disconnect();
        }
        ended
    }
}

async fn read_all<M: DeserializeOwned>(
    mut reader: impl AsyncRead + Unpin,
    pipes: Option<&(Arc<Pipes>, Side)>,
    on_message: &mut impl FnMut(M),
) -> Result {
    let mut payload = Vec::new();
    loop {
        match read_packet(&mut reader, &mut payload).await? {
            Packet::Message(payload) => on_message(control::decode_message(payload)?),
            Packet::Data { lane, bytes } => {
                let (pipes, incoming) = match pipes {
                    Some((pipes, Side::Client)) => (pipes, &pipes.to_client),
                    Some((pipes, Side::Host)) => (pipes, &pipes.to_host),
                    None => return Err(ProtocolError::violation("frames on the control socket")),
                };
                deliver(pipes, incoming, lane, bytes).await?;
            }
            Packet::Cancel { lane, word } => match pipes {
                Some((pipes, Side::Host)) => pipes.set_cancel(lane, word),
                _ => return Err(ProtocolError::violation("a cancel message from the host")),
            },
        }
    }
}

/// Waits for room: what nobody reads holds the other side up, not our memory.
async fn deliver(pipes: &Pipes, incoming: &Direction, lane: LaneIndex, bytes: &[u8]) -> Result {
    let mut rest = &bytes[incoming.push(lane, bytes)?..];
    while !rest.is_empty() {
        incoming.space(lane).await;
        if pipes.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        rest = &rest[incoming.push(lane, rest)?..];
    }
    Ok(())
}

async fn write_all(
    writer: &mut (impl AsyncWrite + Unpin),
    pipes: Option<&(Arc<Pipes>, Side)>,
    outbox: &Outbox,
) -> Result {
    let what = "can't write to the control socket";
    loop {
        let mut packets = Vec::new();
        let mut more = true;
        tokio::select! {
            messages = outbox.take() => match messages {
                Some(messages) => packets = messages.concat(),
                None => more = false,
            },
            () = gather(pipes, &mut packets) => {}
        }
        writer
            .write_all(&packets)
            .await
            .map_err(|error| end_or(error, what))?;
        if !more {
            writer.flush().await.map_err(|error| end_or(error, what))?;
            return writer.shutdown().await.map_err(|error| end_or(error, what));
        }
    }
}

/// What the lanes have to send, as packets.
async fn gather(pipes: Option<&(Arc<Pipes>, Side)>, packets: &mut Vec<u8>) {
    let Some((pipes, side)) = pipes else {
        return std::future::pending().await;
    };
    let outgoing = match side {
        Side::Client => &pipes.to_host,
        Side::Host => &pipes.to_client,
    };
    let marks = outgoing.bell.marks().await;
    for lane in (0..LANES).map(LaneIndex) {
        if marks.cancels & (1 << lane.0) != 0 && *side == Side::Client {
            // A packet of six bytes always fits.
            let _ = control::encode_cancel(packets, lane, pipes.cancel(lane));
        }
        if marks.ready & (1 << lane.0) == 0 {
            continue;
        }
        let mut bytes = Vec::new();
        let pulled = outgoing.pull(lane, DATA_BYTES, |part| bytes.extend_from_slice(part));
        if matches!(pulled, Ok(DATA_BYTES)) {
            // There may be more: the other lanes first.
            outgoing.bell.mark_ready(lane);
        }
        if !bytes.is_empty() {
            let _ = control::encode_data(packets, lane, &bytes);
        }
    }
}

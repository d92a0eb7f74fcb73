//! The control connection on tokio: messages both ways, and the lanes' bytes if the socket is the
//! carrier.
//!
//! The threads that send and receive frames use queues; one task at each
//! end moves the bytes of the queues over the connection.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use interprocess::local_socket::tokio::Stream as ControlStream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Notify;

use super::client::ClientEnd;
use super::host::HostEnd;
use super::port::Terms;
use super::queue::{QueueHost, Queues, Side};
use crate::control::{self, DATA_BYTES, PREFIX_BYTES, Packet, end_or};
use crate::error::{ProtocolError, Result, violation};
use crate::handshake::{HELLO_BYTES, Hello};
use crate::ids::{Generation, HOME_LANE, LaneNumber};
use crate::limits::Limits;
use crate::pace::{PAUSE, Pace};

/// The client's end of a session over the socket; [`Connection::run`] moves its bytes.
pub fn client(generation: Generation, limits: Limits) -> ClientEnd {
    let terms = Terms { generation, limits };
    ClientEnd::Queues(Queues::new(terms))
}

/// The host's end of a session over the socket; [`Connection::run`] moves its bytes.
pub fn host(generation: Generation, limits: Limits) -> HostEnd {
    let terms = Terms { generation, limits };
    HostEnd::Queues(QueueHost::new(Queues::new(terms)))
}

/// Makes one end of an unnamed socket pair a local socket like a named one. To be called inside a
/// tokio runtime.
pub fn adopt(socket: std::os::unix::net::UnixStream) -> Result<ControlStream> {
    let io = |error| ProtocolError::Io {
        what: "cannot poll the control socket",
        error,
    };
    socket.set_nonblocking(true).map_err(io)?;
    let socket = tokio::net::UnixStream::from_std(socket).map_err(io)?;
    Ok(ControlStream::UdSocket(socket.into()))
}

/// Reads the hello of the other side. Does not check the version.
pub async fn read_hello(stream: &mut (impl AsyncRead + Unpin)) -> Result<Hello> {
    let mut bytes = [0; HELLO_BYTES];
    let read = stream.read_exact(&mut bytes).await;
    read.map_err(|error| end_or(error, "cannot read the handshake"))?;
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
    written.map_err(|error| end_or(error, "cannot write to the control socket"))
}

/// Reads one message, and no byte beyond it.
pub async fn read_message<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Result<T> {
    let mut payload = Vec::new();
    read_packet(stream, &mut payload).await?.message()
}

async fn read_packet<'a>(
    stream: &mut (impl AsyncRead + Unpin),
    payload: &'a mut Vec<u8>,
) -> Result<Packet<'a>> {
    let io = |error: io::Error| end_or(error, "cannot read from the control socket");
    let mut prefix = [0; PREFIX_BYTES];
    stream.read_exact(&mut prefix).await.map_err(io)?;
    let (length, kind) = Packet::length(prefix)?;
    payload.resize(length, 0);
    stream.read_exact(payload).await.map_err(io)?;
    Packet::decode(kind, payload)
}

/// Messages to be sent over a connection, from any thread.
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
    /// Whether packets were taken that may not be written yet.
    writing: bool,
    closed: bool,
}

/// Messages that may be dropped are dropped while so many wait.
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
    /// log. False if it was dropped.
    pub fn send_or_drop<T: Serialize>(&self, message: &T) -> bool {
        let mut packet = Vec::new();
        if control::encode_message(&mut packet, message).is_err() {
            return false;
        }
        self.change(|queue| {
            let fits = queue.packets.len() < OUTBOX_MESSAGES;
            if fits {
                queue.packets.push_back(packet);
            }
            fits
        })
    }

    /// No more messages follow: the connection ends once all are written.
    pub fn close(&self) {
        self.change(|queue| queue.closed = true);
    }

    /// Whether all messages were written, so that they arrive even if this process ends.
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
                // What was taken before has been written by now.
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
    queues: Option<Arc<Queues>>,
    side: Side,
    outbox: Outbox,
}

/// The largest number of unsolicited packets, messages and notices, that the client reads within a
/// [`PAUSE`]; each [`UNSOLICITED_PIECE`] bytes count as one more.
const UNSOLICITED_MAX: usize = 64;
/// Bytes.
const UNSOLICITED_PIECE: usize = 1024;

/// Bytes of notices that the client keeps until they are read. They must not block the packets behind
/// them: the thread that reads notices may itself wait for the reply of a turn.
const NOTICE_BYTES_MAX: usize = 8 << 20;

impl Connection {
    /// The client's end. Over lanes, only messages travel.
    pub fn of_client(end: &ClientEnd, outbox: Outbox) -> Self {
        Self {
            queues: end.queues().map(Arc::clone),
            side: Side::Client,
            outbox,
        }
    }

    /// The host's end. Over lanes, only messages travel.
    pub fn of_host(end: &HostEnd, outbox: Outbox) -> Self {
        Self {
            queues: end.queues().map(Arc::clone),
            side: Side::Host,
            outbox,
        }
    }

    /// Serves the connection until it ends or the outbox is closed. Calls `on_message` for each message
    /// of the other side. Disconnects the end of a socket carrier before it returns.
    pub async fn run<M: DeserializeOwned>(
        self,
        stream: impl AsyncRead + AsyncWrite,
        mut on_message: impl FnMut(M),
    ) -> Result {
        let (reader, mut writer) = tokio::io::split(stream);
        let queues = self.queues.as_deref();
        let reading = read_all(BufReader::new(reader), queues, self.side, &mut on_message);
        let writing = write_all(&mut writer, queues, self.side, &self.outbox);
        let ended = tokio::select! {
            biased;
            ended = reading => ended,
            ended = writing => ended,
        };
        if let Some(queues) = queues {
            queues.disconnect();
        }
        ended
    }
}

async fn read_all<M: DeserializeOwned>(
    mut reader: impl AsyncRead + Unpin,
    queues: Option<&Queues>,
    side: Side,
    on_message: &mut impl FnMut(M),
) -> Result {
    let mut payload = Vec::new();
    let mut pace = (side == Side::Client).then(|| Pace::new(UNSOLICITED_MAX));
    loop {
        let mut unsolicited = None;
        match read_packet(&mut reader, &mut payload).await? {
            Packet::Message(payload) => {
                unsolicited = Some(payload.len());
                on_message(control::decode_message(payload)?);
            }
            Packet::Data { lane, bytes } => match queues {
                Some(queues) if side == Side::Client && lane == HOME_LANE => {
                    unsolicited = Some(bytes.len());
                    let incoming = &queues.to_client;
                    if !incoming.push_within(lane, bytes, NOTICE_BYTES_MAX)? {
                        return violation("more notices than can be kept");
                    }
                }
                Some(queues) => deliver(queues, side, lane, bytes).await?,
                None => return violation("frames on the control socket"),
            },
            Packet::Cancel { lane, word } => match queues {
                Some(queues) if side == Side::Host => queues.set_cancel(lane, word),
                _ => return violation("a cancel message from the host"),
            },
        }
        if let (Some(bytes), Some(pace)) = (unsolicited, &mut pace)
            && pace.is_exceeded(1 + bytes / UNSOLICITED_PIECE)
        {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Waits for space: unread bytes block the other side and do not fill this side's memory.
async fn deliver(queues: &Queues, side: Side, lane: LaneNumber, bytes: &[u8]) -> Result {
    let incoming = queues.incoming(side);
    let mut rest = &bytes[incoming.push(lane, bytes)?..];
    while !rest.is_empty() {
        if side == Side::Client && !queues.leases.is_leased(lane) {
            return violation("frames on a lane that no call uses");
        }
        incoming.space(lane).await;
        if queues.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        rest = &rest[incoming.push(lane, rest)?..];
    }
    Ok(())
}

async fn write_all(
    writer: &mut (impl AsyncWrite + Unpin),
    queues: Option<&Queues>,
    side: Side,
    outbox: &Outbox,
) -> Result {
    let io = |error| end_or(error, "cannot write to the control socket");
    loop {
        let mut packets = Vec::new();
        let mut more = true;
        tokio::select! {
            messages = outbox.take() => match messages {
                Some(messages) => packets = messages.concat(),
                None => more = false,
            },
            gathered = gather(queues, side, &mut packets) => gathered?,
        }
        writer.write_all(&packets).await.map_err(io)?;
        if !more {
            writer.flush().await.map_err(io)?;
            return writer.shutdown().await.map_err(io);
        }
    }
}

/// Appends what the lanes have to send, as packets.
async fn gather(queues: Option<&Queues>, side: Side, packets: &mut Vec<u8>) -> Result {
    let Some(queues) = queues else {
        return std::future::pending().await;
    };
    let outgoing = queues.outgoing(side);
    let marks = outgoing.notifier.marks().await;
    for lane in LaneNumber::all() {
        if marks.cancels & lane.bit() != 0 && side == Side::Client {
            // A packet of six bytes always fits.
            let _ = control::encode_cancel(packets, lane, queues.cancel(lane));
        }
        if marks.ready & lane.bit() == 0 {
            continue;
        }
        let mut bytes = Vec::new();
        let reserved = bytes
            .try_reserve_exact(DATA_BYTES)
            .and_then(|()| packets.try_reserve(PACKET));
        reserved.map_err(|_| ProtocolError::Memory { bytes: PACKET })?;
        let pulled = outgoing.pull(lane, DATA_BYTES, |part| bytes.extend_from_slice(part));
        if pulled == DATA_BYTES {
            // There may be more, which is sent after the other lanes.
            outgoing.notifier.mark_ready(lane);
        }
        if !bytes.is_empty() {
            let _ = control::encode_data(packets, lane, &bytes);
        }
    }
    Ok(())
}

const PACKET: usize = PREFIX_BYTES + control::PACKET_BYTES;

//! The control connection on tokio: messages both ways, and the lanes' bytes if the socket is the
//! carrier.
//!
//! The threads that send and receive frames use queues; one task at each end moves the blocks of the
//! queues over the connection: one packet, one system call, no copy.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

pub use interprocess::local_socket::tokio::Stream as ControlStream;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::Notify;

use super::client::ClientEnd;
use super::host::HostEnd;
use super::port::Terms;
use super::queue::{Block, Marks, QUEUE_BYTES, QueueHost, Queues, Side};
use crate::control::{self, LANE_BYTES, PREFIX_BYTES, Packet, end_or};
use crate::error::{ProtocolError, Result, violation};
use crate::frame::HEADER_BYTES;
use crate::handshake::{HELLO_BYTES, Hello};
use crate::ids::{Generation, HOME_LANE, LaneNumber};
use crate::limits::Limits;
use crate::memory_files::MemoryFiles;
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

/// Bytes of the largest piece that the system holds for one end: as many packets as keep both sides
/// busy. Linux holds 208 KiB by default, less than one packet.
const SEND_BUFFER_BYTES: usize = 1 << 20;

/// Has the system hold more of what is sent by this end; without that, it is slower. To be called before
/// the confinement, which may forbid it.
pub fn enlarge_send_buffer(socket: &std::os::unix::net::UnixStream) {
    let _ = set_socket_send_buffer_size(socket, SEND_BUFFER_BYTES);
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
    packets: VecDeque<OutboundPacket>,
    /// Whether packets were taken that may not be written yet.
    writing: bool,
    closed: bool,
}

/// A packet that waits to be written.
#[derive(Debug)]
struct OutboundPacket {
    bytes: Vec<u8>,
    /// A descriptor that travels with it.
    file: Option<OwnedFd>,
}

/// Messages that may be dropped are dropped while so many wait.
const OUTBOX_MESSAGES: usize = 1024;

impl Outbox {
    /// Sends a message.
    pub fn send<T: Serialize>(&self, message: &T) -> Result {
        let mut packet = Vec::new();
        control::encode_message(&mut packet, message)?;
        self.push(packet, None);
        Ok(())
    }

    /// Sends a message with a descriptor, which is closed once it is sent.
    pub fn send_file<T: Serialize>(&self, message: &T, file: OwnedFd) -> Result {
        let mut packet = Vec::new();
        control::encode_message(&mut packet, message)?;
        self.push(packet, Some(file));
        Ok(())
    }

    fn push(&self, bytes: Vec<u8>, file: Option<OwnedFd>) {
        self.change(|queue| queue.packets.push_back(OutboundPacket { bytes, file }));
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
                let (bytes, file) = (packet, None);
                queue.packets.push_back(OutboundPacket { bytes, file });
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
    async fn take(&self) -> Option<Vec<OutboundPacket>> {
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
    /// Receives the descriptors that come with messages; without it, they are closed.
    files: Option<MemoryFiles>,
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
            files: None,
        }
    }

    /// The host's end. Over lanes, only messages travel.
    pub fn of_host(end: &HostEnd, outbox: Outbox) -> Self {
        Self {
            queues: end.queues().map(Arc::clone),
            side: Side::Host,
            outbox,
            files: None,
        }
    }

    /// Has the descriptors that come with messages go there.
    #[must_use]
    pub fn receive_files(self, files: Option<MemoryFiles>) -> Self {
        Self { files, ..self }
    }

    /// Serves the connection until it ends or the outbox is closed. Calls `on_message` for each message
    /// of the other side. Disconnects the end of a socket carrier before it returns.
    pub async fn run<M: DeserializeOwned>(
        self,
        stream: ControlStream,
        mut on_message: impl FnMut(M),
    ) -> Result {
        let ControlStream::UdSocket(socket) = &stream;
        let socket = socket.inner();
        let files = self.files.as_ref();
        let reader = PacketReader::new(socket, files);
        let queues = self.queues.as_deref();
        let reading = read_all(reader, queues, self.side, &mut on_message);
        let writing = write_all(&stream, queues, self.side, &self.outbox);
        let ended = tokio::select! {
            biased;
            ended = reading => ended,
            ended = writing => ended,
        };
        if let Some(queues) = queues {
            queues.disconnect();
        }
        if let Some(files) = files {
            files.close();
        }
        ended
    }
}

/// Reads packets and the descriptors that come with them.
struct PacketReader<'a> {
    socket: &'a UnixStream,
    files: Option<&'a MemoryFiles>,
    /// What was read of the next packet's prefix.
    prefix: [u8; PREFIX_BYTES],
    held: usize,
}

/// The most descriptors that are received at a time: as many as the client sends with one message.
const DESCRIPTORS_MAX: usize = 1;

impl<'a> PacketReader<'a> {
    const fn new(socket: &'a UnixStream, files: Option<&'a MemoryFiles>) -> Self {
        Self {
            socket,
            files,
            prefix: [0; PREFIX_BYTES],
            held: 0,
        }
    }

    /// Reads a packet's payload, and returns its kind. The prefix of the next packet comes with it, so
    /// that a stream of packets takes one system call for each.
    async fn read(&mut self, payload: &mut Block) -> Result<u8> {
        let Self { socket, files, .. } = *self;
        while self.held < PREFIX_BYTES {
            let rest = IoSliceMut::new(&mut self.prefix[self.held..]);
            self.held += receive(socket, files, &mut [rest]).await?;
        }
        let (length, kind) = Packet::length(self.prefix)?;
        self.held = 0;
        let mut rest = payload.refill(length)?;
        while !rest.is_empty() {
            let length = rest.len();
            let slices = &mut [IoSliceMut::new(rest), IoSliceMut::new(&mut self.prefix)];
            let received = receive(socket, files, slices).await?;
            rest = &mut rest[received.min(length)..];
            self.held = received.saturating_sub(length);
        }
        Ok(kind)
    }
}

/// Receives bytes, at least one. The descriptors that come with them go to `files`.
async fn receive(
    socket: &UnixStream,
    files: Option<&MemoryFiles>,
    slices: &mut [IoSliceMut<'_>],
) -> Result<usize> {
    poll_fn(|context| {
        loop {
            ready!(socket.poll_read_ready(context))?;
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let received = socket.try_io(Interest::READABLE, || {
                let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
                Ok(recvmsg(socket, slices, &mut ancillary, flags)?.bytes)
            });
            // Owned before anything else: without a receiver they are closed.
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    rights.for_each(|file| {
                        if let Some(files) = files {
                            files.push(file);
                        }
                    });
                }
            }
            match received {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => return Poll::Ready(received),
            }
        }
    })
    .await
    .map_err(|error| end_or(error, "cannot read from the control socket"))
}

/// Sends all of `first` and `second`; the descriptor goes with the first byte.
async fn send(
    socket: &UnixStream,
    first: &[u8],
    second: &[u8],
    mut file: Option<OwnedFd>,
) -> Result {
    let mut sent = 0;
    while sent < first.len() + second.len() {
        let write = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let files = file.as_ref().map(|file| [file.as_fd()]);
            if let Some(files) = &files {
                ancillary.push(SendAncillaryMessage::ScmRights(files));
            }
            let slices = [
                IoSlice::new(first.get(sent..).unwrap_or_default()),
                IoSlice::new(&second[sent.saturating_sub(first.len())..]),
            ];
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            Ok(sendmsg(socket, &slices, &mut ancillary, flags)?)
        };
        match socket.async_io(Interest::WRITABLE, write).await {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => {
                let io = |error| end_or(error, "cannot write to the control socket");
                sent += result.map_err(io)?;
                file = None;
            }
        }
    }
    Ok(())
}

async fn read_all<M: DeserializeOwned>(
    mut reader: PacketReader<'_>,
    queues: Option<&Queues>,
    side: Side,
    on_message: &mut impl FnMut(M),
) -> Result {
    let mut payload = Block::default();
    let mut pace = (side == Side::Client).then(|| Pace::new(UNSOLICITED_MAX));
    loop {
        let mut unsolicited = None;
        let kind = reader.read(&mut payload).await?;
        match Packet::decode(kind, payload.unread())? {
            Packet::Message(payload) => {
                unsolicited = Some(payload.len());
                on_message(control::decode_message(payload)?);
            }
            Packet::Data { lane, bytes } => match queues {
                Some(queues) if side == Side::Client && lane == HOME_LANE => {
                    unsolicited = Some(bytes.len());
                    let incoming = &queues.to_client;
                    payload.skip(LANE_BYTES);
                    if !incoming.push_within(lane, &mut payload, NOTICE_BYTES_MAX)? {
                        return violation("more notices than can be kept");
                    }
                }
                Some(queues) => {
                    payload.skip(LANE_BYTES);
                    deliver(queues, side, lane, &mut payload).await?;
                }
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
///
/// All lanes share the connection. The one JS thread reads a frame to its end before it looks at another
/// lane, so the host takes up to a frame of other lanes while it waits for the rest of that one.
async fn deliver(queues: &Queues, side: Side, lane: LaneNumber, block: &mut Block) -> Result {
    let incoming = queues.incoming(side);
    loop {
        incoming.push_block(lane, block)?;
        if block.unread().is_empty() {
            return Ok(());
        }
        match side {
            Side::Client if !queues.leases.is_leased(lane) => {
                return violation("frames on a lane that no call uses");
            }
            Side::Host if incoming.is_starved() => {
                let most = QUEUE_BYTES + HEADER_BYTES + queues.terms.limits.frame_bytes as usize;
                if incoming.push_within(lane, block, most)? {
                    return Ok(());
                }
            }
            _ => {}
        }
        incoming.space_or_starved(lane).await;
        if queues.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
    }
}

async fn write_all(
    mut stream: &ControlStream,
    queues: Option<&Queues>,
    side: Side,
    outbox: &Outbox,
) -> Result {
    let ControlStream::UdSocket(socket) = stream;
    let socket = socket.inner();
    loop {
        tokio::select! {
            messages = outbox.take() => match messages {
                Some(packets) => for OutboundPacket { bytes, file } in packets {
                    send(socket, &bytes, &[], file).await?;
                },
                None => break,
            },
            marks = marks(queues, side) => if let Some(queues) = queues {
                send_marked(socket, queues, side, marks).await?;
            },
        }
    }
    let io = |error| end_or(error, "cannot write to the control socket");
    stream.flush().await.map_err(io)?;
    stream.shutdown().await.map_err(io)
}

/// What the lanes have to send; never anything without queues.
async fn marks(queues: Option<&Queues>, side: Side) -> Marks {
    match queues {
        Some(queues) => queues.outgoing(side).notifier.marks().await,
        None => std::future::pending().await,
    }
}

/// Sends the marked cancel words, and a block of each marked lane.
async fn send_marked(socket: &UnixStream, queues: &Queues, side: Side, marks: Marks) -> Result {
    let outgoing = queues.outgoing(side);
    for lane in LaneNumber::all() {
        if marks.cancels & lane.bit() != 0 && side == Side::Client {
            let packet = control::cancel_packet(lane, queues.cancel(lane));
            send(socket, &packet, &[], None).await?;
        }
        if marks.ready & lane.bit() == 0 {
            continue;
        }
        if let Some(block) = outgoing.pop(lane) {
            let prefix = control::data_prefix(lane, block.unread().len());
            send(socket, &prefix, block.unread(), None).await?;
            outgoing.give_back(lane, block);
            if outgoing.held(lane) > 0 {
                // Sent after the other lanes.
                outgoing.notifier.mark_ready(lane);
            }
        }
    }
    Ok(())
}

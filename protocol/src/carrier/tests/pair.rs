//! The two ends of each carrier, and helpers of the cases.

use super::*;

pub(super) const GENERATION: Generation = Generation(7);
pub(super) const LIMITS: Limits = Limits {
    frame_bytes: 16 << 20,
    ..Limits::DEFAULT
};

/// A client's end, and how to make the host's end on its own thread.
pub(super) struct Pair {
    pub(super) client: ClientEnd,
    pub(super) host: Box<dyn FnOnce() -> HostEnd + Send>,
}

pub(super) fn lane() -> Pair {
    let (segment, fd) = lane::Segment::create().unwrap();
    let client = lane::client(segment, GENERATION, LIMITS);
    let host = move || lane::host(lane::Segment::open(fd).unwrap(), GENERATION, LIMITS);
    Pair {
        client,
        host: Box::new(host),
    }
}

pub(super) fn socket() -> Pair {
    use crate::control::{ClientMessage, HostMessage};
    use socket::{Connection, Outbox};

    fn serve<M: serde::de::DeserializeOwned + 'static>(
        connection: Connection,
        socket: std::os::unix::net::UnixStream,
    ) {
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build();
            // Ends with an error as soon as either side ends: the suite tests the lanes.
            let _ = runtime.unwrap().block_on(async {
                connection
                    .run::<M>(socket::adopt(socket).unwrap(), |_| {})
                    .await
            });
        };
        thread::Builder::new().spawn(serve).unwrap();
    }

    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let client = socket::client(GENERATION, LIMITS);
    socket::enlarge_send_buffer(&ours);
    serve::<HostMessage>(Connection::of_client(&client, Outbox::default()), ours);
    let host = move || {
        let host = socket::host(GENERATION, LIMITS);
        serve::<ClientMessage>(Connection::of_host(&host, Outbox::default()), theirs);
        host
    };
    Pair {
        client,
        host: Box::new(host),
    }
}

/// A host on its own thread that runs a script and returns its result.
pub(super) struct Served<T> {
    pub(super) client: ClientEnd,
    waker: HostWaker,
    thread: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Served<T> {
    pub(super) fn new(pair: Pair, script: impl FnOnce(&mut HostEnd) -> T + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        let host = pair.host;
        let run = move || {
            let mut host = host();
            sender.send(host.waker()).unwrap();
            script(&mut host)
        };
        let thread = thread::Builder::new().spawn(run).unwrap();
        Self {
            client: pair.client,
            waker: receiver.recv().unwrap(),
            thread: Some(thread),
        }
    }

    /// Disconnects both sides, and returns the script's result.
    pub(super) fn end(mut self) -> T {
        self.client.disconnect();
        self.waker.disconnect();
        self.thread.take().unwrap().join().unwrap()
    }

    /// Waits for the script's result.
    pub(super) fn found(mut self) -> T {
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Ends a wait at a time that is only reached after a failure.
pub(super) struct Deadline(Instant);

pub(super) fn within_30_s() -> Deadline {
    Deadline(Instant::now() + Duration::from_secs(30))
}

impl Idle for Deadline {
    fn check(&mut self) -> std::result::Result<(), Interrupted> {
        if Instant::now() < self.0 {
            Ok(())
        } else {
            Err(Interrupted)
        }
    }

    fn park(&mut self, wait: &mut ParkedWait<'_>) {
        wait(self);
    }
}

pub(super) fn frame(kind: FrameKind, number: u16, call: CallId, body: &[u8]) -> Vec<u8> {
    let mut builder = FrameBuilder::new(LIMITS);
    builder.start(kind, number);
    builder.body_bytes().extend_from_slice(body);
    builder.finish(call, GENERATION).unwrap().to_vec()
}

pub(super) fn next_lane(host: &mut HostEnd) -> Result<LaneNumber> {
    loop {
        if let Wake::Lane(lane) = host.wait(None)? {
            return Ok(lane);
        }
    }
}

/// Answers every request with its own body until the end.
pub(super) fn echo(host: &mut HostEnd) -> (u32, ProtocolError) {
    let mut served = 0;
    let mut body = Vec::new();
    let mut serve = || -> Result {
        loop {
            let lane = next_lane(host)?;
            let header = host.receive(lane, &mut body)?;
            served += 1;
            host.send(
                lane,
                &frame(FrameKind::Reply, header.number, header.call, &body),
            )?;
        }
    };
    let error = serve().unwrap_err();
    (served, error)
}

pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| u8::try_from(index * 31 % 251).unwrap())
        .collect()
}

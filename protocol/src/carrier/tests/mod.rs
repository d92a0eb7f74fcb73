//! One suite for all carriers: each behaves the same.

mod conversation;
mod death;
mod hostile;
mod lanes;
mod pair;

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::*;
use crate::error::{ProtocolError, Result};
use crate::frame::{FrameBuilder, FrameKind, HEADER_BYTES, Header};
use crate::ids::{CallId, Generation, LaneNumber};
use crate::limits::Limits;
use crate::pending::Pending;

use conversation::*;
use death::*;
use hostile::*;
use lanes::*;
use pair::*;

macro_rules! cases {
    ($module:ident: $carrier:ident: $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    super::$case(super::$carrier());
                }
            )*
        }
    };
}

macro_rules! suite {
    ($($module:ident: $carrier:ident;)*) => { $(
        cases! {
            $module: $carrier:
            round_trip
            wait_releases_what_others_need
            frame_larger_than_the_ring_is_streamed
            conversation_nests
            calls_of_many_threads_get_their_own_replies
            large_frames_of_many_threads_do_not_block_each_other
            bad_frame_from_the_client_is_refused
            bad_frame_from_the_host_is_refused
            truncated_frame_then_death_is_a_disconnection
            half_open_client_does_not_hold_the_host_for_ever
            death_ends_the_wait_for_a_reply
            reply_that_came_before_the_death_is_read
            interrupted_wait_says_so
            last_lane_goes_to_who_waits_first
            cancel_word_is_seen_while_the_host_works
            withdrawn_lane_is_found_while_another_is_served
            notice_never_waits
            ring_wakes_the_host_and_is_not_lost
            client_sees_the_host_at_its_top
            notice_is_heard_when_a_turn_can_be_given
        }
    )* };
}

suite! {
    over_lanes: lane;
    over_a_socket: socket;
}

#[test]
fn descriptors_come_with_their_messages() {
    use std::os::fd::OwnedFd;

    use crate::carrier::socket::{self, Connection, Outbox};
    use crate::control::{ClientMessage, HostMessage};
    use crate::memory::SharedMemory;
    use crate::memory_files::MemoryFiles;

    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let end = socket::client(GENERATION, LIMITS);
    let (outbox, files) = (Outbox::default(), MemoryFiles::default());
    let client = Connection::of_client(&end, outbox.clone());
    let host_end = socket::host(GENERATION, LIMITS);
    let host = Connection::of_host(&host_end, Outbox::default()).receive_files(Some(files.clone()));
    let received = files.clone();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let run = move || {
        let runtime = { runtime }.enable_io().build().unwrap();
        runtime.block_on(async move {
            let client = client.run(socket::adopt(ours).unwrap(), |_: HostMessage| {});
            let host = host.run(socket::adopt(theirs).unwrap(), |message| match message {
                ClientMessage::MemoryFile(number) => received.arrived(number).unwrap(),
                ClientMessage::ForgetMemoryFile(number) => received.forget(number),
                other => panic!("{other:?}"),
            });
            let (_, _) = tokio::join!(client, host);
        });
    };
    let thread = thread::Builder::new().spawn(run).unwrap();
    let (memories, descriptors): (Vec<_>, Vec<OwnedFd>) = (1..=20)
        .map(|_| SharedMemory::create("file", 4096).unwrap())
        .unzip();
    for (number, file) in (1..).zip(descriptors) {
        outbox
            .send_file(&ClientMessage::MemoryFile(number), file)
            .unwrap();
    }
    for (number, memory) in (1..).zip(&memories) {
        assert!(memory.bytes(number as usize, 1).unwrap().write(0, b"x"));
        let file = files.get(number).unwrap();
        let mut byte = [0];
        assert!(file.bytes(number as usize, 1).unwrap().read(0, &mut byte));
        assert_eq!(&byte, b"x", "each message has its own descriptor");
    }
    outbox.send(&ClientMessage::ForgetMemoryFile(3)).unwrap();
    outbox.close();
    thread.join().unwrap();
    assert!(files.get(3).is_err());
    assert!(files.get(4).is_ok());
    assert!(
        files.get(21).is_err(),
        "the end of the connection ends the wait"
    );
}

/// The end of a host whose client writes bytes of its own.
fn host_of_raw_bytes() -> (HostEnd, std::os::unix::net::UnixStream, JoinHandle<Result>) {
    use crate::carrier::socket::{self, Connection, Outbox};
    use crate::control::ClientMessage;

    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let host = socket::host(GENERATION, LIMITS);
    let connection = Connection::of_host(&host, Outbox::default());
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_io().build().unwrap();
        runtime.block_on(async {
            let stream = socket::adopt(theirs).unwrap();
            connection.run(stream, |_: ClientMessage| {}).await
        })
    };
    (host, ours, thread::Builder::new().spawn(run).unwrap())
}

#[test]
fn packets_are_read_however_they_were_cut() {
    use std::io::Write as _;

    use crate::control::{DATA_BYTES, cancel_packet, data_prefix};

    let lane = LaneNumber::new(3).unwrap();
    let sent = frame(FrameKind::Request, 2, CallId(1), &pattern(DATA_BYTES + 999));
    // A packet with all that one may have, small ones, one without any bytes, and others between them.
    let mut packets = Vec::new();
    let (large, small) = sent.split_at(DATA_BYTES);
    let pieces = [large, &[], &small[..1], &small[1..]];
    for bytes in pieces {
        packets.extend_from_slice(&data_prefix(lane, bytes.len()));
        packets.extend_from_slice(bytes);
        packets.extend_from_slice(&cancel_packet(lane, 5));
    }
    for cut in [packets.len(), 1009, 7] {
        let (mut host, mut client, thread) = host_of_raw_bytes();
        let write = {
            let packets = packets.clone();
            move || {
                for piece in packets.chunks(cut) {
                    client.write_all(piece).unwrap();
                }
                client
            }
        };
        let writer = thread::Builder::new().spawn(write).unwrap();
        let mut body = Vec::new();
        let served = next_lane(&mut host).unwrap();
        let header = host.receive(served, &mut body).unwrap();
        assert_eq!((served, header.call), (lane, CallId(1)), "cut at {cut}");
        assert!(body == pattern(DATA_BYTES + 999), "cut at {cut}");
        // The end comes after what was sent before it.
        drop(writer.join().unwrap());
        let ended = thread.join().unwrap();
        assert!(matches!(ended, Err(ProtocolError::Disconnected)));
        assert_eq!(host.cancel_flag(lane).get(), 5);
    }
}

#[test]
fn packet_beyond_the_limit_ends_the_session() {
    use std::io::Write as _;

    use crate::control::{DATA_BYTES, data_prefix};

    let (mut host, mut client, thread) = host_of_raw_bytes();
    let prefix = data_prefix(LaneNumber::new(3).unwrap(), DATA_BYTES + 1);
    client.write_all(&prefix).unwrap();
    let ended = thread.join().unwrap();
    assert!(
        matches!(ended, Err(ProtocolError::Violation { .. })),
        "{ended:?}"
    );
    assert!(matches!(host.wait(None), Err(ProtocolError::Disconnected)));
}

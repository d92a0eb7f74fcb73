//! Records of any bytes are read or refused, and what is written of one is read as the same.

use std::path::Path;
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::Result;
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::ids::{CallId, Generation, SlotId};
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;
use hostd_protocol::value::{ClientKind, ElementKind, ErrorClass, HostKind, ValueWriter};

use super::Replay;
use super::story::Story;
use super::write::write;
use crate::record::{
    CallRecord, EntryKind, RecordEnd, RecordFile, RecordHead, RecordedFile, RecordedFrame, Runs,
};

const LIMITS: Limits = Limits::DEFAULT;

fn id(number: u32) -> SlotId {
    SlotId::new(number).unwrap()
}

struct Making(RecordFile);

impl Making {
    fn frame(
        &mut self,
        entry: EntryKind,
        (kind, call): (FrameKind, CallKind),
        releases: &[Release],
        body: impl FnOnce(&mut ValueWriter<'_>) -> Result,
    ) {
        let mut builder = FrameBuilder::new(LIMITS);
        builder.start(kind, call.number());
        builder.releases(releases).unwrap();
        body(&mut builder.body()).unwrap();
        let frame = builder.finish(CallId(1), Generation(1)).unwrap();
        let lane = if entry == EntryKind::Notice { 0 } else { 3 };
        let time = Duration::from_micros(5);
        self.0.entry(entry, lane, ("name", time), frame);
    }
}

fn head() -> RecordHead {
    RecordHead {
        version: "0".to_owned(),
        label: "addon".to_owned(),
        addon: RecordedFile {
            path: b"/tmp/addon.node".to_vec(),
            bytes: 1,
            hash: 2,
        },
        generation: 1,
        client: 1,
        runs: Runs::Isolated,
        limits: LIMITS,
        nested_threads: true,
        debug: false,
        confinement: None,
        env: Some(vec![(b"A".to_vec(), b"B".to_vec())]),
        values: true,
    }
}

/// A record with most kinds of ids: calls with callbacks, objects that are released, a promise.
fn record() -> Vec<u8> {
    use EntryKind::{FromHost, Notice, ToHost};
    use FrameKind::{Failure, Reply, Request};
    let mut made = Making(RecordFile::new(&head()).unwrap());
    made.frame(ToHost, (Request, CallKind::Collect), &[], |_| Ok(()));
    made.frame(FromHost, (Reply, CallKind::Collect), &[], |_| Ok(()));
    for round in 0..2 {
        let release = Release {
            id: id(7),
            received: 1,
            returned: 0,
        };
        let releases = if round == 0 { &[][..] } else { &[release] };
        made.frame(ToHost, (Request, CallKind::RunScript), releases, |body| {
            let open = body.open_array()?;
            body.str("text")?;
            body.lent(id(4), ClientKind::Callable.code(), 0);
            body.buffer(ElementKind::Uint8, None, true, b"bytes")?;
            body.close(open, 3);
            Ok(())
        });
        made.frame(FromHost, (Request, CallKind::Invoke), &[], |body| {
            body.put_u32(4);
            body.put_u32(2);
            body.own(id(4));
            body.lent(id(9), HostKind::Object.code(), 5);
            Ok(())
        });
        made.frame(ToHost, (Request, CallKind::Watch), &[], |body| {
            body.put_u32(9);
            Ok(())
        });
        made.frame(FromHost, (Reply, CallKind::Watch), &[], |body| {
            body.put_u8(1);
            body.int32(1);
            Ok(())
        });
        made.frame(ToHost, (Reply, CallKind::Invoke), &[], |body| {
            body.own(id(9));
            Ok(())
        });
        made.frame(FromHost, (Reply, CallKind::RunScript), &[], |body| {
            body.lent(id(7), HostKind::Promise.code(), 0);
            Ok(())
        });
        made.frame(
            Notice,
            (FrameKind::Notice, CallKind::Settled),
            &[],
            |body| {
                body.put_u32(1);
                body.put_u32(7);
                body.put_u32(1);
                body.put_u8(1);
                body.lent(id(20), HostKind::Object.code(), 0);
                Ok(())
            },
        );
    }
    made.frame(ToHost, (Request, CallKind::CallMethod), &[], |body| {
        body.put_u32(20);
        body.str("method")?;
        body.put_u32(1);
        body.own(id(7));
        Ok(())
    });
    made.frame(FromHost, (Failure, CallKind::CallMethod), &[], |body| {
        body.put_u8(0);
        let open = body.open_error(Some(id(30)), ErrorClass::Type)?;
        for _ in 0..5 {
            body.undefined();
        }
        body.put_u32(0);
        body.close(open, 0);
        Ok(())
    });
    let end = RecordEnd {
        cause: "signal".to_owned(),
        signal: Some(11),
        frames: vec![RecordedFrame {
            module: Some("addon.node".to_owned()),
            symbol: Some("Mask".to_owned()),
        }],
        ..RecordEnd::default()
    };
    made.0.end(&end).unwrap();
    made.0.into_bytes()
}

fn read(bytes: &[u8]) -> std::result::Result<Story, crate::record::RecordError> {
    Story::read(&CallRecord::of_bytes(Path::new("x"), bytes.to_vec())?)
}

#[test]
fn each_object_has_a_number_of_its_own() {
    let story = read(&record()).unwrap();
    assert_eq!(story.outermost().count(), 4);
    assert_eq!(story.callbacks.len(), 2);
    let promises: Vec<_> = story
        .calls
        .iter()
        .filter(|call| call.kind() == Some(CallKind::RunScript))
        .map(|call| call.reply.as_ref().unwrap().ids[0].number)
        .collect();
    // The id was released in between.
    assert_ne!(promises[0], promises[1]);
    let named = &story.calls.last().unwrap().request;
    assert_eq!(named.ids[1].number, promises[1]);
    let callables: Vec<_> = story
        .callbacks
        .iter()
        .map(|callback| callback.request.ids[0].number)
        .collect();
    assert_eq!(callables[0], callables[1]);
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let story = read(&record()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.rec");
    write(&story, &path).unwrap();
    let again = Replay::open(&path).unwrap().0;
    assert_eq!(again.steps, story.steps);
    assert_eq!(again.end, story.end);
    for (before, after) in story.calls.iter().zip(&again.calls) {
        assert_eq!(before.request.ids.len(), after.request.ids.len());
        assert_eq!(before.request.body.len(), after.request.body.len());
        assert_eq!(before.request.releases.len(), after.request.releases.len());
    }
    let promise = |story: &Story| story.notices[1].ids[0].number == story.notices[0].ids[0].number;
    assert_eq!(promise(&story), promise(&again));
}

#[test]
fn record_that_is_cut_anywhere_is_read_up_to_there_or_refused() {
    let whole = record();
    let all = read(&whole).unwrap().outermost().count();
    let mut most = 0;
    for length in 0..whole.len() {
        if let Ok(story) = read(&whole[..length]) {
            let count = story.outermost().count();
            assert!(most <= count && count <= all);
            most = count;
        }
    }
    assert_eq!(most, all);
}

#[test]
fn record_with_other_bytes_is_read_or_refused() {
    let whole = record();
    let began = Instant::now();
    let mut refused = 0;
    for place in 0..whole.len() {
        for mask in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] ^= mask;
            match read(&bytes) {
                Ok(story) => drop(Replay(story).calls().count()),
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
    assert!(refused > whole.len() / 4);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn calls_inside_each_other_are_bounded() {
    let mut made = Making(RecordFile::new(&head()).unwrap());
    for _ in 0..100_000 {
        made.frame(
            EntryKind::ToHost,
            (FrameKind::Request, CallKind::Collect),
            &[],
            |_| Ok(()),
        );
        made.frame(
            EntryKind::FromHost,
            (FrameKind::Request, CallKind::Invoke),
            &[],
            |body| {
                body.put_u32(4);
                body.put_u32(0);
                Ok(())
            },
        );
    }
    let error = read(&made.0.into_bytes()).unwrap_err();
    assert!(error.to_string().contains("nested"), "{error}");
}

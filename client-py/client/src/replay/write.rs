//! Writes a story as a record. Ids are the numbers of its objects, so that each object has one of its own.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use hostd_protocol::frame::{Flags, HEADER_BYTES, Header, RELEASE_BYTES};
use hostd_protocol::ids::{CallId, Generation};

use super::story::{Call, Frame, Step, Story};
use crate::record::{EntryKind, RecordFile};

/// Writes a story in the place of what the file has.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(story: &Story, path: &Path) -> io::Result<()> {
    let mut out = Out {
        story,
        file: RecordFile::new(&story.head)?,
    };
    for step in &story.steps {
        match *step {
            Step::Call(call) => out.call(call),
            Step::Notice(notice) => out.frame(EntryKind::Notice, 0, "", &story.notices[notice]),
        }
    }
    if let Some(end) = &story.end {
        out.file.end(end)?;
    }
    // It appears whole, or not at all.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let named = tempfile::Builder::new()
        .prefix(".record")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    fs::write(named.path(), out.file.into_bytes())?;
    named.persist(path).map_err(|error| error.error)?;
    Ok(())
}

struct Out<'a> {
    story: &'a Story,
    file: RecordFile,
}

impl Out<'_> {
    fn call(&mut self, number: usize) {
        let call: &Call = &self.story.calls[number];
        self.frame(EntryKind::ToHost, call.lane, &call.name, &call.request);
        for callback in &call.callbacks {
            let callback = &self.story.callbacks[*callback];
            self.frame(EntryKind::FromHost, call.lane, "", &callback.request);
            for nested in &callback.calls {
                self.call(*nested);
            }
            if let Some(answer) = &callback.answer {
                self.frame(EntryKind::ToHost, call.lane, "", answer);
            }
        }
        if let Some(reply) = &call.reply {
            self.frame(EntryKind::FromHost, call.lane, "", reply);
        }
    }

    fn frame(&mut self, kind: EntryKind, lane: u16, name: &str, frame: &Frame) {
        let mut body = Vec::new();
        let mut flags = Flags::NONE;
        if !frame.releases.is_empty() {
            flags = flags | Flags::RELEASES;
            let count = u32::try_from(frame.releases.len()).unwrap_or(u32::MAX);
            body.reserve(4 + frame.releases.len() * RELEASE_BYTES);
            body.extend_from_slice(&count.to_le_bytes());
            for number in &frame.releases {
                body.extend_from_slice(&number.to_le_bytes());
                // All that was counted.
                body.extend_from_slice(&u64::from(u32::MAX).to_le_bytes());
                body.extend_from_slice(&0_u64.to_le_bytes());
            }
        }
        if frame.writes_back {
            flags = flags | Flags::WRITE_BACK;
        }
        if frame.is_unread {
            flags = flags | Flags::UNREAD;
        }
        let start = body.len();
        body.extend_from_slice(&frame.body);
        for id in &frame.ids {
            let at = start + id.at;
            if let Some(place) = body.get_mut(at..at + 4) {
                place.copy_from_slice(&id.number.to_le_bytes());
            }
        }
        let header = Header {
            body_len: u32::try_from(body.len()).unwrap_or(u32::MAX),
            kind: frame.kind,
            flags,
            number: frame.number,
            call: CallId(0),
            generation: Generation(self.story.head.generation),
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(&body);
        let time: Duration = frame.time;
        self.file.entry(kind, lane, (name, time), &bytes);
    }
}

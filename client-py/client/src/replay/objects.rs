//! Which objects of a story are which in the host that replays it, and the counts of both sides' objects there.

use std::collections::HashMap;
use std::mem;

use hostd_protocol::error::Result;
use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::{Lent, Received, Release};
use hostd_protocol::limits::Limits;

use super::story::{Frame, Parsed};
use super::walk::{Counts, IdUse, Space};

/// The most releases in one frame.
const FRAME_RELEASES_MAX: usize = 4096;

/// The objects of both sides in one replay.
#[derive(Debug)]
pub(super) struct Objects {
    /// The ids of the host's objects, by the numbers of the story.
    host: HashMap<u32, SlotId>,
    /// How many objects of the story each id of the host stands for.
    holders: HashMap<SlotId, u32>,
    received: Received,
    /// The ids of the client's objects, by the numbers of the story.
    client: HashMap<u32, SlotId>,
    /// The numbers of the client's objects that the host holds.
    lent: Lent<u32>,
    classes: HashMap<u32, u32>,
    releases: Vec<Release>,
    /// The ids of the values of promises that were settled, by the promises.
    settled: HashMap<SlotId, Vec<IdUse>>,
}

/// Why a frame cannot be sent: it names an object that this host has not lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unknown(pub(super) u32);

impl Objects {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            host: HashMap::new(),
            holders: HashMap::new(),
            received: Received::new(limits.lent_objects),
            client: HashMap::new(),
            lent: Lent::new(limits.lent_objects),
            classes: HashMap::new(),
            releases: Vec::new(),
            settled: HashMap::new(),
        }
    }

    /// The object that a frame of the story would need and that this host has not lent, if there is one.
    pub(super) fn unknown(&self, frame: &Frame) -> Option<Unknown> {
        let is_unknown =
            |id: &&IdUse| id.space == Space::Host && !self.host.contains_key(&id.number);
        let found = frame.ids.iter().find(is_unknown);
        found.map(|id| Unknown(id.number))
    }

    /// The body of a frame to the host, with the ids of this replay; counts what it lends.
    pub(super) fn body(&mut self, frame: &Frame) -> Result<Vec<u8>> {
        let mut body = frame.body.clone();
        for id in &frame.ids {
            let actual = match id.space {
                Space::Host => self.host.get(&id.number).map_or(0, |id| id.get()),
                Space::Class => *self.classes.get(&id.number).unwrap_or(&id.number),
                Space::Client => self.lend(id.number)?.get(),
            };
            if let Some(place) = body.get_mut(id.at..id.at + 4) {
                place.copy_from_slice(&actual.to_le_bytes());
            }
        }
        Ok(body)
    }

    fn lend(&mut self, number: u32) -> Result<SlotId> {
        if let Some(id) = self.client.get(&number) {
            self.lent.again(*id)?;
            return Ok(*id);
        }
        let id = self.lent.lend(number)?;
        self.client.insert(number, id);
        Ok(id)
    }

    /// A frame that lent objects was not read.
    pub(super) fn unsend(&mut self, frame: &Frame) {
        for id in &frame.ids {
            if id.space == Space::Client
                && let Some(lent) = self.client.get(&id.number)
                && let Some(number) = self.lent.unsend(*lent)
            {
                self.client.remove(&number);
            }
        }
    }

    /// The number of the client's object with this id.
    pub(super) fn number_of(&self, id: u32) -> Option<u32> {
        SlotId::new(id).and_then(|id| self.lent.get(id)).copied()
    }

    /// Counts what a frame of the host lends, returns and releases.
    pub(super) fn receive(&mut self, parsed: &Parsed<'_>) -> Result {
        for release in &parsed.releases {
            let gone = self.lent.release(*release)?;
            self.forget(gone);
        }
        for id in &parsed.found.ids {
            let Some(slot) = SlotId::new(id.number) else {
                continue;
            };
            match (id.space, id.counts) {
                (Space::Host, Counts::Lent) => {
                    self.received.receive(slot)?;
                }
                (Space::Client, Counts::Back) => {
                    let gone = self.lent.came_back(slot)?;
                    self.forget(gone);
                }
                _ => {}
            }
        }
        for settled in &parsed.found.settled {
            let promise = settled
                .promise
                .and_then(|place| parsed.found.ids.get(place));
            if let Some(promise) = promise.and_then(|id| SlotId::new(id.number)) {
                let ids = parsed.found.ids.get(settled.ids.clone());
                self.settle(promise, ids.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Notes the ids of the value of a promise of this host.
    pub(super) fn settle(&mut self, promise: SlotId, ids: &[IdUse]) {
        self.settled.insert(promise, ids.to_vec());
    }

    /// The id of a promise of the story, and whether it is settled here.
    pub(super) fn promise(&self, number: u32) -> Option<(SlotId, bool)> {
        let id = *self.host.get(&number)?;
        Some((id, self.settled.contains_key(&id)))
    }

    /// The objects in the value of a promise are those of the story.
    pub(super) fn match_settled(&mut self, promise: SlotId, recorded: &[IdUse]) {
        if let Some(actual) = self.settled.get(&promise).cloned() {
            self.match_ids(recorded, &actual);
        }
    }

    /// What was received is what the story has here: the objects that are lent by it, in order, are the same.
    pub(super) fn match_ids(&mut self, recorded: &[IdUse], actual: &[IdUse]) {
        for space in [Space::Host, Space::Class] {
            let of = |ids: &[IdUse]| -> Vec<u32> {
                let is_new = |id: &&IdUse| {
                    id.space == space && (id.counts == Counts::Lent || space == Space::Class)
                };
                ids.iter().filter(is_new).map(|id| id.number).collect()
            };
            for (number, id) in of(recorded).into_iter().zip(of(actual)) {
                if space == Space::Class {
                    self.classes.insert(number, id);
                } else if let Some(id) = SlotId::new(id) {
                    self.hold(number, id);
                }
            }
        }
    }

    /// As [`Self::match_ids`], the exports of an addon by their names: their order may be another each time.
    pub(super) fn match_exports(
        &mut self,
        (names, recorded): (&[String], &[IdUse]),
        (names_now, actual): (&[String], &[IdUse]),
    ) {
        let (recorded, actual) = (by_object(recorded), by_object(actual));
        // The exports themselves come before what they have.
        if let (Some(recorded), Some(actual)) = (recorded.first(), actual.first()) {
            self.match_ids(recorded, actual);
        }
        let places: HashMap<_, _> = names_now.iter().zip(actual.iter().skip(1)).collect();
        for (name, recorded) in names.iter().zip(recorded.iter().skip(1)) {
            if let Some(actual) = places.get(name) {
                self.match_ids(recorded, actual);
            }
        }
    }

    fn hold(&mut self, number: u32, id: SlotId) {
        match self.host.insert(number, id) {
            Some(former) if former == id => return,
            // It is another object here; the former one stays lent to the end.
            Some(former) => {
                if let Some(count) = self.holders.get_mut(&former) {
                    *count = count.saturating_sub(1);
                }
            }
            None => {}
        }
        *self.holders.entry(id).or_default() += 1;
    }

    /// The story gives an object back: it is released with the next frame.
    pub(super) fn release(&mut self, number: u32) {
        let Some(id) = self.host.remove(&number) else {
            return;
        };
        let Some(count) = self.holders.get_mut(&id) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count > 0 {
            return;
        }
        self.holders.remove(&id);
        self.settled.remove(&id);
        self.releases.extend(self.received.forget(id));
    }

    /// The releases of the next frame.
    pub(super) fn take_releases(&mut self) -> Vec<Release> {
        if self.releases.len() <= FRAME_RELEASES_MAX {
            return mem::take(&mut self.releases);
        }
        self.releases.drain(..FRAME_RELEASES_MAX).collect()
    }

    fn forget(&mut self, gone: Option<u32>) {
        if let Some(number) = gone {
            self.client.remove(&number);
        }
    }
}

/// The ids of each object of the host that is lent, with that of its class.
fn by_object(ids: &[IdUse]) -> Vec<&[IdUse]> {
    let is_object = |id: &IdUse| id.space == Space::Host && id.counts == Counts::Lent;
    ids.chunk_by(|_, next| !is_object(next)).collect()
}

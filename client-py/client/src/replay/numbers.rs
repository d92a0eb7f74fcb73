//! Gives each object of a record a number of its own, while ids are used again once they were released.

use std::collections::HashMap;

use hostd_protocol::lent::Release;

use super::walk::{Counts, IdUse, Sender, Space};

#[derive(Default)]
pub(super) struct Numbers {
    /// The ids of the client's objects.
    client_ids: HashMap<u32, u32>,
    /// Ids of the host: the object, and how often it came and was not released.
    host: HashMap<u32, (u32, u64)>,
    /// Ids of the client: the object, how often it was sent and not released, and how often it came back.
    client: HashMap<u32, (u32, i64, i64)>,
    last: u32,
}

impl Numbers {
    fn next(&mut self) -> u32 {
        // A record has fewer, since each takes some bytes.
        self.last = self.last.saturating_add(1);
        self.last
    }

    /// The number of the object that an id is of. Counts what lends it.
    pub(super) fn number(&mut self, sender: Sender, id: &IdUse) -> u32 {
        match (id.space, sender) {
            (Space::Class, _) => id.number,
            (Space::Host, _) => {
                let fresh = if self.host.contains_key(&id.number) {
                    0
                } else {
                    self.next()
                };
                let entry = self.host.entry(id.number).or_insert((fresh, 0));
                entry.1 += u64::from(id.counts == Counts::Lent);
                entry.0
            }
            (Space::Client, _) => {
                let fresh = if self.client.contains_key(&id.number) {
                    0
                } else {
                    let fresh = self.next();
                    self.client_ids.insert(fresh, id.number);
                    fresh
                };
                let entry = self.client.entry(id.number).or_insert((fresh, 0, 0));
                match id.counts {
                    Counts::Lent => entry.1 += 1,
                    Counts::Back => entry.2 += 1,
                    Counts::Named => {}
                }
                entry.0
            }
        }
    }

    /// A release block gives an object back. Returns the object of the host that the client then does not hold
    /// any more.
    pub(super) fn release(&mut self, sender: Sender, release: &Release) -> Option<u32> {
        let id = release.id.get();
        match sender {
            Sender::Client => {
                let entry = self.host.get_mut(&id)?;
                entry.1 = entry.1.saturating_sub(release.received);
                if entry.1 > 0 {
                    return None;
                }
                self.host.remove(&id).map(|entry| entry.0)
            }
            Sender::Host => {
                let entry = self.client.get_mut(&id)?;
                let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
                entry.1 = entry.1.saturating_sub(count(release.received));
                entry.2 = entry.2.saturating_sub(count(release.returned));
                if entry.1 <= 0 && entry.2 <= 0 {
                    self.client.remove(&id);
                }
                None
            }
        }
    }

    /// A request that lent an object was not read.
    pub(super) fn unsend(&mut self, id: &IdUse) {
        if id.space != Space::Client || id.counts != Counts::Lent {
            return;
        }
        let entry = self.client_ids.get(&id.number);
        if let Some(entry) = entry.and_then(|id| self.client.get_mut(id))
            && entry.0 == id.number
        {
            entry.1 -= 1;
        }
    }
}

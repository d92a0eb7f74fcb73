//! The functions of Node-API that ran last, for the report of a crash.
//!
//! They are kept where the embedder asks for it. The thread then forgets the caller of each function, so
//! that functions take the path of a new caller (`abi/enter.rs`), which notes them: elsewhere nothing of
//! this is on their path.

use std::cell::Cell;

use crate::abi::row::Row;

/// How many are kept.
const KEPT: usize = 64;

/// The functions that ran last.
#[derive(Debug)]
pub(crate) struct RecentRows {
    rows: [Cell<Option<&'static Row>>; KEPT],
    /// The place of the next one, and after it the oldest.
    next: Cell<usize>,
}

impl RecentRows {
    pub(super) const fn new() -> Self {
        Self {
            rows: [const { Cell::new(None) }; KEPT],
            next: Cell::new(0),
        }
    }

    pub(crate) fn note(&self, row: &'static Row) {
        let place = self.next.get();
        if let Some(cell) = self.rows.get(place) {
            cell.set(Some(row));
        }
        self.next.set((place + 1) % KEPT);
    }

    /// Gives their names, the latest last.
    pub(super) fn names(&self, each: &mut dyn FnMut(&'static str)) {
        let (latest, oldest) = self.rows.split_at(self.next.get().min(KEPT));
        for row in oldest.iter().chain(latest).filter_map(Cell::get) {
            each(row.name);
        }
    }
}

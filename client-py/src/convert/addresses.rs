//! The compounds of a message by the addresses of their objects.

use pyo3::PyResult;
use rustc_hash::FxHashMap;

use crate::fallible;

/// The numbers of compounds by the addresses of their objects: a vector while they are few. The table
/// is boxed so that an encoder without compounds is cheap to drop.
#[derive(Default)]
pub(super) struct Addresses {
    few: Vec<(usize, u32)>,
    many: Option<Box<FxHashMap<usize, u32>>>,
}

/// The most compounds in the vector.
const FEW: usize = 12;

impl Addresses {
    pub(super) fn get(&self, address: usize) -> Option<u32> {
        match &self.many {
            None => self
                .few
                .iter()
                .find(|known| known.0 == address)
                .map(|known| known.1),
            Some(many) => many.get(&address).copied(),
        }
    }

    pub(super) fn insert(&mut self, address: usize, index: u32) -> PyResult<()> {
        if self.many.is_none() && self.few.len() < FEW {
            self.few.push((address, index));
            return Ok(());
        }
        let few = &mut self.few;
        let many = self
            .many
            .get_or_insert_with(|| Box::new(few.drain(..).collect()));
        many.try_reserve(1).map_err(|_| fallible::memory())?;
        many.insert(address, index);
        Ok(())
    }
}

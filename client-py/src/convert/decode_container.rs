//! Wire → Python containers.

use hostd_protocol::value::Token;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet, PyString};

use super::decode::{Decoder, utf16};
use super::hashes;
use super::pace::{self, PAUSE_ITEMS};
use super::received::Kind;
use crate::errors;
use crate::fallible::{self, push};

impl<'py> Decoder<'_, 'py> {
    /// A list of numbers that lie packed in the frame.
    pub(super) fn packed(
        &mut self,
        mut items: impl ExactSizeIterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let few = items.len().min(PAUSE_ITEMS);
        let list = fallible::list_of(self.py, items.by_ref().take(few))?;
        while items.len() > 0 {
            self.pause()?;
            let few = items.len().min(PAUSE_ITEMS);
            let more = fallible::list_of(self.py, items.by_ref().take(few))?;
            list.set_slice(list.len(), list.len(), &more)?;
        }
        push(&mut self.compounds, Some(list.clone().into_any()))?;
        Ok(list.into_any())
    }

    pub(super) fn array(&mut self, count: u32) -> PyResult<Bound<'py, PyAny>> {
        let list = fallible::list(self.py)?;
        push(&mut self.compounds, Some(list.clone().into_any()))?;
        for _ in 0..count {
            list.append(self.value()?)?;
        }
        self.reader.leave();
        Ok(list.into_any())
    }

    pub(super) fn object(&mut self, count: u32) -> PyResult<Bound<'py, PyAny>> {
        let object = self.names.object.bind(self.py).call0()?;
        push(&mut self.compounds, Some(object.clone()))?;
        let dict = object.cast::<PyDict>()?;
        for _ in 0..count {
            let key = self.key()?;
            dict.set_item(key, self.value()?)?;
        }
        self.reader.leave();
        Ok(object)
    }

    /// A key: a string.
    pub(super) fn key(&mut self) -> PyResult<Bound<'py, PyString>> {
        if self.reader.is_paused() && self.uncounted.is_none() {
            self.pause()?;
        }
        let key = self.reader.key().map_err(errors::protocol)?;
        if self.uncounted.is_some() {
            self.reader.pause();
            return fallible::string(self.py, "");
        }
        match key {
            Token::Str(text) => crate::keys::key(self.py, text),
            Token::Str16(units) => Ok(utf16(self.py, units)?.cast_into()?),
            _ => Err(errors::violation("a key that is not a string")),
        }
    }

    /// A Map: a dict, unless a key can't be one, two keys are one in Python, or many keys have the
    /// same hash.
    pub(super) fn map(&mut self, count: u32) -> PyResult<Bound<'py, PyAny>> {
        let dict = fallible::dict(self.py)?;
        let place = self.compounds.len();
        push(&mut self.compounds, Some(dict.clone().into_any()))?;
        let (keys, values) = (fallible::list(self.py)?, fallible::list(self.py)?);
        for _ in 0..count {
            keys.append(self.value()?)?;
            values.append(self.value()?)?;
        }
        self.reader.leave();
        if !hashes::collide(&keys, || self.pause())?
            && self.all_in(keys.iter().zip(&values), |(key, value)| {
                dict.set_item(key, value)
            })?
            && dict.len() == keys.len()
        {
            return Ok(dict.into_any());
        }
        dict.clear();
        let (py, list) = (self.py, fallible::list(self.py)?);
        self.all_in(keys.iter().zip(&values), |(key, value)| {
            let pair = fallible::list_of(py, [Ok(key), Ok(value)].into_iter())?;
            list.append(fallible::tuple(&pair)?)
        })?;
        self.compounds[place] = Some(list.clone().into_any());
        push(&mut self.rare_state().unhashable, (place, Kind::Pairs))?;
        Ok(list.into_any())
    }

    /// A Set: a set, unless an item can't be in one, two items are one in Python, or many items have
    /// the same hash.
    pub(super) fn set(&mut self, count: u32) -> PyResult<Bound<'py, PyAny>> {
        let set = PySet::empty(self.py)?;
        let place = self.compounds.len();
        push(&mut self.compounds, Some(set.clone().into_any()))?;
        let items = fallible::list(self.py)?;
        for _ in 0..count {
            items.append(self.value()?)?;
        }
        self.reader.leave();
        if !hashes::collide(&items, || self.pause())?
            && self.all_in(items.iter(), |item| set.add(item))?
            && set.len() == items.len()
        {
            return Ok(set.into_any());
        }
        set.clear();
        self.compounds[place] = Some(items.clone().into_any());
        push(&mut self.rare_state().unhashable, (place, Kind::Items))?;
        Ok(items.into_any())
    }

    /// Calls `each` with every item, with pauses. False if one raises a `TypeError`, as for an
    /// unhashable item.
    pub(super) fn all_in<T>(
        &mut self,
        items: impl Iterator<Item = T>,
        mut each: impl FnMut(T) -> PyResult<()>,
    ) -> PyResult<bool> {
        for (position, item) in items.enumerate() {
            if pace::is_due(position) {
                self.pause()?;
            }
            match each(item) {
                Ok(()) => {}
                Err(error) if error.is_instance_of::<PyTypeError>(self.py) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

//! Wire → Python. The host may be hostile: what comes out is of a closed set of types, ids answer
//! only if they were issued, depth and counts were checked by the reader.

use std::rc::Rc;
use std::sync::Arc;

use hostd_protocol::ids::SlotId;
use hostd_protocol::value::{ElementKind, ErrorClass, HostKind, Token, Units, ValueReader, Words};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyNone, PySet, PyString, PyTuple,
};

use super::received::{Kind, Received};
use crate::buffer::Buffer;
use crate::call::call;
use crate::errors;
use crate::names::Names;
use crate::proxy::{self, Handle, opaque};
use crate::session::Session;
use crate::world::{self, World};

/// Reads one block of values.
pub(crate) struct Decoder<'a, 'py> {
    py: Python<'py>,
    names: &'py Names,
    session: &'a Arc<Session>,
    world: &'a Arc<World>,
    pub(crate) reader: ValueReader<'a>,
    compounds: Vec<Option<Bound<'py, PyAny>>>,
    /// The compounds that are lists though they are Maps or Sets at the host.
    unhashable: Vec<(usize, Kind)>,
    /// The position of each argument with compounds in it, and the first of these.
    arguments: Vec<(u32, usize)>,
    /// The compounds of the request that a write-back block speaks of.
    brought: &'a [Py<PyAny>],
}

impl<'a, 'py> Decoder<'a, 'py> {
    /// A decoder of what `reader` has left.
    pub(crate) fn new(
        py: Python<'py>,
        session: &'a Arc<Session>,
        world: &'a Arc<World>,
        reader: ValueReader<'a>,
        brought: &'a [Py<PyAny>],
    ) -> PyResult<Self> {
        Ok(Self {
            py,
            names: Names::get(py)?,
            session,
            world,
            reader,
            compounds: Vec::new(),
            unhashable: Vec::new(),
            arguments: Vec::new(),
            brought,
        })
    }

    pub(crate) const fn py(&self) -> Python<'py> {
        self.py
    }

    pub(super) const fn brought_count(&self) -> usize {
        self.brought.len()
    }

    pub(super) fn brought(&self, index: u32) -> PyResult<Bound<'py, PyAny>> {
        match self.brought.get(index as usize) {
            Some(object) => Ok(object.bind(self.py).clone()),
            None => Err(errors::violation(
                "a write-back of an object that was not in the request",
            )),
        }
    }

    /// Begins another block of the same frame.
    pub(crate) fn restart(&mut self) {
        self.reader.restart_numbering();
        self.compounds.clear();
    }

    /// Any value.
    #[inline]
    pub(crate) fn value(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let token = self.reader.next().map_err(errors::protocol)?;
        self.token(token)
    }

    /// The argument of a call at this position.
    #[inline]
    pub(crate) fn argument(&mut self, position: u32) -> PyResult<Bound<'py, PyAny>> {
        let first = self.compounds.len();
        let value = self.value()?;
        if self.compounds.len() > first {
            self.arguments.push((position, first));
        }
        Ok(value)
    }

    /// The containers of this block, to find later what Python changed in them.
    #[inline]
    pub(crate) fn received(&self) -> PyResult<Option<Rc<Received>>> {
        if self.compounds.is_empty() {
            return Ok(None);
        }
        let kind_of = |index: usize, object: &Bound<'_, PyAny>| {
            if object.is_exact_instance_of::<PyList>() {
                let unhashable = self.unhashable.iter().find(|entry| entry.0 == index);
                Some(unhashable.map_or(Kind::Array, |entry| entry.1))
            } else if object.get_type().is(&self.names.object) {
                Some(Kind::Object)
            } else if object.is_exact_instance_of::<PyDict>() {
                Some(Kind::Map)
            } else if object.is_exact_instance_of::<PySet>() {
                Some(Kind::Set)
            } else {
                None
            }
        };
        Received::new(&self.compounds, kind_of, &self.arguments)
    }

    /// Checks that the message ends here.
    pub(crate) fn finish(&self) -> PyResult<()> {
        self.reader.finish().map_err(errors::protocol)
    }

    #[inline]
    fn token(&mut self, token: Token<'a>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match token {
            Token::Undefined | Token::Null | Token::Hole => PyNone::get(py).to_owned().into_any(),
            Token::Bool(flag) => PyBool::new(py, flag).to_owned().into_any(),
            Token::Int32(number) => int(py, i64::from(number)),
            Token::Int64(number) => int(py, number),
            Token::Float(number) => float(py, number),
            Token::Str(text) => PyString::new(py, text).into_any(),
            Token::Array { count, .. } => self.array(count)?,
            Token::Object { count, .. } => self.object(count)?,
            Token::Own(id) => self.own(id)?,
            Token::Lent { id, kind, class } => self.lent(id, kind, class)?,
            rare => return self.rare(rare),
        })
    }

    #[inline(never)]
    fn rare(&mut self, token: Token<'a>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        match token {
            Token::BigInt { negative, words } => self.bigint(negative, words),
            Token::Str16(units) => utf16(py, units),
            Token::Date(milliseconds) => self.date(milliseconds),
            Token::ArrayI32 { items, .. } => {
                let list = PyList::new(py, items.iter())?.into_any();
                self.compounds.push(Some(list.clone()));
                Ok(list)
            }
            Token::ArrayF64 { items, .. } => {
                let list = PyList::new(py, items.iter().map(|item| float(py, item)))?.into_any();
                self.compounds.push(Some(list.clone()));
                Ok(list)
            }
            Token::Map { count, .. } => self.map(count),
            Token::Set { count, .. } => self.set(count),
            Token::Buffer {
                element, id, bytes, ..
            } => {
                let buffer = self.buffer(element, id, bytes)?;
                self.compounds.push(Some(buffer.clone()));
                Ok(buffer)
            }
            Token::Error { id, class, .. } => self.error(id, class),
            Token::Ref(index) => match self.compounds.get(index as usize) {
                Some(Some(known)) => Ok(known.clone()),
                _ => Err(errors::violation(
                    "a reference to an object that does not exist yet",
                )),
            },
            Token::Brought(index) => self.brought(index),
            _ => Err(errors::violation("a value that is not allowed here")),
        }
    }

    fn array(&mut self, count: u32) -> PyResult<Bound<'py, PyAny>> {
        let list = PyList::empty(self.py);
        self.compounds.push(Some(list.clone().into_any()));
        for _ in 0..count {
            list.append(self.value()?)?;
        }
        self.reader.leave();
        Ok(list.into_any())
    }

    fn object(&mut self, count: u32) -> PyResult<Bound<'py, PyAny>> {
        let object = self.names.object.bind(self.py).call0()?;
        self.compounds.push(Some(object.clone()));
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
        match self.reader.key().map_err(errors::protocol)? {
            Token::Str(text) => Ok(crate::keys::key(self.py, text)),
            Token::Str16(units) => Ok(utf16(self.py, units)?.cast_into()?),
            _ => Err(errors::violation("a key that is not a string")),
        }
    }

    /// A Map: a dict, unless a key can't be one or two keys are one in Python.
    fn map(&mut self, count: u32) -> PyResult<Bound<'py, PyAny>> {
        let dict = PyDict::new(self.py);
        let place = self.compounds.len();
        self.compounds.push(Some(dict.clone().into_any()));
        let mut pairs = Vec::with_capacity(count as usize);
        for _ in 0..count {
            pairs.push((self.value()?, self.value()?));
        }
        self.reader.leave();
        let hashable = pairs
            .iter()
            .all(|(key, value)| dict.set_item(key, value).is_ok());
        if hashable && dict.len() == pairs.len() {
            return Ok(dict.into_any());
        }
        dict.clear();
        let pairs = pairs
            .into_iter()
            .map(|pair| PyTuple::new(self.py, [pair.0, pair.1]))
            .collect::<PyResult<Vec<_>>>()?;
        let list = PyList::new(self.py, pairs)?.into_any();
        self.compounds[place] = Some(list.clone());
        self.unhashable.push((place, Kind::Pairs));
        Ok(list)
    }

    /// A Set: a set, unless an item can't be in one or two items are one in Python.
    fn set(&mut self, count: u32) -> PyResult<Bound<'py, PyAny>> {
        let set = PySet::empty(self.py)?;
        let place = self.compounds.len();
        self.compounds.push(Some(set.clone().into_any()));
        let mut items = Vec::with_capacity(count as usize);
        for _ in 0..count {
            items.push(self.value()?);
        }
        self.reader.leave();
        let hashable = items.iter().all(|item| set.add(item).is_ok());
        if hashable && set.len() == items.len() {
            return Ok(set.into_any());
        }
        set.clear();
        let list = PyList::new(self.py, items)?.into_any();
        self.compounds[place] = Some(list.clone());
        self.unhashable.push((place, Kind::Items));
        Ok(list)
    }

    fn bigint(&self, negative: bool, words: Words<'_>) -> PyResult<Bound<'py, PyAny>> {
        let bytes = PyBytes::new(self.py, words.as_bytes());
        let size = self
            .names
            .int_from_bytes
            .bind(self.py)
            .call1((bytes, "little"))?;
        let value = if negative { size.neg()? } else { size };
        self.names.bigint.bind(self.py).call1((value,))
    }

    fn date(&self, milliseconds: f64) -> PyResult<Bound<'py, PyAny>> {
        let moment = self.names.datetime_of.bind(self.py);
        let moment = call(moment, (milliseconds,))?;
        if moment.is_none() {
            return Err(errors::violation("a date outside the range of datetime"));
        }
        Ok(moment)
    }

    fn buffer(
        &self,
        element: ElementKind,
        id: Option<SlotId>,
        bytes: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let known = id.and_then(|id| self.world.proxy(py, id));
        if let Some(known) = &known
            && let Ok(buffer) = known.cast::<Buffer>()
            && let Some(handle) = &buffer.get().handle
        {
            handle.count();
            if buffer.get().contents(py) == bytes {
                return Ok(known.clone());
            }
        }
        let copy = PyBytes::new(py, bytes);
        let handle = id.map(|id| {
            // An older proxy with older bytes has counted this receipt already.
            let times = u64::from(known.is_none());
            Handle::new(self.session, self.world, id, 0, times)
        });
        let buffer = Bound::new(py, Buffer::new(handle, element, copy)?)?.into_any();
        if let Some(id) = id
            && known.is_none()
        {
            self.world.remember(id, &buffer)?;
        }
        Ok(buffer)
    }

    /// An object of ours that the host gives back.
    fn own(&self, id: SlotId) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let Some((object, gone)) = self.world.came_back(py, id) else {
            return Err(self.unknown());
        };
        let object = object.into_bound(py);
        drop(gone);
        let class = object.get_type();
        if class.is(&self.names.exposed) || class.is(&self.names.by_ref) {
            return object.getattr("target");
        }
        Ok(object)
    }

    /// An id that means nothing: never lent, or forgotten because the process has died since it sent
    /// this.
    #[cold]
    fn unknown(&self) -> PyErr {
        if self.world.is_dead() {
            return self.session.ended(self.world);
        }
        errors::violation("a Python object that was never lent to it")
    }

    fn lent(&self, id: SlotId, kind: u8, class: u32) -> PyResult<Bound<'py, PyAny>> {
        let Some(kind) = HostKind::from_code(kind) else {
            return Err(errors::violation("an unknown kind of object"));
        };
        if id.get() > self.world.limits.lent_objects {
            return Err(errors::violation("an id beyond the limit of lent objects"));
        }
        proxy::proxy(
            self.py,
            self.session,
            self.world,
            world::Token { id, kind, class },
        )
    }

    /// A JavaScript error: an exception instance, not raised.
    fn error(&mut self, id: Option<SlotId>, class: ErrorClass) -> PyResult<Bound<'py, PyAny>> {
        let place = self.compounds.len();
        self.compounds.push(None);
        let name = self.value()?;
        let message = self.value()?;
        let code = self.value()?;
        let stack = self.value()?;
        let cause = self.value()?;
        let own = PyDict::new(self.py);
        for _ in 0..self.reader.own_fields().map_err(errors::protocol)? {
            let key = self.key()?;
            own.set_item(key, self.value()?)?;
        }
        self.reader.leave();
        let described = (class.code(), name, message, code, stack, cause, own);
        let error = call(self.names.js_error.bind(self.py), described)?;
        if let Some(id) = id {
            let handle = Handle::new(self.session, self.world, id, 0, 1);
            error.setattr(&self.names.handle_key, opaque::ErrorHandle { handle })?;
        }
        if self.session.denials.is_pending() {
            let error = PyErr::from_value(error.clone());
            self.session.annotate(self.py, &error);
        }
        self.compounds[place] = Some(error.clone());
        Ok(error)
    }

    /// What was thrown, as the exception to raise: a Python exception that passed through
    /// JavaScript is that very object.
    pub(crate) fn thrown(&mut self) -> PyResult<PyErr> {
        let value = self.value()?;
        if value.is_instance_of::<PyBaseException>() {
            let error = PyErr::from_value(value);
            self.session.annotate(self.py, &error);
            return Ok(error);
        }
        let error = PyErr::from_value(call(self.names.js_thrown.bind(self.py), (value,))?);
        self.session.annotate(self.py, &error);
        Ok(error)
    }
}

#[inline]
fn int(py: Python<'_>, number: i64) -> Bound<'_, PyAny> {
    PyInt::new(py, number).into_any()
}

/// A JavaScript number: an int when it is integral, below 2^53 in size and not −0.
#[inline]
fn float(py: Python<'_>, number: f64) -> Bound<'_, PyAny> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "compared with the original"
    )]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "below 2^53, so it is exact")]
    #[expect(clippy::float_cmp, reason = "equal means integral")]
    let integral = whole.unsigned_abs() < 1 << 53
        && whole as f64 == number
        && (whole != 0 || number.is_sign_positive());
    if integral {
        int(py, whole)
    } else {
        PyFloat::new(py, number).into_any()
    }
}

fn utf16<'py>(py: Python<'py>, units: Units<'_>) -> PyResult<Bound<'py, PyAny>> {
    PyBytes::new(py, units.as_bytes()).call_method1("decode", ("utf-16-le", "surrogatepass"))
}

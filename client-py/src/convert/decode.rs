//! Wire → Python: scalars and identity. Containers, buffers and errors are in `decode_container.rs`,
//! `decode_buffer.rs` and `decode_error.rs`. The host can be hostile: the results are of a closed set of types, ids are accepted only if they were issued, and
//! the reader has checked depth and counts.

use std::rc::Rc;
use std::sync::Arc;

use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::Release;
use hostd_protocol::value::{HostKind, Token, Units, ValueReader, Words};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyNone, PySet};

use super::objects::RequestObjects;
use super::pace::Pace;
use super::received::{Kind, Received};
use crate::addon::LoadedAddon;
use crate::call::call;
use crate::errors;
use crate::fallible::{self, int, push};
use crate::generation::HostGeneration;
use crate::names::Names;
use crate::proxy;

/// The state of a decoder that few messages need, boxed so that a decoder is cheap to drop.
#[derive(Default)]
pub(super) struct Rare {
    /// The compounds that are lists although they are Maps or Sets in the host.
    pub(super) unhashable: Vec<(usize, Kind)>,
    /// The errors that are being read: their places, and their classes.
    pub(super) open_errors: Vec<(usize, u8)>,
}

/// Reads one block of values.
pub(crate) struct Decoder<'a, 'py> {
    pub(crate) py: Python<'py>,
    pub(super) names: &'py Names,
    pub(super) addon: &'a Arc<LoadedAddon>,
    pub(super) generation: &'a Arc<HostGeneration>,
    pub(crate) reader: ValueReader<'a>,
    pub(super) compounds: Vec<Option<Bound<'py, PyAny>>>,
    rare: Option<Box<Rare>>,
    /// The position of each argument with compounds in it, and the first of these.
    arguments: Vec<(u32, usize)>,
    /// The objects of the request that this message answers, or that is open while the host asks
    /// this.
    request: Option<&'a RequestObjects>,
    pace: Pace,
    /// The objects that were counted so far: those of the host, and those of this side that came
    /// back.
    pub(super) counted: u32,
    /// If set, values are skipped and only their objects are counted, without this many that were
    /// counted before.
    pub(super) uncounted: Option<u32>,
}

impl<'a, 'py> Decoder<'a, 'py> {
    /// A decoder of the rest of `reader`, with the objects of the request that is open.
    pub(crate) fn new(
        py: Python<'py>,
        addon: &'a Arc<LoadedAddon>,
        generation: &'a Arc<HostGeneration>,
        mut reader: ValueReader<'a>,
        request: Option<&'a RequestObjects>,
    ) -> PyResult<Self> {
        let grown = request.map_or(0, |request| request.grown.get());
        if grown > 0 {
            reader.set_values_left(addon.config.limits.values.saturating_sub(grown));
        }
        Ok(Self {
            py,
            names: Names::get(py)?,
            addon,
            generation,
            reader,
            compounds: Vec::new(),
            rare: None,
            arguments: Vec::new(),
            request,
            pace: Pace::default(),
            counted: 0,
            uncounted: None,
        })
    }

    /// Has this decoder skip the values, and count the objects in them except the first ones.
    #[cold]
    pub(crate) const fn count_after(mut self, first: u32) -> Self {
        self.uncounted = Some(first);
        self.reader.pause();
        self
    }

    /// The error for a value of the wrong kind. A skipped value is None and no violation.
    pub(crate) fn unexpected(&self, what: &str) -> PyErr {
        match self.uncounted {
            Some(_) => fallible::memory(),
            None => errors::violation(what),
        }
    }

    /// The number of objects that were counted so far, if a part of the message was not read.
    pub(crate) fn unread_after(&self) -> Option<u32> {
        (self.reader.remaining() > 0 && !errors::is_breach()).then_some(self.counted)
    }

    /// Pauses: checks signals and the deadline, and lets other threads run.
    #[cold]
    pub(super) fn pause(&mut self) -> PyResult<()> {
        self.reader.resume();
        let deadline = self.request.and_then(|request| request.deadline);
        self.pace.pause(self.py, &self.addon.config, deadline)
    }

    /// Counts values that are about to be added to a list.
    pub(super) fn grow(&mut self, values: usize) -> PyResult<()> {
        let values = u32::try_from(values).unwrap_or(u32::MAX);
        self.reader.spend(values).map_err(errors::protocol)
    }

    /// Counts the values that a write-back added to a container of the request, until the call ends.
    pub(super) fn changed_length(&self, before: usize, now: usize) {
        if let Some(request) = self.request {
            let difference = |more: usize, less: usize| {
                u32::try_from(more.saturating_sub(less)).unwrap_or(u32::MAX)
            };
            let grown = request.grown.get().saturating_add(difference(now, before));
            request
                .grown
                .set(grown.saturating_sub(difference(before, now)));
        }
    }

    pub(super) fn rare_state(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The number of compounds of the request.
    pub(super) fn request_count(&self) -> usize {
        self.request.map_or(0, |request| request.compounds.len())
    }

    /// The objects of the request that this message answers, or that is open while the host asks this.
    pub(super) const fn request(&self) -> Option<&'a RequestObjects> {
        self.request
    }

    /// A compound of the request, by its number.
    pub(super) fn request_object(&self, index: u32) -> PyResult<Bound<'py, PyAny>> {
        let compounds = self.request.map(|request| &request.compounds);
        match compounds.and_then(|compounds| compounds.get(index as usize)) {
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
        if let Some(rare) = &mut self.rare {
            rare.open_errors.clear();
        }
    }

    #[inline]
    pub(crate) fn value(&mut self) -> PyResult<Bound<'py, PyAny>> {
        if self.reader.is_paused() {
            return self.value_after_pause();
        }
        let token = self.reader.next().map_err(errors::protocol)?;
        self.token(token)
    }

    #[cold]
    fn value_after_pause(&mut self) -> PyResult<Bound<'py, PyAny>> {
        if self.uncounted.is_some() {
            self.count_objects()?;
            return Ok(PyNone::get(self.py).to_owned().into_any());
        }
        self.pause()?;
        let token = self.reader.next().map_err(errors::protocol)?;
        self.token(token)
    }

    /// Skips a value, and counts the objects in it: those of the host are released.
    fn count_objects(&mut self) -> PyResult<()> {
        let mut reader = self.reader.clone();
        let mut left = self.uncounted.unwrap_or(0);
        let walked = reader.walk(|token| {
            let mut memory = None;
            let ids = match *token {
                Token::Lent { id, .. } | Token::Own(id) => [Some(id), None],
                Token::Buffer { id, .. } | Token::Error { id, .. } => [id, None],
                Token::SharedBuffer { id, region, .. } => {
                    memory = self.is_own(region).then_some(region.id);
                    [Some(region.id), id]
                }
                Token::SharedText(region) => [Some(region.id), None],
                _ => return,
            };
            for id in ids.into_iter().flatten() {
                if left > 0 {
                    left -= 1;
                } else if memory == Some(id) {
                    drop(self.generation.memory_came_back(self.py, id));
                    memory = None;
                } else if matches!(token, Token::Own(_)) {
                    drop(self.generation.came_back(self.py, id));
                } else {
                    self.generation.release(Release {
                        id,
                        received: 1,
                        returned: 0,
                    });
                }
            }
        });
        self.uncounted = Some(left);
        self.reader = reader;
        self.reader.pause();
        walked.map_err(errors::protocol)
    }

    /// The argument of a call at this position.
    #[inline]
    pub(crate) fn argument(&mut self, position: u32) -> PyResult<Bound<'py, PyAny>> {
        let first = self.compounds.len();
        let value = self.value()?;
        if self.compounds.len() > first {
            push(&mut self.arguments, (position, first))?;
        }
        Ok(value)
    }

    /// The containers of this block, for finding what Python changes in them.
    #[inline]
    pub(crate) fn received(&self) -> PyResult<Option<Rc<Received>>> {
        if self.compounds.is_empty() {
            return Ok(None);
        }
        let kind_of = |index: usize, object: &Bound<'_, PyAny>| {
            if object.is_exact_instance_of::<PyList>() {
                let rare = self.rare.as_ref();
                let unhashable =
                    rare.and_then(|rare| rare.unhashable.iter().find(|entry| entry.0 == index));
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
            Token::Int32(number) => int(py, i64::from(number))?,
            Token::Int64(number) => int(py, number)?,
            Token::Float(float) => number(py, float)?,
            Token::Str(text) => fallible::string(py, text)?.into_any(),
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
            Token::SharedText(region) => self.shared_text(region),
            Token::Date(milliseconds) => self.date(milliseconds),
            Token::ArrayI32 { items, .. } => {
                self.packed(items.iter().map(move |item| int(py, i64::from(item))))
            }
            Token::ArrayF64 { items, .. } => {
                self.packed(items.iter().map(move |item| number(py, item)))
            }
            Token::Map { count, .. } => self.map(count),
            Token::Set { count, .. } => self.set(count),
            Token::Buffer {
                element, id, bytes, ..
            } => self.copied_buffer(element, id, bytes),
            Token::SharedBuffer {
                element,
                id,
                writable,
                region,
                ..
            } => self.shared_buffer(element, id, writable, region),
            Token::Error { id, class, .. } => self.error(id, class),
            Token::Ref(index) => match self.compounds.get(index as usize) {
                Some(Some(known)) => Ok(known.clone()),
                _ => self.open_error(index as usize),
            },
            Token::RequestObject(index) => self.request_object(index),
            _ => Err(errors::violation("a value that is not allowed here")),
        }
    }

    fn bigint(&self, negative: bool, words: Words<'_>) -> PyResult<Bound<'py, PyAny>> {
        let bytes = fallible::bytes(self.py, words.as_bytes())?;
        let from_bytes = self.names.int_from_bytes.bind(self.py);
        let size = from_bytes.call1((bytes, intern!(self.py, "little")))?;
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

    /// A lent Python object that the host refers to.
    fn own(&mut self, id: SlotId) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let Some((object, gone)) = self.generation.came_back(py, id) else {
            return Err(self.unknown());
        };
        self.counted += 1;
        let object = object.into_bound(py);
        drop(gone);
        let class = object.get_type();
        if class.is(&self.names.exposed) || class.is(&self.names.by_ref) {
            return object.getattr(intern!(py, "target"));
        }
        Ok(object)
    }

    /// The error for an unknown id: it was never lent, or the tables were emptied because the process
    /// has died since.
    #[cold]
    pub(super) fn unknown(&self) -> PyErr {
        if self.generation.is_dead() {
            return self.addon.ended(self.generation);
        }
        errors::violation("a Python object that was never lent to it")
    }

    fn lent(&mut self, id: SlotId, kind: u8, class: u32) -> PyResult<Bound<'py, PyAny>> {
        let Some(kind) = HostKind::from_code(kind) else {
            return Err(errors::violation("an unknown kind of object"));
        };
        if id.get() > self.generation.limits.lent_objects {
            return Err(errors::violation("an id beyond the limit of lent objects"));
        }
        self.counted += 1;
        proxy::proxy(self.py, self.addon, self.generation, (id, kind, class))
    }
}

/// A JavaScript number: an int when it is integral, below 2^53 in size and not −0.
#[inline]
pub(crate) fn number(py: Python<'_>, number: f64) -> PyResult<Bound<'_, PyAny>> {
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
        fallible::float(py, number)
    }
}

pub(super) fn utf16<'py>(py: Python<'py>, units: Units<'_>) -> PyResult<Bound<'py, PyAny>> {
    let how = (intern!(py, "utf-16-le"), intern!(py, "surrogatepass"));
    fallible::bytes(py, units.as_bytes())?.call_method1(intern!(py, "decode"), how)
}

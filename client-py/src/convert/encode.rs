//! Python → wire: scalars, identity, and the order of the rules. Containers are in `container.rs`,
//! other objects in `other.rs`.

use std::sync::Arc;

use hostd_protocol::error::ProtocolError;
use hostd_protocol::limits::LimitKind;
use hostd_protocol::memory::{SHARED_MIN, shared_min};
use hostd_protocol::value::{COMPOUND_VALUES, ClientKind, PAUSE_VALUES, ValueWriter};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyNone, PySet,
    PyString, PyTuple, PyType,
};
use pyo3::{PyTypeInfo, intern};
use rustc_hash::FxHashMap;

use super::addresses::Addresses;
use super::callable::form_of_function;
use super::objects::RequestObjects;
use super::pace::{PAUSE_ITEMS, Pace};
use super::place::{Place, Step};
use crate::addon::LoadedAddon;
use crate::call::call;
use crate::errors;
use crate::exporter;
use crate::fallible::{self, push};
use crate::generation::{HostGeneration, Lending};
use crate::names::Names;

/// Writes one block of values.
pub(crate) struct Encoder<'a, 'py> {
    pub(super) py: Python<'py>,
    pub(super) names: &'py Names,
    pub(crate) addon: &'a Arc<LoadedAddon>,
    pub(crate) generation: &'a Arc<HostGeneration>,
    pub(crate) out: ValueWriter<'a>,
    pub(super) objects: &'a mut RequestObjects,
    by_address: Addresses,
    /// In a write-back block, the numbers of the containers of the host's request by their addresses.
    received: Option<&'a FxHashMap<usize, u32>>,
    /// The values that may be written before the next pause.
    values_left: u32,
    /// The values that may be written after it.
    values_beyond: u32,
    pace: Pace,
    /// Conversions by a converter or a property that are open inside each other.
    conversions: u32,
    /// The path to the value that could not be written.
    pub(super) place: Place,
}

/// The most conversions that may be open inside each other: a converter that returns its argument
/// would not end.
const CONVERSIONS_MAX: u32 = 64;

/// The most bytes of a value without text or bytes, which reserve their own room.
const VALUE_BYTES: usize = 16;

/// Writes a value and returns, if it is of one of these types.
macro_rules! write_as {
    ($self:ident, $value:ident, $cast:ident: $($type:ty => $write:ident),*) => {
        $(if let Ok(value) = $value.$cast::<$type>() {
            return $self.$write(value);
        })*
    };
}

const MAX_SAFE: i64 = (1 << 53) - 1;

impl<'a, 'py> Encoder<'a, 'py> {
    pub(crate) fn new(
        py: Python<'py>,
        addon: &'a Arc<LoadedAddon>,
        generation: &'a Arc<HostGeneration>,
        out: ValueWriter<'a>,
        objects: &'a mut RequestObjects,
    ) -> PyResult<Self> {
        Ok(Self {
            py,
            names: Names::get(py)?,
            addon,
            generation,
            out,
            objects,
            by_address: Addresses::default(),
            received: None,
            values_left: generation.limits.values.min(PAUSE_VALUES),
            values_beyond: generation.limits.values.saturating_sub(PAUSE_VALUES),
            pace: Pace::default(),
            conversions: 0,
            place: Place::default(),
        })
    }

    /// In a write-back block, the containers of the request are named by their numbers.
    pub(crate) fn with_received(self, received: &'a FxHashMap<usize, u32>) -> Self {
        Self {
            received: Some(received),
            ..self
        }
    }

    /// The arguments of a call, with their count: keyword arguments are one trailing object.
    pub(crate) fn arguments(
        &mut self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        let kwargs = kwargs.filter(|kwargs| !kwargs.is_empty());
        let count = args.len() + usize::from(kwargs.is_some());
        self.out.put_u32(u32::try_from(count)?);
        for position in 0..args.len() {
            let argument = args.get_borrowed_item(position)?;
            self.value_at(argument.as_any(), || Step::Argument(position + 1))?;
        }
        if let Some(kwargs) = kwargs {
            self.value(kwargs.as_any())
                .map_err(|error| self.place.keyword(error))?;
        }
        Ok(())
    }

    /// A value; if it can't be written, its error names this step.
    #[inline]
    pub(super) fn value_at(
        &mut self,
        value: &Bound<'py, PyAny>,
        step: impl FnOnce() -> Step,
    ) -> PyResult<()> {
        self.value(value)
            .map_err(|error| self.place.inside(step(), error))
    }

    /// Adds the path to the value that could not be written to its error.
    #[cold]
    pub(crate) fn locate(&mut self, error: PyErr) -> PyErr {
        self.place.locate(self.py, error)
    }

    #[inline]
    pub(crate) fn value(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        self.spend(1)?;
        write_as!(self, value, cast_exact: PyInt => int, PyString => string, PyFloat => float);
        if value.is_exact_instance_of::<PyNone>() {
            self.out.null();
            return Ok(());
        }
        if let Ok(flag) = value.cast_exact::<PyBool>() {
            self.out.boolean(flag.is_true());
            return Ok(());
        }
        write_as!(self, value, cast_exact: PyList => list, PyDict => dict);
        self.less_common(value)
    }

    #[inline(never)]
    fn less_common(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        if value.is(&self.names.undefined) {
            self.out.undefined();
            return Ok(());
        }
        write_as!(self, value, cast_exact: PyBytes => bytes);
        // Most callbacks are functions.
        if value.get_type_ptr().cast() == self.names.function.as_ptr() {
            return match self.converter(value)? {
                Some(convert) => self.converted(value, &convert),
                None => self.callable(value, form_of_function(value)?),
            };
        }
        if self.proxy(value)? {
            return Ok(());
        }
        write_as!(self, value, cast_exact: PyTuple => tuple);
        if value.is_exact_instance_of::<PyByteArray>() {
            return self.buffer(value, exporter::view(value)?).map(|_| ());
        }
        if let Ok(int) = value.cast::<PyInt>()
            && value.get_type().is(&self.names.bigint)
        {
            return self.bigint(int);
        }
        if let Some(convert) = self.converter(value)? {
            return self.converted(value, &convert);
        }
        let metaclass = value.get_type().get_type();
        if !metaclass.is(PyType::type_object(self.py))
            && value.is_instance(self.names.enumeration.bind(self.py))?
        {
            return self.converted(value, self.names.enum_value.bind(self.py));
        }
        write_as!(self, value, cast: PyInt => int, PyString => string, PyFloat => float);
        write_as!(self, value, cast: PyTuple => tuple, PyList => list, PyDict => dict);
        if let Ok(set) = value.cast::<PySet>() {
            return self.set(set.as_any(), set.len(), &self.names.set_iter);
        }
        if let Ok(set) = value.cast::<PyFrozenSet>() {
            return self.set(set.as_any(), set.len(), &self.names.frozenset_iter);
        }
        write_as!(self, value, cast: PyBytes => bytes);
        if value.is_instance_of::<PyByteArray>() {
            return self.buffer(value, exporter::view(value)?).map(|_| ());
        }
        self.other(value)
    }

    /// The converter that was registered for the class of a value, if there is one.
    fn converter(&self, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.names.converters.bind(self.py).is_empty() {
            return Ok(None);
        }
        let found = call(self.names.converter_of.bind(self.py), (value.get_type(),))?;
        Ok((!found.is_none()).then_some(found))
    }

    /// Writes the result of a converter in the place of a value.
    fn converted(
        &mut self,
        value: &Bound<'py, PyAny>,
        convert: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        if self.known(value) {
            return Ok(());
        }
        let replacement = call(convert, (value,))?;
        self.replaced(value, &replacement)
    }

    /// Writes another value in the place of one; both are the same object in this block.
    pub(super) fn replaced(
        &mut self,
        value: &Bound<'py, PyAny>,
        replacement: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        if self.conversions == CONVERSIONS_MAX {
            let class = value.get_type().name()?;
            return Err(self.place.refuse(&format!(
                "converting type {class} does not end after {CONVERSIONS_MAX} conversions; return \
                 plain data from its converter"
            )));
        }
        self.conversions += 1;
        self.value(replacement)?;
        self.conversions -= 1;
        if let Some(index) = self.by_address.get(replacement.as_ptr() as usize) {
            self.by_address.insert(value.as_ptr() as usize, index)?;
            // Its address means this object until the block is written.
            push(&mut self.objects.proxies, value.clone().unbind())?;
        }
        Ok(())
    }

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all writers have one shape")]
    fn float(&mut self, float: &Bound<'py, PyFloat>) -> PyResult<()> {
        self.out.float(float.value());
        Ok(())
    }

    /// An int: a number up to 2^53, else a bigint.
    #[inline]
    pub(super) fn int(&mut self, int: &Bound<'py, PyInt>) -> PyResult<()> {
        match int.extract::<i64>() {
            Ok(number) if (-MAX_SAFE..=MAX_SAFE).contains(&number) => {
                self.out.integer(number);
                Ok(())
            }
            _ => self.bigint(int),
        }
    }

    /// An int of any size, as a bigint.
    pub(super) fn bigint(&mut self, int: &Bound<'py, PyInt>) -> PyResult<()> {
        if let Ok(number) = int.extract::<i64>() {
            let words = [number.unsigned_abs()];
            let words = if number == 0 { &words[..0] } else { &words[..] };
            return wire(self.out.bigint(number < 0, words));
        }
        let negative = int.lt(0)?;
        let magnitude = if negative {
            int.neg()?
        } else {
            int.clone().into_any()
        };
        // The method of int itself, not of a subclass.
        let bits = self
            .names
            .int_bit_length
            .bind(self.py)
            .call1((&magnitude,))?;
        let bits: usize = bits.extract()?;
        let length = i64::try_from(bits.div_ceil(64) * 8)?;
        let little = intern!(self.py, "little");
        let bytes = self.names.int_to_bytes.bind(self.py).call1((
            magnitude,
            fallible::int(self.py, length)?,
            little,
        ))?;
        let words = bytes.cast::<PyBytes>()?.as_bytes().as_chunks::<8>().0;
        wire(self.out.bigint_le(negative, words))
    }

    /// A string; lone surrogates survive.
    #[inline]
    pub(crate) fn string(&mut self, text: &Bound<'py, PyString>) -> PyResult<()> {
        match text.to_str() {
            Ok(text) if text.len() < shared_min(SHARED_MIN) => wire(self.out.str(text)),
            Ok(text) => self.long_text(text),
            Err(_) => self.string_with_surrogates(text),
        }
    }

    #[cold]
    fn string_with_surrogates(&mut self, text: &Bound<'py, PyString>) -> PyResult<()> {
        let py = self.py;
        let how = (text, intern!(py, "utf-16-le"), intern!(py, "surrogatepass"));
        let bytes = self.names.str_encode.bind(py).call1(how)?;
        let bytes = bytes.cast_into::<PyBytes>()?;
        let units = bytes.as_bytes().as_chunks::<2>().0;
        wire(
            self.out
                .str16(units.iter().map(|unit| u16::from_le_bytes(*unit))),
        )
    }

    // Identity.

    /// Writes a reference if this object came earlier in the block.
    pub(super) fn known(&mut self, object: &Bound<'py, PyAny>) -> bool {
        let address = object.as_ptr() as usize;
        if let Some(index) = self.received.and_then(|received| received.get(&address)) {
            self.out.request_object(*index);
            return true;
        }
        match self.by_address.get(address) {
            Some(index) => {
                self.out.reference(index);
                true
            }
            None => false,
        }
    }

    /// Gives an object the number of the compound that was just opened.
    pub(super) fn number(&mut self, object: &Bound<'py, PyAny>) -> PyResult<()> {
        let index = self.anonymous(object)?;
        self.by_address.insert(object.as_ptr() as usize, index)
    }

    /// As [`Self::number`], for an object that stands for another one, which is written back.
    pub(super) fn number_as(
        &mut self,
        wrapper: &Bound<'py, PyAny>,
        source: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let index = self.anonymous(source)?;
        self.by_address.insert(wrapper.as_ptr() as usize, index)?;
        push(&mut self.objects.proxies, wrapper.clone().unbind())
    }

    /// As [`Self::number`]; empty ones that are equal are one object in Python, and are never referred
    /// to.
    pub(super) fn number_unless(
        &mut self,
        is_empty: bool,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        if is_empty {
            self.anonymous(object).map(drop)
        } else {
            self.number(object)
        }
    }

    /// The number of the compound that was just opened, which is never referred to.
    fn anonymous(&mut self, object: &Bound<'py, PyAny>) -> PyResult<u32> {
        self.spend(COMPOUND_VALUES - 1)?;
        let index = u32::try_from(self.objects.compounds.len()).unwrap_or(u32::MAX);
        push(&mut self.objects.compounds, object.clone().unbind())?;
        Ok(index)
    }

    pub(crate) fn lend(
        &mut self,
        object: &Bound<'py, PyAny>,
        kind: ClientKind,
    ) -> PyResult<Lending> {
        self.spend(COMPOUND_VALUES - 1)?;
        fallible::reserve(&mut self.objects.lent, 1)?;
        let lending = wire(self.generation.lend(object, kind))?;
        self.objects.lent.push(lending.id);
        Ok(lending)
    }

    /// Counts a lent object once more; false if the host has released it since.
    pub(crate) fn lend_again(&mut self, lending: Lending) -> PyResult<bool> {
        fallible::reserve(&mut self.objects.lent, 1)?;
        let is_lent = wire(self.generation.lend_again(lending))?;
        if is_lent {
            self.objects.lent.push(lending.id);
        }
        Ok(is_lent)
    }

    /// Counts values against the limit of a message.
    #[inline]
    pub(super) fn spend(&mut self, values: u32) -> PyResult<()> {
        match self.values_left.checked_sub(values) {
            Some(left) => {
                self.values_left = left;
                Ok(())
            }
            None => self.spend_beyond(values),
        }
    }

    /// The number of values that the message may still have.
    pub(super) const fn values_left(&self) -> u32 {
        self.values_left.saturating_add(self.values_beyond)
    }

    #[cold]
    fn spend_beyond(&mut self, values: u32) -> PyResult<()> {
        let Some(left) = self.values_left().checked_sub(values) else {
            return Err(errors::limit(
                LimitKind::Values,
                u64::from(self.generation.limits.values),
            ));
        };
        self.values_left = left.min(PAUSE_VALUES);
        self.values_beyond = left - self.values_left;
        self.pause()
    }

    /// Pauses, and reserves room for the values until the next pause.
    #[cold]
    pub(super) fn pause(&mut self) -> PyResult<()> {
        if self.objects.deadline.is_none() {
            self.objects.deadline = self.addon.deadline(self.py, None)?;
        }
        let deadline = self.objects.deadline;
        self.pace.pause(self.py, &self.addon.config, deadline)?;
        wire(self.out.reserve(PAUSE_ITEMS * VALUE_BYTES))
    }

    /// Uncounts the values of an attempt.
    pub(super) fn unspend(&mut self, values: u32) {
        self.values_left = self.values_left.saturating_add(values);
    }
}

#[inline]
pub(super) fn wire<T>(result: Result<T, ProtocolError>) -> PyResult<T> {
    result.map_err(errors::protocol)
}

/// The error for a container that changed while it was read.
#[cold]
pub(super) fn changed(what: &str) -> PyErr {
    errors::raised::<PyRuntimeError>(format!(
        "a {what} changed while it was converted: the conversion of one of its elements ran Python \
         code that changed it"
    ))
}

//! The parts of bodies on this side: what the holes are in Python, and how they are read and written.

use std::marker::PhantomData;

use hostd_protocol::error::Result as Carried;
use hostd_protocol::ids::SlotId;
use hostd_protocol::parts::{AnyValue, Arguments, PartReader, PartWriter, PropertyKey, Put, Side};
use hostd_protocol::value::{ValueReader, ValueWriter};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};

use super::decode::Decoder;
use super::encode::{Encoder, wire};
use super::place::{Step, shown};
use crate::fallible;
use crate::generation::LentObject;

pub(crate) struct ClientSide<'py>(PhantomData<&'py ()>);

impl<'py> Side for ClientSide<'py> {
    type Error = PyErr;
    type Value = Bound<'py, PyAny>;
    /// None for a symbol, which is no name of a Python attribute.
    type Key = Option<Bound<'py, PyString>>;
    /// The id, and the object if it is lent.
    type Target = (SlotId, Option<LentObject>);
    type Received = SlotId;
    type Arguments = Bound<'py, PyTuple>;
}

impl<'py> PartReader for Decoder<'_, 'py> {
    type Side = ClientSide<'py>;

    #[inline]
    fn field<T>(&mut self, take: impl FnOnce(&mut ValueReader<'_>) -> Carried<T>) -> PyResult<T> {
        wire(take(&mut self.reader))
    }

    #[inline]
    fn value(&mut self) -> PyResult<Bound<'py, PyAny>> {
        self.value()
    }

    fn key(&mut self) -> PyResult<Option<Bound<'py, PyString>>> {
        match self.value()?.cast_into::<PyString>() {
            Ok(name) => Ok(Some(name)),
            // An index arrives as a number.
            Err(other) => match other.into_inner().cast_into::<PyInt>() {
                Ok(index) => index.str().map(Some),
                Err(_) => Ok(None),
            },
        }
    }

    #[inline]
    fn target(&mut self, id: SlotId) -> PyResult<(SlotId, Option<LentObject>)> {
        Ok((id, self.generation.lent(self.py, id)))
    }

    fn received(&mut self, id: SlotId) -> PyResult<SlotId> {
        Ok(id)
    }

    fn arguments(&mut self, count: u32) -> PyResult<Bound<'py, PyTuple>> {
        // Few arguments, as most callbacks have, need no list beside the tuple.
        match count {
            0 => Ok(PyTuple::empty(self.py)),
            1 => fallible::tuple_of(self.py, [self.argument(0)?]),
            2 => fallible::tuple_of(self.py, [self.argument(0)?, self.argument(1)?]),
            _ => {
                let arguments = fallible::list(self.py)?;
                for place in 0..count {
                    arguments.append(self.argument(place)?)?;
                }
                fallible::tuple(&arguments)
            }
        }
    }
}

impl PartWriter for Encoder<'_, '_> {
    type Error = PyErr;

    #[inline]
    fn field(&mut self, put: impl FnOnce(&mut ValueWriter<'_>) -> Carried) -> PyResult<()> {
        wire(put(&mut self.out))
    }
}

/// What can be written as the part `P`.
pub(crate) trait Writable<'py, P>: for<'a> Put<P, Encoder<'a, 'py>> {}

impl<'py, P, T: for<'a> Put<P, Encoder<'a, 'py>>> Writable<'py, P> for T {}

impl<'py> Put<AnyValue, Encoder<'_, 'py>> for Bound<'py, PyAny> {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        body.value(self)
    }
}

impl<'py> Put<PropertyKey, Encoder<'_, 'py>> for Bound<'py, PyAny> {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        body.value(self)
    }
}

impl<'py> Put<PropertyKey, Encoder<'_, 'py>> for Bound<'py, PyString> {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        body.string(self)
    }
}

/// A value with its name for errors.
pub(crate) struct Named<'a, 'py>(pub(crate) &'a Bound<'py, PyAny>, pub(crate) &'a str);

impl<'py> Put<AnyValue, Encoder<'_, 'py>> for Named<'_, 'py> {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        body.value_at(self.0, || Step::Named(self.1.to_owned()))
    }
}

/// The value of an attribute or a property, and its key.
pub(crate) struct Attribute<'a, 'py>(
    pub(crate) &'a Bound<'py, PyAny>,
    pub(crate) &'a Bound<'py, PyAny>,
);

impl<'py> Put<AnyValue, Encoder<'_, 'py>> for Attribute<'_, 'py> {
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        body.value_at(self.0, || {
            Step::Named(format!("attribute {}", shown(self.1)))
        })
    }
}

/// An argument, and its number, counted from 1.
pub(crate) struct Argument<'a, 'py>(pub(crate) &'a Bound<'py, PyAny>, pub(crate) usize);

impl<'py> Put<AnyValue, Encoder<'_, 'py>> for Argument<'_, 'py> {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        body.value_at(self.0, || Step::Argument(self.1))
    }
}

pub(crate) struct Undefined;

impl Put<AnyValue, Encoder<'_, '_>> for Undefined {
    fn put(&self, body: &mut Encoder<'_, '_>) -> PyResult<()> {
        body.out.undefined();
        Ok(())
    }
}

pub(crate) type CallArguments<'a, 'py> = (&'a Bound<'py, PyTuple>, Option<&'a Bound<'py, PyDict>>);

impl<'py> Put<Arguments, Encoder<'_, 'py>> for CallArguments<'_, 'py> {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        body.arguments(self.0, self.1)
    }
}

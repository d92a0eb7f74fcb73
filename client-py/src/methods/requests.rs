//! The requests about one object of the host.

use std::sync::Arc;

use hostd_protocol::calls::CallKind;
use hostd_protocol::message::{self, Description};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::convert::Encoder;
use crate::errors;
use crate::exchange::{self, Request};
use crate::fallible;
use crate::names;
use crate::proxy::{JSFunction, Reference};

impl<'a> Reference<'a> {
    #[inline]
    fn spec(self, call: CallKind, export: Option<&'a Arc<str>>) -> Request<'a> {
        Request {
            home: self.home(),
            export,
            ..Request::of(call)
        }
    }

    #[inline]
    fn put(self, encoder: &mut Encoder<'_, '_>) -> PyResult<()> {
        let id = self.id_in(encoder.addon, encoder.generation)?;
        encoder.out.put_u32(id.get());
        Ok(())
    }

    fn put_own(self, encoder: &mut Encoder<'_, '_>) -> PyResult<()> {
        let id = self.id_in(encoder.addon, encoder.generation)?;
        encoder.out.own(id);
        Ok(())
    }

    /// Calls it as a function; `this` is an object of the host, or undefined.
    #[inline]
    pub(crate) fn call<'py>(
        self,
        py: Python<'py>,
        name: Option<&'a Arc<str>>,
        this: Option<Reference<'_>>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.addon().request(
            py,
            self.spec(CallKind::Call, name),
            |encoder| {
                self.put(encoder)?;
                match this {
                    None => encoder.out.put_u8(0),
                    Some(this) => {
                        encoder.out.put_u8(1);
                        this.put_own(encoder)?;
                    }
                }
                encoder.arguments(args, kwargs)
            },
            exchange::value,
        )
    }

    /// Calls it with `this` of any kind.
    pub(crate) fn call_with<'py>(
        self,
        py: Python<'py>,
        this: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.addon().request(
            py,
            self.spec(CallKind::Call, None),
            |encoder| {
                self.put(encoder)?;
                encoder.out.put_u8(1);
                encoder.named(this, "this")?;
                encoder.arguments(args, kwargs)
            },
            exchange::value,
        )
    }

    /// `new self(...args)`
    pub(crate) fn construct<'py>(
        self,
        py: Python<'py>,
        name: Option<&'a Arc<str>>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.addon().request(
            py,
            self.spec(CallKind::Construct, name),
            |encoder| {
                self.put(encoder)?;
                encoder.arguments(args, kwargs)
            },
            exchange::value,
        )
    }

    /// `self[key](...args)`
    pub(crate) fn call_method<'py>(
        self,
        key: &Bound<'py, PyString>,
        label: &'a Arc<str>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.addon().request(
            key.py(),
            self.spec(CallKind::CallMethod, Some(label)),
            |encoder| {
                self.put(encoder)?;
                encoder.string(key)?;
                encoder.arguments(args, kwargs)
            },
            exchange::value,
        )
    }

    /// `self[key]`, None if there is no such property.
    pub(crate) fn get<'py>(self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.addon().request(
            key.py(),
            self.spec(CallKind::Get, None),
            |encoder| {
                self.put(encoder)?;
                encoder.value(key)
            },
            |decoder| {
                let present = decoder.reader.take_bool().map_err(errors::protocol)?;
                let value = decoder.value()?;
                Ok(present.then_some(value))
            },
        )
    }

    /// `self[key] = value`; a refused set raises.
    pub(crate) fn set<'py>(
        self,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        self.addon().request(
            key.py(),
            self.spec(CallKind::Set, None),
            |encoder| {
                self.put(encoder)?;
                encoder.value(key)?;
                encoder.attribute(value, key)
            },
            |_| Ok(()),
        )
    }

    /// `delete self[key]` or `key in self`.
    pub(crate) fn test(self, call: CallKind, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.addon().request(
            key.py(),
            self.spec(call, None),
            |encoder| {
                self.put(encoder)?;
                encoder.value(key)
            },
            |decoder| decoder.reader.take_bool().map_err(errors::protocol),
        )
    }

    /// Names of its properties: its own, or all along the prototypes.
    pub(crate) fn keys(self, py: Python<'_>, mode: u8) -> PyResult<Bound<'_, PyList>> {
        self.addon().request(
            py,
            self.spec(CallKind::Keys, None),
            |encoder| {
                self.put(encoder)?;
                encoder.out.put_u8(mode);
                Ok(())
            },
            |decoder| {
                let names = decoder.value()?;
                match names.cast_into_exact::<PyList>() {
                    Ok(names) if names.iter().all(|name| name.is_instance_of::<PyString>()) => {
                        Ok(names)
                    }
                    _ => Err(decoder.unexpected("keys that are not a list of strings")),
                }
            },
        )
    }

    /// `String(self)`
    pub(crate) fn text(self, py: Python<'_>) -> PyResult<Bound<'_, PyString>> {
        self.addon().request(
            py,
            self.spec(CallKind::Coerce, None),
            |encoder| {
                self.put(encoder)?;
                encoder.out.put_u8(0);
                Ok(())
            },
            |decoder| {
                let text = decoder.value()?.cast_into::<PyString>();
                text.map_err(|_| decoder.unexpected("the text of an object that is not a string"))
            },
        )
    }

    /// The names of properties for `dir()`, which tools print: those that are safe to show unchanged.
    pub(crate) fn shown_keys(self, py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
        let shown = fallible::list(py)?;
        for key in self.keys(py, 1)? {
            let name = key.cast::<PyString>()?;
            if name
                .to_str()
                .is_ok_and(|name| names::is_shown_as_is(py, name))
            {
                shown.append(key)?;
            }
        }
        Ok(shown)
    }

    /// A request without arguments whose reply is a value.
    pub(crate) fn value_of(self, py: Python<'_>, call: CallKind) -> PyResult<Bound<'_, PyAny>> {
        self.addon().request(
            py,
            self.spec(call, None),
            |encoder| self.put(encoder),
            exchange::value,
        )
    }

    /// The next value of an iterator, None at its end.
    pub(crate) fn next(self, py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
        self.addon().request(
            py,
            self.spec(CallKind::Next, None),
            |encoder| self.put(encoder),
            |decoder| {
                let done = decoder.reader.take_bool().map_err(errors::protocol)?;
                let value = decoder.value()?;
                Ok((!done).then_some(value))
            },
        )
    }

    /// Calls an iterator's `return`.
    pub(crate) fn close_iterator(self, py: Python<'_>) -> PyResult<()> {
        self.addon().request(
            py,
            self.spec(CallKind::CloseIterator, None),
            |encoder| self.put(encoder),
            |_| Ok(()),
        )
    }

    /// The description of the class with this id, or of the object itself.
    pub(crate) fn describe(self, py: Python<'_>, class: Option<u32>) -> PyResult<Description> {
        self.addon().request(
            py,
            self.spec(CallKind::Describe, None),
            |encoder| {
                let Some(class) = class else {
                    encoder.out.put_u8(0);
                    return self.put(encoder);
                };
                encoder.out.put_u8(1);
                encoder.out.put_u32(class);
                Ok(())
            },
            |decoder| message::read(&mut decoder.reader).map_err(errors::protocol),
        )
    }

    /// `value instanceof self`
    pub(crate) fn is_instance(self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.addon().request(
            value.py(),
            self.spec(CallKind::InstanceOf, None),
            |encoder| {
                encoder.value(value)?;
                self.put(encoder)
            },
            |decoder| decoder.reader.take_bool().map_err(errors::protocol),
        )
    }
}

/// An attribute of a proxy: a property. A function is bound to the proxy, as when JavaScript calls
/// `object.name()`, but for `constructor`, which keeps the identity of the class.
pub(crate) fn attribute<'py>(
    owner: &Bound<'py, PyAny>,
    reference: Reference<'_>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(value) = reference.get(name.as_any())? else {
        return Err(errors::no_attribute(owner, name));
    };
    match value.cast_into::<JSFunction>() {
        Ok(function) if *name == "constructor" => Ok(function.into_any()),
        Ok(function) => JSFunction::bound(&function, owner, name),
        Err(error) => Ok(error.into_inner()),
    }
}

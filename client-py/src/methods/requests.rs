//! The requests about one object of the host.

use std::sync::Arc;

use hostd_protocol::calls::{self, ReplyOf, TypedCall};
use hostd_protocol::ids::SlotId;
use hostd_protocol::message::Description;
use hostd_protocol::parts::{AnyValue, Put, Target};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::adopt::adopt_for_constructor;
use crate::convert::{Attribute, CallArguments, ClientSide, Encoder, Named, Writable};
use crate::errors;
use crate::exchange::{Operation, Request};
use crate::fallible;
use crate::names;
use crate::proxy::{JSFunction, Reference, function};
use crate::rebound;

impl Put<Target, Encoder<'_, '_>> for Reference<'_> {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, '_>) -> PyResult<()> {
        Put::<SlotId, _>::put(self, body)
    }
}

impl Put<SlotId, Encoder<'_, '_>> for Reference<'_> {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, '_>) -> PyResult<()> {
        Put::<SlotId, _>::put(&body.id_of(*self)?, body)
    }
}

impl Put<AnyValue, Encoder<'_, '_>> for Reference<'_> {
    fn put(&self, body: &mut Encoder<'_, '_>) -> PyResult<()> {
        let id = body.id_of(*self)?;
        body.out.own(id);
        Ok(())
    }
}

impl<'a> Reference<'a> {
    #[inline]
    pub(super) fn request<'py, C: TypedCall>(
        self,
        py: Python<'py>,
        call: C,
        body: &impl Writable<'py, C::Request>,
    ) -> PyResult<ReplyOf<C, ClientSide<'py>>> {
        self.addon().request(py, call, self.spec(None), body)
    }

    #[inline]
    fn spec(self, export: Option<&'a Arc<str>>) -> Request<'a> {
        Request {
            export,
            ..Request::to(self.home())
        }
    }

    /// Calls it as a function; `this` is an object of the host, or undefined.
    #[inline]
    pub(crate) fn call<'py>(
        self,
        py: Python<'py>,
        name: Option<&'a Arc<str>>,
        this: Option<Reference<'_>>,
        arguments: CallArguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let addon = self.addon();
        let operation = Operation::Call(self, this);
        if let Some(result) =
            addon.call_directly::<calls::Call>(py, operation, name, Some(arguments), |it| it)?
        {
            return Ok(result);
        }
        addon.request(py, calls::Call, self.spec(name), &(self, this, arguments))
    }

    /// Calls it with `this` of any kind.
    pub(crate) fn call_with<'py>(
        self,
        py: Python<'py>,
        this: &Bound<'py, PyAny>,
        arguments: CallArguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.request(
            py,
            calls::Call,
            &(self, Some(Named(this, "this")), arguments),
        )
    }

    /// `new self(...arguments)`
    pub(crate) fn construct<'py>(
        self,
        py: Python<'py>,
        name: Option<&'a Arc<str>>,
        arguments: CallArguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let defers = adopt_for_constructor(self.addon(), py)?;
        let body = (self, defers, arguments);
        self.addon()
            .request(py, calls::Construct, self.spec(name), &body)
    }

    /// `self[key](...arguments)`
    pub(crate) fn call_method<'py>(
        self,
        key: &Bound<'py, PyString>,
        label: &'a Arc<str>,
        arguments: CallArguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, addon) = (key.py(), self.addon());
        if let Ok(name) = key.to_str()
            && let Some(result) = addon.call_directly::<calls::CallMethod>(
                py,
                Operation::CallMethod(self, name),
                Some(label),
                Some(arguments),
                |it| it,
            )?
        {
            return Ok(result);
        }
        let request = self.spec(Some(label));
        addon.request(py, calls::CallMethod, request, &(self, key, arguments))
    }

    /// `self[key]`, None if there is no such property.
    pub(crate) fn get<'py>(self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        if let Ok(name) = key.cast_exact::<PyString>()
            && let Ok(name) = name.to_str()
            && let Some((is_present, value)) = self.addon().call_directly::<calls::Get>(
                py,
                Operation::Get(self, name),
                None,
                None,
                |value| (true, value),
            )?
        {
            return Ok(is_present.then_some(value));
        }
        let (is_present, value) = self.request(py, calls::Get, &(self, key))?;
        Ok(is_present.then_some(value))
    }

    /// `self[key] = value`; a refused set raises.
    pub(crate) fn set<'py>(
        self,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        self.request(key.py(), calls::Set, &(self, key, Attribute(value, key)))
    }

    /// `key in self`
    pub(crate) fn has(self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.request(key.py(), calls::Has, &(self, key))
    }

    /// `delete self[key]`
    pub(crate) fn delete(self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.request(key.py(), calls::Delete, &(self, key))
    }

    /// Names of its properties: its own, or all along the prototypes.
    pub(crate) fn keys(
        self,
        py: Python<'_>,
        along_prototypes: bool,
    ) -> PyResult<Bound<'_, PyList>> {
        let request = self.spec(None);
        let body = (self, along_prototypes);
        self.addon().request_and(
            py,
            calls::Keys,
            request,
            &body,
            |decoder, names| match names.cast_into_exact::<PyList>() {
                Ok(names) if names.iter().all(|name| name.is_instance_of::<PyString>()) => {
                    Ok(names)
                }
                _ => Err(decoder.unexpected("keys that are not a list of strings")),
            },
        )
    }

    /// `String(self)`
    pub(crate) fn text(self, py: Python<'_>) -> PyResult<Bound<'_, PyString>> {
        let request = self.spec(None);
        self.addon()
            .request_and(py, calls::Coerce, request, &(self,), |decoder, text| {
                let text = text.cast_into::<PyString>();
                text.map_err(|_| decoder.unexpected("the text of an object that is not a string"))
            })
    }

    /// The names of properties for `dir()`, which tools print: those that are safe to show unchanged.
    pub(crate) fn shown_keys(self, py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
        let shown = fallible::list(py)?;
        for key in self.keys(py, true)? {
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

    /// The next value of an iterator, None at its end.
    pub(crate) fn next(self, py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
        let (is_done, value) = self.request(py, calls::Next, &(self,))?;
        Ok((!is_done).then_some(value))
    }

    /// The description of the object.
    pub(crate) fn describe(self, py: Python<'_>) -> PyResult<Description> {
        self.request(py, calls::Describe, &(false, self))
    }
}

/// An attribute of a proxy: a property. A function is bound to the proxy, as when JavaScript calls
/// `object.name()`, but for `constructor`, which keeps the identity of the class.
pub(crate) fn attribute<'py>(
    owner: &Bound<'py, PyAny>,
    reference: Reference<'_>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    match reference.get(name.as_any())? {
        Some(value) => bound(owner, reference, value, name),
        None => Err(errors::no_attribute(owner, name)),
    }
}

/// What a property is as an attribute of its owner.
pub(super) fn bound<'py>(
    owner: &Bound<'py, PyAny>,
    reference: Reference<'_>,
    value: Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    match rebound::exported(reference, value, name)?.cast_into::<JSFunction>() {
        Ok(function) if *name == "constructor" => Ok(function.into_any()),
        Ok(function) => {
            let target = function::Target::Bound {
                function: function.unbind(),
                this: owner.clone().unbind(),
                name: name.clone().unbind(),
            };
            Ok(Bound::new(owner.py(), JSFunction { target })?.into_any())
        }
        Err(error) => Ok(error.into_inner()),
    }
}

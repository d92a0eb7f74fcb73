//! What can be done with an object of the host, whichever way Python came by it: one message each.

use std::sync::Arc;

use hostd_protocol::calls::CallKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::message::{self, Description};
use hostd_protocol::value::HostKind;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::{Handle, JSFunction};
use crate::convert::Encoder;
use crate::errors;
use crate::request::{self, Ask};
use crate::session::{Export, Session};
use crate::world::World;

/// An object of the host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reference<'a> {
    /// One that was lent: it dies with its generation.
    Lent(&'a Handle),
    /// An exported function or class: bound again by name in each generation.
    Exported(&'a Export),
    /// The exports themselves.
    Exports(&'a Arc<Session>),
}

impl<'a> Reference<'a> {
    /// The addon it belongs to.
    pub(crate) fn session(self) -> &'a Arc<Session> {
        match self {
            Self::Lent(handle) => &handle.session,
            Self::Exported(export) => &export.session,
            Self::Exports(session) => session,
        }
    }

    /// The only world it can live in, if it can't be bound again.
    pub(crate) fn home(self) -> Option<&'a Arc<World>> {
        match self {
            Self::Lent(handle) => Some(&handle.world),
            Self::Exported(..) | Self::Exports(_) => None,
        }
    }

    /// Its id in this world.
    #[inline]
    pub(crate) fn id_in(self, session: &Arc<Session>, world: &Arc<World>) -> PyResult<SlotId> {
        match self {
            Self::Lent(handle) => handle.id_in(session, world),
            Self::Exported(export) => {
                if !Arc::ptr_eq(&export.session, session) {
                    return Err(errors::another_addon(&export.session.label));
                }
                session.exported_in(world, export.number)
            }
            Self::Exports(own) => {
                if !Arc::ptr_eq(own, session) {
                    return Err(errors::another_addon(&own.label));
                }
                world
                    .exports
                    .get()
                    .map(|exports| exports.0)
                    .ok_or_else(|| errors::export_gone("anything", world.generation.0))
            }
        }
    }

    #[inline]
    fn asking(self, call: CallKind, export: Option<&'a Arc<str>>) -> Ask<'a> {
        Ask {
            home: self.home(),
            export,
            ..Ask::of(call)
        }
    }

    #[inline]
    fn put(self, encoder: &mut Encoder<'_, '_>) -> PyResult<()> {
        let id = self.id_in(encoder.session(), encoder.world)?;
        encoder.out.put_u32(id.get());
        Ok(())
    }

    fn put_own(self, encoder: &mut Encoder<'_, '_>) -> PyResult<()> {
        let id = self.id_in(encoder.session(), encoder.world)?;
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
        self.session().request(
            py,
            self.asking(CallKind::Call, name),
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
            request::value,
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
        self.session().request(
            py,
            self.asking(CallKind::Call, None),
            |encoder| {
                self.put(encoder)?;
                encoder.out.put_u8(1);
                encoder.named(this, "this")?;
                encoder.arguments(args, kwargs)
            },
            request::value,
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
        self.session().request(
            py,
            self.asking(CallKind::Construct, name),
            |encoder| {
                self.put(encoder)?;
                encoder.arguments(args, kwargs)
            },
            request::value,
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
        self.session().request(
            key.py(),
            self.asking(CallKind::CallMethod, Some(label)),
            |encoder| {
                self.put(encoder)?;
                encoder.string(key)?;
                encoder.arguments(args, kwargs)
            },
            request::value,
        )
    }

    /// `self[key]`, None if there is no such property.
    pub(crate) fn get<'py>(self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.session().request(
            key.py(),
            self.asking(CallKind::Get, None),
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
        self.session().request(
            key.py(),
            self.asking(CallKind::Set, None),
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
        self.session().request(
            key.py(),
            self.asking(call, None),
            |encoder| {
                self.put(encoder)?;
                encoder.value(key)
            },
            |decoder| decoder.reader.take_bool().map_err(errors::protocol),
        )
    }

    /// Names of its properties: its own, or all along the prototypes.
    pub(crate) fn keys(self, py: Python<'_>, mode: u8) -> PyResult<Vec<String>> {
        self.session().request(
            py,
            self.asking(CallKind::Keys, None),
            |encoder| {
                self.put(encoder)?;
                encoder.out.put_u8(mode);
                Ok(())
            },
            |decoder| {
                let list = decoder.value()?;
                list.try_iter()?
                    .map(|name| Ok(name?.str()?.to_string_lossy().into_owned()))
                    .collect()
            },
        )
    }

    /// A request that says only which object, and is answered by a value.
    pub(crate) fn ask(
        self,
        py: Python<'_>,
        call: CallKind,
        mode: Option<u8>,
    ) -> PyResult<Bound<'_, PyAny>> {
        self.session().request(
            py,
            self.asking(call, None),
            |encoder| {
                self.put(encoder)?;
                if let Some(mode) = mode {
                    encoder.out.put_u8(mode);
                }
                Ok(())
            },
            request::value,
        )
    }

    /// The next value of an iterator, None at its end.
    pub(crate) fn next(self, py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
        self.session().request(
            py,
            self.asking(CallKind::Next, None),
            |encoder| self.put(encoder),
            |decoder| {
                let done = decoder.reader.take_bool().map_err(errors::protocol)?;
                let value = decoder.value()?;
                Ok((!done).then_some(value))
            },
        )
    }

    /// Has an iterator's `return` called.
    pub(crate) fn close_iterator(self, py: Python<'_>) -> PyResult<()> {
        self.session().request(
            py,
            self.asking(CallKind::CloseIterator, None),
            |encoder| self.put(encoder),
            |_| Ok(()),
        )
    }

    /// What it is. Asks about the class with this id, or about the object itself.
    pub(crate) fn describe(self, py: Python<'_>, class: Option<u32>) -> PyResult<Description> {
        self.session().request(
            py,
            self.asking(CallKind::Describe, None),
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
        self.session().request(
            value.py(),
            self.asking(CallKind::InstanceOf, None),
            |encoder| {
                encoder.value(value)?;
                self.put(encoder)
            },
            |decoder| decoder.reader.take_bool().map_err(errors::protocol),
        )
    }

    /// Whether the exports are something to call, and how.
    pub(crate) fn exports_kind(self) -> Option<HostKind> {
        let world = self.session().world()?;
        world.exports.get().map(|exports| exports.1)
    }
}

/// An attribute of a proxy: a property, and a function among them is bound to the proxy, as it is
/// when JavaScript calls `object.name()`. `constructor` is not bound: it is the class, or the function
/// that stands for one, and has its identity.
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

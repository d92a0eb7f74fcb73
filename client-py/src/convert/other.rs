//! Objects that are neither scalars nor plain containers → wire: proxies, exceptions, dates, buffers,
//! data classes, numbers by protocol, and lent objects.

use std::sync::Arc;

use hostd_protocol::ids::SlotId;
use hostd_protocol::limits::LimitKind;
use hostd_protocol::value::{CallableForm, ClientKind, ErrorClass};
use pyo3::exceptions::{PyBaseException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyMemoryView, PyString};
use pyo3::{PyTypeInfo, intern};

use super::callable;
use super::encode::{Encoder, wire};
use super::form::Form;
use super::objects::Missing;
use super::place::Step;
use super::shared::Source;
use crate::adopt::adopt_running;
use crate::buffer::Buffer;
use crate::call::{attribute, call, method};
use crate::errors;
use crate::exporter;
use crate::fallible::push;
use crate::pool::PoolBuffer;
use crate::proxy::{Reference, opaque, reference_of};

impl<'py> Encoder<'_, 'py> {
    /// A proxy, as the object that it stands for. Returns false if it is none.
    pub(super) fn proxy(&mut self, value: &Bound<'py, PyAny>) -> PyResult<bool> {
        if let Some(reference) = reference_of(value)? {
            self.refer(value, reference)?;
        } else if let Ok(buffer) = value.cast_exact::<Buffer>() {
            if !self.known(value) {
                let buffer = buffer.get();
                let bytes = buffer.bytes(self.py)?;
                let source = Source::Bytes(bytes.as_bytes());
                if !self.share(&source, buffer.element, false)? {
                    wire(
                        self.out
                            .buffer(buffer.element, None, false, bytes.as_bytes()),
                    )?;
                }
                self.number(value)?;
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The id of an object of the host. If that has to be bound in this generation first, the caller does
    /// that and writes the message again.
    #[inline]
    pub(crate) fn id_of(&mut self, reference: Reference<'_>) -> PyResult<SlotId> {
        if let Reference::Lent(handle) = reference
            && let Some(proxy) = handle.unbound(self.py, self.generation)
            && Arc::ptr_eq(&handle.addon, self.addon)
        {
            return Err(self.unbound(proxy));
        }
        reference.id_in(self.addon, self.generation)
    }

    #[cold]
    fn unbound(&mut self, proxy: Bound<'py, PyAny>) -> PyErr {
        self.objects.missing = Some(Missing::Module(proxy.unbind()));
        errors::raised::<PyTypeError>("the module is not loaded in the host")
    }

    /// An object of the host, which must be of this host and this generation.
    fn refer(&mut self, proxy: &Bound<'py, PyAny>, reference: Reference<'_>) -> PyResult<()> {
        let id = self.id_of(reference)?;
        self.out.own(id);
        push(&mut self.objects.proxies, proxy.clone().unbind())
    }

    /// Objects that no earlier rule converts.
    pub(super) fn other(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = self.py;
        let class = value.get_type();
        if let Ok(error) = value.cast::<PyBaseException>() {
            return self.exception(error);
        }
        if class.is(&self.names.js_class) {
            let id = self.class_id(value)?;
            self.out.own(id);
            return Ok(());
        }
        if class.is(&self.names.instance) {
            return self.instance(value);
        }
        if class.is(&self.names.exposed) {
            return self.lend_as(value, ClientKind::Exposed);
        }
        if class.is(&self.names.by_ref) {
            return self.by_reference(value);
        }
        if value.is_instance(self.names.datetime.bind(py))? {
            let milliseconds = call(self.names.milliseconds_of.bind(py), (value,))?;
            self.out.date(milliseconds.extract()?);
            return Ok(());
        }
        match Form::of(value)? {
            Form::View => self.view(value),
            Form::DataClass => self.data_class(value),
            Form::Callable => {
                let form = callable::form(value)?;
                self.callable(value, form)
            }
            Form::Path => self.path(value),
            Form::Integer => {
                let int = method(value, intern!(py, "__index__"), ())?;
                let Ok(int) = int.cast::<PyInt>() else {
                    return Err(errors::raised::<PyTypeError>(
                        "__index__ must return an int",
                    ));
                };
                self.int(int)
            }
            Form::NumpyFloat => {
                let float = method(value, intern!(py, "__float__"), ())?;
                self.out.float(float.extract()?);
                Ok(())
            }
            Form::NumpyBool => {
                self.out.boolean(value.is_truthy()?);
                Ok(())
            }
            Form::Buffer => {
                match exporter::view(value) {
                    Ok(view) => {
                        if self.buffer(value, view)? {
                            return Ok(());
                        }
                    }
                    Err(error) if is_release(value, &error) => return Err(error),
                    Err(_) => {}
                }
                self.reduced(value)
            }
            Form::Other => self.reduced(value),
        }
    }

    /// Writes the result of `_convert.py` for a value, or lends the value as it says.
    fn reduced(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        if self.known(value) {
            return Ok(());
        }
        let reduce = self.names.reduce.bind(self.py);
        let reduced = call(reduce, (value, self.addon.config.public))?;
        let (form, plain): (u8, Bound<'py, PyAny>) = reduced.extract()?;
        match form {
            form::VALUE => self.replaced(value, &plain),
            form::ARRAY => {
                let list = self.copy::<PyList>(&plain)?;
                self.list_of(value, &list)
            }
            form::OBJECT => {
                let dict = self.copy::<PyDict>(&plain)?;
                self.dict_of(value, &dict)
            }
            form::SET => {
                let list = self.copy::<PyList>(&plain)?;
                self.set_items(value, list.iter().map(Ok)).map(drop)
            }
            form::DATE => {
                self.out.date(plain.extract()?);
                Ok(())
            }
            form::LENT => {
                let code: u8 = plain.extract()?;
                let kind = ClientKind::from_code(code).unwrap_or(ClientKind::Opaque);
                self.lend_as(value, kind)
            }
            _ => Err(self.place.refuse(&plain.extract::<String>()?)),
        }
    }

    /// The items of a container as a list or dict, if a message takes that many.
    fn copy<T: PyTypeInfo>(&self, items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, T>> {
        // `len` fails for a range whose length exceeds `isize`.
        if items
            .len()
            .is_ok_and(|count| count <= self.values_left() as usize)
        {
            let copy = call(T::type_object(self.py).as_any(), (items,))?;
            return Ok(copy.cast_into::<T>()?);
        }
        let limit = u64::from(self.generation.limits.values);
        Err(errors::limit(LimitKind::Values, limit))
    }

    /// The class of the host for a result of `js_class`. If there is none yet, the caller defines it
    /// and writes the message again.
    fn class_id(&mut self, class: &Bound<'py, PyAny>) -> PyResult<SlotId> {
        if let Some(id) = self.generation.js_class(class) {
            return Ok(id);
        }
        self.objects.missing = Some(Missing::Class(class.clone().unbind()));
        Err(errors::raised::<PyTypeError>(
            "the class is not defined in the host",
        ))
    }

    /// An instance of a class that was given to `js_class`.
    fn instance(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let class = self.class_id(&value.getattr(intern!(self.py, "js_class"))?)?;
        let target = value.getattr(intern!(self.py, "target"))?;
        let id = self.lend(&target, ClientKind::Instance)?.id;
        self.out.lent(id, ClientKind::Instance.code(), class.get());
        Ok(())
    }

    /// A result of `by_ref`: a live container, or only the identity of an object.
    fn by_reference(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let code: u8 = value.getattr(intern!(self.py, "kind"))?.extract()?;
        let kind = ClientKind::from_code(code).unwrap_or(ClientKind::Opaque);
        if kind == ClientKind::Opaque {
            // The object itself is lent, so that it has one identity.
            return self.lend_as(&value.getattr(intern!(self.py, "target"))?, kind);
        }
        self.lend_as(value, kind)
    }

    /// A callable, as a function of this form.
    pub(super) fn callable(
        &mut self,
        value: &Bound<'py, PyAny>,
        form: CallableForm,
    ) -> PyResult<()> {
        adopt_running(self.addon, self.py)?;
        let id = self.lend(value, ClientKind::Callable)?.id;
        self.out.lent(id, ClientKind::Callable.code(), form.code());
        Ok(())
    }

    pub(super) fn lend_as(&mut self, value: &Bound<'py, PyAny>, kind: ClientKind) -> PyResult<()> {
        if kind == ClientKind::Callable {
            return self.callable(value, callable::form(value)?);
        }
        if kind == ClientKind::Awaitable {
            adopt_running(self.addon, self.py)?;
        }
        let lending = self.lend(value, kind)?;
        if kind == ClientKind::Awaitable {
            let awaitable = value.clone().unbind();
            push(&mut self.objects.awaitables, (lending, awaitable))?;
        }
        self.out.lent(lending.id, kind.code(), 0);
        Ok(())
    }

    fn path(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let path = method(value, intern!(self.py, "__fspath__"), ())?;
        if let Ok(text) = path.cast::<PyString>() {
            return self.string(text);
        }
        Err(self
            .place
            .refuse("a bytes path cannot become a JavaScript string; pass os.fsdecode(path)"))
    }

    fn data_class(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        if self.known(value) {
            return Ok(());
        }
        let open = wire(self.out.open_object())?;
        self.number(value)?;
        let fields = value
            .get_type()
            .getattr(intern!(self.py, "__dataclass_fields__"))?;
        let mut count = 0;
        for name in fields.call_method0(intern!(self.py, "keys"))?.try_iter()? {
            let name = name?.cast_into::<PyString>()?;
            let is_field = fields
                .get_item(&name)?
                .getattr(intern!(self.py, "_field_type"))?;
            if !is_field.repr()?.to_string_lossy().ends_with("_FIELD") {
                continue;
            }
            self.string(&name)?;
            self.value_at(&attribute(value, &name)?, || Step::key(&name))?;
            count += 1;
        }
        self.out.close(open, count);
        Ok(())
    }

    /// An exception as an Error that refers to the exception.
    pub(crate) fn exception(&mut self, error: &Bound<'py, PyBaseException>) -> PyResult<()> {
        let py = self.py;
        if self.known(error.as_any()) {
            return Ok(());
        }
        if error.is_instance(self.names.js_error_class.bind(py))? {
            if let Ok(handle) = error.getattr(&self.names.handle_key)
                && let Ok(handle) = handle.cast::<opaque::ErrorHandle>()
                && handle
                    .get()
                    .handle
                    .id_in(self.addon, self.generation)
                    .is_ok()
            {
                return self.refer(handle.as_any(), Reference::Lent(&handle.get().handle));
            }
            // A thrown value that was no Error is sent as that value.
            if error.getattr(intern!(py, "name"))?.is_none() {
                let thrown = error.getattr(intern!(py, "value"))?;
                return self.value(&thrown);
            }
        }
        let description = call(self.names.describe_error.bind(py), (error,))?;
        let (class, name, message, stack, code, cause): Described<'py> = description.extract()?;
        let id = self.lend(error.as_any(), ClientKind::Exception)?.id;
        let class = ErrorClass::from_code(class).unwrap_or(ErrorClass::Error);
        let mut open = wire(self.out.open_error(Some(id), class))?;
        self.number(error.as_any())?;
        self.string(&name)?;
        self.string(&message)?;
        self.value_or_undefined(&code)?;
        self.string(&stack)?;
        self.value_or_undefined(&cause)?;
        self.out.own_fields(&mut open);
        self.out.close(open, 0);
        Ok(())
    }

    fn value_or_undefined(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        if value.is_none() {
            self.out.undefined();
            return Ok(());
        }
        self.value(value)
    }
}

/// Whether a value has no buffer because it was released.
#[cold]
fn is_release(value: &Bound<'_, PyAny>, error: &PyErr) -> bool {
    let is_ours = value.is_instance_of::<PoolBuffer>() || value.is_instance_of::<PyMemoryView>();
    is_ours && error.is_instance_of::<PyValueError>(value.py())
}

/// What `_errors.describe` returns: class, name, message, stack, code, cause.
type Described<'py> = (
    u8,
    Bound<'py, PyString>,
    Bound<'py, PyString>,
    Bound<'py, PyString>,
    Bound<'py, PyAny>,
    Bound<'py, PyAny>,
);

/// The kinds of the second result of `_convert.reduce`.
mod form {
    pub(super) const VALUE: u8 = 0;
    pub(super) const ARRAY: u8 = 1;
    pub(super) const OBJECT: u8 = 2;
    pub(super) const SET: u8 = 3;
    pub(super) const DATE: u8 = 4;
    pub(super) const LENT: u8 = 5;
}

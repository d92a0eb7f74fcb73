//! Objects that are neither scalars nor plain containers → wire: proxies, exceptions, dates,
//! buffers, data classes, numbers by protocol, and what is lent to the host.

use hostd_protocol::value::{ClientKind, ErrorClass};
use pyo3::exceptions::{PyBaseException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyFloat, PyInt, PyString, PyType};
use pyo3::{PyTypeInfo, intern};

use super::encode::{Encoder, wire};
use crate::buffer::Buffer;
use crate::call::{attribute, call, method};
use crate::proxy::{
    Addon, Handle, JSClass, JSFunction, JSIterator, JSObject, Promise, Reference, opaque,
};

impl<'py> Encoder<'_, 'py> {
    /// One of our own proxies: the very object. Returns false if it is none.
    pub(super) fn proxy(&mut self, value: &Bound<'py, PyAny>) -> PyResult<bool> {
        let class = value.get_type();
        if class.is(JSObject::type_object(self.py)) {
            return self.own(value, &value.cast::<JSObject>()?.get().handle);
        }
        if class.is(JSFunction::type_object(self.py)) {
            let reference = value.cast::<JSFunction>()?.get().reference(self.py)?;
            return self.refer(value, reference);
        }
        if class.is(JSClass::type_object(self.py)) {
            return self.refer(value, value.cast::<JSClass>()?.get().reference());
        }
        if class.is(Buffer::type_object(self.py)) {
            let buffer = value.cast::<Buffer>()?.get();
            if let Some(handle) = &buffer.handle {
                return self.own(value, handle);
            }
            if !self.known(value) {
                let bytes = buffer.contents(self.py);
                wire(self.out.buffer(buffer.element, None, false, bytes))?;
                self.number(value);
            }
            return Ok(true);
        }
        if class.is(Promise::type_object(self.py)) {
            return self.own(value, &value.cast::<Promise>()?.get().handle);
        }
        if class.is(opaque::Symbol::type_object(self.py)) {
            return self.own(value, &value.cast::<opaque::Symbol>()?.get().handle);
        }
        if class.is(opaque::External::type_object(self.py)) {
            return self.own(value, &value.cast::<opaque::External>()?.get().handle);
        }
        if class.is(JSIterator::type_object(self.py)) {
            return self.own(value, value.cast::<JSIterator>()?.get().handle());
        }
        if class.is(Addon::type_object(self.py)) {
            let exports = Reference::Exports(&value.cast::<Addon>()?.get().session);
            return self.refer(value, exports);
        }
        Ok(false)
    }

    /// An object of the host, which must be of this host and this generation.
    pub(super) fn own(&mut self, proxy: &Bound<'py, PyAny>, handle: &Handle) -> PyResult<bool> {
        let id = handle.id_in(self.session, self.world)?;
        self.out.own(id);
        self.brought.proxies.push(proxy.clone().unbind());
        Ok(true)
    }

    fn refer(&mut self, proxy: &Bound<'py, PyAny>, reference: Reference<'_>) -> PyResult<bool> {
        let id = reference.id_in(self.session, self.world)?;
        self.out.own(id);
        self.brought.proxies.push(proxy.clone().unbind());
        Ok(true)
    }

    /// Whatever no earlier rule knew.
    pub(super) fn other(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = self.py;
        let class = value.get_type();
        if class.is(&self.names.function) {
            return self.lend_as(value, ClientKind::Callable);
        }
        if let Ok(error) = value.cast::<PyBaseException>() {
            return self.exception(error);
        }
        if class.is(&self.names.exposed) || class.is(&self.names.by_ref) {
            return self.remote(value);
        }
        if value.is_instance_of::<PyType>() {
            return self.lend_as(value, ClientKind::Callable);
        }
        if value.is_instance(self.names.datetime.bind(py))? {
            return self.date(value);
        }
        if value.is_instance(self.names.enumeration.bind(py))? {
            let plain = call(self.names.enum_value.bind(py), (value,))?;
            if !plain.is(value) {
                return self.value(&plain);
            }
        }
        if class.hasattr(intern!(py, "__fspath__"))? {
            return self.path(value);
        }
        if class.hasattr(intern!(py, "__dataclass_fields__"))? {
            return self.data_class(value);
        }
        if pyo3::buffer::PyUntypedBuffer::get(value).is_ok() && self.buffer(value)? {
            return Ok(());
        }
        self.number_or_remote(value, &class)
    }

    fn number_or_remote(
        &mut self,
        value: &Bound<'py, PyAny>,
        class: &Bound<'py, PyType>,
    ) -> PyResult<()> {
        let py = self.py;
        if is_numpy_bool(class)? {
            self.out.boolean(value.is_truthy()?);
            return Ok(());
        }
        if class.hasattr(intern!(py, "__index__"))? {
            let int = method(value, intern!(py, "__index__"), ())?;
            let Ok(int) = int.cast::<PyInt>() else {
                return Err(PyTypeError::new_err("__index__ must return an int"));
            };
            return self.int(int);
        }
        if class.hasattr(intern!(py, "__float__"))? {
            let float = method(value, intern!(py, "__float__"), ())?;
            let Ok(float) = float.cast::<PyFloat>() else {
                return Err(PyTypeError::new_err("__float__ must return a float"));
            };
            self.out.float(float.value());
            return Ok(());
        }
        self.remote(value)
    }

    fn remote(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let classify = self.names.classify.bind(self.py);
        let code: u8 = call(classify, (value, self.session.public))?.extract()?;
        let kind = ClientKind::from_code(code).unwrap_or(ClientKind::Opaque);
        self.lend_as(value, kind)
    }

    fn lend_as(&mut self, value: &Bound<'py, PyAny>, kind: ClientKind) -> PyResult<()> {
        if matches!(kind, ClientKind::Callable | ClientKind::Awaitable) {
            self.session.owner.adopt_running(self.py)?;
        }
        let lending = self.lend(value, kind)?;
        if kind == ClientKind::Awaitable {
            let awaitable = value.clone().unbind();
            self.brought.awaitables.push((lending, awaitable));
        }
        self.out.lent(lending.id, kind.code(), 0);
        Ok(())
    }

    fn date(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let moment = value.cast::<PyDateTime>()?;
        let milliseconds = call(self.names.milliseconds_of.bind(self.py), (moment,))?;
        self.out.date(milliseconds.extract()?);
        Ok(())
    }

    fn path(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let path = method(value, intern!(self.py, "__fspath__"), ())?;
        if let Ok(text) = path.cast::<PyString>() {
            return self.string(text);
        }
        Err(PyTypeError::new_err(
            "a bytes path cannot become a JavaScript string; pass os.fsdecode(path)",
        ))
    }

    fn data_class(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        if self.known(value) {
            return Ok(());
        }
        let open = wire(self.out.open_object())?;
        self.number(value);
        let fields = value
            .get_type()
            .getattr(intern!(self.py, "__dataclass_fields__"))?;
        let mut count = 0;
        for name in fields.call_method0("keys")?.try_iter()? {
            let name = name?.cast_into::<PyString>()?;
            let is_field = fields.get_item(&name)?.getattr("_field_type")?;
            if !is_field.repr()?.to_string_lossy().ends_with("_FIELD") {
                continue;
            }
            self.string(&name)?;
            self.value(&attribute(value, &name)?)?;
            count += 1;
        }
        self.out.close(open, count);
        Ok(())
    }

    /// An exception as an Error that remembers which exception it is.
    pub(crate) fn exception(&mut self, error: &Bound<'py, PyBaseException>) -> PyResult<()> {
        let py = self.py;
        if self.known(error.as_any()) {
            return Ok(());
        }
        if error.is_instance(self.names.js_error_class.bind(py))? {
            if let Ok(handle) = error.getattr(&self.names.handle_key)
                && let Ok(handle) = handle.cast::<opaque::ErrorHandle>()
                && handle.get().handle.id_in(self.session, self.world).is_ok()
            {
                self.own(handle.as_any(), &handle.get().handle)?;
                return Ok(());
            }
            // A thrown value that was no Error goes back as that value.
            if error.getattr("name")?.is_none() {
                let thrown = error.getattr("value")?;
                return self.value(&thrown);
            }
        }
        let description = call(self.names.describe_error.bind(py), (error,))?;
        let (class, name, message, stack, code, cause): Described<'py> = description.extract()?;
        let id = self.lend(error.as_any(), ClientKind::Exception)?.id;
        let class = ErrorClass::from_code(class).unwrap_or(ErrorClass::Error);
        let mut open = wire(self.out.open_error(Some(id), class))?;
        self.number(error.as_any());
        self.string(&name)?;
        self.string(&message)?;
        if code.is_none() {
            self.out.undefined();
        } else {
            self.value(&code)?;
        }
        self.string(&stack)?;
        if cause.is_none() {
            self.out.undefined();
        } else {
            self.value(&cause)?;
        }
        self.out.own_fields(&mut open);
        self.out.close(open, 0);
        Ok(())
    }
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

/// numpy's bool is no bool and no number of Python's.
fn is_numpy_bool(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let name = class.name()?;
    let name = name.to_string_lossy();
    Ok((name == "bool" || name == "bool_") && class.module()?.to_string_lossy() == "numpy")
}

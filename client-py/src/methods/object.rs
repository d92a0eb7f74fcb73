//! Methods of `JSObject` and `JSIterator`.

use std::sync::Arc;

use hostd_client::lock;
use hostd_protocol::calls;
use hostd_protocol::ids::SlotId;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString};

use super::awaiting;
use super::requests::attribute;
use crate::classes::ClassInfo;
use crate::errors;
use crate::exchange::Request;
use crate::fallible;
use crate::names::{self, Names, is_dunder};
use crate::proxy::function::Target;
use crate::proxy::{JSFunction, JSIterator, JSObject, Reference};

impl JSObject {
    /// Its class, requested once per class and process; None for an object without one.
    #[inline]
    fn class(&self, py: Python<'_>) -> PyResult<Option<&Arc<ClassInfo>>> {
        let Some(id) = SlotId::new(self.handle.class) else {
            return Ok(None);
        };
        if let Some(class) = self.class.get() {
            return Ok(Some(class));
        }
        if self.handle.origin().is_some() && !self.handle.addon.is_current(&self.handle.generation)
        {
            // A module of an earlier process: the number of its class was of that process.
            return Ok(None);
        }
        let classes = &self.handle.generation.classes;
        let known = lock(classes).get(id.get());
        let info = if let Some(info) = known {
            info
        } else {
            let request = Request::to(Some(&self.handle.generation));
            let described = self
                .handle
                .addon
                .request(py, calls::Describe, request, &(true, id))?;
            let info = Arc::new(ClassInfo::from(described));
            lock(classes).store(id.get(), &info);
            info
        };
        Ok(Some(self.class.get_or_init(|| info)))
    }

    /// Deletes a property; `absent` makes the error if there is none.
    fn delete(&self, key: &Bound<'_, PyAny>, absent: impl FnOnce() -> PyErr) -> PyResult<()> {
        let reference = self.reference();
        // A proxy may deny what it has.
        if !reference.has(key)? && reference.get(key)?.is_none() {
            return Err(absent());
        }
        delete(reference, key)
    }
}

#[pymethods]
impl JSObject {
    fn __getattribute__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if let Ok(text) = name.to_str() {
            if is_dunder(text) {
                return Names::get(py)?.generic_getattr.bind(py).call1((slf, name));
            }
            if let Some(class) = slf.get().class(py)?
                && let Some(label) = class.methods.get(text)
            {
                let target = Target::Method {
                    object: slf.clone().unbind(),
                    name: name.clone().unbind(),
                    label: Arc::clone(label),
                    real: PyOnceLock::new(),
                };
                return Ok(Bound::new(py, JSFunction { target })?.into_any());
            }
        }
        attribute(slf.as_any(), slf.get().reference(), name)
    }

    /// Called when `__getattribute__` found nothing.
    fn __getattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        Err(errors::no_attribute(slf.as_any(), name))
    }

    fn __setattr__(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.reference().set(name.as_any(), value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        slf.get()
            .delete(name.as_any(), || errors::no_attribute(slf.as_any(), name))
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.reference().get(key)?.ok_or_else(|| no_key(key))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.reference().set(key, value)
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        self.delete(key, || no_key(key))
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.reference().has(key)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        for name in [intern!(py, "length"), intern!(py, "size")] {
            if let Some(length) = self.reference().get(name.as_any())?
                && let Ok(length) = length.extract::<isize>()
                && let Ok(length) = usize::try_from(length)
            {
                return Ok(length);
            }
        }
        Ok(self.reference().keys(py, false)?.len())
    }

    #[expect(clippy::unused_self, reason = "an object is true in JavaScript")]
    const fn __bool__(&self) -> bool {
        true
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let iterator = self
            .reference()
            .request(py, calls::Iterate, &(self.reference(),))?;
        let Ok(object) = iterator.cast_into::<Self>() else {
            let text = "this JavaScript object is not iterable";
            return Err(errors::raised::<PyTypeError>(text));
        };
        let object = object.unbind();
        Ok(Bound::new(py, JSIterator { object })?.into_any())
    }

    /// An asynchronous generator of Python, which asyncio closes if a loop is left early.
    fn __aiter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let iterator = self
            .reference()
            .request(py, calls::IterateAsync, &(self.reference(),))?;
        fallible::import(py, "napi_python._iterate_async", "read_async")?.call1((iterator,))
    }

    /// Awaits any object with a method `then`, as JavaScript does.
    fn __await__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        awaiting::follow(py, self.reference())
    }

    fn __dir__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.reference().shown_keys(py)
    }

    fn __str__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        slf.get().reference().text(slf.py())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.class.get() {
            Some(class) if !class.name.is_empty() => {
                format!("<JSObject {}>", names::shown(py, &class.name))
            }
            _ => "<JSObject>".to_owned(),
        }
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("JSObject"))
    }
}

fn no_key(key: &Bound<'_, PyAny>) -> PyErr {
    PyKeyError::new_err(key.clone().unbind())
}

pub(super) fn delete(reference: Reference<'_>, key: &Bound<'_, PyAny>) -> PyResult<()> {
    if reference.delete(key)? {
        return Ok(());
    }
    Err(errors::raised::<PyTypeError>(format!(
        "JavaScript refuses to delete {}",
        names::shown(key.py(), &key.str()?.to_string_lossy())
    )))
}

#[pymethods]
impl JSIterator {
    const fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.object.get().reference().next(py)
    }

    /// Calls the iterator's `return`, as JavaScript does when a loop is left early.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let iterator = self.object.get().reference();
        iterator.request(py, calls::CloseIterator, &(iterator,))
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("JSIterator"))
    }
}

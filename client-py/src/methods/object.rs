//! Methods of `JSObject` and `JSIterator`.

use std::sync::Arc;

use hostd_protocol::calls::CallKind;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use super::requests::attribute;
use crate::classes::ClassInfo;
use crate::errors;
use crate::fallible;
use crate::names::{self, Names, is_dunder};
use crate::proxy::{JSFunction, JSIterator, JSObject};

impl JSObject {
    /// Its class, requested once per class and process; None for an object without one.
    #[inline]
    fn class(&self, py: Python<'_>) -> PyResult<Option<&Arc<ClassInfo>>> {
        if self.handle.class == 0 {
            return Ok(None);
        }
        if let Some(class) = self.class.get() {
            return Ok(Some(class));
        }
        let id = self.handle.class;
        let info = if let Some(info) = self.handle.generation.class(id) {
            info
        } else {
            let info = Arc::new(ClassInfo::from(self.reference().describe(py, Some(id))?));
            self.handle.generation.store_class(id, &info);
            info
        };
        Ok(Some(self.class.get_or_init(|| info)))
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
                return Ok(Bound::new(py, JSFunction::method(slf, name, label))?.into_any());
            }
        }
        attribute(slf.as_any(), slf.get().reference(), name)
    }

    /// Called when `__getattribute__` found nothing.
    fn __getattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        Err(errors::no_attribute(slf.as_any(), name))
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        slf.get().reference().set(name.as_any(), value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let reference = slf.get().reference();
        if !reference.test(CallKind::Has, name.as_any())? {
            return Err(errors::no_attribute(slf.as_any(), name));
        }
        refuse_false(
            reference.test(CallKind::Delete, name.as_any())?,
            name.as_any(),
        )
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.get()
            .reference()
            .get(key)?
            .ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __setitem__(
        slf: &Bound<'_, Self>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        slf.get().reference().set(key, value)
    }

    fn __delitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let reference = slf.get().reference();
        if !reference.test(CallKind::Has, key)? {
            return Err(PyKeyError::new_err(key.clone().unbind()));
        }
        refuse_false(reference.test(CallKind::Delete, key)?, key)
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.reference().test(CallKind::Has, key)
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
        Ok(self.reference().keys(py, 0)?.len())
    }

    #[expect(clippy::unused_self, reason = "an object is true in JavaScript")]
    const fn __bool__(&self) -> bool {
        true
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let iterator = self.reference().value_of(py, CallKind::Iterate)?;
        match iterator.cast::<Self>() {
            Ok(object) => Ok(Bound::new(
                py,
                JSIterator {
                    object: object.clone().unbind(),
                },
            )?
            .into_any()),
            Err(_) => Err(errors::raised::<PyTypeError>(
                "this JavaScript object is not iterable",
            )),
        }
    }

    /// An asynchronous generator of Python, which asyncio closes if a loop is left early.
    fn __aiter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let iterator = self.reference().value_of(py, CallKind::IterateAsync)?;
        fallible::import(py, "napi_python._iterate", "read_async")?.call1((iterator,))
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

fn refuse_false(done: bool, key: &Bound<'_, PyAny>) -> PyResult<()> {
    if done {
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
        self.object.get().reference().close_iterator(py)
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("JSIterator"))
    }
}

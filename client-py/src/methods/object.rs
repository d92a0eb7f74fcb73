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
use super::keywords;
use super::preview;
use super::requests::attribute;
use crate::call::{call, method};
use crate::classes::ClassInfo;
use crate::errors;
use crate::exchange::Request;
use crate::fallible::{self, Arguments};
use crate::names::{self, Names, is_dunder};
use crate::pickling;
use crate::proxy::function::Target;
use crate::proxy::{JSFunction, JSIterator, JSObject, Reference};

/// The methods that Python has for an object without properties of these names.
const METHODS: [&str; 5] = ["to_dict", "keys", "values", "items", "_repr_pretty_"];

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

    /// Called when `__getattribute__` found nothing: a property comes before a method of Python.
    fn __getattr__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if name.to_str().is_ok_and(|name| METHODS.contains(&name)) {
            return Names::get(py)?.generic_getattr.bind(py).call1((slf, name));
        }
        keywords::attribute(slf.as_any(), name)
    }

    fn __setattr__(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = keywords::property(self.reference(), name)?;
        self.reference().set(name.as_any(), value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let property = keywords::property(slf.get().reference(), name)?;
        slf.get().delete(property.as_any(), || {
            errors::no_attribute(slf.as_any(), name)
        })
    }

    /// Its enumerable own properties, as `{...object}` has them.
    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_python(slf, "to_dict", (slf,))
    }

    /// The names of its enumerable own properties.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.reference().keys(py, false)
    }

    /// The values of its enumerable own properties.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::to_dict(slf)?.call_method0(intern!(slf.py(), "values"))
    }

    /// The names and values of its enumerable own properties.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::to_dict(slf)?.call_method0(intern!(slf.py(), "items"))
    }

    fn __or__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        by_python(slf, "merged", (slf, other))
    }

    fn __ror__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        by_python(slf, "merged", (other, slf))
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_python(slf, "enter", (slf, false))
    }

    fn __exit__(
        slf: &Bound<'_, Self>,
        _kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        by_python(slf, "leave", (slf, false, error)).map(drop)
    }

    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_python(slf, "enter_async", (slf,))
    }

    fn __aexit__<'py>(
        slf: &Bound<'py, Self>,
        _kind: &Bound<'py, PyAny>,
        error: &Bound<'py, PyAny>,
        _traceback: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        by_python(slf, "leave_async", (slf, error))
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

    /// Its class and its first properties; without those where the host is busy or has ended.
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let class = slf.get().class.get();
        let preview = preview::of(slf)?.or_else(|| {
            let name = &class?.name;
            Some(names::shown(slf.py(), name))
        });
        Ok(match preview {
            Some(preview) if !preview.is_empty() => format!("<JSObject {preview}>"),
            _ => "<JSObject>".to_owned(),
        })
    }

    /// What `IPython` shows.
    #[pyo3(signature = (printer, _cycle, /))]
    fn _repr_pretty_(
        slf: &Bound<'_, Self>,
        printer: &Bound<'_, PyAny>,
        _cycle: bool,
    ) -> PyResult<()> {
        let shown = fallible::string(slf.py(), &Self::__repr__(slf)?)?;
        method(printer, intern!(slf.py(), "text"), (shown,)).map(drop)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pickling::reduce(slf.as_any())
    }
}

/// Calls a function of `_objects.py`.
fn by_python<'py>(
    object: &Bound<'py, JSObject>,
    name: &str,
    arguments: impl Arguments<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let function = fallible::import(object.py(), "napi_python._objects", name)?;
    call(&function, arguments)
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

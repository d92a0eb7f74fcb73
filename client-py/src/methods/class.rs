//! Methods of `JSClass`: calling it constructs, `isinstance` and `issubclass` work.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::extending;
use super::keywords;
use super::requests::attribute;
use crate::fallible;
use crate::names::{self, Names, is_dunder};
use crate::pickling;
use crate::proxy::JSClass;
use crate::proxy::class::Target;

impl JSClass {
    fn name(&self, py: Python<'_>) -> String {
        if let Target::Exported(export) = &self.target {
            return export.name.to_string();
        }
        if let Some(name) = self.name.get() {
            return name.clone();
        }
        match self.reference().describe(py) {
            Ok(description) => self.name.get_or_init(|| description.name).clone(),
            Err(_) => String::new(),
        }
    }
}

#[pymethods]
impl JSClass {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let name = match &self.target {
            Target::Exported(export) => Some(&export.name),
            Target::Lent(_) => None,
        };
        self.reference().construct(py, name, (args, kwargs))
    }

    fn __instancecheck__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        extending::is_instance(value, self.reference())
    }

    /// Whether a JavaScript class is this one or extends it.
    fn __subclasscheck__(&self, class: &Bound<'_, PyAny>) -> PyResult<bool> {
        extending::is_subclass(class, self.reference())
    }

    /// By which Python knows a class: `issubclass` with a type of Python is false.
    #[getter]
    fn __bases__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyTuple> {
        PyTuple::empty(slf.py())
    }

    /// The base that a class statement has in the place of this class.
    fn __mro_entries__<'py>(
        slf: &Bound<'py, Self>,
        bases: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        extending::mro_entries(slf.py(), bases)
    }

    fn __getattribute__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let text = name.to_string_lossy();
        if text == "__name__" || text == "__qualname__" {
            let shown = names::shown(py, &slf.get().name(py));
            return Ok(fallible::string(py, &shown)?.into_any());
        }
        if is_dunder(&text) {
            return Names::get(py)?.generic_getattr.bind(py).call1((slf, name));
        }
        attribute(slf.as_any(), slf.get().reference(), name)
    }

    /// Called when `__getattribute__` found nothing.
    fn __getattr__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        keywords::attribute(slf.as_any(), name)
    }

    fn __setattr__(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = keywords::property(self.reference(), name)?;
        self.reference().set(name.as_any(), value)
    }

    fn __delattr__(&self, name: &Bound<'_, PyString>) -> PyResult<()> {
        let name = keywords::property(self.reference(), name)?;
        self.reference().delete(name.as_any()).map(drop)
    }

    fn __dir__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.reference().shown_keys(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let name = match &self.target {
            Target::Exported(export) => export.name.to_string(),
            Target::Lent(_) => self.name.get().cloned().unwrap_or_default(),
        };
        if name.is_empty() {
            "<JSClass>".to_owned()
        } else {
            format!("<JSClass {}>", names::shown(py, &name))
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pickling::reduce(slf.as_any())
    }
}

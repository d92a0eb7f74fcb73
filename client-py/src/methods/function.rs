//! Methods of `JSFunction`.

use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::awaiting;
use super::extending;
use super::keywords;
use super::requests::attribute;
use crate::errors;
use crate::fallible;
use crate::names::{Names, is_dunder};
use crate::pickling;
use crate::proxy::function::Target;
use crate::proxy::{JSFunction, Reference};

#[pymethods]
impl JSFunction {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match &self.target {
            Target::Exported(export) => Reference::Exported(export).call(
                py,
                Some(&export.name),
                Some(Reference::Exports(&export.addon)),
                (args, kwargs),
            ),
            Target::Lent(handle) => Reference::Lent(handle).call(py, None, None, (args, kwargs)),
            Target::Method {
                object,
                name,
                label,
                ..
            } => Reference::Lent(&object.get().handle).call_method(
                name.bind(py),
                label,
                (args, kwargs),
            ),
            Target::Bound { function, this, .. } => {
                function
                    .get()
                    .reference(py)?
                    .call_with(py, this.bind(py), (args, kwargs))
            }
        }
    }

    /// As `instanceof`: a function can be a constructor.
    fn __instancecheck__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        extending::is_instance(value, self.reference(value.py())?)
    }

    /// Whether a JavaScript class is this one or extends it.
    fn __subclasscheck__(&self, class: &Bound<'_, PyAny>) -> PyResult<bool> {
        extending::is_subclass(class, self.reference(class.py())?)
    }

    /// The base that a class statement has in the place of this function.
    fn __mro_entries__<'py>(
        slf: &Bound<'py, Self>,
        bases: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        extending::mro_entries(slf.py(), bases)
    }

    /// Awaits a function with a method `then`.
    fn __await__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        awaiting::follow(py, self.reference(py)?)
    }

    fn __getattribute__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let text = name.to_string_lossy();
        if text == "__name__" || text == "__qualname__" {
            let shown = slf.get().shown_name(py).unwrap_or_default();
            return Ok(fallible::string(py, &shown)?.into_any());
        }
        if is_dunder(&text) {
            return Names::get(py)?.generic_getattr.bind(py).call1((slf, name));
        }
        let reference = slf.get().reference(py).map_err(|error| {
            // `inspect.signature()` reads attributes of all callables.
            if error.is_instance_of::<PyTypeError>(py) {
                errors::raised::<PyAttributeError>(error.value(py).to_string())
            } else {
                error
            }
        })?;
        attribute(slf.as_any(), reference, name)
    }

    /// Called when `__getattribute__` found nothing.
    fn __getattr__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        keywords::attribute(slf.as_any(), name)
    }

    fn __setattr__(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let reference = self.reference(name.py())?;
        let name = keywords::property(reference, name)?;
        reference.set(name.as_any(), value)
    }

    fn __delattr__(&self, name: &Bound<'_, PyString>) -> PyResult<()> {
        let reference = self.reference(name.py())?;
        let name = keywords::property(reference, name)?;
        reference.delete(name.as_any()).map(drop)
    }

    fn __dir__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.reference(py)?.shown_keys(py)
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Self>() else {
            return Ok(false);
        };
        let (own, theirs) = (&self.target, &other.get().target);
        if let Target::Method { object, name, .. } = own
            && let Target::Method {
                object: o, name: n, ..
            } = theirs
        {
            return Ok(object.is(o) && name.bind(py).as_any().eq(n)?);
        }
        if let Target::Bound { function, this, .. } = own
            && let Target::Bound {
                function: f,
                this: t,
                ..
            } = theirs
        {
            return Ok(function.is(f) && this.is(t));
        }
        Ok(std::ptr::eq(own, theirs))
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        match &self.target {
            Target::Method { object, name, .. } => {
                Ok(object.as_ptr() as isize ^ name.bind(py).hash()?)
            }
            Target::Bound { function, this, .. } => {
                Ok(function.as_ptr() as isize ^ this.as_ptr() as isize)
            }
            _ => Ok(std::ptr::from_ref(self) as isize),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.shown_name(py) {
            Some(name) => format!("<JSFunction {name}>"),
            None => "<JSFunction>".to_owned(),
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pickling::reduce(slf.as_any())
    }
}

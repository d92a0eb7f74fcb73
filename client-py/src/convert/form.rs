//! How the instances of a class are converted, cached per class: to look up an attribute that a class
//! does not have raises an exception, which is slow.

use std::cell::RefCell;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyType, PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::FxHashMap;

use crate::names::Names;

/// The most cached classes; when there are more, the cache is cleared.
const CACHED_CLASSES_MAX: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A wrapper of `_views.py`.
    View,
    /// Fields of a dataclass.
    DataClass,
    Callable,
    Path,
    /// An integer by its `__index__`.
    Integer,
    /// A float of numpy that is exact as a JavaScript number.
    NumpyFloat,
    /// A bool of numpy.
    NumpyBool,
    /// As a buffer, or by `_convert.py` if it exports none.
    Buffer,
    /// By `_convert.py`.
    Other,
}

type Kept = FxHashMap<usize, (Py<PyWeakrefReference>, Form)>;

thread_local! {
    static FORMS: RefCell<Kept> = RefCell::default();
}

impl Form {
    pub(super) fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (py, class) = (value.py(), value.get_type());
        let address = class.as_ptr() as usize;
        let known = FORMS.with_borrow(|forms| {
            let (weak, form) = forms.get(&address)?;
            // A later class can have the address of a former one.
            weak.bind(py)
                .upgrade()
                .is_some_and(|kept| kept.is(&class))
                .then_some(*form)
        });
        if let Some(form) = known {
            return Ok(form);
        }
        let form = Self::find(value, &class)?;
        let weak = PyWeakrefReference::new(class.as_any())?.unbind();
        let former = FORMS.with_borrow_mut(|forms| {
            let former = (forms.len() >= CACHED_CLASSES_MAX).then(|| std::mem::take(forms));
            (former, forms.insert(address, (weak, form)))
        });
        // Dropping weak references without callbacks runs no code.
        drop(former);
        Ok(form)
    }

    fn find(value: &Bound<'_, PyAny>, class: &Bound<'_, PyType>) -> PyResult<Self> {
        let py = value.py();
        if class.is_subclass(Names::get(py)?.view.bind(py))? {
            return Ok(Self::View);
        }
        if !value.is_instance_of::<PyType>()
            && class.hasattr(intern!(py, "__dataclass_fields__"))?
        {
            return Ok(Self::DataClass);
        }
        if value.is_callable() {
            return Ok(Self::Callable);
        }
        if class.hasattr(intern!(py, "__fspath__"))? {
            return Ok(Self::Path);
        }
        let name = class.name()?;
        let name = name.to_string_lossy();
        let is_of_numpy = class.module().is_ok_and(|module| module == "numpy");
        // An array of one element has the methods of a number as well.
        if !class.hasattr(intern!(py, "__len__"))? {
            match &*name {
                "bool" | "bool_" if is_of_numpy => return Ok(Self::NumpyBool),
                "float16" | "float32" if is_of_numpy => return Ok(Self::NumpyFloat),
                "timedelta64" if is_of_numpy => return Ok(Self::Other),
                _ => {}
            }
            if class.hasattr(intern!(py, "__index__"))? {
                return Ok(Self::Integer);
            }
            if class.hasattr(intern!(py, "__float__"))? {
                // Some export a buffer of their own bytes as well, which is not their value.
                return Ok(Self::Other);
            }
        }
        Ok(match PyMemoryView::from(value) {
            Err(error) if error.is_instance_of::<PyTypeError>(py) => Self::Other,
            _ => Self::Buffer,
        })
    }
}

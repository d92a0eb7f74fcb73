//! Attributes whose names are keywords of Python: `x.raise_` is the property `raise`, unless there is
//! one that is called `raise_`.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors;
use crate::fallible;
use crate::proxy::Reference;

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// The keyword, for a keyword with an underscore behind it.
fn keyword(name: &str) -> Option<&str> {
    let keyword = name.strip_suffix('_')?;
    KEYWORDS.contains(&keyword).then_some(keyword)
}

/// The attribute of a name that was not found: that of the keyword, or the error.
#[cold]
pub(crate) fn attribute<'py>(
    owner: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = owner.py();
    let absent = || errors::no_attribute(owner, name);
    let text = name.to_string_lossy();
    let Some(keyword) = keyword(&text) else {
        return Err(absent());
    };
    match owner.getattr(fallible::string(py, keyword)?) {
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => Err(absent()),
        found => found,
    }
}

/// The property that is set or deleted by an attribute.
pub(crate) fn property<'py>(
    reference: Reference<'_>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyString>> {
    let text = name.to_string_lossy();
    match keyword(&text) {
        Some(keyword) if !reference.has(name.as_any())? => fallible::string(name.py(), keyword),
        _ => Ok(name.clone()),
    }
}

//! Python objects that native code needs by name, looked up once: the classes and functions of
//! `napi_python/_values.py`, `_convert.py`, `_policy.py`, `_errors.py`, `_iterate.py`, `_aio.py`,
//! `_output.py`, `_text.py`, `_views.py`, and a few of the standard library.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

use crate::call::call;

/// The objects that were looked up.
pub(crate) struct Names {
    pub(crate) undefined: Py<PyAny>,
    pub(crate) object: Py<PyAny>,
    pub(crate) bigint: Py<PyAny>,
    pub(crate) enum_value: Py<PyAny>,
    pub(crate) datetime_of: Py<PyAny>,
    pub(crate) milliseconds_of: Py<PyAny>,
    pub(crate) datetime: Py<PyType>,
    pub(crate) enumeration: Py<PyType>,
    pub(crate) function: Py<PyType>,
    pub(crate) exposed: Py<PyType>,
    pub(crate) by_ref: Py<PyType>,
    pub(crate) memory_view: Py<PyType>,
    pub(crate) reduce: Py<PyAny>,
    pub(crate) refillable: Py<PyAny>,
    pub(crate) refill: Py<PyAny>,
    pub(crate) update: Py<PyAny>,
    pub(crate) converters: Py<PyDict>,
    pub(crate) converter_of: Py<PyAny>,
    pub(crate) absent: Py<PyAny>,
    pub(crate) view: Py<PyType>,
    pub(crate) js_class: Py<PyType>,
    pub(crate) instance: Py<PyType>,
    pub(crate) describe_class: Py<PyAny>,
    pub(crate) class_factory: Py<PyString>,
    pub(crate) remote_get: Py<PyAny>,
    pub(crate) remote_has: Py<PyAny>,
    pub(crate) remote_set: Py<PyAny>,
    pub(crate) remote_delete: Py<PyAny>,
    pub(crate) remote_keys: Py<PyAny>,
    pub(crate) step: Py<PyAny>,
    pub(crate) async_step: Py<PyAny>,
    pub(crate) js_error_class: Py<PyType>,
    pub(crate) js_error: Py<PyAny>,
    pub(crate) js_error_of: Py<PyAny>,
    pub(crate) js_thrown: Py<PyAny>,
    pub(crate) describe_error: Py<PyAny>,
    pub(crate) shown_name: Py<PyAny>,
    pub(crate) shown_message: Py<PyAny>,
    pub(crate) int_from_bytes: Py<PyAny>,
    pub(crate) int_to_bytes: Py<PyAny>,
    pub(crate) str_encode: Py<PyAny>,
    pub(crate) set_iter: Py<PyAny>,
    pub(crate) frozenset_iter: Py<PyAny>,
    pub(crate) generic_getattr: Py<PyAny>,
    pub(crate) handle_key: Py<PyString>,
}

static NAMES: PyOnceLock<Names> = PyOnceLock::new();

impl Names {
    /// The names, looked up at the first use.
    #[inline]
    pub(crate) fn get(py: Python<'_>) -> PyResult<&Self> {
        match NAMES.get(py) {
            Some(names) => Ok(names),
            None => NAMES.get_or_try_init(py, || Self::look_up(py)),
        }
    }

    fn look_up(py: Python<'_>) -> PyResult<Self> {
        let values = py.import("napi_python._values")?;
        let classes = py.import("napi_python._classes")?;
        let convert = py.import("napi_python._convert")?;
        let policy = py.import("napi_python._policy")?;
        let iterate = py.import("napi_python._iterate")?;
        let errors = py.import("napi_python._errors")?;
        let text = py.import("napi_python._text")?;
        let builtins = py.import("builtins")?;
        let any = |module: &Bound<'_, PyModule>, name: &str| -> PyResult<Py<PyAny>> {
            Ok(module.getattr(name)?.unbind())
        };
        let class = |module: &Bound<'_, PyModule>, name: &str| -> PyResult<Py<PyType>> {
            Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind())
        };
        let method = |class: &str, name: &str| -> PyResult<Py<PyAny>> {
            Ok(builtins.getattr(class)?.getattr(name)?.unbind())
        };
        Ok(Self {
            undefined: any(&values, "undefined")?,
            object: any(&values, "Object")?,
            bigint: any(&values, "BigInt")?,
            enum_value: any(&values, "enum_value")?,
            datetime_of: any(&values, "datetime_of")?,
            milliseconds_of: any(&values, "milliseconds_of")?,
            datetime: class(&py.import("datetime")?, "datetime")?,
            enumeration: class(&py.import("enum")?, "Enum")?,
            function: class(&py.import("types")?, "FunctionType")?,
            exposed: class(&policy, "Exposed")?,
            by_ref: class(&policy, "ByRef")?,
            memory_view: class(&builtins, "memoryview")?,
            reduce: any(&convert, "reduce")?,
            refillable: any(&convert, "refillable")?,
            refill: any(&convert, "refill")?,
            update: any(&convert, "update")?,
            converters: convert.getattr("_converters")?.cast_into()?.unbind(),
            converter_of: any(&convert, "converter_of")?,
            absent: any(&policy, "ABSENT")?,
            js_class: class(&classes, "ClassOf")?,
            instance: class(&classes, "Instance")?,
            describe_class: any(&classes, "describe")?,
            class_factory: classes.getattr("FACTORY")?.cast_into()?.unbind(),
            view: class(&py.import("napi_python._views")?, "View")?,
            remote_get: any(&policy, "remote_get")?,
            remote_has: any(&policy, "remote_has")?,
            remote_set: any(&policy, "remote_set")?,
            remote_delete: any(&policy, "remote_delete")?,
            remote_keys: any(&policy, "remote_keys")?,
            step: any(&iterate, "step")?,
            async_step: any(&iterate, "async_step")?,
            js_error_class: class(&errors, "JSError")?,
            js_error: any(&errors, "js_error")?,
            js_error_of: any(&errors, "js_error_of")?,
            js_thrown: any(&errors, "js_thrown")?,
            describe_error: any(&errors, "describe")?,
            shown_name: any(&text, "name")?,
            shown_message: any(&text, "message")?,
            int_from_bytes: method("int", "from_bytes")?,
            int_to_bytes: method("int", "to_bytes")?,
            str_encode: method("str", "encode")?,
            set_iter: method("set", "__iter__")?,
            frozenset_iter: method("frozenset", "__iter__")?,
            generic_getattr: method("object", "__getattribute__")?,
            handle_key: PyString::intern(py, "_handle").unbind(),
        })
    }
}

/// Returns a name that an addon chose as one line that is safe to show, by `_text.py`.
pub(crate) fn shown(py: Python<'_>, name: &str) -> String {
    if is_plain(name) {
        return name.to_owned();
    }
    shown_by(py, name, |names| &names.shown_name)
}

/// Whether [`shown`] returns the name itself.
pub(crate) fn is_shown_as_is(py: Python<'_>, name: &str) -> bool {
    is_plain(name) || shown(py, name) == name
}

fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    name.len() <= SHORT_NAME && name.bytes().all(is_plain)
}

/// Returns a text of a host as a message that is safe to show, by `_text.py`.
#[cold]
pub(crate) fn shown_message(py: Python<'_>, text: &str) -> String {
    shown_by(py, text, |names| &names.shown_message)
}

fn shown_by(py: Python<'_>, text: &str, function: fn(&Names) -> &Py<PyAny>) -> String {
    let shown = || -> PyResult<String> {
        let shown = call(function(Names::get(py)?).bind(py), (text,))?;
        Ok(shown.cast::<PyString>()?.to_string_lossy().into_owned())
    };
    // It fails only without memory.
    shown().unwrap_or_default()
}

/// Names of at most this many bytes are never cut.
const SHORT_NAME: usize = 200;

/// Whether Python itself looks the name up on any object; such names are never JavaScript's.
pub(crate) fn is_dunder(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}

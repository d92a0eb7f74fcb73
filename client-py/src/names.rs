//! Python objects that native code needs by name, looked up once: classes and functions of the
//! package and of the standard library.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

use crate::call::call;

/// The objects, each with its type, its module and its name there.
macro_rules! names {
    ($($field:ident: $type:ty = $module:literal $name:literal,)*) => {
        /// The objects that were looked up.
        pub(crate) struct Names {
            /// The key of the handle of a `JSError`.
            pub(crate) handle_key: Py<PyString>,
            $(pub(crate) $field: Py<$type>,)*
        }

        fn look_up(py: Python<'_>) -> PyResult<Names> {
            Ok(Names {
                handle_key: PyString::intern(py, "_handle").unbind(),
                $($field: find(py, $module, $name)?.cast_into()?.unbind(),)*
            })
        }
    };
}

names! {
    undefined: PyAny = "napi_python._values" "undefined",
    object: PyAny = "napi_python._values" "Object",
    bigint: PyAny = "napi_python._values" "BigInt",
    enum_value: PyAny = "napi_python._values" "enum_value",
    datetime_of: PyAny = "napi_python._values" "datetime_of",
    milliseconds_of: PyAny = "napi_python._values" "milliseconds_of",
    datetime: PyType = "datetime" "datetime",
    enumeration: PyType = "enum" "Enum",
    function: PyType = "types" "FunctionType",
    method: PyType = "types" "MethodType",
    pass_this: PyType = "napi_python._callables" "PassThis",
    length_of: PyAny = "napi_python._callables" "length_of",
    exposed: PyType = "napi_python._policy" "Exposed",
    by_ref: PyType = "napi_python._policy" "ByRef",
    absent: PyAny = "napi_python._policy" "ABSENT",
    remote_get: PyAny = "napi_python._policy" "remote_get",
    remote_has: PyAny = "napi_python._policy" "remote_has",
    remote_set: PyAny = "napi_python._policy" "remote_set",
    remote_delete: PyAny = "napi_python._policy" "remote_delete",
    remote_keys: PyAny = "napi_python._policy" "remote_keys",
    reduce: PyAny = "napi_python._convert" "reduce",
    refillable: PyAny = "napi_python._convert" "refillable",
    refill: PyAny = "napi_python._convert" "refill",
    update: PyAny = "napi_python._convert" "update",
    converters: PyDict = "napi_python._convert" "_converters",
    converter_of: PyAny = "napi_python._convert" "converter_of",
    js_class: PyType = "napi_python._classes" "ClassOf",
    instance: PyType = "napi_python._classes" "Instance",
    describe_class: PyAny = "napi_python._classes" "describe",
    class_factory: PyString = "napi_python._classes" "FACTORY",
    view: PyType = "napi_python._views" "View",
    step: PyAny = "napi_python._iterate" "step",
    js_error_class: PyType = "napi_python._errors" "JSError",
    js_error: PyAny = "napi_python._errors" "js_error",
    js_error_of: PyAny = "napi_python._errors" "js_error_of",
    js_thrown: PyAny = "napi_python._errors" "js_thrown",
    describe_error: PyAny = "napi_python._errors" "describe",
    shown_name: PyAny = "napi_python._text" "name",
    denials: PyType = "napi_python._denials" "Denials",
    annotate: PyAny = "napi_python._hints" "annotate",
    show_output: PyAny = "napi_python._output" "show",
    show_log: PyAny = "napi_python._output" "log",
    shown_message: PyAny = "napi_python._text" "message",
    memory_view: PyType = "builtins" "memoryview",
    int_from_bytes: PyAny = "builtins" "int.from_bytes",
    int_to_bytes: PyAny = "builtins" "int.to_bytes",
    int_bit_length: PyAny = "builtins" "int.bit_length",
    int_repr: PyAny = "builtins" "int.__repr__",
    str_encode: PyAny = "builtins" "str.encode",
    set_iter: PyAny = "builtins" "set.__iter__",
    frozenset_iter: PyAny = "builtins" "frozenset.__iter__",
    generic_getattr: PyAny = "builtins" "object.__getattribute__",
}

/// An object of a module, or an attribute of one.
fn find<'py>(py: Python<'py>, module: &str, path: &str) -> PyResult<Bound<'py, PyAny>> {
    let module = py.import(module)?.into_any();
    path.split('.')
        .try_fold(module, |object, name| object.getattr(name))
}

static NAMES: PyOnceLock<Names> = PyOnceLock::new();

impl Names {
    /// The names, looked up at the first use.
    #[inline]
    pub(crate) fn get(py: Python<'_>) -> PyResult<&Self> {
        match NAMES.get(py) {
            Some(names) => Ok(names),
            None => NAMES.get_or_try_init(py, || look_up(py)),
        }
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

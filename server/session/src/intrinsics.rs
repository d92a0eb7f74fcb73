//! Built-ins and keys that the session uses, taken before any addon can replace them.

use hostd_engine::{
    ErrorClass as ErrorKind, FunctionSpec, Invocation, JsResult, Key, Runtime, Value,
};
use hostd_protocol::value::ErrorClass;

use super::iterators::Iterators;
use crate::marshal::{ERROR_CLASSES, ErrorKeys};

/// The engine function tag of a function that ignores what it is given.
const IGNORE_TAG: u8 = 66;

const CANCELLED: &str = "the call was cancelled: no further callback of it runs";
const GONE: &str = "the connection to Python is lost; the host process exits";

/// What the session uses of JavaScript's own.
#[derive(Debug)]
pub(crate) struct Intrinsics {
    pub(crate) map_prototype: Value,
    pub(crate) map_set: Value,
    pub(crate) map_clear: Value,
    pub(crate) set_prototype: Value,
    pub(crate) set_add: Value,
    pub(crate) set_clear: Value,
    pub(crate) function_prototype: Value,
    pub(crate) error_prototypes: Vec<(ErrorClass, Value)>,
    pub(crate) error_keys: ErrorKeys,
    /// A function that does nothing: as a handler it takes note of a rejection.
    pub(crate) ignore: Value,
    /// What a callback of a cancelled call throws.
    pub(crate) cancelled: Value,
    /// What every callback throws once the client is gone.
    pub(crate) gone: Value,
    pub(crate) prototype: Key,
    pub(crate) length: Key,
    pub(crate) name: Key,
    pub(crate) constructor: Key,
    pub(crate) iterator: Key,
    pub(super) iterators: Iterators,
    pub(crate) next: Key,
    pub(crate) done: Key,
    pub(crate) value: Key,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the engine's type of a native function"
)]
fn ignore(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::UNDEFINED)
}

impl Intrinsics {
    /// Takes them from the globals as they are now.
    pub(crate) fn capture(rt: Runtime) -> JsResult<Self> {
        let global = rt.global();
        let key = |name: &str| rt.key_utf8(name.as_bytes());
        let prototype_of =
            |name: &str| -> JsResult { rt.get_named(&rt.get_named(&global, name)?, "prototype") };
        let (map_prototype, set_prototype) = (prototype_of("Map")?, prototype_of("Set")?);
        let mut error_prototypes = Vec::with_capacity(ERROR_CLASSES.len());
        for (class, name) in ERROR_CLASSES {
            if !rt.get_named(&global, name)?.is_undefined() {
                error_prototypes.push((class, prototype_of(name)?));
            }
        }
        let error_keys = ErrorKeys {
            name: key("name")?,
            message: key("message")?,
            code: key("code")?,
            stack: key("stack")?,
            cause: key("cause")?,
            hidden_parts: [key("errors")?, key("error")?, key("suppressed")?],
        };
        let iterator = rt.get_named(&rt.get_named(&global, "Symbol")?, "iterator")?;
        Ok(Self {
            map_set: rt.get_named(&map_prototype, "set")?,
            map_clear: rt.get_named(&map_prototype, "clear")?,
            map_prototype,
            set_add: rt.get_named(&set_prototype, "add")?,
            set_clear: rt.get_named(&set_prototype, "clear")?,
            set_prototype,
            function_prototype: prototype_of("Function")?,
            error_prototypes,
            error_keys,
            ignore: rt.function(FunctionSpec::new(ignore, IGNORE_TAG, [0; 3]))?,
            cancelled: rt.error(ErrorKind::Error, CANCELLED)?,
            gone: rt.error(ErrorKind::Error, GONE)?,
            prototype: key("prototype")?,
            length: key("length")?,
            name: key("name")?,
            constructor: key("constructor")?,
            iterator: rt.key_value(&iterator)?,
            iterators: Iterators::make(rt)?,
            next: key("next")?,
            done: key("done")?,
            value: key("value")?,
        })
    }
}

//! Built-ins and keys that the session uses, taken before any addon can replace them.

use hostd_engine::{
    ErrorConstructor, FunctionSpec, Invocation, JsResult, Key, NativeCall, Runtime, Value,
};
use hostd_protocol::value::{ClientKind, ErrorClass, FunctionKind, IteratorStep};

/// The engine function tag of a function that ignores what it is given.
const IGNORE_TAG: u8 = 66;

/// The engine function tag of the steps of the client's iterators.
const STEP_TAG: u8 = 67;

/// The built-in prototypes of iterators and generators, synchronous and not.
const PROTOTYPES: &str = "(() => {
    const of = Object.getPrototypeOf;
    const generators = [of((function* () {}).prototype), of((async function* () {}).prototype)];
    return [of(of([][Symbol.iterator]())), of(generators[1]), ...generators];
})()";

/// The built-in prototypes of functions that are not plain, in the order of their numbers.
const FUNCTION_PROTOTYPES: &str =
    "[function* () {}, async function () {}, async function* () {}].map(Object.getPrototypeOf)";

/// Makes a promise that follows an object with a method `then`, which is read once and called in a
/// microtask, as by `await`.
const FOLLOW: &str = "((Promise, apply) => (object) => {
    const method = object.then;
    if (typeof method !== 'function') return undefined;
    const then = (resolve, reject) => apply(method, object, [resolve, reject]);
    return new Promise((resolve) => resolve({ __proto__: null, then }));
})(Promise, Reflect.apply)";

const CANCELLED: &str = "the call was cancelled: no further callback of it runs";
const GONE: &str = "the connection to Python is lost; the host process exits";

/// What the session uses of JavaScript's own.
#[derive(Debug)]
pub(crate) struct Intrinsics {
    pub(crate) call_client: NativeCall,
    pub(crate) map_prototype: Value,
    pub(crate) map_set: Value,
    pub(crate) map_clear: Value,
    pub(crate) set_prototype: Value,
    pub(crate) set_add: Value,
    pub(crate) set_clear: Value,
    pub(crate) function_prototype: Value,
    /// Of generator functions, asynchronous functions and asynchronous generator functions.
    function_prototypes: [Value; 3],
    pub(crate) follow: Value,
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
    pub(crate) iterators: Iterators,
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
    ///
    /// `call_client` is what a callable of the client runs, `step_client` a method of its iterators.
    pub(crate) fn capture(
        rt: Runtime,
        call_client: NativeCall,
        step_client: NativeCall,
    ) -> JsResult<Self> {
        let global = rt.global();
        let key = |name: &str| rt.key_utf8(name.as_bytes());
        let prototype_of =
            |name: &str| -> JsResult { rt.get_named(&rt.get_named(&global, name)?, "prototype") };
        let (map_prototype, set_prototype) = (prototype_of("Map")?, prototype_of("Set")?);
        let mut error_prototypes = Vec::new();
        let natives = NATIVE_CLASSES.map(|(class, _, name)| (class, name));
        let aggregate = (ErrorClass::Aggregate, "AggregateError");
        for (class, name) in natives.into_iter().chain([aggregate]) {
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
        let functions = rt.eval_bootstrap(FUNCTION_PROTOTYPES, "node:internal/functions")?;
        let function = |place| rt.get_index(&functions, place);
        Ok(Self {
            call_client,
            map_set: rt.get_named(&map_prototype, "set")?,
            map_clear: rt.get_named(&map_prototype, "clear")?,
            map_prototype,
            set_add: rt.get_named(&set_prototype, "add")?,
            set_clear: rt.get_named(&set_prototype, "clear")?,
            set_prototype,
            function_prototype: prototype_of("Function")?,
            function_prototypes: [function(0)?, function(1)?, function(2)?],
            follow: rt.eval_bootstrap(FOLLOW, "node:internal/follow")?,
            error_prototypes,
            error_keys,
            ignore: rt.function(FunctionSpec::new(ignore, IGNORE_TAG, [0; 3]))?,
            cancelled: rt.error(ErrorConstructor::Error, CANCELLED)?,
            gone: rt.error(ErrorConstructor::Error, GONE)?,
            prototype: key("prototype")?,
            length: key("length")?,
            name: key("name")?,
            constructor: key("constructor")?,
            iterator: rt.key_value(&iterator)?,
            iterators: Iterators::make(rt, step_client)?,
            next: key("next")?,
            done: key("done")?,
            value: key("value")?,
        })
    }
}

impl Intrinsics {
    /// The prototype of functions of this kind, if they are not plain.
    pub(crate) const fn function_prototype_of(&self, kind: FunctionKind) -> Option<&Value> {
        let [generator, asynchronous, async_generator] = &self.function_prototypes;
        match kind {
            FunctionKind::Plain => None,
            FunctionKind::Generator => Some(generator),
            FunctionKind::Async => Some(asynchronous),
            FunctionKind::AsyncGenerator => Some(async_generator),
        }
    }
}

/// What is taken from JavaScript and made for iterators.
#[derive(Debug)]
pub(crate) struct Iterators {
    iterator: Value,
    generator: Value,
    async_iterator: Value,
    async_generator: Value,
    pub(crate) async_symbol: Key,
    pub(crate) finish: Key,
}

impl Iterators {
    pub(crate) fn make(rt: Runtime, step_client: NativeCall) -> JsResult<Self> {
        let built_in = rt.eval_bootstrap(PROTOTYPES, "node:internal/iterators")?;
        let steps = [
            (IteratorStep::Next, "next"),
            (IteratorStep::Return, "return"),
            (IteratorStep::Throw, "throw"),
        ];
        let prototype = |place: u32, steps: &[(IteratorStep, &str)], is_async| -> JsResult {
            let object = rt.object_with_prototype(&rt.get_index(&built_in, place)?)?;
            for (step, name) in steps {
                let name = rt.string_utf8(name.as_bytes())?;
                let words = [usize::from(step.code()), usize::from(is_async), 0];
                let spec = FunctionSpec::new(step_client, STEP_TAG, words);
                let function = rt.function(spec.name(&name).not_constructible())?;
                rt.put(&object, &rt.key_value(&name)?, function)?;
            }
            Ok(object)
        };
        let symbols = rt.get_named(&rt.global(), "Symbol")?;
        Ok(Self {
            iterator: prototype(0, &steps[..1], false)?,
            generator: prototype(2, &steps, false)?,
            async_iterator: prototype(1, &steps[..1], true)?,
            async_generator: prototype(3, &steps, true)?,
            async_symbol: rt.key_value(&rt.get_named(&symbols, "asyncIterator")?)?,
            finish: rt.key_utf8(b"return")?,
        })
    }

    /// The prototype of the proxies of these objects, if they are iterators.
    pub(crate) const fn prototype(&self, kind: ClientKind) -> Option<&Value> {
        match kind {
            ClientKind::Iterator => Some(&self.iterator),
            ClientKind::Generator => Some(&self.generator),
            ClientKind::AsyncIterator => Some(&self.async_iterator),
            ClientKind::AsyncGenerator => Some(&self.async_generator),
            _ => None,
        }
    }
}

/// The keys of an error's parts.
#[derive(Debug)]
pub(crate) struct ErrorKeys {
    pub(crate) name: Key,
    pub(crate) message: Key,
    pub(crate) code: Key,
    pub(crate) stack: Key,
    pub(crate) cause: Key,
    /// What an `AggregateError` and a `SuppressedError` hold, not enumerable as a cause.
    pub(crate) hidden_parts: [Key; 3],
}

/// The classes that the engine makes errors of: their constructors and the names of these.
pub(crate) const NATIVE_CLASSES: [(ErrorClass, ErrorConstructor, &str); 7] = [
    (ErrorClass::Error, ErrorConstructor::Error, "Error"),
    (ErrorClass::Type, ErrorConstructor::TypeError, "TypeError"),
    (
        ErrorClass::Range,
        ErrorConstructor::RangeError,
        "RangeError",
    ),
    (
        ErrorClass::Syntax,
        ErrorConstructor::SyntaxError,
        "SyntaxError",
    ),
    (
        ErrorClass::Reference,
        ErrorConstructor::ReferenceError,
        "ReferenceError",
    ),
    (ErrorClass::Eval, ErrorConstructor::EvalError, "EvalError"),
    (ErrorClass::Uri, ErrorConstructor::UriError, "URIError"),
];

"""Class statements whose base is a JavaScript class: they make a JavaScript class in the host.

A proxy of a class names `BASE` as the base of such a statement. Its metaclass makes no type, but
calls `FACTORY` in the host and returns the proxy of the class that it made. The methods of that
class are lent Python functions, which get JavaScript's `this` as `self`.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

from napi_python import _delegate, _native, _text
from napi_python._callables import length_of, pass_this, with_keywords
from napi_python._classes import DEFINE

if TYPE_CHECKING:
    from collections.abc import Callable

# Returns the class, or why there is none. An accessor in the prototype shows a value of the class
# in its instances, until they have their own.
FACTORY: Final = (
    """"use strict"; (name, base, [kind, init, length], methods, accessors, statics, values) => {
    const { apply } = Reflect;
    try {
        Reflect.construct(Object, [], base);
    } catch {
        return "it is not a constructor";
    }
    const copied = [Error, Date, Promise, Function, ArrayBuffer, SharedArrayBuffer, DataView,
        Object.getPrototypeOf(Uint8Array)];
    for (const one of copied)
        if (base === one || base.prototype instanceof one)
            return `an instance of ${one.name} is no JSObject in Python`;
    const made = {
        inherited: () => ({[name]: class extends base {}}),
        initialized: () => ({[name]: class extends base {
            constructor(...args) { super(...args); apply(init, this, args); }
        }}),
        constructed: () => ({[name]: class extends base {
            constructor(...args) {
                init((...given) => { super(...given); return this; }, ...args);
            }
        }}),
    }[kind]()[name];
"""
    + DEFINE
    + """
    if (length !== null) define(made, "length", { value: length });
    const method = (key, call, length) => define(
        {[key](...args) { return apply(call, this, args); }}[key], "length", { value: length });
    for (const [key, call, length] of methods)
        define(made.prototype, key, { value: method(key, call, length), writable: true });
    for (const [key, call, length] of statics)
        define(made, key, { value: method(key, call, length), writable: true });
    for (const [key, get, set] of accessors)
        define(made.prototype, key, {
            get: get === null ? undefined : function () { return apply(get, this, []); },
            set: set === null ? undefined : function (value) { apply(set, this, [value]); },
        });
    for (const [key, value] of values) {
        define(made, key, { value, writable: true, enumerable: true });
        define(made.prototype, key, {
            get() { return made[key]; },
            set(own) {
                define(this, key, { value: own, writable: true, enumerable: true });
            },
        });
    }
    return made;
}"""
)

# What Python itself puts into the namespace of a class.
_IGNORED: Final = frozenset(
    (
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__classcell__",
        "__classdictcell__",
        "__conditional_annotations__",
        "__doc__",
        "__firstlineno__",
        "__module__",
        "__orig_bases__",
        "__qualname__",
        "__static_attributes__",
        "__type_params__",
    )
)


def mro_entries(bases: tuple[object, ...]) -> tuple[type]:
    """Returns the base that makes a JavaScript class of a class statement.

    Raises:
        TypeError: If there is another base.

    """
    if len(bases) != 1:
        others = ", ".join(getattr(base, "__name__", repr(base)) for base in bases)
        text = f"a class that extends a JavaScript class has no other base, got ({others})"
        raise TypeError(text)
    return (BASE,)


class _Maker(type):
    """Makes a JavaScript class of a class statement, in place of a type."""

    def __new__(
        cls, name: str, _bases: tuple[type, ...], namespace: dict[str, Any], **keywords: object
    ) -> Any:  # noqa: ANN401 - a JSClass
        if keywords:
            given = ", ".join(keywords)
            raise TypeError(f"{name} extends a JavaScript class and takes no keywords, got {given}")
        bases = namespace.get("__orig_bases__")
        if bases is None:
            raise TypeError(f"{name} must name the JavaScript class that it extends")
        base = bases[0]
        if not isinstance(base, (_native.JSClass, _native.JSFunction, _native.Addon)):
            from napi_python import _references  # noqa: PLC0415 - takes long to import

            base = _references.target_of(base)
        return _extend(name, base, namespace)


BASE: Final = type.__new__(_Maker, "JavaScript class", (), {})


def _extend(name: str, base: Any, namespace: dict[str, Any]) -> _native.JSClass:  # noqa: ANN401
    functions = [*_functions(name, namespace)]
    cell = namespace.get("__classcell__")
    hidden = None
    if cell is not None:
        using = [function for function in functions if _delegate.uses_super(function)]
        hidden = cell.cell_contents = _delegate.hidden_type(name, base, using)
    factory = _native._run_beside(base, FACTORY)  # noqa: SLF001
    made = factory(name, base, *_describe(name, namespace, hidden))
    if not isinstance(made, _native.JSClass):
        why = _text.message(made) if isinstance(made, str) else "the host made no class of it"
        raise TypeError(f"{name} cannot extend {base!r}: {why}")
    return made


def _functions(name: str, namespace: dict[str, Any]) -> list[Callable[..., Any]]:
    """Returns the functions that get the instance as `self`."""
    found: list[Callable[..., Any]] = []
    for key, member in namespace.items():
        if isinstance(member, types.FunctionType):
            found.append(member)
        elif isinstance(member, property):
            if member.fdel is not None:
                text = f"{name}.{key} has a deleter, which JavaScript has not"
                raise TypeError(text)
            found.extend(part for part in (member.fget, member.fset) if part is not None)
    return found


def _describe(
    name: str, namespace: dict[str, Any], hidden: type[_delegate.Delegate] | None
) -> tuple[object, ...]:
    """Returns the arguments for `FACTORY` after the name and the base."""
    methods: list[tuple[object, ...]] = []
    accessors: list[tuple[object, ...]] = []
    statics: list[tuple[object, ...]] = []
    values: list[tuple[object, ...]] = []
    init: tuple[object, ...] = ("inherited", None, None)
    for key, member in namespace.items():
        if key in _IGNORED:
            continue
        if key == "__init__":
            init = _initializer(name, member, hidden)
        elif key in ("constructor", "prototype") or (key.startswith("__") and key.endswith("__")):
            text = f"{name}.{key} is not supported: {name} is a JavaScript class"
            raise TypeError(text)
        elif isinstance(member, types.FunctionType):
            methods.append((key, *_method(member, hidden)))
        elif isinstance(member, property):
            parts = (member.fget, member.fset)
            accessors.append(
                (key, *(None if part is None else _method(part, hidden)[0] for part in parts))
            )
        elif isinstance(member, staticmethod | classmethod):
            statics.append((key, *_static(f"{name}.{key}", member)))
        elif hasattr(type(member), "__get__"):
            text = (
                f"{name}.{key} is a {type(member).__name__}, which a class that extends a "
                "JavaScript class cannot have; write a method or a property"
            )
            raise TypeError(text)
        else:
            values.append((key, member))
    return init, methods, accessors, statics, values


def _method(
    function: Callable[..., Any], hidden: type[_delegate.Delegate] | None
) -> tuple[object, int]:
    """Returns what JavaScript calls as a method, and its length."""
    call: Callable[..., object] = with_keywords(function)
    if hidden is not None and _delegate.uses_super(function):
        inner, cls = call, hidden

        def call(this: object, *args: object) -> object:
            return inner(_delegate.delegate(cls, this), *args)

    return pass_this(call), max(0, length_of(function) - 1)


def _static(name: str, member: staticmethod[..., Any] | classmethod[Any, ..., Any]) -> Any:  # noqa: ANN401
    function: Any = member.__func__
    if _delegate.uses_super(function):
        text = f"{name} uses super(), which only methods and properties can; name the base"
        raise TypeError(text)
    call = with_keywords(function)
    if isinstance(member, staticmethod):
        return call, length_of(function)
    return pass_this(call), max(0, length_of(function) - 1)


def _initializer(
    name: str, function: object, hidden: type[_delegate.Delegate] | None
) -> tuple[object, ...]:
    """Returns how the class constructs, what the constructor calls, and its length."""
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"{name}.__init__ must be a function, got {type(function).__name__}")
    call = with_keywords(function)
    length = max(0, length_of(function) - 1)

    def check(result: object) -> None:
        if result is not None:
            raise TypeError(f"{name}.__init__ must return None, got {type(result).__name__}")

    if hidden is None or not _delegate.uses_super(function):
        return "initialized", pass_this(lambda this, *args: check(call(this, *args))), length

    def construct(run_base: object, *args: object) -> None:
        made = _delegate.constructing(hidden, run_base)
        try:
            check(call(made, *args))
        finally:
            is_made = _delegate.is_made(made)
        if not is_made:
            raise TypeError(f"{name}.__init__ did not call super().__init__()")

    return "constructed", construct, length

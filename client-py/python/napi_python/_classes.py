"""Python classes as constructible JavaScript classes: `js_class`.

The class in the host consists of lent Python functions, one for each name that it shows. An
instance is an ordinary JavaScript object of that class, which stands for the Python instance.
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, final

from napi_python import _convert, _policy
from napi_python._values import undefined

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

DEFINE: Final = """
    const define = (object, key, property) =>
        Object.defineProperty(object, key, { ...property, configurable: true });"""

FACTORY: Final = (
    """(name, base, construct, methods, accessors, statics, constants) => {"""
    + DEFINE
    + """
    const made = {[name]: class {
        constructor(...args) {
            const instance = construct(...args);
            if (new.target !== made) Object.setPrototypeOf(instance, new.target.prototype);
            return instance;
        }
    }}[name];
    if (base !== null) {
        Object.setPrototypeOf(made, base);
        Object.setPrototypeOf(made.prototype, base.prototype);
    }
    for (const [key, call] of methods)
        define(made.prototype, key, {
            value: {[key](...args) { return call(this, ...args); }}[key],
            writable: true,
        });
    for (const [key, get, set] of accessors)
        define(made.prototype, key, {
            get() { return get(this); },
            set: set === null ? undefined : function (value) { set(this, value); },
        });
    for (const [key, call] of statics)
        define(made, key, {
            value: {[key](...args) { return call(...args); }}[key],
            writable: true,
        });
    for (const [key, get] of constants) define(made, key, { get() { return get(); } });
    return made;
}"""
)


@final
class ClassOf(Generic[_T]):
    """A Python class that addons can construct; made by `js_class`."""

    __slots__ = ("__weakref__", "names", "target")

    def __init__(self, target: type[_T], names: frozenset[str] | None) -> None:
        self.target = target
        # None for the public ones.
        self.names = names

    def __repr__(self) -> str:
        return f"<JavaScript class of {self.target.__name__}>"


@final
class Instance:
    """An instance that is passed to an addon, with its class there."""

    __slots__ = ("js_class", "target")

    def __init__(self, target: object, js_class: ClassOf[Any]) -> None:
        self.target = target
        self.js_class = js_class


_made: Final[dict[type, ClassOf[Any]]] = {}


def js_class(cls: type[_T], /, *names: str) -> ClassOf[_T]:
    """Makes a JavaScript class of a Python class, to be passed to addons.

    `new` makes an instance of `cls`; methods, properties and class attributes become methods,
    accessors and statics; JavaScript may inherit from it. From then on instances of `cls` and its
    subclasses are passed as instances of that class, and come back as the same Python objects.
    The addon sees the named attributes, or all public ones that the class, its annotations or its
    slots name; never those with a leading underscore.

    Raises:
        TypeError: If `cls` is not a class, its conversion is fixed, or a name is not a str.
        ValueError: If a name starts with an underscore.

    """
    if not isinstance(cls, type):
        raise TypeError(f"js_class() takes a class, not {cls!r}")
    made = ClassOf(cls, _policy.shown_names(names))
    _convert.register(cls, functools.partial(_instance, made))
    _made[cls] = made
    return made


def _instance(made: ClassOf[Any], value: object) -> Instance:
    return Instance(value, made)


def describe(made: ClassOf[Any]) -> tuple[object, ...]:
    """Returns the arguments for `FACTORY`."""
    cls = made.target
    methods: list[tuple[str, object]] = []
    accessors: list[tuple[str, object, object]] = []
    statics: list[tuple[str, object]] = []
    constants: list[tuple[str, object]] = []
    for name in sorted(_names(made)):
        member = next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)
        if isinstance(member, staticmethod | classmethod):
            statics.append((name, _bind(_call_static, cls, name)))
        elif isinstance(member, _policy.NEVER_LIVE) and callable(member):
            if not isinstance(member, type):
                methods.append((name, _bind(_call, cls, name)))
        elif not isinstance(member, types.ModuleType):
            can_set = not isinstance(member, property) or member.fset is not None
            setter = _bind(_set, cls, name) if can_set else None
            accessors.append((name, _bind(_get, cls, name), setter))
            if member is not None and not hasattr(type(member), "__get__"):
                constants.append((name, _bind(getattr, cls, name)))
    base = next((_made[base] for base in cls.__mro__[1:] if base in _made), None)
    return cls.__name__, base, _bind(_construct, cls), methods, accessors, statics, constants


def _names(made: ClassOf[Any]) -> frozenset[str]:
    if made.names is not None:
        return made.names
    found: set[str] = set()
    for base in made.target.__mro__[:-1]:
        found.update(base.__dict__, getattr(base, "__annotations__", ()))
    return frozenset(name for name in found if not name.startswith("_"))


def _own(cls: type[_T], this: object, name: str) -> _T:
    if not isinstance(this, cls):
        raise TypeError(f"{name} is called with a value that is no instance of {cls.__name__}")
    return this


def _bind(function: Callable[..., object], *first: object) -> Callable[..., object]:
    """Returns a function with these first arguments, not an object whose class has a converter."""

    def call(*args: object) -> object:
        return function(*first, *args)

    return call


def _construct(cls: type, *args: object) -> object:
    return cls(*args)


def _call(cls: type, name: str, this: object, *args: object) -> object:
    return getattr(_own(cls, this, name), name)(*args)


def _call_static(cls: type, name: str, *args: object) -> object:
    return getattr(cls, name)(*args)


def _get(cls: type, name: str, this: object) -> object:
    return getattr(_own(cls, this, name), name, undefined)


def _set(cls: type, name: str, this: object, value: object) -> None:
    setattr(_own(cls, this, name), name, value)

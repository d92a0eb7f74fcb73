"""The `self` of methods that use `super()`: a Python object that stands for a JavaScript object.

Python's `super()` takes an instance of the type in the cell `__class__`. So a class that extends a
JavaScript one has a hidden type, whose instances pass every access on to the JavaScript object.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, Final

from napi_python import _convert, _native

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator

# Returns a function that reads a property as `super.name` does: whether it is there, and its value.
# A function is bound. It refers to the base only, so that nothing of the host keeps the class.
_SUPER: Final = """(base) => (object, name) => {
    if (!(name in base.prototype)) return [false];
    const value = Reflect.get(base.prototype, name, object);
    return [true, typeof value === "function" ? value.bind(object) : value];
}"""


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


class Delegate:
    """Stands for a JavaScript object, once its base constructor was run."""

    __slots__ = ("_construct", "_object")

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Runs the constructor of the base: what `super().__init__()` calls in `__init__`."""
        construct = _get_construct(self)
        if construct is None:
            text = "super().__init__() can be called once, and only while __init__ runs"
            raise RuntimeError(text)

        _set_object(self, _checked(type(self), construct(*args, **kwargs)))
        _set_construct(self, None)

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - of the JavaScript object
        if _is_dunder(name):
            return object.__getattribute__(self, name)
        return getattr(object_of(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object_of(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(object_of(self), name)

    def __getitem__(self, key: object) -> Any:  # noqa: ANN401 - of the JavaScript object
        return object_of(self)[key]

    def __setitem__(self, key: object, value: object) -> None:
        object_of(self)[key] = value

    def __delitem__(self, key: object) -> None:
        del object_of(self)[key]

    def __contains__(self, key: object) -> bool:
        return key in object_of(self)

    def __len__(self) -> int:
        return len(object_of(self))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(object_of(self))

    def __aiter__(self) -> AsyncIterator[Any]:
        return aiter(object_of(self))

    def __await__(self) -> Generator[Any, None, Any]:
        return object_of(self).__await__()  # type: ignore[no-any-return]

    def __dir__(self) -> Iterable[str]:
        return dir(object_of(self))

    def __eq__(self, other: object) -> bool:
        return bool(object_of(self) == object_of(other))

    def __hash__(self) -> int:
        return hash(object_of(self))

    def __reduce__(self) -> Any:  # noqa: ANN401 - raises, as a proxy does
        return object_of(self).__reduce__()

    def __str__(self) -> str:
        return str(object_of(self))

    def __repr__(self) -> str:
        return repr(object_of(self))


_get_construct: Final = vars(Delegate)["_construct"].__get__
_set_construct: Final = vars(Delegate)["_construct"].__set__
_get_object: Final = vars(Delegate)["_object"].__get__
_set_object: Final = vars(Delegate)["_object"].__set__


def object_of(value: object) -> Any:  # noqa: ANN401 - a JSObject, or the value
    """Returns the object that a delegate stands for; any other value itself.

    Raises:
        RuntimeError: If the constructor of the base was not run yet.

    """
    if not isinstance(value, Delegate):
        return value
    found = _get_object(value)
    if found is None:
        name = type(value).__name__
        raise RuntimeError(f"self of {name}.__init__ is used before super().__init__() was called")
    return found


class _Member:
    """A property of the base, as `super().name` reads it."""

    __slots__ = ("_name", "_read")

    def __init__(self, name: str, read: Callable[..., Any]) -> None:
        self._name: Final = name
        self._read: Final = read

    def __get__(self, instance: object, owner: type) -> Any:  # noqa: ANN401 - of the host
        present, *value = self._read(object_of(instance), self._name)
        if not present:
            raise AttributeError(
                f"the base of {owner.__name__} has no property {self._name!r}", name=self._name
            )
        return value[0]


def uses_super(function: object) -> bool:
    """Returns whether a function, or the one that it wraps, uses `super()` or `__class__`."""
    code = getattr(inspect.unwrap(function), "__code__", None)  # type: ignore[arg-type]
    return code is not None and "__class__" in code.co_freevars


def _names_in(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names_in(constant)
    return found


@functools.cache
def _register() -> None:
    """Has delegates converted; only once there can be one, since conversions get slower by it."""
    _convert.register(Delegate, object_of)


def hidden_type(name: str, base: object, functions: list[Callable[..., Any]]) -> type[Delegate]:
    """Makes the type of the `self` of these functions, which use `super()`.

    What `super()` finds is in the dict of a type, so there is an attribute for each name that the
    functions use.
    """
    _register()
    read = _native._run_beside(base, _SUPER)(base)  # noqa: SLF001
    names: set[str] = set()
    for function in functions:
        code: types.CodeType = getattr(inspect.unwrap(function), "__code__")  # noqa: B009
        names |= _names_in(code)
    members: dict[str, Any] = {key: _Member(key, read) for key in names if not _is_dunder(key)}
    between = type("base of " + name, (Delegate,), {"__slots__": (), **members})
    return type(name, (between,), {"__slots__": ()})


def constructing(cls: type[Delegate], construct: object) -> Delegate:
    """Returns a delegate of an object that is not made yet."""
    made = object.__new__(cls)
    _set_construct(made, construct)
    _set_object(made, None)
    return made


def is_made(made: Delegate) -> bool:
    """Returns whether the base constructor was run; from now on it cannot be."""
    _set_construct(made, None)
    return _get_object(made) is not None


def delegate(cls: type[Delegate], this: object) -> Delegate:
    """Returns a delegate of an object.

    Raises:
        TypeError: If there is no object: JavaScript called a method without one.

    """
    made = object.__new__(cls)
    _set_construct(made, None)
    _set_object(made, _checked(cls, this))
    return made


def _checked(cls: type[Delegate], this: object) -> object:
    # A constructor of a base may return a function.
    if not isinstance(this, _native.JSObject | _native.JSFunction):
        name = type(this).__name__
        raise TypeError(f"self of {cls.__name__} must be a JavaScript object, got {name}")
    return this

"""Python callables as JavaScript functions: `length`, and `this` and keywords on request."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, final

from napi_python import _declared
from napi_python._values import Object

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Iterable

_P = ParamSpec("_P")
_T = TypeVar("_T")


@final
class PassThis(Generic[_P, _T]):
    """A callable that gets JavaScript's `this` before its arguments; made by `pass_this`."""

    # A dataclass would be converted to its fields.
    __slots__ = ("__weakref__", "function")

    def __init__(self, function: Callable[_P, _T]) -> None:
        self.function: Final = function

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> PassThis[..., _T]:
        """Binds the function of a method to its instance, or to its class."""
        bind: Any = getattr(type(self.function), "__get__", None)
        return self if bind is None else PassThis(bind(self.function, instance, owner))

    def __repr__(self) -> str:
        return f"<pass_this({self.function!r})>"


def pass_this(function: Callable[_P, _T], /) -> PassThis[_P, _T]:
    """Has JavaScript's `this` passed to a callback as its first argument.

    Also a decorator, of methods too: `this` comes after `self`. An object is passed by reference,
    also one that would be copied as an argument.

    Raises:
        TypeError: If `function` is not callable.

    """
    if isinstance(function, PassThis):
        return function
    if not callable(function):
        raise TypeError(f"pass_this() takes a callable, not {type(function).__name__}")
    return PassThis(function)


def length_of(value: Callable[..., object]) -> int:
    """Returns how many arguments a callable expects, as the `length` of functions tells it.

    Counted are positional parameters before the first one with a default; 0 without a signature.
    """
    if isinstance(value, PassThis):
        return max(0, length_of(value.function) - 1)
    if isinstance(value, types.MethodType):
        return max(0, length_of(value.__func__) - 1)
    # In its dict a function may have the signature of another one.
    if isinstance(value, types.FunctionType) and not value.__dict__:
        return value.__code__.co_argcount - len(value.__defaults__ or ())
    length = 0
    for parameter in _parameters(value):
        positional = (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if parameter.kind not in positional or parameter.default is not parameter.empty:
            break
        length += 1
    return length


def _parameters(value: Callable[..., object]) -> Iterable[inspect.Parameter]:
    """Returns the parameters of a callable, none if they are unknown.

    Those of functions of addons are: they would start a process that reads declarations.
    """
    if isinstance(value, _declared.PROXIES):
        return ()
    import inspect  # noqa: PLC0415 - takes long to import

    # The callable may be made of functions of addons, as by `functools.partial`.
    token = _declared.is_passing.set(True)
    try:
        return inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return ()
    finally:
        _declared.is_passing.reset(token)


def with_keywords(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has a function with keyword-only parameters take an options object as its keywords.

    The object comes after an argument for each positional parameter without a default, as the
    options that many JavaScript functions take do.
    """
    if not any(
        parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
        for parameter in _parameters(function)
    ):
        return function
    required = length_of(function)

    @functools.wraps(function)
    def call(*args: object) -> object:
        if len(args) > required and isinstance(options := args[-1], Object):
            return function(*args[:-1], **options)
        return function(*args)

    return call


@final
class Step:
    """A call of a function whose result stays in Python."""

    __slots__ = ("_arguments", "_function", "_keywords", "result")

    def __init__(
        self,
        function: Callable[..., object],
        arguments: tuple[object, ...],
        keywords: dict[str, object] | None,
    ) -> None:
        self._function: Final = function
        self._arguments: Final = arguments
        self._keywords: Final = keywords or {}
        self.result: object = None

    def __call__(self) -> None:
        self.result = self._function(*self._arguments, **self._keywords)

"""Access control: which Python objects an addon can access by reference, and by which names.

The addon may be hostile and Python is reflective, so a name from the host is only looked up in a
table that was built here; it never reaches `getattr` (I-21). The value of an attribute is
classified by the same rules when it is converted.
"""

from __future__ import annotations

import collections
import io
import sys
import types
import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Generator,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
)
from typing import Any, Final, Generic, TypeVar, cast, final

from napi_python._native import (
    ASYNC_GENERATOR,
    ASYNC_ITERATOR,
    AWAITABLE,
    CALLABLE,
    EXPOSED,
    GENERATOR,
    ITERATOR,
    MAPPING,
    OPAQUE,
    SEQUENCE,
)

_T = TypeVar("_T")

ABSENT: Final = object()
"""What a lookup returns if there is nothing to show."""

NEVER_LIVE: Final = (
    types.ModuleType,
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MappingProxyType,
    types.FrameType,
    types.CodeType,
    types.CellType,
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.TracebackType,
    types.GenericAlias,
    property,
    staticmethod,
    classmethod,
    super,
    weakref.ref,
)

_WITHOUT_IDENTITY: Final = (type(None), bool, int, float, complex, str, bytes)

# The flag of code that `types.coroutine` has marked.
_ITERABLE_COROUTINE: Final = 0x100

_HEAP_TYPE: Final = 1 << 9
_IMMUTABLE_TYPE: Final = 1 << 8
# The descriptors that a class written in C has in place of functions.
_WRITTEN_IN_C: Final = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
)


@final
class Exposed(Generic[_T]):
    """An object whose attributes the addon may access; made by `expose`."""

    __slots__ = ("__weakref__", "names", "target")

    def __init__(self, target: _T, names: frozenset[str] | None) -> None:
        self.target = target
        # None for the public ones.
        self.names = names

    def __repr__(self) -> str:
        shown = "public names" if self.names is None else ", ".join(sorted(self.names))
        return f"<exposed {type(self.target).__name__}: {shown}>"


@final
class ByRef(Generic[_T]):
    """An object that is passed by reference, lent as this kind; made by `by_ref`."""

    __slots__ = ("__weakref__", "kind", "target")

    def __init__(self, target: _T, kind: int) -> None:
        self.target = target
        self.kind = kind

    def __repr__(self) -> str:
        return f"<by reference: {type(self.target).__name__}>"


def expose(target: _T, /, *names: str) -> Exposed[_T]:
    """Lets an addon look into `target`: the named attributes, or all public ones.

    Pass the result to the addon in place of the object. The addon can get, set and call those
    attributes and nothing else; passed back to Python it is `target` itself.

    Raises:
        TypeError: If `target` is a module, class, function, frame or the like, which would lead
            the addon to the whole interpreter, or if a name is not a str.
        ValueError: If a name starts with an underscore.

    """
    if isinstance(target, Exposed):
        target = target.target
    if isinstance(target, NEVER_LIVE):
        text = (
            f"a {type(target).__name__} cannot be exposed: from it an addon could reach the whole "
            "interpreter; expose an instance, or pass a function to be called"
        )
        raise TypeError(text)
    return Exposed(target, shown_names(names))


def shown_names(names: tuple[str, ...]) -> frozenset[str] | None:
    """Returns the names of attributes to show, None for all public ones."""
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"names of attributes must be str, got {type(name).__name__}")
        if name.startswith("_"):
            raise ValueError(f"name must not start with an underscore, got {name!r}")
    return frozenset(names) if names else None


def by_ref(target: _T, /) -> ByRef[_T]:
    """Passes an object itself to an addon instead of a copy.

    Of a mapping or sequence the addon sees the items, live, and never the attributes. Any other
    object is an opaque token: the addon can keep it and give it back, and sees nothing of it.
    Passed back to Python it is `target` itself.

    Raises:
        TypeError: If it is None, a bool, a number, a str or bytes, which have no identity, or a
            function or class, which is passed by reference anyway.

    """
    if isinstance(target, ByRef):
        return target
    if isinstance(target, Exposed):
        text = (
            "expose() passes an object by reference already; by_ref() is for what it does not show"
        )
        raise TypeError(text)
    if isinstance(target, _WITHOUT_IDENTITY) or callable(target):
        text = (
            f"by_ref() takes a mapping or a sequence, or an object to be an opaque token, not "
            f"{type(target).__name__}"
        )
        raise TypeError(text)
    if isinstance(target, Mapping):
        return ByRef(target, MAPPING)
    if isinstance(target, Sequence) and not isinstance(target, bytearray | memoryview):
        return ByRef(target, SEQUENCE)
    return ByRef(target, OPAQUE)


def _is_written_in_python(cls: type) -> bool:
    """Returns whether `cls` was made by a class statement.

    A class of a C extension may be a heap type, too, but it has descriptors for its methods. A
    class statement makes only those of `__dict__` and `__weakref__`.
    """
    flags = cls.__flags__
    if not flags & _HEAP_TYPE or flags & _IMMUTABLE_TYPE:
        return False
    return not any(
        isinstance(member, _WRITTEN_IN_C)
        and member.__objclass__ is cls
        and name not in ("__dict__", "__weakref__")
        for name, member in cls.__dict__.items()
    )


def _iterator_kind(cls: type, value: object) -> int | None:
    """Returns the kind as which an iterator is lent, None for other values."""
    # The class of weak proxies has every special method.
    if not (hasattr(cls, "__next__") or hasattr(cls, "__anext__")) or cls is weakref.ProxyType:
        return None
    if isinstance(value, Generator):
        is_coroutine = (
            isinstance(value, types.GeneratorType) and value.gi_code.co_flags & _ITERABLE_COROUTINE
        )
        return AWAITABLE if is_coroutine else GENERATOR
    if isinstance(value, AsyncGenerator):
        return ASYNC_GENERATOR
    if isinstance(value, AsyncIterator):
        return ASYNC_ITERATOR
    # A file is an iterator of its lines, but is rarely passed to be read that way.
    if isinstance(value, Iterator) and not isinstance(value, io.IOBase):
        return ITERATOR
    return None


def _is_future(value: object) -> bool:
    # Before that module is imported there are none.
    futures = sys.modules.get("concurrent.futures")
    return futures is not None and isinstance(value, futures.Future)


def classify(value: object, public: bool) -> int | None:  # noqa: FBT001 - called from native code
    """Returns the kind as which an object is lent, None if it is not passed by reference."""
    if isinstance(value, Exposed):
        return EXPOSED
    if isinstance(value, ByRef):
        return value.kind
    cls = type(value)
    if callable(value):
        return CALLABLE
    if hasattr(cls, "__await__") or _is_future(value):
        return AWAITABLE
    kind = _iterator_kind(cls, value)
    if kind is not None:
        return kind
    is_live = public and not isinstance(value, NEVER_LIVE) and _is_written_in_python(cls)
    return EXPOSED if is_live else None


_tables: weakref.WeakKeyDictionary[type, dict[str, str]] = weakref.WeakKeyDictionary()


def _class_table(cls: type) -> dict[str, str]:
    table = _tables.get(cls)
    if table is None:
        table = {
            name: name for base in cls.__mro__ for name in base.__dict__ if not name.startswith("_")
        }
        _tables[cls] = table
    return table


def _instance_dict(target: object) -> dict[str, object]:
    try:
        found = object.__getattribute__(target, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def _shown_name(value: object, key: str) -> str | None:
    """Returns the table's own string for a name that is shown, None for all others."""
    target, names = (value.target, value.names) if isinstance(value, Exposed) else (value, None)
    if key.startswith("_"):
        return None
    if names is not None:
        return next((name for name in names if name == key), None)
    name = _class_table(type(target)).get(key)
    if name is None and key in _instance_dict(target):
        name = next((own for own in _instance_dict(target) if own == key), None)
    return name


_reported: collections.OrderedDict[int, None] = collections.OrderedDict()
_REPORTED_MAX: Final = 4096


def _refuse(value: object, key: str) -> None:
    """Logs the first refused access to an object, with the call that would allow it."""
    target = value.target if isinstance(value, Exposed) else value
    mark = id(target)
    if mark in _reported:
        return
    _reported[mark] = None
    if len(_reported) > _REPORTED_MAX:
        _reported.popitem(last=False)
    import logging  # noqa: PLC0415 - only here

    log = logging.getLogger("napi_python.remote")
    if key.startswith("_"):
        log.warning(
            "an addon requested %r of a %s; names with a leading underscore are never shown, and "
            "expose() does not change that",
            key[:80],
            type(target).__name__,
        )
    else:
        log.warning(
            "an addon requested %r of a %s, which it may not access; if it should, pass "
            "expose(value, %r) instead of the value",
            key[:80],
            type(target).__name__,
            key[:80],
        )


def _mapping_key(target: Mapping[Any, object], key: str) -> object:
    if key in target:
        return key
    number = _index(key)
    return number if number is not None and number in target else ABSENT


def _index(key: str) -> int | None:
    """Reads a canonical array index."""
    if len(key) > 15 or not (key.isascii() and key.isdigit()) or (key[0] == "0" and key != "0"):  # noqa: PLR2004
        return None
    return int(key)


def remote_get(value: object, key: str, public: bool) -> object:  # noqa: FBT001, PLR0911
    """Reads one attribute or item for the host; returns ABSENT if none is shown."""
    if isinstance(value, ByRef):
        target = value.target
        if value.kind == MAPPING:
            found = _mapping_key(target, key)
            return ABSENT if found is ABSENT else target[found]
        if key == "length":
            return len(target)
        index = _index(key)
        return target[index] if index is not None and index < len(target) else ABSENT
    if classify(value, public) != EXPOSED:
        _refuse(value, key)
        return ABSENT
    name = _shown_name(value, key)
    if name is None:
        if key.startswith("_") or isinstance(value, Exposed):
            _refuse(value, key)
        return ABSENT
    target = value.target if isinstance(value, Exposed) else value
    try:
        return getattr(target, name)
    except AttributeError:
        return ABSENT


def remote_has(value: object, key: str, public: bool) -> bool:  # noqa: FBT001
    """Returns whether the host may see an attribute or item of that name."""
    if isinstance(value, ByRef):
        target = value.target
        if value.kind == MAPPING:
            return _mapping_key(target, key) is not ABSENT
        index = _index(key)
        return key == "length" or (index is not None and index < len(target))
    if classify(value, public) != EXPOSED:
        return False
    name = _shown_name(value, key)
    return name is not None and hasattr(value.target if isinstance(value, Exposed) else value, name)


def remote_set(value: object, key: str, item: object, public: bool) -> None:  # noqa: FBT001
    """Sets one attribute or item for the host."""
    if isinstance(value, ByRef):
        _set_item(value.target, value.kind, key, item)
        return
    name = _shown_name(value, key) if classify(value, public) == EXPOSED else None
    target = value.target if isinstance(value, Exposed) else value
    if name is None:
        _refuse(value, key)
        raise TypeError(f"{key[:80]!r} of this Python object may not be set")
    own = next(
        (base.__dict__[name] for base in type(target).__mro__ if name in base.__dict__), None
    )
    if callable(own) or isinstance(own, staticmethod | classmethod):
        raise TypeError(f"{name!r} is a method of a Python class and cannot be replaced")
    setattr(target, name, item)


def _set_item(target: object, kind: int, key: str, item: object) -> None:
    if kind == MAPPING and isinstance(target, MutableMapping):
        found = _mapping_key(target, key)
        target[key if found is ABSENT else found] = item
        return
    if kind == SEQUENCE and isinstance(target, MutableSequence):
        index = _index(key)
        if index is not None and index < len(target):
            target[index] = item
            return
        if index is not None and index == len(target):
            target.append(item)
            return
        raise TypeError(f"index {key[:80]} is out of range of this Python sequence")
    raise TypeError(f"this Python {type(target).__name__} is read-only")


def remote_delete(value: object, key: str, public: bool) -> bool:  # noqa: FBT001
    """Deletes one item for the host; attributes are never deleted."""
    if isinstance(value, ByRef) and isinstance(value.target, MutableMapping):
        found = _mapping_key(value.target, key)
        if found is not ABSENT:
            del value.target[found]
        return True
    if not remote_has(value, key, public):
        return True
    raise TypeError(f"{key[:80]!r} of this Python object cannot be deleted")


def remote_keys(value: object, public: bool) -> list[str]:  # noqa: FBT001
    """Returns the names and indices that the host may see."""
    if isinstance(value, ByRef):
        target = value.target
        if value.kind == MAPPING:
            return [str(key) for key in target if type(key) in (str, int)]
        return [str(index) for index in range(len(target))]
    if classify(value, public) != EXPOSED:
        return []
    target = value.target if isinstance(value, Exposed) else value
    if isinstance(value, Exposed) and value.names is not None:
        return sorted(value.names)
    own = [name for name in _instance_dict(target) if not str(name).startswith("_")]
    inherited = _class_table(type(target)).values()
    return cast("list[str]", [*own, *(name for name in inherited if name not in own)])

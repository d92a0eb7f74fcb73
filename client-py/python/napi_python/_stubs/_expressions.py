"""Expressions of Python's types: unions of parts, and names that a class body hides."""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass
from typing import Final

#: What is imported if it is used: where it comes from.
IMPORTS: Final = {
    "Any": "typing",
    "Generic": "typing",
    "Literal": "typing",
    "Never": "typing",
    "NotRequired": "typing",
    "Self": "typing",
    "TypeAlias": "typing",
    "TypedDict": "typing",
    "Union": "typing",
    "TypeVar": "typing",
    "Unpack": "typing",
    "overload": "typing",
    "AbstractSet": "collections.abc",
    "AsyncIterator": "collections.abc",
    "AsyncIterable": "collections.abc",
    "Awaitable": "collections.abc",
    "Callable": "collections.abc",
    "Iterable": "collections.abc",
    "Iterator": "collections.abc",
    "Mapping": "collections.abc",
    "Sequence": "collections.abc",
    "PathLike": "os",
    "datetime": "datetime",
    "BytesLike": "typing_extensions",
    "ArrayBuffer": "napi_python",
    "BigInt": "napi_python",
    "Buffer": "napi_python",
    "DataView": "napi_python",
    "JSObject": "napi_python",
    "Promise": "napi_python",
    "SharedArrayBuffer": "napi_python",
    "Symbol": "napi_python",
    "Exports": "napi_python._native",
}
#: Under which other name a module has it.
IMPORTED_AS: Final = {"BytesLike": "Buffer", "AbstractSet": "Set"}
_BUILTINS: Final = frozenset(dir(builtins))
_LITERAL: Final = "Literal["
# Type checkers read longer unions without bars only.
_BARS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Expression:
    """The alternatives of a type, and which of them are typed dicts of options."""

    parts: tuple[str, ...]
    dicts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The expression as it is written."""
        if "Any" in self.parts or "typing.Any" in self.parts:
            return next(part for part in self.parts if part.endswith("Any"))
        values: list[str] = []
        others: list[str] = []
        place = None
        for part in self.parts:
            if part.startswith(_LITERAL) and part.endswith("]"):
                place = len(others) if place is None else place
                values.append(part.removeprefix(_LITERAL)[:-1])
            elif part != "None":
                others.append(part)
        if place is not None:
            others.insert(place, f"{_LITERAL}{', '.join(dict.fromkeys(values))}]")
        if "None" in self.parts:
            others.append("None")
        if len(others) > _BARS_MAX:
            return f"Union[{', '.join(others)}]"
        return " | ".join(others) if others else "Never"

    def __or__(self, other: Expression) -> Expression:
        """Returns the union."""
        return Expression(
            tuple(dict.fromkeys(self.parts + other.parts)),
            tuple(dict.fromkeys(self.dicts + other.dicts)),
        )


def is_attribute(name: str) -> bool:
    """Whether Python can write it as an attribute, and does not change it in a class."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")


def identifier(name: str, default: str = "value") -> str:
    """Returns a name that Python takes for a definition."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or default
    if found[0].isdigit():
        found = f"_{found}"
    return f"{found}_" if keyword.iskeyword(found) else found


class Names:
    """The names of a stub module: each is used once, and can be written where a class hides it."""

    def __init__(self) -> None:
        self._taken = {*IMPORTS, *_BUILTINS, "builtins", "self"}
        self.hidden: frozenset[str] = frozenset()
        #: Names that need a second one, since a class hides them.
        self.aliased: set[str] = set()
        self.needs_builtins = False
        #: What was written, and may have to be imported.
        self.used = {"Any", "Callable", "Generic", "TypeAlias", "TypeVar"}

    def take(self, wanted: str, prefix: str = "") -> str:
        """Returns a name that no other definition has: the wanted one, if it is free."""
        base = prefix + identifier(wanted)
        if base in _BUILTINS or base in IMPORTS:
            base = f"{base}_"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name)
        return name

    def seen(self, name: str) -> str:
        """Returns how a name is written where it is used."""
        self.used.add(name)
        if name not in self.hidden:
            return name
        if name in _BUILTINS:
            self.needs_builtins = True
            return f"builtins.{name}"
        self.aliased.add(name)
        return f"_{name}_type"

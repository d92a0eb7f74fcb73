"""Wrappers that pass Python bytes as kinds of JavaScript buffers without a Python counterpart."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final, final

if TYPE_CHECKING:
    from typing import Literal

# Of each element type: its code on the wire (as `_code` below) and its format in `struct`.
_ELEMENTS: Final[dict[str, tuple[int, str]]] = {
    "int8": (0, "b"),
    "uint8": (1, "B"),
    "uint8clamped": (2, "B"),
    "int16": (3, "h"),
    "uint16": (4, "H"),
    "int32": (5, "i"),
    "uint32": (6, "I"),
    "float32": (7, "f"),
    "float64": (8, "d"),
    "bigint64": (9, "q"),
    "biguint64": (10, "Q"),
    "float16": (11, "e"),
}
_BYTES: Final = frozenset("bBc?")


class View:
    """Bytes of `source` as a JavaScript buffer; changes by the addon are written back."""

    __slots__ = ("__weakref__", "_element", "_source")

    def __init__(self, source: object, element: int) -> None:
        self._source = source
        self._element = element

    @property
    def source(self) -> object:
        """The object whose bytes they are."""
        return self._source

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r})"


def _buffer(source: object, name: str) -> memoryview:
    try:
        return memoryview(source)  # type: ignore[arg-type]
    except TypeError:
        text = f"{name} takes an object with bytes, as a bytearray, not {type(source).__name__}"
        raise TypeError(text) from None


class _Whole(View):
    """The bytes of any object as a buffer of one kind."""

    __slots__ = ()
    _code: ClassVar[int]

    def __init__(self, source: object, /) -> None:
        _buffer(source, f"{type(self).__name__}()").release()
        super().__init__(source, self._code)


@final
class ArrayBuffer(_Whole):
    """Passes the bytes of an object as an `ArrayBuffer`."""

    __slots__ = ()
    _code = 33


@final
class SharedArrayBuffer(_Whole):
    """Passes the bytes of an object as a `SharedArrayBuffer`, which threads of the addon share.

    Its memory is the host's. Its contents when the call returns are written back; later changes
    are not.
    """

    __slots__ = ()
    _code = 35


@final
class DataView(_Whole):
    """Passes the bytes of an object as a `DataView`."""

    __slots__ = ()
    _code = 34


@final
class TypedArray(View):
    """Passes bytes or numbers as a typed array: `TypedArray("uint8", b"...")`."""

    __slots__ = ("_kind",)

    def __init__(
        self,
        kind: Literal[
            "int8",
            "uint8",
            "uint8clamped",
            "int16",
            "uint16",
            "int32",
            "uint32",
            "float16",
            "float32",
            "float64",
            "bigint64",
            "biguint64",
        ],
        source: object,
        /,
    ) -> None:
        """Checks the source.

        Args:
            kind: The type of the elements.
            source: A buffer of elements of that type; a buffer of bytes, which are taken for such
                elements; or a list, tuple or range of numbers, which is copied and not written
                back.

        Raises:
            TypeError: If `source` is no buffer, or has elements of another type.
            ValueError: If there is no such type, the number of bytes is not a multiple of the
                element's size, or a number is out of range.

        """
        if kind not in _ELEMENTS:
            text = f"the type of a typed array must be one of {', '.join(_ELEMENTS)}, got {kind!r}"
            raise ValueError(text)
        element, code = _ELEMENTS[kind]
        if isinstance(source, list | tuple | range):
            try:
                source = struct.pack(f"={len(source)}{code}", *source)
            except (struct.error, OverflowError) as error:
                text = f"the numbers do not fit into a typed array of {kind}: {error}"
                raise ValueError(text) from None
        with _buffer(source, "TypedArray()") as view:
            size = struct.calcsize(f"={code}")
            form = view.format.lstrip("@=<|")
            is_same = view.itemsize == size and (form == code or {form, code} in _SAME)
            if form not in _BYTES and not is_same:
                text = (
                    f"a buffer of format {view.format!r} is no {kind}; convert its elements, or "
                    "pass memoryview(x).cast('B') to take its bytes for such elements"
                )
                raise TypeError(text)
            if view.nbytes % size:
                text = f"{view.nbytes} bytes are no whole number of {kind} of {size} bytes"
                raise ValueError(text)
        super().__init__(source, element)
        self._kind = kind

    def __repr__(self) -> str:
        return f"TypedArray({self._kind!r}, {self._source!r})"


# Formats of `struct` that mean the same integers on this machine.
_SAME: Final = ({"l", "i"}, {"L", "I"}, {"l", "q"}, {"L", "Q"}, {"n", "q"}, {"N", "Q"})

"""Sizes in bytes, given as a number or as text such as "512 MiB"."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", re.ASCII)
# The longest text that is read; a longer number is no size.
_LENGTH_MAX: Final = 1000
# The part of a text that an error shows.
_SHOWN_MAX: Final = 100


def parse(name: str, text: str) -> int:
    """Returns a size that is given as text; `name` is what the error calls it."""
    found = _SIZE.fullmatch(text) if len(text) <= _LENGTH_MAX else None
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None:
        shown = text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."
        message = f"{name} must be a number of bytes or a text such as '512 MiB', got {shown!r}"
        raise ValueError(message)
    # Exact, so that a range check sees every digit.
    whole, _, part = found[1].partition(".")
    scale: int = 10 ** len(part)
    return int(whole + part) * unit // scale


def size_of(name: str, value: object) -> int:
    """Returns a size in bytes, given as an int or as text."""
    if isinstance(value, str):
        return parse(name, value)
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{name} must be an int or a text such as '512 MiB', got {value!r}"
        raise TypeError(message)
    return value

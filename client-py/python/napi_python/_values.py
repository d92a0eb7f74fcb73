"""JavaScript values without a Python counterpart: `undefined`, plain objects, bigints.

Native code looks these classes up by name, and has dates and members of enums converted here.
"""

from __future__ import annotations

import datetime as dt
import keyword
import math
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    import enum


@final
class Undefined:
    """The type of `undefined`."""

    __slots__ = ()
    _only: Undefined | None = None

    def __new__(cls) -> Undefined:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "undefined"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        """Unpickles and copies as the only instance."""
        return "undefined"


undefined: Final = Undefined()
"""JavaScript's `undefined`. Python's None is `null`; both come back as None."""


class Object(dict[str, Any]):
    """A plain JavaScript object: a dict whose items can be read and set as attributes too.

    The methods of dict win: an item called `keys` is read by `obj["keys"]`.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any item
        try:
            return self[name]
        except KeyError:
            key = _key(self, name)
            if key in self:
                return self[key]
            raise _absent(self, name) from None

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(dict, name):
            text = f"{name!r} is a method of dict; set the item with obj[{name!r}] = ..."
            raise AttributeError(text)
        self[_key(self, name)] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[_key(self, name)]
        except KeyError:
            raise _absent(self, name) from None

    def __dir__(self) -> list[str]:
        return sorted({*dir(dict), *(key for key in self if key.isidentifier())})

    def __reduce__(self) -> tuple[object, ...]:
        return Object, (dict(self),)

    def __copy__(self) -> Object:
        return Object(self)


def _key(owner: Object, name: str) -> str:
    """Returns the key of an attribute: for `raise_`, if there is none, `raise`."""
    is_keyword = name.endswith("_") and keyword.iskeyword(name[:-1])
    return name[:-1] if is_keyword and name not in owner else name


def _absent(owner: Object, name: str) -> AttributeError:
    return AttributeError(f"this object has no property {name!r}", name=name, obj=owner)


class BigInt(int):
    """A JavaScript bigint: an int that goes back to JavaScript as a bigint."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"BigInt({int(self)})"

    __str__ = int.__repr__


_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NAIVE_EPOCH: Final = _EPOCH.replace(tzinfo=None)


def datetime_of(milliseconds: float) -> dt.datetime | None:
    """Returns the UTC datetime of a JavaScript time value, None if Python has no such date."""
    try:
        return _EPOCH + dt.timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return None


def milliseconds_of(moment: dt.datetime) -> float:
    """Returns the milliseconds since 1970 of a datetime; a naive one is local time.

    Of a subclass only `utcoffset` is called, since its other methods may be overridden.
    """
    if type(moment) is dt.datetime:
        aware = (
            moment if moment.utcoffset() is not None else moment.replace(tzinfo=None).astimezone()
        )
        return float((aware - _EPOCH) // dt.timedelta(milliseconds=1))
    if moment != moment:  # noqa: PLR0124 - the NaT of pandas is a datetime
        return math.nan
    offset = moment.utcoffset()
    plain = dt.datetime(  # noqa: DTZ001 - its offset is subtracted
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond,
        fold=moment.fold,
    )
    since = plain.astimezone() - _EPOCH if offset is None else plain - _NAIVE_EPOCH - offset
    return float(since // dt.timedelta(milliseconds=1))


def enum_value(member: enum.Enum) -> object:
    """Returns the value of an enum member."""
    return member.value

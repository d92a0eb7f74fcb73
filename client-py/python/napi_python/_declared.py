"""`__signature__` and `__doc__` of what a package exports, of its declarations.

`inspect.signature` and `help` read them; what they say is in `_signatures.py`, which is imported
then.
"""

from __future__ import annotations

import contextvars
import sys

from napi_python._native import Addon, JSClass, JSFunction, Module

# As of `typing`, which is imported later.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import inspect
    from typing import Final

PROXIES: Final = (JSFunction, JSClass, Addon)
"""The types whose instances may be declared."""

is_passing: Final = contextvars.ContextVar("napi_python_is_passing", default=False)
"""Whether a callable is being passed to an addon: then nothing is read."""

# The modules whose functions return documentation, which somebody has asked for. All others, such
# as `functools.wraps`, get what is known already: to read declarations starts a process.
_READERS: Final = ("pydoc", "inspect")


# Python's completer reads the signature of each name that it offers; a Tab starts no process.
_COMPLETER: Final = "rlcompleter"
# How many frames of `inspect` may be between it and what it reads.
_FRAMES_MAX: Final = 6


def _is_completing() -> bool:
    frame = sys._getframe(2)  # noqa: SLF001 - who asks for it
    for _ in range(_FRAMES_MAX):
        if frame.f_globals.get("__name__") == _COMPLETER:
            return True
        if frame.f_back is None:
            break
        frame = frame.f_back
    return False


class _Signature:
    """The signature that the declarations give a function or a class."""

    def __get__(self, proxy: object, owner: type | None = None) -> inspect.Signature:
        if proxy is not None and not is_passing.get() and not _is_completing():
            from napi_python import _signatures  # noqa: PLC0415 - takes long to import

            found = _signatures.signature_of(proxy)
            if found is not None:
                return found
        raise AttributeError("there is no signature", name="__signature__", obj=proxy)


class _Documentation:
    """What the declarations say of a function or a class; else the text of its type."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    def __get__(self, proxy: object, owner: type | None = None) -> str | None:
        if proxy is None or is_passing.get():
            return self._text
        caller = sys._getframe(1).f_globals.get("__name__")  # noqa: SLF001 - who asks for it
        is_asked = caller in _READERS
        # Nothing is known before this module has read something.
        if not is_asked and "napi_python._signatures" not in sys.modules:
            return self._text
        from napi_python import _signatures  # noqa: PLC0415 - takes long to import

        found = _signatures.documentation_of(proxy, may_read=is_asked)
        return self._text if found is None else found


def _describe(kind: type) -> None:
    for name, value in (("__signature__", _Signature()), ("__doc__", _Documentation(kind.__doc__))):
        setattr(kind, name, value)


for _kind in (*PROXIES, Module):
    _describe(_kind)

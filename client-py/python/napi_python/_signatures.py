"""The signatures and the documentation of exported functions and classes, of declarations.

The declarations of a package are read at the first use, as the command `stubs` reads them, which
starts the parser in a sandbox. They are kept until one of their files changes.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from napi_python import _deadline, _logs, _references, _text
from napi_python._errors import AddonError
from napi_python._stubs import _locate, _lookup, _parser, _signature, _write
from napi_python._stubs._errors import StubsError

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from napi_python._stubs._lookup import Declared, Stub

_T = TypeVar("_T")

_SECONDS_MAX: Final = 10.0
"""How many seconds the parser gets for all files of a package, after its start."""
_RETRY_SECONDS: Final = 60.0
"""After how many seconds declarations that could not be read are tried again."""
_KNOWN_MAX: Final = 16
"""Of how many packages the declarations are kept."""
_TEXT_MAX: Final = 8 << 20
"""How many characters the stub of a package may have to be kept."""

_logger: Final = logging.getLogger("napi_python.stubs")


class _Known(NamedTuple):
    """What was read of a file of declarations and of those that it imports."""

    #: The text says why it cannot be read.
    found: Stub | str
    files: dict[Path, _locate.Identity]
    #: Until when it is used, by the monotonic clock, if its files do not change.
    until: float

    def is_current(self) -> bool:
        """Whether it need not be read again."""
        if time.monotonic() > self.until:
            return False
        try:
            return all(_locate.identity(file.stat()) == was for file, was in self.files.items())
        except OSError:
            return False


_known: Final[dict[Path, _Known]] = {}
"""By file of declarations, in the order in which they were read."""

_lock = threading.RLock()
"""Of the thread that reads declarations; another one waits for it."""


def _after_fork() -> None:
    # Another thread of the parent may have held it.
    global _lock  # noqa: PLW0603 - of the process
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


class _Place(NamedTuple):
    """Where an export is declared."""

    file: Path
    #: The package or the file of the addon, as it is named for `stubs`.
    package: str
    label: str
    #: Where the parser is looked for.
    root: Path
    #: The names that lead to the export.
    names: tuple[str, ...]


def signature_of(proxy: object) -> inspect.Signature | None:
    """Returns the signature of a function or class; None if no declaration is known.

    With several overloads, it accepts each call that one of them accepts.
    """

    def make(_: _Place, declared: Declared, stub: Stub) -> inspect.Signature:
        return _signature.merged(_signature.signatures(declared, stub.hidden_names))

    return _described(proxy, make, may_read=True)


def documentation_of(proxy: object, *, may_read: bool) -> str | None:
    """Returns the signatures and the documentation of a function or class; None if unknown.

    Args:
        proxy: The function or class, or what a package exports.
        may_read: Whether declarations are read that are not known yet.

    """

    def make(place: _Place, declared: Declared, stub: Stub) -> str:
        name = place.names[-1] if place.names else place.label.partition(" ")[0]
        return _signature.documentation(_text.name(name), declared, stub.hidden_names)

    return _described(proxy, make, may_read=may_read)


def _described(
    proxy: object, make: Callable[[_Place, Declared, Stub], _T], *, may_read: bool
) -> _T | None:
    """Returns what is made of the declaration of an export; None if that is not known."""
    try:
        place = _place(proxy)
        stub = None if place is None else _stub(place, may_read=may_read)
        if place is None or stub is None:
            return None
        declared = stub.find(place.names)
        return None if declared is None else make(place, declared, stub)
    except (AddonError, RecursionError) as error:
        _logs.apply()
        _logger.info("no signature of %r: %s", proxy, error)
        return None


def _place(proxy: object) -> _Place | None:
    """Returns the file that declares an export; None if there is none, or no name is known."""
    origin = _references.origin(proxy)
    names = origin.names
    if names is None:
        return None
    opening = origin.opening
    match origin.module:
        case ("load_addon", path):
            return _of_addon(Path(os.fsdecode(path)), opening.label, names)
        case ("require", name, folder):
            return _of_module(name, Path(folder), name, names)
    if opening.module is None:
        return _of_addon(Path(opening.path), opening.label, names)
    wanted, folder = opening.module
    return None if wanted is None else _of_module(wanted, Path(folder), opening.label, names)


def _of_addon(path: Path, label: str, names: tuple[str, ...]) -> _Place | None:
    file = _locate.beside(path)
    return None if file is None else _Place(file, path.name, label, _project(path), names)


def _of_module(name: str, folder: Path, label: str, names: tuple[str, ...]) -> _Place | None:
    file = _locate.of_module(name, folder)
    return None if file is None else _Place(file, name, label, _project(folder), names)


def _project(path: Path) -> Path:
    """Returns the folder of the project that a file belongs to, and not that of a package.

    A package is not asked which parser reads its declarations.
    """
    before, found, _ = str(path).partition("/node_modules/")
    return Path(before or "/") if found else path


def _stub(place: _Place, *, may_read: bool) -> Stub | None:
    """Returns the stub of a package; None if it is not known and must not be read.

    Raises:
        StubsError: It cannot be read.

    """
    known = _known.get(place.file)
    if known is None or not known.is_current():
        if not may_read:
            return None
        known = _read(place)
    if isinstance(known.found, str):
        raise StubsError(known.found)
    return known.found


def _read(place: _Place) -> _Known:
    """Reads the declarations of a package, unless another thread has done so meanwhile."""
    lock = _lock
    if not lock.acquire(timeout=_SECONDS_MAX):
        text = f"cannot read the declarations in {place.file}: another thread still reads; wait"
        raise StubsError(text)
    try:
        known = _known.pop(place.file, None)
        if known is None or not known.is_current():
            known = _parsed(place)
        _known[place.file] = known
        while len(_known) > _KNOWN_MAX:
            del _known[next(iter(_known))]
    finally:
        lock.release()
    return known


def _parsed(place: _Place) -> _Known:
    # The caller's deadline says nothing about the next call.
    is_bounded = _deadline.nearest() is not None
    title = _text.name(place.label)
    with _parser.Parser([place.root]) as parser:
        try:
            with _deadline.deadline(_SECONDS_MAX):
                written = _write.translate(place.file, place.package, title, parser)
            return _Known(_stub_of(written.text, place.file), written.files, math.inf)
        except StubsError as error:
            if is_bounded:
                raise
            until = time.monotonic() + _RETRY_SECONDS
            return _Known(str(error), _identities(place.file), until)


def _stub_of(text: str, file: Path) -> Stub:
    what = f"cannot read the declarations in {file}"
    if len(text) > _TEXT_MAX:
        raise StubsError(f"{what}: as a stub they have more than {_TEXT_MAX >> 20} MiB")
    try:
        return _lookup.Stub(text)
    except (SyntaxError, RecursionError, MemoryError):
        # Python's parser takes fewer levels than that of TypeScript.
        raise StubsError(f"{what}: its types nest too deep; check the file") from None


def _identities(file: Path) -> dict[Path, _locate.Identity]:
    try:
        return {file: _locate.identity(file.stat())}
    except OSError:
        # It is gone; if it comes back, it is read.
        return {file: _locate.Identity(0, 0, 0, 0)}

"""The lines that a user has typed, kept between sessions; completion by the Tab key."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napi_python import _environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINES_MAX: Final = 1000
# What ends a word that is completed: not the dot, and not what names may contain.
_DELIMITERS: Final = " \t\n`~!@#%^&*()-=+[{]}\\|;:'\",<>/?"


def file() -> Path | None:
    """Returns the file of the history; None if the environment names no folder for it."""
    found = _environment.user_folder("XDG_STATE_HOME", ".local/state")
    return None if found is None else Path(found, "napi-python", "history")


@contextlib.contextmanager
def editing(complete: Callable[[str, int], str | None]) -> Iterator[None]:
    """Prepares the editing of lines, if Python has it, and saves the history at the end."""
    try:
        import readline  # noqa: PLC0415 - may be missing

        # Sets a completer of its own when it is imported: before the one that is wanted.
        import rlcompleter  # noqa: F401, PLC0415
    except ImportError:
        yield
        return
    readline.set_completer(complete)
    readline.set_completer_delims(_DELIMITERS)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    path = file()
    if path is None:
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        # A history that cannot be written is not worth an error.
        with contextlib.suppress(OSError):
            _save(readline, path)


def _save(readline: Any, path: Path) -> None:  # noqa: ANN401 - a module
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # What was typed is this user's own.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    readline.set_history_length(_LINES_MAX)
    readline.write_history_file(path)

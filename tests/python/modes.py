"""The modes in which an addon can run, and how a test is run in each of them.

`tests/conftest.py` runs the files of `FILES` in these modes: all of them with `--modes all`, the
quick ones in every run. A test says nothing of its mode: what it opens by `load_addon`, `require`
or `open_host` runs where the mode says, unless it names `isolated=` or `carrier=` itself.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napi_python import Addon, WrongThreadError, _addon, host, load_addon

HERE = Path(__file__).resolve().parent
_BUILT = HERE.parents[1] / "addons" / "build"

#: What is added to the options of `load_addon` in each mode.
MODES: dict[str, dict[str, Any]] = {
    "isolated": {},
    "socket": {"carrier": "socket"},
    "own": {"isolated": False, "thread": "own"},
    "caller": {"isolated": False, "thread": "caller"},
}

IN_PROCESS = ("own", "caller")


def addon_path(name: str) -> Path:
    """Returns the built file of a sample addon."""
    folder = Path(os.environ.get("NAPI_HOSTD_ADDONS", _BUILT))
    path = folder / f"{name}.node"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not built; run: python addons/build.py")
    return path


@dataclass
class Mode:
    """A mode that is in use."""

    name: str
    #: How many addons were opened in it.
    opened: int = 0
    #: What opened addons before.
    before: Any = field(default=_addon.open_addon, repr=False)

    def open(self, *arguments: Any, **options: Any) -> Addon:
        """Opens an addon in this mode, unless the options choose one: in place of `open_addon`."""
        chosen = not options.get("isolated", True) or options.get("carrier", "auto") != "auto"
        if chosen or options.get("address") is not None:
            return self.before(*arguments, **options)  # type: ignore[no-any-return]
        if self.name in IN_PROCESS and options.get("sandbox") is options.get("remote") is None:
            # As with the sandbox that a process has unless the test says otherwise.
            options["remote"] = "exposed"
        addon: Addon = self.before(*arguments, **(options | MODES[self.name]))
        self._check(addon)
        self.opened += 1
        return addon

    def _check(self, addon: Addon) -> None:
        """Fails if the addon does not run where this mode says."""
        here = host(addon).pid == os.getpid()
        assert here == (self.name in IN_PROCESS), f"{addon} does not run in mode {self.name}"


def _refuses_other_threads(addon: Addon) -> bool:
    refusals: list[WrongThreadError] = []

    def call() -> None:
        try:
            host(addon).run_script("0")
        except WrongThreadError as error:
            refusals.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return bool(refusals)


def _try_out(mode: str, sample: Path) -> None:
    """Fails if what is opened now does not have the carrier and the thread of this mode."""
    with load_addon(sample) as addon:
        in_lanes = "shared" in host(addon).stats()
        assert in_lanes == (mode != "socket"), f"the carrier is not that of mode {mode}"
        refuses = _refuses_other_threads(addon)
        assert refuses == (mode == "caller"), f"the thread is not that of mode {mode}"


@contextlib.contextmanager
def use(name: str, sample: Path | None = None) -> Iterator[Mode]:
    """Has what is opened meanwhile run in a mode, after a try with the addon `sample`."""
    mode = Mode(name)
    _addon.open_addon = mode.open
    _in_use.append(mode)
    try:
        if sample is not None:
            _try_out(name, sample)
        mode.opened = 0
        yield mode
    finally:
        _in_use.pop()
        _addon.open_addon = mode.before


_in_use: list[Mode] = []


def opened() -> int:
    """Returns how many addons were opened in the mode that is in use."""
    return _in_use[-1].opened if _in_use else 0


def current() -> str:
    """Returns the mode that is in use."""
    return _in_use[-1].name if _in_use else "isolated"


def of_program(source: str) -> str:
    """Returns the source of a program that opens its addons in the mode that is in use."""
    name = current()
    if name == "isolated":
        return source
    start = f"import modes; in_mode = modes.use({name!r}); in_mode.__enter__()"
    path = f"import sys; sys.path.insert(0, {str(HERE)!r})"
    return f"{path}; {start}; del sys.path[0]\n{source}"

"""The command `install`: shows progress, then what came and what it needs."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Final

from napi_python import _addon, _installing, _programs, _text
from napi_python._errors import AddonError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path
    from typing import TextIO

    from napi_python._install import InstalledPackage

# How many native files are loaded to see what the sandbox denies them.
_AUDITS_MAX: Final = 16
# How many seconds such a load may take; the host's own limit is lower.
_AUDIT_TIMEOUT: Final = 60.0
# How many lines and characters of such a report are shown.
_AUDIT_LINES: Final = 4
_AUDIT_CHARACTERS: Final = 1000
# From how many bytes on a size is shown in megabytes.
_MEGABYTES_MIN: Final = 100_000
# At most how often the line of the progress is drawn, in seconds.
_REDRAW_INTERVAL: Final = 0.1
_FETCHED: Final = re.compile(r"npm http fetch GET 2\d\d .*/([^/ ]+)\.tgz ", re.ASCII)
_ATTEMPT: Final = re.compile(r"npm http fetch GET \S+ (attempt \d+ failed with \w+)", re.ASCII)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "install",
        help="install npm packages, without running their scripts",
        description=(
            "Installs npm packages into the node_modules of a folder, as `npm install` does, and "
            "shows which native files came and what the sandbox denies them while they are "
            "loaded. Scripts of packages are not run. It uses the npm on PATH, or that of "
            "pip install 'napi-python[npm]'."
        ),
    )
    parser.add_argument("names", nargs="+", metavar="NAME[@VERSION]", help="a package")
    parser.add_argument(
        "--root", metavar="FOLDER", help="where its node_modules is (default: the working folder)"
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="how long npm may take (default: no limit)"
    )
    parser.add_argument(
        "--no-load",
        action="store_true",
        help="do not load the native files in a sandbox to see what they need",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    progress = _Progress(sys.stderr, f"installing {', '.join(options.names)}")
    try:
        try:
            done = _installing.run(
                tuple(options.names), options.root, options.timeout, progress.report
            )
            needs = {} if options.no_load else _audit(done.packages, progress)
        finally:
            progress.clear()
    except (AddonError, ValueError) as error:
        _print(f"error: {_text.message(str(error))}", sys.stderr)
        return 1
    _summarize(done, needs)
    return 0


def _print(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream)


class _Progress:
    """A line on a terminal that says what happens; nothing elsewhere."""

    def __init__(self, stream: TextIO, task: str) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()
        self._task = task
        self._begun = time.monotonic()
        self._shown_at = 0.0
        self._fetched = 0
        self._latest = ""

    def report(self, line: str) -> None:
        """Shows the time, and the latest that npm says."""
        if found := _FETCHED.match(line):
            self._fetched += 1
            self._latest = f": {found[1]}"
        elif found := _ATTEMPT.match(line):
            self._latest = f": {found[1]}"
        now = time.monotonic()
        if now - self._shown_at >= _REDRAW_INTERVAL:
            self._shown_at = now
            seconds = f"{now - self._begun:.0f} s"
            self.show(f"{seconds}, {self._fetched} fetched{self._latest} ({self._task})")

    def show(self, text: str) -> None:
        """Replaces the line."""
        if self._is_shown:
            width = max(shutil.get_terminal_size().columns - 1, 20)
            self._stream.write(f"\r\x1b[K{_text.name(text)[:width]}")
            self._stream.flush()

    def clear(self) -> None:
        """Removes the line."""
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _audit(packages: list[InstalledPackage], progress: _Progress) -> dict[Path, str]:
    """Loads native files under the default policy, and returns what is reported for each."""
    found: dict[Path, str] = {}
    files = [(file, package) for package in packages for file in package.native_files]
    for file, package in files[:_AUDITS_MAX]:
        progress.show(f"loading {file.relative_to(package.path)} of {package.name} in a sandbox")
        try:
            # If the program is interrupted, its own folder stays in this one.
            with tempfile.TemporaryDirectory(prefix="napi-python-audit-") as temporary:
                ended = _programs.run(
                    (_addon._host_binary(), "audit", str(file)),  # noqa: SLF001 - of this package
                    folder=str(package.path),
                    until=time.monotonic() + _AUDIT_TIMEOUT,
                    environment={"TMPDIR": temporary},
                )
        except TimeoutError:
            found[file] = f"has not loaded within {_AUDIT_TIMEOUT:g} s"
        except (OSError, AddonError) as error:
            found[file] = f"not loaded to see what it needs: {_text.name(str(error))}"
        else:
            lines = ended.output.replace(f"{file} ", "").splitlines()
            # The call stack of each denial is left out.
            told = [line.strip(" .") for line in lines if not line.startswith("    ")]
            told = [line for line in told if line not in {"", "Nothing was denied"}]
            # The summary is last: what is left out is in the middle.
            shown = told if len(told) <= _AUDIT_LINES else [told[0], "...", *told[-2:]]
            found[file] = _text.name("; ".join(shown), _AUDIT_CHARACTERS)
    return found


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= _MEGABYTES_MIN else f"{size / 1e3:.1f} kB"


def _title(package: InstalledPackage) -> str:
    return f"{_text.name(package.name)} {_text.name(package.version)}"


def _summarize(done: _installing.Installation, needs: dict[Path, str]) -> None:
    """Prints what came: what was named, and what has native files; the rest is counted."""
    _print(f"in {_text.name(str(done.root))}:")
    others = []
    for place, package in enumerate(done.packages):
        if place >= done.named and not package.native_files:
            others.append(package)
            continue
        there = "" if package.added else ", was there already"
        _print(f"  {_title(package)}, {_size(package.size)}{there}")
        for file in package.native_files:
            told = f": {needs[file]}" if file in needs else ""
            _print(f"    {_text.name(str(file.relative_to(package.path)))}{told}")
    if others:
        size = _size(sum(package.size for package in others))
        noun = "package" if len(others) == 1 else "packages"
        _print(f"  {len(others)} more {noun} without native files, {size}")
    for package in done.packages:
        if package.pending_script is not None:
            folder, name = shlex.quote(str(done.root)), shlex.quote(package.name)
            _print(
                f"{_title(package)} has a script that was not run, and no native file for this "
                f"platform came:\n"
                f"    {_text.name(package.pending_script)}\n"
                "  If the script builds or fetches one, run it yourself; it has all your rights:\n"
                f"    cd {_text.name(folder)} && {done.npm.shell} rebuild {_text.name(name)}"
            )

"""The command `install`: shows progress, then what came and what it needs."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from napi_python import _installing, _text
from napi_python._commands import _console, _host_program
from napi_python._commands._progress import Progress
from napi_python._errors import AddonError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from napi_python._install import InstalledPackage

# How many native files are loaded to see what the sandbox denies them.
_AUDITS_MAX: Final = 16
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
    progress = _Fetching(options.names)
    try:
        done = _installing.run(tuple(options.names), options.root, options.timeout, progress.report)
        needs = {} if options.no_load else _audit(done.packages, progress)
    finally:
        progress.clear()
    _console.show(_document(done, needs), _summary(done, needs))
    return _console.OK


class _Fetching(Progress):
    """The progress, as npm reports it."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self._task = f"installing {', '.join(names)}"
        self._fetched = 0
        self._latest = ""

    def report(self, line: str) -> None:
        """Shows the time, and the latest that npm says."""
        if found := _FETCHED.match(line):
            self._fetched += 1
            self._latest = f": {found[1]}"
        elif found := _ATTEMPT.match(line):
            self._latest = f": {found[1]}"
        if self.is_due():
            self.show(f"{self.seconds()}, {self._fetched} fetched{self._latest} ({self._task})")


def _audit(
    packages: list[InstalledPackage], progress: Progress
) -> dict[Path, _host_program.Audit | str]:
    """Loads native files under the default policy, and returns what is reported for each."""
    found: dict[Path, _host_program.Audit | str] = {}
    files = [(file, package) for package in packages for file in package.native_files]
    files = files[:_AUDITS_MAX]
    for done, (file, package) in enumerate(files):
        text = f"loading {file.relative_to(package.path)} of {package.name} in a sandbox"
        progress.show_part(done, len(files), text)
        try:
            found[file] = _host_program.audit(file)
        except (OSError, AddonError, _console.CommandError) as error:
            found[file] = f"not loaded to see what it needs: {_text.name(str(error))}"
    return found


def _document(
    done: _installing.Installation, needs: dict[Path, _host_program.Audit | str]
) -> dict[str, Any]:
    def native(file: Path) -> dict[str, Any]:
        audit = needs.get(file)
        if isinstance(audit, _host_program.Audit):
            return {"file": str(file), "audit": audit.document(), "error": None}
        return {"file": str(file), "audit": None, "error": audit}

    packages = [
        {
            "name": package.name,
            "version": package.version,
            "path": str(package.path),
            "size": package.size,
            "named": place < done.named,
            "added": package.added,
            "native_files": [native(file) for file in package.native_files],
            "pending_script": package.pending_script,
        }
        for place, package in enumerate(done.packages)
    ]
    return {"root": str(done.root), "packages": packages}


def _title(package: InstalledPackage) -> str:
    return f"{_text.name(package.name)} {_text.name(package.version)}"


def _summary(done: _installing.Installation, needs: dict[Path, _host_program.Audit | str]) -> str:
    """Returns what came: what was named, and what has native files; the rest is counted."""
    lines = [f"in {_text.name(str(done.root))}:"]
    others = []
    for place, package in enumerate(done.packages):
        if place >= done.named and not package.native_files:
            others.append(package)
            continue
        there = "" if package.added else ", was there already"
        lines.append(f"  {_title(package)}, {_console.size(package.size)}{there}")
        for file in package.native_files:
            told = f": {needs[file]}" if file in needs else ""
            lines.append(f"    {_text.name(str(file.relative_to(package.path)))}{told}")
    if others:
        size = _console.size(sum(package.size for package in others))
        noun = "package" if len(others) == 1 else "packages"
        lines.append(f"  {len(others)} more {noun} without native files, {size}")
    for package in done.packages:
        if package.pending_script is not None:
            folder, name = shlex.quote(str(done.root)), shlex.quote(package.name)
            lines.append(
                f"{_title(package)} has a script that was not run, and no native file for this "
                f"platform came:\n"
                f"    {_text.name(package.pending_script)}\n"
                "  If the script builds or fetches one, run it yourself; it has all your rights:\n"
                f"    cd {_text.name(folder)} && {done.npm.shell} rebuild {_text.name(name)}"
            )
    return "\n".join(lines)

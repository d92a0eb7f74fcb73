"""Finds files of declarations, as TypeScript does: by package.json, beside the code, in @types."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

from napi_python._node_modules import read_manifest
from napi_python._stubs._errors import FILE_MAX, StubsError

_SUFFIXES: Final = (".d.ts", ".d.cts", ".d.mts")
# The file of declarations that belongs to a file of code.
_BESIDE: Final = {
    ".js": ".d.ts",
    ".cjs": ".d.cts",
    ".mjs": ".d.mts",
    ".node": ".d.ts",
    ".ts": ".d.ts",
    ".cts": ".d.cts",
    ".mts": ".d.mts",
}
# What `require` of this package takes, then what an import takes.
_CONDITIONS: Final = (
    frozenset({"types", "node", "require", "default"}),
    frozenset({"types", "node", "import", "default"}),
)


class Package(NamedTuple):
    """A package that was found: its folder, and what is asked for of it."""

    name: str
    folder: Path
    subpath: str
    manifest: dict[str, object]

    @property
    def version(self) -> str:
        """Its version, empty if it has none."""
        found = self.manifest.get("version")
        return found if isinstance(found, str) else ""


class Identity(NamedTuple):
    """What tells whether a file has changed since it was read."""

    device: int
    inode: int
    modified_ns: int
    size: int


def identity(state: os.stat_result) -> Identity:
    """Returns the identity of a file by its state."""
    return Identity(state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)


def split(specifier: str) -> tuple[str, str]:
    """Returns the package and the rest of a specifier such as `@scope/name/part`."""
    parts = specifier.split("/")
    count = 2 if specifier.startswith("@") else 1
    return "/".join(parts[:count]), "/".join(parts[count:])


def find(specifier: str, start: Path) -> Package | None:
    """Finds an installed package in the `node_modules` of a folder and of those above it."""
    name, subpath = split(specifier)
    for above in (start, *start.parents):
        folder = above / "node_modules" / name
        if above.name != "node_modules" and (folder / "package.json").is_file():
            folder = folder.resolve()
            return Package(name, folder, subpath, read_manifest(folder))
    return None


def declarations(package: Package) -> Path | None:
    """Returns the file that declares what the package, or a part of it, exports."""
    found = _own(package)
    if found is not None or package.name.startswith("@types/"):
        return found
    name = package.name.removeprefix("@").replace("/", "__")
    types = find(f"@types/{name}", package.folder)
    return None if types is None else _own(types._replace(subpath=package.subpath))


def of_module(name: str, folder: Path) -> Path | None:
    """Returns the file that declares what `require(name)` in a folder returns, None without one."""
    if name.startswith(("./", "../", "/")) or name in (".", ".."):
        path = Path(os.path.realpath(folder / name))
        if not path.is_dir():
            return beside(path)
        return _own(Package("", path, "", read_manifest(path)))
    package = find(name, folder)
    return None if package is None else declarations(package)


def beside(path: Path) -> Path | None:
    """Returns the file that declares what a file of code exports: that of its name, or the index.

    The index is for addons, which a package loads from its folder.
    """
    found = file_at(path.parent, path.name)
    if found is None and path.suffix == ".node":
        found = file_at(path.parent, "index")
    return found


def _own(package: Package) -> Path | None:
    exports = package.manifest.get("exports")
    for conditions in _CONDITIONS:
        for target in _targets(exports, package.subpath, conditions):
            found = file_at(package.folder, target)
            if found is not None:
                return found
    if package.subpath:
        return file_at(package.folder, package.subpath)
    for key in ("types", "typings", "main"):
        named = package.manifest.get(key)
        found = file_at(package.folder, named) if isinstance(named, str) else None
        if found is not None:
            return found
    return file_at(package.folder, "index")


def _targets(exports: object, subpath: str, conditions: frozenset[str]) -> list[str]:
    """Returns the paths that a field `exports` has for a part, the best first."""
    key = f"./{subpath}" if subpath else "."
    is_map = isinstance(exports, dict) and any(name.startswith(".") for name in exports)
    if not is_map:
        return _conditional(exports, conditions) if key == "." else []
    assert isinstance(exports, dict)  # noqa: S101 - said above
    if key in exports:
        return _conditional(exports[key], conditions)
    for pattern, target in exports.items():
        before, star, after = pattern.partition("*")
        if star and key.startswith(before) and key.endswith(after):
            middle = key[len(before) : len(key) - len(after)]
            return [path.replace("*", middle) for path in _conditional(target, conditions)]
    return []


def _conditional(target: object, conditions: frozenset[str]) -> list[str]:
    waiting, found = [target], []
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list):
            waiting = [*item, *waiting]
        elif isinstance(item, dict):
            waiting = [*(item[key] for key in item if key in conditions), *waiting]
    return found


def file_at(folder: Path, target: str) -> Path | None:
    """Returns the file of declarations at a path that is that of code, of a folder, or without end.

    It does not leave the folder of an installed package.
    """
    path = Path(os.path.normpath(folder / target))
    candidates = [path] if path.name.endswith(_SUFFIXES) else []
    beside = _BESIDE.get(path.suffix)
    if beside is not None:
        candidates.append(path.with_suffix(beside))
    candidates += [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
    candidates += [path / f"index{suffix}" for suffix in _SUFFIXES]
    return next((found for found in candidates if found.is_file()), None)


def resolve(specifier: str, importer: Path) -> Path | None:
    """Returns the file of declarations of a module that another such file names."""
    if specifier.startswith("."):
        return file_at(importer.parent, specifier)
    if specifier.startswith(("/", "node:")):
        return None
    package = find(specifier, importer.parent)
    if package is not None:
        return declarations(package)
    name, subpath = split(specifier)
    types = find(f"@types/{name.removeprefix('@').replace('/', '__')}", importer.parent)
    return None if types is None else declarations(types._replace(subpath=subpath))


def read(file: Path) -> tuple[str, Identity]:
    """Returns the text of a file of declarations, and the identity of what was read.

    Raises:
        StubsError: It cannot be read, is larger than is read, or is not UTF-8.

    """
    what = f"cannot read the declarations in {file}"
    try:
        if not file.is_file():
            raise StubsError(f"{what}: it is not a regular file; check the package")
        with file.open("rb") as opened:
            found = identity(os.fstat(opened.fileno()))
            content = opened.read(FILE_MAX + 1)
    except OSError as error:
        raise StubsError(f"{what}: {error.strerror}; check its permissions") from error
    if len(content) > FILE_MAX:
        text = f"{what}: it has more than {FILE_MAX >> 20} MiB; such files are not read"
        raise StubsError(text)
    try:
        return content.decode("utf-8-sig"), found
    except UnicodeDecodeError as error:
        text = f"{what}: byte {error.start} is not UTF-8; convert the file, or write stubs by hand"
        raise StubsError(text) from None

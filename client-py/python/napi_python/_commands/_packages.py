"""Where a package is found, its version, and its native files with those of its dependencies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from napi_python import _addon, _modules, _node_modules
from napi_python._commands import _console, _host_program

if TYPE_CHECKING:
    from collections.abc import Iterator

# How many native files are looked at, and how many packages that a package depends on.
FILES_MAX: Final = 256
_PACKAGES_MAX: Final = 256

_SCRIPTS: Final = (".js", ".cjs", ".mjs", ".json")


class NativeFile(NamedTuple):
    """A `.node` file of a package, or of one that it depends on: `owner`.

    `facts` is what it says of itself; `refused` there says why this machine cannot load it.
    """

    path: Path
    owner: str
    size: int
    facts: dict[str, Any]

    @property
    def is_loadable(self) -> bool:
        """Whether this machine can load it, as far as reading it shows."""
        return self.facts.get("refused") is None


class Package(NamedTuple):
    """A package as `require` finds it; `name` and `version` are what its manifest says."""

    name: str
    version: str | None
    path: Path
    manifest: dict[str, Any]


def is_file(word: str) -> bool:
    """Returns whether a word of the command line names the file of an addon, not a package."""
    if word.endswith((".node", ".so")):
        return True
    is_path = word.startswith(("./", "../", "/")) or word in {".", ".."}
    # What lies there may be anything: loading says what it is.
    return is_path and not word.endswith(_SCRIPTS) and not Path(word).is_dir()


def root_of(given: str | None) -> str:
    """Returns the folder where the search for a package begins."""
    folder = _addon.absolute(os.curdir if given is None else given)
    if not Path(folder).is_dir():
        raise _console.UsageError(f"--root must be a folder, got {folder}")
    return folder


def module_name(word: str) -> str:
    """Returns the name for `require`: a path is one from the working folder, not from the root."""
    return _addon.absolute(word) if word.startswith(("./", "../")) or word in {".", ".."} else word


def find(word: str, root: str) -> Package:
    """Finds the package, or that of the module, of a name.

    Raises:
        CommandError: It is not there.

    """
    if "\0" in word or not word:
        raise _console.UsageError(f"a package must be named, got {word!r}")
    name = module_name(word)
    manifest = _modules.file_of(name, root)
    path = None if manifest is None else Path(manifest)
    if path is not None and path.name != "package.json":
        # The file of a module: its package is the nearest above.
        path = next((p for p in _above(path) if p.is_file()), None)
    found = {} if path is None else _node_modules.read_manifest(path.parent)
    if (path is None or not found) and name.startswith("/"):
        text = f"{name} is in no package: no package.json is there, or it cannot be read"
        raise _console.CommandError(text)
    if path is None or not found:
        text = (
            f"the package {word} is not in the node_modules of {root} or of a folder above it; "
            f"install it with napi-python install {word}, or name another --root"
        )
        raise _console.CommandError(text)
    named, version = found.get("name"), found.get("version")
    return Package(
        name=named if isinstance(named, str) and named else word,
        version=version if isinstance(version, str) else None,
        path=path.parent,
        manifest=found,
    )


def _above(path: Path) -> Iterator[Path]:
    return (folder / "package.json" for folder in path.parents)


def native_files(package: Package) -> list[NativeFile]:
    """Returns the native files of a package and of those that it depends on, for any platform.

    At most `FILES_MAX` are returned.
    """
    found = [
        (path, owner.name, size)
        for owner in _with_dependencies(package)
        for path, size in _node_modules.native_files(owner.path)
    ][:FILES_MAX]
    facts = _host_program.inspect([path for path, _, _ in found])
    return [NativeFile(*one, fact) for one, fact in zip(found, facts, strict=True)]


def _with_dependencies(package: Package) -> list[Package]:
    """Returns a package and those that it depends on, where they are installed."""
    packages = {package.path: package}
    waiting = [package]
    while waiting and len(packages) < _PACKAGES_MAX:
        one = waiting.pop(0)
        for kind in ("dependencies", "optionalDependencies"):
            names = one.manifest.get(kind)
            for name in names if isinstance(names, dict) else ():
                dependency = _dependency(name, one)
                if dependency is not None and dependency.path not in packages:
                    packages[dependency.path] = dependency
                    waiting.append(dependency)
    return list(packages.values())


def _dependency(name: str, package: Package) -> Package | None:
    """Returns a package that another one depends on; None if it is not there."""
    if name.startswith((".", "/")):
        # A manifest may say anything; names of packages are no paths.
        return None
    try:
        return find(name, str(package.path))
    except (_console.CommandError, OSError, ValueError):
        return None

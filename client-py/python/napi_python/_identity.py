"""The identity of what an addon is loaded from, by which two machines compare their files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from napi_python import _modules, _native

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK: Final = 1 << 20
"""Bytes that are read at a time."""

_CONTENT_MAX: Final = 512 << 20
"""Bytes of a package whose content is compared; of files beyond them, only the size is."""

_FILES_MAX: Final = 20_000
"""Files of a package that are compared."""


class Identity(NamedTuple):
    """What is compared; two machines have the same if it is equal."""

    #: What the file or package calls itself: a file name, or name and version of a package.
    name: str
    #: The bytes of all files.
    size: int
    #: SHA-256 of the files, and of the versions of the packages that a package depends on.
    digest: str

    def __str__(self) -> str:
        """Returns it as it is shown, with a part of the digest."""
        return f"{self.name} ({self.size} bytes, SHA-256 {self.digest[:16]})"


_known: Final[dict[str, tuple[tuple[int, ...], Identity]]] = {}
"""Identities by path, with what tells whether the file has changed since."""


def of(path: str, module: tuple[str | None, str] | None) -> Identity:
    """Returns the identity of what `open_addon` opens by these arguments.

    Raises:
        OSError: A file cannot be read.

    """
    if module is not None and module[0] is None:
        # A host that loads nothing by itself.
        return Identity("an empty host", 0, "")
    if path == "/":
        # A module of Node's, which this package brings.
        return Identity(f"napi_python {_native.__version__}", 0, "")
    file = Path(path)
    state = file.stat()
    changes = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    known = _known.get(path)
    if known is not None and known[0] == changes:
        return known[1]
    if module is not None and file.name == "package.json":
        found = _of_package(_modules.described(module[0] or "", path), file)
    else:
        found = _of_file(file)
    _known[path] = changes, found
    return found


def _of_file(file: Path) -> Identity:
    digest = hashlib.sha256()
    _read(file, digest)
    return Identity(file.name, file.stat().st_size, digest.hexdigest())


def _read(file: Path, digest: hashlib._Hash) -> None:
    """Adds the content of a file to a digest."""
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)


def _of_package(name: str, manifest: Path) -> Identity:
    """Returns the identity of a package: its own files, and the versions of what it depends on."""
    digest = hashlib.sha256()
    total = 0
    folder = manifest.parent
    for file in _files(folder):
        size = file.stat().st_size
        _add(digest, f"{file.relative_to(folder)}\0{size}\0")
        if total + size <= _CONTENT_MAX:
            _read(file, digest)
        total += size
    installed = _native._package_folders(str(manifest))  # noqa: SLF001 - of this package
    others = (other for other in installed if other.name != "node_modules" and other != folder)
    for text in sorted(map(_versioned, others)):
        _add(digest, f"{text}\0")
    return Identity(name, total, digest.hexdigest())


def _add(digest: hashlib._Hash, text: str) -> None:
    digest.update(text.encode("utf-8", "surrogateescape"))


def _versioned(folder: Path) -> str:
    """Returns name and version of a package, from its folder."""
    name = str(folder).rpartition("/node_modules/")[2]
    return f"{name} {_native._package_version(str(folder))}"  # noqa: SLF001 - of this package


def _files(folder: Path) -> Iterator[Path]:
    """Yields the files of a package in order, without those of packages inside of it."""
    count = 0
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name != "node_modules" and not name.startswith(".")
        )
        for name in sorted(files):
            file = Path(above, name)
            if file.is_file() and not name.startswith("."):
                yield file
                count += 1
                if count == _FILES_MAX:
                    return

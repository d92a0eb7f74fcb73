"""The source distribution: the files of the repository that git has, and the metadata.

`pip` builds it as it builds the repository: the pyproject.toml of the root names the same backend.
"""

from __future__ import annotations

import email
import gzip
import io
import os
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathlib

#: Seconds since 1970 of all files, unless the usual variable says another time.
_TIME = 1_700_000_000


def write(folder: pathlib.Path, root: pathlib.Path, metadata: bytes) -> str:
    """Writes the archive for a repository and the text of METADATA; returns the name of its file.

    The same files make the same archive.
    """
    described = email.message_from_bytes(metadata)
    name = f"{described['Name'].replace('-', '_')}-{described['Version']}"
    time = int(os.environ.get("SOURCE_DATE_EPOCH", _TIME))
    archive = folder / f"{name}.tar.gz"
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=time) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in _files(root):
            executable = bool((root / path).stat().st_mode & stat.S_IXUSR)
            _add(tar, f"{name}/{path}", (root / path).read_bytes(), time, executable=executable)
        _add(tar, f"{name}/PKG-INFO", metadata, time, executable=False)
    return archive.name


def _files(root: pathlib.Path) -> list[str]:
    """The files that git has."""
    command = ["git", "ls-files", "--cached", "-z"]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True)  # noqa: S603 - git
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "").strip() or error
        text = (
            f"a source distribution has the files that git lists, and it does not list those of "
            f"{root}: {said}; make it in a clone of the repository"
        )
        raise SystemExit(text) from error
    return sorted(path for path in listed.stdout.split("\0") if path and (root / path).is_file())


def _add(tar: tarfile.TarFile, name: str, content: bytes, time: int, *, executable: bool) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mtime = time
    member.mode = 0o755 if executable else 0o644
    tar.addfile(member, io.BytesIO(content))

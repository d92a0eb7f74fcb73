"""The parts of the build backend that need no build."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from document_blocks import ROOT

sys.path.insert(0, str(ROOT / "client-py" / "backend"))
import older_glibc
import source_distribution

METADATA = b"Metadata-Version: 2.4\nName: napi-python\nVersion: 1.2.3\n\nText\n"


def repository(folder: Path) -> Path:
    """Makes a repository with a file that git has and one that it has not."""
    root = folder / "repository"
    (root / "a").mkdir(parents=True)
    (root / "a" / "program").write_text("#!/bin/sh\n")
    (root / "a" / "program").chmod(0o700)
    (root / "link").symlink_to("a/program")
    (root / "secret").write_text("not added")
    for command in (["init", "--quiet"], ["add", "a", "link"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def test_source_distribution_has_what_git_has(tmp_path: Path) -> None:
    name = source_distribution.write(tmp_path, repository(tmp_path), METADATA)
    assert name == "napi_python-1.2.3.tar.gz"
    with tarfile.open(tmp_path / name) as archive:
        found = {member.name: (member.mode, member.isfile()) for member in archive.getmembers()}
    assert found == {
        "napi_python-1.2.3/PKG-INFO": (0o644, True),
        "napi_python-1.2.3/a/program": (0o755, True),
        # What a link leads to: the archive is unpacked everywhere.
        "napi_python-1.2.3/link": (0o755, True),
    }


def test_source_distribution_is_the_same_each_time(tmp_path: Path) -> None:
    root = repository(tmp_path)
    name = source_distribution.write(tmp_path, root, METADATA)
    first = (tmp_path / name).read_bytes()
    os.utime(root / "a" / "program", (1, 1))
    source_distribution.write(tmp_path, root, METADATA)
    assert (tmp_path / name).read_bytes() == first


def test_source_distribution_needs_a_repository(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make it in a clone of the repository"):
        source_distribution.write(tmp_path, tmp_path, METADATA)


@pytest.mark.parametrize("version", ["2", "2.28.1", "3.1", "2.5", "x", "2.28\n", ""])
def test_version_of_glibc_that_is_none_is_an_error(version: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="glibc must be a version such as"):
        older_glibc.environment(version, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_both_projects_are_built_alike() -> None:
    """A source distribution is built by the one, `pip install ./client-py` by the other."""
    root, package = (
        tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
        for folder in (ROOT, ROOT / "client-py")
    )
    assert root == {**package, "backend-path": ["client-py/backend"]}

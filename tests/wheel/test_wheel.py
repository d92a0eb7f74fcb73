"""What a wheel and a source distribution carry and say of themselves."""

from __future__ import annotations

import email
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from document_blocks import ROOT

pytest_plugins = "built"

POLICY = "manylinux_2_28_x86_64"
BUILT = (
    "napi_python/_native.abi3.so",
    "napi_python/_bin/napi-hostd",
    "napi_python/_bin/libhostd_library.so",
    "napi_python/_bin/libhostd_uv.so",
)
EXECUTABLE = 0o111


def test_tag_is_that_of_one_wheel_for_all_versions(wheel: Path) -> None:
    assert re.fullmatch(rf"napi_python-[\d.]+-cp311-abi3-{POLICY}\.whl", wheel.name)


@pytest.mark.timeout(300)
def test_auditwheel_agrees(wheel: Path, tools: Path) -> None:
    """Of all files of the wheel, the program included."""
    done = subprocess.run(
        [tools / "auditwheel", "show", "--json", wheel],
        capture_output=True,
        text=True,
        check=True,
    )
    print(done.stdout)
    verdict = json.loads(done.stdout)
    assert verdict["overall_tag"] == POLICY
    assert verdict["external_libs"] == {}


def test_files_are_those_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {info.filename: info for info in archive.infolist()}
    package = ROOT / "client-py" / "python"
    sources = {
        str(path.relative_to(package))
        for path in package.rglob("*")
        if path.suffix in (".py", ".pyi", ".js") or path.name == "py.typed"
    }
    described = {name for name in files if ".dist-info/" in name}
    assert files.keys() - described == sources | {*BUILT, "napi_python/_bin/LICENSES.txt"}
    assert any(name.endswith("/licenses/LICENSE") for name in described)
    assert (files["napi_python/_bin/napi-hostd"].external_attr >> 16) & EXECUTABLE == EXECUTABLE


@pytest.mark.timeout(300)
def test_metadata_renders(wheel: Path, sdist: Path, tools: Path) -> None:
    done = subprocess.run(
        [tools / "twine", "check", "--strict", wheel, sdist],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_has_no_links_that_lead_nowhere(wheel: Path, sdist: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name)
    described = email.message_from_bytes(metadata)
    assert described["License-Expression"] == "MIT"
    text = str(described.get_payload())
    assert text.startswith("# napi-python\n")
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert [link for link in links if not link.startswith("https://")] == []
    with tarfile.open(sdist) as archive:
        (member,) = [one for one in archive.getmembers() if one.name.endswith("/PKG-INFO")]
        file = archive.extractfile(member)
        assert file is not None
        assert file.read() == metadata


def test_sdist_is_the_repository(sdist: Path) -> None:
    """`make wheel` has built the wheel from it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    files = set(listed.stdout.decode().strip("\0").split("\0"))
    root = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        members = {member.name.removeprefix(f"{root}/") for member in archive.getmembers()}
    assert members == files | {"PKG-INFO"}


@pytest.mark.parametrize(("glibc", "found"), [("2_28", True), ("2_39", True), ("2_27", False)])
def test_pip_takes_the_wheel_where_glibc_is_new_enough(
    wheel: Path, tmp_path: Path, glibc: str, *, found: bool
) -> None:
    platforms = ["--platform", f"manylinux_{glibc}_x86_64"]
    if glibc > "2_28":
        # pip takes the names of older platforms only if it is told them.
        platforms += ["--platform", POLICY]
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--isolated", "--no-index", "--no-deps",
            "--find-links", wheel.parent, "--only-binary", ":all:", *platforms,
            "--dest", tmp_path, "napi-python",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert (tmp_path / wheel.name).is_file() == found, done.stderr
    assert found or "No matching distribution found for napi-python" in done.stderr

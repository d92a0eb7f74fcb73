"""The core file that `core_file=` asks for, and that none is left otherwise."""

from __future__ import annotations

import logging
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import AddonCrashed, Sandbox, _core_file, host, load_addon, open_host

ET_CORE = 4


def why_not() -> str | None:
    """Returns why this system writes no core files, if so."""
    try:
        _core_file.checked("/core")
    except ValueError as error:
        return str(error)
    return None


written = pytest.mark.skipif(why_not() is not None, reason=f"no core files: {why_not()}")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Is the working folder, in which nothing may be left."""
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    yield tmp_path
    assert list(working.iterdir()) == []


def is_core(path: Path, addon: Path) -> bool:
    """Whether a file is a core file of a process that had mapped an addon."""
    with path.open("rb") as file:
        head = file.read(20)
    (kind,) = struct.unpack_from("<H", head, 16)
    return head[:4] == b"\x7fELF" and kind == ET_CORE and bytes(addon) in path.read_bytes()


@written
@pytest.mark.parametrize("sandbox", ["none", "default", "strict", "scratch"])
def test_crash_leaves_a_core_file(sandbox: Any, folder: Path) -> None:
    target, scratch = folder / "addon.core", folder / "scratch"
    scratch.mkdir()
    target.write_text("of an earlier crash")
    policy = Sandbox(scratch=scratch) if sandbox == "scratch" else sandbox
    addon = load_addon(addon_path("crash"), sandbox=policy, core_file=target)
    for _ in range(2):
        with pytest.raises(AddonCrashed) as caught:
            addon.nullPointer()
        assert caught.value.core_file == str(target)
        assert is_core(target, addon_path("crash").resolve())
        assert target.stat().st_mode & 0o777 == 0o600
        report = caught.value.report()
        assert report.facts["core_file"] == str(target)
        assert f"core_file: {target}" in str(report)
        target.unlink()
    host(addon).close()
    assert {entry.name for entry in folder.iterdir()} == {"working", "scratch"}
    assert list(scratch.iterdir()) == []


@written
def test_folder_is_relative_to_the_working_folder_at_the_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    addon = load_addon(addon_path("crash"), core_file="addon.core")
    monkeypatch.chdir(folder / "working")
    with pytest.raises(AddonCrashed) as caught:
        addon.nullPointer()
    assert caught.value.core_file == str(folder / "addon.core")


@written
def test_end_without_a_crash_leaves_none(folder: Path) -> None:
    target = folder / "addon.core"
    with load_addon(addon_path("crash"), core_file=target) as addon:
        with pytest.raises(AddonCrashed) as caught:
            addon.exitNow()
        assert caught.value.core_file is None
        host(addon).restart()
    assert not target.exists()


@written
def test_folder_that_is_removed_meanwhile_is_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = folder / "removed"
    place.mkdir()
    addon = load_addon(addon_path("crash"), core_file=place / "addon.core")
    place.rmdir()
    with caplog.at_level(logging.WARNING), pytest.raises(AddonCrashed) as caught:
        addon.nullPointer()
    assert caught.value.core_file is None
    host(addon).close()
    assert "cannot write the core file" in caplog.text


@written
def test_packages_can_have_one(folder: Path) -> None:
    target = folder / "host.core"
    with open_host(core_file=target) as opened:
        with pytest.raises(AddonCrashed) as caught:
            opened.run_script("process.abort()")
        assert caught.value.core_file == str(target)
    assert target.exists()


def test_none_is_left_without_the_option() -> None:
    for sandbox in ("none", "default", "strict"):
        with (
            load_addon(addon_path("crash"), sandbox=sandbox, restart="never") as addon,
            pytest.raises(AddonCrashed) as caught,
        ):
            addon.nullPointer()
        assert caught.value.core_file is None


@written
def test_what_cannot_be_a_core_file_is_refused(folder: Path) -> None:
    for value, text in [
        (folder / "missing" / "core", "needs a folder that exists"),
        (folder, "is a folder; name a file in it"),
    ]:
        with pytest.raises(ValueError, match=text):
            load_addon(addon_path("crash"), core_file=value)
    with pytest.raises(ValueError, match="needs a process of its own"):
        load_addon(addon_path("crash"), isolated=False, core_file=folder / "core")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("|/usr/lib/dump %p", "passes core files to a program"),
        ("/var/core/core.%p", "name of a file without a folder"),
        ("", "name of a file without a folder"),
    ],
)
def test_system_that_puts_core_files_elsewhere_is_refused(
    pattern: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = folder / "core_pattern"
    made.write_text(f"{pattern}\n")
    monkeypatch.setattr(_core_file, "_PATTERN", made)
    with pytest.raises(ValueError, match=text):
        load_addon(addon_path("crash"), core_file=folder / "core")


@written
def test_limit_of_core_files_is_refused_and_held(folder: Path) -> None:
    script = f"""if True:
        import resource
        from napi_python import AddonCrashed, load_addon

        path, target = {str(addon_path("crash"))!r}, {str(folder / "core")!r}
        addon = load_addon(path, core_file=target)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            load_addon(path, core_file=target)
        except ValueError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert "a limit for core files that is not 0 (ulimit -Hc)" in done.stdout
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] != 0

"""What an addon unpacks while it is loaded is there for later processes of it, and for no other."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
import rows
from napi_python import Sandbox, clear_cache, host, load_addon

SWC = rows.HERE / "node_modules/@swc/core-linux-x64-gnu/swc.linux-x64-gnu.node"
OPTIONS = json.dumps({"jsc": {"parser": {"syntax": "typescript"}, "target": "es2020"}}).encode()


@pytest.fixture
def entries(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """Yields the folder of the entries, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield tmp_path / "napi_python"
    clear_cache()


def cache_of(addon: object) -> pathlib.Path:
    """The cache folder of the running process."""
    return pathlib.Path(host(addon).run_script("process.env.XDG_CACHE_HOME"))  # type: ignore[arg-type]


def unpacked(folder: pathlib.Path) -> pathlib.Path:
    """The addon that swc has unpacked below a folder."""
    (found,) = folder.rglob("*.node")
    return found


def transform(addon: object) -> str:
    result = addon.transformSync("const a: number = 1", False, OPTIONS)  # type: ignore[attr-defined]
    return str(result.code)


def test_what_was_unpacked_at_load_is_there_for_the_next_process(entries: pathlib.Path) -> None:
    with load_addon(SWC) as addon:
        assert transform(addon) == "const a = 1;\n"
        made = unpacked(cache_of(addon)).stat()
        (entry,) = entries.iterdir()
        for _ in range(2):
            host(addon).restart()
            assert transform(addon) == "const a = 1;\n"
            # A file that was unpacked again has a later time.
            assert unpacked(cache_of(addon)).stat().st_mtime_ns == made.st_mtime_ns
        assert list(entries.iterdir()) == [entry]
        clear_cache()
        assert list(entries.iterdir()) == []
        host(addon).restart()
        assert unpacked(cache_of(addon)).stat().st_mtime_ns > made.st_mtime_ns


def test_what_was_unpacked_is_there_for_later_programs(entries: pathlib.Path) -> None:
    program = (
        "import pathlib, sys; from napi_python import host, load_addon\n"
        "with load_addon(sys.argv[1]) as addon:\n"
        "    folder = pathlib.Path(host(addon).run_script('process.env.XDG_CACHE_HOME'))\n"
        "    (found,) = folder.rglob('*.node')\n"
        "    print(found.stat().st_mtime_ns)\n"
    )
    command = [sys.executable, "-c", program, str(SWC)]
    # A file that was unpacked again has a later time.
    times = {subprocess.check_output(command) for _ in range(3)}
    assert len(times) == 1
    assert len(list(entries.iterdir())) == 1


def test_what_a_process_changes_in_its_copy_reaches_no_other(entries: pathlib.Path) -> None:
    with load_addon(SWC) as one, load_addon(SWC) as other:
        copies = [unpacked(cache_of(addon)) for addon in (one, other)]
        before = copies[1].read_bytes()
        assert len(before) > 1 << 20
        copies[0].write_bytes(b"planted")
        assert copies[1].read_bytes() == before
        host(one).restart()
        assert unpacked(cache_of(one)).read_bytes() == before


def test_each_policy_and_each_file_has_its_own_entry(
    entries: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    copied = tmp_path / "copy.node"
    copied.write_bytes(SWC.read_bytes())
    for path, sandbox in ((SWC, "default"), (SWC, Sandbox(network=True)), (copied, "default")):
        with load_addon(path, sandbox=sandbox):  # type: ignore[arg-type]
            pass
    assert len(list(entries.iterdir())) == 3
    # A file that changes is another one.
    os.utime(copied)
    with load_addon(copied):
        pass
    assert len(list(entries.iterdir())) == 4

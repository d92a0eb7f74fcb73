"""Addons that are none, that die while they are loaded, or that are exchanged meanwhile; and that
starts and stops under each policy leave nothing.

ATTACKS=100 starts and stops so often.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from typing import Literal

import pytest
from conftest import addon_path
from napi_python import AddonCrashed, LoadError, SandboxUnavailable, host, load_addon
from processes import children, settled

Policy = Literal["default", "strict"]
POLICIES: tuple[Policy, ...] = ("default", "strict")
# Where the header of such a file says for which processor it is: one of another kind.
MACHINE, AARCH64 = 18, 183


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest) -> Policy:
    """Each policy that this system has."""
    wanted: Policy = request.param
    try:
        load_addon(addon_path("primitive"), sandbox=wanted).__exit__(None, None, None)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    return wanted


def around() -> tuple[set[int], int]:
    """The children of this process, and how many mounts it sees."""
    mounts = len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines())
    return children(os.getpid()), mounts


@pytest.mark.parametrize("name", ["crash_at_load", "crash_in_init", "exit_at_load"])
def test_crash_while_loading_is_reported_and_leaves_nothing(name: str, policy: Policy) -> None:
    before = around()
    with pytest.raises(AddonCrashed):
        load_addon(addon_path(f"broken/{name}"), sandbox=policy)
    assert around() == before


def test_file_that_is_no_addon_is_refused(policy: Policy, tmp_path: pathlib.Path) -> None:
    addon = addon_path("primitive").read_bytes()
    foreign = addon[:MACHINE] + AARCH64.to_bytes(2, "little") + addon[MACHINE + 2 :]
    contents = {
        "nothing": b"",
        "text": b"module.exports = 1\n",
        "cut": addon[:4096],
        "half": addon[: len(addon) // 2],
        "foreign": foreign,
        "noise": addon[:64] + os.urandom(len(addon) - 64),
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.node").write_bytes(content)
    os.mkfifo(tmp_path / "fifo.node")
    (tmp_path / "folder.node").mkdir()
    (tmp_path / "nowhere.node").symlink_to(tmp_path / "missing")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises((LoadError, AddonCrashed)):
            load_addon(path, sandbox=policy, timeout=60)


def test_addon_that_is_exchanged_while_it_is_loaded(policy: Policy, tmp_path: pathlib.Path) -> None:
    place, other = tmp_path / "addon.node", tmp_path / "other"
    for name in ("string", "broken/crash_at_load"):
        shutil.copy(addon_path("primitive"), place)
        with load_addon(place, sandbox=policy) as addon:
            first = sorted(dir(addon))
            shutil.copy(addon_path(name), other)
            other.replace(place)
            # It is another one for the next process, not for this one.
            assert host(addon).run_script("Object.keys(addon).sort()") == first
            if name == "string":
                host(addon).restart()
                assert host(addon).run_script("Object.keys(addon).sort()") != first
            else:
                with pytest.raises(AddonCrashed):
                    host(addon).restart()


def test_starts_and_stops_leave_nothing(
    policy: Policy, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def once() -> None:
        with load_addon(addon_path("primitive"), sandbox=policy) as addon:
            assert host(addon).run_script("1 + 2") == 3

    once()
    before = settled(), around()
    for _ in range(int(os.environ.get("ATTACKS", "5"))):
        once()
    assert (settled(before[0]), around()) == before
    assert list(tmp_path.iterdir()) == []

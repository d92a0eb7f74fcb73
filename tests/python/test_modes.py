"""The table of the modes is complete and true, and what ends a program does so."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mode_table
import modes
import pytest
from conftest import addon_path
from napi_python import host, load_addon, open_host

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = ("python", "real", "conformance", "fuzz")
ENDING = [
    (test, mode)
    for one in mode_table.LIMITS
    if one.ends
    for test in sorted(one.tests)
    for mode in one.modes
    if not mode_table.left_out(test.partition("::")[0], mode)
]


def files() -> dict[str, Path]:
    return {path.stem: path for folder in FOLDERS for path in (TESTS / folder).glob("test_*.py")}


def test_every_file_is_in_one_table() -> None:
    as_they_are = [name for names in mode_table.AS_THEY_ARE.values() for name in names.split()]
    listed = [*mode_table.QUICK, *mode_table.LONG, *as_they_are]
    assert sorted(listed) == sorted(files())


@pytest.mark.parametrize("reason", mode_table.LEFT_OUT)
def test_files_that_are_left_out_are_documented(reason: str) -> None:
    assert reason in (TESTS.parent / "docs" / "modes.md").read_text(encoding="utf-8")
    for mode, names in mode_table.LEFT_OUT[reason].items():
        assert mode in modes.MODES
        assert names <= mode_table.LONG | mode_table.QUICK


@pytest.mark.parametrize("limit", mode_table.LIMITS, ids=lambda limit: limit.reason)
def test_limits_name_tests_and_are_documented(limit: mode_table.Limit) -> None:
    text = (TESTS.parent / "docs" / "modes.md").read_text(encoding="utf-8")
    assert any(limit.reason in line for line in text.splitlines())
    assert set(limit.modes) <= set(modes.MODES)
    for test in limit.tests:
        file, _, function = test.partition("::")
        assert mode_table.kind(file), f"{file} runs in one mode only"
        tree = ast.parse(files()[file].read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_test_has_two_limits_in_a_mode() -> None:
    pairs = [(test, mode) for one in mode_table.LIMITS for test in one.tests for mode in one.modes]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize(("test", "mode"), ENDING, ids=lambda value: value.rpartition("::")[2])
def test_what_ends_the_program_does(test: str, mode: str) -> None:
    file, _, function = test.partition("::")
    where = f"{files()[file]}::{function}"
    options = ["--modes", mode, "--ending", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", where, *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # A signal, or `exit` of the addon: pytest has come to no result of its own.
    assert "passed" not in done.stdout and "failed" not in done.stdout, done.stdout
    assert done.returncode != 0


@pytest.mark.parametrize("name", modes.MODES)
def test_mode_is_that_of_what_is_opened(name: str) -> None:
    with modes.use(name, addon_path("primitive")) as mode:
        with load_addon(addon_path("primitive")) as addon, open_host() as opened:
            for process in (host(addon), opened):
                assert (process.pid == os.getpid()) == (name in modes.IN_PROCESS)
                assert ("shared" in process.stats()) == (name != "socket")
        assert mode.opened == 2


def test_wrong_mode_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a mode's options are not passed on."""
    without: dict[str, dict[str, Any]] = {name: {} for name in modes.MODES}
    monkeypatch.setattr(modes, "MODES", without)
    with modes.use("own"), pytest.raises(AssertionError, match="does not run in mode own"):
        load_addon(addon_path("primitive"))
    with pytest.raises(AssertionError, match="the carrier is not that"):
        modes.use("socket", addon_path("primitive")).__enter__()
    monkeypatch.setattr(modes, "MODES", {"caller": {"isolated": False}})
    with pytest.raises(AssertionError, match="the thread is not that"):
        modes.use("caller", addon_path("primitive")).__enter__()

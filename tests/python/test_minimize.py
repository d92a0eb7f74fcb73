"""A record is shortened while its crash stays, and gdb holds the process that replays it."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import napi_python
import pytest
from conftest import addon_path
from napi_python import AddonCrashed, AddonTimeout, deadline, host, load_addon
from records import SECONDS, calls, command, replay

BUFFERUTIL = (
    Path(__file__).parent.parent
    / "real/node_modules/bufferutil/prebuilds/linux-x64/bufferutil.node"
)


def _minimize(record: Path, *words: object) -> dict[str, Any]:
    status, document = command("minimize", record, *words)
    assert status == 0, document
    found: dict[str, Any] = document["minimize"]
    return found


def _fuzz(record: Path, seed: int) -> AddonCrashed:
    """Calls bufferutil with random arguments until it crashes: it checks no length."""
    chance = random.Random(seed)
    with load_addon(BUFFERUTIL, record=record) as addon:
        for _ in range(20_000):
            size = chance.randrange(16, 400)
            source = chance.randbytes(size)
            output = bytearray(size + 64)
            if chance.random() < 0.005:
                source = b""
            try:
                if chance.random() < 0.5:
                    addon.unmask(output, chance.randbytes(4))
                addon.mask(source, chance.randbytes(4), output, chance.randrange(64), size)
            except AddonCrashed as error:
                return error
    pytest.fail("bufferutil did not crash")


@pytest.mark.skipif(not BUFFERUTIL.exists(), reason="bufferutil is not installed")
def test_crash_of_a_published_addon_is_recorded_minimized_and_held_by_gdb(tmp_path: Path) -> None:
    record = tmp_path / "calls.rec"
    error = _fuzz(record, 20)
    assert error.signal_name == "SIGSEGV"
    status, found = replay(record)
    assert status == 0, found
    assert found["same"] is True
    assert found["export"] == error.export

    short = _minimize(record, "--time", 20)
    before, after = short["calls"]
    assert after == 2
    assert before > 50
    assert short["bytes"][1] < short["bytes"][0] / 100
    least = Path(short["output"])
    assert least == tmp_path / "calls.rec.min"
    status, found = replay(least)
    assert status == 0, found
    assert found["same"] is True
    assert found["export"] == error.export
    assert found["end"]["signal"] == error.signal
    assert len(calls(least)) == after

    if shutil.which("gdb") is None:
        pytest.skip("there is no gdb")
    status, found = replay(least, "--gdb-command", "bt")
    if status == 1 and "cannot attach" in str(found):
        pytest.skip("gdb may not attach to processes here")
    assert status == 0, found
    # How it ends after gdb has held it is up to gdb.
    assert found["same"] is None
    assert "SIGSEGV" in found["gdb"]
    assert "Mask" in found["gdb"]
    assert "bufferutil.node" in found["gdb"]


def test_calls_that_a_crash_needs_stay(tmp_path: Path) -> None:
    record = tmp_path / "calls.rec"
    with load_addon(addon_path("crash"), record=record) as addon:
        bomb = host(addon).run_script(
            "class Bomb { constructor() { this.armed = false } arm(text) { "
            "if (text.includes('!')) this.armed = true } "
            "fire(f) { if (this.armed && f() === 42) process.abort(); return 1 } }; Bomb"
        )
        bombs = [bomb() for _ in range(20)]
        for number, one in enumerate(bombs):
            assert addon.add(number, 1) == number + 1
            one.arm("quiet")
            assert one.fire(lambda: 42) == 1
        bombs[11].arm("x" * 1000 + "!" + "y" * 1000)
        for one in bombs[:11]:
            one.fire(lambda: 42)
        with pytest.raises(AddonCrashed):
            bombs[11].fire(lambda: 42)
    output = tmp_path / "short.rec"
    short = _minimize(record, "-o", output, "--time", 20)
    assert short["steady"] is True
    left = calls(output)
    # The load, the script, the object, what arms it, and the call that crashes.
    assert [call.split("(")[0] for call in left][-2:] == ["arm", "fire"]
    assert len(left) == 5
    assert "arm(str of 1)" in left
    status, found = replay(output)
    assert status == 0, found
    assert found["end"]["signal_name"] == "SIGABRT"


def test_crash_between_calls_is_minimized(tmp_path: Path) -> None:
    record = tmp_path / "calls.rec"
    with load_addon(addon_path("crash"), record=record) as addon:
        for number in range(50):
            assert addon.add(number, 1) == number + 1
        with pytest.raises(AddonCrashed):
            addon.work(True).result(10)
    short = _minimize(record, "--time", 20)
    assert [call.split("(")[0] for call in short["left"]] == ["Load", "work"]


def test_record_that_does_not_crash_is_refused(tmp_path: Path) -> None:
    record = tmp_path / "calls.rec"
    with load_addon(addon_path("crash"), record=record) as addon:
        assert addon.add(1, 2) == 3
    status, document = command("minimize", record)
    assert status == 1
    assert "nothing to minimize" in document["error"]["message"]
    assert command("minimize", record, "-o", record)[0] == 2


def test_missing_gdb_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "calls.rec"
    with load_addon(addon_path("crash"), record=record):
        pass
    monkeypatch.setenv("PATH", str(tmp_path))
    status, document = command("replay", record, "--gdb-command", "bt")
    assert status == 1
    assert "there is no gdb" in document["error"]["message"]


def test_gdb_stops_before_a_call(tmp_path: Path) -> None:
    if shutil.which("gdb") is None:
        pytest.skip("there is no gdb")
    record = tmp_path / "calls.rec"
    with load_addon(addon_path("crash"), record=record) as addon:
        assert addon.add(1, 2) == 3
        with pytest.raises(AddonCrashed):
            addon.divideByZero()
    number = len(calls(record))
    words = ["--until", number, "--gdb-command", "break DivideByZero"]
    words += ["--gdb-command", "continue", "--gdb-command", "info registers rip"]
    status, found = replay(record, *words)
    if status == 1 and "cannot attach" in str(found):
        pytest.skip("gdb may not attach to processes here")
    assert "DivideByZero" in found["gdb"]
    assert "Breakpoint 1, DivideByZero" in found["gdb"]


def test_interruption_ends_a_replay(tmp_path: Path) -> None:
    record = tmp_path / "calls.rec"
    with (
        load_addon(addon_path("crash"), record=record) as addon,
        pytest.raises(AddonTimeout),
        deadline(0.1),
    ):
        addon.loopForever()
    words = [sys.executable, "-m", "napi_python", "replay", str(record), "--timeout", "1000"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as child:
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=SECONDS)
    assert child.returncode == 130
    assert "interrupted" in errors


def test_another_host_program(tmp_path: Path) -> None:
    record = tmp_path / "calls.rec"
    with load_addon(addon_path("crash"), record=record) as addon:
        addon.printError("a line of the addon\n")
    status, document = command("replay", record, "--asan", tmp_path / "none")
    assert status == 1
    assert "not executable" in document["error"]["message"]
    program = Path(napi_python.__file__).parent / "_bin/napi-hostd"
    status, found = replay(record, "--asan", program)
    assert status == 0, found

"""What an addon may use up: each limit ends in an exception that names it, and what raises it."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    JSError,
    Sandbox,
    SandboxUnavailable,
    host,
    load_addon,
)

Confined = Callable[..., Any]
IS_ROOT = os.geteuid() == 0


@pytest.fixture(params=["default", "strict"])
def confined(request: pytest.FixtureRequest) -> Iterator[Confined]:
    """Loads the sample under a policy with some limits."""
    loaded: list[Addon] = []

    def load(**options: Any) -> Addon:
        sandbox = Sandbox(policy=request.param, **options)
        try:
            loaded.append(load_addon(addon_path("crash"), sandbox=sandbox))
        except SandboxUnavailable as error:
            if request.param == "strict" and error.mechanism == "namespaces":
                pytest.skip(str(error))
            raise
        return loaded[-1]

    yield load
    for addon in loaded:
        addon.__exit__(None, None, None)


def said(error: AddonError) -> str:
    """The message of an exception, with the notes on it."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def names(error: AddonError, now: str, more: str) -> None:
    """Checks that an exception names a limit, and the option that raises it."""
    text = said(error)
    assert f"its limit is {now}; sandbox=Sandbox({more}) allows twice as much" in text, text


def test_memory_that_is_refused(confined: Confined) -> None:
    addon = confined(memory="256 MiB")
    with pytest.raises(JSError) as thrown:
        addon.refusedMemoryThrows(512)
    names(thrown.value, 'memory="256 MiB"', 'memory="512 MiB"')
    with pytest.raises(AddonCrashed) as crashed:
        addon.exhaustMemory(1e9)
    names(crashed.value, 'memory="256 MiB"', 'memory="512 MiB"')
    assert (crashed.value.reason or "").startswith("maybe out of memory")
    assert addon.add(1, 2) == 3


def test_memory_that_the_kernel_does_not_count(confined: Confined) -> None:
    addon = confined(memory="128 MiB")
    assert addon.hoard(64) == 64
    with pytest.raises(AddonCrashed) as crashed:
        # It stops by itself, in case that nobody stops it.
        addon.hoard(4096)
    names(crashed.value, 'memory="128 MiB"', 'memory="256 MiB"')
    assert re.search(r"it had \d+ MiB of memory", str(crashed.value))
    assert addon.add(1, 2) == 3


def test_memory_is_watched_while_nobody_waits(confined: Confined) -> None:
    """The watchdog needs no call to look, and what it ends is told to the next one."""
    addon = confined(memory="128 MiB")
    host(addon).run_script("setTimeout(() => addon.hoard(4096), 0)")
    end = time.monotonic() + 30
    while host(addon).generation == 1 and time.monotonic() < end:
        try:
            addon.add(1, 2)
        except AddonCrashed as error:
            names(error, 'memory="128 MiB"', 'memory="256 MiB"')
            break
        time.sleep(0.01)
    assert addon.add(1, 2) == 3
    assert host(addon).generation == 2


def test_threads(confined: Confined) -> None:
    addon = confined(threads=40)
    with pytest.raises((JSError, AddonCrashed)) as raised:
        addon.idleThreads(400)
        # What the kernel does not refuse is noticed when some time was spent.
        addon.loopForever()
    threads = re.search(r"its limit is threads=(\d+)", said(raised.value))
    assert threads is not None, said(raised.value)
    count = int(threads[1])
    # Under root a jail counts processes by their numbers, of which there are some hundred at least.
    assert count == 40 or (IS_ROOT and count < 300)
    names(raised.value, f"threads={count}", f"threads={count * 2}")


def test_descriptors(confined: Confined) -> None:
    addon = confined(files=64)
    with pytest.raises(JSError) as thrown:
        addon.openMany(100)
    names(thrown.value, "files=64", "files=128")


def test_length_of_a_file(confined: Confined, tmp_path: Path) -> None:
    addon = confined(file_size="1 MiB", write=[tmp_path])
    path = str(tmp_path / "long")
    addon.longFile(path, 1 << 20)
    with pytest.raises(JSError) as thrown:
        addon.longFile(path, (1 << 20) + 1)
    names(thrown.value, 'file_size="1 MiB"', 'file_size="2 MiB"')
    with pytest.raises(AddonCrashed) as crashed:
        addon.longFile(path, (1 << 20) + 1, True)
    assert crashed.value.signal_name == "SIGXFSZ"
    names(crashed.value, 'file_size="1 MiB"', 'file_size="2 MiB"')


def test_processor_time(confined: Confined) -> None:
    addon = confined(cpu=1)
    with pytest.raises(AddonCrashed) as crashed:
        addon.loopForever()
    assert crashed.value.signal_name == "SIGXCPU"
    names(crashed.value, "cpu=1", "cpu=2")
    assert "processor time" in str(crashed.value)


@pytest.mark.parametrize(("policy", "stream"), [("none", 1), ("default", 2), ("strict", 1)])
def test_flood_of_output_is_dropped_and_counted(
    policy: Any, stream: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    flood = 24
    try:
        addon = load_addon(addon_path("crash"), sandbox=policy)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with addon, caplog.at_level(logging.WARNING, logger="napi_python.host"):
        addon.flood(stream, flood)
        assert addon.add(1, 2) == 3
        host(addon).close()
        printed = capfd.readouterr()
        shown = len(printed.out if stream == 1 else printed.err)
        # With the last of it the counter is there.
        end = time.monotonic() + 10
        while not caplog.records and time.monotonic() < end:
            time.sleep(0.01)
    assert shown < flood << 20
    told = [record.getMessage() for record in caplog.records]
    name = "stdout" if stream == 1 else "stderr"
    dropped = [re.search(rf"(\d+) bytes of its {name} were dropped", text) for text in told]
    counted = sum(int(found[1]) for found in dropped if found)
    assert shown + counted >= flood << 20, told
    assert counted > 1 << 20
    assert "prints too fast" in told[0]


def test_output_that_was_dropped_is_in_the_stats(capfd: pytest.CaptureFixture[str]) -> None:
    with load_addon(addon_path("crash")) as addon:
        assert host(addon).stats()["output_dropped"] == 0
        addon.flood(2, 24)
        end = time.monotonic() + 10
        while not host(addon).stats()["output_dropped"] and time.monotonic() < end:
            time.sleep(0.01)
        dropped = host(addon).stats()["output_dropped"]
    capfd.readouterr()
    assert dropped


def test_host_that_does_nothing_costs_nothing_to_watch(confined: Confined) -> None:
    """Neither process runs, nor does the watchdog's thread: no context is switched."""
    addon = confined()
    assert addon.add(1, 2) == 3

    def switches() -> int:
        count = 0
        for task in Path("/proc/self/task").iterdir():
            if (task / "comm").read_text().startswith("hostd-superviso"):
                status = (task / "status").read_text()
                count += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", status))
        return count

    # What the start and the call have still to do comes to its end.
    before, end = switches(), time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(0.5)
        now = switches()
        if now == before:
            return
        before = now
    pytest.fail("the supervisor keeps waking up")
